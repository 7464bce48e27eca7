//! With one directory there is nowhere to go, and who asks must hear exactly that. The codes are
//! those of Apache Kafka 4.3.1.

use base::{ErrorCode, NodeId};
use wire::ApiKey;
use wire::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsResponse,
};

use super::judge;
use crate::handlers::sample::{check_every_version, cluster};

#[test]
fn partitions_stay_where_they_are() {
    let image = cluster(1, &[("a", 1)]);
    let code = |has_dir, topic, index| judge(&image, NodeId(1), has_dir, (topic, index));
    assert_eq!(code(true, "a", 0), ErrorCode::None);
    assert_eq!(code(false, "a", 0), ErrorCode::LogDirNotFound);
    assert_eq!(code(false, "z", 0), ErrorCode::LogDirNotFound);
    assert_eq!(code(true, "a", 9), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(code(true, "z", 0), ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn every_version_is_carried() {
    check_every_version(ApiKey::AlterReplicaLogDirs, |_| {
        AlterReplicaLogDirsResponse {
            throttle_time_ms: 0,
            results: vec![AlterReplicaLogDirTopicResult {
                topic_name: "a".into(),
                partitions: vec![AlterReplicaLogDirPartitionResult {
                    partition_index: 0,
                    error_code: 57,
                }],
            }],
        }
    });
}
