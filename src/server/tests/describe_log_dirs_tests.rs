//! Operators plan disks by these numbers, so they must be those of the volume and of the logs.

use base::{PartitionIndex, TopicPartition};
use broker::{LogDir, StorageError, StoredLog};
use wire::ApiKey;
use wire::describe_log_dirs::{DescribableLogDirTopic, DescribeLogDirsResponse};

use super::{result, wanted};
use crate::handlers::sample::check_every_version;

fn dir(offline: Option<StorageError>) -> LogDir {
    let log = |topic: &str, index, bytes, copy_lag| StoredLog {
        partition: TopicPartition {
            topic: topic.into(),
            partition: PartitionIndex(index),
        },
        bytes,
        copy_lag,
    };
    LogDir {
        path: "/data".into(),
        offline,
        is_cordoned: true,
        total_bytes: Some(1000),
        usable_bytes: Some(400),
        logs: vec![
            log("a", 0, 10, None),
            log("a", 1, 20, None),
            log("b", 0, 30, Some(7)),
        ],
    }
}

#[test]
fn sizes_are_told_by_topic() {
    let dir = dir(None);
    let all = result(&dir, &None);
    assert_eq!(
        (all.error_code, all.total_bytes, all.usable_bytes),
        (0, 1000, 400)
    );
    assert_eq!(all.topics.len(), 2);
    assert_eq!(all.topics[0].partitions[1].partition_size, 20);
    let [a, b] = [&all.topics[0].partitions[0], &all.topics[1].partitions[0]];
    assert_eq!((a.is_future_key, a.offset_lag), (false, 0));
    assert_eq!((b.is_future_key, b.offset_lag), (true, 7));
    assert!(all.is_cordoned);
    let asked = [DescribableLogDirTopic {
        topic: "a".into(),
        partitions: vec![1, 9],
    }];
    let some = result(&dir, &Some(wanted(&asked)));
    assert_eq!(some.topics.len(), 1);
    assert_eq!(some.topics[0].partitions.len(), 1);
    // Kafka names the directory even where nothing was asked for in it.
    assert!(result(&dir, &Some(wanted(&[]))).topics.is_empty());
}

/// A directory that failed has no numbers to be trusted.
#[test]
fn a_failed_directory_says_so() {
    let dir = dir(Some(StorageError::Closed));
    let failed = result(&dir, &None);
    assert_eq!((failed.error_code, failed.total_bytes), (56, -1));
    assert!(failed.topics.is_empty());
}

#[test]
fn every_version_is_carried() {
    let dir = dir(None);
    check_every_version(ApiKey::DescribeLogDirs, |_| DescribeLogDirsResponse {
        throttle_time_ms: 0,
        error_code: 0,
        results: vec![result(&dir, &None)],
    });
}
