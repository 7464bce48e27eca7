//! Where a group lives: the topic `__consumer_offsets`, and which of its partitions.

use base::{NodeId, TopicPartition};

use crate::broker::Broker;
use crate::controller::ControllerError;
use crate::hosts::InternalTopic;
use crate::ownership::PartitionId;

/// The topic that holds groups and committed offsets.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

const SHAPE: InternalTopic = InternalTopic {
    name: OFFSETS_TOPIC,
    partitions_key: "offsets.topic.num.partitions",
    replicas_key: "offsets.topic.replication.factor",
    following: &[("segment.bytes", "offsets.topic.segment.bytes")],
    fixed: &[
        ("cleanup.policy", "compact"),
        ("compression.type", "producer"),
    ],
};

impl Broker {
    /// Where the group's coordinator is; nothing while `__consumer_offsets` does not exist.
    #[must_use]
    pub fn group_home(&self, group: &str) -> Option<PartitionId> {
        self.coordinator_home(OFFSETS_TOPIC, group)
    }

    /// The partition of `__consumer_offsets` that has the group's offsets; nothing while the topic
    /// does not exist.
    #[must_use]
    pub fn group_partition(&self, group: &str) -> Option<TopicPartition> {
        Some(TopicPartition {
            topic: OFFSETS_TOPIC.to_owned(),
            partition: self.group_home(group)?.index,
        })
    }

    /// The node that coordinates the group; nothing while nobody does.
    #[must_use]
    pub fn group_coordinator(&self, group: &str) -> Option<NodeId> {
        self.leader_of(self.group_home(group)?)
    }

    /// Creates `__consumer_offsets` where it does not exist yet; when it returns, its partitions
    /// serve.
    ///
    /// # Errors
    /// When the topic is refused or the controller cannot decide.
    pub async fn ensure_offsets_topic(&self) -> Result<(), ControllerError> {
        self.ensure_internal_topic(&SHAPE).await
    }
}
