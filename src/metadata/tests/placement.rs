//! Where partitions go.

use super::{cluster, join};
use crate::Image;
use crate::decide::{NewTopic, TopicDefaults, create_topics, fence_broker};
use base::{NodeId, Random};
use std::collections::{BTreeMap, BTreeSet};

fn create(image: &Image, partitions: i32, factor: i16, seed: u64) -> Option<Image> {
    let topic = NewTopic {
        name: "t".into(),
        partitions,
        replication_factor: factor,
        ..NewTopic::default()
    };
    let defaults = TopicDefaults {
        partitions: 1,
        replication_factor: 1,
    };
    let outcomes = create_topics(image, &[topic], defaults, &mut Random::new(seed)).unwrap();
    let created = outcomes[0].1.as_ref().ok()?;
    let mut after = image.clone();
    after.apply_all(&created.changes).unwrap();
    Some(after)
}

/// Leaders are spread evenly, no broker holds a partition twice, and the same seed places alike.
#[test]
fn placements_are_even_and_distinct() {
    for seed in 0..200 {
        let mut random = Random::salted(seed, 9);
        let brokers = 1 + random.below(6) as i32;
        let image = cluster(brokers);
        let factor = 1 + random.below(brokers as u64) as i16;
        let partitions = brokers * (1 + random.below(4) as i32);
        let after = create(&image, partitions, factor, seed).unwrap();
        assert_eq!(
            create(&image, partitions, factor, seed),
            Some(after.clone()),
            "seed {seed}"
        );
        let mut leaders: BTreeMap<NodeId, i32> = BTreeMap::new();
        for partition in &after.topic("t").unwrap().partitions {
            let distinct: BTreeSet<_> = partition.replicas.iter().collect();
            assert_eq!(distinct.len(), factor as usize, "seed {seed}");
            assert_eq!(partition.leader, partition.replicas.first().copied());
            assert_eq!(partition.isr, partition.replicas);
            assert!(partition.directories.iter().all(|dir| !dir.is_zero()));
            *leaders.entry(partition.leader.unwrap()).or_default() += 1;
        }
        assert!(
            leaders.values().all(|count| *count == partitions / brokers),
            "seed {seed}"
        );
    }
}

/// With as many racks as replicas, no two replicas share one.
#[test]
fn racks_are_spread_over() {
    let mut image = cluster(0);
    for id in 1..=6 {
        join(&mut image, id, Some(["a", "b", "c"][(id as usize - 1) / 2]));
    }
    let after = create(&image, 12, 2, 4).unwrap();
    let rack = |id: &NodeId| image.broker(*id).unwrap().rack.clone();
    let shared = after
        .topic("t")
        .unwrap()
        .partitions
        .iter()
        .filter(|partition| {
            let racks: BTreeSet<_> = partition.replicas.iter().map(rack).collect();
            racks.len() < 2
        });
    assert_eq!(shared.count(), 0);
}

/// Fenced brokers get replicas only where nobody else is left, and never lead.
#[test]
fn fenced_brokers_fill_up_but_never_lead() {
    let mut image = cluster(3);
    let changes = fence_broker(&image, NodeId(2)).unwrap();
    image.apply_all(&changes).unwrap();
    let after = create(&image, 4, 3, 1).unwrap();
    for partition in &after.topic("t").unwrap().partitions {
        assert_ne!(partition.leader, Some(NodeId(2)));
        assert_eq!(partition.replicas.last(), Some(&NodeId(2)));
        assert_eq!(partition.isr.len(), 2);
    }
    for id in [1, 3] {
        let changes = fence_broker(&image, NodeId(id)).unwrap();
        image.apply_all(&changes).unwrap();
    }
    assert_eq!(create(&image, 1, 1, 1), None, "nobody is left to lead");
}
