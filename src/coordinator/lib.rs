//! Groups and their committed offsets, as state machines over the records of `__consumer_offsets`;
//! transactions, over those of `__transaction_state`, in the folder [`transaction`].
//!
//! Vocabulary: an [`Ask`] is one request to one group, an [`Answer`] what becomes of it; a
//! [`Caller`] is the host's name for whoever waits; a [`Step`] is what one input led to: records
//! for the log and answers. *Durable* state is what the records say, *live* state is the rest:
//! timers, waiting callers, a rebalance that is under way. A *classic* group runs the protocol of
//! JoinGroup and SyncGroup, a *consumer* group that of KIP-848; a *simple* group has no members and
//! only keeps offsets.
//!
//! The contract with the host: records of a step are appended in their order; no answer of a step
//! leaves before all records of it and of earlier steps are durable; when an append fails, the
//! machine is dropped and a new one is loaded from the log. So nothing here is ever rolled back.
//!
//! An offset that a transaction commits is *pending* until the log tells of the transaction's end;
//! a step of such a commit names the producer in whose batch its records belong.
//!
//! Invariants: durable state changes through the code of [`Groups::replay`] and its siblings alone,
//! so it equals the fold of the log by construction; time, fresh ids and topics go in as values; no input makes it panic.
//!
//! Start reading at `groups.rs`, then `group.rs`, then `classic/mod.rs` or `consumer/mod.rs`.

mod ask;
mod classic;
mod commits;
mod consumer;
mod context;
mod dispatch;
mod expiry;
mod group;
mod groups;
mod listing;
mod offsets;
mod pending;
mod planted;
mod records;
mod refusal;
mod settings;
mod status;
mod step;
mod timeline;
mod timers;
mod topics;
pub mod transaction;
mod windows;

pub use ask::{
    Answer, Ask, ClassicDescription, ClassicMemberDescription, CommitPartition, CommitTopic,
    ConsumerAssignment, ConsumerDescribeAsk, ConsumerDescription, ConsumerHeartbeatAnswer,
    ConsumerHeartbeatAsk, ConsumerMemberDescription, DeleteGroupAsk, DescribeGroupAsk, FetchTopic,
    FetchedPartition, FetchedTopic, HeartbeatAsk, JoinAnswer, JoinAsk, JoinMember, JoinProtocol,
    JoinRefusal, LeaveAsk, LeavingMember, LeftMember, ListGroupsAsk, ListedGroup, OffsetCommitAsk,
    OffsetDeleteAsk, OffsetFetchAsk, Opaque, SyncAnswer, SyncAsk, TopicCodes, TopicIdPartitions,
    TxnOffsetCommitAsk,
};
pub use groups::Groups;
pub use listing::{Census, CommittedOffset, GroupSummary};
pub use planted::Planted;
#[cfg(any(test, feature = "planted"))]
pub use planted::PlantedBug;
pub use records::ReplayError;
pub use refusal::Refusal;
pub use settings::{GroupSettings, GroupsConfig};
pub use status::{CommitPoint, POINTS_MAX, Status, complete};
pub use step::{Caller, Now, Producer, Record, Step};
pub use timeline::{TimelineCause, TimelineEvent};
pub use topics::{TopicImage, Topics};
pub use windows::LogEnds;

#[cfg(test)]
mod tests;
