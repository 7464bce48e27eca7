//! What access is granted to, by Kafka's numbers and names.

use crate::operation::Operation;

/// In place of a resource's name: all of its type. In place of a host: all of them.
pub const WILDCARD: &str = "*";
/// The only name of a cluster as a resource.
pub const CLUSTER_NAME: &str = "kafka-cluster";

/// A type of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
#[allow(missing_docs, reason = "the names are Kafka's and documented by Kafka")]
pub enum ResourceType {
    Topic = 2,
    Group = 3,
    Cluster = 4,
    TransactionalId = 5,
    DelegationToken = 6,
    User = 7,
}

impl ResourceType {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Topic,
        Self::Group,
        Self::Cluster,
        Self::TransactionalId,
        Self::DelegationToken,
        Self::User,
    ];

    /// The type with this number; nothing for Kafka's "unknown" and "any" too.
    #[must_use]
    pub fn from_code(code: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// Its name in Kafka's tools.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Topic => "TOPIC",
            Self::Group => "GROUP",
            Self::Cluster => "CLUSTER",
            Self::TransactionalId => "TRANSACTIONAL_ID",
            Self::DelegationToken => "DELEGATION_TOKEN",
            Self::User => "USER",
        }
    }

    /// Everything that can be done to a resource of this type (KIP-430).
    #[must_use]
    pub const fn operations(self) -> &'static [Operation] {
        match self {
            Self::Topic => &[
                Operation::Read,
                Operation::Write,
                Operation::Create,
                Operation::Delete,
                Operation::Alter,
                Operation::Describe,
                Operation::DescribeConfigs,
                Operation::AlterConfigs,
            ],
            Self::Group => &[
                Operation::Read,
                Operation::Delete,
                Operation::Describe,
                Operation::DescribeConfigs,
                Operation::AlterConfigs,
            ],
            Self::Cluster => &[
                Operation::Create,
                Operation::Alter,
                Operation::Describe,
                Operation::ClusterAction,
                Operation::DescribeConfigs,
                Operation::AlterConfigs,
                Operation::IdempotentWrite,
            ],
            Self::TransactionalId => &[
                Operation::Write,
                Operation::Describe,
                Operation::TwoPhaseCommit,
            ],
            Self::DelegationToken => &[Operation::Describe],
            Self::User => &[Operation::CreateTokens, Operation::DescribeTokens],
        }
    }
}

/// How the name of a pattern is compared with that of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum PatternType {
    /// They are equal, or the pattern is the wildcard.
    Literal = 3,
    /// The resource's name begins with the pattern's (KIP-290).
    Prefixed = 4,
}

impl PatternType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Literal, Self::Prefixed];

    /// The type with this number; nothing for Kafka's "unknown", "any" and "match" too.
    #[must_use]
    pub const fn from_code(code: i8) -> Option<Self> {
        match code {
            3 => Some(Self::Literal),
            4 => Some(Self::Prefixed),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// Its name in Kafka's tools.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Literal => "LITERAL",
            Self::Prefixed => "PREFIXED",
        }
    }
}
