//! Which lists an administrator is shown.

use super::{acl, acls};
use crate::{AclFilter, PatternMatch, PatternType, Permission, ResourceType};

fn selected(filter: &AclFilter) -> Vec<u128> {
    let lists = acls(&[
        "+ alice * READ literal:orders",
        "+ alice * READ literal:*",
        "- bob 10.0.0.1 READ prefixed:ord",
        "+ alice * WRITE prefixed:orders",
    ]);
    let mut ids: Vec<u128> = lists.select(filter).map(|(_, id)| id.0).collect();
    ids.sort_unstable();
    ids
}

/// kafka-acls asks with every way of comparing names.
#[test]
fn names_are_compared_in_four_ways() {
    let named = |pattern| AclFilter {
        pattern,
        name: Some("orders".to_owned()),
        ..AclFilter::default()
    };
    let literal = PatternMatch::Only(PatternType::Literal);
    let prefixed = PatternMatch::Only(PatternType::Prefixed);
    assert_eq!(selected(&named(literal)), [1]);
    assert_eq!(selected(&named(prefixed)), [4]);
    assert_eq!(selected(&named(PatternMatch::Any)), [1, 4]);
    assert_eq!(selected(&named(PatternMatch::Match)), [1, 2, 3, 4]);
    let unnamed = AclFilter {
        pattern: prefixed,
        ..AclFilter::default()
    };
    assert_eq!(selected(&unnamed), [3, 4]);
}

/// Every other field selects by itself.
#[test]
fn fields_are_compared_exactly() {
    let all = AclFilter::default();
    assert_eq!(selected(&all), [1, 2, 3, 4]);
    let groups = AclFilter {
        resource_type: Some(ResourceType::Group),
        ..all.clone()
    };
    assert!(selected(&groups).is_empty());
    let denying = AclFilter {
        permission: Some(Permission::Deny),
        ..all.clone()
    };
    assert_eq!(selected(&denying), [3]);
    let of_alice = AclFilter {
        principal: Some("User:alice".to_owned()),
        operation: Some(crate::Operation::Write),
        ..all.clone()
    };
    assert_eq!(selected(&of_alice), [4]);
    let at_host = AclFilter {
        host: Some("10.0.0.1".to_owned()),
        ..all
    };
    assert_eq!(selected(&at_host), [3]);
    assert_eq!(
        acl("- bob 10.0.0.1 READ prefixed:ord").to_string(),
        "DENY TOPIC PREFIXED ord to User:bob from 10.0.0.1 on READ"
    );
}

/// The numbers of the protocol, there and back.
#[test]
fn numbers_are_kafkas() {
    for code in i8::MIN..=i8::MAX {
        let resource_type = ResourceType::from_code(code);
        assert_eq!(resource_type.is_some(), (2..=7).contains(&code));
        assert!(resource_type.is_none_or(|one| one.code() == code));
        let operation = crate::Operation::from_code(code);
        assert_eq!(operation.is_some(), (2..=15).contains(&code));
        assert!(operation.is_none_or(|one| one.code() == code));
        let pattern = PatternMatch::from_code(code);
        assert_eq!(pattern.is_some(), (1..=4).contains(&code));
        assert!(pattern.is_none_or(|one| one.code() == code));
        let permission = Permission::from_code(code);
        assert_eq!(permission.is_some(), (2..=3).contains(&code));
        assert!(permission.is_none_or(|one| one.code() == code));
    }
}
