//! What this client knows about a cluster: brokers, topics, leaders.
//!
//! Invariant: everything here came from one broker's answer and may be out of date; whoever acts
//! on it finds out and asks again.

use std::collections::BTreeMap;

use base::{ErrorCode, LeaderEpoch, NodeId, PartitionIndex, Uuid};
use wire::metadata::{MetadataResponse, MetadataResponsePartition, MetadataResponseTopic};

/// A cluster as a client sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    /// The cluster's id, where the broker is recent enough to say.
    pub cluster_id: Option<String>,
    /// The node to which administrators' requests go; unknown when negative.
    pub controller: NodeId,
    /// Where the brokers listen.
    pub brokers: BTreeMap<NodeId, Broker>,
    /// The topics that were asked about.
    pub topics: BTreeMap<String, Topic>,
}

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its node id.
    pub node: NodeId,
    /// The host that it advertises.
    pub host: String,
    /// The port that it advertises.
    pub port: u16,
    /// Its rack, if it has one.
    pub rack: Option<String>,
}

/// A topic and its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id; zero where the broker is too old to say (KIP-516).
    pub id: Uuid,
    /// True for Kafka's own topics.
    pub is_internal: bool,
    /// Why the broker could not describe it, if so.
    pub error: ErrorCode,
    /// Its partitions.
    pub partitions: BTreeMap<PartitionIndex, Partition>,
}

/// A partition's replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its index.
    pub index: PartitionIndex,
    /// The node that takes writes; negative when there is none.
    pub leader: NodeId,
    /// The number of the leader's reign.
    pub leader_epoch: LeaderEpoch,
    /// The nodes that hold it.
    pub replicas: Vec<NodeId>,
    /// Those of them that are in sync.
    pub in_sync: Vec<NodeId>,
    /// Why it cannot be used, if so.
    pub error: ErrorCode,
}

/// Where to send requests for a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leader {
    /// The leader's node.
    pub node: NodeId,
    /// The number of its reign.
    pub epoch: LeaderEpoch,
    /// The topic's id, zero when unknown.
    pub topic_id: Uuid,
}

impl Image {
    /// Takes in an answer: brokers are replaced, topics are replaced one by one.
    pub(crate) fn apply(&mut self, response: &MetadataResponse<'_>) {
        self.cluster_id = response.cluster_id.as_deref().map(ToOwned::to_owned);
        self.controller = NodeId(response.controller_id);
        self.brokers.clear();
        for broker in &response.brokers {
            let node = NodeId(broker.node_id);
            let host = broker.host.clone().into_owned();
            let rack = broker.rack.as_deref().map(ToOwned::to_owned);
            // A port that is none stays 0, which no connection can reach: a clear error later.
            let port = u16::try_from(broker.port).unwrap_or(0);
            self.brokers.insert(
                node,
                Broker {
                    node,
                    host,
                    port,
                    rack,
                },
            );
        }
        for topic in &response.topics {
            let topic = Topic::read(topic);
            self.topics.insert(topic.name.clone(), topic);
        }
    }

    /// The partition's leader, if one is known.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: PartitionIndex) -> Option<Leader> {
        let topic = self.topics.get(topic)?;
        let known = topic.partitions.get(&partition)?;
        let has_leader = known.leader.0 >= 0;
        has_leader.then_some(Leader {
            node: known.leader,
            epoch: known.leader_epoch,
            topic_id: topic.id,
        })
    }
}

impl Topic {
    fn read(topic: &MetadataResponseTopic<'_>) -> Self {
        let partitions = topic.partitions.iter().map(Partition::read);
        Self {
            name: topic.name.as_deref().unwrap_or_default().to_owned(),
            id: topic.topic_id,
            is_internal: topic.is_internal,
            error: ErrorCode::from_code(topic.error_code),
            partitions: partitions
                .map(|partition| (partition.index, partition))
                .collect(),
        }
    }
}

impl Partition {
    fn read(partition: &MetadataResponsePartition) -> Self {
        let nodes = |ids: &[i32]| ids.iter().copied().map(NodeId).collect();
        Self {
            index: PartitionIndex(partition.partition_index),
            leader: NodeId(partition.leader_id),
            leader_epoch: LeaderEpoch(partition.leader_epoch),
            replicas: nodes(&partition.replica_nodes),
            in_sync: nodes(&partition.isr_nodes),
            error: ErrorCode::from_code(partition.error_code),
        }
    }
}
