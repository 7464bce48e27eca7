//! Tiered storage: segments that move to a remote store.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Importance, Key, Kind, Reason, Scope};
use crate::rule::Rule;

/// The class that Kafka has by default; reported so that tools see what they expect.
const KAFKA_REMOTE_METADATA_CLASS: &str =
    "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager";

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "remote.log.storage.system.enable",
        Kind::Boolean,
        Some("false"),
    )
    .doc("Whether this node can keep segments in remote storage at all."),
    Key::new("remote.log.storage.manager.class.name", Kind::Text, None)
        .rule(Rule::NonEmpty)
        .because(Reason::NoJvm)
        .doc("The Java class that copies segments to remote storage."),
    Key::new("remote.log.storage.manager.class.path", Kind::Text, None)
        .because(Reason::NoJvm)
        .doc("Where the Java class that copies segments to remote storage is loaded from."),
    Key::new(
        "remote.log.storage.manager.impl.prefix",
        Kind::Text,
        Some("rsm.config."),
    )
    .rule(Rule::NonEmpty)
    .because(Reason::NoJvm)
    .doc("What keys begin with that are handed to the remote storage class."),
    Key::new(
        "remote.log.metadata.manager.class.name",
        Kind::Text,
        Some(KAFKA_REMOTE_METADATA_CLASS),
    )
    .rule(Rule::NonEmpty)
    .because(Reason::NoJvm)
    .doc("The Java class that remembers which segments are in remote storage."),
    Key::new("remote.log.metadata.manager.class.path", Kind::Text, None)
        .because(Reason::NoJvm)
        .doc("Where the Java class that remembers remote segments is loaded from."),
    Key::new(
        "remote.log.metadata.manager.impl.prefix",
        Kind::Text,
        Some("rlmm.config."),
    )
    .rule(Rule::NonEmpty)
    .because(Reason::NoJvm)
    .doc(
        "What keys begin with that are handed to the class that remembers remote \
             segments.",
    ),
    Key::new(
        "remote.log.metadata.manager.listener.name",
        Kind::Text,
        None,
    )
    .rule(Rule::NonEmpty)
    .doc("The listener over which the memory of remote segments is read and written."),
    Key::new(
        "remote.log.metadata.custom.metadata.max.bytes",
        Kind::Int,
        Some("128"),
    )
    .rule(Rule::AtLeast(0))
    .importance(Importance::Low)
    .doc("How many bytes of its own a remote store may attach to each segment."),
    Key::new(
        "remote.log.index.file.cache.total.size.bytes",
        Kind::Long,
        Some("1073741824"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .dynamic(Scope::Cluster)
    .doc("How many bytes of index files of remote segments are kept on this node."),
    Key::new(
        "remote.log.index.file.cache.ttl.ms",
        Kind::Long,
        Some("900000"),
    )
    .rule(Rule::AtLeast(-1))
    .importance(Importance::Low)
    .internal()
    .doc(
        "How many milliseconds an unused index file of a remote segment is kept on this \
             node.",
    ),
    Key::new("remote.log.manager.thread.pool.size", Kind::Int, Some("2"))
        .rule(Rule::AtLeast(1))
        .because(Reason::OneThreadPerCore)
        .doc("How many threads schedule work on remote segments."),
    Key::new(
        "remote.log.manager.copier.thread.pool.size",
        Kind::Int,
        Some("10"),
    )
    .rule(Rule::AtLeast(1))
    .dynamic(Scope::Cluster)
    .because(Reason::OneThreadPerCore)
    .doc("How many threads copy segments to remote storage."),
    Key::new(
        "remote.log.manager.expiration.thread.pool.size",
        Kind::Int,
        Some("10"),
    )
    .rule(Rule::AtLeast(1))
    .dynamic(Scope::Cluster)
    .because(Reason::OneThreadPerCore)
    .doc("How many threads delete expired remote segments."),
    Key::new(
        "remote.log.manager.follower.thread.pool.size",
        Kind::Int,
        Some("2"),
    )
    .rule(Rule::AtLeast(1))
    .dynamic(Scope::Cluster)
    .because(Reason::OneThreadPerCore)
    .doc("How many threads follow the remote state of partitions led elsewhere."),
    Key::new("remote.log.reader.threads", Kind::Int, Some("10"))
        .rule(Rule::AtLeast(1))
        .dynamic(Scope::Cluster)
        .because(Reason::OneThreadPerCore)
        .doc("How many threads read from remote storage."),
    Key::new(
        "remote.log.reader.max.pending.tasks",
        Kind::Int,
        Some("100"),
    )
    .rule(Rule::AtLeast(1))
    .doc("How many reads from remote storage may wait; more are refused."),
    Key::new(
        "remote.log.manager.task.interval.ms",
        Kind::Long,
        Some("30000"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .doc("How often, in milliseconds, each partition's remote work is looked at."),
    Key::new(
        "remote.log.manager.task.retry.backoff.ms",
        Kind::Long,
        Some("500"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .internal()
    .doc("The first pause in milliseconds after failed work on remote storage."),
    Key::new(
        "remote.log.manager.task.retry.backoff.max.ms",
        Kind::Long,
        Some("30000"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .internal()
    .doc("The longest pause in milliseconds after failed work on remote storage."),
    Key::new(
        "remote.log.manager.task.retry.jitter",
        Kind::Double,
        Some("0.2"),
    )
    .rule(Rule::Fraction(0.0, 0.5))
    .importance(Importance::Low)
    .internal()
    .doc(
        "The random part, from 0 to 0.5, of the pause after failed work on remote \
             storage.",
    ),
    Key::new(
        "remote.log.manager.copy.max.bytes.per.second",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .rule(Rule::AtLeast(1))
    .dynamic(Scope::Cluster)
    .doc("How many bytes per second this node copies to remote storage."),
    Key::new(
        "remote.log.manager.copy.quota.window.num",
        Kind::Int,
        Some("11"),
    )
    .rule(Rule::AtLeast(1))
    .doc("Over how many samples the bound on copying to remote storage is averaged."),
    Key::new(
        "remote.log.manager.copy.quota.window.size.seconds",
        Kind::Int,
        Some("1"),
    )
    .rule(Rule::AtLeast(1))
    .doc("How many seconds one sample of the bound on copying spans."),
    Key::new(
        "remote.log.manager.fetch.max.bytes.per.second",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .rule(Rule::AtLeast(1))
    .dynamic(Scope::Cluster)
    .doc("How many bytes per second this node reads from remote storage."),
    Key::new(
        "remote.log.manager.fetch.quota.window.num",
        Kind::Int,
        Some("11"),
    )
    .rule(Rule::AtLeast(1))
    .doc("Over how many samples the bound on remote reads is averaged."),
    Key::new(
        "remote.log.manager.fetch.quota.window.size.seconds",
        Kind::Int,
        Some("1"),
    )
    .rule(Rule::AtLeast(1))
    .doc("How many seconds one sample of the bound on remote reads spans."),
    Key::new("remote.fetch.max.wait.ms", Kind::Int, Some("500"))
        .rule(Rule::AtLeast(1))
        .dynamic(Scope::Cluster)
        .doc("How many milliseconds a fetch waits for remote storage."),
    Key::new(
        "remote.list.offsets.request.timeout.ms",
        Kind::Long,
        Some("30000"),
    )
    .rule(Rule::AtLeast(1))
    .dynamic(Scope::Cluster)
    .doc("How many milliseconds a ListOffsets request waits for remote storage."),
];
