//! Brokers come, go and come back.

use super::{cluster, join, registration};
use crate::decide::{
    NewTopic, TopicDefaults, allocate_producer_ids, begin_shutdown, create_topics, fence_broker,
    register_broker, unregister_broker,
};
use crate::{ApplyError, Change, Image};
use base::{ErrorCode, LeaderEpoch, NodeId, Random};

fn with_topic(brokers: i32, factor: i16) -> Image {
    let mut image = cluster(brokers);
    let topic = NewTopic {
        name: "t".into(),
        partitions: 4,
        replication_factor: factor,
        ..NewTopic::default()
    };
    let defaults = TopicDefaults {
        partitions: 1,
        replication_factor: 1,
    };
    let outcomes = create_topics(&image, &[topic], defaults, &mut Random::new(8)).unwrap();
    image
        .apply_all(&outcomes[0].1.as_ref().unwrap().changes)
        .unwrap();
    image
}

/// A single node that restarts leads again, in a later epoch, so that one epoch has one history.
#[test]
fn a_restart_begins_new_reigns() {
    let mut image = with_topic(1, 1);
    image.advance(base::Offset(50), LeaderEpoch(1));
    join(&mut image, 1, None);
    for partition in &image.topic("t").unwrap().partitions {
        assert_eq!(partition.leader, Some(NodeId(1)));
        assert_eq!(partition.isr, [NodeId(1)]);
        assert!(partition.leader_epoch > LeaderEpoch(0));
    }
    assert_eq!(image.broker(NodeId(1)).unwrap().epoch, 51);
}

/// When a broker is lost its partitions are led by others of the ISR; the last of an ISR stays.
#[test]
fn leadership_moves_to_the_in_sync() {
    let mut image = with_topic(2, 2);
    let changes = fence_broker(&image, NodeId(1)).unwrap();
    image.apply_all(&changes).unwrap();
    for partition in &image.topic("t").unwrap().partitions {
        assert_eq!(partition.leader, Some(NodeId(2)));
        assert_eq!(partition.isr, [NodeId(2)]);
    }
    let changes = begin_shutdown(&image, NodeId(2)).unwrap();
    image.apply_all(&changes).unwrap();
    for partition in &image.topic("t").unwrap().partitions {
        assert_eq!(partition.leader, None);
        assert_eq!(
            partition.isr,
            [NodeId(2)],
            "it alone has everything acknowledged"
        );
    }
    // Broker 1 comes back without being in sync: it must not lead.
    join(&mut image, 1, None);
    assert!(
        image
            .topic("t")
            .unwrap()
            .partitions
            .iter()
            .all(|p| p.leader.is_none())
    );
    join(&mut image, 2, None);
    assert!(
        image
            .topic("t")
            .unwrap()
            .partitions
            .iter()
            .all(|p| p.leader == Some(NodeId(2)))
    );
    let changes = unregister_broker(&image, NodeId(1)).unwrap();
    image.apply_all(&changes).unwrap();
    assert!(image.broker(NodeId(1)).is_none());
}

/// A node of another cluster, or one that is too old, does not get in.
#[test]
fn registrations_are_checked() {
    let image = cluster(1);
    let mut stranger = registration(2, None);
    stranger.cluster_id = "other".into();
    let code = register_broker(&image, stranger, 9).unwrap_err().code;
    assert_eq!(code, ErrorCode::InconsistentClusterId);
    let mut old = registration(2, None);
    old.features.get_mut("metadata.version").unwrap().max = 20;
    let code = register_broker(&image, old, 9).unwrap_err().code;
    assert_eq!(code, ErrorCode::UnsupportedVersion);
    let mut homeless = registration(2, None);
    homeless.log_dirs.clear();
    let code = register_broker(&image, homeless, 9).unwrap_err().code;
    assert_eq!(code, ErrorCode::InvalidRegistration);
}

/// Blocks of producer ids never overlap, and a broker of an earlier life gets none.
#[test]
fn producer_ids_are_given_out_once() {
    let mut image = cluster(1);
    let epoch = image.broker(NodeId(1)).unwrap().epoch;
    for expected in [0, 1000, 2000] {
        let (block, change) = allocate_producer_ids(&image, NodeId(1), epoch).unwrap();
        assert_eq!((block.first, block.count), (expected, 1000));
        image.apply(&change).unwrap();
    }
    let stale = allocate_producer_ids(&image, NodeId(1), epoch - 1).unwrap_err();
    assert_eq!(stale.code, ErrorCode::StaleBrokerEpoch);
    let again = Change::ProducerIds {
        broker: NodeId(1),
        broker_epoch: epoch,
        next: 1000,
    };
    assert_eq!(
        image.apply(&again),
        Err(ApplyError::ProducerIdsReused(1000))
    );
}
