//! The nodes of the cluster, as they registered.

use base::{NodeId, Uuid};
use std::collections::BTreeMap;

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name.
    pub listener: String,
    /// The host that clients are told.
    pub host: String,
    /// The port that clients are told.
    pub port: u16,
    /// Kafka's number of the security protocol: 0 plaintext, 1 TLS, 2 SASL, 3 both.
    pub security_protocol: i16,
}

/// The levels of a feature that a node can work at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureRange {
    /// The lowest.
    pub min: i16,
    /// The highest.
    pub max: i16,
}

/// One registered broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: NodeId,
    /// The number of this registration; a later one has a higher one (KIP-631).
    pub epoch: i64,
    /// Drawn anew each time its process starts.
    pub incarnation_id: Uuid,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// What it can do.
    pub features: BTreeMap<String, FeatureRange>,
    /// Where it stands.
    pub rack: Option<String>,
    /// True while it must not lead and is not shown to clients.
    pub fenced: bool,
    /// True while it hands its leaderships over before it stops.
    pub in_controlled_shutdown: bool,
    /// The ids of its log directories (KIP-858).
    pub log_dirs: Vec<Uuid>,
    /// Those of them that get no new partitions (KIP-1066); nothing when it never said.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

impl Broker {
    /// True when it may lead and get new partitions.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }
}

/// One registered controller (KIP-919).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Its id.
    pub id: NodeId,
    /// Drawn anew each time its process starts.
    pub incarnation_id: Uuid,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// What it can do.
    pub features: BTreeMap<String, FeatureRange>,
}
