//! What clients are shown of nodes, topics and partitions, whichever API they ask with.
//!
//! Invariant: a node that is fenced, or that has no address on the client's listener, is shown as
//! if it were down, since this client cannot talk to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{ErrorCode, NodeId, PartitionIndex};
use metadata::{Broker, Image, Partition, Topic};

use crate::context::Context;

/// In place of operations that the client did not ask for.
pub(crate) const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

/// Topics that the node writes itself; consumers leave them out of patterns.
const INTERNAL_TOPICS: [&str; 3] = [
    "__consumer_offsets",
    "__share_group_state",
    "__transaction_state",
];

/// True for a topic that the node writes itself.
pub(crate) fn is_internal(topic: &str) -> bool {
    INTERNAL_TOPICS.contains(&topic)
}

/// One broker as a client can reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownNode {
    pub(crate) id: NodeId,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) rack: Option<String>,
    pub(crate) fenced: bool,
}

/// The brokers of the cluster that have an address for this client, fenced ones among them only
/// where asked for.
pub(crate) fn nodes(context: &Context, image: &Image, with_fenced: bool) -> Vec<ShownNode> {
    let own = context.broker().node_id();
    let shown = image
        .brokers()
        .filter(|broker| with_fenced || !broker.fenced);
    shown
        .filter_map(|broker| {
            let (host, port) = if broker.id == own {
                context.advertised()
            } else {
                address(broker, &context.server.listener_name)?
            };
            let rack = broker.rack.clone();
            Some(ShownNode {
                id: broker.id,
                host,
                port,
                rack,
                fenced: broker.fenced,
            })
        })
        .collect()
}

fn address(broker: &Broker, listener: &str) -> Option<(String, i32)> {
    let endpoint = broker
        .endpoints
        .iter()
        .find(|endpoint| endpoint.listener == listener)?;
    Some((endpoint.host.clone(), i32::from(endpoint.port)))
}

/// The nodes that are shown and not fenced, with the directories of theirs that work.
pub(crate) struct Alive {
    nodes: BTreeMap<NodeId, Option<Arc<Broker>>>,
}

impl Alive {
    /// These nodes, all of whose directories work.
    #[cfg(test)]
    pub(crate) fn all_of(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        Self {
            nodes: nodes.into_iter().map(|id| (id, None)).collect(),
        }
    }

    fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains_key(&id)
    }

    /// Whether the node lives and the directory of its replica works (KIP-112).
    fn works(&self, id: NodeId, partition: &Partition) -> bool {
        let dir = partition.directory_on(id).unwrap_or_default();
        let node = self.nodes.get(&id);
        node.is_some_and(|node| node.as_ref().is_none_or(|broker| broker.has_online(dir)))
    }
}

/// See [`Alive`].
pub(crate) fn alive(nodes: &[ShownNode], image: &Image) -> Alive {
    let alive = nodes.iter().filter(|node| !node.fenced);
    Alive {
        nodes: alive
            .map(|node| (node.id, image.broker(node.id).cloned()))
            .collect(),
    }
}

/// One partition, with the leader left out when the client could not reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownPartition {
    pub(crate) error: ErrorCode,
    pub(crate) index: i32,
    pub(crate) leader_id: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) isr: Vec<i32>,
    pub(crate) offline: Vec<i32>,
}

/// The partition as a client that can reach the nodes `alive` sees it.
pub(crate) fn partition(
    index: PartitionIndex,
    partition: &Partition,
    alive: &Alive,
) -> ShownPartition {
    let leader = partition.leader.filter(|leader| alive.contains(*leader));
    let offline = partition
        .replicas
        .iter()
        .filter(|replica| !alive.works(**replica, partition));
    ShownPartition {
        error: if leader.is_some() {
            ErrorCode::None
        } else {
            ErrorCode::LeaderNotAvailable
        },
        index: index.get(),
        leader_id: leader.map_or(-1, NodeId::get),
        leader_epoch: partition.leader_epoch.get(),
        replicas: numbers(&partition.replicas),
        isr: numbers(&partition.isr),
        offline: offline.copied().map(NodeId::get).collect(),
    }
}

/// Node ids as they travel.
pub(crate) fn numbers(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().copied().map(NodeId::get).collect()
}

/// A topic's partitions with their indexes.
pub(crate) fn indexed(topic: &Topic) -> impl Iterator<Item = (PartitionIndex, &Partition)> {
    (0_i32..).map(PartitionIndex).zip(&topic.partitions)
}

#[cfg(test)]
#[path = "../tests/shown_tests.rs"]
mod tests;
