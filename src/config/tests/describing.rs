//! Descriptions against what Apache Kafka 4.3.1 answered for the same settings. Each row of the
//! golden files: name, type, value, source, ro or rw, sensitivity, synonyms; `\N` is null.

use std::collections::BTreeMap;

use super::loading::load;
use crate::{BrokerConfig, ConfigSource, Entry, Resource, describe};

/// The file that the observed broker was started with.
const FILE: &str = "process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:39492,CONTROLLER://127.0.0.1:39493
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:39493
log.dirs=/data
offsets.topic.replication.factor=1
log.retention.hours=100
log.roll.ms=7200000
message.max.bytes=2000000
";

/// Keys that came with Kafka 4.4 and that the observed 4.3 does not know yet.
const NEW_IN_4_4: &[&str] = &[
    "early.start.listeners",
    "errors.deadletterqueue.auto.create.topics.enable",
    "errors.deadletterqueue.copy.record.enable",
    "errors.deadletterqueue.group.enable",
    "errors.deadletterqueue.topic.name",
    "errors.deadletterqueue.topic.name.prefix",
    "group.streams.assignors",
    "group.streams.rack.aware.assignment.tags",
    "group.streams.topology.description.plugin.class",
    "log.remote.copy.lag.bytes",
    "log.remote.copy.lag.ms",
    "max.decompressed.message.bytes",
    "remote.copy.lag.bytes",
    "remote.copy.lag.ms",
    "sasl.oauthbearer.allow.unverified.audience",
    "sasl.oauthbearer.allow.unverified.issuer",
    "streams.assignor.name",
    "streams.rack.aware.assignment.tags",
];

/// Keys whose rows differ on purpose, because their default does.
const DIFFERENT: &[&str] = &[
    "broker.id",
    "group.initial.rebalance.delay.ms",
    "log.dir",
    "node.id",
    "process.roles",
];

fn source_name(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::DynamicTopic => "DYNAMIC_TOPIC_CONFIG",
        ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
        ConfigSource::Default => "DEFAULT_CONFIG",
        ConfigSource::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
        ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        ConfigSource::Group => "DYNAMIC_GROUP_CONFIG",
    }
}

fn row(entry: &Entry) -> String {
    let or_null = |value: &Option<String>| value.clone().unwrap_or_else(|| "\\N".to_owned());
    let synonyms: Vec<String> = entry
        .synonyms
        .iter()
        .map(|synonym| {
            let source = source_name(synonym.source);
            format!("{source}!{}={}", synonym.name, or_null(&synonym.value))
        })
        .collect();
    [
        entry.name.clone(),
        entry.kind.name().to_uppercase(),
        or_null(&entry.value),
        source_name(entry.source).to_owned(),
        if entry.read_only { "ro" } else { "rw" }.to_owned(),
        if entry.sensitive {
            "sensitive"
        } else {
            "plain"
        }
        .to_owned(),
        synonyms.join("|"),
    ]
    .join("\t")
}

