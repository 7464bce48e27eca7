//! Elections, reassignments, features and quotas. Codes and texts are those that Apache Kafka 4.3.1
//! answered, where it has them.

use super::cluster;
use crate::decide::{
    AlterQuota, ElectionKind, FeatureUpdate, NewTopic, TopicDefaults, UpgradeKind, alter_quotas,
    create_topics, elect_leader, fence_broker, unfence_broker, update_features,
};
use crate::{Image, QuotaEntity, QuotaValue};
use base::{ErrorCode, NodeId, PartitionIndex, Random};

fn with_topic(brokers: i32) -> Image {
    let mut image = cluster(brokers);
    let ids = (1..=brokers).map(NodeId).collect();
    let topic = NewTopic {
        name: "t".into(),
        partitions: -1,
        replication_factor: -1,
        assignments: vec![(0, ids)],
        ..NewTopic::default()
    };
    let defaults = TopicDefaults {
        partitions: 1,
        replication_factor: 1,
    };
    let outcomes = create_topics(&image, &[topic], defaults, &mut Random::new(3)).unwrap();
    let changes = outcomes[0].1.as_ref().unwrap().changes.clone();
    image.apply_all(&changes).unwrap();
    image
}

/// The preferred replica gets its leadership back once it is in sync again, and not before.
#[test]
fn preferred_leaders_come_back() {
    let mut image = with_topic(2);
    let elect = |image: &Image, kind| elect_leader(image, "t", PartitionIndex(0), kind);
    let code = |outcome: Result<_, crate::Refusal>| outcome.unwrap_err().code;
    assert_eq!(
        code(elect(&image, ElectionKind::Preferred)),
        ErrorCode::ElectionNotNeeded
    );
    assert_eq!(
        code(elect(&image, ElectionKind::Unclean)),
        ErrorCode::ElectionNotNeeded
    );
    let changes = fence_broker(&image, NodeId(1)).unwrap();
    image.apply_all(&changes).unwrap();
    let changes = unfence_broker(&image, NodeId(1)).unwrap();
    image.apply_all(&changes).unwrap();
    let refused = code(elect(&image, ElectionKind::Preferred));
    assert_eq!(refused, ErrorCode::PreferredLeaderNotAvailable);
    let id = image.topic("t").unwrap().id;
    let change = crate::PartitionChange {
        topic: id,
        index: PartitionIndex(0),
        isr: Some(vec![NodeId(2), NodeId(1)]),
        ..crate::PartitionChange::default()
    };
    image
        .apply(&crate::Change::PartitionChange(change))
        .unwrap();
    let change = elect(&image, ElectionKind::Preferred).unwrap();
    image.apply(&change).unwrap();
    let partition = image.partition(id, PartitionIndex(0)).unwrap();
    assert_eq!(partition.leader, Some(NodeId(1)));
    assert_eq!(partition.isr.len(), 2);
}

/// An unclean election is the last resort: only where nobody leads, and it says what it did.
#[test]
fn unclean_elections_are_marked() {
    let mut image = with_topic(2);
    for id in [NodeId(1), NodeId(2)] {
        let changes = fence_broker(&image, id).unwrap();
        image.apply_all(&changes).unwrap();
    }
    let index = PartitionIndex(0);
    let refused = elect_leader(&image, "t", index, ElectionKind::Unclean).unwrap_err();
    assert_eq!(refused.code, ErrorCode::EligibleLeadersNotAvailable);
    let id = image.topic("t").unwrap().id;
    let kept = image.partition(id, index).unwrap().isr.clone();
    let other = if kept == [NodeId(1)] {
        NodeId(2)
    } else {
        NodeId(1)
    };
    let changes = unfence_broker(&image, other).unwrap();
    image.apply_all(&changes).unwrap();
    let change = elect_leader(&image, "t", index, ElectionKind::Unclean).unwrap();
    image.apply(&change).unwrap();
    let partition = image.partition(id, index).unwrap();
    assert_eq!(
        (partition.leader, partition.isr.clone()),
        (Some(other), vec![other])
    );
    assert!(partition.recovering);
}

#[test]
fn unknown_partitions_are_named() {
    let image = with_topic(1);
    let text = |topic, index| {
        let index = PartitionIndex(index);
        elect_leader(&image, topic, index, ElectionKind::Preferred)
            .unwrap_err()
            .message
    };
    assert_eq!(text("z", 0), "No such topic as z");
    assert_eq!(text("t", 9), "No such partition as t-9");
}

