//! All keys, found by name.
//!
//! One file per theme; this one only joins them. A name may occur once among the broker keys and
//! once among each other kind.

mod client_metrics;
mod group;
mod groups;
mod log;
mod network;
mod node;
mod own;
mod quota;
mod remote;
mod replica;
mod sasl;
mod telemetry;
mod tls;
mod topic;
mod transactions;

use crate::key::Key;

const BROKER: &[&[Key]] = &[
    node::KEYS,
    network::KEYS,
    log::KEYS,
    replica::KEYS,
    groups::KEYS,
    transactions::KEYS,
    remote::KEYS,
    sasl::KEYS,
    tls::KEYS,
    telemetry::KEYS,
    own::BROKER_KEYS,
];
const TOPIC: &[&[Key]] = &[topic::KEYS, own::TOPIC_KEYS];
const GROUP: &[&[Key]] = &[group::KEYS];
const CLIENT_METRICS: &[&[Key]] = &[client_metrics::KEYS];
const QUOTA: &[&[Key]] = &[quota::KEYS];

/// Whose keys are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Keys of a node.
    Broker,
    /// Keys of a topic.
    Topic,
    /// Keys of a group.
    Group,
    /// Keys of a subscription to client metrics.
    ClientMetrics,
    /// Keys of a client quota.
    Quota,
}

impl Family {
    /// Every family, the broker's first.
    pub const ALL: [Self; 5] = [
        Self::Broker,
        Self::Topic,
        Self::Group,
        Self::ClientMetrics,
        Self::Quota,
    ];

    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Topic => "topic",
            Self::Group => "group",
            Self::ClientMetrics => "client metrics",
            Self::Quota => "client quota",
        }
    }

    const fn tables(self) -> &'static [&'static [Key]] {
        match self {
            Self::Broker => BROKER,
            Self::Topic => TOPIC,
            Self::Group => GROUP,
            Self::ClientMetrics => CLIENT_METRICS,
            Self::Quota => QUOTA,
        }
    }

    /// The keys of this family, by theme.
    pub fn keys(self) -> impl Iterator<Item = &'static Key> {
        self.tables().iter().flat_map(|table| table.iter())
    }

    /// The key of this name.
    #[must_use]
    pub fn find(self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
}
