//! Deletion is final, so a request that can be read in two ways deletes nothing.

use base::{ErrorCode, Uuid};
use metadata::decide::TopicSelector;
use wire::ApiKey;
use wire::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};

use super::{disabled, failure, outcomes, selection, success};
use crate::handlers::sample::check_every_version;

fn state(name: Option<&'static str>, id: u128) -> DeleteTopicState<'static> {
    DeleteTopicState {
        name: name.map(Into::into),
        topic_id: Uuid(id),
    }
}

/// A topic is named by name or by id; both or neither is an error for that entry alone.
#[test]
fn a_topic_is_named_in_one_way() {
    let topics = vec![
        state(Some("a"), 0),
        state(None, 5),
        state(Some("b"), 6),
        state(None, 0),
    ];
    let request = DeleteTopicsRequest {
        topics,
        ..Default::default()
    };
    let selection = selection(&request, 6);
    let good = [TopicSelector::Name("a".into()), TopicSelector::Id(Uuid(5))];
    assert_eq!(selection.selectors, good);
    let codes: Vec<i16> = selection.refused.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [ErrorCode::InvalidRequest.code(); 2]);
    assert_eq!(selection.refused[0].name.as_deref(), Some("b"));
    assert_eq!(selection.refused[1].name, None);
}

/// Before version 6 there were only names.
#[test]
fn older_requests_name_topics() {
    let topic_names = vec!["a".into(), "b".into()];
    let request = DeleteTopicsRequest {
        topic_names,
        ..Default::default()
    };
    let names = ["a", "b"].map(|name| TopicSelector::Name(name.into()));
    assert_eq!(selection(&request, 5).selectors, names);
}

/// Clients before version 3 do not know the code for disabled deletion.
#[test]
fn disabled_deletion_has_a_code_of_its_version() {
    assert_eq!(disabled(2).code, ErrorCode::InvalidRequest);
    assert_eq!(disabled(3).code, ErrorCode::TopicDeletionDisabled);
}

/// A timeout is told for each topic, since nobody knows which of them are gone.
#[test]
fn a_timeout_is_told_for_each_topic() {
    let selectors = vec![TopicSelector::Name("a".into()), TopicSelector::Id(Uuid(5))];
    let outcomes = outcomes(selectors.clone(), None);
    assert_eq!(outcomes.len(), 2);
    for ((selector, outcome), asked) in outcomes.iter().zip(&selectors) {
        assert_eq!(selector, asked);
        assert_eq!(
            outcome.as_ref().unwrap_err().code,
            ErrorCode::RequestTimedOut
        );
    }
}

/// Every version must be able to carry a success and a failure.
#[test]
fn every_version_is_carried() {
    let selector = TopicSelector::Name("a".into());
    let refusal = disabled(3);
    check_every_version(ApiKey::DeleteTopics, |_| DeleteTopicsResponse {
        throttle_time_ms: 0,
        responses: vec![success("a", Uuid(5)), failure(&selector, &refusal)],
    });
}
