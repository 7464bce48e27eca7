//! Where a group lives: the topic `__consumer_offsets`, and which of its partitions.

use std::collections::BTreeMap;

use base::{NodeId, TopicPartition};
use config::Settings;
use metadata::decide::NewTopic;

use crate::broker::Broker;
use crate::controller::ControllerError;
use crate::hosts::{number, partition_of};
use crate::ownership::PartitionId;

/// The topic that holds groups and committed offsets.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

impl Broker {
    /// Where the group's coordinator is; nothing while `__consumer_offsets` does not exist.
    #[must_use]
    pub fn group_home(&self, group: &str) -> Option<PartitionId> {
        let image = self.image();
        let topic = image.topic(OFFSETS_TOPIC)?;
        let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        (partitions > 0).then(|| PartitionId {
            topic: topic.id,
            index: partition_of(group, partitions),
        })
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
        let home = self.group_home(group)?;
        self.image().partition(home.topic, home.index)?.leader
    }

    /// Creates `__consumer_offsets` where it does not exist yet; when it returns, its partitions
    /// serve.
    ///
    /// # Errors
    /// When the topic is refused or the controller cannot decide.
    pub async fn ensure_offsets_topic(&self) -> Result<(), ControllerError> {
        self.ensure_internal_topic(OFFSETS_TOPIC, offsets_topic)
            .await
    }
}

/// The topic with Kafka's settings.
fn offsets_topic(settings: &Settings) -> NewTopic {
    let segment_bytes = number(settings, "offsets.topic.segment.bytes");
    let configs = BTreeMap::from([
        ("cleanup.policy", "compact".to_owned()),
        ("compression.type", "producer".to_owned()),
        ("segment.bytes", segment_bytes.to_string()),
    ]);
    let configs = configs.into_iter();
    let replicas = number(settings, "offsets.topic.replication.factor");
    NewTopic {
        name: OFFSETS_TOPIC.to_owned(),
        partitions: i32::try_from(number(settings, "offsets.topic.num.partitions"))
            .unwrap_or(i32::MAX),
        replication_factor: i16::try_from(replicas).unwrap_or(i16::MAX),
        configs: configs
            .map(|(key, value)| (key.to_owned(), Some(value)))
            .collect(),
        ..NewTopic::default()
    }
}
