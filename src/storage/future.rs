//! A copy of a log that grows in another data directory until it takes the log's place.
//!
//! Lifecycle: begun empty under a name that no start takes for a log (Kafka's `-future`), filled a
//! slice at a time while the log goes on, finished while the log is held, renamed. From then on
//! both directories have the whole log, and whoever keeps the book says which one counts.
//!
//! Invariants: what is copied is durable in the log; the log is not compacted meanwhile; the copy
//! has the log's bytes and offsets; it is never read; a copy that is not finished is removed at the next start.

use std::path::PathBuf;
use std::rc::Rc;

use base::{Offset, Timestamp, Uuid};
use batch::{BatchView, Batches};

use crate::aborted::ENTRIES_MAX;
use crate::creation::create_at;
use crate::data_dir::FoundLog;
use crate::engine::Engine;
use crate::error::{Fault, StorageError};
use crate::gate::GateGuard;
use crate::layout;
use crate::log::{BatchShape, Log, Stamp};
use crate::options::FlushPolicy;
use crate::planted::planted;
use crate::reader::ReadRequest;
use crate::roll::create_segment;
use crate::standing::Standing;

/// After a hole of so many offsets the copy goes on in another segment: a segment's offsets are
/// counted from its first with 32 bits.
const HOLE_MAX: i64 = 1 << 30;

/// Keeps a log from being compacted while it is copied. A copy that has an old value from before
/// and lacks the tombstone from after would bring a deleted key back (Kafka pauses its cleaner,
/// too).
struct Uncompacted(Log);

impl Uncompacted {
    fn new(log: &Log) -> Self {
        let copies = &log.shared.copies;
        copies.set(copies.get() + 1);
        Self(log.clone())
    }
}

impl Drop for Uncompacted {
    fn drop(&mut self) {
        let copies = &self.0.shared.copies;
        assert!(copies.get() > 0, "each copy ends once");
        copies.set(copies.get() - 1);
    }
}

/// A log and its copy under way.
pub struct FutureLog {
    source: Log,
    _uncompacted: Uncompacted,
    log: Log,
    /// The next offset to copy.
    position: Offset,
    /// Up to where markers of aborted transactions were looked for.
    aborted_to: Offset,
    /// Up to here the log was compacted when the copy began.
    cleaned: Offset,
}

/// Nobody appends to a log, moves its start or replaces its segments while this is held.
pub struct HeldLog {
    _appends: GateGuard,
    _structure: GateGuard,
}

impl Log {
    pub(crate) fn is_being_copied(&self) -> bool {
        let planted = planted!(self.engine().planted(), CompactWhileCopied);
        self.shared.copies.get() > 0 && !planted
    }

    /// The name of a future copy is as long as this allows (Kafka refuses longer ones).
    #[must_use]
    pub fn may_have_future(&self) -> bool {
        const NAME_BYTES_MAX: usize = 255;
        layout::future_dir_name(self.partition(), 0).len() <= NAME_BYTES_MAX
    }

    /// Holds the log as it is; everything in it is durable then.
    ///
    /// # Errors
    /// When it was closed or its directory is offline.
    pub async fn hold(&self) -> Result<HeldLog, StorageError> {
        let appends = self.append_gate().enter().await;
        self.check_open()?;
        self.flush().await?;
        let structure = self.structure_gate().enter().await;
        self.check_open()?;
        Ok(HeldLog {
            _appends: appends,
            _structure: structure,
        })
    }

    /// Closes a held log for good: another one takes its place. At the moment when this returns
    /// nobody waits to append any more. Its files are still to be removed.
    pub async fn give_up(&self, held: HeldLog) {
        self.close_now();
        drop(held);
        while self.append_gate().try_enter().is_none() {
            drop(self.append_gate().enter().await);
        }
    }
}

