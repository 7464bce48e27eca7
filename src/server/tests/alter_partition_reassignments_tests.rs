//! Balancers send the same plan again and again; it must be answered alike each time.

use wire::ApiKey;
use wire::alter_partition_reassignments::{
    AlterPartitionReassignmentsResponse, ReassignablePartition, ReassignableTopic,
};

use super::result;
use crate::handlers::sample::{check_every_version, cluster};

fn asked(name: &'static str, index: i32, replicas: Option<&[i32]>) -> ReassignableTopic<'static> {
    ReassignableTopic {
        name: name.into(),
        partitions: vec![ReassignablePartition {
            partition_index: index,
            replicas: replicas.map(<[i32]>::to_vec),
        }],
    }
}

/// Codes are those of Apache Kafka 4.3.1 on one node.
#[test]
fn one_node_has_nowhere_to_move() {
    let image = cluster(1, &[("a", 1)]);
    let code = |name, index, replicas| {
        let asked = asked(name, index, replicas);
        result(&image, None, &asked, true).partitions[0].error_code
    };
    assert_eq!(code("a", 0, Some(&[1])), 0);
    assert_eq!(code("a", 0, Some(&[2])), 39);
    assert_eq!(code("a", 0, Some(&[1, 1])), 39);
    assert_eq!(code("a", 0, Some(&[])), 39);
    assert_eq!(code("a", 0, None), 85);
    assert_eq!(code("a", 9, Some(&[1])), 3);
    assert_eq!(code("z", 0, None), 3);
}

/// With several brokers a real move is refused instead of being promised.
#[test]
fn moves_are_refused() {
    let image = cluster(2, &[("a", 1)]);
    let other = 3 - image.topic("a").unwrap().partitions[0].replicas[0].get();
    let asked = asked("a", 0, Some(&[other]));
    assert_eq!(
        result(&image, None, &asked, true).partitions[0].error_code,
        39
    );
    let more = super::tests::asked("a", 0, Some(&[1, 2]));
    assert_eq!(
        result(&image, None, &more, false).partitions[0].error_code,
        38
    );
}

#[test]
fn every_version_is_carried() {
    let image = cluster(1, &[("a", 1)]);
    let asked = asked("a", 0, Some(&[2]));
    check_every_version(ApiKey::AlterPartitionReassignments, |_| {
        AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: true,
            responses: vec![result(&image, None, &asked, true)],
            ..Default::default()
        }
    });
}
