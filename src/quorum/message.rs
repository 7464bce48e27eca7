//! What voters say to each other, free of the Raft library's own types.
//!
//! One flat struct for all kinds, as in the library: most fields are zero for most kinds.
//! Invariant: local commands of the library (tick, propose ...) have no kind here, so a peer
//! cannot give them.

use crate::entry::{Entry, Index, SnapshotMark};
use base::{LeaderEpoch, NodeId};

/// Defines the kinds with their bytes in our layout and their counterparts in the library.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $byte:literal, $library:ident;)*) => {
        /// What a message is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum MessageKind {
            $($(#[$doc])* $name = $byte,)*
        }

        impl MessageKind {
            /// Every kind, in byte order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The kind with this byte.
            #[must_use]
            pub const fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($byte => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its byte in our layout.
            #[must_use]
            pub const fn byte(self) -> u8 {
                self as u8
            }

            pub(crate) const fn to_library(self) -> raft::eraftpb::MessageType {
                match self {
                    $(Self::$name => raft::eraftpb::MessageType::$library,)*
                }
            }

            pub(crate) const fn from_library(kind: raft::eraftpb::MessageType) -> Option<Self> {
                match kind {
                    $(raft::eraftpb::MessageType::$library => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// A leader's entries behind `index`.
    Append = 1, MsgAppend;
    /// A follower has entries up to `index`, or rejects.
    AppendResponse = 2, MsgAppendResponse;
    /// A candidate asks for a vote.
    Vote = 3, MsgRequestVote;
    /// The vote, or its refusal.
    VoteResponse = 4, MsgRequestVoteResponse;
    /// Would you vote for me? Asked before an epoch is spent on it.
    PreVote = 5, MsgRequestPreVote;
    /// The answer to that.
    PreVoteResponse = 6, MsgRequestPreVoteResponse;
    /// A leader is alive.
    Heartbeat = 7, MsgHeartbeat;
    /// A follower is alive.
    HeartbeatResponse = 8, MsgHeartbeatResponse;
    /// The log up to `snapshot` is gone at the leader; take its snapshot instead.
    Snapshot = 9, MsgSnapshot;
    /// The leader steps aside for the receiver, which shall campaign at once.
    TimeoutNow = 10, MsgTimeoutNow;
}

/// One message between two voters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: MessageKind,
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// The sender's epoch.
    pub epoch: LeaderEpoch,
    /// The entry that `index_epoch`, `reject_hint` or `entries` refer to.
    pub index: Index,
    /// The epoch of the entry at `index`.
    pub index_epoch: LeaderEpoch,
    /// What the sender knows to be committed.
    pub commit: Index,
    /// The epoch of the entry at `commit`.
    pub commit_epoch: LeaderEpoch,
    /// A refusal.
    pub reject: bool,
    /// Where a refusing follower's log may match.
    pub reject_hint: Index,
    /// A campaign that the old leader asked for, which may disturb a living leader's lease.
    pub transfer: bool,
    /// The entries behind `index`.
    pub entries: Vec<Entry>,
    /// The snapshot that the receiver shall have when it steps this message; the snapshot's bytes
    /// travel beside the message, the caller sees to it.
    pub snapshot: Option<SnapshotMark>,
}