impl FutureLog {
    /// Begins a copy of `source` in the directory of `engine`.
    ///
    /// # Errors
    /// When either directory refuses.
    pub async fn begin(
        engine: &Engine,
        source: &Log,
        topic_id: Uuid,
    ) -> Result<Self, StorageError> {
        let uncompacted = Uncompacted::new(source);
        let tag = u128::from(engine.core().entropy()) << 64 | u128::from(engine.core().entropy());
        let dir = engine
            .dir()
            .join(layout::future_dir_name(source.partition(), tag));
        let start = source.log_start();
        // The batch that holds the start may begin before it. Where compaction left nothing there,
        // the copy starts where the log does all the same.
        let first = source.locate(start).await?;
        let base = first.map_or(start, |first| first.header.base_offset.min(start));
        let cleaned = source.standing().cleaned;
        let mut config = source.shared.state.borrow().config;
        config.flush = FlushPolicy::Later {
            messages: u64::MAX,
            after: std::time::Duration::from_secs(1),
        };
        let name = source.partition().clone();
        let log = create_at(engine, (name, dir), topic_id, (config, base), Vec::new()).await?;
        Ok(Self {
            source: source.clone(),
            _uncompacted: uncompacted,
            log,
            position: base,
            aborted_to: base,
            cleaned,
        })
    }

    /// The copy, for what concerns its size and its end.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Copies about `bytes_max` bytes of what is durable; how many it was, none at the end.
    ///
    /// # Errors
    /// When either directory refuses.
    pub async fn copy(&mut self, bytes_max: usize) -> Result<u64, StorageError> {
        let bound = self.source.durable_end();
        self.position = self.position.max(self.source.log_start().min(bound));
        if self.position >= bound {
            return Ok(0);
        }
        let request = ReadRequest {
            offset: self.position,
            bytes_max,
            at_least_one: true,
            upper_bound: bound,
        };
        let read = match self.source.read(&request).await {
            // Its beginning went meanwhile; the copy goes on behind it.
            Err(StorageError::OutOfRange { .. }) if self.position < self.source.log_start() => {
                return Box::pin(self.copy(bytes_max)).await;
            }
            read => read?,
        };
        if read.pieces.is_empty() {
            // Compaction left nothing from here on.
            self.position = bound;
            return Ok(0);
        }
        let before = self.position;
        let len = read.len;
        let bytes = read.into_bytes().await?;
        self.take(&bytes).await?;
        if self.position == before {
            return Err(self.damaged(before, Fault::Missing));
        }
        self.copy_aborted().await?;
        Ok(len)
    }

    /// Notes the aborted transactions whose markers are copied. A segment that is full of them ends,
    /// as it does in any log, and its file is written then.
    async fn copy_aborted(&mut self) -> Result<(), StorageError> {
        let end = self.log.log_end();
        loop {
            let page = self.source.aborted_from(self.aborted_to).await?;
            let first = page.first().map(|aborted| aborted.last_offset);
            for aborted in page.into_iter().filter(|one| one.last_offset < end) {
                self.aborted_to = aborted.last_offset.plus(1);
                self.log.note_aborted(aborted);
            }
            let is_last = first.is_none_or(|first| first >= self.aborted_to);
            if is_last {
                break;
            }
        }
        if self.log.recent_aborted() >= ENTRIES_MAX {
            self.log.write_aborted().await?;
        }
        Ok(())
    }

    /// Appends the whole batches of `bytes`; the last one may be cut.
    async fn take(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        for view in Batches::new(bytes) {
            let Ok(view) = view else {
                return Ok(());
            };
            if let Err(error) = view.verify_checksum() {
                let at = view.base_offset();
                return Err(self.damaged(at, Fault::Batch(error)));
            }
            if view.next_offset() > self.position {
                self.append(&view).await?;
                self.position = view.next_offset();
            }
        }
        Ok(())
    }

    async fn append(&self, view: &BatchView<'_>) -> Result<(), StorageError> {
        let end = self.log.log_end();
        if view.base_offset().0 - end.0 > HOLE_MAX {
            self.skip_to(view.base_offset()).await?;
        }
        let end = self.log.log_end();
        let shape = BatchShape {
            len: view.len(),
            offset_count: u32::try_from(view.next_offset().0 - end.0).unwrap_or(u32::MAX),
            max_timestamp: view.max_timestamp().max(Timestamp::NONE),
        };
        let reservation = self.log.reserve(shape).await?;
        self.log.append(view.bytes(), &Stamp::AsIs, reservation);
        Ok(())
    }

