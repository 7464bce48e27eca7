//! What a log is told about itself, under Kafka's names.

use std::time::Duration;

/// The configuration of one log; each field is the topic configuration that it is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: another segment begins before one grows beyond this.
    pub segment_bytes: u32,
    /// `segment.ms`, or `max.compaction.lag.ms` where a compacted topic asks for less.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: up to so much is taken off that, for each segment anew.
    pub segment_jitter_ms: i64,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u32,
    /// `segment.index.bytes`: another segment begins when an index would be larger.
    pub segment_index_bytes: u32,
    /// When appended batches go to the device.
    pub flush: FlushPolicy,
    /// `file.delete.delay.ms`: how long the files of a removed segment stay under another name.
    pub file_delete_delay: Duration,
}

/// When appended batches go to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushPolicy {
    /// At once; batches that arrive during a flush ride the next one.
    AtOnce,
    /// When so many records or so much time have gathered, as `flush.messages` and `flush.ms`
    /// say, or when the memory that they are in is needed.
    Later {
        /// `flush.messages`.
        messages: u64,
        /// `flush.ms`.
        after: Duration,
    },
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3600 * 1000,
            segment_jitter_ms: 0,
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
            flush: FlushPolicy::AtOnce,
            file_delete_delay: Duration::from_secs(60),
        }
    }
}

/// When small flushes go through the journal, and what it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// So many flushes that wait or are under way make a crowd: few logs are quicker on their own
    /// (kernel-note 018).
    pub lanes_min: usize,
    /// The most that one log puts into a frame; more is cheaper to write once, to its segment.
    pub entry_bytes_max: usize,
    /// A log of which its segment lacks more than this goes to the segment itself, which pays its
    /// debt by the way.
    pub behind_bytes_max: u64,
    /// The size of each of the two files, which each core has for each directory.
    pub file_bytes: u64,
    /// How long an entry may be in the journal alone, about.
    pub age_max: Duration,
}

impl JournalLimits {
    /// No journal: every flush goes to its segment.
    pub const OFF: Self = Self {
        lanes_min: usize::MAX,
        entry_bytes_max: 0,
        behind_bytes_max: 0,
        file_bytes: 0,
        age_max: Duration::MAX,
    };
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self {
            lanes_min: 8,
            entry_bytes_max: 4 << 10,
            // With the beginning of its first block this is still one small write.
            behind_bytes_max: 12 << 10,
            // Some ten seconds of 5,000 logs with a small record a second each.
            file_bytes: 32 << 20,
            age_max: Duration::from_secs(30),
        }
    }
}
