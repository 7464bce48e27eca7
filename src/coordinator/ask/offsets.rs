//! Questions about committed offsets.
//!
//! Topics go by name; a handler of a version that sends ids resolves them, and finds the id that
//! it put in beside the name in the answer.

use base::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp, Uuid};

use crate::Producer;

/// One partition's new committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPartition {
    /// The partition.
    pub partition: PartitionIndex,
    /// The next offset to read.
    pub offset: Offset,
    /// The epoch of the record before it (KIP-320).
    pub leader_epoch: LeaderEpoch,
    /// Free text of the client.
    pub metadata: Option<String>,
}

/// One topic's new committed offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitTopic {
    /// The topic's name.
    pub name: String,
    /// The topic's id, zero when it is not known.
    pub id: Uuid,
    /// The partitions.
    pub partitions: Vec<CommitPartition>,
}

/// Keep these offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitAsk {
    /// The group.
    pub group: String,
    /// The member's id; empty for a commit without membership.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
    /// Its generation (classic) or member epoch (consumer); -1 without membership.
    pub generation_or_epoch: i32,
    /// How long to keep the offsets, from versions that can ask for it.
    pub retention_ms: Option<i64>,
    /// The offsets.
    pub topics: Vec<CommitTopic>,
    /// True for versions below 9, whose clients do not know the codes of KIP-848.
    pub is_legacy: bool,
}

/// Keep these offsets if the transaction that they are part of is committed (KIP-98).
///
/// Whether the producer may write in this transaction is not asked here: the host knows from the
/// log and the transaction's coordinator, and asks only if so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnOffsetCommitAsk {
    /// The producer's transactional id.
    pub transactional_id: String,
    /// Who writes.
    pub producer: Producer,
    /// The group.
    pub group: String,
    /// The id of the member that read up to there (KIP-447); empty from versions without it.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
    /// Its generation (classic) or member epoch (consumer); -1 from versions without it.
    pub generation_or_epoch: i32,
    /// The offsets.
    pub topics: Vec<CommitTopic>,
}

/// One code per partition of a topic, in the order of the ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicCodes {
    /// As asked.
    pub name: String,
    /// As asked.
    pub id: Uuid,
    /// `ErrorCode::None` for success.
    pub partitions: Vec<(PartitionIndex, ErrorCode)>,
}

/// Partitions of one topic whose offsets are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchTopic {
    /// The topic's name.
    pub name: String,
    /// The topic's id, zero when it is not known.
    pub id: Uuid,
    /// The partitions.
    pub partitions: Vec<PartitionIndex>,
}

/// Which offsets has the group committed?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchAsk {
    /// The group.
    pub group: String,
    /// The member's id, from versions that send it.
    pub member: Option<String>,
    /// Its member epoch, -1 without membership.
    pub member_epoch: i32,
    /// The partitions; nothing for all that the group has.
    pub topics: Option<Vec<FetchTopic>>,
    /// True when offsets of open transactions must not be passed over (KIP-447).
    pub require_stable: bool,
}

/// One partition's committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedPartition {
    /// The partition.
    pub partition: PartitionIndex,
    /// The offset; -1 when there is none.
    pub offset: Offset,
    /// The epoch that was committed with it.
    pub leader_epoch: LeaderEpoch,
    /// The text that was committed with it.
    pub metadata: String,
    /// When it was committed; [`Timestamp::NONE`] when there is none.
    pub committed_at: Timestamp,
    /// `ErrorCode::None` for success.
    pub error: ErrorCode,
}

/// One topic's committed offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedTopic {
    /// The topic's name.
    pub name: String,
    /// As asked; zero where nothing was asked.
    pub id: Uuid,
    /// The partitions.
    pub partitions: Vec<FetchedPartition>,
}

/// Forget these offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetDeleteAsk {
    /// The group.
    pub group: String,
    /// The partitions.
    pub topics: Vec<FetchTopic>,
}
