//! The values of records: half noise, half constant, with the moment each should have left.
//!
//! Invariant: a value that another run wrote is never taken for one of this run.

use std::time::Duration;

use base::Random;

/// The run's mark and the moment, at the beginning of each value.
pub(crate) const STAMP_BYTES: usize = 16;

/// Makes values.
pub(crate) struct Payload {
    mark: u64,
    value: Vec<u8>,
}

impl Payload {
    /// Values of `bytes` bytes with this run's `mark`.
    ///
    /// # Panics
    /// When a value has no room for its stamp.
    pub(crate) fn new(mark: u64, bytes: usize) -> Self {
        assert!(
            bytes >= STAMP_BYTES,
            "a value carries its mark and its moment"
        );
        let mut value = vec![b'.'; bytes];
        let (noise, _) = value.split_at_mut(bytes / 2);
        Random::new(mark).fill(noise);
        Self { mark, value }
    }

    /// The value of a record that should leave at `moment` of its core's clock.
    pub(crate) fn stamped(&mut self, moment: Duration) -> &[u8] {
        let micros = u64::try_from(moment.as_micros()).unwrap_or(u64::MAX);
        let stamp = self
            .mark
            .to_be_bytes()
            .into_iter()
            .chain(micros.to_be_bytes());
        for (slot, byte) in self.value.iter_mut().zip(stamp) {
            *slot = byte;
        }
        &self.value
    }
}

/// The moment in a value that this run wrote.
pub(crate) fn moment(mark: u64, value: &[u8]) -> Option<Duration> {
    let (found, rest) = value.split_first_chunk::<8>()?;
    let micros = rest.first_chunk::<8>()?;
    (u64::from_be_bytes(*found) == mark).then(|| Duration::from_micros(u64::from_be_bytes(*micros)))
}

#[cfg(test)]
mod tests {
    use super::{Payload, moment};
    use std::time::Duration;

    /// A topic may hold what earlier runs left: their clocks mean nothing to this one.
    #[test]
    fn moments_of_other_runs_are_not_read() {
        let at = Duration::from_micros(123_456);
        let mut payload = Payload::new(7, 64);
        assert_eq!(moment(7, payload.stamped(at)), Some(at));
        assert_eq!(moment(8, payload.stamped(at)), None);
        assert_eq!(moment(7, b"short"), None);
    }
}
