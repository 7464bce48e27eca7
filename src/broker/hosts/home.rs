//! Which partition of its internal topic a coordinator's subject lives in, and how that topic
//! comes into being.

use base::{ErrorCode, NodeId, PartitionIndex};
use config::Settings;
use metadata::Refusal;
use metadata::decide::NewTopic;

use crate::broker::Broker;
use crate::controller::ControllerError;
use crate::ownership::PartitionId;

/// The partition of a topic with `partitions` partitions that `name`, a group or a transactional
/// id, lives in: Java's hash of the name, as every client and tool of Kafka computes it.
pub(crate) fn partition_of(name: &str, partitions: i32) -> PartitionIndex {
    assert!(partitions > 0, "a topic has partitions");
    let hash = name.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    // Kafka takes the one number without a positive twin for zero.
    let hash = hash.checked_abs().unwrap_or(0);
    PartitionIndex(hash % partitions)
}

/// A whole number that has a default.
pub(crate) fn number(settings: &Settings, key: &'static str) -> i64 {
    let effective = settings.effective(key);
    let value = effective.and_then(|effective| effective.value);
    let parsed = value.and_then(|value| value.parse().ok());
    assert!(
        parsed.is_some(),
        "{key} has a default and lets only numbers in"
    );
    parsed.unwrap_or(0)
}

/// An internal topic whose partitions have coordinators, with the settings that Kafka gives it.
pub(crate) struct InternalTopic {
    pub(crate) name: &'static str,
    /// The key of the broker that says how many partitions it gets.
    pub(crate) partitions_key: &'static str,
    /// The key of the broker that says how many replicas they get.
    pub(crate) replicas_key: &'static str,
    /// Keys of the topic with numbers, and the keys of the broker that they follow.
    pub(crate) following: &'static [(&'static str, &'static str)],
    /// Keys of the topic with the values that they always have.
    pub(crate) fixed: &'static [(&'static str, &'static str)],
}

impl InternalTopic {
    /// The topic as it is made under these settings.
    pub(crate) fn describe(&self, settings: &Settings) -> NewTopic {
        let fixed = self.fixed.iter();
        let fixed = fixed.map(|&(key, value)| (key.to_owned(), Some(value.to_owned())));
        let following = self.following.iter();
        let following = following
            .map(|&(key, broker)| (key.to_owned(), Some(number(settings, broker).to_string())));
        let partitions = number(settings, self.partitions_key);
        let replicas = number(settings, self.replicas_key);
        NewTopic {
            name: self.name.to_owned(),
            partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
            replication_factor: i16::try_from(replicas).unwrap_or(i16::MAX),
            configs: fixed.chain(following).collect(),
            ..NewTopic::default()
        }
    }
}

impl Broker {
    /// Which partition of the internal topic `topic` the coordinator of `name` lives in; nothing
    /// while the topic does not exist.
    pub(crate) fn coordinator_home(&self, topic: &str, name: &str) -> Option<PartitionId> {
        let image = self.image();
        let topic = image.topic(topic)?;
        let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        (partitions > 0).then(|| PartitionId {
            topic: topic.id,
            index: partition_of(name, partitions),
        })
    }

    /// The node that leads this partition; nothing while nobody does.
    pub(crate) fn leader_of(&self, id: PartitionId) -> Option<NodeId> {
        self.image().partition(id.topic, id.index)?.leader
    }

    /// Creates an internal topic where it does not exist yet; when it returns, its partitions
    /// serve.
    ///
    /// # Errors
    /// When the topic is refused or the controller cannot decide.
    pub(crate) async fn ensure_internal_topic(
        &self,
        topic: &InternalTopic,
    ) -> Result<(), ControllerError> {
        if self.image().topic(topic.name).is_some() {
            return Ok(());
        }
        let topic = topic.describe(&self.config().settings);
        let outcomes = self.create_topics(vec![topic], false).await?;
        for (name, outcome) in outcomes {
            match outcome {
                Ok(_) => tracing::info!(topic = %name, "created for coordinators"),
                // Two clients asked at once.
                Err(Refusal {
                    code: ErrorCode::TopicAlreadyExists,
                    ..
                }) => {}
                Err(refusal) => return Err(ControllerError::Refused(refusal)),
            }
        }
        Ok(())
    }
}
