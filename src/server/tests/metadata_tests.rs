//! Metadata is what clients route by; an absent or wrong line sends records astray.

use access::ResourceType;
use base::{ErrorCode, NodeId, Uuid};
use wire::ApiKey;
use wire::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};

use super::{Ask, Refused, View, Wanted, malformed, missing, wanted};
use crate::access::Access;
use crate::handlers::sample::{check_every_version, cluster, fence};
use crate::handlers::shown::Alive;

fn by_name(names: &[&'static str]) -> MetadataRequest<'static> {
    let topics = names.iter().map(|name| MetadataRequestTopic {
        topic_id: Uuid::ZERO,
        name: Some((*name).into()),
    });
    MetadataRequest {
        topics: Some(topics.collect()),
        ..Default::default()
    }
}

fn ask(names: &[&str], may_create: bool) -> Ask {
    let wanted = Wanted::Named(names.iter().map(|name| (*name).to_owned()).collect());
    Ask {
        wanted,
        may_create,
        cluster_operations: false,
        topic_operations: false,
    }
}

/// "All topics" and "no topics" swapped meanings once: an empty list is all in version 0 only.
#[test]
fn null_and_empty_lists_differ_by_version() {
    let null = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    let empty = by_name(&[]);
    assert_eq!(wanted(&null, 1), Some(Wanted::All));
    assert_eq!(wanted(&empty, 0), Some(Wanted::All));
    assert_eq!(wanted(&empty, 1), Some(Wanted::Named(Vec::new())));
    let twice = wanted(&by_name(&["b", "a", "b"]), 9);
    assert_eq!(twice, Some(Wanted::Named(vec!["b".into(), "a".into()])));
}

/// Ids travel from version 10 on, but ask for something from 12 on only (KIP-516).
#[test]
fn ids_ask_from_version_12_on() {
    let topics = vec![MetadataRequestTopic {
        topic_id: Uuid(5),
        name: None,
    }];
    let request = MetadataRequest {
        topics: Some(topics),
        ..Default::default()
    };
    assert_eq!(
        wanted(&request, 12),
        Some(Wanted::Identified(vec![Uuid(5)]))
    );
    assert_eq!(wanted(&request, 11), None);
    let nameless = vec![MetadataRequestTopic {
        topic_id: Uuid::ZERO,
        name: None,
    }];
    let request = MetadataRequest {
        topics: Some(nameless),
        ..Default::default()
    };
    assert_eq!(wanted(&request, 12), None);
    for version in 10..=13 {
        let response = malformed(&request, version);
        assert_eq!(
            response.topics[0].error_code,
            ErrorCode::InvalidRequest.code()
        );
        assert_eq!(response.topics[0].name.is_none(), version >= 12);
    }
    check_every_version(ApiKey::Metadata, |version| malformed(&request, version));
}

/// A typo must not become a topic, and neither must a name that no directory can have.
#[test]
fn only_what_may_exist_is_created() {
    let image = cluster(1, &[("old", 1)]);
    let names = ["old", "new", "no@way", "__consumer_offsets"];
    assert_eq!(
        missing(&image, &Access::OPEN, &ask(&names, true)).0,
        ["new"]
    );
    assert!(
        missing(&image, &Access::OPEN, &ask(&names, false))
            .0
            .is_empty()
    );
    let all = Ask {
        wanted: Wanted::All,
        ..ask(&[], true)
    };
    assert!(missing(&image, &Access::OPEN, &all).0.is_empty());
}

/// Each way for a topic to be absent has the code by which clients decide what to do.
#[test]
fn absent_topics_say_why() {
    let image = cluster(1, &[("here", 1)]);
    let alive = Alive::all_of([NodeId(1)]);
    let view = View {
        access: &Access::OPEN,
        image: &image,
        alive: &alive,
        version: 12,
    };
    let refused = Refused::from([("many".to_owned(), ErrorCode::InvalidReplicationFactor)]);
    let code = |name| ErrorCode::from_code(view.named(name, &refused).error_code);
    assert_eq!(code("here"), ErrorCode::None);
    assert_eq!(code("there"), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(code("th@re"), ErrorCode::InvalidTopicException);
    assert_eq!(code("many"), ErrorCode::InvalidReplicationFactor);
    let unknown = view.identified(Uuid(99));
    assert_eq!(
        ErrorCode::from_code(unknown.error_code),
        ErrorCode::UnknownTopicId
    );
    assert_eq!((unknown.name, unknown.topic_id), (None, Uuid(99)));
}

/// Version 0 cannot mark replicas as down, so it leaves them out.
#[test]
fn version_0_leaves_out_replicas_that_are_down() {
    let mut image = cluster(2, &[("a", 2)]);
    fence(&mut image, 2);
    let alive = Alive::all_of([NodeId(1)]);
    for version in [0, 13] {
        let view = View {
            access: &Access::OPEN,
            image: &image,
            alive: &alive,
            version,
        };
        let topic = view.named("a", &Refused::new());
        let down = topic
            .partitions
            .iter()
            .find(|one| one.leader_id == -1)
            .unwrap();
        assert_eq!(down.error_code, ErrorCode::LeaderNotAvailable.code());
        assert_eq!(down.replica_nodes.is_empty(), version == 0);
    }
}

/// Every version must be able to carry the whole answer.
#[test]
fn every_version_is_carried() {
    let image = cluster(1, &[("a", 2), ("__consumer_offsets", 1)]);
    let alive = Alive::all_of([NodeId(1)]);
    check_every_version(ApiKey::Metadata, |version| {
        let view = View {
            access: &Access::OPEN,
            image: &image,
            alive: &alive,
            version,
        };
        let mut topics: Vec<_> = image
            .topics()
            .iter()
            .map(|topic| view.topic(topic))
            .collect();
        assert!(topics.iter().any(|topic| topic.is_internal));
        topics.push(view.named("none", &Refused::new()));
        if version >= 8 {
            topics[0].topic_authorized_operations =
                Access::OPEN.operations(ResourceType::Topic, "a");
        }
        MetadataResponse {
            topics,
            ..Default::default()
        }
    });
}
