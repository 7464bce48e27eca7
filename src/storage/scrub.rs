//! Reading complete segments when nobody asks, so that damage is found while a copy still exists.
//!
//! The scrub reads from the device itself, past the page cache: it sees what the device has, and
//! pushes nothing out of memory that consumers want. It looks at every batch, and at whether the
//! indexes agree with them; an index that does not is made again, since the log is right.
//!
//! Invariants: never faster than told, and never for long at a time; a segment that retention or
//! compaction takes away meanwhile is let go of without a word.

use std::rc::Rc;

use crate::compaction::Pace;
use crate::error::StorageError;
use crate::index::{Agreement, IndexedBatch};
use crate::log::Log;
use crate::recovery::load_indexes;
use crate::scan::Source;
use crate::segment::Segment;
use crate::verify::{Looked, Step, Walk};

/// So many failures of the device are told of a log; the rest is likely the same.
const FAILURES_MAX: usize = 4;

/// What the scrub of one log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Bytes read.
    pub bytes: u64,
    /// Segments read to their end.
    pub segments: u64,
    /// Damaged places, known ones included.
    pub damages: u64,
    /// Indexes that did not agree and were made again.
    pub indexes_rebuilt: u64,
    /// Why segments could not be read.
    pub failures: Vec<StorageError>,
}

impl Log {
    /// Reads all segments that are complete now, at most so many bytes per second. Ends early
    /// when the log is closed.
    pub async fn scrub(&self, bytes_per_second: u64) -> ScrubReport {
        let mut report = ScrubReport::default();
        let mut pace = Pace::new(self.engine().core(), bytes_per_second);
        for segment in self.segments() {
            if !self.is_current(&segment) {
                continue;
            }
            let cuts = segment.cuts.get();
            match self.scrub_segment(&segment, &mut pace, &mut report).await {
                Ok(()) => {}
                // Somebody took it away or cut it; the file may be gone by now.
                Err(_) if cuts != segment.cuts.get() || !self.is_current(&segment) => {}
                Err(error) if report.failures.len() < FAILURES_MAX => report.failures.push(error),
                Err(_) => {}
            }
            if self.is_going() {
                break;
            }
        }
        report
    }

    fn is_going(&self) -> bool {
        self.shared.closing.get() || self.check_open().is_err()
    }

    async fn scrub_segment(
        &self,
        segment: &Rc<Segment>,
        pace: &mut Pace,
        report: &mut ScrubReport,
    ) -> Result<(), StorageError> {
        let (core, counters) = (self.engine().core(), self.engine().counters());
        let indexes = load_indexes(core, segment, segment.len.get()).await?;
        let mut agreement = indexes.as_ref().map(Agreement::new);
        let mut walk = Walk::whole(self, segment, Source::Device);
        let mut is_intact = true;
        loop {
            let before = walk.position();
            match walk.step().await? {
                Step::End => break,
                Step::Intact(looked) => {
                    if let Some(agreement) = &mut agreement {
                        agreement.see(&indexed(segment, &looked));
                    }
                }
                Step::Damaged(_) => {
                    is_intact = false;
                    report.damages += 1;
                }
            }
            let bytes = walk.position() - before;
            report.bytes += bytes;
            counters.scrub_bytes.add(bytes);
            pace.spend(bytes).await;
            if self.is_going() || !walk.is_current() {
                return Ok(());
            }
        }
        report.segments += 1;
        counters.scrub_segments.increment();
        // Where batches are damaged, an index that knows of them is the better one.
        if is_intact && agreement.is_some_and(|agreement| !agreement.holds()) {
            report.indexes_rebuilt += 1;
            counters.indexes_rebuilt.increment();
            let was_loaded = segment.indexes.borrow().is_some();
            self.rebuild_indexes(segment).await?;
            if !was_loaded {
                *segment.indexes.borrow_mut() = None;
            }
        }
        Ok(())
    }
}

fn indexed(segment: &Segment, looked: &Looked) -> IndexedBatch {
    IndexedBatch {
        relative_last_offset: segment.relative(looked.last_offset).unwrap_or(u32::MAX),
        position: u32::try_from(looked.position).unwrap_or(u32::MAX),
        len: base::usize_from_u64(looked.len),
        max_timestamp: looked.max_timestamp,
    }
}
