//! Configurations: what is set, appended, subtracted and refused. The answers were observed on
//! Apache Kafka 4.3.1 where it has one.

use super::cluster;
use crate::decide::{
    AlterResource, ConfigOperation, NewTopic, OperationKind, ReplaceResource, Standing,
    TopicDefaults, alter_configs, create_topics, replace_configs,
};
use crate::{Image, Resource, ResourceKind};
use base::{NodeId, Random};
use config::{BrokerConfig, Inputs};

fn with_topic() -> Image {
    let mut image = cluster(1);
    let topic = NewTopic {
        name: "t".into(),
        partitions: 1,
        replication_factor: 1,
        ..NewTopic::default()
    };
    let defaults = TopicDefaults {
        partitions: 1,
        replication_factor: 1,
    };
    let outcomes = create_topics(&image, &[topic], defaults, &mut Random::new(3)).unwrap();
    image
        .apply_all(&outcomes[0].1.as_ref().unwrap().changes)
        .unwrap();
    image
}

fn operation(key: &str, kind: OperationKind, value: Option<&str>) -> ConfigOperation {
    ConfigOperation {
        key: key.into(),
        kind,
        value: value.map(str::to_owned),
    }
}

/// Applies operations to a resource; "OK", or the code and text.
fn alter(image: &mut Image, resource: &Resource, operations: Vec<ConfigOperation>) -> String {
    let request = AlterResource {
        resource: resource.clone(),
        operations,
    };
    let config = BrokerConfig::load(&Inputs::default()).unwrap();
    let standing = Standing {
        image,
        config: &config,
    };
    let outcomes = alter_configs(standing, &[request]);
    match &outcomes[0].1 {
        Err(refusal) => format!("{} | {}", refusal.code.name(), refusal.message),
        Ok(changes) => {
            image.apply_all(changes).unwrap();
            "OK".into()
        }
    }
}

/// Lists grow from their default, shrink to nothing, and never hold an element twice.
#[test]
fn lists_are_edited_by_element() {
    let mut image = with_topic();
    let topic = Resource::topic("t");
    let steps = [
        (OperationKind::Append, "compact", "delete,compact"),
        (OperationKind::Append, "delete,compact", "delete,compact"),
        (OperationKind::Subtract, "delete", "compact"),
        (OperationKind::Subtract, "compact", ""),
        (OperationKind::Append, " delete ", "delete"),
    ];
    for (kind, value, expected) in steps {
        let outcome = alter(
            &mut image,
            &topic,
            vec![operation("cleanup.policy", kind, Some(value))],
        );
        assert_eq!(outcome, "OK", "{kind:?} {value}");
        assert_eq!(image.configs(&topic)["cleanup.policy"], expected);
    }
    let delete = operation("cleanup.policy", OperationKind::Delete, None);
    assert_eq!(alter(&mut image, &topic, vec![delete]), "OK");
    assert!(image.configs(&topic).is_empty());
}

/// Every way in which a setting is refused.
#[test]
fn settings_are_refused_like_kafkas() {
    use OperationKind::{Append, Delete, Set};
    let mut image = with_topic();
    let topic = Resource::topic("t");
    let set = |key: &str, value: &str| vec![operation(key, Set, Some(value))];
    let cases = [
        (
            topic.clone(),
            set("nope", "5"),
            "INVALID_CONFIG | Unknown topic config name: nope",
        ),
        (topic.clone(), vec![operation("nope", Delete, None)], "OK"),
        (
            topic.clone(),
            vec![operation("retention.ms", Append, Some("5"))],
            "INVALID_CONFIG | Can't APPEND to key retention.ms because its type is not LIST.",
        ),
        (
            topic.clone(),
            vec![operation("nope", Append, Some("5"))],
            "INVALID_CONFIG | Can't APPEND to key nope because its type is not LIST.",
        ),
        (
            topic.clone(),
            [set("retention.ms", "5"), set("retention.ms", "6")].concat(),
            "INVALID_REQUEST | Error due to duplicate config keys",
        ),
        (
            topic,
            vec![operation("retention.ms", Set, None)],
            "INVALID_REQUEST | Null value not supported for : retention.ms",
        ),
        (
            Resource::topic("zz"),
            set("retention.ms", "5"),
            "UNKNOWN_TOPIC_OR_PARTITION | The topic 'zz' does not exist.",
        ),
        (
            Resource::topic("zz"),
            set("nope", "5"),
            "INVALID_CONFIG | Unknown topic config name: nope",
        ),
        (
            Resource::topic(""),
            set("retention.ms", "5"),
            "INVALID_REQUEST | Default topic resources are not allowed.",
        ),
    ];
    for (resource, operations, expected) in cases {
        assert_eq!(alter(&mut image, &resource, operations), expected);
    }
    let broker = Resource::broker(NodeId(1));
    for (resource, key, value) in [
        (&broker, "process.roles", "broker"),
        (&broker, "log.cleaner.threads", "x"),
        (&Resource::cluster_default(), "listeners", "PLAINTEXT://:1"),
    ] {
        let outcome = alter(&mut image, resource, set(key, value));
        assert!(
            outcome.starts_with("INVALID_REQUEST | "),
            "{key}: {outcome}"
        );
    }
    let outcome = alter(
        &mut image,
        &Resource::broker(NodeId(9)),
        set("log.cleaner.threads", "1"),
    );
    assert_eq!(
        outcome,
        "BROKER_ID_NOT_REGISTERED | No broker with id 9 found."
    );
    let group = Resource {
        kind: ResourceKind::Group,
        name: "g".into(),
    };
    assert_eq!(
        alter(&mut image, &group, set("nope", "x")),
        "INVALID_CONFIG | Unknown group config name: nope"
    );
    assert_eq!(
        alter(
            &mut image,
            &group,
            set("consumer.session.timeout.ms", "46000")
        ),
        "OK"
    );
    assert_eq!(
        image.configured(ResourceKind::Group).collect::<Vec<_>>(),
        ["g"]
    );
}

