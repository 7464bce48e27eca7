//! Everything the machine wants done since it was last asked.

use crate::entry::{Entry, HardState, Index, SnapshotMark};
use crate::message::Message;
use base::{LeaderEpoch, NodeId};

/// A voter's place in the current epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It leads: proposals are taken.
    Leader {
        /// The epoch it leads in.
        epoch: LeaderEpoch,
    },
    /// It asks for votes.
    Candidate {
        /// The epoch it asks in.
        epoch: LeaderEpoch,
    },
    /// It follows.
    Follower {
        /// Whom, once it has heard from a leader of the epoch.
        leader: Option<NodeId>,
        /// The epoch it is in.
        epoch: LeaderEpoch,
    },
}

/// Work for the caller, to be done in the order of the fields, then reported with
/// [`crate::Quorum::persisted`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// To be passed to `persisted`; numbers only grow.
    pub number: u64,
    /// The new role, when it changed. A new leader may propose at once.
    pub role: Option<Role>,
    /// May be sent at once.
    pub messages: Vec<Message>,
    /// Replaces the whole log and all that was applied; it lies with the caller already, since it
    /// came with the message that was stepped.
    pub snapshot: Option<SnapshotMark>,
    /// Entries from here on are to be removed from the log before `entries` are appended.
    pub truncate_from: Option<Index>,
    /// To be appended and flushed.
    pub entries: Vec<Entry>,
    /// To be written durably, after the entries.
    pub hard_state: Option<HardState>,
    /// May be sent only after `persisted` was called for this ready.
    pub messages_after_persist: Vec<Message>,
    /// Committed, and persisted here by an earlier ready: to be applied, in order.
    pub committed: Vec<Entry>,
    /// The voters, when `committed` or `snapshot` changed them.
    pub voters: Option<Vec<NodeId>>,
}

impl Ready {
    /// False when nothing of this must reach the device before `persisted` is called.
    #[must_use]
    pub fn must_persist(&self) -> bool {
        self.snapshot.is_some()
            || self.truncate_from.is_some()
            || !self.entries.is_empty()
            || self.hard_state.is_some()
    }
}
