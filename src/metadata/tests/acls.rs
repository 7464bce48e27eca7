//! Access control lists in the image: added, found, taken out, kept in snapshots.

use super::cluster;
use crate::decide::{create_acls, delete_acls};
use crate::{Change, Image, RecordError};
use access::{Acl, AclFilter, Operation, PatternMatch, PatternType, Permission, ResourceType};
use base::{ErrorCode, Random, Uuid};
use config::limits::ACL_CHANGES_MAX;

fn acl(name: &str) -> Acl {
    Acl {
        resource_type: ResourceType::Topic,
        pattern_type: PatternType::Literal,
        name: name.into(),
        principal: "User:alice".into(),
        host: "*".into(),
        operation: Operation::Read,
        permission: Permission::Allow,
    }
}

/// Creates lists; code and text of each that was refused.
fn create(image: &mut Image, requested: &[Acl]) -> (usize, Vec<String>) {
    let mut random = Random::new(image.acls().len() as u64);
    let (changes, outcomes) = create_acls(image, requested, || Uuid::random(&mut random)).unwrap();
    image.apply_all(&changes).unwrap();
    assert_eq!(outcomes.len(), requested.len());
    let refusals = outcomes.into_iter().filter_map(Result::err);
    let refusals = refusals.inspect(|one| assert_eq!(one.code, ErrorCode::InvalidRequest));
    (changes.len(), refusals.map(|one| one.message).collect())
}

fn named(name: &str, pattern: PatternMatch) -> AclFilter {
    AclFilter {
        pattern,
        name: Some(name.into()),
        ..AclFilter::default()
    }
}

/// Operators run the same script twice; what is there already is no mistake and not kept twice.
#[test]
fn equal_lists_are_kept_once() {
    let mut image = cluster(1);
    let requested = [acl("a"), acl("b"), acl("a")];
    assert_eq!(create(&mut image, &requested), (2, Vec::new()));
    assert_eq!(create(&mut image, &[acl("b"), acl("c")]), (1, Vec::new()));
    assert_eq!(image.acls().len(), 3);
}

/// A mistake in one list does not hold up the others; the texts are Kafka's.
#[test]
fn mistakes_are_told_one_by_one() {
    let mut image = cluster(1);
    let mut cluster_acl = acl("another-cluster");
    cluster_acl.resource_type = ResourceType::Cluster;
    let mut nobody = acl("t");
    nobody.principal = "alice".into();
    let mut long = acl("t");
    long.host = "x".repeat(40_000);
    let requested = [cluster_acl, acl(""), nobody, long, acl("good")];
    let (count, texts) = create(&mut image, &requested);
    assert_eq!(count, 1);
    assert_eq!(
        texts,
        [
            "The only valid name for the CLUSTER resource is kafka-cluster",
            "Invalid empty resource name",
            "Could not parse principal from `alice` (no colon is present separating the principal \
             type from the principal name)",
            "A text of the list is too long to be kept",
        ]
    );
}

/// A list that two filters select is taken out once and told of twice.
#[test]
fn filters_take_lists_out() {
    let mut image = cluster(1);
    create(&mut image, &[acl("a"), acl("*"), acl("b")]);
    let literal = PatternMatch::Only(PatternType::Literal);
    let filters = [
        named("a", PatternMatch::Match),
        named("*", literal),
        named("z", literal),
    ];
    let (changes, outcomes) = delete_acls(&image, &filters).unwrap();
    let counts: Vec<usize> = outcomes.iter().map(Vec::len).collect();
    assert_eq!((changes.len(), counts), (2, vec![2, 1, 0]));
    image.apply_all(&changes).unwrap();
    let left: Vec<&str> = image
        .acls()
        .iter()
        .map(|(_, acl)| acl.name.as_str())
        .collect();
    assert_eq!(left, ["b"]);
}

/// No request makes a batch that grows without bound.
#[test]
fn very_many_at_once_are_refused() {
    let mut image = cluster(1);
    let many: Vec<Acl> = (0..=ACL_CHANGES_MAX)
        .map(|at| acl(&format!("t-{at}")))
        .collect();
    let mut random = Random::new(3);
    let refusal = create_acls(&image, &many, || Uuid::random(&mut random)).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::PolicyViolation);
    let (first, rest) = many.split_at(ACL_CHANGES_MAX / 2);
    create(&mut image, first);
    create(&mut image, rest);
    let refusal = delete_acls(&image, &[AclFilter::default()]).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::PolicyViolation);
}

/// Lists survive their records and a snapshot; a log that adds one twice is not followed.
#[test]
fn lists_are_in_the_log_and_in_snapshots() {
    let mut image = cluster(1);
    let mut prefixed = acl("pre");
    prefixed.pattern_type = PatternType::Prefixed;
    prefixed.permission = Permission::Deny;
    create(&mut image, &[acl("a"), prefixed.clone()]);
    let mut copy = Image::new("cluster");
    for change in image.to_changes() {
        let bytes = change.encode().unwrap();
        assert_eq!(Change::decode(&bytes), Ok(change.clone()));
        copy.apply(&change).unwrap();
    }
    assert_eq!(copy.acls(), image.acls());
    let id = image.acls().find(&prefixed).unwrap();
    let again = Change::Acl {
        id: Uuid(7),
        acl: prefixed,
    };
    assert!(image.apply(&again).is_err());
    let removal = Change::RemoveAcl { id };
    assert_eq!(
        Change::decode(&removal.encode().unwrap()),
        Ok(removal.clone())
    );
    image.apply(&removal).unwrap();
    assert!(image.apply(&removal).is_err());
    image.apply(&again).unwrap();
    let nonsense =
        wire::record::cluster_metadata_access_control_entry::AccessControlEntryRecord::default();
    let bytes = wire::MetadataRecord::from(nonsense).encode(0).unwrap();
    assert_eq!(
        Change::decode(&bytes),
        Err(RecordError::Field("resource_type"))
    );
}
