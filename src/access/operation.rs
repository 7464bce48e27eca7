//! What can be done to a resource, by Kafka's numbers.

use crate::coded::coded;

coded! {
    /// Something that can be done to a resource.
    pub enum Operation {
        All = 2 "ALL",
        Read = 3 "READ",
        Write = 4 "WRITE",
        Create = 5 "CREATE",
        Delete = 6 "DELETE",
        Alter = 7 "ALTER",
        Describe = 8 "DESCRIBE",
        ClusterAction = 9 "CLUSTER_ACTION",
        DescribeConfigs = 10 "DESCRIBE_CONFIGS",
        AlterConfigs = 11 "ALTER_CONFIGS",
        IdempotentWrite = 12 "IDEMPOTENT_WRITE",
        CreateTokens = 13 "CREATE_TOKENS",
        DescribeTokens = 14 "DESCRIBE_TOKENS",
        TwoPhaseCommit = 15 "TWO_PHASE_COMMIT",
    }
}

impl Operation {
    /// Whether whoever is allowed this one is allowed `other`. It does not hold for denying:
    /// whoever may not read may still describe.
    pub(crate) fn includes(self, other: Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Read | Self::Write | Self::Delete | Self::Alter, Self::Describe)
            | (Self::AlterConfigs, Self::DescribeConfigs) => true,
            _ => self == other,
        }
    }
}

/// Operations as bits by their numbers, as KIP-430 has them.
#[must_use]
pub const fn bits(operations: &[Operation]) -> i32 {
    let mut bits = 0;
    let mut rest = operations;
    while let [operation, behind @ ..] = rest {
        bits |= 1 << (*operation as i32);
        rest = behind;
    }
    bits
}
