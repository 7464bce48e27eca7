//! Keys that a topic may set for itself.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Key, Kind, Reason};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new("cleanup.policy", Kind::List, Some("delete"))
        .rule(Rule::Subset(&["compact", "delete"]))
        .falls_back_to(&["log.cleanup.policy"])
        .doc(
            "What happens to this topic's old data: `delete` drops old segments, `compact` \
             keeps the last record of each key; both may be given.",
        ),
    Key::new("compression.type", Kind::Text, Some("producer"))
        .rule(Rule::OneOf(&[
            "uncompressed",
            "zstd",
            "lz4",
            "snappy",
            "gzip",
            "producer",
        ]))
        .falls_back_to(&["compression.type"])
        .doc(
            "The codec that this topic's batches are stored with; `producer` keeps what the \
             producer chose.",
        ),
    Key::new("compression.gzip.level", Kind::Int, Some("-1"))
        .rule(Rule::BetweenOr(1, 9, -1))
        .falls_back_to(&["compression.gzip.level"])
        .doc(
            "The effort of gzip when this topic is stored with it, 1 to 9; -1 is the \
             codec's own choice.",
        ),
    Key::new("compression.lz4.level", Kind::Int, Some("9"))
        .rule(Rule::Between(1, 17))
        .falls_back_to(&["compression.lz4.level"])
        .doc("The effort of lz4 when this topic is stored with it, 1 to 17."),
    Key::new("compression.zstd.level", Kind::Int, Some("3"))
        .rule(Rule::Between(-131_072, 22))
        .falls_back_to(&["compression.zstd.level"])
        .doc("The effort of zstd when this topic is stored with it, -131072 to 22."),
    Key::new("delete.retention.ms", Kind::Long, Some("86400000"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["log.cleaner.delete.retention.ms"])
        .doc("How many milliseconds a tombstone stays in this topic when it is compacted."),
    Key::new(
        "errors.deadletterqueue.group.enable",
        Kind::Boolean,
        Some("false"),
    )
    .doc("Whether share groups may use this topic as their dead letter queue."),
    Key::new("file.delete.delay.ms", Kind::Long, Some("60000"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["log.segment.delete.delay.ms"])
        .doc(
            "How many milliseconds a removed segment stays on disk under another name, so \
             that readers can finish.",
        ),
    Key::new("flush.messages", Kind::Long, Some("9223372036854775807"))
        .rule(Rule::AtLeast(1))
        .falls_back_to(&["log.flush.interval.messages"])
        .doc(
            "With acknowledgements from memory, after how many records a partition of this \
             topic is flushed to the device.",
        ),
    Key::new("flush.ms", Kind::Long, Some("9223372036854775807"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["log.flush.interval.ms"])
        .doc(
            "With acknowledgements from memory, after how many milliseconds a partition of \
             this topic is flushed to the device.",
        ),
    Key::new(
        "follower.replication.throttled.replicas",
        Kind::List,
        Some(""),
    )
    .rule(Rule::ThrottledReplicas)
    .doc(
        "The replicas whose fetching is throttled, as partition:broker pairs, or `*` \
             for all.",
    ),
    Key::new(
        "leader.replication.throttled.replicas",
        Kind::List,
        Some(""),
    )
    .rule(Rule::ThrottledReplicas)
    .doc(
        "The replicas whose sending is throttled, as partition:broker pairs, or `*` for \
             all.",
    ),
    Key::new("index.interval.bytes", Kind::Int, Some("4096"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["log.index.interval.bytes"])
        .doc("After how many bytes of log another entry is added to the offset index."),
    Key::new("internal.segment.bytes", Kind::Int, None)
        .internal()
        .doc("A test hook for segments below the ordinary lower bound, in bytes."),
    Key::new("local.retention.bytes", Kind::Long, Some("-2"))
        .rule(Rule::AtLeast(-2))
        .falls_back_to(&["log.local.retention.bytes"])
        .doc(
            "How many bytes of segments stay on a node after they were copied to remote \
             storage; -2 means as many as retention.bytes.",
        ),
    Key::new("local.retention.ms", Kind::Long, Some("-2"))
        .rule(Rule::AtLeast(-2))
        .falls_back_to(&["log.local.retention.ms"])
        .doc(
            "How many milliseconds segments stay on a node after they were copied to remote \
             storage; -2 means as long as retention.ms.",
        ),
    Key::new(
        "max.compaction.lag.ms",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .rule(Rule::AtLeast(1))
    .falls_back_to(&["log.cleaner.max.compaction.lag.ms"])
    .doc(
        "After how many milliseconds a record of this topic has to be considered for \
             compaction.",
    ),
    Key::new(
        "max.decompressed.message.bytes",
        Kind::Int,
        Some("2147483639"),
    )
    .rule(Rule::Between(1, 2_147_483_639))
    .falls_back_to(&["max.decompressed.message.bytes"])
    .doc("The largest size, in bytes, to which one batch of this topic may unpack."),
    Key::new("max.message.bytes", Kind::Int, Some("1048588"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["message.max.bytes"])
        .doc("The largest record batch, in bytes and as compressed, that this topic accepts."),
    Key::new(
        "message.timestamp.after.max.ms",
        Kind::Long,
        Some("3600000"),
    )
    .rule(Rule::AtLeast(0))
    .falls_back_to(&["log.message.timestamp.after.max.ms"])
    .doc(
        "How many milliseconds a producer's timestamp may lie ahead of the node's \
             clock; ignored with LogAppendTime.",
    ),
    Key::new(
        "message.timestamp.before.max.ms",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .rule(Rule::AtLeast(0))
    .falls_back_to(&["log.message.timestamp.before.max.ms"])
    .doc(
        "How many milliseconds a producer's timestamp may lie before the node's clock; \
             ignored with LogAppendTime.",
    ),
    Key::new("message.timestamp.type", Kind::Text, Some("CreateTime"))
        .rule(Rule::OneOf(&["CreateTime", "LogAppendTime"]))
        .falls_back_to(&["log.message.timestamp.type"])
        .doc(
            "Whether records carry the producer's time (CreateTime) or that of their \
             arrival (LogAppendTime).",
        ),
    Key::new("min.cleanable.dirty.ratio", Kind::Double, Some("0.5"))
        .rule(Rule::Fraction(0.0, 1.0))
        .falls_back_to(&["log.cleaner.min.cleanable.ratio"])
        .doc(
            "The part of a partition, from 0 to 1, that must be uncompacted before \
             compaction bothers.",
        ),
    Key::new("min.compaction.lag.ms", Kind::Long, Some("0"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["log.cleaner.min.compaction.lag.ms"])
        .doc("How many milliseconds a record of this topic is at least kept uncompacted."),
    Key::new("min.insync.replicas", Kind::Int, Some("1"))
        .rule(Rule::AtLeast(1))
        .falls_back_to(&["min.insync.replicas"])
        .doc(
            "How many replicas must have a record before a produce request with acks=all is \
             acknowledged.",
        ),
    Key::new("preallocate", Kind::Boolean, Some("false"))
        .falls_back_to(&["log.preallocate"])
        .because(Reason::OwnMechanism)
        .doc("Whether segment files are given their size ahead of use. forebay always does so."),
    Key::new("remote.copy.lag.bytes", Kind::Long, Some("-1"))
        .rule(Rule::AtLeast(-1))
        .falls_back_to(&["log.remote.copy.lag.bytes"])
        .doc(
            "How many bytes of log follow a closed segment before it is copied to remote \
             storage; -1 sets no such wait.",
        ),
    Key::new("remote.copy.lag.ms", Kind::Long, Some("0"))
        .rule(Rule::AtLeast(-1))
        .falls_back_to(&["log.remote.copy.lag.ms"])
        .doc(
            "How many milliseconds a closed segment rests before it is copied to remote \
             storage; -1 waits until local retention demands it.",
        ),
    Key::new("remote.log.copy.disable", Kind::Boolean, Some("false")).doc(
        "Whether this topic copies no further segments to remote storage and keeps \
             reading those that are there.",
    ),
    Key::new("remote.log.delete.on.disable", Kind::Boolean, Some("false")).doc(
        "Whether the remote segments of this topic are deleted when remote storage is \
             switched off for it.",
    ),
    Key::new("remote.storage.enable", Kind::Boolean, Some("false"))
        .doc("Whether this topic's segments are copied to remote storage."),
    Key::new("retention.bytes", Kind::Long, Some("-1"))
        .falls_back_to(&["log.retention.bytes"])
        .doc(
            "How many bytes of closed segments each partition of this topic keeps before \
             the oldest go; -1 sets no bound.",
        ),
    Key::new("retention.ms", Kind::Long, Some("604800000"))
        .rule(Rule::AtLeast(-1))
        .falls_back_to(&["log.retention.ms"])
        .doc(
            "How many milliseconds closed segments of this topic are kept; -1 keeps them \
             for ever.",
        ),
    Key::new("segment.bytes", Kind::Int, Some("1073741824"))
        .rule(Rule::AtLeast(1_048_576))
        .falls_back_to(&["log.segment.bytes"])
        .doc(
            "The size in bytes at which a partition of this topic begins another segment \
             file.",
        ),
    Key::new("segment.index.bytes", Kind::Int, Some("10485760"))
        .rule(Rule::AtLeast(4))
        .falls_back_to(&["log.index.size.max.bytes"])
        .doc(
            "The size in bytes at which an offset index is full, so that another segment \
             begins.",
        ),
    Key::new("segment.jitter.ms", Kind::Long, Some("0"))
        .rule(Rule::AtLeast(0))
        .falls_back_to(&["log.roll.jitter.ms"])
        .doc(
            "The largest random amount, in milliseconds, taken off segment.ms, so that not \
             all segments close at once.",
        ),
    Key::new("segment.ms", Kind::Long, Some("604800000"))
        .rule(Rule::AtLeast(1))
        .falls_back_to(&["log.roll.ms"])
        .doc(
            "The age in milliseconds at which a partition of this topic begins another \
             segment file.",
        ),
    Key::new(
        "unclean.leader.election.enable",
        Kind::Boolean,
        Some("false"),
    )
    .falls_back_to(&["unclean.leader.election.enable"])
    .doc(
        "Whether a replica that lacks acknowledged records may lead a partition of this \
             topic when no other is left; this loses those records.",
    ),
];
