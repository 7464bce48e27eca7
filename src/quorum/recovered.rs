//! What a voter finds on its disk when it starts, and the check that it can be true.
//!
//! Invariant: a [`Recovered`] that passed `check` cannot make the Raft library panic.

use crate::entry::{Entry, HardState, Index, SnapshotMark};
use crate::error::RecoverError;

/// The content of the `quorum-state` file: everything that does not lie in the log itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersistentState {
    /// Epoch, vote, commit floor.
    pub hard_state: HardState,
    /// Which snapshot the log continues; index zero and the configured voters before the first.
    pub snapshot: SnapshotMark,
}

/// A voter's past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// From the state file.
    pub state: PersistentState,
    /// From the log: one per batch behind the snapshot's end offset.
    pub entries: Vec<Entry>,
}

impl Recovered {
    /// The last entry's index, or the snapshot's.
    #[must_use]
    pub fn last_index(&self) -> Index {
        let count = u64::try_from(self.entries.len()).unwrap_or(0);
        self.state.snapshot.index.plus(count)
    }

    /// Refuses a past that no voter can have had.
    ///
    /// # Errors
    /// Gaps, falling epochs, a log that ends before what was committed.
    pub fn check(&self) -> Result<(), RecoverError> {
        let mut epoch = self.state.snapshot.epoch;
        let mut expected = self.state.snapshot.index;
        for entry in &self.entries {
            expected = expected.plus(1);
            if entry.index != expected {
                return Err(RecoverError::Gap(entry.index));
            }
            if entry.epoch < epoch || entry.epoch.get() < 1 {
                return Err(RecoverError::Epoch(entry.index));
            }
            epoch = entry.epoch;
        }
        // The hard state is written after the entries of its ready, so an entry may be one reign
        // ahead of it, but the commit floor can never be ahead of the log.
        let commit = self.state.hard_state.commit;
        if commit > self.last_index() {
            return Err(RecoverError::LogLost {
                commit,
                last: self.last_index(),
            });
        }
        Ok(())
    }

    /// The highest epoch that the log or the state shows. Losing the vote of an epoch of which
    /// the log already holds entries is harmless: its leader was elected, and no other candidate
    /// of that epoch can have a log as recent as ours.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        let mut hard_state = self.state.hard_state;
        let last_epoch = self
            .entries
            .last()
            .map_or(self.state.snapshot.epoch, |entry| entry.epoch);
        if last_epoch > hard_state.epoch {
            hard_state.epoch = last_epoch;
            hard_state.voted_for = None;
        }
        hard_state.commit = hard_state.commit.max(self.state.snapshot.index);
        hard_state
    }
}
