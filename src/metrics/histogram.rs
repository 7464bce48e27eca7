//! How long something took, counted in a few buckets by one core.

use std::cell::Cell;
use std::time::Duration;

/// The upper ends of the buckets in microseconds; what is longer falls into one bucket more.
/// From a hot read to a consumer that waits: finer than that, nobody looks.
pub const BOUNDS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 10_000_000,
];
const BUCKETS: usize = BOUNDS_US.len() + 1;

/// Durations in buckets; it belongs to one core.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [Cell<u64>; BUCKETS],
    sum_us: Cell<u64>,
}

/// A histogram at one moment; may travel to another core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistogramReading {
    /// How many fell into each bucket, the last one being for what is longer than all bounds.
    pub counts: [u64; BUCKETS],
    /// All durations together, in microseconds.
    pub sum_us: u64,
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(count) = self.counts.get(bucket) {
            count.set(count.get().wrapping_add(1));
        }
        self.sum_us.set(self.sum_us.get().wrapping_add(us));
    }

    /// The values at this moment.
    #[must_use]
    pub fn reading(&self) -> HistogramReading {
        let mut counts = [0; BUCKETS];
        for (count, cell) in counts.iter_mut().zip(&self.counts) {
            *count = cell.get();
        }
        HistogramReading {
            counts,
            sum_us: self.sum_us.get(),
        }
    }
}

impl HistogramReading {
    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts
            .iter()
            .fold(0_u64, |sum, count| sum.wrapping_add(*count))
    }
}
