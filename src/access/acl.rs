//! One access control list entry.

use std::fmt;

use crate::coded::coded;
use crate::operation::Operation;
use crate::resource::{PatternType, ResourceType};

coded! {
    /// Whether a list allows or denies.
    pub enum Permission {
        Deny = 2 "DENY",
        Allow = 3 "ALLOW",
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
