//! What a client reads when a decision goes against it. The codes and texts were observed on
//! Apache Kafka 4.3.1 with one broker, through its Java admin client; people search for them.

use super::cluster;
use crate::decide::{
    FeatureUpdate, NewPartitions, NewTopic, TopicDefaults, TopicSelector, UpgradeKind,
    create_partitions, create_topics, delete_topics, lower_unserved, update_features,
};
use crate::{Change, Image, Refusal};
use base::{ErrorCode, NodeId, Random, Uuid};

const DEFAULTS: TopicDefaults = TopicDefaults {
    partitions: 1,
    replication_factor: 1,
};

fn topic(name: &str, partitions: i32, replication_factor: i16) -> NewTopic {
    NewTopic {
        name: name.into(),
        partitions,
        replication_factor,
        ..NewTopic::default()
    }
}

fn manual(name: &str, assignments: &[(i32, &[i32])]) -> NewTopic {
    let nodes = |ids: &[i32]| ids.iter().copied().map(NodeId).collect();
    NewTopic {
        assignments: assignments
            .iter()
            .map(|(at, ids)| (*at, nodes(ids)))
            .collect(),
        ..topic(name, -1, -1)
    }
}

fn with(mut topic: NewTopic, key: &str, value: Option<&str>) -> NewTopic {
    topic.configs.push((key.into(), value.map(str::to_owned)));
    topic
}

fn text(refusal: &Refusal) -> String {
    format!("{} | {}", refusal.code.name(), refusal.message)
}

/// Creates one topic; "OK", or code and text.
fn create(image: &mut Image, topic: NewTopic) -> String {
    let mut random = Random::new(5);
    match create_topics(image, &[topic], DEFAULTS, &mut random) {
        Err(refusal) => text(&refusal),
        Ok(outcomes) => match &outcomes[0].1 {
            Err(refusal) => text(refusal),
            Ok(created) => {
                image.apply_all(&created.changes).unwrap();
                "OK".into()
            }
        },
    }
}

/// Every way in which a creation fails, and which failure wins where two apply.
#[test]
fn creations_fail_like_kafkas() {
    let mut image = cluster(1);
    let long = "a".repeat(250);
    assert_eq!(create(&mut image, topic("a.b", 3, 1)), "OK");
    assert_eq!(create(&mut image, topic(&long[1..], 1, 1)), "OK");
    assert_eq!(create(&mut image, topic("defaults", -1, -1)), "OK");
    let legal = "contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
    let factor_3 = "Unable to replicate the partition 3 time(s): The target replication factor \
        of 3 cannot be reached because only 1 broker(s) are registered or some brokers have all \
        their log directories cordoned.";
    let factor = "Replication factor must be larger than 0, or -1 to use the default value.";
    let positive = "Number of partitions was set to an invalid non-positive value.";
    let cases = [
        (
            topic(".", 1, 1),
            "INVALID_TOPIC_EXCEPTION | Topic name is invalid: '.' is not allowed".into(),
        ),
        (
            topic("..", 1, 1),
            "INVALID_TOPIC_EXCEPTION | Topic name is invalid: '..' is not allowed".into(),
        ),
        (
            topic(&long, 1, 1),
            format!(
                "INVALID_TOPIC_EXCEPTION | Topic name is invalid: the length of '{long}' is longer than the max allowed length 249"
            ),
        ),
        (
            topic("a b", 1, 1),
            format!("INVALID_TOPIC_EXCEPTION | Topic name is invalid: 'a b' {legal}"),
        ),
        (
            topic("a.b", 3, 1),
            "TOPIC_ALREADY_EXISTS | Topic 'a.b' already exists.".into(),
        ),
        (
            topic("a_b", 3, 1),
            "INVALID_TOPIC_EXCEPTION | Topic 'a_b' collides with existing topic: a.b".into(),
        ),
        (
            topic("a.b", 0, 0),
            "TOPIC_ALREADY_EXISTS | Topic 'a.b' already exists.".into(),
        ),
        (
            topic("t", 1, 0),
            format!("INVALID_REPLICATION_FACTOR | {factor}"),
        ),
        (
            topic("t", 1, -2),
            format!("INVALID_REPLICATION_FACTOR | {factor}"),
        ),
        (topic("t", 0, 1), format!("INVALID_PARTITIONS | {positive}")),
        (
            topic("t", -2, 1),
            format!("INVALID_PARTITIONS | {positive}"),
        ),
        (
            topic("t", 0, 0),
            format!("INVALID_REPLICATION_FACTOR | {factor}"),
        ),
        (
            topic("t", 1, 3),
            format!("INVALID_REPLICATION_FACTOR | {factor_3}"),
        ),
        (
            topic("t", 10_001, 1),
            "POLICY_VIOLATION | Excessively large number of partitions per request.".into(),
        ),
        (
            with(topic("t", 1, 1), "nope", Some("1")),
            "INVALID_CONFIG | Unknown topic config name: nope".into(),
        ),
        (
            with(topic("t", 1, 3), "nope", Some("1")),
            "INVALID_CONFIG | Unknown topic config name: nope".into(),
        ),
        (
            with(topic("t 1", 1, 3), "nope", Some("1")),
            format!("INVALID_TOPIC_EXCEPTION | Topic name is invalid: 't 1' {legal}"),
        ),
        (
            with(topic("t", 1, 1), "retention.ms", None),
            "INVALID_CONFIG | Null value not supported for topic configs: retention.ms".into(),
        ),
        (
            with(topic("a.b", 1, 1), "retention.ms", None),
            "TOPIC_ALREADY_EXISTS | Topic 'a.b' already exists.".into(),
        ),
        (
            topic("__cluster_metadata", 1, 1),
            "INVALID_REQUEST | Creation of internal topic __cluster_metadata is prohibited.".into(),
        ),
    ];
    for (request, expected) in cases {
        let before = image.clone();
        assert_eq!(create(&mut image, request.clone()), expected, "{request:?}");
        assert_eq!(image, before, "a refused creation leaves no trace");
    }
    for (value, key) in [("-5", "retention.ms"), ("abc", "segment.bytes")] {
        let outcome = create(&mut image, with(topic("t", 1, 1), key, Some(value)));
        assert!(outcome.starts_with("INVALID_CONFIG | "), "{outcome}");
    }
}

