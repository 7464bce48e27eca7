//! A reassignment that Kafka began before its log came here must be seen.

use base::{NodeId, PartitionIndex};
use metadata::{Change, PartitionChange};
use wire::ApiKey;
use wire::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    ListPartitionReassignmentsTopics,
};

use super::ongoing;
use crate::handlers::sample::{check_every_version, cluster};

#[test]
fn what_moves_is_listed() {
    let mut image = cluster(2, &[("a", 2), ("b", 1)]);
    let all = ListPartitionReassignmentsRequest::default();
    let none = ListPartitionReassignmentsRequest {
        topics: None,
        ..all.clone()
    };
    assert!(ongoing(&image, &none).is_empty());
    let change = PartitionChange {
        topic: image.topic("a").unwrap().id,
        index: PartitionIndex(1),
        adding_replicas: Some(vec![NodeId(2)]),
        ..PartitionChange::default()
    };
    image.apply(&Change::PartitionChange(change)).unwrap();
    let found = ongoing(&image, &none);
    assert_eq!((found.len(), found[0].partitions.len()), (1, 1));
    assert_eq!(found[0].partitions[0].adding_replicas, [2]);
    let named = |indexes: &[i32]| ListPartitionReassignmentsRequest {
        topics: Some(vec![ListPartitionReassignmentsTopics {
            name: "a".into(),
            partition_indexes: indexes.to_vec(),
        }]),
        ..all.clone()
    };
    assert_eq!(ongoing(&image, &named(&[1])).len(), 1);
    assert!(ongoing(&image, &named(&[0, 9])).is_empty());
    check_every_version(ApiKey::ListPartitionReassignments, |_| {
        ListPartitionReassignmentsResponse {
            topics: ongoing(&image, &none),
            ..Default::default()
        }
    });
}
