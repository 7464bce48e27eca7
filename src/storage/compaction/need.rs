//! Whether a log should be compacted, and how far it may be.

use std::rc::Rc;

use base::{Offset, Timestamp};

use super::run::CompactionRules;
use crate::error::StorageError;
use crate::log::Log;
use crate::scan::{Scan, Scanned, header_view};
use crate::segment::Segment;

/// What there is to compact in a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactionNeed {
    /// Where the dirty part begins.
    pub first_dirty: Offset,
    /// Where what may be compacted ends, at a segment's end.
    pub end: Offset,
    /// The dirty part's share of the bytes.
    pub dirty_ratio: f64,
    /// Whether records wait for longer than `max.compaction.lag.ms`.
    pub is_overdue: bool,
}

impl Log {
    /// What there is to compact, where it is enough to begin.
    ///
    /// # Errors
    /// When an index or a batch's header cannot be read.
    pub async fn compaction_need(
        &self,
        rules: &CompactionRules,
    ) -> Result<Option<CompactionNeed>, StorageError> {
        self.check_open()?;
        if self.is_being_copied() {
            return Ok(None);
        }
        let segments = self.segments();
        let first_dirty = self.first_dirty();
        let (mut end, mut clean, mut dirty) = (first_dirty, 0, 0);
        let mut is_overdue = false;
        let keep_from = less(rules.now, rules.min_lag_ms);
        let due_before = less(rules.now, rules.max_lag_ms);
        for segment in &segments {
            let next = segment.next_offset.get();
            if next <= first_dirty {
                clean += segment.len.get();
                continue;
            }
            if !segment.is_sealed() || next > rules.bound {
                break;
            }
            if rules.min_lag_ms > 0 {
                let largest = self.largest_timestamp(segment).await?;
                if largest.unwrap_or(rules.now) > keep_from {
                    break;
                }
            }
            if due_before >= Timestamp(0) && !is_overdue {
                let first = self.first_timestamp(segment).await?;
                is_overdue = first.is_some_and(|first| first < due_before);
            }
            dirty += segment.len.get();
            end = next;
        }
        if dirty == 0 || end <= first_dirty {
            return Ok(None);
        }
        let dirty_ratio = ratio(dirty, clean);
        let need = CompactionNeed {
            first_dirty,
            end,
            dirty_ratio,
            is_overdue,
        };
        let is_enough = is_overdue || dirty_ratio > rules.min_dirty_ratio;
        Ok(is_enough.then_some(need))
    }

    /// Where the dirty part begins.
    fn first_dirty(&self) -> Offset {
        let state = self.shared.state.borrow();
        state.standing.cleaned.max(state.log_start).min(state.end)
    }

    /// The time of a segment's first batch, where it has one.
    async fn first_timestamp(
        &self,
        segment: &Rc<Segment>,
    ) -> Result<Option<Timestamp>, StorageError> {
        if let Some(known) = segment.roll_from.get() {
            return Ok(Some(known).filter(|at| *at >= Timestamp(0)));
        }
        let memory = Some(&self.shared.state);
        let mut scan = Scan::new(self.engine(), memory, segment, 0, segment.len.get());
        let first = match scan.header().await? {
            Scanned::Batch { bytes, .. } => header_view(&bytes).ok(),
            Scanned::End | Scanned::Broken(_) => None,
        };
        let first = first.map(|header| header.max_timestamp);
        segment.roll_from.set(first);
        Ok(first.filter(|at| *at >= Timestamp(0)))
    }
}

fn less(now: Timestamp, ms: u64) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX)))
}

fn ratio(dirty: u64, clean: u64) -> f64 {
    assert!(dirty > 0, "there is something to compact");
    dirty as f64 / (dirty + clean) as f64
}
