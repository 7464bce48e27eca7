//! When each record should leave.
//!
//! Invariant: the moments depend on the rate and the start alone, never on how the broker answers;
//! that is what makes the load open-loop.

use std::time::Duration;

/// Moments at a constant rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    start: Duration,
    rate: f64,
}

impl Schedule {
    /// The first record leaves at `start`, then `rate` of them a second.
    ///
    /// # Panics
    /// When the rate is not above zero.
    pub(crate) fn new(start: Duration, rate: f64) -> Self {
        assert!(rate > 0.0 && rate.is_finite(), "a rate above zero");
        Self { start, rate }
    }

    /// When record number `index` should leave.
    pub(crate) fn moment(&self, index: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "2^53 records take a century")]
        let seconds = index as f64 / self.rate;
        self.start + Duration::from_secs_f64(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use std::time::Duration;

    #[test]
    fn moments_are_evenly_spaced() {
        let schedule = Schedule::new(Duration::from_secs(5), 4.0);
        assert_eq!(schedule.moment(0), Duration::from_secs(5));
        assert_eq!(schedule.moment(6), Duration::from_millis(6500));
    }
}
