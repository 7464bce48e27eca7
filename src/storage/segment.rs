//! One segment file and what is known of it.
//!
//! Lifecycle: *active* while batches are appended, preallocated ahead of need; *sealing* once a
//! later segment was begun, until its bytes are flushed, the file cut to its true size and the
//! indexes written; *sealed* for the rest of its life, read-only.
//!
//! Invariants: `flushed <= len`; only a sealed segment is ever read through the page cache.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use base::{BLOCK_SIZE, Offset, Timestamp};
use reactor::{Core, File, OpenMode};

use crate::damage::{Damages, Verified};
use crate::error::StorageError;
use crate::index::Indexes;
use crate::layout::FileKind;

/// Where a segment is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Batches are appended to it.
    Active,
    /// It is complete but not yet cut to size.
    Sealing,
    /// It never changes again.
    Sealed,
}

/// See the module's head.
pub(crate) struct Segment {
    pub(crate) base: Offset,
    dir: PathBuf,
    file: RefCell<Option<File>>,
    /// Bytes of batches, in memory or in the file.
    pub(crate) len: Cell<u64>,
    /// Bytes that are on the device in the file itself.
    pub(crate) flushed: Cell<u64>,
    /// Up to where the journal has it, which is nothing to go by once it is flushed.
    pub(crate) journaled: Cell<u64>,
    /// Bytes that the file has room for.
    pub(crate) allocated: Cell<u64>,
    /// The offset after the last batch.
    pub(crate) next_offset: Cell<Offset>,
    pub(crate) stage: Cell<Stage>,
    /// Whether the directory entry may still be lost.
    pub(crate) entry_pending: Cell<bool>,
    /// True while a task makes the file larger.
    pub(crate) growing: Cell<bool>,
    /// True while a task seals it.
    pub(crate) sealing: Cell<bool>,
    /// True once its files belong to no log or to another segment: nothing is written there.
    pub(crate) retired: Cell<bool>,
    /// A sealed segment's largest timestamp, once it was asked for; none where it has none.
    pub(crate) largest: Cell<Option<Option<Timestamp>>>,
    /// When its age was first asked for, for records without a time.
    seen_at: Cell<Option<Timestamp>>,
    /// What is taken off `segment.ms` for this segment, so that not all roll at once.
    pub(crate) jitter_ms: Cell<i64>,
    /// The time that `segment.ms` counts from: the first batch's, none before there is one.
    pub(crate) roll_from: Cell<Option<Timestamp>>,
    /// Always there for the active segment, loaded when needed for the others.
    pub(crate) indexes: RefCell<Option<Indexes>>,
    /// How often its end was cut off: who looked before has looked at other bytes.
    pub(crate) cuts: Cell<u32>,
    /// What was looked at and may be sent.
    pub(crate) verified: RefCell<Verified>,
    /// What may not.
    pub(crate) damages: RefCell<Damages>,
}

impl Segment {
    /// A segment whose file was just created: empty, its directory entry not durable yet.
    pub(crate) fn created(dir: &Path, base: Offset, file: File) -> Self {
        let segment = Self::found(dir, base);
        *segment.file.borrow_mut() = Some(file);
        segment.stage.set(Stage::Active);
        segment.entry_pending.set(true);
        *segment.indexes.borrow_mut() = Some(Indexes::default());
        segment
    }

    /// A segment whose empty file is on the device, not opened yet.
    pub(crate) fn made(dir: &Path, base: Offset) -> Self {
        let segment = Self::found(dir, base);
        segment.stage.set(Stage::Active);
        *segment.indexes.borrow_mut() = Some(Indexes::default());
        segment
    }

