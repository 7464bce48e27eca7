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
