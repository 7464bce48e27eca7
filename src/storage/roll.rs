//! Beginning a segment, making room in it ahead of need, and sealing the one before.
//!
//! Invariants: batches may be appended to a new segment at once, but none counts as durable
//! before the old segment's bytes, the new file and its directory entry are; a segment is sealed
//! only when all of it was flushed; its true size is durable before its indexes are written.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use base::Offset;
use reactor::{Core, File, IoErrorKind, OpenMode, Signal};

use crate::disk::DiskLevel;
use crate::error::StorageError;
use crate::flusher;
use crate::gate::GateGuard;
use crate::layout::FileKind;
use crate::log::Log;
use crate::planted::planted;
use crate::segment::{Segment, Stage};

/// By how much a file grows while there is little room.
const STEP_SMALL: u64 = 64 << 10;

impl Log {
    /// Begins a segment at the log's end; the one before is sealed once it is flushed.
    ///
    /// # Errors
    /// When the file cannot be created; the directory is offline then.
    pub(crate) async fn roll(&self) -> Result<(), StorageError> {
        let base = self.log_end();
        let created = create_segment(self.engine().core(), &self.dir(), base).await;
        let segment = match created {
            Ok(segment) => Rc::new(segment),
            // Nothing has changed yet; it can be tried again.
            Err(error) if error.is_no_room() => return Err(error),
            Err(error) => {
                self.engine().go_offline(error.clone());
                return Err(error);
            }
        };
        let old = {
            let mut state = self.shared.state.borrow_mut();
            let old = state.active();
            assert!(old.next_offset.get() == base && old.base < base);
            old.stage.set(Stage::Sealing);
            state.tail.clear_spare();
            let jitter_max = state.config.segment_jitter_ms.min(state.config.segment_ms);
            let jitter =
                self.engine().core().entropy() % u64::try_from(jitter_max.max(1)).unwrap_or(1);
            segment.jitter_ms.set(i64::try_from(jitter).unwrap_or(0));
            state.segments.insert(base, segment);
            state.check();
            old
        };
        if let Some(indexes) = old.indexes.borrow_mut().as_mut() {
            indexes.note_time();
            indexes.shrink();
        }
        self.handle_roll(base);
        if planted!(self.engine().planted(), TrustIndexOverLog) {
            self.write_indexes(&old).await?;
        }
        if old.flushed.get() == old.len.get() {
            self.seal_in_background(old);
        } else {
            // Also where all of it is durable, but only with the help of the journal.
            flusher::request_direct(self);
        }
        Ok(())
    }

    /// Rolls, also when the caller goes away meanwhile, and gives the gate back. A file that was
    /// made and then forgotten would tell recovery that the log before it ends there.
    pub(crate) async fn roll_to_the_end(
        &self,
        alone: GateGuard,
    ) -> Result<GateGuard, StorageError> {
        let ended = Rc::new((Signal::new(), RefCell::new(None)));
        let (log, told) = (self.clone(), Rc::clone(&ended));
        self.engine().core().spawn(async move {
            let rolled = log.roll().await;
            told.1.replace(Some(rolled.map(|()| alone)));
            told.0.notify();
        });
        loop {
            let wait = ended.0.wait();
            if let Some(rolled) = ended.1.take() {
                return rolled;
            }
            wait.await;
        }
    }

    /// Makes the segment's file at least `needed` bytes large.
    ///
    /// # Errors
    /// When the device has no room.
    pub(crate) async fn grow(&self, segment: &Segment, needed: u64) -> Result<(), StorageError> {
        let (step, cap) = {
            let mut state = self.shared.state.borrow_mut();
            let is_ample = self.engine().disk_level() == DiskLevel::Ample;
            let step = if is_ample {
                state.next_step()
            } else {
                STEP_SMALL
            };
            (step, u64::from(state.config.segment_bytes))
        };
        let before = segment.allocated.get();
        segment
            .grow(self.engine().core(), needed, step, cap)
            .await?;
        let grown = segment.allocated.get().saturating_sub(before);
        self.engine().note_taken(grown);
        Ok(())
    }

