//! A group that does not exist was "dead" for years; newer clients want to be told.

use base::ErrorCode;
use broker::coordinator::{ClassicDescription, Refusal};
use wire::ApiKey;
use wire::describe_groups::DescribeGroupsResponse;

use super::describe;
use crate::handlers::sample::check_every_version;

fn missing() -> Result<ClassicDescription, Refusal> {
    Err(Refusal::new(
        ErrorCode::GroupIdNotFound,
        "Group g not found.",
    ))
}

#[test]
fn a_missing_group_is_dead_or_not_found() {
    let missing = missing();
    let old = describe("g", &missing, 5);
    assert_eq!((old.error_code, &*old.group_state), (0, "Dead"));
    assert_eq!(old.error_message, None);
    let new = describe("g", &missing, 6);
    assert_eq!(new.error_code, ErrorCode::GroupIdNotFound.code());
    assert_eq!(new.error_message.as_deref(), Some("Group g not found."));
}

#[test]
fn every_version_is_carried() {
    let missing = missing();
    check_every_version(ApiKey::DescribeGroups, |version| DescribeGroupsResponse {
        throttle_time_ms: 0,
        groups: vec![describe("g", &missing, version)],
    });
}
