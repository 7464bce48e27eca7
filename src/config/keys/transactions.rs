//! Producer ids, transactions and the state of share groups.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Importance, Key, Kind, Reason, Scope};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new("producer.id.expiration.ms", Kind::Int, Some("86400000"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::Low)
        .dynamic(Scope::Cluster)
        .doc(
            "After how many milliseconds without a write a partition forgets a producer's \
             sequence numbers, and with them the protection against its duplicates.",
        ),
    Key::new(
        "producer.id.expiration.check.interval.ms",
        Kind::Int,
        Some("600000"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .internal()
    .doc("How often, in milliseconds, partitions look for producers to forget."),
    Key::new("transaction.max.timeout.ms", Kind::Int, Some("900000"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .doc("The longest transaction timeout, in milliseconds, that a producer may ask for."),
    Key::new(
        "transactional.id.expiration.ms",
        Kind::Int,
        Some("604800000"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc("After how many milliseconds without use a transactional id is forgotten."),
    Key::new(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        Kind::Int,
        Some("10000"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .doc("How often, in milliseconds, transactions past their timeout are aborted."),
    Key::new(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        Kind::Int,
        Some("3600000"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .doc("How often, in milliseconds, unused transactional ids are looked for."),
    Key::new(
        "transaction.partition.verification.enable",
        Kind::Boolean,
        Some("true"),
    )
    .importance(Importance::Low)
    .dynamic(Scope::Cluster)
    .doc(
        "Whether a partition asks the transaction coordinator before it accepts the \
             first write of a transaction (KIP-890).",
    ),
    Key::new(
        "transaction.two.phase.commit.enable",
        Kind::Boolean,
        Some("false"),
    )
    .importance(Importance::Low)
    .doc(
        "Whether producers may take part in two-phase commits, whose transactions never \
             time out (KIP-939).",
    ),
    Key::new(
        "transaction.state.log.load.buffer.size",
        Kind::Int,
        Some("5242880"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc("How many bytes are read at once when the state of transactions is loaded."),
    Key::new("transaction.state.log.min.isr", Kind::Int, Some("2"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .doc(
            "How many replicas of the transaction log must have a record before it counts. \
             On a single node it is 1 unless it is set.",
        ),
    Key::new(
        "transaction.state.log.num.partitions",
        Kind::Int,
        Some("50"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc("How many partitions the transaction log has; fixed once the topic exists."),
    Key::new(
        "transaction.state.log.replication.factor",
        Kind::Short,
        Some("3"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc(
        "How many replicas the transaction log gets. On a single node it is 1 unless it \
             is set.",
    ),
    Key::new(
        "transaction.state.log.segment.bytes",
        Kind::Int,
        Some("104857600"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc("The segment size in bytes of the transaction log; small ones load faster."),
    Key::new(
        "add.partitions.to.txn.retry.backoff.ms",
        Kind::Int,
        Some("20"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc(
        "How many milliseconds a broker waits before it asks the transaction \
             coordinator again whether a partition takes part.",
    ),
    Key::new(
        "add.partitions.to.txn.retry.backoff.max.ms",
        Kind::Int,
        Some("100"),
    )
    .rule(Rule::AtLeast(0))
    .importance(Importance::High)
    .doc("The bound in milliseconds for asking the transaction coordinator again."),
    Key::new("share.coordinator.append.linger.ms", Kind::Int, Some("-1"))
        .rule(Rule::AtLeast(-1))
        .doc(
            "How many milliseconds the share coordinator gathers records before writing \
             them; -1 adapts to the load.",
        ),
    Key::new(
        "share.coordinator.cached.buffer.max.bytes",
        Kind::Int,
        Some("1048588"),
    )
    .rule(Rule::AtLeast(524_288))
    .dynamic(Scope::Cluster)
    .doc("The largest buffer, in bytes, that the share coordinator keeps for reuse."),
    Key::new(
        "share.coordinator.load.buffer.size",
        Kind::Int,
        Some("5242880"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc("How many bytes are read at once when the state of share groups is loaded."),
    Key::new(
        "share.coordinator.snapshot.update.records.per.snapshot",
        Kind::Int,
        Some("500"),
    )
    .rule(Rule::Between(0, 500))
    .doc(
        "How many updates of a share partition are written between two snapshots of its \
             state.",
    ),
    Key::new(
        "share.coordinator.cold.partition.snapshot.interval.ms",
        Kind::Int,
        Some("300000"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .internal()
    .doc("After how many milliseconds a share partition without updates gets a snapshot."),
    Key::new(
        "share.coordinator.state.topic.compression.codec",
        Kind::Int,
        Some("0"),
    )
    .importance(Importance::High)
    .doc(
        "The codec of the topic that holds the state of share groups, by number: 0 \
             none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.",
    ),
    Key::new(
        "share.coordinator.state.topic.min.isr",
        Kind::Short,
        Some("2"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc(
        "How many replicas of the share state topic must have a record before it \
             counts. On a single node it is 1 unless it is set.",
    ),
    Key::new(
        "share.coordinator.state.topic.num.partitions",
        Kind::Int,
        Some("50"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc("How many partitions the share state topic has; fixed once the topic exists."),
    Key::new(
        "share.coordinator.state.topic.prune.interval.ms",
        Kind::Int,
        Some("300000"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::Low)
    .internal()
    .doc(
        "How often, in milliseconds, the share state topic is freed of records that no \
             state needs.",
    ),
    Key::new(
        "share.coordinator.state.topic.replication.factor",
        Kind::Short,
        Some("3"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc(
        "How many replicas the share state topic gets. On a single node it is 1 unless \
             it is set.",
    ),
    Key::new(
        "share.coordinator.state.topic.segment.bytes",
        Kind::Int,
        Some("104857600"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc("The segment size in bytes of the share state topic."),
    Key::new("share.coordinator.threads", Kind::Int, Some("1"))
        .rule(Rule::AtLeast(1))
        .because(Reason::OneThreadPerCore)
        .doc("How many threads run share coordinators."),
    Key::new(
        "share.coordinator.write.timeout.ms",
        Kind::Int,
        Some("5000"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .doc("How many milliseconds a write of share state waits for the in-sync replicas."),
];
