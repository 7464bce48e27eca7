//! Settings of topics: what is accepted, what contradicts, what counts. `topic_values.tsv` holds
//! what Apache Kafka 4.3.1 accepted (`ok`) and refused (`ERR`), the value in brackets.

use std::collections::BTreeMap;

use super::loading::load;
use crate::{Durability, TopicConfig, validate_topic_override};

/// Values that Kafka takes and we do not, or the other way round, each with its reason.
const DIFFERENT: &[(&str, &str)] = &[
    // "Not a number" is no part of anything.
    ("min.cleanable.dirty.ratio", "NaN"),
    // Nobody writes a ratio in hexadecimal.
    ("min.cleanable.dirty.ratio", "0x1p-1"),
    // Retired keys that old tools still send are taken and ignored.
    ("message.format.version", "3.0"),
    ("message.downconversion.enable", "true"),
    // Kafka 4.4 has this key, the observed 4.3 does not.
    ("remote.copy.lag.ms", "999999999999"),
    // Refused only together with the rest of the topic, below.
    ("max.compaction.lag.ms", "500"),
    ("remote.storage.enable", "true"),
];

/// What an admin client may set on Kafka it may set here.
#[test]
fn values_are_accepted_and_refused_as_in_kafka() {
    for line in include_str!("topic_values.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [verdict, key, bracketed] = fields.as_slice() else {
            panic!("{line}")
        };
        let value = bracketed
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap();
        let ours = validate_topic_override(key, value).is_ok();
        let agrees = ours == (*verdict == "ok");
        assert_ne!(
            agrees,
            DIFFERENT.contains(&(*key, value)),
            "{line}: ours {ours}"
        );
    }
}

fn topic(pairs: &[(&str, &str)]) -> Result<TopicConfig, String> {
    let config = load(
        "log.retention.minutes=5\nforebay.ack.durability=memory\n",
        &[],
        &[],
    )?;
    let overrides: BTreeMap<String, String> = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    TopicConfig::new(&config.settings, &overrides).map_err(|error| error.to_string())
}

/// The broker's value counts in the topic's unit until the topic sets its own.
#[test]
fn a_topic_inherits_across_units_and_overrides() {
    let inherited = topic(&[]).unwrap();
    assert_eq!(inherited.retention_ms, Some(300_000));
    assert_eq!(inherited.segment_ms, 604_800_000);
    assert_eq!(inherited.flush_ms, u64::try_from(i64::MAX).unwrap());
    assert_eq!(inherited.durability, Durability::Memory);
    let own = [("retention.ms", "-1"), ("forebay.ack.durability", "device")];
    let own = topic(&own).unwrap();
    assert_eq!(own.retention_ms, None);
    assert_eq!(own.durability, Durability::Device);
}

/// Two settings that cannot both hold are refused together, with what to do.
#[test]
fn contradictions_are_refused() {
    let lags = [
        ("min.compaction.lag.ms", "1000"),
        ("max.compaction.lag.ms", "500"),
    ];
    let text = topic(&lags).unwrap_err();
    assert_eq!(
        text,
        "min.compaction.lag.ms: 1000 is more than max.compaction.lag.ms, 500; \
         lower the one or raise the other"
    );
    assert!(
        topic(&[("remote.storage.enable", "true")])
            .unwrap_err()
            .contains("no remote storage")
    );
    let text = topic(&[("retension.ms", "1")]).unwrap_err();
    assert!(text.contains("did you mean retention.ms?"), "{text}");
}