    /// Makes the file larger while the flusher writes into what it has.
    pub(crate) fn grow_in_background(&self, segment: Rc<Segment>) {
        let log = self.clone();
        self.engine().core().spawn(async move {
            let needed = segment.allocated.get();
            if segment.stage.get() == Stage::Active {
                let grown = log.grow(&segment, needed).await;
                // Where there is no room ahead of need, the flusher meets the same error in need.
                drop(grown);
            }
            segment.growing.set(false);
            log.shared.grown.notify();
        });
    }

    /// Cuts a flushed segment to its true size and writes its indexes.
    pub(crate) fn seal_in_background(&self, segment: Rc<Segment>) {
        if segment.stage.get() != Stage::Sealing || segment.sealing.replace(true) {
            return;
        }
        let log = self.clone();
        self.engine().core().spawn(async move {
            let sealed = log.seal(&segment).await;
            segment.sealing.set(false);
            log.shared.grown.notify();
            match sealed {
                Ok(()) | Err(StorageError::Closed) => {}
                Err(error) => log.engine().go_offline(error),
            }
        });
    }

    pub(crate) async fn seal(&self, segment: &Segment) -> Result<(), StorageError> {
        assert!(
            segment.flushed.get() == segment.len.get(),
            "sealed when durable"
        );
        // A task that still makes the file larger would undo the cut.
        self.wait_grown(segment).await;
        if segment.len.get() == 0 && segment.allocated.get() == 0 {
            // Nothing was ever written here, and no index is as good as an empty one.
            segment.stage.set(Stage::Sealed);
            segment.close();
            return Ok(());
        }
        let file = segment.file(self.engine().core()).await?;
        file.truncate(segment.len.get()).await?;
        if !planted!(self.engine().planted(), SealWithoutFlush) {
            file.flush().await?;
        }
        segment.allocated.set(segment.len.get());
        match self.write_indexes(segment).await {
            // They are made again from the log when they are needed.
            Err(error) if error.is_no_room() => {}
            written => written?,
        }
        segment.stage.set(Stage::Sealed);
        segment.close();
        Ok(())
    }

    /// Waits until nobody changes the file's size in the background.
    pub(crate) async fn wait_grown(&self, segment: &Segment) {
        while segment.growing.get() {
            self.shared.grown.wait().await;
        }
    }

    /// Writes both index files of a segment, each all or nothing.
    pub(crate) async fn write_indexes(&self, segment: &Segment) -> Result<(), StorageError> {
        let encoded = {
            let indexes = segment.indexes.borrow();
            indexes
                .as_ref()
                .map(|indexes| (indexes.encode_offsets(), indexes.encode_times()))
        };
        let Some((offsets, times)) = encoded else {
            return Ok(());
        };
        let core = self.engine().core();
        core.replace(&segment.path(FileKind::Index), &offsets)
            .await?;
        core.replace(&segment.path(FileKind::TimeIndex), &times)
            .await?;
        Ok(())
    }
}

/// Creates the file of a segment. What lies there under its name was never acknowledged, since
/// the log ends where the segment begins, and is removed.
pub(crate) async fn create_segment(
    core: &Core,
    dir: &Path,
    base: Offset,
) -> Result<Segment, StorageError> {
    let path = dir.join(FileKind::Log.name(base));
    let file = match core.open(&path, OpenMode::CreateNew).await {
        Ok(file) => file,
        Err(error) if error.kind == IoErrorKind::AlreadyExists => replace_file(core, &path).await?,
        Err(error) => return Err(error.into()),
    };
    Ok(Segment::created(dir, base, file))
}

async fn replace_file(core: &Core, path: &Path) -> Result<File, StorageError> {
    core.remove_file(path).await?;
    Ok(core.open(path, OpenMode::CreateNew).await?)
}
