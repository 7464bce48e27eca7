//! The decision as Kafka's documentation words it, by looking at every list.

use crate::{Acl, Operation, PatternType, Permission, ResourceType, WILDCARD};

/// Who asks, in plain words.
pub(super) struct Asking<'a> {
    pub(super) principal: &'a str,
    pub(super) host: &'a str,
    pub(super) operation: Operation,
    pub(super) topic: &'a str,
    pub(super) is_open: bool,
}

fn covers(acl: &Acl, name: &str) -> bool {
    match acl.pattern_type {
        PatternType::Literal => acl.name == name || acl.name == WILDCARD,
        PatternType::Prefixed => name.starts_with(&acl.name),
    }
}

fn concerns(acl: &Acl, asking: &Asking<'_>) -> bool {
    (acl.principal == asking.principal || acl.principal == "User:*")
        && (acl.host == asking.host || acl.host == WILDCARD)
}

fn implied(operation: Operation) -> &'static [Operation] {
    use Operation::{Alter, AlterConfigs, Delete, Read, Write};
    match operation {
        Operation::Describe => &[Read, Write, Delete, Alter],
        Operation::DescribeConfigs => &[AlterConfigs],
        _ => &[],
    }
}

pub(super) fn may(lists: &[Acl], asking: &Asking<'_>) -> bool {
    let of_topic =
        |acl: &&Acl| acl.resource_type == ResourceType::Topic && covers(acl, asking.topic);
    if !lists.iter().any(|acl| of_topic(&acl)) {
        return asking.is_open;
    }
    let exact = [Operation::All, asking.operation];
    let mut of_mine = lists
        .iter()
        .filter(of_topic)
        .filter(|acl| concerns(acl, asking));
    let is_denied = of_mine
        .clone()
        .any(|acl| acl.permission == Permission::Deny && exact.contains(&acl.operation));
    let is_allowed = of_mine.any(|acl| {
        let is_implied = implied(asking.operation).contains(&acl.operation);
        acl.permission == Permission::Allow && (exact.contains(&acl.operation) || is_implied)
    });
    is_allowed && !is_denied
}

/// Some topic may be written: every pattern that allows it is held against every one that denies.
pub(super) fn may_some(lists: &[Acl], asking: &Asking<'_>) -> bool {
    let some = Asking {
        topic: "hardcode",
        ..*asking
    };
    if may(lists, &some) {
        return true;
    }
    let relevant = |permission| {
        let topics = lists
            .iter()
            .filter(|acl| acl.resource_type == ResourceType::Topic);
        topics.filter(move |acl| {
            let exact = [Operation::All, asking.operation].contains(&acl.operation);
            exact && acl.permission == permission && concerns(acl, asking)
        })
    };
    relevant(Permission::Allow).any(|allow| {
        !relevant(Permission::Deny).any(|deny| match (deny.pattern_type, allow.pattern_type) {
            (PatternType::Literal, _) if deny.name == WILDCARD => true,
            (PatternType::Literal, PatternType::Literal) => deny.name == allow.name,
            (PatternType::Literal, PatternType::Prefixed) => false,
            // Everything is more than any prefix can take away.
            (PatternType::Prefixed, PatternType::Literal) if allow.name == WILDCARD => false,
            (PatternType::Prefixed, _) => allow.name.starts_with(&deny.name),
        })
    })
}
