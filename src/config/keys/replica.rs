//! Replication between brokers.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Importance, Key, Kind, Reason, Scope};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new("num.replica.fetchers", Kind::Int, Some("1"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .because(Reason::OneThreadPerCore)
        .doc("How many threads fetch from each other broker."),
    Key::new("num.replica.alter.log.dirs.threads", Kind::Int, None)
        .importance(Importance::High)
        .because(Reason::OneThreadPerCore)
        .doc("How many threads move replicas between log directories."),
    Key::new("replica.fetch.backoff.ms", Kind::Int, Some("1000"))
        .rule(Rule::AtLeast(0))
        .doc("How many milliseconds replication rests after a failed fetch."),
    Key::new("replica.fetch.max.bytes", Kind::Int, Some("1048576"))
        .rule(Rule::AtLeast(0))
        .doc(
            "How many bytes one partition may fill of one replication fetch; a larger first \
             batch still comes whole.",
        ),
    Key::new("replica.fetch.min.bytes", Kind::Int, Some("1"))
        .importance(Importance::High)
        .doc("How many bytes a replication fetch waits for, up to its time limit."),
    Key::new(
        "replica.fetch.response.max.bytes",
        Kind::Int,
        Some("10485760"),
    )
    .rule(Rule::AtLeast(0))
    .doc("How many bytes one replication fetch may return over all its partitions."),
    Key::new("replica.fetch.wait.max.ms", Kind::Int, Some("500"))
        .importance(Importance::High)
        .doc(
            "How many milliseconds a replication fetch may wait for data; must stay below \
             replica.lag.time.max.ms.",
        ),
    Key::new(
        "replica.high.watermark.checkpoint.interval.ms",
        Kind::Long,
        Some("5000"),
    )
    .importance(Importance::High)
    .doc("How often, in milliseconds, high watermarks are written down."),
    Key::new("replica.lag.time.max.ms", Kind::Long, Some("30000"))
        .importance(Importance::High)
        .doc(
            "After how many milliseconds without having caught up a follower leaves the \
             in-sync replicas.",
        ),
    Key::new("replica.selector.class", Kind::Text, None)
        .because(Reason::NoJvm)
        .doc("A Java class that picks the replica a consumer reads from."),
    Key::new(
        "replica.socket.receive.buffer.bytes",
        Kind::Int,
        Some("65536"),
    )
    .importance(Importance::High)
    .doc("The kernel's receive buffer of replication sockets, in bytes."),
    Key::new("replica.socket.timeout.ms", Kind::Int, Some("30000"))
        .importance(Importance::High)
        .doc("How many milliseconds a replication request may take on the network."),
    Key::new(
        "follower.fetch.last.tiered.offset.enable",
        Kind::Boolean,
        Some("false"),
    )
    .dynamic(Scope::Cluster)
    .doc(
        "Whether a new follower starts behind what remote storage already holds, \
             instead of copying the whole local log.",
    ),
    Key::new(
        "leader.replication.throttled.rate",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .rule(Rule::AtLeast(0))
    .dynamic(Scope::Cluster)
    .internal()
    .doc(
        "How many bytes per second this broker sends, as leader, for partitions whose \
             replication is throttled.",
    ),
    Key::new(
        "follower.replication.throttled.rate",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .rule(Rule::AtLeast(0))
    .dynamic(Scope::Cluster)
    .internal()
    .doc(
        "How many bytes per second this broker fetches, as follower, for partitions \
             whose replication is throttled.",
    ),
    Key::new(
        "replica.alter.log.dirs.io.max.bytes.per.second",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .rule(Rule::AtLeast(0))
    .dynamic(Scope::Cluster)
    .internal()
    .doc("How many bytes per second moves between this broker's log directories may write."),
];
