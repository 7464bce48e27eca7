//! Putting a finished file in the place of the segments that it was made from.
//!
//! The steps, each durable before the next: the log's standing names the range that is replaced
//! and says that all below is complete; the file takes a name that says it is finished; the old
//! segments leave; the file takes the first one's name. Recovery goes on from wherever it stopped
//! (`recovery.rs`).
//!
//! Invariant: readers that hold an old segment have its file open and its indexes in memory, and
//! never look at the new file by its positions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use base::Offset;

use super::run::Run;
use crate::aborted;
use crate::error::StorageError;
use crate::index::Indexes;
use crate::layout::{self, FileKind};
use crate::lifecycle::remove_index_files;
use crate::log::Log;
use crate::planted::planted;
use crate::segment::{Segment, Stage};
use crate::standing::Standing;

/// A finished file.
pub(crate) struct Cleaned {
    pub(crate) path: PathBuf,
    pub(crate) len: u64,
    pub(crate) indexes: Indexes,
    /// The markers that it lacks.
    pub(crate) markers_gone: BTreeSet<Offset>,
}

impl Run<'_> {
    /// Replaces `group` by what was made of it.
    pub(crate) async fn swap(
        &mut self,
        group: &[Rc<Segment>],
        cleaned: Cleaned,
    ) -> Result<(), StorageError> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            return Ok(());
        };
        let log = self.log;
        let _alone = log.structure_gate().enter().await;
        let is_whole = log.has_all(group);
        if self.check_going_on().is_err() || !is_whole {
            // Retention took some of what was to be replaced, or the log is going away.
            drop(log.engine().core().remove_file(&cleaned.path).await);
            self.left_out |= !is_whole;
            return self.check_going_on();
        }
        let (base, end) = (first.base, last.next_offset.get());
        let gone = &cleaned.markers_gone;
        let aborted = log.merge_aborted((base, end), gone).await?;
        let standing = log.standing();
        let noted = Standing {
            sealed: standing.sealed.max(end),
            replacing: Some((base, end)),
            ..standing
        };
        if !planted!(log.engine().planted(), SwapWithoutMark) {
            log.write_standing(noted).await?;
        }
        remove_index_files(log, first).await?;
        let segment = Rc::new(Segment::found(&log.dir(), base));
        segment.len.set(cleaned.len);
        segment.flushed.set(cleaned.len);
        segment.allocated.set(cleaned.len);
        segment.next_offset.set(end);
        segment.stage.set(Stage::Sealed);
        *segment.indexes.borrow_mut() = Some(cleaned.indexes);
        if let Err(error) = log.replace_files(group, &cleaned.path, &segment).await {
            // Half of the names are changed; a restart finishes the rest.
            log.engine().go_offline(error.clone());
            return Err(error);
        }
        log.settle_merged((base, end), aborted);
        // What remains is known from the file itself, should it not come to this.
        drop(log.write_indexes(&segment).await);
        *segment.indexes.borrow_mut() = None;
        let done = Standing {
            replacing: None,
            ..log.standing()
        };
        log.write_standing(done).await
    }
}

impl Log {
    /// Whether all of `group` are segments of the log still.
    fn has_all(&self, group: &[Rc<Segment>]) -> bool {
        let state = self.shared.state.borrow();
        group.iter().all(|segment| {
            let present = state.segments.get(&segment.base);
            present.is_some_and(|present| Rc::ptr_eq(present, segment))
        })
    }

    async fn replace_files(
        &self,
        group: &[Rc<Segment>],
        cleaned: &Path,
        segment: &Rc<Segment>,
    ) -> Result<(), StorageError> {
        let core = self.engine().core();
        let dir = self.dir();
        let path = segment.path(FileKind::Log);
        let swap = layout::with_suffix(&path, layout::SWAP_SUFFIX);
        core.rename(cleaned, &swap).await?;
        core.sync_dir(&dir).await?;
        for old in group {
            self.discard_segment(old).await?;
            if old.base != segment.base {
                // The first one's file has the entries of all.
                aborted::remove(core, &dir, old.base).await?;
            }
        }
        if !planted!(self.engine().planted(), SwapWithoutSync) {
            // A power cut could keep the last name and bring an old segment back: the log would have
            // its batches twice, and recovery no finished file to go on with.
            core.sync_dir(&dir).await?;
        }
        core.rename(&swap, &path).await?;
        core.sync_dir(&dir).await?;
        let mut state = self.shared.state.borrow_mut();
        state.forget_places();
        let bases: Vec<Offset> = group.iter().map(|old| old.base).collect();
        for base in bases {
            state.segments.remove(&base);
        }
        state.segments.insert(segment.base, Rc::clone(segment));
        state.check();
        Ok(())
    }
}
