//! A commit that names a topic that is gone must fail for that topic and for no other.

use base::{ErrorCode, PartitionIndex, Uuid};
use broker::coordinator::TopicCodes;
use wire::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};

use super::{Named, respond, sort};
use crate::answer::Question;
use crate::handlers::sample;
use crate::table::API_TABLE;

fn topic(name: &'static str, id: Uuid, indexes: &[i32]) -> OffsetCommitRequestTopic<'static> {
    let partitions = indexes.iter().map(|index| OffsetCommitRequestPartition {
        partition_index: *index,
        committed_offset: 7,
        ..OffsetCommitRequestPartition::default()
    });
    OffsetCommitRequestTopic {
        name: name.into(),
        topic_id: id,
        partitions: partitions.collect(),
    }
}

#[test]
fn what_does_not_exist_is_refused_and_the_rest_is_asked() {
    let image = sample::cluster(1, &[("t", 2)]);
    let id = image.topic("t").unwrap().id;
    let (named, commit) = sort(
        &image,
        &crate::access::Access::OPEN,
        &topic("t", Uuid::ZERO, &[1, 2, 0]),
        9,
    );
    let unknown = Some(ErrorCode::UnknownTopicOrPartition);
    assert_eq!(named.partitions, [(1, None), (2, unknown), (0, None)]);
    let asked: Vec<i32> = commit
        .unwrap()
        .partitions
        .iter()
        .map(|one| one.partition.get())
        .collect();
    assert_eq!(asked, [1, 0]);
    let (named, commit) = sort(
        &image,
        &crate::access::Access::OPEN,
        &topic("gone", Uuid::ZERO, &[0]),
        9,
    );
    assert_eq!((named.partitions, commit), (vec![(0, unknown)], None));
    let (named, commit) = sort(
        &image,
        &crate::access::Access::OPEN,
        &topic("", id, &[0]),
        10,
    );
    assert_eq!(named.partitions, [(0, None)]);
    assert_eq!(commit.unwrap().name, "t");
    let (named, _) = sort(
        &image,
        &crate::access::Access::OPEN,
        &topic("", Uuid(5), &[0]),
        10,
    );
    assert_eq!(named.partitions, [(0, Some(ErrorCode::UnknownTopicId))]);
}

#[test]
fn every_version_is_carried() {
    let row = API_TABLE
        .iter()
        .find(|row| row.key == wire::ApiKey::OffsetCommit)
        .unwrap();
    let named = [Named {
        name: "t".into(),
        id: Uuid(1),
        partitions: vec![(0, None), (9, Some(ErrorCode::UnknownTopicOrPartition))],
    }];
    let codes = Ok(vec![TopicCodes {
        name: "t".into(),
        id: Uuid(1),
        partitions: vec![(PartitionIndex(0), ErrorCode::None)],
    }]);
    for version in row.versions().iter() {
        let question = Question {
            key: row.key,
            version,
            correlation_id: 7,
        };
        assert!(respond(question, &named, &codes).is_ok(), "{version}");
    }
}
