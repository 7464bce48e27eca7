//! Records that Apache Kafka 4.3.1 wrote: one node that created topics, grew one, changed
//! configurations and shut down. Its log is the oracle for ours.

use crate::{Change, Image, Resource, ResourceKind};
use base::NodeId;

fn records() -> Vec<Vec<u8>> {
    let byte = |line: &str, at: usize| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
    let lines = include_str!("kafka_log.txt").lines();
    lines
        .map(|line| {
            (0..line.len())
                .step_by(2)
                .map(|at| byte(line, at))
                .collect()
        })
        .collect()
}

/// Kafka's own log folds to the cluster that it describes.
#[test]
fn kafkas_log_folds() {
    let mut image = Image::new("F123");
    for bytes in records() {
        image.apply(&Change::decode(&bytes).unwrap()).unwrap();
    }
    let names: Vec<&str> = image.topics().iter().map(|topic| &*topic.name).collect();
    assert_eq!(names, ["a.b", "dflt", "m1", "sp", "x.y", "x_y"]);
    assert_eq!(image.feature_level("metadata.version"), 30);
    assert_eq!(image.feature_level("transaction.version"), 2);
    let broker = image.broker(NodeId(1)).unwrap();
    assert!(broker.in_controlled_shutdown);
    assert_eq!(broker.endpoints[0].port, 19392);
    assert_eq!(image.controllers().count(), 1);
    let topic = image.topic("a.b").unwrap();
    assert_eq!(topic.partitions.len(), 3);
    for partition in &topic.partitions {
        assert_eq!(partition.leader, None, "it was shut down");
        assert_eq!(partition.replicas, [NodeId(1)]);
        assert_eq!(partition.leader_epoch.get(), 1);
    }
    assert_eq!(image.configs(&Resource::topic("m1"))["retention.ms"], "5");
    let brokers: Vec<&str> = image.configured(ResourceKind::Broker).collect();
    assert_eq!(brokers, ["", "1"]);
}

/// What we write is byte for byte what Kafka wrote, except where ours is a newer version.
#[test]
fn our_records_are_kafkas() {
    let mut equal = 0;
    for bytes in records() {
        let change = Change::decode(&bytes).unwrap();
        let ours = change.encode().unwrap();
        assert_eq!(Change::decode(&ours), Ok(change.clone()));
        match change {
            // Maps have another order there; the version may be a later one here.
            Change::RegisterBroker(_) | Change::RegisterController(_) => {}
            _ if ours.get(2) == bytes.get(2) => {
                assert_eq!(ours, bytes, "{change:?}");
                equal += 1;
            }
            _ => {}
        }
    }
    assert!(equal > 20, "only {equal} records could be compared");
}
