//! Deleted records never come back, so a refusal must not look like a success.

use base::{ErrorCode, Offset};
use broker::{DeleteRecordsError, StorageError};
use wire::ApiKey;
use wire::delete_records::{DeleteRecordsResponse, DeleteRecordsTopicResult};

use super::{code_of, result};
use crate::handlers::sample::check_every_version;

#[test]
fn refusals_have_their_codes_and_no_offset() {
    assert_eq!(
        code_of(&DeleteRecordsError::OutOfRange),
        ErrorCode::OffsetOutOfRange
    );
    assert_eq!(
        code_of(&DeleteRecordsError::Policy),
        ErrorCode::PolicyViolation
    );
    let closed = DeleteRecordsError::Storage(StorageError::Closed);
    assert_eq!(code_of(&closed), ErrorCode::NotLeaderOrFollower);
    assert_eq!(result(3, Err(ErrorCode::PolicyViolation)).low_watermark, -1);
    assert_eq!(result(3, Ok(Offset(7))).low_watermark, 7);
}

#[test]
fn every_version_is_carried() {
    check_every_version(ApiKey::DeleteRecords, |_| DeleteRecordsResponse {
        throttle_time_ms: 0,
        topics: vec![DeleteRecordsTopicResult {
            name: "a".into(),
            partitions: vec![result(0, Ok(Offset(7)))],
        }],
    });
}
