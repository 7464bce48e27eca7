//! What becomes of one batch when its segment is written again, by Kafka's rules.

use std::collections::BTreeSet;

use base::{Offset, Timestamp};
use batch::{BatchError, BatchView, Record, Scratch, records};

use super::keys::KeyMap;
use super::outcomes::{Marker, Outcomes, marker};
use super::run::CompactionRules;
use crate::planted::{Planted, planted};

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays as it is.
    Same,
    /// It stays with fewer records or another header: that is in the given memory.
    Rewritten,
    /// Nothing of it stays.
    Gone,
}

/// See the module's head.
pub(crate) struct Judge<'a> {
    pub(crate) rules: &'a CompactionRules,
    pub(crate) keys: &'a KeyMap,
    pub(crate) outcomes: Outcomes,
    /// The offset behind the part that is compacted.
    pub(crate) end: Offset,
    pub(crate) planted: Planted,
    pub(crate) scratch: Scratch,
    pub(crate) keep: Vec<bool>,
    /// Records that were dropped so far.
    pub(crate) dropped: u64,
    /// Markers that were dropped, of the group that is written now.
    pub(crate) markers_gone: BTreeSet<Offset>,
}

impl Judge<'_> {
    /// Judges a batch; what is written instead of it goes behind `target`.
    pub(crate) fn judge(
        &mut self,
        view: &BatchView<'_>,
        target: &mut Vec<u8>,
    ) -> Result<Verdict, BatchError> {
        let attributes = view.attributes();
        let horizon = attributes
            .has_delete_horizon()
            .then(|| view.base_timestamp());
        let is_due = horizon.is_some_and(|horizon| horizon <= self.rules.now);
        let mut is_discarded = false;
        let mut ends_nothing = false;
        if attributes.is_control() {
            // A marker stays while anything of its transaction does, and then until its horizon.
            let ends = marker(view, &mut self.scratch)? != Marker::Other;
            ends_nothing = ends && self.outcomes.see_marker(view);
            is_discarded = (ends_nothing && is_due) || planted!(self.planted, DropMarkers);
        } else if attributes.is_transactional() {
            is_discarded = self.outcomes.is_aborted(view);
            self.outcomes.see_data(view);
        }
        let has_tombstones = self.mark(view, is_discarded, is_due)?;
        let kept = self.keep.iter().filter(|kept| **kept).count();
        self.dropped += (self.keep.len() - kept) as u64;
        if kept == 0 {
            if ends_nothing {
                self.markers_gone.insert(view.base_offset());
            }
            return self.judge_empty(view, target);
        }
        let new_horizon = (horizon.is_none() && (has_tombstones || ends_nothing)).then(|| {
            let ms = i64::try_from(self.rules.delete_retention_ms).unwrap_or(i64::MAX);
            Timestamp(self.rules.now.0.saturating_add(ms))
        });
        if kept == self.keep.len() && new_horizon.is_none() {
            return Ok(Verdict::Same);
        }
        let bytes_max = self.rules.limits.batch_bytes_max;
        batch::filter(view, &self.keep, new_horizon, bytes_max, target)?;
        Ok(Verdict::Rewritten)
    }

    /// Decides on each record; whether a tombstone is among those that stay.
    fn mark(
        &mut self,
        view: &BatchView<'_>,
        is_discarded: bool,
        is_due: bool,
    ) -> Result<bool, BatchError> {
        self.keep.clear();
        let is_control = view.attributes().is_control();
        let bytes_max = self.rules.limits.batch_bytes_max;
        let mut has_tombstones = false;
        for record in records(view, &mut self.scratch, bytes_max)? {
            let record = record?;
            let stays =
                !is_discarded && (is_control || stays(self.keys, &record, is_due, self.planted));
            has_tombstones |= stays && record.value.is_none();
            self.keep.push(stays);
        }
        Ok(has_tombstones)
    }

    /// A batch without records stays where it says how far its producer or the compaction came.
    fn judge_empty(
        &self,
        view: &BatchView<'_>,
        target: &mut Vec<u8>,
    ) -> Result<Verdict, BatchError> {
        if !self.is_last(view) && view.next_offset() != self.end {
            return Ok(Verdict::Gone);
        }
        if view.record_count() == 0 {
            return Ok(Verdict::Same);
        }
        batch::empty(view, target)?;
        Ok(Verdict::Rewritten)
    }

    /// Whether it is the last batch of its producer, whose sequence numbers it carries.
    fn is_last(&self, view: &BatchView<'_>) -> bool {
        let Some(last) = self.rules.producers.get(&view.producer_id()) else {
            return false;
        };
        match last.offset {
            Some(offset) => view.last_offset() == offset,
            None => view.attributes().is_control() && view.producer_epoch() == last.epoch,
        }
    }
}

/// Whether a record stays: it is not covered yet, or is the last of its key and no tombstone that
/// is due. Records without a key have no place in a compacted log.
fn stays(keys: &KeyMap, record: &Record<'_>, is_due: bool, planted: Planted) -> bool {
    if keys.latest.is_none_or(|latest| record.offset > latest) {
        return true;
    }
    let Some(key) = record.key else {
        return false;
    };
    let is_last = match keys.get(key) {
        None => !planted!(planted, DropUnknown),
        Some(last) if planted!(planted, DropNewest) => record.offset > last,
        Some(last) => record.offset >= last,
    };
    is_last && (record.value.is_some() || !(is_due || planted!(planted, DropTombstones)))
}
