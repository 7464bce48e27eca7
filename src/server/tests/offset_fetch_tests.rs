//! A consumer that takes an error for "nothing committed" starts from the wrong end.

use base::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp, Uuid};
use broker::coordinator::{FetchTopic, FetchedPartition, FetchedTopic};
use wire::ApiKey;

use super::{Answered, Fetched, of_group, respond, single};
use crate::answer::Question;
use crate::handlers::sample;
use crate::table::API_TABLE;

fn answered(fetched: Fetched) -> Answered {
    Answered {
        group: "g".into(),
        topics: Some(vec![FetchTopic {
            name: "t".into(),
            id: Uuid::ZERO,
            partitions: vec![PartitionIndex(0), PartitionIndex(1)],
        }]),
        refused: Vec::new(),
        fetched,
    }
}

fn fetched(name: &str) -> FetchedTopic {
    FetchedTopic {
        name: name.into(),
        id: Uuid::ZERO,
        partitions: vec![FetchedPartition {
            partition: PartitionIndex(0),
            offset: Offset(5),
            leader_epoch: LeaderEpoch(2),
            metadata: "m".into(),
            committed_at: Timestamp(9),
            error: ErrorCode::None,
        }],
    }
}

#[test]
fn an_error_is_seen_in_every_version() {
    let refused = answered(Err(ErrorCode::CoordinatorLoadInProgress.into()));
    let code = ErrorCode::CoordinatorLoadInProgress.code();
    for version in 0..2 {
        let response = single(&refused, version);
        let partitions = &response.topics[0].partitions;
        assert!(partitions.iter().all(|one| one.error_code == code));
        assert_eq!(partitions.len(), 2);
    }
    assert_eq!(single(&refused, 2).error_code, code);
    let image = sample::cluster(1, &[]);
    assert_eq!(of_group(&refused, &image, 8).error_code, code);
}

/// Version 10 knows topics by id only; one that is gone has none.
#[test]
fn topics_get_the_id_they_have() {
    let image = sample::cluster(1, &[("t", 2)]);
    let id = image.topic("t").unwrap().id;
    let mut all = answered(Ok(vec![fetched("gone"), fetched("t")]));
    let unknown = FetchTopic {
        name: String::new(),
        id: Uuid(5),
        partitions: vec![PartitionIndex(3)],
    };
    all.refused.push((unknown, ErrorCode::UnknownTopicId));
    let group = of_group(&all, &image, 10);
    let ids: Vec<Uuid> = group.topics.iter().map(|topic| topic.topic_id).collect();
    assert_eq!(ids, [id, Uuid(5)]);
    let unknown = &group.topics[1].partitions[0];
    assert_eq!(unknown.error_code, ErrorCode::UnknownTopicId.code());
    assert_eq!((unknown.partition_index, unknown.committed_offset), (3, -1));
}

#[test]
fn every_version_is_carried() {
    let image = sample::cluster(1, &[("t", 2)]);
    let row = API_TABLE
        .iter()
        .find(|row| row.key == ApiKey::OffsetFetch)
        .unwrap();
    for version in row.versions().iter() {
        let question = Question {
            key: row.key,
            version,
            correlation_id: 7,
        };
        let answers = [
            answered(Ok(vec![fetched("t")])),
            answered(Err(ErrorCode::NotCoordinator.into())),
        ];
        for answer in answers {
            let response = respond(question, &image, &[answer]);
            assert!(response.is_ok(), "{version}");
        }
    }
}
