//! Where a transactional id lives: the topic `__transaction_state`, and which of its partitions.

use std::collections::BTreeMap;

use base::NodeId;
use config::Settings;
use metadata::decide::NewTopic;

use crate::broker::Broker;
use crate::controller::ControllerError;
use crate::hosts::{number, partition_of};
use crate::ownership::PartitionId;

/// The topic that holds the state of transactions.
pub(crate) const TRANSACTIONS_TOPIC: &str = "__transaction_state";

impl Broker {
    /// Where the transactional id's coordinator is; nothing while `__transaction_state` does not
    /// exist.
    #[must_use]
    pub fn transaction_home(&self, transactional_id: &str) -> Option<PartitionId> {
        let image = self.image();
        let topic = image.topic(TRANSACTIONS_TOPIC)?;
        let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        (partitions > 0).then(|| PartitionId {
            topic: topic.id,
            index: partition_of(transactional_id, partitions),
        })
    }

    /// The node that coordinates the transactional id; nothing while nobody does.
    #[must_use]
    pub fn transaction_coordinator(&self, transactional_id: &str) -> Option<NodeId> {
        let home = self.transaction_home(transactional_id)?;
        self.image().partition(home.topic, home.index)?.leader
    }

    /// Creates `__transaction_state` where it does not exist yet; when it returns, its partitions
    /// serve.
    ///
    /// # Errors
    /// When the topic is refused or the controller cannot decide.
    pub async fn ensure_transactions_topic(&self) -> Result<(), ControllerError> {
        self.ensure_internal_topic(TRANSACTIONS_TOPIC, transactions_topic)
            .await
    }
}

/// The topic with Kafka's settings.
fn transactions_topic(settings: &Settings) -> NewTopic {
    let segment_bytes = number(settings, "transaction.state.log.segment.bytes");
    let in_sync_min = number(settings, "transaction.state.log.min.isr");
    let configs = BTreeMap::from([
        ("cleanup.policy", "compact".to_owned()),
        ("compression.type", "uncompressed".to_owned()),
        ("min.insync.replicas", in_sync_min.to_string()),
        ("segment.bytes", segment_bytes.to_string()),
        ("unclean.leader.election.enable", "false".to_owned()),
    ]);
    let configs = configs.into_iter();
    let replicas = number(settings, "transaction.state.log.replication.factor");
    NewTopic {
        name: TRANSACTIONS_TOPIC.to_owned(),
        partitions: i32::try_from(number(settings, "transaction.state.log.num.partitions"))
            .unwrap_or(i32::MAX),
        replication_factor: i16::try_from(replicas).unwrap_or(i16::MAX),
        configs: configs
            .map(|(key, value)| (key.to_owned(), Some(value)))
            .collect(),
        ..NewTopic::default()
    }
}
