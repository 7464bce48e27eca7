//! Connections, requests and what each of them may take.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Importance, Key, Kind, Reason, Scope};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new("socket.listen.backlog.size", Kind::Int, Some("50"))
        .rule(Rule::AtLeast(1))
        .doc("How many connections may wait in the kernel's queue for being accepted."),
    Key::new("socket.receive.buffer.bytes", Kind::Int, Some("102400"))
        .importance(Importance::High)
        .doc(
            "The kernel's receive buffer of each accepted socket, in bytes; -1 leaves it to \
             the operating system.",
        ),
    Key::new("socket.send.buffer.bytes", Kind::Int, Some("102400"))
        .importance(Importance::High)
        .doc(
            "The kernel's send buffer of each accepted socket, in bytes; -1 leaves it to \
             the operating system.",
        ),
    Key::new("socket.request.max.bytes", Kind::Int, Some("104857600"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .doc(
            "The largest request, in bytes, that a client may send; a larger one ends the \
             connection.",
        ),
    Key::new(
        "socket.connection.setup.timeout.ms",
        Kind::Long,
        Some("10000"),
    )
    .doc(
        "How many milliseconds an outgoing connection may take to be established at the \
             first try.",
    ),
    Key::new(
        "socket.connection.setup.timeout.max.ms",
        Kind::Long,
        Some("30000"),
    )
    .doc(
        "The bound in milliseconds to which the time for establishing an outgoing \
             connection grows after failures.",
    ),
    Key::new("connections.max.idle.ms", Kind::Long, Some("600000"))
        .doc("After how many milliseconds without a request a connection is closed."),
    Key::new("connections.max.reauth.ms", Kind::Long, Some("0")).doc(
        "How many milliseconds an authenticated SASL session may last before the client \
             has to authenticate again; 0 means for ever.",
    ),
    Key::new(
        "connection.failed.authentication.delay.ms",
        Kind::Int,
        Some("100"),
    )
    .rule(Rule::AtLeast(0))
    .importance(Importance::Low)
    .doc(
        "How many milliseconds the answer to a failed authentication is held back, to \
             slow down guessing.",
    ),
    Key::new("max.connections", Kind::Int, Some("2147483647"))
        .rule(Rule::AtLeast(0))
        .dynamic(Scope::Cluster)
        .doc(
            "How many connections this node accepts at one time; further ones wait or are \
             refused.",
        ),
    Key::new("max.connections.per.ip", Kind::Int, Some("2147483647"))
        .rule(Rule::AtLeast(0))
        .dynamic(Scope::Cluster)
        .doc("How many connections one client address may have open at one time."),
    Key::new("max.connections.per.ip.overrides", Kind::Text, Some(""))
        .dynamic(Scope::Cluster)
        .doc(
            "Other limits for single addresses, as host:count pairs that take precedence \
             over max.connections.per.ip.",
        ),
    Key::new(
        "max.connection.creation.rate",
        Kind::Int,
        Some("2147483647"),
    )
    .rule(Rule::AtLeast(0))
    .dynamic(Scope::Cluster)
    .doc("How many connections per second this node accepts."),
    Key::new("max.request.partition.size.limit", Kind::Int, Some("2000"))
        .rule(Rule::AtLeast(1))
        .doc("How many partitions one DescribeTopicPartitions answer may list."),
    Key::new("fetch.max.bytes", Kind::Int, Some("57671680"))
        .rule(Rule::AtLeast(1024))
        .doc(
            "How many bytes one fetch answer may hold, whatever the client asks for; a \
             first batch that is larger still comes whole.",
        ),
    Key::new(
        "max.incremental.fetch.session.cache.slots",
        Kind::Int,
        Some("1000"),
    )
    .rule(Rule::AtLeast(0))
    .doc(
        "How many incremental fetch sessions (KIP-227) are kept; beyond it, the least \
             used ones are evicted.",
    ),
    Key::new(
        "fetch.purgatory.purge.interval.requests",
        Kind::Int,
        Some("1000"),
    )
    .because(Reason::OwnMechanism)
    .doc("After how many waiting fetches finished ones are swept up."),
    Key::new(
        "producer.purgatory.purge.interval.requests",
        Kind::Int,
        Some("1000"),
    )
    .because(Reason::OwnMechanism)
    .doc("After how many waiting produce requests finished ones are swept up."),
    Key::new(
        "delete.records.purgatory.purge.interval.requests",
        Kind::Int,
        Some("1"),
    )
    .because(Reason::OwnMechanism)
    .doc("After how many waiting record deletions finished ones are swept up."),
    Key::new(
        "share.fetch.purgatory.purge.interval.requests",
        Kind::Int,
        Some("1000"),
    )
    .because(Reason::OwnMechanism)
    .doc("After how many waiting share fetches finished ones are swept up."),
    Key::new("num.network.threads", Kind::Int, Some("3"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .because(Reason::OneThreadPerCore)
        .doc("How many threads move bytes between sockets and the request queue."),
    Key::new("num.io.threads", Kind::Int, Some("8"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .because(Reason::OneThreadPerCore)
        .doc("How many threads work on requests."),
    Key::new("background.threads", Kind::Int, Some("10"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .because(Reason::OneThreadPerCore)
        .doc("How many threads do background work."),
    Key::new("queued.max.requests", Kind::Int, Some("500"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .because(Reason::OwnMechanism)
        .doc("How many requests may wait for a worker before sockets are no longer read."),
    Key::new("queued.max.request.bytes", Kind::Long, Some("-1"))
        .because(Reason::OwnMechanism)
        .doc(
            "How many bytes of requests may wait for a worker before sockets are no longer \
             read.",
        ),
    Key::new("request.timeout.ms", Kind::Int, Some("30000"))
        .importance(Importance::High)
        .doc("How many milliseconds this node waits for the answer to a request that it sent."),
    Key::new("quota.window.num", Kind::Int, Some("11"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::Low)
        .doc("Over how many samples client quotas are averaged."),
    Key::new("quota.window.size.seconds", Kind::Int, Some("1"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::Low)
        .doc("How many seconds one sample of a client quota spans."),
    Key::new("controller.quota.window.num", Kind::Int, Some("11"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::Low)
        .doc("Over how many samples the quota on topic mutations is averaged."),
    Key::new("controller.quota.window.size.seconds", Kind::Int, Some("1"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::Low)
        .doc("How many seconds one sample of the quota on topic mutations spans."),
    Key::new("replication.quota.window.num", Kind::Int, Some("11"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::Low)
        .doc("Over how many samples replication quotas are averaged."),
    Key::new(
        "replication.quota.window.size.seconds",
        Kind::Int,
        Some("1"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .doc("How many seconds one sample of a replication quota spans."),
    Key::new(
        "alter.log.dirs.replication.quota.window.num",
        Kind::Int,
        Some("11"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .doc("Over how many samples the quota on moves between log directories is averaged."),
    Key::new(
        "alter.log.dirs.replication.quota.window.size.seconds",
        Kind::Int,
        Some("1"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .doc("How many seconds one sample of the quota on moves between log directories spans."),
    Key::new("client.quota.callback.class", Kind::Class, None)
        .importance(Importance::Low)
        .because(Reason::NoJvm)
        .doc("A Java class that decides on client quotas."),
];
