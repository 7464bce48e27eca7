//! One metadata record, as this node thinks of it.
//!
//! Invariant: every change stands for exactly one Kafka record, so a batch of changes is a batch
//! of records with the same offsets.

use crate::broker::{Broker, Controller};
use crate::quota::{QuotaEntity, QuotaValue};
use crate::resource::Resource;
use crate::scram::ScramChange;
use crate::topic::Partition;
use access::Acl;
use base::{NodeId, PartitionIndex, Uuid};

/// What happened to the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing; keeps time in an idle cluster.
    NoOp,
    /// A broker registered, again or for the first time.
    RegisterBroker(Broker),
    /// A broker is gone for good.
    UnregisterBroker {
        /// Which.
        id: NodeId,
        /// Its registration.
        epoch: i64,
    },
    /// Something about a registered broker changed.
    Broker(BrokerChange),
    /// A controller registered.
    RegisterController(Controller),
    /// A controller is gone for good.
    UnregisterController {
        /// Which.
        id: NodeId,
    },
    /// A topic exists; its partitions follow.
    Topic {
        /// Its name.
        name: String,
        /// Its id.
        id: Uuid,
    },
    /// A topic and its partitions and configuration are gone.
    RemoveTopic {
        /// Which.
        id: Uuid,
    },
    /// A partition exists, with everything about it.
    Partition {
        /// Its topic.
        topic: Uuid,
        /// Its index.
        index: PartitionIndex,
        /// Everything about it.
        partition: Partition,
    },
    /// Something about a partition changed.
    PartitionChange(PartitionChange),
    /// A configuration was set, or removed.
    Config {
        /// Whose.
        resource: Resource,
        /// Its key.
        key: String,
        /// Its value; nothing removes it.
        value: Option<String>,
    },
    /// A limit was set, or removed (KIP-546).
    ClientQuota {
        /// Whose.
        entity: QuotaEntity,
        /// Which.
        key: String,
        /// The limit; nothing removes it.
        value: Option<QuotaValue>,
    },
    /// An access control list exists.
    Acl {
        /// Its id.
        id: Uuid,
        /// The list.
        acl: Acl,
    },
    /// An access control list is gone.
    RemoveAcl {
        /// Which.
        id: Uuid,
    },
    /// A password was set, or removed (KIP-554).
    Scram(ScramChange),
    /// A feature was finalised at a level; zero removes it (KIP-584).
    FeatureLevel {
        /// Its name.
        name: String,
        /// The level.
        level: i16,
    },
    /// A block of producer ids was given out.
    ProducerIds {
        /// To which broker.
        broker: NodeId,
        /// Its registration.
        broker_epoch: i64,
        /// The first id that nobody has yet.
        next: i64,
    },
    /// A record of a kind that this release does not interpret; kept as it is.
    Foreign {
        /// The whole record.
        bytes: Vec<u8>,
    },
}

/// What changed about a broker; what is nothing stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerChange {
    /// Which.
    pub id: NodeId,
    /// Its registration; a change for another one is a mistake.
    pub epoch: i64,
    /// Fenced or not.
    pub fenced: Option<bool>,
    /// It began to shut down. There is no way back but a new registration.
    pub in_controlled_shutdown: bool,
    /// Its log directories.
    pub log_dirs: Option<Vec<Uuid>>,
    /// Those that get no new partitions.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

/// What changed about a partition; what is nothing stays. Naming a leader, even the same one,
/// begins a new reign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionChange {
    /// Its topic.
    pub topic: Uuid,
    /// Its index.
    pub index: PartitionIndex,
    /// Who leads; the inner nothing is nobody.
    pub leader: Option<Option<NodeId>>,
    /// The in-sync replicas.
    pub isr: Option<Vec<NodeId>>,
    /// The replicas.
    pub replicas: Option<Vec<NodeId>>,
    /// Those being removed.
    pub removing_replicas: Option<Vec<NodeId>>,
    /// Those being added.
    pub adding_replicas: Option<Vec<NodeId>>,
    /// Whether an unclean leader is still recovering.
    pub recovering: Option<bool>,
    /// The log directories.
    pub directories: Option<Vec<Uuid>>,
    /// The eligible leader replicas.
    pub eligible_leader_replicas: Option<Vec<NodeId>>,
    /// The last known leader.
    pub last_known_leader: Option<Vec<NodeId>>,
}
