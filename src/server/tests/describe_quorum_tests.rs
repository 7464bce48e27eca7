//! Operators read here whether the metadata is safe, so nothing may be made up.

use base::{LeaderEpoch, NodeId, Offset, Timestamp, Uuid};
use broker::{QuorumView, Voter};
use wire::ApiKey;

use super::{described, is_metadata_log, unknown};
use crate::handlers::sample::{check_every_version, cluster};

fn view() -> QuorumView {
    QuorumView {
        leader: Some(NodeId(1)),
        epoch: LeaderEpoch(4),
        high_watermark: Offset(30),
        voters: vec![Voter {
            id: NodeId(1),
            log_end: Offset(31),
        }],
    }
}

#[test]
fn the_quorum_is_told_whole() {
    let image = cluster(1, &[]);
    let told = described(&view(), &image, Timestamp(99), 2);
    let partition = &told.topics[0].partitions[0];
    assert_eq!((partition.leader_id, partition.leader_epoch), (1, 4));
    assert_eq!(partition.high_watermark, 30);
    let voter = &partition.current_voters[0];
    assert_eq!(
        (voter.log_end_offset, voter.last_caught_up_timestamp),
        (31, 99)
    );
    assert_ne!(voter.replica_directory_id, Uuid::ZERO);
    assert_eq!(told.nodes[0].listeners[0].port, 9092);
    check_every_version(ApiKey::DescribeQuorum, |version| {
        described(&view(), &image, Timestamp(99), version)
    });
}

/// Anything but the one partition of the metadata log is unknown, as in Kafka.
#[test]
fn only_the_metadata_log_is_known() {
    let named = |topic: &str, indexes: &[i32]| vec![(topic.to_owned(), indexes.to_vec())];
    assert!(is_metadata_log(&named("__cluster_metadata", &[0])));
    assert!(!is_metadata_log(&named("__cluster_metadata", &[1])));
    assert!(!is_metadata_log(&named("__cluster_metadata", &[0, 1])));
    assert!(!is_metadata_log(&named("a", &[0])));
    assert!(!is_metadata_log(&[]));
    let other = named("a", &[0]);
    check_every_version(ApiKey::DescribeQuorum, |_| unknown(&other));
    assert_eq!(unknown(&other).topics[0].partitions[0].error_code, 3);
}
