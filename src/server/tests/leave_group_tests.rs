//! Old clients leave one at a time and look at one code only.

use base::ErrorCode;
use broker::coordinator::{LeftMember, Refusal};
use wire::ApiKey;

use super::response;
use crate::handlers::sample::check_every_version;

fn left(result: Result<(), Refusal>) -> Result<Vec<LeftMember>, Refusal> {
    Ok(vec![LeftMember {
        member: "m".into(),
        instance: None,
        result,
    }])
}

#[test]
fn what_became_of_the_only_member_is_the_answer_of_old_versions() {
    let unknown = left(Err(ErrorCode::UnknownMemberId.into()));
    let code = |version| response(&unknown, version).error_code;
    assert_eq!(code(2), ErrorCode::UnknownMemberId.code());
    assert_eq!(code(3), ErrorCode::None.code());
    let members = response(&unknown, 3).members;
    assert_eq!(members[0].error_code, ErrorCode::UnknownMemberId.code());
    let whole = Err(ErrorCode::NotCoordinator.into());
    for version in 0..=5 {
        let code = response(&whole, version).error_code;
        assert_eq!(code, ErrorCode::NotCoordinator.code());
    }
}

#[test]
fn every_version_is_carried() {
    let fine = left(Ok(()));
    check_every_version(ApiKey::LeaveGroup, |version| response(&fine, version));
}