#[test]
fn features_are_refused_like_kafkas() {
    let image = cluster(1);
    let update = |name: &str, level, upgrade| {
        let update = FeatureUpdate {
            name: name.into(),
            level,
            upgrade,
        };
        match update_features(&image, &[update]) {
            Ok(changes) => format!("{} changes", changes.len()),
            Err(refusal) => {
                assert_eq!(refusal.code, ErrorCode::InvalidUpdateVersion);
                let text = refusal.message;
                let at = text.find("an error: ").unwrap();
                text[at + 10..].to_owned()
            }
        }
    };
    use UpgradeKind::{SafeDowngrade, Unknown, UnsafeDowngrade, Upgrade};
    assert_eq!(update("group.version", 1, Upgrade), "0 changes");
    assert_eq!(update("group.version", 0, SafeDowngrade), "1 changes");
    assert_eq!(
        update("group.version", 0, Upgrade),
        "Invalid update version 0 for feature group.version. Can't downgrade the version of this \
         feature without setting the upgrade type to either safe or unsafe downgrade."
    );
    assert_eq!(
        update("group.version", 1, Unknown),
        "Invalid update version 1 for feature group.version. The controller does not support the \
         given upgrade type."
    );
    assert_eq!(
        update("metadata.version", 25, UnsafeDowngrade),
        "Unsupported metadata.version downgrade from 33 to 25. Unsafe metadata downgrade is not \
         supported in this version."
    );
    assert_eq!(update("kraft.version", 0, Upgrade), "0 changes");
    assert!(update("kraft.version", 1, Upgrade).starts_with("Invalid update version 1"));
}

fn entity(parts: &[(&str, Option<&str>)]) -> QuotaEntity {
    let parts = parts.iter();
    QuotaEntity(
        parts
            .map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned)))
            .collect(),
    )
}

fn alter(
    image: &mut Image,
    parts: &[(&str, Option<&str>)],
    key: &str,
    value: Option<f64>,
) -> String {
    let alter = AlterQuota {
        entity: entity(parts),
        operations: vec![(key.into(), value.map(QuotaValue))],
    };
    let outcomes = alter_quotas(image, &[alter]);
    match &outcomes[0].1 {
        Err(refusal) => refusal.message.clone(),
        Ok(changes) => {
            // What is stored is what a restart reads.
            for change in changes {
                let bytes = change.encode().unwrap();
                assert_eq!(&crate::Change::decode(&bytes).unwrap(), change);
            }
            image.apply_all(changes).unwrap();
            format!("{} changes", changes.len())
        }
    }
}

/// Limits come, change and go; the image without any is as if there had never been one.
#[test]
fn quotas_come_and_go() {
    let mut image = cluster(1);
    let before = image.clone();
    let user = [("user", Some("u"))];
    let rate = "producer_byte_rate";
    assert_eq!(alter(&mut image, &user, rate, Some(1000.0)), "1 changes");
    assert_eq!(alter(&mut image, &user, rate, Some(1000.0)), "0 changes");
    assert_eq!(image.quotas()[&entity(&user)][rate], QuotaValue(1000.0));
    let mut again = Image::new("cluster");
    again.apply_all(&image.to_changes()).unwrap();
    assert_eq!(again.quotas(), image.quotas());
    assert_eq!(alter(&mut image, &user, rate, None), "1 changes");
    assert_eq!(alter(&mut image, &user, "nope", None), "0 changes");
    assert_eq!(image, before);
}

/// Whom a quota is for, its key, its value, and what Kafka says.
type QuotaCase<'c> = (&'c [(&'c str, Option<&'c str>)], &'c str, f64, &'c str);

#[test]
fn quotas_are_refused_like_kafkas() {
    let mut image = cluster(1);
    let (user, address) = ([("user", Some("u"))], [("ip", Some("127.0.0.1"))]);
    let (bytes, connections) = ("producer_byte_rate", "connection_creation_rate");
    let cases: [QuotaCase<'_>; 12] = [
        (&user, "request_percentage", 12.5, "1 changes"),
        (
            &[("user", None)],
            "consumer_byte_rate",
            1000.5,
            "consumer_byte_rate cannot be a fractional value.",
        ),
        (
            &address,
            connections,
            7.5,
            "connection_creation_rate cannot be a fractional value.",
        ),
        (&address, connections, 7.0, "1 changes"),
        (
            &address,
            bytes,
            7.0,
            "Invalid configuration key producer_byte_rate",
        ),
        (
            &user,
            connections,
            7.0,
            "Invalid configuration key connection_creation_rate",
        ),
        (&user, "nope", 7.0, "Invalid configuration key nope"),
        (
            &user,
            bytes,
            0.0,
            "Quota producer_byte_rate must be greater than 0",
        ),
        (
            &user,
            bytes,
            f64::NAN,
            "Quota producer_byte_rate must be greater than 0",
        ),
        (
            &[("planet", Some("x"))],
            bytes,
            7.0,
            "Unhandled client quota entity type: planet",
        ),
        (&[], bytes, 7.0, "Invalid empty client quota entity"),
        (
            &[("user", Some(""))],
            bytes,
            7.0,
            "Empty user not supported",
        ),
    ];
    for (parts, key, value, expected) in cases {
        assert_eq!(alter(&mut image, parts, key, Some(value)), expected);
    }
    let both = [("ip", Some("127.0.0.1")), ("user", Some("u"))];
    assert!(alter(&mut image, &both, connections, Some(7.0)).starts_with("Invalid quota entity"));
}
