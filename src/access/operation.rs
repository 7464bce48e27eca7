//! What can be done to a resource, by Kafka's numbers.

/// Something that can be done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
#[allow(missing_docs, reason = "the names are Kafka's and documented by Kafka")]
pub enum Operation {
    All = 2,
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    ClusterAction = 9,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
    CreateTokens = 13,
    DescribeTokens = 14,
    TwoPhaseCommit = 15,
}

impl Operation {
    /// All of them, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::All,
        Self::Read,
        Self::Write,
        Self::Create,
        Self::Delete,
        Self::Alter,
        Self::Describe,
        Self::ClusterAction,
        Self::DescribeConfigs,
        Self::AlterConfigs,
        Self::IdempotentWrite,
        Self::CreateTokens,
        Self::DescribeTokens,
        Self::TwoPhaseCommit,
    ];

    /// The operation with this number; nothing for Kafka's "unknown" and "any" too.
    #[must_use]
    pub fn from_code(code: i8) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|operation| operation.code() == code)
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
            Self::All => "ALL",
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Alter => "ALTER",
            Self::Describe => "DESCRIBE",
            Self::ClusterAction => "CLUSTER_ACTION",
            Self::DescribeConfigs => "DESCRIBE_CONFIGS",
            Self::AlterConfigs => "ALTER_CONFIGS",
            Self::IdempotentWrite => "IDEMPOTENT_WRITE",
            Self::CreateTokens => "CREATE_TOKENS",
            Self::DescribeTokens => "DESCRIBE_TOKENS",
            Self::TwoPhaseCommit => "TWO_PHASE_COMMIT",
        }
    }

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
