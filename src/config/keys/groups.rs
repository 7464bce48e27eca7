//! Consumer, share and streams groups, their coordinators and committed offsets.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Importance, Key, Kind, Reason, Scope};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new("group.min.session.timeout.ms", Kind::Int, Some("6000")).doc(
        "The shortest session timeout, in milliseconds, that a member of a classic \
             group may ask for.",
    ),
    Key::new("group.max.session.timeout.ms", Kind::Int, Some("1800000")).doc(
        "The longest session timeout, in milliseconds, that a member of a classic group \
             may ask for.",
    ),
    Key::new("group.initial.rebalance.delay.ms", Kind::Int, Some("0"))
        .unlike_kafka(Some("3000"), "a first consumer should not wait")
        .doc(
            "How many milliseconds an empty classic group waits for more members before its \
             first assignment.",
        ),
    Key::new("group.max.size", Kind::Int, Some("2147483647"))
        .rule(Rule::AtLeast(1))
        .doc("How many members a classic group may have."),
    Key::new(
        "group.coordinator.rebalance.protocols",
        Kind::List,
        Some("classic,consumer,streams"),
    )
    .rule(Rule::Subset(&["consumer", "classic", "share", "streams"]))
    .doc(
        "Which group protocols are served: classic, consumer (KIP-848), share \
             (KIP-932), streams (KIP-1071).",
    ),
    Key::new("group.coordinator.threads", Kind::Int, Some("4"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .because(Reason::OneThreadPerCore)
        .doc("How many threads run group coordinators."),
    Key::new("group.coordinator.background.threads", Kind::Int, Some("2"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .because(Reason::OneThreadPerCore)
        .doc("How many threads compute assignments beside the group coordinators."),
    Key::new("group.coordinator.append.linger.ms", Kind::Int, Some("-1"))
        .rule(Rule::AtLeast(-1))
        .doc(
            "How many milliseconds group coordinators gather records before writing them; \
             -1 adapts to the load.",
        ),
    Key::new(
        "group.coordinator.cached.buffer.max.bytes",
        Kind::Int,
        Some("1048588"),
    )
    .rule(Rule::AtLeast(524_288))
    .dynamic(Scope::Cluster)
    .doc("The largest buffer, in bytes, that a group coordinator keeps for reuse."),
    Key::new(
        "group.consumer.assignors",
        Kind::List,
        Some("uniform,range"),
    )
    .rule(Rule::Distinct)
    .doc("The assignors offered to consumer groups; the first is the default."),
    Key::new(
        "group.consumer.migration.policy",
        Kind::Text,
        Some("bidirectional"),
    )
    .rule(Rule::OneOfAnyCase(&[
        "DISABLED",
        "DOWNGRADE",
        "UPGRADE",
        "BIDIRECTIONAL",
    ]))
    .doc(
        "Whether a group may change between the classic and the consumer protocol while \
             it has members, and in which direction.",
    ),
    Key::new(
        "group.consumer.regex.refresh.interval.ms",
        Kind::Int,
        Some("600000"),
    )
    .rule(Rule::AtLeast(10_000))
    .internal()
    .doc("How often, in milliseconds, subscriptions by pattern are resolved anew."),
    Key::new("group.consumer.max.size", Kind::Int, Some("2147483647"))
        .rule(Rule::AtLeast(1))
        .doc("How many members a consumer group may have."),
    Key::new("group.share.assignors", Kind::List, Some("simple"))
        .rule(Rule::Distinct)
        .doc("The assignors offered to share groups."),
    Key::new("group.share.max.size", Kind::Int, Some("200"))
        .rule(Rule::Between(1, 1000))
        .doc("How many members a share group may have."),
    Key::new("group.share.max.share.sessions", Kind::Int, Some("2000"))
        .rule(Rule::AtLeast(1))
        .doc("How many share sessions this broker keeps."),
    Key::new("group.share.delivery.count.limit", Kind::Int, Some("5"))
        .rule(Rule::Between(2, 10))
        .doc("How many times a record is delivered to a share group before it is given up."),
    Key::new("group.share.min.delivery.count.limit", Kind::Int, Some("2"))
        .rule(Rule::Between(2, 5))
        .doc("The lowest delivery count that a share group may set for itself."),
    Key::new(
        "group.share.max.delivery.count.limit",
        Kind::Int,
        Some("10"),
    )
    .rule(Rule::Between(5, 25))
    .doc("The highest delivery count that a share group may set for itself."),
    Key::new(
        "group.share.partition.max.record.locks",
        Kind::Int,
        Some("2000"),
    )
    .rule(Rule::Between(100, 10_000))
    .doc("How many records of one partition may be out for delivery to one share group."),
    Key::new(
        "group.share.min.partition.max.record.locks",
        Kind::Int,
        Some("100"),
    )
    .rule(Rule::Between(100, 2000))
    .doc(
        "The lowest number of records out for delivery that a share group may set for \
             itself.",
    ),
    Key::new(
        "group.share.max.partition.max.record.locks",
        Kind::Int,
        Some("4000"),
    )
    .rule(Rule::Between(2000, 10_000))
    .doc(
        "The highest number of records out for delivery that a share group may set for \
             itself.",
    ),
    Key::new(
        "group.share.record.lock.duration.ms",
        Kind::Int,
        Some("30000"),
    )
    .rule(Rule::Between(1000, 3_600_000))
    .doc("How many milliseconds a member of a share group has for acknowledging a record."),
    Key::new(
        "group.share.min.record.lock.duration.ms",
        Kind::Int,
        Some("15000"),
    )
    .rule(Rule::Between(1000, 30_000))
    .doc(
        "The shortest acknowledgement time, in milliseconds, that a share group may set \
             for itself.",
    ),
    Key::new(
        "group.share.max.record.lock.duration.ms",
        Kind::Int,
        Some("60000"),
    )
    .rule(Rule::Between(30_000, 3_600_000))
    .doc(
        "The longest acknowledgement time, in milliseconds, that a share group may set \
             for itself.",
    ),
    Key::new(
        "group.share.initialize.retry.interval.ms",
        Kind::Int,
        Some("30000"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .internal()
    .doc("After how many milliseconds the set-up of a share group's state is tried again."),
    Key::new(
        "group.share.persister.class.name",
        Kind::Text,
        Some("org.apache.kafka.server.share.persister.DefaultStatePersister"),
    )
    .internal()
    .because(Reason::NoJvm)
    .doc("The Java class that stores the state of share groups."),
    Key::new(
        "group.share.dlq.manager.class.name",
        Kind::Text,
        Some("org.apache.kafka.server.share.dlq.DefaultShareGroupDLQManager"),
    )
    .internal()
    .because(Reason::NoJvm)
    .doc("The Java class that writes undeliverable records to dead letter topics."),
    Key::new("group.streams.assignors", Kind::List, Some("sticky"))
        .rule(Rule::Distinct)
        .doc("The assignors offered to streams groups."),
    Key::new("group.streams.max.size", Kind::Int, Some("2147483647"))
        .rule(Rule::AtLeast(1))
        .doc("How many members a streams group may have."),
    Key::new("group.streams.max.standby.replicas", Kind::Int, Some("2"))
        .rule(Rule::AtLeast(0))
        .doc("The most standby replicas that a streams group may set for itself."),
    Key::new("group.streams.max.warmup.replicas", Kind::Int, Some("20"))
        .rule(Rule::AtLeast(0))
        .internal()
        .doc("The most warm-up replicas that a streams group may set for itself."),
    Key::new("group.streams.num.standby.replicas", Kind::Int, Some("0"))
        .rule(Rule::AtLeast(0))
        .doc("How many standby replicas the tasks of a streams group get."),
    Key::new("group.streams.num.warmup.replicas", Kind::Int, Some("2"))
        .rule(Rule::AtLeast(0))
        .internal()
        .doc("How many warm-up replicas a streams group may have at one time."),
    Key::new(
        "group.streams.acceptable.recovery.lag",
        Kind::Long,
        Some("10000"),
    )
    .rule(Rule::AtLeast(0))
    .internal()
    .doc("How many records a streams task may lag and still count as caught up."),
    Key::new(
        "group.streams.initial.rebalance.delay.ms",
        Kind::Int,
        Some("3000"),
    )
    .rule(Rule::AtLeast(0))
    .doc(
        "How many milliseconds an empty streams group waits for more members before its \
             first assignment.",
    ),
    Key::new(
        "group.streams.rack.aware.assignment.tags",
        Kind::List,
        Some(""),
    )
    .rule(Rule::Distinct)
    .importance(Importance::Low)
    .doc("The client tags over which standby replicas of a streams group are spread."),
    Key::new(
        "group.streams.task.offset.interval.ms",
        Kind::Int,
        Some("60000"),
    )
    .rule(Rule::AtLeast(1))
    .internal()
    .doc(
        "How often, in milliseconds, members of a streams group report how far their \
             tasks are.",
    ),
    Key::new(
        "group.streams.min.task.offset.interval.ms",
        Kind::Int,
        Some("15000"),
    )
    .rule(Rule::AtLeast(1))
    .internal()
    .doc(
        "The shortest report interval, in milliseconds, that a streams group may set \
             for itself.",
    ),
    Key::new(
        "group.streams.topology.description.plugin.class",
        Kind::Class,
        None,
    )
    .because(Reason::NoJvm)
    .doc("A Java class that receives descriptions of streams topologies."),
    Key::new("offset.metadata.max.bytes", Kind::Int, Some("4096"))
        .importance(Importance::High)
        .doc("How many bytes of free text may accompany a committed offset."),
    Key::new("offsets.commit.timeout.ms", Kind::Int, Some("5000"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .doc("How many milliseconds an offset commit waits for the in-sync replicas."),
    Key::new("offsets.load.buffer.size", Kind::Int, Some("5242880"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .doc("How many bytes are read at once when committed offsets are loaded."),
    Key::new(
        "offsets.retention.check.interval.ms",
        Kind::Long,
        Some("600000"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc("How often, in milliseconds, committed offsets are checked for expiry."),
    Key::new("offsets.retention.minutes", Kind::Int, Some("10080"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .doc("How many minutes the committed offsets of a group without members are kept."),
    Key::new("offsets.topic.compression.codec", Kind::Int, Some("0"))
        .importance(Importance::High)
        .doc(
            "The codec of the topic that holds committed offsets, by number: 0 none, 1 \
             gzip, 2 snappy, 3 lz4, 4 zstd.",
        ),
    Key::new("offsets.topic.num.partitions", Kind::Int, Some("50"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .doc(
            "How many partitions the topic of committed offsets has; fixed once the topic \
             exists.",
        ),
    Key::new("offsets.topic.replication.factor", Kind::Short, Some("3"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .doc(
            "How many replicas the topic of committed offsets gets. On a single node it is \
             1 unless it is set.",
        ),
    Key::new("offsets.topic.segment.bytes", Kind::Int, Some("104857600"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .doc(
            "The segment size in bytes of the topic of committed offsets; small ones load \
             faster.",
        ),
    Key::new(
        "errors.deadletterqueue.auto.create.topics.enable",
        Kind::Boolean,
        Some("false"),
    )
    .dynamic(Scope::Cluster)
    .doc("Whether dead letter topics of share groups come into being when first needed."),
    Key::new(
        "errors.deadletterqueue.topic.name.prefix",
        Kind::Text,
        Some("dlq."),
    )
    .dynamic(Scope::Cluster)
    .doc("What the name of every dead letter topic must begin with."),
    Key::new(
        "group.consumer.session.timeout.ms",
        Kind::Int,
        Some("45000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "After how many milliseconds without a heartbeat a member of a consumer group \
             is removed.",
    ),
    Key::new(
        "group.consumer.min.session.timeout.ms",
        Kind::Int,
        Some("45000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "The shortest session timeout, in milliseconds, that a consumer group may set \
             for itself.",
    ),
    Key::new(
        "group.consumer.max.session.timeout.ms",
        Kind::Int,
        Some("60000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "The longest session timeout, in milliseconds, that a consumer group may set \
             for itself.",
    ),
    Key::new(
        "group.consumer.heartbeat.interval.ms",
        Kind::Int,
        Some("5000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "How often, in milliseconds, members of a consumer group are told to send \
             heartbeats.",
    ),
    Key::new(
        "group.consumer.min.heartbeat.interval.ms",
        Kind::Int,
        Some("5000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "The shortest heartbeat interval, in milliseconds, that a consumer group may \
             set for itself.",
    ),
    Key::new(
        "group.consumer.max.heartbeat.interval.ms",
        Kind::Int,
        Some("15000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "The longest heartbeat interval, in milliseconds, that a consumer group may set \
             for itself.",
    ),
    Key::new(
        "group.consumer.assignment.interval.ms",
        Kind::Int,
        Some("1000"),
    )
    .rule(Rule::AtLeast(0))
    .dynamic(Scope::Cluster)
    .doc("The least time, in milliseconds, between two assignments of a consumer group."),
    Key::new(
        "group.consumer.min.assignment.interval.ms",
        Kind::Int,
        Some("0"),
    )
    .rule(Rule::AtLeast(0))
    .doc(
        "The shortest assignment interval, in milliseconds, that a consumer group may \
             set for itself.",
    ),
    Key::new(
        "group.consumer.max.assignment.interval.ms",
        Kind::Int,
        Some("15000"),
    )
    .rule(Rule::AtLeast(0))
    .doc(
        "The longest assignment interval, in milliseconds, that a consumer group may \
             set for itself.",
    ),
    Key::new(
        "group.consumer.assignor.offload.enable",
        Kind::Boolean,
        Some("true"),
    )
    .dynamic(Scope::Cluster)
    .internal()
    .because(Reason::OneThreadPerCore)
    .doc("Whether assignments of consumer groups are computed beside the coordinator."),
    Key::new("group.share.session.timeout.ms", Kind::Int, Some("45000"))
        .rule(Rule::AtLeast(1))
        .doc(
            "After how many milliseconds without a heartbeat a member of a share group is \
             removed.",
        ),
    Key::new(
        "group.share.min.session.timeout.ms",
        Kind::Int,
        Some("45000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "The shortest session timeout, in milliseconds, that a share group may set for \
             itself.",
    ),
    Key::new(
        "group.share.max.session.timeout.ms",
        Kind::Int,
        Some("60000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "The longest session timeout, in milliseconds, that a share group may set for \
             itself.",
    ),
    Key::new("group.share.heartbeat.interval.ms", Kind::Int, Some("5000"))
        .rule(Rule::AtLeast(1))
        .doc(
            "How often, in milliseconds, members of a share group are told to send \
             heartbeats.",
        ),
    Key::new(
        "group.share.min.heartbeat.interval.ms",
        Kind::Int,
        Some("5000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "The shortest heartbeat interval, in milliseconds, that a share group may set \
             for itself.",
    ),
    Key::new(
        "group.share.max.heartbeat.interval.ms",
        Kind::Int,
        Some("15000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "The longest heartbeat interval, in milliseconds, that a share group may set \
             for itself.",
    ),
    Key::new(
        "group.share.assignment.interval.ms",
        Kind::Int,
        Some("1000"),
    )
    .rule(Rule::AtLeast(0))
    .dynamic(Scope::Cluster)
    .doc("The least time, in milliseconds, between two assignments of a share group."),
    Key::new(
        "group.share.min.assignment.interval.ms",
        Kind::Int,
        Some("0"),
    )
    .rule(Rule::AtLeast(0))
    .doc(
        "The shortest assignment interval, in milliseconds, that a share group may set \
             for itself.",
    ),
    Key::new(
        "group.share.max.assignment.interval.ms",
        Kind::Int,
        Some("15000"),
    )
    .rule(Rule::AtLeast(0))
    .doc(
        "The longest assignment interval, in milliseconds, that a share group may set \
             for itself.",
    ),
    Key::new(
        "group.share.assignor.offload.enable",
        Kind::Boolean,
        Some("true"),
    )
    .dynamic(Scope::Cluster)
    .internal()
    .doc("Whether assignments of share groups are computed beside the coordinator."),
    Key::new("group.streams.session.timeout.ms", Kind::Int, Some("45000"))
        .rule(Rule::AtLeast(1))
        .doc(
            "After how many milliseconds without a heartbeat a member of a streams group is \
             removed.",
        ),
    Key::new(
        "group.streams.min.session.timeout.ms",
        Kind::Int,
        Some("45000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "The shortest session timeout, in milliseconds, that a streams group may set \
             for itself.",
    ),
    Key::new(
        "group.streams.max.session.timeout.ms",
        Kind::Int,
        Some("60000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "The longest session timeout, in milliseconds, that a streams group may set for \
             itself.",
    ),
    Key::new(
        "group.streams.heartbeat.interval.ms",
        Kind::Int,
        Some("5000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "How often, in milliseconds, members of a streams group are told to send \
             heartbeats.",
    ),
    Key::new(
        "group.streams.min.heartbeat.interval.ms",
        Kind::Int,
        Some("5000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "The shortest heartbeat interval, in milliseconds, that a streams group may set \
             for itself.",
    ),
    Key::new(
        "group.streams.max.heartbeat.interval.ms",
        Kind::Int,
        Some("15000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "The longest heartbeat interval, in milliseconds, that a streams group may set \
             for itself.",
    ),
    Key::new(
        "group.streams.assignment.interval.ms",
        Kind::Int,
        Some("1000"),
    )
    .rule(Rule::AtLeast(0))
    .dynamic(Scope::Cluster)
    .doc("The least time, in milliseconds, between two assignments of a streams group."),
    Key::new(
        "group.streams.min.assignment.interval.ms",
        Kind::Int,
        Some("0"),
    )
    .rule(Rule::AtLeast(0))
    .doc(
        "The shortest assignment interval, in milliseconds, that a streams group may \
             set for itself.",
    ),
    Key::new(
        "group.streams.max.assignment.interval.ms",
        Kind::Int,
        Some("15000"),
    )
    .rule(Rule::AtLeast(0))
    .doc(
        "The longest assignment interval, in milliseconds, that a streams group may set \
             for itself.",
    ),
    Key::new(
        "group.streams.assignor.offload.enable",
        Kind::Boolean,
        Some("true"),
    )
    .dynamic(Scope::Cluster)
    .internal()
    .doc("Whether assignments of streams groups are computed beside the coordinator."),
];
