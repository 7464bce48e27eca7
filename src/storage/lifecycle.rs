//! What changes a log other than an append: cutting its end, its beginning, closing, removing,
//! and the small files beside the segments.
//!
//! Invariants: nobody appends or flushes meanwhile; segments go from the end backwards and from
//! the beginning forwards, so that a crash in between leaves a log without a hole.

use std::path::PathBuf;
use std::rc::Rc;

use base::Offset;
use reactor::IoErrorKind;

use crate::aborted;
use crate::error::StorageError;
use crate::layout::{self, FileKind};
use crate::log::Log;
use crate::planted::planted;
use crate::segment::{Segment, Stage};
use crate::standing::Standing;
use crate::state::Place;

/// How many producer snapshots are kept of those at or below what is durable.
const SNAPSHOTS_KEPT: usize = 2;

impl Log {
    /// Cuts the log so that it ends at `offset`, or at the beginning of the batch that holds it;
    /// the new end. Durable when it returns.
    ///
    /// # Errors
    /// When the device refuses; the directory is offline then.
    pub async fn truncate_to(&self, offset: Offset) -> Result<Offset, StorageError> {
        let _alone = self.append_gate().enter().await;
        self.check_open()?;
        if offset >= self.log_end() {
            return Ok(self.log_end());
        }
        self.flush().await?;
        self.write_back().await?;
        self.lane().wait_idle().await;
        let _structure = self.structure_gate().enter().await;
        let found = self.locate(offset).await?;
        let done = match found {
            Some(found) => {
                // What is cut off must not come back from the journal.
                self.void_entries().await?;
                self.promise_less(found.segment.base, found.header.base_offset)
                    .await?;
                let cut = self.cut(&found.segment, found.position, found.header.base_offset);
                let cut = cut.await;
                // Checkpoints that were gathered meanwhile may have the end that was.
                self.engine().fresh().note_marked(self.partition());
                cut
            }
            None => Ok(()),
        };
        if let Err(error) = done {
            self.engine().go_offline(error.clone());
            return Err(error);
        }
        let end = self.log_end();
        assert!(end <= offset, "the log ends where it was cut");
        Ok(end)
    }

    /// Before the log is cut: what is behind is neither complete nor compacted any more, nor is it
    /// on the device, whatever the directory's checkpoints say of it.
    async fn promise_less(&self, base: Offset, end: Offset) -> Result<(), StorageError> {
        let standing = self.standing();
        self.write_standing(Standing {
            log_start: standing.log_start.min(end),
            sealed: standing.sealed.min(base),
            cleaned: standing.cleaned.min(end),
            replacing: None,
        })
        .await?;
        self.engine().fresh().note_marked(self.partition());
        let mark = self.dir().join(layout::FRESH_FILE);
        Ok(self.engine().core().replace(&mark, b"").await?)
    }

    async fn cut(
        &self,
        segment: &Rc<Segment>,
        position: u64,
        end: Offset,
    ) -> Result<(), StorageError> {
        let core = self.engine().core();
        let dir = self.dir();
        let behind: Vec<Rc<Segment>> = {
            let mut state = self.shared.state.borrow_mut();
            state.tail.forget();
            state.forget_places();
            let behind = state.segments.split_off(&segment.base.plus(1));
            state.aborted.cut_files(segment.base);
            behind.into_values().collect()
        };
        for gone in behind.iter().rev() {
            self.wait_idle(gone).await;
            self.engine().windows().forget(gone);
            remove_segment_files(self, gone).await?;
            core.sync_dir(&dir).await?;
        }
        for gone in &behind {
            // Not before their segments: those that are found again need them.
            aborted::remove(core, &dir, gone.base).await?;
        }
        let aborted = self.load_aborted(segment.base).await?;
        self.wait_idle(segment).await;
        segment.close();
        segment.stage.set(Stage::Active);
        let file = segment.file(core).await?;
        file.truncate(position).await?;
        file.flush().await?;
        segment.len.set(position);
        segment.flushed.set(position);
        segment.allocated.set(position);
        segment.journaled.set(position);
        self.engine().windows().forget(segment);
        segment.cuts.set(segment.cuts.get() + 1);
        segment.verified.borrow_mut().clear();
        segment.damages.borrow_mut().clear();
        segment
            .next_offset
            .set(if position == 0 { segment.base } else { end });
        // What the indexes say beyond the cut would be wrong; the batches tell again.
        *segment.indexes.borrow_mut() = None;
        remove_index_files(self, segment).await?;
        self.rebuild_active(segment).await?;
        let end = segment.next_offset.get();
        {
            let mut state = self.shared.state.borrow_mut();
            state.end = end;
            state.log_start = state.log_start.min(end);
            state.debt.restart(end);
            state.aborted.cut(end, segment.base, aborted);
            self.engine().aborted_pieces().forget(segment);
            state.durable = Place {
                offset: end,
                segment: Rc::clone(segment),
                position,
            };
            state.check();
        }
        let gone = {
            let mut state = self.shared.state.borrow_mut();
            let kept = state.snapshots.partition_point(|snapshot| *snapshot <= end);
            state.snapshots.split_off(kept)
        };
        self.remove_snapshots(gone).await?;
        // They must not come back once the log has grown beyond them again.
        Ok(core.sync_dir(&dir).await?)
    }

