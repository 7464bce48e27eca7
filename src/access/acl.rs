//! One access control list entry.

use std::fmt;

use crate::operation::Operation;
use crate::resource::{PatternType, ResourceType};

/// Whether a list allows or denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
#[allow(missing_docs, reason = "the names are Kafka's and documented by Kafka")]
pub enum Permission {
    Deny = 2,
    Allow = 3,
}

impl Permission {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Deny, Self::Allow];

    /// The permission with this number; nothing for Kafka's "unknown" and "any" too.
    #[must_use]
    pub const fn from_code(code: i8) -> Option<Self> {
        match code {
            2 => Some(Self::Deny),
            3 => Some(Self::Allow),
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
            Self::Deny => "DENY",
            Self::Allow => "ALLOW",
        }
    }
}

/// Allows or denies one operation on the resources of a pattern, to one principal from one host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acl {
    /// The type of the resources.
    pub resource_type: ResourceType,
    /// How `name` is compared with theirs.
    pub pattern_type: PatternType,
    /// The pattern; the wildcard means all resources of the type when it is literal.
    pub name: String,
    /// To whom, as `User:name`; `User:*` is everybody.
    pub principal: String,
    /// From where: an address, or the wildcard.
    pub host: String,
    /// What.
    pub operation: Operation,
    /// Allowed or denied.
    pub permission: Permission,
}

impl fmt::Display for Acl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {} {} {} to {} from {} on {}",
            self.permission.name(),
            self.resource_type.name(),
            self.pattern_type.name(),
            self.name,
            self.principal,
            self.host,
            self.operation.name()
        )
    }
}
