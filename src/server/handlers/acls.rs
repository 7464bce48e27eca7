//! What the handlers of access control lists share: lists and filters as they travel.
//!
//! Numbers that Kafka does not have, and those that only filters may carry, are refused entry by
//! entry with Kafka's words; Kafka ends the connection at some of them.

use std::borrow::Cow;

use access::{Acl, AclFilter, Operation, PatternMatch, PatternType, Permission, ResourceType};
use base::ErrorCode;
use metadata::Refusal;
use wire::create_acls::AclCreation;

use crate::handlers::altering::invalid;

/// Stands for every value in a filter.
const ANY: i8 = 1;

/// What administrators are told on a node that lets everybody do everything.
pub(crate) fn disabled() -> Refusal {
    Refusal::new(ErrorCode::SecurityDisabled, "No Authorizer is configured.")
}

/// The list that a client wants to add.
pub(crate) fn acl(asked: &AclCreation<'_>) -> Result<Acl, Refusal> {
    let resource_type = ResourceType::from_code(asked.resource_type);
    let pattern_type = PatternType::from_code(asked.resource_pattern_type);
    let operation = Operation::from_code(asked.operation);
    let permission = Permission::from_code(asked.permission_type);
    Ok(Acl {
        resource_type: resource_type.ok_or_else(|| not_a("resourceType", asked.resource_type))?,
        pattern_type: pattern_type
            .ok_or_else(|| not_a("patternType", asked.resource_pattern_type))?,
        name: asked.resource_name.to_string(),
        principal: asked.principal.to_string(),
        host: asked.host.to_string(),
        operation: operation.ok_or_else(|| not_a("operation", asked.operation))?,
        permission: permission.ok_or_else(|| not_a("permissionType", asked.permission_type))?,
    })
}

fn not_a(field: &str, code: i8) -> Refusal {
    let word = match (field, code) {
        (_, ANY) => "ANY",
        ("patternType", 2) => "MATCH",
        _ => "UNKNOWN",
    };
    invalid(format!("Invalid {field} {word}"))
}

/// A filter's fields as they travel.
pub(crate) struct Travelling<'t> {
    pub(crate) resource_type: i8,
    pub(crate) pattern_type: i8,
    pub(crate) name: Option<&'t Cow<'t, str>>,
    pub(crate) principal: Option<&'t Cow<'t, str>>,
    pub(crate) host: Option<&'t Cow<'t, str>>,
    pub(crate) operation: i8,
    pub(crate) permission: i8,
}

impl Travelling<'_> {
    /// The filter that is meant.
    pub(crate) fn read(&self) -> Result<AclFilter, Refusal> {
        let pattern = PatternMatch::from_code(self.pattern_type);
        let owned = |text: Option<&Cow<'_, str>>| text.map(|text| text.to_string());
        Ok(AclFilter {
            resource_type: either(self.resource_type, ResourceType::from_code, "patternFilter")?,
            pattern: pattern.ok_or_else(|| unknown("patternFilter"))?,
            name: owned(self.name),
            principal: owned(self.principal),
            host: owned(self.host),
            operation: either(self.operation, Operation::from_code, "entryFilter")?,
            permission: either(self.permission, Permission::from_code, "entryFilter")?,
        })
    }
}

/// Any value, or the one of this number.
fn either<T>(code: i8, read: fn(i8) -> Option<T>, part: &str) -> Result<Option<T>, Refusal> {
    if code == ANY {
        return Ok(None);
    }
    read(code).map(Some).ok_or_else(|| unknown(part))
}

fn unknown(part: &str) -> Refusal {
    invalid(format!("Unknown {part}."))
}