    async fn rebuild_active(&self, segment: &Rc<Segment>) -> Result<(), StorageError> {
        if segment.len.get() == 0 {
            *segment.indexes.borrow_mut() = Some(crate::index::Indexes::default());
            return Ok(());
        }
        self.ensure_indexes(segment).await
    }

    /// Waits until no background task uses the segment's file.
    async fn wait_idle(&self, segment: &Segment) {
        while segment.growing.get() || segment.sealing.get() {
            self.shared.grown.wait().await;
        }
    }

    /// Moves the log's first offset forwards and removes the segments that lie below it; the new
    /// first offset. The offset is durable before anything is removed.
    ///
    /// # Errors
    /// `OutOfRange` above the log's end; otherwise as the device answers.
    pub async fn advance_log_start(&self, log_start: Offset) -> Result<Offset, StorageError> {
        self.note_log_start(log_start).await?;
        self.remove_below(log_start).await?;
        Ok(self.log_start())
    }

    /// Moves the log's first offset forwards, durably; its files stay.
    ///
    /// # Errors
    /// `OutOfRange` above the log's end; otherwise as the device answers.
    pub async fn note_log_start(&self, log_start: Offset) -> Result<(), StorageError> {
        self.check_open()?;
        if log_start > self.log_end() {
            return Err(StorageError::OutOfRange {
                offset: log_start,
                log_start: self.log_start(),
                log_end: self.log_end(),
            });
        }
        if log_start > self.durable_end() {
            // A log that starts behind its own end after a crash would be none.
            self.flush_soon();
            self.wait_durable(log_start).await?;
        }
        let _alone = self.structure_gate().enter().await;
        self.check_open()?;
        if log_start <= self.log_start() {
            return Ok(());
        }
        if !planted!(self.engine().planted(), ForgetLogStart) {
            let standing = Standing {
                log_start,
                ..self.standing()
            };
            self.write_standing(standing).await?;
        }
        let mut state = self.shared.state.borrow_mut();
        state.log_start = log_start.min(state.end);
        Ok(())
    }

    /// Where the last sealed segment that lies wholly below the log's start ends, where there is
    /// one: [`Self::remove_below`] has something to do.
    #[must_use]
    pub fn removable_end(&self) -> Option<Offset> {
        let state = self.shared.state.borrow();
        let mut segments = state.segments.values().rev().skip(1);
        let gone = segments
            .find(|segment| segment.is_sealed() && segment.next_offset.get() <= state.log_start);
        gone.map(|segment| segment.next_offset.get())
    }

    /// Removes sealed segments that lie wholly below the log's start and below `end`; how many
    /// went. Who replays the log to know its producers keeps a snapshot at `end` or above first.
    ///
    /// # Errors
    /// When the device refuses; what is left is removed another time.
    pub async fn remove_below(&self, end: Offset) -> Result<usize, StorageError> {
        let _alone = self.structure_gate().enter().await;
        let mut count = 0;
        while let Some(gone) = self.pop_below(end)? {
            let counters = self.engine().counters();
            counters.segments_removed.increment();
            counters.bytes_removed.add(gone.len.get());
            // A name that comes back after a crash is removed again: it lies below the start.
            self.discard_segment(&gone).await?;
            let next = gone.next_offset.get();
            self.shared.state.borrow_mut().aborted.trim(next);
            self.engine().aborted_pieces().forget(&gone);
            aborted::remove(self.engine().core(), &self.dir(), gone.base).await?;
            count += 1;
        }
        Ok(count)
    }

