//! What clients are shown must name no node that they cannot reach.

use base::{ErrorCode, NodeId, PartitionIndex};

use access::ResourceType;

use super::{Alive, is_internal, partition};
use crate::access::Access;
use crate::handlers::sample::cluster;
use crate::handlers::{check_epoch, locate};

/// Administrators' clients show these bits as the list of what a user may do; the numbers are
/// those that Apache Kafka 4.3.1 answered without an authorizer.
#[test]
fn operations_are_those_of_kafka() {
    assert_eq!(Access::OPEN.operations(ResourceType::Topic, "t"), 3576);
    assert_eq!(Access::OPEN.cluster_operations(), 8096);
}

/// A client that is sent to a dead leader waits for a timeout instead of asking again.
#[test]
fn an_unreachable_leader_is_no_leader() {
    let image = cluster(1, &[("a", 1)]);
    let one = &image.topic("a").unwrap().partitions[0];
    let reachable = partition(PartitionIndex(0), one, &Alive::all_of([NodeId(1)]));
    assert_eq!((reachable.error, reachable.leader_id), (ErrorCode::None, 1));
    assert_eq!(reachable.offline, Vec::<i32>::new());
    let gone = partition(PartitionIndex(0), one, &Alive::all_of([]));
    assert_eq!(
        (gone.error, gone.leader_id),
        (ErrorCode::LeaderNotAvailable, -1)
    );
    assert_eq!((gone.replicas, gone.offline), (vec![1], vec![1]));
}

/// A request must never reach a partition of another topic, index or leader.
#[test]
fn a_partition_is_located_only_where_it_is_led() {
    let image = cluster(1, &[("a", 2)]);
    let found = locate(&image, NodeId(1), "a", 1).unwrap();
    assert_eq!(found.topic, image.topic("a").unwrap().id);
    let unknown = Err(ErrorCode::UnknownTopicOrPartition);
    assert_eq!(locate(&image, NodeId(1), "a", 2), unknown);
    assert_eq!(locate(&image, NodeId(1), "a", -1), unknown);
    assert_eq!(locate(&image, NodeId(1), "b", 0), unknown);
    assert_eq!(
        locate(&image, NodeId(2), "a", 0),
        Err(ErrorCode::NotLeaderOrFollower)
    );
}

/// A consumer with an old epoch may have read what was truncated; one with a newer epoch knows
/// more than this node (KIP-320).
#[test]
fn epochs_fence() {
    use base::LeaderEpoch;
    let current = LeaderEpoch(5);
    assert_eq!(check_epoch(current, LeaderEpoch(-1)), Ok(()));
    assert_eq!(check_epoch(current, LeaderEpoch(5)), Ok(()));
    assert_eq!(
        check_epoch(current, LeaderEpoch(4)),
        Err(ErrorCode::FencedLeaderEpoch)
    );
    assert_eq!(
        check_epoch(current, LeaderEpoch(6)),
        Err(ErrorCode::UnknownLeaderEpoch)
    );
}

/// Consumers with a pattern leave internal topics out.
#[test]
fn internal_topics_are_known() {
    assert!(is_internal("__consumer_offsets"));
    assert!(!is_internal("__mine"));
}
