//! Bounds of what groups may set for themselves.

use std::collections::BTreeMap;

use super::loading::load;
use crate::{BrokerConfig, check_group, within_bounds};

const SESSION: &str = "consumer.session.timeout.ms";

fn check(config: &BrokerConfig, pairs: &[(&str, &str)]) -> Result<(), String> {
    let own: BTreeMap<String, String> = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    check_group(&config.settings, &own).map_err(|error| error.to_string())
}

/// A group that could heartbeat once a day, or a thousand times a second, would harm others. The
/// texts' beginnings are those of Apache Kafka 4.3.1.
#[test]
fn values_outside_the_bounds_are_refused() {
    let config = load("", &[], &[]).unwrap();
    for (key, low, high) in [
        (SESSION, "44999", "60001"),
        ("consumer.heartbeat.interval.ms", "4999", "15001"),
        ("share.session.timeout.ms", "44999", "60001"),
        ("share.record.lock.duration.ms", "14999", "60001"),
        ("share.delivery.count.limit", "1", "11"),
        ("share.partition.max.record.locks", "99", "4001"),
        ("streams.heartbeat.interval.ms", "4999", "15001"),
    ] {
        let (kind, rest) = key.split_once('.').unwrap();
        let refused = check(&config, &[(key, low)]).unwrap_err();
        let expected = format!("{key} must be greater than or equal to group.{kind}.min.{rest}");
        assert!(refused.starts_with(&expected), "{refused}");
        let refused = check(&config, &[(key, high)]).unwrap_err();
        let expected = format!("{key} must be less than or equal to group.{kind}.max.{rest}");
        assert!(refused.starts_with(&expected), "{refused}");
    }
    let refused = check(&config, &[("consumer.assignment.interval.ms", "15001")]).unwrap_err();
    assert!(refused.contains("group.consumer.max.assignment.interval.ms"));
    let refused = check(&config, &[("streams.num.standby.replicas", "3")]).unwrap_err();
    assert!(refused.contains("group.streams.max.standby.replicas"));
    assert_eq!(check(&config, &[(SESSION, "45000")]), Ok(()));
    assert_eq!(check(&config, &[(SESSION, "60000")]), Ok(()));
}

/// The operator may draw the bounds closer after a group was given its value; the group then gets
/// what is nearest, without anybody having to set it anew.
#[test]
fn stored_values_count_as_far_as_the_bounds_go() {
    let config = load("", &[], &[]).unwrap();
    let count = |key, value| within_bounds(&config.settings, key, value);
    assert_eq!(count(SESSION, 1), 45_000);
    assert_eq!(count(SESSION, 50_000), 50_000);
    assert_eq!(count(SESSION, i64::MAX), 60_000);
    assert_eq!(count("streams.num.standby.replicas", 9), 2);
    assert_eq!(count("share.isolation.level", 9), 9, "no bounds, no change");
    assert_eq!(count("no.such.key", 9), 9);
}

/// Bounds that contradict each other, or the node's own values, would refuse every group; Kafka
/// does not start with them either.
#[test]
fn a_nodes_own_values_keep_to_its_bounds() {
    let refused = |settings: &[&str]| load("", &[], settings).unwrap_err();
    for (setting, expected) in [
        (
            "group.consumer.session.timeout.ms=44999",
            "group.consumer.session.timeout.ms must be greater than or equal to \
             group.consumer.min.session.timeout.ms, which is 45000",
        ),
        (
            "group.share.heartbeat.interval.ms=15001",
            "group.share.heartbeat.interval.ms must be less than or equal to \
             group.share.max.heartbeat.interval.ms, which is 15000",
        ),
        (
            "group.streams.num.standby.replicas=3",
            "group.streams.num.standby.replicas must be less than or equal to \
             group.streams.max.standby.replicas, which is 2",
        ),
        (
            "group.max.session.timeout.ms=5999",
            "group.max.session.timeout.ms must be greater than or equal to \
             group.min.session.timeout.ms, which is 6000",
        ),
    ] {
        assert_eq!(refused(&[setting]), expected);
    }
    let crossed = refused(&["group.consumer.max.session.timeout.ms=44000"]);
    assert!(
        crossed.contains(
            "group.consumer.max.session.timeout.ms must be greater than or equal to \
             group.consumer.min.session.timeout.ms"
        ),
        "{crossed}"
    );
    let slow = refused(&[
        "group.consumer.min.session.timeout.ms=1",
        "group.consumer.session.timeout.ms=5000",
    ]);
    let expected = "group.consumer.heartbeat.interval.ms: 5000 must be less than \
                    group.consumer.session.timeout.ms, which is 5000";
    assert!(slow.contains(expected), "{slow}");
}