    /// Lets the copy go on at `to`: there is nothing before it any more.
    async fn skip_to(&self, to: Offset) -> Result<(), StorageError> {
        self.log.flush().await?;
        let _alone = self.log.append_gate().enter().await;
        self.log.lane().wait_idle().await;
        let active = self.log.shared.state.borrow().active();
        if active.len.get() > 0 {
            active.next_offset.set(to);
            {
                let mut state = self.log.shared.state.borrow_mut();
                state.end = to;
                state.forget_places();
            }
            return self.log.roll().await;
        }
        let engine = self.log.engine();
        let created = create_segment(engine.core(), &self.log.dir(), to).await?;
        created.file(engine.core()).await?.flush().await?;
        engine.core().sync_dir(&self.log.dir()).await?;
        created.entry_pending.set(false);
        let created = Rc::new(created);
        {
            let mut state = self.log.shared.state.borrow_mut();
            state.segments.remove(&active.base);
            state.segments.insert(to, Rc::clone(&created));
            state.end = to;
            state.log_start = if state.segments.len() == 1 {
                to
            } else {
                state.log_start
            };
            state.durable = crate::state::Place {
                offset: to,
                segment: created,
                position: 0,
            };
            state.debt.restart(to);
            state.tail.forget();
            state.forget_places();
            state.check();
        }
        active.close();
        let path = active.path(layout::FileKind::Log);
        engine.core().remove_file(&path).await?;
        Ok(())
    }

    /// Makes the copy a log like any other, under its own name, closed in order. The source is
    /// held, so this is all there is of it. What is found there at a start.
    ///
    /// # Errors
    /// When either directory refuses; the source is as it was.
    pub async fn finish(
        mut self,
        _held: &HeldLog,
        epochs: &str,
        producers: &[u8],
    ) -> Result<FoundLog, StorageError> {
        while self.copy(1 << 20).await? > 0 {}
        let (start, end) = (self.source.log_start(), self.source.log_end());
        assert_eq!(self.source.durable_end(), end, "the source is held");
        if self.log.log_end() < end {
            // Whoever comes next goes on behind what is gone.
            self.skip_to(end).await?;
        }
        let log = self.log.clone();
        log.flush().await?;
        if start > log.log_start() {
            log.advance_log_start(start).await?;
        }
        log.write_epochs(epochs).await?;
        self.copy_aborted().await?;
        log.write_snapshot(end, producers).await?;
        {
            let _structure = log.structure_gate().enter().await;
            let sealed = log.shared.state.borrow().active().base;
            let standing = Standing {
                sealed,
                cleaned: self.cleaned.min(sealed),
                ..log.standing()
            };
            log.write_standing(standing).await?;
        }
        assert_eq!(log.log_end(), end, "the copy is whole");
        log.close().await?;
        self.take_place().await?;
        Ok(FoundLog {
            partition: log.partition().clone(),
            recovery_point: end,
            log_start: log.log_start(),
            high_watermark: end,
        })
    }

    /// Gives the closed copy the log's name.
    async fn take_place(&self) -> Result<(), StorageError> {
        let engine = self.log.engine();
        let core = engine.core();
        let place = engine.dir().join(self.log.partition().to_string());
        let tag = core.entropy();
        let away = engine
            .dir()
            .join(layout::deleted_dir_name(self.log.partition(), tag));
        // The log may have been here before, and the journal may not know how it went.
        engine.void_journal(self.log.partition()).await?;
        // What an earlier move left there counts for nobody.
        match core.rename(&place, &away).await {
            Err(error) if error.kind == reactor::IoErrorKind::NotFound => {}
            renamed => {
                renamed?;
                engine.remove_dir_in_background(away);
            }
        }
        core.rename(&self.log.dir(), &place).await?;
        if !planted!(engine.planted(), MoveWithoutSync) {
            core.sync_dir(engine.dir()).await?;
        }
        Ok(())
    }

    /// Gives the copy up.
    pub async fn abandon(self) {
        // What is left is removed at the next start.
        drop(self.log.remove().await);
    }

    fn damaged(&self, offset: Offset, fault: Fault) -> StorageError {
        let path: PathBuf = self.source.dir();
        StorageError::Corrupt {
            path,
            position: 0,
            offset,
            fault,
        }
    }
}
