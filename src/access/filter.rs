//! Selecting lists for an administrator.
//!
//! Invariant: what is nothing selects everything.

use crate::acl::{Acl, Permission};
use crate::operation::Operation;
use crate::resource::{PatternType, ResourceType, WILDCARD};

/// How a filter's name is compared with a pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PatternMatch {
    /// Patterns of this name, of either type.
    #[default]
    Any,
    /// Patterns that apply to the resource of this name.
    Match,
    /// Patterns of this name and type.
    Only(PatternType),
}

impl PatternMatch {
    /// The way with this number; nothing for Kafka's "unknown".
    #[must_use]
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            1 => Some(Self::Any),
            2 => Some(Self::Match),
            code => PatternType::from_code(code).map(Self::Only),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> i8 {
        match self {
            Self::Any => 1,
            Self::Match => 2,
            Self::Only(pattern_type) => pattern_type.code(),
        }
    }
}

/// Selects lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclFilter {
    /// Those of this type of resources.
    pub resource_type: Option<ResourceType>,
    /// How `name` is compared.
    pub pattern: PatternMatch,
    /// Those of this name.
    pub name: Option<String>,
    /// Those of exactly this principal.
    pub principal: Option<String>,
    /// Those of exactly this host.
    pub host: Option<String>,
    /// Those of exactly this operation.
    pub operation: Option<Operation>,
    /// Those that allow, or those that deny.
    pub permission: Option<Permission>,
}

impl AclFilter {
    /// Whether `acl` is selected.
    #[must_use]
    pub fn selects(&self, acl: &Acl) -> bool {
        fn agrees<T: PartialEq + ?Sized>(wanted: Option<&T>, found: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        agrees(self.resource_type.as_ref(), &acl.resource_type)
            && self.selects_pattern(acl)
            && agrees(self.principal.as_deref(), acl.principal.as_str())
            && agrees(self.host.as_deref(), acl.host.as_str())
            && agrees(self.operation.as_ref(), &acl.operation)
            && agrees(self.permission.as_ref(), &acl.permission)
    }

    fn selects_pattern(&self, acl: &Acl) -> bool {
        let named = self.name.as_deref();
        match self.pattern {
            PatternMatch::Only(pattern_type) => {
                acl.pattern_type == pattern_type && named.is_none_or(|name| name == acl.name)
            }
            PatternMatch::Any => named.is_none_or(|name| name == acl.name),
            PatternMatch::Match => named.is_none_or(|name| match acl.pattern_type {
                PatternType::Literal => name == acl.name || acl.name == WILDCARD,
                PatternType::Prefixed => name.starts_with(&acl.name),
            }),
        }
    }
}
