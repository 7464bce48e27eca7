//! Directories, segments, retention, compaction and the defaults that topics inherit.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Importance, Key, Kind, Reason, Scope};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new("log.dirs", Kind::List, None)
        .rule(Rule::Distinct)
        .importance(Importance::High)
        .doc(
            "The directories that hold the partitions, separated by commas. Left unset, \
             log.dir counts.",
        ),
    Key::new("log.dir", Kind::List, Some("./forebay-data"))
        .rule(Rule::Distinct)
        .importance(Importance::High)
        .unlike_kafka(
            Some("/tmp/kafka-logs"),
            "data does not belong into a directory that reboots empty",
        )
        .doc("The directory that holds the partitions when log.dirs is not set."),
    Key::new("log.dir.failure.timeout.ms", Kind::Long, Some("30000"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::Low)
        .doc(
            "How many milliseconds a broker tries to report a failed log directory to the \
             controller before it stops.",
        ),
    Key::new("cordoned.log.dirs", Kind::List, Some(""))
        .rule(Rule::Distinct)
        .dynamic(Scope::Broker)
        .doc("Log directories that receive no new partitions; `*` names all of them."),
    Key::new("num.partitions", Kind::Int, Some("1"))
        .rule(Rule::AtLeast(1))
        .doc("How many partitions a topic gets that is created without a number."),
    Key::new("default.replication.factor", Kind::Int, Some("1"))
        .doc("How many replicas a topic gets that is created without a number."),
    Key::new("min.insync.replicas", Kind::Int, Some("1"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .doc(
            "How many replicas must have a record before a produce request with acks=all is \
             acknowledged; the topic key of the same name overrides it.",
        ),
    Key::new("auto.create.topics.enable", Kind::Boolean, Some("true"))
        .importance(Importance::High)
        .doc("Whether a topic comes into being when a client asks for one that does not exist."),
    Key::new("delete.topic.enable", Kind::Boolean, Some("true"))
        .importance(Importance::High)
        .doc("Whether topics may be deleted."),
    Key::new("compression.type", Kind::Text, Some("producer"))
        .rule(Rule::OneOf(&[
            "uncompressed",
            "zstd",
            "lz4",
            "snappy",
            "gzip",
            "producer",
        ]))
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .doc(
            "The codec that batches are stored with; `producer` keeps what the producer \
             chose. The topic key of the same name overrides it.",
        ),
    Key::new("compression.gzip.level", Kind::Int, Some("-1"))
        .rule(Rule::BetweenOr(1, 9, -1))
        .dynamic(Scope::Cluster)
        .doc(
            "The effort of gzip where this node compresses, 1 to 9; -1 is the codec's own \
             choice.",
        ),
    Key::new("compression.lz4.level", Kind::Int, Some("9"))
        .rule(Rule::Between(1, 17))
        .dynamic(Scope::Cluster)
        .doc("The effort of lz4 where this node compresses, 1 to 17."),
    Key::new("compression.zstd.level", Kind::Int, Some("3"))
        .rule(Rule::Between(-131_072, 22))
        .dynamic(Scope::Cluster)
        .doc("The effort of zstd where this node compresses, -131072 to 22."),
    Key::new("message.max.bytes", Kind::Int, Some("1048588"))
        .rule(Rule::AtLeast(0))
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .doc(
            "The largest record batch, in bytes, that topics accept by default; the topic \
             key max.message.bytes overrides it.",
        ),
    Key::new(
        "max.decompressed.message.bytes",
        Kind::Int,
        Some("2147483639"),
    )
    .rule(Rule::Between(1, 2_147_483_639))
    .dynamic(Scope::Cluster)
    .doc(
        "The largest size, in bytes, to which one record batch may unpack; larger ones \
             are refused.",
    ),
    Key::new("log.segment.bytes", Kind::Int, Some("1073741824"))
        .rule(Rule::AtLeast(1_048_576))
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .doc("The size in bytes at which a partition begins another segment file."),
    Key::new("log.segment.delete.delay.ms", Kind::Long, Some("60000"))
        .rule(Rule::AtLeast(0))
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .doc(
            "How many milliseconds a removed segment stays on disk under another name, so \
             that readers can finish.",
        ),
    Key::new("log.roll.ms", Kind::Long, None)
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .falls_back_to(&["log.roll.hours"])
        .doc(
            "The age in milliseconds at which a partition begins another segment file; \
             takes precedence over log.roll.hours.",
        ),
    Key::new("log.roll.hours", Kind::Int, Some("168"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .doc(
            "The age in hours at which a partition begins another segment file, when \
             log.roll.ms is not set.",
        ),
    Key::new("log.roll.jitter.ms", Kind::Long, None)
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .falls_back_to(&["log.roll.jitter.hours"])
        .doc(
            "The largest random amount, in milliseconds, taken off the age at which a \
             segment is closed, so that not all close at once; takes precedence over \
             log.roll.jitter.hours.",
        ),
    Key::new("log.roll.jitter.hours", Kind::Int, Some("0"))
        .rule(Rule::AtLeast(0))
        .importance(Importance::High)
        .doc(
            "The largest random amount, in hours, taken off the age at which a segment is \
             closed, when log.roll.jitter.ms is not set.",
        ),
    Key::new("log.index.interval.bytes", Kind::Int, Some("4096"))
        .rule(Rule::AtLeast(0))
        .dynamic(Scope::Cluster)
        .doc("After how many bytes of log another entry is added to the offset index."),
    Key::new("log.index.size.max.bytes", Kind::Int, Some("10485760"))
        .rule(Rule::AtLeast(4))
        .dynamic(Scope::Cluster)
        .doc(
            "The size in bytes at which an offset index is full, so that another segment \
             begins.",
        ),
    Key::new("log.preallocate", Kind::Boolean, Some("false"))
        .dynamic(Scope::Cluster)
        .because(Reason::OwnMechanism)
        .doc("Whether segment files are given their size ahead of use. forebay always does so."),
    Key::new("log.initial.task.delay.ms", Kind::Long, Some("30000"))
        .rule(Rule::AtLeast(0))
        .importance(Importance::Low)
        .internal()
        .doc("How many milliseconds after start-up the background work on logs begins."),
    Key::new("log.retention.ms", Kind::Long, None)
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .falls_back_to(&["log.retention.minutes", "log.retention.hours"])
        .doc(
            "How many milliseconds closed segments are kept; -1 keeps them for ever. Takes \
             precedence over minutes and hours.",
        ),
    Key::new("log.retention.minutes", Kind::Int, None)
        .importance(Importance::High)
        .falls_back_to(&["log.retention.hours"])
        .doc("How many minutes closed segments are kept, when log.retention.ms is not set."),
    Key::new("log.retention.hours", Kind::Int, Some("168"))
        .importance(Importance::High)
        .doc(
            "How many hours closed segments are kept, when neither log.retention.ms nor \
             log.retention.minutes is set.",
        ),
    Key::new("log.retention.bytes", Kind::Long, Some("-1"))
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .doc(
            "How many bytes of closed segments each partition keeps before the oldest go; \
             -1 sets no bound.",
        ),
    Key::new(
        "log.retention.check.interval.ms",
        Kind::Long,
        Some("300000"),
    )
    .rule(Rule::AtLeast(1))
    .doc(
        "How often, in milliseconds, partitions are checked for segments that are past \
             their retention.",
    ),
    Key::new("log.cleanup.policy", Kind::List, Some("delete"))
        .rule(Rule::Subset(&["compact", "delete"]))
        .dynamic(Scope::Cluster)
        .doc(
            "What happens to old data: `delete` drops old segments, `compact` keeps the \
             last record of each key; both may be given.",
        ),
    Key::new(
        "log.flush.interval.messages",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .rule(Rule::AtLeast(1))
    .importance(Importance::High)
    .dynamic(Scope::Cluster)
    .doc(
        "With acknowledgements from memory, after how many records a partition is \
             flushed to the device. With durable ones every record is flushed before it is \
             acknowledged.",
    ),
    Key::new("log.flush.interval.ms", Kind::Long, None)
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .falls_back_to(&["log.flush.scheduler.interval.ms"])
        .doc(
            "With acknowledgements from memory, after how many milliseconds a partition is \
             flushed to the device. Left unset, log.flush.scheduler.interval.ms counts.",
        ),
    Key::new(
        "log.flush.scheduler.interval.ms",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .importance(Importance::High)
    .doc(
        "How often, in milliseconds, partitions are looked at for records that are due \
             to be flushed.",
    ),
    Key::new(
        "log.flush.offset.checkpoint.interval.ms",
        Kind::Int,
        Some("60000"),
    )
    .rule(Rule::AtLeast(0))
    .importance(Importance::High)
    .doc(
        "How often, in milliseconds, the point up to which each log is known to be \
             flushed is written down; recovery starts there.",
    ),
    Key::new(
        "log.flush.start.offset.checkpoint.interval.ms",
        Kind::Int,
        Some("60000"),
    )
    .rule(Rule::AtLeast(0))
    .importance(Importance::High)
    .doc("How often, in milliseconds, the first valid offset of each log is written down."),
    Key::new("log.message.timestamp.type", Kind::Text, Some("CreateTime"))
        .rule(Rule::OneOf(&["CreateTime", "LogAppendTime"]))
        .dynamic(Scope::Cluster)
        .doc(
            "Whether a record carries the producer's time (CreateTime) or that of its \
             arrival (LogAppendTime).",
        ),
    Key::new(
        "log.message.timestamp.before.max.ms",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .rule(Rule::AtLeast(0))
    .dynamic(Scope::Cluster)
    .doc("How many milliseconds a producer's timestamp may lie before the node's clock."),
    Key::new(
        "log.message.timestamp.after.max.ms",
        Kind::Long,
        Some("3600000"),
    )
    .rule(Rule::AtLeast(0))
    .dynamic(Scope::Cluster)
    .doc("How many milliseconds a producer's timestamp may lie ahead of the node's clock."),
    Key::new("log.cleaner.enable", Kind::Boolean, Some("true"))
        .doc("Whether compaction runs at all."),
    Key::new("log.cleaner.threads", Kind::Int, Some("1"))
        .rule(Rule::AtLeast(0))
        .dynamic(Scope::Cluster)
        .doc("How many threads compact logs."),
    Key::new("log.cleaner.backoff.ms", Kind::Long, Some("15000"))
        .rule(Rule::AtLeast(0))
        .dynamic(Scope::Cluster)
        .doc("How many milliseconds compaction rests when no log needs it."),
    Key::new(
        "log.cleaner.dedupe.buffer.size",
        Kind::Long,
        Some("134217728"),
    )
    .dynamic(Scope::Cluster)
    .doc("How many bytes of memory compaction may use for remembering keys."),
    Key::new("log.cleaner.io.buffer.size", Kind::Int, Some("524288"))
        .rule(Rule::AtLeast(0))
        .dynamic(Scope::Cluster)
        .doc("How many bytes of memory compaction may use for reading and writing."),
    Key::new(
        "log.cleaner.io.buffer.load.factor",
        Kind::Double,
        Some("0.9"),
    )
    .dynamic(Scope::Cluster)
    .doc("How full, from 0 to 1, the memory for keys may become in one pass of compaction."),
    Key::new(
        "log.cleaner.io.max.bytes.per.second",
        Kind::Double,
        Some("1.7976931348623157E308"),
    )
    .dynamic(Scope::Cluster)
    .doc("How many bytes per second compaction may read and write together."),
    Key::new(
        "log.cleaner.delete.retention.ms",
        Kind::Long,
        Some("86400000"),
    )
    .rule(Rule::AtLeast(0))
    .dynamic(Scope::Cluster)
    .doc(
        "How many milliseconds a tombstone stays in a compacted topic, so that slow \
             readers see the deletion.",
    ),
    Key::new("log.cleaner.min.compaction.lag.ms", Kind::Long, Some("0"))
        .rule(Rule::AtLeast(0))
        .dynamic(Scope::Cluster)
        .doc("How many milliseconds a record is at least kept uncompacted."),
    Key::new(
        "log.cleaner.max.compaction.lag.ms",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .rule(Rule::AtLeast(1))
    .dynamic(Scope::Cluster)
    .doc("After how many milliseconds a record has to be considered for compaction."),
    Key::new("log.cleaner.min.cleanable.ratio", Kind::Double, Some("0.5"))
        .rule(Rule::Fraction(0.0, 1.0))
        .dynamic(Scope::Cluster)
        .doc(
            "The part of a log, from 0 to 1, that must be uncompacted before compaction \
             bothers.",
        ),
    Key::new("num.recovery.threads.per.data.dir", Kind::Int, Some("2"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .because(Reason::OneThreadPerCore)
        .doc("How many threads recover the logs of one directory after a crash."),
    Key::new(
        "unclean.leader.election.enable",
        Kind::Boolean,
        Some("false"),
    )
    .importance(Importance::High)
    .dynamic(Scope::Cluster)
    .doc(
        "Whether a replica that lacks acknowledged records may lead when no other is \
             left; this loses those records.",
    ),
    Key::new(
        "unclean.leader.election.interval.ms",
        Kind::Long,
        Some("300000"),
    )
    .rule(Rule::AtLeast(1))
    .internal()
    .doc(
        "How often, in milliseconds, leaderless partitions are looked at for an unclean \
             election.",
    ),
    Key::new("log.local.retention.ms", Kind::Long, Some("-2"))
        .rule(Rule::AtLeast(-2))
        .dynamic(Scope::Cluster)
        .doc(
            "How many milliseconds segments stay on this node after they were copied to \
             remote storage; -2 means as long as log.retention.ms.",
        ),
    Key::new("log.local.retention.bytes", Kind::Long, Some("-2"))
        .rule(Rule::AtLeast(-2))
        .dynamic(Scope::Cluster)
        .doc(
            "How many bytes of segments stay on this node after they were copied to remote \
             storage; -2 means as many as log.retention.bytes.",
        ),
    Key::new("log.remote.copy.lag.ms", Kind::Long, Some("0"))
        .rule(Rule::AtLeast(-1))
        .dynamic(Scope::Cluster)
        .doc(
            "How many milliseconds a closed segment rests before it is copied to remote \
             storage; -1 waits until local retention demands it.",
        ),
    Key::new("log.remote.copy.lag.bytes", Kind::Long, Some("-1"))
        .rule(Rule::AtLeast(-1))
        .dynamic(Scope::Cluster)
        .doc(
            "How many bytes of log follow a closed segment before it is copied to remote \
             storage; -1 sets no such wait.",
        ),
];