/// Compares all keys that both know, and that no other key is missing on either side.
fn check(golden: &str, config: &BrokerConfig, resource: Resource<'_>, excepted: &[&str]) {
    let ours: BTreeMap<String, String> = describe(&config.settings, resource)
        .iter()
        .filter(|entry| entry.listed)
        .map(|entry| (entry.name.clone(), row(entry)))
        .collect();
    let mut theirs = BTreeMap::new();
    let mut problems = Vec::new();
    for line in golden.lines() {
        let name = line.split('\t').next().unwrap();
        theirs.insert(name, line);
        match ours.get(name) {
            None => problems.push(format!("missing: {name}")),
            Some(row) if row != line && !excepted.contains(&name) => {
                problems.push(format!("kafka: {line}\nours:  {row}"));
            }
            Some(row) if row == line && excepted.contains(&name) => {
                problems.push(format!("excepted for no reason: {name}"));
            }
            Some(_) => {}
        }
    }
    for name in ours.keys() {
        let is_own = name.starts_with("forebay.") && matches!(resource, Resource::Broker);
        let is_expected = is_own || NEW_IN_4_4.contains(&name.as_str());
        if !theirs.contains_key(name.as_str()) && !is_expected {
            problems.push(format!("unknown to kafka: {name}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// Tools compare brokers key by key; every row of ours must be the one Kafka gives.
#[test]
fn a_broker_is_described_as_kafka_describes_it() {
    let config = load(FILE, &[], &[]).unwrap();
    let config = config
        .with_dynamic(&map(&[("min.insync.replicas", "1")]), &map(&[]))
        .unwrap();
    check(
        include_str!("broker_plain.tsv"),
        &config,
        Resource::Broker,
        DIFFERENT,
    );
}

/// A topic's inherited values name the broker keys they come from.
#[test]
fn a_topic_is_described_as_kafka_describes_it() {
    let config = load(FILE, &[], &[]).unwrap();
    let config = config
        .with_dynamic(&map(&[("min.insync.replicas", "1")]), &map(&[]))
        .unwrap();
    let none = map(&[]);
    // log.retention.hours is set in the file: Kafka calls the result a default, we do not.
    check(
        include_str!("topic_plain.tsv"),
        &config,
        Resource::Topic(&none),
        &["retention.ms"],
    );
    let entries = describe(&config.settings, Resource::Topic(&none));
    let retention = entries
        .iter()
        .find(|entry| entry.name == "retention.ms")
        .unwrap();
    assert_eq!(
        row(retention),
        "retention.ms\tLONG\t360000000\tSTATIC_BROKER_CONFIG\trw\tplain\t\
         STATIC_BROKER_CONFIG!log.retention.hours=100|DEFAULT_CONFIG!log.retention.hours=168"
    );
}

/// Settings of all layers at once: cluster, broker, topic, and an internal key that was set.
#[test]
fn a_topic_with_settings_in_every_layer_is_described_as_kafka_describes_it() {
    let cluster = [
        ("min.insync.replicas", "1"),
        ("log.retention.ms", "7777777"),
        ("log.cleaner.threads", "2"),
        ("max.connections", "999"),
    ];
    let own = [
        ("compression.type", "zstd"),
        ("listener.name.plaintext.max.connections", "77"),
        ("sasl.jaas.config", "hunter2"),
    ];
    let config = load(FILE, &[], &[]).unwrap();
    let config = config.with_dynamic(&map(&cluster), &map(&own)).unwrap();
    let topic = [
        ("cleanup.policy", "delete, compact"),
        ("compression.gzip.level", "-1"),
        ("internal.segment.bytes", "100"),
        ("leader.replication.throttled.replicas", ""),
        ("local.retention.bytes", "10"),
        ("local.retention.ms", "9999999999"),
        ("max.message.bytes", "+5"),
        ("min.cleanable.dirty.ratio", "0.5f"),
        ("min.insync.replicas", "5"),
        ("preallocate", "TRUE"),
        ("remote.log.copy.disable", "true"),
        ("retention.bytes", "-5"),
        ("retention.ms", " 12 "),
    ];
    check(
        include_str!("topic_altered.tsv"),
        &config,
        Resource::Topic(&map(&topic)),
        &[],
    );
    check(
        include_str!("default_broker_altered.tsv"),
        &config,
        Resource::ClusterDefaults,
        &[],
    );
    let described = describe(&config.settings, Resource::Broker);
    for line in include_str!("broker_altered.tsv").lines() {
        let name = line.split('\t').next().unwrap();
        let entry = described.iter().find(|entry| entry.name == name).unwrap();
        assert_eq!(row(entry), line);
    }
    assert!(
        !format!("{described:?}").contains("hunter2"),
        "a secret is never shown"
    );
}

/// Groups and subscriptions to client metrics are described too (KIP-848, KIP-714).
#[test]
fn groups_and_client_metrics_are_described_as_kafka_describes_them() {
    let config = load(FILE, &[], &[]).unwrap();
    let none = map(&[]);
    check(
        include_str!("group_plain.tsv"),
        &config,
        Resource::Group(&none),
        &[],
    );
    let set = map(&[("consumer.session.timeout.ms", "50000")]);
    check(
        include_str!("group_altered.tsv"),
        &config,
        Resource::Group(&set),
        &[],
    );
    check(
        include_str!("metrics_plain.tsv"),
        &config,
        Resource::ClientMetrics(&none),
        &[],
    );
    let set = map(&[("interval.ms", "5000")]);
    check(
        include_str!("metrics_altered.tsv"),
        &config,
        Resource::ClientMetrics(&set),
        &[],
    );
}

/// On a node without configuration the description must tell what really counts.
#[test]
fn a_lone_node_reports_one_replica_of_internal_topics() {
    let value = |config: &BrokerConfig| {
        config
            .settings
            .effective("offsets.topic.replication.factor")
            .unwrap()
    };
    let lone = load("", &[], &[]).unwrap();
    assert_eq!(value(&lone).value.as_deref(), Some("1"));
    assert_eq!(value(&lone).source, crate::Source::Default);
    let voters = "controller.quorum.voters=1@localhost:9093\n";
    let member = load(voters, &[], &[]).unwrap();
    assert_eq!(value(&member).value.as_deref(), Some("3"));
    let set = load("offsets.topic.replication.factor=2\n", &[], &[]).unwrap();
    assert_eq!(value(&set).value.as_deref(), Some("2"));
}

/// Programs that know Kafka's keys take everything listed for a topic for those, and mirror them to
/// clusters that would refuse ours.
#[test]
fn own_keys_of_a_topic_are_listed_where_they_are_set() {
    let config = load("", &[], &[]).unwrap();
    let own = |set: &BTreeMap<String, String>| {
        let entries = describe(&config.settings, Resource::Topic(set)).into_iter();
        let mut own = entries.filter(|entry| entry.name == "forebay.ack.durability");
        own.next().unwrap()
    };
    let unset = own(&map(&[]));
    assert!(!unset.listed);
    assert_eq!(unset.value.as_deref(), Some("device"), "told by name");
    assert!(own(&map(&[("forebay.ack.durability", "memory")])).listed);
    let broker = describe(&config.settings, Resource::Broker);
    assert!(broker.iter().all(|entry| entry.listed));
}
