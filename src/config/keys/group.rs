//! Keys that a group may set for itself.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Importance, Key, Kind, Reason};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new("consumer.assignment.interval.ms", Kind::Int, Some("1000"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["group.consumer.assignment.interval.ms"])
        .doc("The least time, in milliseconds, between two assignments of this consumer group."),
    Key::new(
        "consumer.assignor.offload.enable",
        Kind::Boolean,
        Some("true"),
    )
    .falls_back_to(&["group.consumer.assignor.offload.enable"])
    .internal()
    .because(Reason::OneThreadPerCore)
    .doc("Whether this consumer group's assignments are computed beside the coordinator."),
    Key::new("consumer.heartbeat.interval.ms", Kind::Int, Some("5000"))
        .rule(Rule::AtLeast(1))
        .falls_back_to(&["group.consumer.heartbeat.interval.ms"])
        .doc("How often, in milliseconds, members of this consumer group send heartbeats."),
    Key::new("consumer.session.timeout.ms", Kind::Int, Some("45000"))
        .rule(Rule::AtLeast(1))
        .falls_back_to(&["group.consumer.session.timeout.ms"])
        .doc(
            "After how many milliseconds without a heartbeat a member of this consumer \
             group is removed.",
        ),
    Key::new(
        "errors.deadletterqueue.copy.record.enable",
        Kind::Boolean,
        Some("false"),
    )
    .doc(
        "Whether an undeliverable record is copied whole, or only described, to the \
             dead letter topic.",
    ),
    Key::new("errors.deadletterqueue.topic.name", Kind::Text, Some("")).doc(
        "The topic that receives this share group's undeliverable records; empty means \
             none.",
    ),
    Key::new("share.assignment.interval.ms", Kind::Int, Some("1000"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["group.share.assignment.interval.ms"])
        .doc("The least time, in milliseconds, between two assignments of this share group."),
    Key::new("share.assignor.offload.enable", Kind::Boolean, Some("true"))
        .falls_back_to(&["group.share.assignor.offload.enable"])
        .internal()
        .doc("Whether this share group's assignments are computed beside the coordinator."),
    Key::new("share.auto.offset.reset", Kind::Text, Some("latest"))
        .rule(Rule::OffsetReset)
        .doc(
            "Where this share group starts on a partition that is new to it: `latest`, \
             `earliest`, or `by_duration:` with a span such as PT1H.",
        ),
    Key::new("share.delivery.count.limit", Kind::Int, Some("5"))
        .rule(Rule::AtLeast(2))
        .falls_back_to(&["group.share.delivery.count.limit"])
        .doc("How many times a record is delivered to this share group before it is given up."),
    Key::new("share.heartbeat.interval.ms", Kind::Int, Some("5000"))
        .rule(Rule::AtLeast(1))
        .falls_back_to(&["group.share.heartbeat.interval.ms"])
        .doc("How often, in milliseconds, members of this share group send heartbeats."),
    Key::new(
        "share.isolation.level",
        Kind::Text,
        Some("read_uncommitted"),
    )
    .rule(Rule::OneOf(&["read_committed", "read_uncommitted"]))
    .doc("Whether this share group sees records of transactions that are not committed."),
    Key::new("share.partition.max.record.locks", Kind::Int, Some("2000"))
        .rule(Rule::AtLeast(100))
        .falls_back_to(&["group.share.partition.max.record.locks"])
        .doc("How many records of one partition may be out for delivery to this share group."),
    Key::new("share.record.lock.duration.ms", Kind::Int, Some("30000"))
        .rule(Rule::AtLeast(1000))
        .falls_back_to(&["group.share.record.lock.duration.ms"])
        .doc(
            "How many milliseconds a member of this share group has for acknowledging a \
             record.",
        ),
    Key::new(
        "share.renew.acknowledge.enable",
        Kind::Boolean,
        Some("true"),
    )
    .doc("Whether members of this share group may ask for more time with a record."),
    Key::new("share.session.timeout.ms", Kind::Int, Some("45000"))
        .rule(Rule::AtLeast(1))
        .falls_back_to(&["group.share.session.timeout.ms"])
        .doc(
            "After how many milliseconds without a heartbeat a member of this share group \
             is removed.",
        ),
    Key::new("streams.acceptable.recovery.lag", Kind::Long, Some("10000"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["group.streams.acceptable.recovery.lag"])
        .internal()
        .doc(
            "How many records a task of this streams group may lag and still count as \
             caught up.",
        ),
    Key::new("streams.assignment.interval.ms", Kind::Int, Some("1000"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["group.streams.assignment.interval.ms"])
        .doc("The least time, in milliseconds, between two assignments of this streams group."),
    Key::new("streams.assignor.name", Kind::Text, None)
        .doc("The assignor of this streams group; unset means the broker's first one."),
    Key::new(
        "streams.assignor.offload.enable",
        Kind::Boolean,
        Some("true"),
    )
    .falls_back_to(&["group.streams.assignor.offload.enable"])
    .internal()
    .doc("Whether this streams group's assignments are computed beside the coordinator."),
    Key::new("streams.heartbeat.interval.ms", Kind::Int, Some("5000"))
        .rule(Rule::AtLeast(1))
        .falls_back_to(&["group.streams.heartbeat.interval.ms"])
        .doc("How often, in milliseconds, members of this streams group send heartbeats."),
    Key::new(
        "streams.initial.rebalance.delay.ms",
        Kind::Int,
        Some("3000"),
    )
    .rule(Rule::AtLeast(0))
    .falls_back_to(&["group.streams.initial.rebalance.delay.ms"])
    .doc(
        "How many milliseconds this streams group, when empty, waits for more members \
             before its first assignment.",
    ),
    Key::new("streams.num.standby.replicas", Kind::Int, Some("0"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["group.streams.num.standby.replicas"])
        .doc("How many standby replicas the tasks of this streams group get."),
    Key::new("streams.num.warmup.replicas", Kind::Int, Some("2"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["group.streams.num.warmup.replicas"])
        .internal()
        .doc("How many warm-up replicas this streams group may have at one time."),
    Key::new("streams.rack.aware.assignment.tags", Kind::List, Some(""))
        .rule(Rule::Distinct)
        .importance(Importance::Low)
        .falls_back_to(&["group.streams.rack.aware.assignment.tags"])
        .doc("The client tags over which standby replicas of this streams group are spread."),
    Key::new("streams.session.timeout.ms", Kind::Int, Some("45000"))
        .rule(Rule::AtLeast(1))
        .falls_back_to(&["group.streams.session.timeout.ms"])
        .doc(
            "After how many milliseconds without a heartbeat a member of this streams group \
             is removed.",
        ),
    Key::new("streams.task.offset.interval.ms", Kind::Int, Some("60000"))
        .rule(Rule::AtLeast(1))
        .falls_back_to(&["group.streams.task.offset.interval.ms"])
        .internal()
        .doc(
            "How often, in milliseconds, members of this streams group report how far their \
             tasks are.",
        ),
];
