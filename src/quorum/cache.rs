//! The log as the Raft library sees it: everything behind the snapshot, in memory.
//!
//! Metadata is small and snapshotted, so the whole tail fits; the device holds the same entries as
//! record batches. Invariants: entries are contiguous and follow `trimmed`; the snapshot's point is
//! never before `trimmed`.

use crate::convert;
use crate::entry::{HardState, Index, SnapshotMark};
use base::{LeaderEpoch, NodeId, usize_from_u64};
use raft::eraftpb;
use raft::{GetEntriesContext, RaftState, Storage, StorageError};

/// The library's storage, for one voter.
pub(crate) struct Cache {
    /// The hard state at start; the library asks for it once.
    hard_state: HardState,
    snapshot: SnapshotMark,
    /// The point behind which `entries` begin; at or before the snapshot's.
    trimmed: (Index, LeaderEpoch),
    entries: Vec<eraftpb::Entry>,
    /// Who votes from which index on; the first element holds at the snapshot's point.
    voters: Vec<(Index, Vec<NodeId>)>,
}

impl Cache {
    /// A cache over a checked past.
    pub(crate) fn new(
        hard_state: HardState,
        snapshot: SnapshotMark,
        entries: Vec<eraftpb::Entry>,
    ) -> Self {
        Self {
            hard_state,
            trimmed: (snapshot.index, snapshot.epoch),
            voters: vec![(snapshot.index, snapshot.voters.clone())],
            snapshot,
            entries,
        }
    }

    /// The last entry's index.
    pub(crate) fn last(&self) -> Index {
        self.entries
            .last()
            .map_or(self.trimmed.0, |entry| Index(entry.index))
    }

    /// The newest snapshot's point.
    pub(crate) fn snapshot_mark(&self) -> &SnapshotMark {
        &self.snapshot
    }

    /// The voters after everything that was applied.
    pub(crate) fn voters(&self) -> &[NodeId] {
        self.voters
            .last()
            .map_or(&[], |(_, voters)| voters.as_slice())
    }

    /// The epoch of the entry at `index`, where it is still known.
    pub(crate) fn epoch_at(&self, index: Index) -> Option<LeaderEpoch> {
        if index == self.trimmed.0 {
            return Some(self.trimmed.1);
        }
        if index == self.snapshot.index {
            return Some(self.snapshot.epoch);
        }
        let place = self.place(index)?;
        self.entries
            .get(place)
            .map(|entry| convert::epoch(entry.term))
    }

    /// The vector position of `index`, when it lies behind the trimmed point.
    fn place(&self, index: Index) -> Option<usize> {
        let ordinal = index.get().checked_sub(self.trimmed.0.get() + 1)?;
        Some(usize_from_u64(ordinal))
    }

    /// Takes in new entries; returns from where old ones had to give way.
    pub(crate) fn append(&mut self, entries: &[eraftpb::Entry]) -> Option<Index> {
        let first = Index(entries.first()?.index);
        assert!(first > self.trimmed.0, "a trimmed entry cannot be replaced");
        assert!(
            first <= self.last().plus(1),
            "entries must follow the log without a gap"
        );
        let cut = first <= self.last();
        if let Some(place) = self.place(first) {
            self.entries.truncate(place);
        }
        self.entries.extend_from_slice(entries);
        cut.then_some(first)
    }

    /// Replaces everything by a received snapshot.
    pub(crate) fn install(&mut self, mark: SnapshotMark) {
        assert!(mark.index >= self.snapshot.index, "snapshots only advance");
        self.entries.clear();
        self.trimmed = (mark.index, mark.epoch);
        self.voters = vec![(mark.index, mark.voters.clone())];
        self.snapshot = mark;
    }

    /// Notes who votes from `index` on.
    pub(crate) fn set_voters(&mut self, index: Index, voters: Vec<NodeId>) {
        assert!(!voters.is_empty(), "a quorum has voters");
        self.voters.push((index, voters));
    }

    /// Takes note of this node's own snapshot at `index` and forgets entries, except the last
    /// `keep` before it, which spare a slow follower the snapshot.
    pub(crate) fn compact(&mut self, index: Index, end_offset: base::Offset, keep: u64) {
        let Some(epoch) = self.epoch_at(index) else {
            return;
        };
        if index <= self.snapshot.index {
            return;
        }
        let voters = self
            .voters
            .iter()
            .rfind(|(from, _)| *from <= index)
            .map_or_else(Vec::new, |(_, voters)| voters.clone());
        self.voters.retain(|(from, _)| *from > index);
        self.voters.insert(0, (index, voters.clone()));
        self.snapshot = SnapshotMark {
            index,
            epoch,
            end_offset,
            voters,
        };
        let trim = Index(index.get().saturating_sub(keep)).max(self.trimmed.0);
        if let (Some(epoch), Some(place)) = (self.epoch_at(trim), self.place(trim.plus(1))) {
            self.entries.drain(..place.min(self.entries.len()));
            self.trimmed = (trim, epoch);
        }
        assert!(self.trimmed.0 <= self.snapshot.index);
    }

    /// How many entries are held.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Storage for Cache {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let voters = self.voters().iter();
        let conf_state = eraftpb::ConfState {
            voters: voters.map(|node| convert::id(*node)).collect(),
            ..Default::default()
        };
        let hard_state = eraftpb::HardState {
            term: convert::term(self.hard_state.epoch),
            vote: self.hard_state.voted_for.map_or(0, convert::id),
            commit: self.hard_state.commit.get(),
            ..Default::default()
        };
        Ok(RaftState::new(hard_state, conf_state))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<eraftpb::Entry>> {
        let (Some(from), Some(to)) = (self.place(Index(low)), self.place(Index(high))) else {
            return Err(StorageError::Compacted.into());
        };
        let slice = self
            .entries
            .get(from..to)
            .ok_or(raft::Error::Store(StorageError::Unavailable))?;
        let mut budget = max_size.into().unwrap_or(u64::MAX);
        let fits = slice.iter().take_while(|entry| {
            let size = u64::try_from(entry.data.len() + entry.context.len()).unwrap_or(u64::MAX);
            let fits = size <= budget;
            budget = budget.saturating_sub(size);
            fits
        });
        // At least one entry always travels, or an entry above the budget would stop everything.
        let count = fits.count().max(1);
        Ok(slice.iter().take(count).cloned().collect())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        match self.epoch_at(Index(index)) {
            Some(epoch) => Ok(convert::term(epoch)),
            None if Index(index) < self.trimmed.0 => Err(StorageError::Compacted.into()),
            None => Err(StorageError::Unavailable.into()),
        }
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.trimmed.0.get() + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last().get())
    }

    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<eraftpb::Snapshot> {
        if self.snapshot.index.get() < request_index || self.snapshot.index == Index(0) {
            return Err(StorageError::SnapshotTemporarilyUnavailable.into());
        }
        Ok(convert::snapshot_to_library(&self.snapshot))
    }
}
