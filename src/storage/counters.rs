//! What a core's logs did beside appending and reading.

use metrics::{Counter, Histogram};

/// The counters of one core; each only rises.
#[derive(Debug, Default)]
pub struct Counters {
    /// From the collection of what is dirty to its being on the device.
    pub flush_duration: Histogram,
    /// How often a log that had nothing waiting for a flush asked for one.
    pub flushes_asked: Counter,
    /// How often what a log had waiting was taken up by a flush.
    pub flushes_taken: Counter,
    /// Flushes that were begun.
    pub flushes_begun: Counter,
    /// Flushes that have ended, well or not.
    pub flushes_ended: Counter,
    /// Frames that the journal took.
    pub journal_frames: Counter,
    /// The bytes of those frames in the file.
    pub journal_bytes: Counter,
    /// How often a log was written back so that its part of the journal was free again.
    pub journal_write_backs: Counter,
    /// Segments that retention or DeleteRecords took.
    pub segments_removed: Counter,
    /// The bytes of those segments.
    pub bytes_removed: Counter,
    /// Runs of compaction that came to their end.
    pub compactions: Counter,
    /// Bytes that compaction read.
    pub compaction_bytes_read: Counter,
    /// Bytes that compaction wrote.
    pub compaction_bytes_written: Counter,
    /// Records that compaction dropped.
    pub compaction_records_dropped: Counter,
    /// Bytes of sealed segments that were verified because somebody asked for them.
    pub fetch_bytes_verified: Counter,
    /// Bytes that the scrub read.
    pub scrub_bytes: Counter,
    /// Segments that the scrub read to their end.
    pub scrub_segments: Counter,
    /// Indexes that did not agree with their segment and were made again.
    pub indexes_rebuilt: Counter,
    /// Damaged places that were found, each once.
    pub damages: Counter,
}

/// The counters at one moment; may travel to another core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DutyCounts {
    /// See [`Counters::journal_frames`].
    pub journal_frames: u64,
    /// See [`Counters::journal_bytes`].
    pub journal_bytes: u64,
    /// See [`Counters::journal_write_backs`].
    pub journal_write_backs: u64,
    /// See [`Counters::segments_removed`].
    pub segments_removed: u64,
    /// See [`Counters::bytes_removed`].
    pub bytes_removed: u64,
    /// See [`Counters::compactions`].
    pub compactions: u64,
    /// See [`Counters::compaction_bytes_read`].
    pub compaction_bytes_read: u64,
    /// See [`Counters::compaction_bytes_written`].
    pub compaction_bytes_written: u64,
    /// See [`Counters::compaction_records_dropped`].
    pub compaction_records_dropped: u64,
    /// See [`Counters::fetch_bytes_verified`].
    pub fetch_bytes_verified: u64,
    /// See [`Counters::scrub_bytes`].
    pub scrub_bytes: u64,
    /// See [`Counters::scrub_segments`].
    pub scrub_segments: u64,
    /// See [`Counters::indexes_rebuilt`].
    pub indexes_rebuilt: u64,
    /// See [`Counters::damages`].
    pub damages: u64,
}

impl Counters {
    /// The values at this moment.
    #[must_use]
    pub fn counts(&self) -> DutyCounts {
        DutyCounts {
            journal_frames: self.journal_frames.get(),
            journal_bytes: self.journal_bytes.get(),
            journal_write_backs: self.journal_write_backs.get(),
            segments_removed: self.segments_removed.get(),
            bytes_removed: self.bytes_removed.get(),
            compactions: self.compactions.get(),
            compaction_bytes_read: self.compaction_bytes_read.get(),
            compaction_bytes_written: self.compaction_bytes_written.get(),
            compaction_records_dropped: self.compaction_records_dropped.get(),
            fetch_bytes_verified: self.fetch_bytes_verified.get(),
            scrub_bytes: self.scrub_bytes.get(),
            scrub_segments: self.scrub_segments.get(),
            indexes_rebuilt: self.indexes_rebuilt.get(),
            damages: self.damages.get(),
        }
    }
}
