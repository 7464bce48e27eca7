//! When this voter loses patience with the leader, without a clock or hidden randomness.
//!
//! The library draws its election timeout from the thread's random generator whenever it changes
//! role. That would make two runs of one seed differ, so after every call the timeout is set again
//! to a number that follows from the seed, the epoch and how many campaigns were begun. The
//! library compares the timeout only inside `tick`, hence the drawn number is never looked at.
//!
//! Invariant: the timeout lies in `[election, 2 * election)` ticks, as the library demands.

use base::{LeaderEpoch, Random};

/// The source of one voter's timeouts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    seed: u64,
    election_ticks: u32,
    campaigns: u64,
}

impl Patience {
    /// Patience that follows from `seed`, which must differ between voters.
    pub(crate) const fn new(seed: u64, election_ticks: u32) -> Self {
        Self {
            seed,
            election_ticks,
            campaigns: 0,
        }
    }

    /// Another campaign begins: the next timeout shall differ even if the epoch does not, as it
    /// does not in a pre-vote that nobody answers.
    pub(crate) const fn campaigned(&mut self) {
        self.campaigns += 1;
    }

    /// The ticks without a leader after which this voter campaigns.
    pub(crate) fn timeout_ticks(&self, epoch: LeaderEpoch) -> usize {
        let epoch = u64::try_from(epoch.get()).unwrap_or(0);
        let mut random = Random::salted(self.seed ^ (epoch << 20), self.campaigns);
        let span = u64::from(self.election_ticks);
        let ticks = span + random.below(span);
        assert!(ticks >= span && ticks < 2 * span);
        base::usize_from_u64(ticks)
    }
}