    /// A segment that was found on the disk, its file not opened yet.
    pub(crate) fn found(dir: &Path, base: Offset) -> Self {
        assert!(base >= Offset(0), "a log's offsets begin at zero");
        Self {
            base,
            dir: dir.to_path_buf(),
            file: RefCell::new(None),
            len: Cell::new(0),
            flushed: Cell::new(0),
            journaled: Cell::new(0),
            allocated: Cell::new(0),
            next_offset: Cell::new(base),
            stage: Cell::new(Stage::Sealed),
            entry_pending: Cell::new(false),
            growing: Cell::new(false),
            sealing: Cell::new(false),
            retired: Cell::new(false),
            largest: Cell::new(None),
            seen_at: Cell::new(None),
            jitter_ms: Cell::new(0),
            roll_from: Cell::new(None),
            indexes: RefCell::new(None),
            cuts: Cell::new(0),
            verified: RefCell::default(),
            damages: RefCell::default(),
        }
    }

    /// When records without any time are counted from: Kafka takes the file's time, we the moment
    /// at which this process first asked, which is later.
    pub(crate) fn seen_since(&self, now: Timestamp) -> Timestamp {
        let seen = self.seen_at.get().unwrap_or(now);
        self.seen_at.set(Some(seen));
        seen
    }

    /// True when the segment never changes again.
    pub(crate) fn is_sealed(&self) -> bool {
        self.stage.get() == Stage::Sealed && !self.sealing.get()
    }

    /// The path of this segment's file of `kind`.
    pub(crate) fn path(&self, kind: FileKind) -> PathBuf {
        self.dir.join(kind.name(self.base))
    }

    /// The file, opened when it is first needed.
    pub(crate) async fn file(&self, core: &Core) -> Result<File, StorageError> {
        if let Some(file) = self.file.borrow().as_ref() {
            return Ok(file.clone());
        }
        loop {
            let stage = self.stage.get();
            let mode = match stage {
                Stage::Sealed => OpenMode::ReadOnly,
                Stage::Active | Stage::Sealing => OpenMode::Existing,
            };
            let opened = core.open(&self.path(FileKind::Log), mode).await?;
            // Meanwhile the segment may have been sealed, or made active again by a cut.
            if self.stage.get() == stage {
                let mut file = self.file.borrow_mut();
                return Ok(file.get_or_insert(opened).clone());
            }
        }
    }

    /// True while the file is held open.
    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.file.borrow().is_some()
    }

    /// Lets go of the file, so that the next use opens it again, in another mode if need be.
    pub(crate) fn close(&self) {
        *self.file.borrow_mut() = None;
    }

    /// Makes the file at least `needed` bytes large, `step` at a time.
    pub(crate) async fn grow(
        &self,
        core: &Core,
        needed: u64,
        step: u64,
        cap: u64,
    ) -> Result<(), StorageError> {
        assert!(step > 0, "a file grows by something");
        let block = BLOCK_SIZE as u64;
        let wanted = needed.saturating_add(step).min(cap).max(needed);
        let wanted = wanted.next_multiple_of(block);
        let file = self.file(core).await?;
        // Within the size writes stay on the core (kernel-note 001); blocks written for the first
        // time still cost twice as much as recycled ones (kernel-note 002).
        file.allocate(wanted).await?;
        self.allocated.set(self.allocated.get().max(wanted));
        assert!(self.allocated.get() >= needed);
        Ok(())
    }

    /// `offset` counted from the base; nothing where it cannot be in this segment.
    pub(crate) fn relative(&self, offset: Offset) -> Option<u32> {
        let relative = offset.0.checked_sub(self.base.0)?;
        // Kafka's indexes hold signed 32-bit numbers.
        i32::try_from(relative)
            .ok()
            .and_then(|relative| u32::try_from(relative).ok())
    }

    /// The offset that an index entry means.
    pub(crate) fn absolute(&self, relative: u32) -> Offset {
        self.base.plus(i64::from(relative))
    }

    /// Checks the numbers against each other.
    pub(crate) fn check(&self) {
        assert!(
            self.flushed.get() <= self.len.get(),
            "no more is flushed than there is"
        );
        assert!(self.next_offset.get() >= self.base);
        assert!((self.len.get() == 0) == (self.next_offset.get() == self.base));
    }
}
