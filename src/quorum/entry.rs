//! What the quorum orders: entries, and the few words a voter must never forget.
//!
//! Invariant: an index is never zero in an entry; index zero is the point before the first one.

use base::{LeaderEpoch, NodeId, Offset};

/// The place of an entry in the quorum's log, counted from one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub u64);

impl Index {
    /// The bare number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The index `count` entries further.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl std::fmt::Display for Index {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One voter more or one fewer; larger changes are made of several (KIP-853 works the same way).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoterChange {
    /// This node takes part in elections from here on.
    Add(NodeId),
    /// This node no longer takes part.
    Remove(NodeId),
}

/// What an entry is, which decides what batch it becomes in the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Proposed bytes.
    Payload,
    /// The first entry of a leader's reign; it has no payload.
    Election {
        /// The leader that began the reign.
        leader: NodeId,
    },
    /// A change of the voters; its payload is the caller's.
    Voters(VoterChange),
}

/// One entry of the quorum's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub index: Index,
    /// The reign in which it was proposed.
    pub epoch: LeaderEpoch,
    /// What it is.
    pub kind: EntryKind,
    /// The proposed bytes; empty for an election.
    pub payload: Vec<u8>,
}

/// What a voter must remember across a crash to keep its word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The highest epoch seen.
    pub epoch: LeaderEpoch,
    /// For whom this voter voted in that epoch.
    pub voted_for: Option<NodeId>,
    /// Entries up to here were known to be committed when this was written: a floor.
    pub commit: Index,
}

/// The point up to which a snapshot replaces the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotMark {
    /// The last entry inside the snapshot; zero before the first snapshot.
    pub index: Index,
    /// That entry's epoch.
    pub epoch: LeaderEpoch,
    /// The offset behind the last record inside the snapshot, as the snapshot file is named.
    pub end_offset: Offset,
    /// The voters at that point.
    pub voters: Vec<NodeId>,
}