/// Placements by hand are checked broker by broker.
#[test]
fn placements_by_hand_fail_like_kafkas() {
    let mut image = cluster(1);
    let refused = "INVALID_REPLICA_ASSIGNMENT | ";
    let cases: [(NewTopic, &str); 5] = [
        (
            manual("m", &[(0, &[])]),
            "The manual partition assignment includes an empty replica list.",
        ),
        (
            manual("m", &[(0, &[9])]),
            "The manual partition assignment includes broker 9, but no such broker is registered.",
        ),
        (
            manual("m", &[(0, &[1, 1])]),
            "The manual partition assignment includes the broker 1 more than once.",
        ),
        (
            manual("m", &[(1, &[1])]),
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (
            manual("m", &[(0, &[1]), (0, &[1])]),
            "Found multiple manual partition assignments for partition 0",
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(create(&mut image, request), format!("{refused}{expected}"));
    }
    let mut both = manual("m", &[(0, &[1])]);
    both.partitions = 1;
    let outcome = create(&mut image, both);
    assert_eq!(
        outcome,
        "INVALID_REQUEST | A manual partition assignment was specified, but numPartitions was not set to -1."
    );
    assert_eq!(
        create(&mut image, manual("m", &[(1, &[1]), (0, &[1])])),
        "OK"
    );
    assert_eq!(image.topic("m").unwrap().partitions.len(), 2);
}

/// A name asked for twice is answered once, and others of the request are not harmed. Two new
/// names that collide only with each other are both created, as Kafka does.
#[test]
fn names_within_one_request() {
    let image = cluster(1);
    let requested = [
        topic("d", 1, 1),
        topic("x.y", 1, 1),
        topic("d", 2, 1),
        topic("x_y", 1, 1),
    ];
    let outcomes = create_topics(&image, &requested, DEFAULTS, &mut Random::new(1)).unwrap();
    let names: Vec<&str> = outcomes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["d", "x.y", "x_y"]);
    let duplicate = Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.");
    assert_eq!(outcomes[0].1, Err(duplicate));
    let mut after = image;
    for (_, outcome) in &outcomes[1..] {
        after.apply_all(&outcome.as_ref().unwrap().changes).unwrap();
    }
    let removed = after.topic("x.y").unwrap().id;
    after
        .apply_all(&[Change::RemoveTopic { id: removed }])
        .unwrap();
    assert_eq!(after.topics().colliding_with("x.y"), Some("x_y"));
}

/// A topic grows by exactly what is asked for, or the text says why not.
#[test]
fn growth_fails_like_kafkas() {
    let mut image = cluster(1);
    assert_eq!(create(&mut image, topic("m1", 2, 1)), "OK");
    let grow = |name: &str, count, assignments: Option<&[&[i32]]>| {
        let nodes = |ids: &&[i32]| ids.iter().copied().map(NodeId).collect();
        let requested = NewPartitions {
            name: name.into(),
            count,
            assignments: assignments.map(|lists| lists.iter().map(nodes).collect()),
        };
        let outcomes = create_partitions(&image, &[requested], &mut Random::new(2));
        match &outcomes[0].1 {
            Ok(changes) => format!("OK {}", changes.len()),
            Err(refusal) => text(refusal),
        }
    };
    assert_eq!(grow("m1", 5, None), "OK 3");
    assert_eq!(grow("m1", 3, Some(&[&[1]])), "OK 1");
    assert_eq!(
        grow("m1", 2, None),
        "INVALID_PARTITIONS | Topic already has 2 partition(s)."
    );
    assert_eq!(
        grow("m1", 2, Some(&[&[1]])),
        "INVALID_PARTITIONS | Topic already has 2 partition(s)."
    );
    for count in [1, 0, -1] {
        let expected = format!(
            "INVALID_PARTITIONS | The topic m1 currently has 2 partition(s); {count} would not be an increase."
        );
        assert_eq!(grow("m1", count, None), expected);
    }
    let unknown = "UNKNOWN_TOPIC_OR_PARTITION | This server does not host this topic-partition.";
    assert_eq!(grow("zz", 2, None), unknown);
    let attempted = |count| {
        format!(
            "INVALID_REPLICA_ASSIGNMENT | Attempted to add 1 additional partition(s), but only {count} assignment(s) were specified."
        )
    };
    assert_eq!(grow("m1", 3, Some(&[])), attempted(0));
    assert_eq!(grow("m1", 3, Some(&[&[1], &[1]])), attempted(2));
    let unregistered = "INVALID_REPLICA_ASSIGNMENT | The manual partition assignment includes broker 2, but no such broker is registered.";
    assert_eq!(grow("m1", 3, Some(&[&[1, 2]])), unregistered);
}

/// Topics go by name or by id, each at most once.
#[test]
fn deletions_fail_like_kafkas() {
    let mut image = cluster(1);
    assert_eq!(create(&mut image, topic("a", 1, 1)), "OK");
    assert_eq!(create(&mut image, topic("b", 1, 1)), "OK");
    let a = image.topic("a").unwrap().id;
    let name = |name: &str| TopicSelector::Name(name.into());
    let selected = [
        name("zz"),
        TopicSelector::Id(Uuid(3)),
        name("a"),
        TopicSelector::Id(a),
        name("b"),
        name("b"),
    ];
    let outcomes: Vec<String> = delete_topics(&image, &selected)
        .into_iter()
        .map(|(_, outcome)| outcome.map_or_else(|refusal| text(&refusal), |(name, _, _)| name))
        .collect();
    let expected = [
        "UNKNOWN_TOPIC_OR_PARTITION | This server does not host this topic-partition.",
        "UNKNOWN_TOPIC_ID | This server does not host this topic ID.",
        "INVALID_REQUEST | The provided topic name maps to an ID that was already supplied.",
        "a",
        "INVALID_REQUEST | Duplicate topic name.",
    ];
    assert_eq!(outcomes, expected);
}

/// Features move within what every broker can do, and never silently backwards.
#[test]
fn feature_updates_fail_like_kafkas() {
    let image = cluster(1);
    let update = |name: &str, level, upgrade| {
        let update = FeatureUpdate {
            name: name.into(),
            level,
            upgrade,
        };
        update_features(&image, &[update]).map_or_else(|refusal| refusal.code, |_| ErrorCode::None)
    };
    let invalid = ErrorCode::InvalidUpdateVersion;
    assert_eq!(update("nope", 1, UpgradeKind::Upgrade), invalid);
    assert_eq!(update("group.version", 7, UpgradeKind::Upgrade), invalid);
    assert_eq!(update("group.version", -1, UpgradeKind::Upgrade), invalid);
    assert_eq!(update("nope", 0, UpgradeKind::SafeDowngrade), invalid);
    // Kafka has these; they are not served here, so they can only stay off.
    for unserved in ["share.version", "streams.version"] {
        assert_eq!(update(unserved, 1, UpgradeKind::Upgrade), invalid);
        let off = update(unserved, 0, UpgradeKind::SafeDowngrade);
        assert_eq!(off, ErrorCode::None);
    }
    assert_eq!(update("kraft.version", 1, UpgradeKind::Upgrade), invalid);
    assert_eq!(
        update("group.version", 0, UpgradeKind::Upgrade),
        invalid,
        "down needs permission"
    );
    assert_eq!(
        update("metadata.version", 25, UpgradeKind::SafeDowngrade),
        invalid
    );
    assert_eq!(
        update("metadata.version", 5, UpgradeKind::SafeDowngrade),
        invalid
    );
    assert_eq!(
        update("metadata.version", 33, UpgradeKind::Upgrade),
        ErrorCode::None
    );
    assert_eq!(
        update("group.version", 0, UpgradeKind::SafeDowngrade),
        ErrorCode::None
    );
}

/// A data directory may have been made when more was promised than was served; clients that went
/// by it would ask for what nobody answers.
#[test]
fn what_is_not_served_comes_down() {
    let mut image = cluster(1);
    assert_eq!(lower_unserved(&image), [], "a new cluster promises nothing");
    let level = |name: &str, level| Change::FeatureLevel {
        name: name.to_owned(),
        level,
    };
    let promised = [
        level("group.version", 1),
        level("share.version", 2),
        level("streams.version", 1),
    ];
    image.apply_all(&promised).unwrap();
    let lowered = lower_unserved(&image);
    let off = ["share.version", "streams.version"];
    assert_eq!(lowered, off.map(|name| level(name, 0)));
    image.apply_all(&lowered).unwrap();
    assert_eq!(lower_unserved(&image), [], "once is enough");
    assert_eq!(image.feature_level("group.version"), 1);
    assert_eq!(image.feature_level("metadata.version"), 33);
}
