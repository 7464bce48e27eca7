//! Tools loop until an election is not needed any more, so that must not look like a failure.

use base::{ErrorCode, PartitionIndex};
use metadata::Refusal;
use wire::ApiKey;

use super::{all, kind, response, unknown_type};
use crate::handlers::sample::{check_every_version, cluster};

fn outcomes() -> super::Outcomes {
    let not_needed = Refusal::new(ErrorCode::ElectionNotNeeded, "not needed");
    vec![
        (("a".into(), PartitionIndex(0)), Err(not_needed.clone())),
        (("b".into(), PartitionIndex(0)), Ok(())),
        (("a".into(), PartitionIndex(1)), Err(not_needed)),
    ]
}

/// Asked for all, only what changed or failed is told; asked by name, everything is.
#[test]
fn what_was_not_needed_is_told_only_on_request() {
    let outcomes = outcomes();
    let asked = response(&outcomes, ErrorCode::None, false);
    let counts = |response: &wire::elect_leaders::ElectLeadersResponse<'_>| {
        let results = response.replica_election_results.iter();
        results
            .map(|result| (result.topic.to_string(), result.partition_result.len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(&asked), [("a".into(), 2), ("b".into(), 1)]);
    let everything = response(&outcomes, ErrorCode::None, true);
    assert_eq!(counts(&everything), [("a".into(), 0), ("b".into(), 1)]);
}

#[test]
fn unknown_types_are_refused() {
    assert!(kind(0).is_some() && kind(1).is_some() && kind(2).is_none());
    let named = [("a".to_owned(), PartitionIndex(0))];
    let refused = unknown_type(&named, 5);
    assert_eq!(refused.error_code, 42);
    let result = &refused.replica_election_results[0].partition_result[0];
    assert_eq!(
        result.error_message.as_deref(),
        Some("Unknown election type 5")
    );
    assert_eq!(all(&cluster(1, &[("a", 2), ("b", 1)])).len(), 3);
}

#[test]
fn every_version_is_carried() {
    let outcomes = outcomes();
    check_every_version(ApiKey::ElectLeaders, |_| {
        response(&outcomes, ErrorCode::None, false)
    });
}
