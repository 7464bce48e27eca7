//! Which segments are past their time or beyond their log's size, by Kafka's rules.
//!
//! Invariants: whole segments go, oldest first, without a gap; nothing goes at or above the given
//! bound; the last segment goes only when it is rolled first, so that a log always has one.

use std::rc::Rc;

use base::{Offset, Timestamp};

use crate::error::StorageError;
use crate::log::Log;
use crate::segment::Segment;

/// How much of a log is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionLimits {
    /// `retention.ms`; nothing keeps records for ever.
    pub ms: Option<u64>,
    /// `retention.bytes`; nothing sets no bound.
    pub bytes: Option<u64>,
}

/// Where a log may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionEnd {
    /// The first offset that is kept.
    pub offset: Offset,
    /// Whether the active segment goes, and so must be rolled first.
    pub takes_active: bool,
}

impl Log {
    /// The new start that the limits ask for, where they ask for one. Nothing at or above `bound`,
    /// the high watermark, goes.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub async fn retention_end(
        &self,
        now: Timestamp,
        limits: RetentionLimits,
        bound: Offset,
    ) -> Result<Option<RetentionEnd>, StorageError> {
        let segments = self.segments();
        let size: u64 = segments.iter().map(|segment| segment.len.get()).sum();
        let mut excess = limits.bytes.map_or(0, |bytes| size.saturating_sub(bytes));
        let mut by_size = true;
        let mut end = None;
        for (index, segment) in segments.iter().enumerate() {
            let takes_active = index + 1 == segments.len();
            let next = segment.next_offset.get();
            let is_empty = takes_active && segment.len.get() == 0;
            if next > bound || is_empty {
                break;
            }
            // As Kafka: the log never gets smaller than its bound.
            by_size = by_size && excess > 0 && excess >= segment.len.get();
            if by_size {
                excess -= segment.len.get();
            } else if !self.is_past(segment, now, limits.ms).await? {
                break;
            }
            end = Some(RetentionEnd {
                offset: next,
                takes_active,
            });
        }
        Ok(end.filter(|end| end.offset > self.log_start()))
    }

    async fn is_past(
        &self,
        segment: &Rc<Segment>,
        now: Timestamp,
        ms: Option<u64>,
    ) -> Result<bool, StorageError> {
        let Some(ms) = ms else {
            return Ok(false);
        };
        let largest = self.largest_timestamp(segment).await?;
        let age = now
            .0
            .saturating_sub(largest.unwrap_or(segment.seen_since(now)).0);
        Ok(u64::try_from(age).is_ok_and(|age| age > ms))
    }

    /// A segment's largest timestamp, where its records have any. An index that is loaded for this
    /// alone is not kept.
    pub(crate) async fn largest_timestamp(
        &self,
        segment: &Rc<Segment>,
    ) -> Result<Option<Timestamp>, StorageError> {
        if let Some(known) = segment.largest.get() {
            return Ok(known);
        }
        let was_loaded = segment.indexes.borrow().is_some();
        self.ensure_indexes(segment).await?;
        let largest = {
            let indexes = segment.indexes.borrow();
            indexes.as_ref().and_then(|indexes| indexes.max_timestamp())
        };
        let largest = largest
            .map(|largest| largest.timestamp)
            .filter(|largest| *largest >= Timestamp(0));
        if segment.is_sealed() {
            segment.largest.set(Some(largest));
            if !was_loaded {
                *segment.indexes.borrow_mut() = None;
            }
        }
        Ok(largest)
    }
}
