//! What one worker measured, and the sum over all of them.
//!
//! Invariant: only what falls into the measured window is counted; latencies are recorded one by
//! one for every record, so that percentiles are of records, not of batches.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies above this are recorded as this.
const LATENCY_MICROS_MAX: u64 = 600_000_000;
/// Three digits: within 0.1 %.
const DIGITS: u8 = 3;

/// The moments between which things count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) begin: Duration,
    pub(crate) end: Duration,
}

impl Window {
    pub(crate) fn contains(&self, moment: Duration) -> bool {
        self.begin <= moment && moment < self.end
    }
}

/// Records that went one way.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Over how long they were counted.
    pub(crate) elapsed: Duration,
    /// Latencies in microseconds.
    pub(crate) latency: Histogram<u64>,
}

/// Everything that one worker measured.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) produced: Flow,
    pub(crate) consumed: Flow,
    /// Texts of failures, with how often each came.
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) records_failed: u64,
    /// What scenarios found out besides, with its name, in the order of telling.
    pub(crate) figures: Vec<(&'static str, f64)>,
}

impl Flow {
    fn new() -> Result<Self, String> {
        let latency = Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, DIGITS)
            .map_err(|error| format!("{error:?}"))?;
        Ok(Self {
            records: 0,
            bytes: 0,
            elapsed: Duration::ZERO,
            latency,
        })
    }

    /// Counts records that arrived within the window.
    pub(crate) fn count(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bytes += bytes;
    }

    /// Records one latency.
    pub(crate) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency.saturating_record(micros.max(1));
    }

    fn add(&mut self, other: &Self) -> Result<(), String> {
        self.records += other.records;
        self.bytes += other.bytes;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.latency
            .add(&other.latency)
            .map_err(|error| format!("{error:?}"))
    }
}

impl Tally {
    /// An empty tally.
    ///
    /// # Errors
    /// When the histogram's bounds are not understood, which a test rules out.
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self {
            produced: Flow::new()?,
            consumed: Flow::new()?,
            errors: BTreeMap::new(),
            records_failed: 0,
            figures: Vec::new(),
        })
    }

    /// Notes that `records` records failed for this reason.
    pub(crate) fn fail(&mut self, reason: &str, records: u64) {
        *self.errors.entry(reason.to_owned()).or_default() += 1;
        self.records_failed += records;
    }

    /// Adds to a figure that all lanes of a core have together.
    pub(crate) fn add_figure(&mut self, name: &'static str, value: f64) {
        match self.figures.iter_mut().find(|(known, _)| *known == name) {
            Some((_, figure)) => *figure += value,
            None => self.figures.push((name, value)),
        }
    }

    /// Takes in another worker's tally.
    ///
    /// # Errors
    /// When the histograms do not fit together, which a test rules out.
    pub(crate) fn add(&mut self, other: &Self) -> Result<(), String> {
        self.produced.add(&other.produced)?;
        self.consumed.add(&other.consumed)?;
        for (reason, count) in &other.errors {
            *self.errors.entry(reason.clone()).or_default() += count;
        }
        self.records_failed += other.records_failed;
        self.figures.extend(&other.figures);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, Window};
    use std::time::Duration;

    #[test]
    fn tallies_add_up() {
        let mut sum = Tally::new().unwrap();
        let mut part = Tally::new().unwrap();
        part.produced.count(2, 20);
        part.produced.record(Duration::from_millis(3));
        part.fail("lost", 5);
        sum.add(&part).unwrap();
        sum.add(&part).unwrap();
        assert_eq!((sum.produced.records, sum.produced.bytes), (4, 40));
        assert_eq!(sum.produced.latency.len(), 2);
        assert_eq!((sum.errors.get("lost"), sum.records_failed), (Some(&2), 10));
    }

    #[test]
    fn the_window_is_half_open() {
        let window = Window {
            begin: Duration::from_secs(1),
            end: Duration::from_secs(2),
        };
        assert!(window.contains(window.begin) && !window.contains(window.end));
    }
}