    fn pop_below(&self, end: Offset) -> Result<Option<Rc<Segment>>, StorageError> {
        self.check_open()?;
        let mut state = self.shared.state.borrow_mut();
        let start = state.log_start.min(end);
        let first = state.segments.first_key_value();
        let is_gone = first
            .is_some_and(|(_, segment)| segment.is_sealed() && segment.next_offset.get() <= start);
        if !is_gone || state.segments.len() == 1 {
            return Ok(None);
        }
        state.forget_places();
        Ok(state.segments.pop_first().map(|(_, segment)| segment))
    }

    /// Takes the files of a segment away from the log; they go for good later.
    pub(crate) async fn discard_segment(&self, segment: &Segment) -> Result<(), StorageError> {
        segment.retired.set(true);
        self.engine().windows().forget(segment);
        let path = segment.path(FileKind::Log);
        let to = layout::with_suffix(&path, layout::DISCARDED_SUFFIX);
        let core = self.engine().core();
        core.rename(&path, &to).await?;
        let delay = self.shared.state.borrow().config.file_delete_delay;
        self.engine().discard(to, delay);
        remove_index_files(self, segment).await
    }

    /// Begins another segment so that the active one can go; nothing when that is empty or was
    /// appended to meanwhile.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub async fn roll_at(&self, end: Offset) -> Result<(), StorageError> {
        let alone = self.append_gate().enter().await;
        self.check_open()?;
        let active = self.shared.state.borrow().active();
        if active.next_offset.get() != end || active.len.get() == 0 {
            return Ok(());
        }
        self.roll().await?;
        // Until its name is durable, the log's end is known by the old segment alone.
        self.engine().core().sync_dir(&self.dir()).await?;
        let begun = self.shared.state.borrow().active();
        begun.entry_pending.set(false);
        drop(alone);
        while active.stage.get() != Stage::Sealed || active.sealing.get() {
            self.check_open()?;
            self.shared.grown.wait().await;
        }
        Ok(())
    }

    /// The segments that are complete, oldest first: base offset, bytes, greatest timestamp. What
    /// retention decides on.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub async fn sealed_segments(&self) -> Result<Vec<SealedSegment>, StorageError> {
        let mut sealed = Vec::new();
        for segment in self.segments() {
            if segment.stage.get() != Stage::Sealed {
                continue;
            }
            self.ensure_indexes(&segment).await?;
            let max = {
                let indexes = segment.indexes.borrow();
                indexes.as_ref().and_then(|indexes| indexes.max_timestamp())
            };
            sealed.push(SealedSegment {
                base_offset: segment.base,
                next_offset: segment.next_offset.get(),
                bytes: segment.len.get(),
                max_timestamp: max.map(|max| max.timestamp),
            });
        }
        Ok(sealed)
    }

    /// Makes everything durable, cuts the active file to its true size, writes its indexes and
    /// lets go of the log. Recovery then has nothing to read.
    ///
    /// # Errors
    /// When the device refuses; then the shutdown was not a clean one.
    pub async fn close(&self) -> Result<(), StorageError> {
        self.shared.closing.set(true);
        let _alone = self.append_gate().enter().await;
        self.check_open()?;
        self.flush().await?;
        self.write_back().await?;
        self.lane().wait_idle().await;
        let _structure = self.structure_gate().enter().await;
        for segment in self.segments() {
            self.wait_idle(&segment).await;
            if segment.stage.get() == Stage::Sealed {
                continue;
            }
            if let Some(indexes) = segment.indexes.borrow_mut().as_mut() {
                indexes.note_time();
            }
            self.seal(&segment).await?;
        }
        assert!(!self.shared.debt.is_owed(), "a closed log owes nothing");
        self.close_now();
        Ok(())
    }

    /// Closes the log and removes it from the disk: its name is gone for good when this returns,
    /// its files go in the background.
    ///
    /// # Errors
    /// When the device refuses; what is left is removed at the next start.
    pub async fn remove(&self) -> Result<(), StorageError> {
        let _alone = self.append_gate().enter().await;
        self.check_open()?;
        self.close_now();
        self.remove_files().await
    }

    /// Removes the files of a closed log.
    ///
    /// # Errors
    /// When the device refuses; what is left is removed at the next start.
    pub async fn remove_files(&self) -> Result<(), StorageError> {
        assert!(self.shared.state.borrow().closed, "nobody uses it");
        let _structure = self.structure_gate().enter().await;
        self.lane().wait_idle().await;
        for segment in self.segments() {
            self.wait_idle(&segment).await;
            segment.close();
        }
        self.leave_journal();
        let engine = self.engine();
        let name = layout::deleted_dir_name(self.partition(), engine.core().entropy());
        let to = engine.dir().join(name);
        engine.core().rename(&self.dir(), &to).await?;
        engine.core().sync_dir(engine.dir()).await?;
        self.set_dir(to.clone());
        self.shared.state.borrow_mut().tail.forget();
        engine.remove_dir_in_background(to);
        Ok(())
    }

    /// Writes the producers' states as of `offset`, all or nothing, and drops old snapshots.
    ///
    /// # Errors
    /// When the device refuses; the log itself still has everything.
    pub async fn write_snapshot(&self, offset: Offset, bytes: &[u8]) -> Result<(), StorageError> {
        self.engine().check_online()?;
        self.write_aborted().await?;
        let path = self.dir().join(FileKind::Snapshot.name(offset));
        self.engine().core().replace(&path, bytes).await?;
        let gone: Vec<Offset> = {
            let mut state = self.shared.state.borrow_mut();
            if let Err(place) = state.snapshots.binary_search(&offset) {
                state.snapshots.insert(place, offset);
            }
            // One beyond what is durable goes if the power fails, and must not be the only one.
            let durable = state.durable.offset;
            let certain = state.snapshots.partition_point(|kept| *kept <= durable);
            let gone = certain.saturating_sub(SNAPSHOTS_KEPT);
            state.snapshots.drain(..gone).collect()
        };
        self.remove_snapshots(gone).await
    }

    /// The newest producer snapshot that a power cut leaves: at or below what is durable.
    #[must_use]
    pub fn durable_snapshot(&self) -> Option<Offset> {
        let state = self.shared.state.borrow();
        let durable = state.durable.offset;
        let mut newest_first = state.snapshots.iter().rev();
        newest_first.find(|kept| **kept <= durable).copied()
    }

    async fn remove_snapshots(&self, gone: Vec<Offset>) -> Result<(), StorageError> {
        for snapshot in gone {
            let path = self.dir().join(FileKind::Snapshot.name(snapshot));
            remove_if_there(self, path).await?;
        }
        Ok(())
    }

    /// The text of the leader epoch checkpoint, where there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn read_epochs(&self) -> Result<Option<String>, StorageError> {
        let path = self.dir().join(layout::EPOCHS_FILE);
        match self.engine().core().read_small(&path).await {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(StorageError::Metadata {
                    path,
                    reason: "not text; delete it, and it is made again from the log".to_owned(),
                }),
            },
            Err(error) if error.kind == IoErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the leader epoch checkpoint, durably: due before the epoch's first append.
    ///
    /// # Errors
    /// When the device refuses; the directory is offline then.
    pub async fn write_epochs(&self, text: &str) -> Result<(), StorageError> {
        // Where the log was, nothing may be missed: its files may be on their way out.
        self.check_open()?;
        let path = self.dir().join(layout::EPOCHS_FILE);
        let written = self.engine().core().replace(&path, text.as_bytes()).await;
        written.map_err(|error| {
            let error = StorageError::from(error);
            if !error.is_no_room() {
                self.engine().go_offline(error.clone());
            }
            error
        })
    }
}

/// A complete segment, as retention sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedSegment {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// The offset behind its last record: the log's start once the segment is gone.
    pub next_offset: Offset,
    /// Its size.
    pub bytes: u64,
    /// Its greatest timestamp, where it has any.
    pub max_timestamp: Option<base::Timestamp>,
}

async fn remove_if_there(log: &Log, path: PathBuf) -> Result<(), StorageError> {
    match log.engine().core().remove_file(&path).await {
        Err(error) if error.kind != IoErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

pub(crate) async fn remove_index_files(log: &Log, segment: &Segment) -> Result<(), StorageError> {
    for kind in [FileKind::Index, FileKind::TimeIndex] {
        remove_if_there(log, segment.path(kind)).await?;
    }
    Ok(())
}

async fn remove_segment_files(log: &Log, segment: &Segment) -> Result<(), StorageError> {
    segment.close();
    remove_if_there(log, segment.path(FileKind::Log)).await?;
    remove_index_files(log, segment).await
}