/// The older form of the request replaces everything; the settings of a deleted topic go with it.
#[test]
fn the_older_form_replaces_everything() {
    let mut image = with_topic();
    let topic = Resource::topic("t");
    let both = vec![
        operation("retention.ms", OperationKind::Set, Some("5")),
        operation("segment.ms", OperationKind::Set, Some("6")),
    ];
    assert_eq!(alter(&mut image, &topic, both), "OK");
    let new = [("retention.ms".to_owned(), Some("7".to_owned()))];
    let config = BrokerConfig::load(&Inputs::default()).unwrap();
    let standing = Standing {
        image: &image,
        config: &config,
    };
    let replace = ReplaceResource {
        resource: topic.clone(),
        configs: new.to_vec(),
    };
    let outcomes = replace_configs(standing, &[replace]);
    let changes = outcomes[0].1.clone().unwrap();
    image.apply_all(&changes).unwrap();
    let left: Vec<_> = image.configs(&topic).iter().collect();
    assert_eq!(left, [(&"retention.ms".to_owned(), &"7".to_owned())]);
    let id = image.topic("t").unwrap().id;
    image.apply(&crate::Change::RemoveTopic { id }).unwrap();
    assert!(image.configs(&topic).is_empty());
}

/// What single keys cannot know: other keys, the brokers' bounds, the texts of patterns. Codes and
/// texts are those that Apache Kafka 4.3.1 answered.
#[test]
fn settings_are_checked_together() {
    use OperationKind::{Delete, Set};
    let mut image = with_topic();
    let of = |kind, name: &str| Resource {
        kind,
        name: name.into(),
    };
    let group = of(ResourceKind::Group, "g");
    let metrics = of(ResourceKind::ClientMetrics, "m");
    let set = |pairs: &[(&str, &str)]| {
        let operations = pairs
            .iter()
            .map(|(key, value)| operation(key, Set, Some(value)));
        operations.collect::<Vec<_>>()
    };
    let cases = [
        (
            &group,
            set(&[("consumer.session.timeout.ms", "10")]),
            "INVALID_CONFIG | consumer.session.timeout.ms must be greater than or equal to \
             group.consumer.min.session.timeout.ms, which is 45000",
        ),
        (
            &group,
            set(&[("share.record.lock.duration.ms", "70000")]),
            "INVALID_CONFIG | share.record.lock.duration.ms must be less than or equal to \
             group.share.max.record.lock.duration.ms, which is 60000",
        ),
        (
            &group,
            set(&[("streams.num.standby.replicas", "3")]),
            "INVALID_CONFIG | streams.num.standby.replicas must be less than or equal to \
             group.streams.max.standby.replicas, which is 2",
        ),
        (
            &metrics,
            set(&[("interval.ms", "10")]),
            "INVALID_REQUEST | Invalid value 10 for interval.ms, interval must be between 100 and \
             3600000 (1 hour)",
        ),
        (
            &metrics,
            set(&[("interval.ms", "x")]),
            "INVALID_CONFIG | Invalid value x for configuration interval.ms: Not a number of type \
             INT",
        ),
        (
            &metrics,
            set(&[("match", "foo=abc")]),
            "INVALID_CONFIG | Illegal client matching pattern: foo=abc",
        ),
        (
            &metrics,
            set(&[("match", "client_id=([")]),
            "INVALID_CONFIG | Illegal client matching pattern: client_id=([",
        ),
        (
            &metrics,
            set(&[("nope", "1")]),
            "INVALID_REQUEST | Unknown client metrics configuration: nope",
        ),
        (&metrics, set(&[("match", "client_id=a.*")]), "OK"),
    ];
    for (resource, operations, expected) in cases {
        assert_eq!(alter(&mut image, resource, operations), expected);
    }
    let topic = Resource::topic("t");
    let lags = set(&[
        ("min.compaction.lag.ms", "100"),
        ("max.compaction.lag.ms", "10"),
    ]);
    assert!(alter(&mut image, &topic, lags).starts_with("INVALID_CONFIG | min.compaction.lag.ms"));
    let remote = set(&[("remote.storage.enable", "true")]);
    assert!(alter(&mut image, &topic, remote).starts_with("INVALID_CONFIG | "));
    assert!(
        image.configs(&topic).is_empty(),
        "what is refused leaves nothing"
    );
    let cluster = Resource::cluster_default();
    let isr = set(&[("min.insync.replicas", "2")]);
    let refused = "INVALID_CONFIG | Broker-level min.insync.replicas cannot be altered while ELR is \
                   enabled.";
    assert_eq!(
        alter(&mut image, &Resource::broker(NodeId(1)), isr.clone()),
        refused
    );
    assert_eq!(alter(&mut image, &cluster, isr), "OK");
    let refused = "INVALID_CONFIG | Cluster-level min.insync.replicas cannot be removed while ELR \
                   is enabled.";
    let delete = vec![operation("min.insync.replicas", Delete, None)];
    assert_eq!(alter(&mut image, &cluster, delete), refused);
    let long = "z".repeat(40_000);
    let outcome = alter(
        &mut image,
        &topic,
        set(&[("leader.replication.throttled.replicas", &long)]),
    );
    assert!(
        outcome.starts_with("INVALID_CONFIG | The value of leader"),
        "{outcome}"
    );
}
