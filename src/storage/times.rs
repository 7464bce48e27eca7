//! Answers about time: the first record at or after a timestamp, the greatest timestamp.
//!
//! Invariant: the time index only says where to begin; every answer is read from the batches.

use std::rc::Rc;

use base::{Offset, Timestamp};
use batch::{Scratch, TimestampOffset, first_at_or_after, max_timestamp_record};

use crate::error::{Fault, StorageError};
use crate::log::Log;
use crate::reader::corrupt;
use crate::scan::{Scan, Scanned, view};
use crate::segment::Segment;

impl Log {
    /// The first record below `bound` whose timestamp is `timestamp` or later.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub async fn offset_for_timestamp(
        &self,
        timestamp: Timestamp,
        bound: Offset,
        scratch: &mut Scratch,
    ) -> Result<Option<TimestampOffset>, StorageError> {
        let mut seen = self.log_start();
        while let Some(segment) = self.segment_behind(seen) {
            if segment.base >= bound {
                return Ok(None);
            }
            seen = segment.next_offset.get();
            self.ensure_indexes(&segment).await?;
            let (max, floor) = {
                let indexes = segment.indexes.borrow();
                let indexes = indexes.as_ref();
                let max = indexes.and_then(|indexes| indexes.max_timestamp());
                (
                    max,
                    indexes.and_then(|indexes| indexes.time_floor(timestamp)),
                )
            };
            if max.is_none_or(|max| max.timestamp < timestamp) {
                continue;
            }
            // All up to and including the floor's offset lies below the timestamp.
            let from = floor.map_or(segment.base, |floor| segment.absolute(floor).plus(1));
            let from = from.max(self.log_start());
            let found = self.first_from(&segment, from, timestamp, scratch).await?;
            if found.is_some() {
                return Ok(found.filter(|found| found.offset < bound));
            }
        }
        Ok(None)
    }

    async fn first_from(
        &self,
        segment: &Rc<Segment>,
        from: Offset,
        timestamp: Timestamp,
        scratch: &mut Scratch,
    ) -> Result<Option<TimestampOffset>, StorageError> {
        let Some(first) = self.locate_in(segment, from).await? else {
            return Ok(None);
        };
        let memory = Some(&self.shared.state);
        let end = segment.len.get();
        let mut scan = Scan::new(self.engine(), memory, segment, first.position, end);
        loop {
            let position = scan.position();
            let fault = match scan.batch().await? {
                Scanned::End => return Ok(None),
                Scanned::Broken(fault) => fault,
                Scanned::Batch { bytes, .. } => {
                    let found = view(&bytes).and_then(|view| {
                        if view.max_timestamp() < timestamp {
                            return Ok(None);
                        }
                        first_at_or_after(&view, timestamp, from, scratch)
                    });
                    match found {
                        Ok(None) => continue,
                        Ok(found) => return Ok(found),
                        Err(error) => Fault::Batch(error),
                    }
                }
            };
            return Err(corrupt(segment, position, from, fault));
        }
    }

    /// The first of the records below `bound` that have the greatest timestamp (KIP-734).
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub async fn max_timestamp(
        &self,
        bound: Offset,
        scratch: &mut Scratch,
    ) -> Result<Option<TimestampOffset>, StorageError> {
        let mut best: Option<(Timestamp, Rc<Segment>, Offset)> = None;
        let mut seen = self.log_start();
        while let Some(segment) = self.segment_behind(seen) {
            if segment.base >= bound {
                break;
            }
            seen = segment.next_offset.get();
            self.ensure_indexes(&segment).await?;
            let max = {
                let indexes = segment.indexes.borrow();
                indexes.as_ref().and_then(|indexes| indexes.max_timestamp())
            };
            let Some(max) = max else { continue };
            if best
                .as_ref()
                .is_none_or(|(known, _, _)| max.timestamp > *known)
            {
                let offset = segment.absolute(max.relative_offset);
                best = Some((max.timestamp, segment, offset));
            }
        }
        let Some((_, segment, offset)) = best else {
            return Ok(None);
        };
        if offset >= bound {
            return self.max_timestamp_by_scan(bound, scratch).await;
        }
        let Some(found) = self.locate_in(&segment, offset).await? else {
            return Ok(None);
        };
        let end = found.position + found.len as u64;
        let memory = Some(&self.shared.state);
        let mut scan = Scan::new(self.engine(), memory, &segment, found.position, end);
        match scan.batch().await? {
            Scanned::Batch { bytes, .. } => view(&bytes)
                .and_then(|view| max_timestamp_record(&view, scratch))
                .map_err(|error| corrupt(&segment, found.position, offset, Fault::Batch(error))),
            Scanned::End => Ok(None),
            Scanned::Broken(fault) => Err(corrupt(&segment, found.position, offset, fault)),
        }
    }

    /// As [`Self::max_timestamp`], where the greatest of all lies behind the bound.
    async fn max_timestamp_by_scan(
        &self,
        bound: Offset,
        scratch: &mut Scratch,
    ) -> Result<Option<TimestampOffset>, StorageError> {
        let mut best: Option<TimestampOffset> = None;
        for segment in self.segments() {
            let memory = Some(&self.shared.state);
            let end = segment.len.get();
            let mut scan = Scan::new(self.engine(), memory, &segment, 0, end);
            loop {
                let position = scan.position();
                let bytes = match scan.batch().await? {
                    Scanned::End => break,
                    Scanned::Broken(fault) => {
                        return Err(corrupt(&segment, position, segment.base, fault));
                    }
                    Scanned::Batch { bytes, .. } => bytes,
                };
                let view = view(&bytes).map_err(|error| {
                    corrupt(&segment, position, segment.base, Fault::Batch(error))
                })?;
                if view.base_offset() >= bound {
                    return Ok(best);
                }
                let newer = best.is_none_or(|best| view.max_timestamp() > best.timestamp);
                if newer && view.last_offset() >= self.log_start() {
                    let found = max_timestamp_record(&view, scratch).map_err(|error| {
                        corrupt(&segment, position, view.base_offset(), Fault::Batch(error))
                    })?;
                    best = found.or(best);
                }
            }
        }
        Ok(best)
    }

    /// The next segment for whoever has seen all below `seen`, whatever became of the others.
    fn segment_behind(&self, seen: Offset) -> Option<Rc<Segment>> {
        self.shared.state.borrow().segment_ending_behind(seen)
    }

    /// The segments, oldest first.
    pub(crate) fn segments(&self) -> Vec<Rc<Segment>> {
        let state = self.shared.state.borrow();
        state.segments.values().cloned().collect()
    }
}
