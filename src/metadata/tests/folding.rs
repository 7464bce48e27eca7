//! The image is the fold of its log: through bytes, through snapshots, whatever was shared.

use super::{cluster, join, registration};
use crate::decide::{
    AlterResource, ConfigOperation, NewPartitions, NewTopic, OperationKind, TopicDefaults,
    TopicSelector, allocate_producer_ids, alter_configs, begin_shutdown, create_partitions,
    create_topics, delete_topics, fence_broker, register_broker, unfence_broker,
};
use crate::{
    ApplyError, BrokerChange, Change, Controller, Image, PartitionChange, RecordError, Resource,
    bootstrap_changes,
};
use base::{LeaderEpoch, NodeId, Offset, PartitionIndex, Random, Uuid};
use std::sync::Arc;

/// A decision at random, as changes.
fn decide(image: &Image, random: &mut Random) -> Vec<Change> {
    let name = format!("t{}", random.below(12));
    let node = NodeId(1 + random.below(4) as i32);
    match random.below(9) {
        0 | 1 => {
            let topic = NewTopic {
                name,
                partitions: 1 + random.below(4) as i32,
                replication_factor: 1 + random.below(3) as i16,
                configs: vec![("retention.ms".into(), Some(random.below(99).to_string()))],
                ..NewTopic::default()
            };
            let defaults = TopicDefaults {
                partitions: 1,
                replication_factor: 1,
            };
            let outcomes = create_topics(image, &[topic], defaults, random).unwrap();
            outcomes
                .into_iter()
                .find_map(|(_, o)| o.ok())
                .map_or_else(Vec::new, |c| c.changes)
        }
        2 => {
            let outcomes = delete_topics(image, &[TopicSelector::Name(name)]);
            outcomes
                .into_iter()
                .filter_map(|(_, o)| o.ok())
                .map(|(_, _, change)| change)
                .collect()
        }
        3 => {
            let count = 1 + random.below(8) as i32;
            let requested = NewPartitions {
                name,
                count,
                assignments: None,
            };
            let outcomes = create_partitions(image, &[requested], random);
            outcomes
                .into_iter()
                .find_map(|(_, o)| o.ok())
                .unwrap_or_default()
        }
        4 => {
            let operation = ConfigOperation {
                key: "segment.ms".into(),
                kind: if random.chance(1, 3) {
                    OperationKind::Delete
                } else {
                    OperationKind::Set
                },
                value: Some((1 + random.below(50)).to_string()),
            };
            let alter = AlterResource {
                resource: Resource::topic(name),
                operations: vec![operation],
            };
            let config = config::BrokerConfig::load(&config::Inputs::default()).unwrap();
            let standing = crate::decide::Standing {
                image,
                config: &config,
            };
            alter_configs(standing, &[alter])
                .into_iter()
                .find_map(|(_, o)| o.ok())
                .unwrap_or_default()
        }
        5 => fence_broker(image, node).unwrap_or_default(),
        6 => unfence_broker(image, node).unwrap_or_default(),
        7 => {
            let epoch = image.offset().get() + 1;
            register_broker(image, registration(node.get(), Some("r")), epoch).unwrap()
        }
        _ => {
            let epoch = image.broker(node).map_or(0, |broker| broker.epoch);
            let block = allocate_producer_ids(image, node, epoch);
            let shutdown = begin_shutdown(image, node).unwrap_or_default();
            block.map_or(shutdown, |(_, change)| vec![change])
        }
    }
}

/// The live image, the fold of the log's bytes and the fold of a snapshot's bytes are the same;
/// images shared earlier never change.
#[test]
fn the_image_is_the_fold_of_its_log() {
    let mut decided = 0;
    for seed in 0..150 {
        let mut random = Random::salted(seed, 21);
        let mut live = cluster(0);
        let mut log: Vec<Vec<u8>> = bootstrap_changes()
            .iter()
            .map(|c| c.encode().unwrap())
            .collect();
        let mut shared: Vec<(Arc<Image>, Image, usize)> = Vec::new();
        for _ in 0..120 {
            let changes = decide(&live, &mut random);
            live.apply_all(&changes)
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            log.extend(changes.iter().map(|change| change.encode().unwrap()));
            live.advance(Offset(log.len() as i64), LeaderEpoch(1));
            check_invariants(&live, seed);
            if random.chance(1, 20) {
                shared.push((Arc::new(live.clone()), fold(&log, &live), log.len()));
            }
        }
        assert_eq!(
            fold(&log, &live),
            live,
            "seed {seed}: the log folds to something else"
        );
        let snapshot: Vec<Vec<u8>> = live
            .to_changes()
            .iter()
            .map(|c| c.encode().unwrap())
            .collect();
        assert_eq!(
            fold(&snapshot, &live),
            live,
            "seed {seed}: the snapshot folds to something else"
        );
        for (image, copy, length) in &shared {
            assert_eq!(**image, *copy, "seed {seed}: a shared image changed");
            assert_eq!(image.offset(), Offset(*length as i64));
        }
        decided += log.len();
    }
    assert!(decided > 150 * 60, "hardly anything was decided: {decided}");
}

fn fold(log: &[Vec<u8>], like: &Image) -> Image {
    let mut image = Image::new(like.cluster_id());
    for bytes in log {
        image.apply(&Change::decode(bytes).unwrap()).unwrap();
    }
    image.advance(like.offset(), like.epoch());
    image
}

