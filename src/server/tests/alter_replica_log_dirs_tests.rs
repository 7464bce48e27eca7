//! Tools tell operators what went wrong by these codes, so they are those of Apache Kafka 4.3.1.

use std::collections::BTreeMap;

use base::ErrorCode;
use broker::MoveRefusal;
use wire::ApiKey;

use super::{code, response};
use crate::handlers::sample::check_every_version;

#[test]
fn refusals_are_kafkas() {
    let codes = [
        (MoveRefusal::NoDirectory, ErrorCode::LogDirNotFound),
        (MoveRefusal::Offline, ErrorCode::KafkaStorageError),
        (MoveRefusal::Unknown, ErrorCode::UnknownTopicOrPartition),
        (MoveRefusal::NotHere, ErrorCode::ReplicaNotAvailable),
        (MoveRefusal::NameTooLong, ErrorCode::InvalidTopicException),
    ];
    for (refusal, expected) in codes {
        assert_eq!(code(refusal), expected);
    }
}

#[test]
fn every_version_is_carried() {
    let codes = BTreeMap::from([(
        "a".to_owned(),
        BTreeMap::from([(0, ErrorCode::LogDirNotFound), (1, ErrorCode::None)]),
    )]);
    check_every_version(ApiKey::AlterReplicaLogDirs, |_| response(&codes));
}
