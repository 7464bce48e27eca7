//! What a configuration belongs to.

use base::NodeId;

/// Kinds of resources, with Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ResourceKind {
    /// A topic.
    Topic = 2,
    /// One broker, or all of them when the name is empty.
    Broker = 4,
    /// A subscription to client metrics (KIP-714).
    ClientMetrics = 16,
    /// A group (KIP-848).
    Group = 32,
}

impl ResourceKind {
    /// The number on the wire and in records.
    #[must_use]
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// The kind with this number.
    #[must_use]
    pub const fn from_code(code: i8) -> Option<Self> {
        match code {
            2 => Some(Self::Topic),
            4 => Some(Self::Broker),
            16 => Some(Self::ClientMetrics),
            32 => Some(Self::Group),
            _ => None,
        }
    }
}

/// A resource that can be configured; the empty name is the cluster's default of its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name.
    pub name: String,
}

impl Resource {
    /// A topic.
    pub fn topic(name: impl Into<String>) -> Self {
        Self {
            kind: ResourceKind::Topic,
            name: name.into(),
        }
    }

    /// One broker.
    #[must_use]
    pub fn broker(id: NodeId) -> Self {
        Self {
            kind: ResourceKind::Broker,
            name: id.to_string(),
        }
    }

    /// What counts for all brokers that do not say otherwise.
    #[must_use]
    pub const fn cluster_default() -> Self {
        Self {
            kind: ResourceKind::Broker,
            name: String::new(),
        }
    }
}