/// What holds of every image the decisions can make.
fn check_invariants(image: &Image, seed: u64) {
    for topic in image.topics().iter() {
        assert_eq!(
            image.topic_by_id(topic.id).map(|t| &t.name),
            Some(&topic.name),
            "seed {seed}"
        );
        for partition in &topic.partitions {
            assert!(!partition.isr.is_empty(), "seed {seed}: an empty ISR");
            assert!(
                partition
                    .isr
                    .iter()
                    .all(|id| partition.replicas.contains(id)),
                "seed {seed}"
            );
            assert_eq!(
                partition.directories.len(),
                partition.replicas.len(),
                "seed {seed}"
            );
            if let Some(leader) = partition.leader {
                assert!(
                    partition.isr.contains(&leader),
                    "seed {seed}: a leader out of sync"
                );
                assert!(
                    image.is_active(leader),
                    "seed {seed}: {leader} leads and is not active"
                );
            }
        }
    }
}

/// Every kind of change survives its record.
#[test]
fn every_change_survives_its_record() {
    let mut image = cluster(1);
    join(&mut image, 2, Some("rack"));
    let broker = image.brokers().next().unwrap();
    let partition = crate::Partition {
        replicas: vec![NodeId(1), NodeId(2)],
        directories: vec![Uuid(5), Uuid(6)],
        isr: vec![NodeId(1)],
        eligible_leader_replicas: vec![NodeId(2)],
        recovering: true,
        leader_epoch: LeaderEpoch(4),
        partition_epoch: 9,
        ..crate::Partition::default()
    };
    let controller = Controller {
        id: NodeId(3),
        incarnation_id: Uuid(8),
        endpoints: broker.endpoints.clone(),
        features: broker.features.clone(),
    };
    let changes = [
        Change::NoOp,
        Change::RegisterBroker((**broker).clone()),
        Change::UnregisterBroker {
            id: NodeId(1),
            epoch: 4,
        },
        Change::Broker(BrokerChange {
            id: NodeId(1),
            epoch: 4,
            fenced: Some(false),
            in_controlled_shutdown: true,
            log_dirs: Some(vec![Uuid(1)]),
            cordoned_log_dirs: Some(vec![]),
        }),
        Change::Broker(BrokerChange::default()),
        Change::RegisterController(controller),
        Change::UnregisterController { id: NodeId(3) },
        Change::Topic {
            name: "t".into(),
            id: Uuid(9),
        },
        Change::RemoveTopic { id: Uuid(9) },
        Change::Partition {
            topic: Uuid(9),
            index: PartitionIndex(3),
            partition,
        },
        Change::PartitionChange(PartitionChange {
            topic: Uuid(9),
            leader: Some(None),
            isr: Some(vec![NodeId(7)]),
            recovering: Some(true),
            directories: Some(vec![Uuid(4)]),
            last_known_leader: Some(vec![]),
            ..PartitionChange::default()
        }),
        Change::PartitionChange(PartitionChange {
            leader: Some(Some(NodeId(0))),
            ..Default::default()
        }),
        Change::Config {
            resource: Resource::cluster_default(),
            key: "k".into(),
            value: None,
        },
        Change::FeatureLevel {
            name: "f".into(),
            level: 3,
        },
        Change::ProducerIds {
            broker: NodeId(1),
            broker_epoch: 2,
            next: 3000,
        },
    ];
    for change in changes {
        let bytes = change.encode().unwrap();
        assert_eq!(Change::decode(&bytes), Ok(change));
    }
}

/// Records that this release does not interpret are kept byte for byte; what no Kafka knows, and
/// damaged bytes, are errors.
#[test]
fn foreign_records_are_kept_and_unknown_ones_refused() {
    let token = wire::record::cluster_metadata_delegation_token::DelegationTokenRecord::default();
    let bytes = wire::MetadataRecord::from(token).encode(0).unwrap();
    let mut image = cluster(1);
    image.apply(&Change::decode(&bytes).unwrap()).unwrap();
    assert_eq!(image.foreign(), std::slice::from_ref(&bytes));
    assert!(image.to_changes().contains(&Change::Foreign { bytes }));
    assert!(matches!(
        Change::decode(&[1, 99, 0]),
        Err(RecordError::Wire(_))
    ));
    assert!(matches!(Change::decode(&[]), Err(RecordError::Wire(_))));
    let mut random = Random::new(31);
    for change in image.to_changes() {
        for _ in 0..200 {
            let mut bytes = change.encode().unwrap();
            let place = random.below(bytes.len() as u64) as usize;
            bytes[place] ^= 1 << random.below(8);
            let _an_error_or_another_change = Change::decode(&bytes);
        }
    }
}

/// A log that contradicts itself stops the reader, and the image stays as it was.
#[test]
fn contradictions_stop_the_fold() {
    let mut image = cluster(1);
    let before = image.clone();
    let topic = Change::Topic {
        name: "t".into(),
        id: Uuid(1),
    };
    let again = Change::Topic {
        name: "t".into(),
        id: Uuid(2),
    };
    let outcome = image.apply_all(&[topic, again]);
    assert_eq!(outcome, Err(ApplyError::TopicExists("t".into())));
    assert_eq!(image, before);
    let unknown = Change::RemoveTopic { id: Uuid(5) };
    assert_eq!(
        image.apply(&unknown),
        Err(ApplyError::TopicUnknown(Uuid(5)))
    );
    let change = Change::PartitionChange(PartitionChange {
        topic: Uuid(5),
        ..Default::default()
    });
    assert_eq!(
        image.apply(&change),
        Err(ApplyError::PartitionUnknown(Uuid(5), PartitionIndex(0)))
    );
    let stale = Change::Broker(BrokerChange {
        id: NodeId(1),
        epoch: 99,
        ..Default::default()
    });
    assert_eq!(
        image.apply(&stale),
        Err(ApplyError::BrokerUnknown(NodeId(1), 99))
    );
    assert_eq!(image, before);
}
