//! Questions of members of consumer groups (KIP-848), and about them.

use base::{PartitionIndex, Uuid};

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicIdPartitions {
    /// The topic.
    pub id: Uuid,
    /// Its partitions.
    pub partitions: Vec<PartitionIndex>,
}

/// A member is alive, and tells what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHeartbeatAsk {
    /// The group.
    pub group: String,
    /// The member's id; the client makes it (version 1), or it is empty at first (version 0).
    pub member: String,
    /// Its epoch; 0 to join, -1 to leave, -2 for a static member that will come back.
    pub member_epoch: i32,
    /// Its static name.
    pub instance: Option<String>,
    /// Its rack.
    pub rack: Option<String>,
    /// How long it may take to give partitions back; -1 when unchanged.
    pub rebalance_timeout_ms: i32,
    /// The topics it wants by name; nothing when unchanged.
    pub topic_names: Option<Vec<String>>,
    /// The topics it wants by expression; nothing when unchanged.
    pub topic_regex: Option<String>,
    /// The assignor it wants; nothing when unchanged.
    pub assignor: Option<String>,
    /// The partitions it holds; nothing when unchanged.
    pub owned: Option<Vec<TopicIdPartitions>>,
    /// The client id of the request's header.
    pub client_id: String,
    /// Where the request came from.
    pub client_host: String,
    /// What a member id is made from when the client brings none.
    pub fresh: Uuid,
}

/// What a member gets back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHeartbeatAnswer {
    /// Its id.
    pub member: String,
    /// Its epoch now.
    pub member_epoch: i32,
    /// After how long to send the next heartbeat.
    pub heartbeat_interval_ms: i32,
    /// What it should hold; nothing when unchanged.
    pub assignment: Option<Vec<TopicIdPartitions>>,
}

/// Tell what is in a consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerDescribeAsk {
    /// The group.
    pub group: String,
}

/// Partitions of one topic, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerAssignment {
    /// The topic.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: Vec<PartitionIndex>,
}

/// One member of a consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerMemberDescription {
    /// Its id.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
    /// Its rack.
    pub rack: Option<String>,
    /// Its epoch.
    pub member_epoch: i32,
    /// Its client id.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// The topics it wants by name.
    pub topic_names: Vec<String>,
    /// The topics it wants by expression.
    pub topic_regex: Option<String>,
    /// What it holds.
    pub assignment: Vec<ConsumerAssignment>,
    /// What it shall hold.
    pub target: Vec<ConsumerAssignment>,
    /// True for a member that still speaks the classic protocol.
    pub is_classic: bool,
}

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerDescription {
    /// Kafka's name of its state.
    pub state: &'static str,
    /// Its epoch.
    pub epoch: i32,
    /// The epoch of its target assignment.
    pub assignment_epoch: i32,
    /// The assignor in use.
    pub assignor: String,
    /// Its members.
    pub members: Vec<ConsumerMemberDescription>,
}
