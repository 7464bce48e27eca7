//! Every question that can be put to a group, and every answer.
//!
//! These are the coordinator's own types: no versions of APIs, no borrowed bytes. What a version
//! lacks, the handler fills in; what it means by a default, the handler spells out.

mod admin;
mod consumer;
mod membership;
mod offsets;

use std::sync::Arc;

pub use admin::{
    ClassicDescription, ClassicMemberDescription, DeleteGroupAsk, DescribeGroupAsk, ListGroupsAsk,
    ListedGroup,
};
pub use consumer::{
    ConsumerAssignment, ConsumerDescribeAsk, ConsumerDescription, ConsumerHeartbeatAnswer,
    ConsumerHeartbeatAsk, ConsumerMemberDescription, TopicIdPartitions,
};
pub use membership::{
    HeartbeatAsk, JoinAnswer, JoinAsk, JoinMember, JoinProtocol, JoinRefusal, LeaveAsk,
    LeavingMember, LeftMember, SyncAnswer, SyncAsk,
};
pub use offsets::{
    CommitPartition, CommitTopic, FetchTopic, FetchedPartition, FetchedTopic, OffsetCommitAsk,
    OffsetDeleteAsk, OffsetFetchAsk, TopicCodes, TxnOffsetCommitAsk,
};

use crate::Refusal;

/// Bytes that belong to the members and that the coordinator does not look into.
pub type Opaque = Arc<[u8]>;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// JoinGroup.
    Join(JoinAsk),
    /// SyncGroup.
    Sync(SyncAsk),
    /// Heartbeat.
    Heartbeat(HeartbeatAsk),
    /// LeaveGroup.
    Leave(LeaveAsk),
    /// OffsetCommit.
    OffsetCommit(OffsetCommitAsk),
    /// TxnOffsetCommit.
    TxnOffsetCommit(TxnOffsetCommitAsk),
    /// OffsetFetch, one group of it.
    OffsetFetch(OffsetFetchAsk),
    /// OffsetDelete.
    OffsetDelete(OffsetDeleteAsk),
    /// DeleteGroups, one group of it.
    DeleteGroup(DeleteGroupAsk),
    /// DescribeGroups, one group of it.
    DescribeGroup(DescribeGroupAsk),
    /// ListGroups, this partition's share of it.
    ListGroups(ListGroupsAsk),
    /// ConsumerGroupHeartbeat.
    ConsumerHeartbeat(ConsumerHeartbeatAsk),
    /// ConsumerGroupDescribe, one group of it.
    ConsumerDescribe(ConsumerDescribeAsk),
}

/// One answer, of the kind of its question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To JoinGroup.
    Join(Result<JoinAnswer, JoinRefusal>),
    /// To SyncGroup.
    Sync(Result<SyncAnswer, Refusal>),
    /// To Heartbeat.
    Heartbeat(Result<(), Refusal>),
    /// To LeaveGroup: one outcome per member, in the order of the ask.
    Leave(Result<Vec<LeftMember>, Refusal>),
    /// To OffsetCommit: one code per partition, in the order of the ask.
    OffsetCommit(Result<Vec<TopicCodes>, Refusal>),
    /// To TxnOffsetCommit: one code per partition, in the order of the ask.
    TxnOffsetCommit(Result<Vec<TopicCodes>, Refusal>),
    /// To OffsetFetch: the topics asked for in their order, or all that the group has.
    OffsetFetch(Result<Vec<FetchedTopic>, Refusal>),
    /// To OffsetDelete: one code per partition, in the order of the ask.
    OffsetDelete(Result<Vec<TopicCodes>, Refusal>),
    /// To DeleteGroups.
    DeleteGroup(Result<(), Refusal>),
    /// To DescribeGroups.
    DescribeGroup(Result<ClassicDescription, Refusal>),
    /// To ListGroups.
    ListGroups(Vec<ListedGroup>),
    /// To ConsumerGroupHeartbeat.
    ConsumerHeartbeat(Result<ConsumerHeartbeatAnswer, Refusal>),
    /// To ConsumerGroupDescribe.
    ConsumerDescribe(Result<ConsumerDescription, Refusal>),
}

impl Ask {
    /// The group that is asked; nothing for ListGroups, which asks all of them.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Join(ask) => Some(&ask.group),
            Self::Sync(ask) => Some(&ask.group),
            Self::Heartbeat(ask) => Some(&ask.group),
            Self::Leave(ask) => Some(&ask.group),
            Self::OffsetCommit(ask) => Some(&ask.group),
            Self::TxnOffsetCommit(ask) => Some(&ask.group),
            Self::OffsetFetch(ask) => Some(&ask.group),
            Self::OffsetDelete(ask) => Some(&ask.group),
            Self::DeleteGroup(ask) => Some(&ask.group),
            Self::DescribeGroup(ask) => Some(&ask.group),
            Self::ListGroups(_) => None,
            Self::ConsumerHeartbeat(ask) => Some(&ask.group),
            Self::ConsumerDescribe(ask) => Some(&ask.group),
        }
    }

    /// The answer of this ask's kind that refuses it as a whole. A host uses it when it cannot ask
    /// the machine at all (not the coordinator, still loading).
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> Answer {
        match self {
            Self::Join(ask) => Answer::Join(Err(JoinRefusal {
                refusal,
                member: ask.member.clone(),
            })),
            Self::Sync(_) => Answer::Sync(Err(refusal)),
            Self::Heartbeat(_) => Answer::Heartbeat(Err(refusal)),
            Self::Leave(_) => Answer::Leave(Err(refusal)),
            Self::OffsetCommit(_) => Answer::OffsetCommit(Err(refusal)),
            Self::TxnOffsetCommit(_) => Answer::TxnOffsetCommit(Err(refusal)),
            Self::OffsetFetch(_) => Answer::OffsetFetch(Err(refusal)),
            Self::OffsetDelete(_) => Answer::OffsetDelete(Err(refusal)),
            Self::DeleteGroup(_) => Answer::DeleteGroup(Err(refusal)),
            Self::DescribeGroup(_) => Answer::DescribeGroup(Err(refusal)),
            Self::ListGroups(_) => Answer::ListGroups(Vec::new()),
            Self::ConsumerHeartbeat(_) => Answer::ConsumerHeartbeat(Err(refusal)),
            Self::ConsumerDescribe(_) => Answer::ConsumerDescribe(Err(refusal)),
        }
    }
}
