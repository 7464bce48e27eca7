//! What access is granted to, by Kafka's numbers and names.

use crate::coded::coded;
use crate::operation::Operation;

/// In place of a resource's name: all of its type. In place of a host: all of them.
pub const WILDCARD: &str = "*";
/// The only name of a cluster as a resource.
pub const CLUSTER_NAME: &str = "kafka-cluster";

coded! {
    /// A type of resource.
    pub enum ResourceType {
        Topic = 2 "TOPIC",
        Group = 3 "GROUP",
        Cluster = 4 "CLUSTER",
        TransactionalId = 5 "TRANSACTIONAL_ID",
        DelegationToken = 6 "DELEGATION_TOKEN",
        User = 7 "USER",
    }
}

impl ResourceType {
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

coded! {
    /// How the name of a pattern is compared with that of a resource.
    pub enum PatternType {
        /// They are equal, or the pattern is the wildcard.
        Literal = 3 "LITERAL",
        /// The resource's name begins with the pattern's (KIP-290).
        Prefixed = 4 "PREFIXED",
    }
}
