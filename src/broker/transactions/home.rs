//! Where a transactional id lives: the topic `__transaction_state`, and which of its partitions.

use base::NodeId;

use crate::broker::Broker;
use crate::controller::ControllerError;
use crate::hosts::InternalTopic;
use crate::ownership::PartitionId;

/// The topic that holds the state of transactions.
pub(crate) const TRANSACTIONS_TOPIC: &str = "__transaction_state";

const SHAPE: InternalTopic = InternalTopic {
    name: TRANSACTIONS_TOPIC,
    partitions_key: "transaction.state.log.num.partitions",
    replicas_key: "transaction.state.log.replication.factor",
    following: &[
        ("min.insync.replicas", "transaction.state.log.min.isr"),
        ("segment.bytes", "transaction.state.log.segment.bytes"),
    ],
    fixed: &[
        ("cleanup.policy", "compact"),
        ("compression.type", "uncompressed"),
        ("unclean.leader.election.enable", "false"),
    ],
};

impl Broker {
    /// Where the transactional id's coordinator is; nothing while `__transaction_state` does not
    /// exist.
    #[must_use]
    pub fn transaction_home(&self, transactional_id: &str) -> Option<PartitionId> {
        self.coordinator_home(TRANSACTIONS_TOPIC, transactional_id)
    }

    /// The node that coordinates the transactional id; nothing while nobody does.
    #[must_use]
    pub fn transaction_coordinator(&self, transactional_id: &str) -> Option<NodeId> {
        self.leader_of(self.transaction_home(transactional_id)?)
    }

    /// Creates `__transaction_state` where it does not exist yet; when it returns, its partitions
    /// serve.
    ///
    /// # Errors
    /// When the topic is refused or the controller cannot decide.
    pub async fn ensure_transactions_topic(&self) -> Result<(), ControllerError> {
        self.ensure_internal_topic(&SHAPE).await
    }
}
