//! Where replicas lie on a broker with several directories, and who leads when one fails.

use super::{cluster, registration};
use crate::Image;
use crate::decide::{
    NewTopic, TopicDefaults, assign_directories, cordon, create_topics, directories_failed,
    register_broker, unfence_broker,
};
use base::{LeaderEpoch, NodeId, PartitionIndex, Random, Uuid};

const NODE: NodeId = NodeId(1);
const FIRST: Uuid = Uuid(1001);
const SECOND: Uuid = Uuid(1002);

/// The broker starts anew with these directories.
fn restart(image: &mut Image, dirs: &[Uuid]) {
    let mut registration = registration(1, None);
    registration.log_dirs = dirs.to_vec();
    let epoch = image.offset().get() + 1;
    let changes = register_broker(image, registration, epoch).unwrap();
    image.apply_all(&changes).unwrap();
    let changes = unfence_broker(image, NODE).unwrap();
    image.apply_all(&changes).unwrap();
}

fn create(image: &mut Image, name: &str, partitions: i32) {
    let topic = NewTopic {
        name: name.into(),
        partitions,
        replication_factor: 1,
        ..NewTopic::default()
    };
    let defaults = TopicDefaults {
        partitions: 1,
        replication_factor: 1,
    };
    let mut random = Random::new(5);
    let outcomes = create_topics(image, &[topic], defaults, &mut random).unwrap();
    image
        .apply_all(&outcomes[0].1.as_ref().unwrap().changes)
        .unwrap();
}

fn dirs(image: &Image, topic: &str) -> Vec<Uuid> {
    let partitions = image.topic(topic).unwrap().partitions.iter();
    partitions.map(|one| one.directories[0]).collect()
}

fn leaders(image: &Image, topic: &str) -> Vec<Option<NodeId>> {
    let partitions = image.topic(topic).unwrap().partitions.iter();
    partitions.map(|one| one.leader).collect()
}

/// The story: a second disk is added to a node that has some partitions. New ones go to the empty
/// disk until both have as many, then in turn.
#[test]
fn the_directory_with_the_fewest_gets_the_next() {
    let mut image = cluster(0);
    restart(&mut image, &[FIRST]);
    create(&mut image, "old", 2);
    restart(&mut image, &[FIRST, SECOND]);
    create(&mut image, "new", 5);
    assert_eq!(dirs(&image, "old"), [FIRST, FIRST]);
    assert_eq!(dirs(&image, "new"), [SECOND, SECOND, FIRST, SECOND, FIRST]);
    assert!(leaders(&image, "old").iter().all(|one| *one == Some(NODE)));
}

#[test]
fn cordoned_directories_get_nothing() {
    let mut image = cluster(0);
    restart(&mut image, &[FIRST, SECOND]);
    let changes = cordon(&image, NODE, vec![FIRST]).unwrap();
    image.apply_all(&changes).unwrap();
    assert!(cordon(&image, NODE, vec![FIRST]).unwrap().is_empty());
    create(&mut image, "a", 3);
    assert_eq!(dirs(&image, "a"), [SECOND; 3]);
    let changes = cordon(&image, NODE, vec![FIRST, SECOND]).unwrap();
    image.apply_all(&changes).unwrap();
    let topic = NewTopic {
        name: "b".into(),
        partitions: 1,
        replication_factor: 1,
        ..NewTopic::default()
    };
    let defaults = TopicDefaults {
        partitions: 1,
        replication_factor: 1,
    };
    let outcomes = create_topics(&image, &[topic], defaults, &mut Random::new(1)).unwrap();
    assert!(outcomes[0].1.is_err(), "nowhere to put it");
}

/// The story: a disk fails; its partitions are led by nobody, the others go on in their epochs.
/// It comes back at the next start, and everything is led again.
#[test]
fn what_lies_in_a_failed_directory_is_led_by_nobody() {
    let mut image = cluster(0);
    restart(&mut image, &[FIRST, SECOND]);
    create(&mut image, "a", 4);
    let epoch_of = |image: &Image, index| {
        let topic = image.topic("a").unwrap();
        topic.partition(PartitionIndex(index)).unwrap().leader_epoch
    };
    let changes = directories_failed(&image, NODE, vec![FIRST]).unwrap();
    image.apply_all(&changes).unwrap();
    let led = [Some(NODE), None, Some(NODE), None];
    assert_eq!(leaders(&image, "a"), led);
    assert_eq!(epoch_of(&image, 0), LeaderEpoch(0));
    assert!(
        image
            .topic("a")
            .unwrap()
            .partitions
            .iter()
            .all(|p| p.isr == [NODE])
    );
    // A restart without the disk changes nothing about that.
    restart(&mut image, &[FIRST]);
    assert_eq!(leaders(&image, "a"), led);
    let before = epoch_of(&image, 1);
    restart(&mut image, &[FIRST, SECOND]);
    assert_eq!(leaders(&image, "a"), [Some(NODE); 4]);
    assert!(epoch_of(&image, 1) > before, "a new reign");
}

#[test]
fn an_assignment_changes_the_directory_and_nothing_else() {
    let mut image = cluster(0);
    restart(&mut image, &[FIRST, SECOND]);
    create(&mut image, "a", 1);
    let topic = image.topic("a").unwrap().id;
    let before = image.topic("a").unwrap().partitions[0].clone();
    let here = [(topic, PartitionIndex(0), FIRST)];
    assert!(assign_directories(&image, NODE, &here).is_empty());
    let there = [
        (topic, PartitionIndex(0), SECOND),
        (topic, PartitionIndex(9), SECOND),
        (Uuid(404), PartitionIndex(0), SECOND),
    ];
    let changes = assign_directories(&image, NODE, &there);
    assert_eq!(changes.len(), 1);
    image.apply_all(&changes).unwrap();
    let after = &image.topic("a").unwrap().partitions[0];
    assert_eq!(after.directories, [SECOND]);
    assert_eq!(after.leader_epoch, before.leader_epoch);
    assert_eq!(after.partition_epoch, before.partition_epoch + 1);
}
