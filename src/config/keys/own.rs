//! The keys that are forebay's own. All of them are honoured; that is what they are for.
//!
//! Data only: what each row means is told in `key.rs`. Sizes have their limits in `limits.rs`.

use crate::key::{Importance, Key, Kind, Scope};
use crate::limits::{
    CHUNKS_BYTES_MAX, CHUNKS_BYTES_MIN, CONNECTION_INFLIGHT_BYTES_MAX, CORES_MAX, FRAMES_BYTES_MAX,
    FRAMES_BYTES_MIN, HEADER_TIMEOUT_MS_MAX, METRICS_SERIES_MAX,
};
use crate::rule::Rule;

/// The two answers to "when is a record acknowledged".
pub(crate) const DURABILITY: &[&str] = &["device", "memory"];

/// forebay's broker keys.
pub(crate) const BROKER_KEYS: &[Key] = &[
    Key::new("forebay.cores", Kind::Int, Some("0"))
        .rule(Rule::Between(0, CORES_MAX))
        .importance(Importance::High)
        .doc(
            "How many cores the node works with, one thread on each; 0 takes all that the \
             process may use.",
        ),
    Key::new("forebay.ack.durability", Kind::Text, Some("device"))
        .rule(Rule::OneOf(DURABILITY))
        .importance(Importance::High)
        .dynamic(Scope::Cluster)
        .doc(
            "When a record is acknowledged: `device` after it was flushed to the device, \
             `memory` as soon as it is in memory, as Kafka does, with \
             log.flush.interval.messages and log.flush.interval.ms in force. The topic key \
             of the same name overrides it.",
        ),
    Key::new("forebay.memory.frames.bytes", Kind::Long, Some("134217728"))
        .rule(Rule::Between(FRAMES_BYTES_MIN, FRAMES_BYTES_MAX))
        .doc(
            "How many bytes of memory each core has for requests and answers; beyond it \
             sockets are not read.",
        ),
    Key::new("forebay.memory.chunks.bytes", Kind::Long, Some("67108864"))
        .rule(Rule::Between(CHUNKS_BYTES_MIN, CHUNKS_BYTES_MAX))
        .doc(
            "How many bytes of memory each core has for the ends of its partitions' logs; \
             beyond it produce requests wait.",
        ),
    Key::new(
        "forebay.disk.soft.free.bytes",
        Kind::Long,
        Some("4294967296"),
    )
    .rule(Rule::AtLeast(0))
    .dynamic(Scope::Cluster)
    .doc(
        "With fewer free bytes on the disk of a log directory, or less than a twentieth of \
             it if that is fewer, the node warns, checks retention every ten seconds, and takes \
             room in small steps.",
    ),
    Key::new(
        "forebay.disk.hard.free.bytes",
        Kind::Long,
        Some("1073741824"),
    )
    .rule(Rule::AtLeast(0))
    .dynamic(Scope::Cluster)
    .doc(
        "With fewer free bytes on the disk of a log directory, or less than a fiftieth of it \
             if that is fewer, producers are refused with KAFKA_STORAGE_ERROR until there is \
             room again; consumers, deletions and committed offsets go on from what is left.",
    ),
    Key::new("forebay.scrub.enable", Kind::Boolean, Some("true"))
        .dynamic(Scope::Cluster)
        .doc(
            "Whether complete segments are read in the background, so that bits that flipped on \
             the device are found while another copy still exists. What is damaged is logged \
             with its file and offsets, counted in forebay_damages_found_total, and never \
             served, whether this is on or not.",
        ),
    Key::new("forebay.scrub.interval.ms", Kind::Long, Some("604800000"))
        .rule(Rule::AtLeast(1000))
        .dynamic(Scope::Cluster)
        .doc(
            "How many milliseconds lie between the beginnings of two scrubs of everything; the \
             next one begins later where one takes longer. After a start the first one begins \
             anywhere among the partitions.",
        ),
    Key::new(
        "forebay.scrub.bytes.per.second",
        Kind::Long,
        Some("16777216"),
    )
    .rule(Rule::AtLeast(65536))
    .dynamic(Scope::Cluster)
    .doc(
        "How many bytes per second the scrub reads at most, over all cores of the node. It reads \
             past the page cache, so it takes no memory from what consumers read.",
    ),
    Key::new(
        "forebay.request.header.timeout.ms",
        Kind::Int,
        Some("10000"),
    )
    .rule(Rule::Between(1, HEADER_TIMEOUT_MS_MAX))
    .doc(
        "How many milliseconds a client may take from the first byte of a request to \
             its last before the connection is closed.",
    ),
    Key::new(
        "forebay.connection.inflight.bytes.max",
        Kind::Long,
        Some("33554432"),
    )
    .rule(Rule::Between(1, CONNECTION_INFLIGHT_BYTES_MAX))
    .doc(
        "How many bytes of unanswered requests one connection may have before it is no \
             longer read; a single larger request still passes, alone.",
    ),
    Key::new(
        "forebay.legacy.protocol.enable",
        Kind::Boolean,
        Some("true"),
    )
    .doc(
        "Whether the API versions that Kafka 4 dropped (KIP-896) are still served to \
             old clients.",
    ),
    Key::new(
        "forebay.admin.listeners",
        Kind::List,
        Some("127.0.0.1:9644"),
    )
    .rule(Rule::Endpoints)
    .doc(
        "Where this node answers administrators over HTTP, as a list of host:port: metrics \
             for Prometheus, its health, and how groups get on. Whoever can connect may read \
             all of it, so it is this machine alone by default. Empty means nowhere.",
    ),
    Key::new("forebay.metrics.partitions.max", Kind::Int, Some("10000"))
        .rule(Rule::Between(0, METRICS_SERIES_MAX))
        .importance(Importance::Low)
        .dynamic(Scope::Cluster)
        .doc(
            "For how many partitions of this node its metrics show sizes and offsets; 0 for \
             none. Those beyond it are counted in forebay_series_omitted.",
        ),
    Key::new("forebay.metrics.groups.max", Kind::Int, Some("10000"))
        .rule(Rule::Between(0, METRICS_SERIES_MAX))
        .importance(Importance::Low)
        .dynamic(Scope::Cluster)
        .doc(
            "For how many committed offsets of groups the metrics of this node show the lag; 0 \
             for none. Those beyond it are counted in forebay_series_omitted.",
        ),
    Key::new("forebay.log.format", Kind::Text, Some("text"))
        .rule(Rule::OneOf(&["text", "json"]))
        .importance(Importance::Low)
        .doc("How this node writes its own log: `text` for people, `json` for collectors."),
];

/// forebay's topic keys.
pub(crate) const TOPIC_KEYS: &[Key] =
    &[
        Key::new("forebay.ack.durability", Kind::Text, Some("device"))
            .rule(Rule::OneOf(DURABILITY))
            .importance(Importance::High)
            .falls_back_to(&["forebay.ack.durability"])
            .doc(
                "When a record of this topic is acknowledged: `device` after it was flushed to \
             the device, `memory` as soon as it is in memory, with flush.messages and \
             flush.ms in force.",
            ),
    ];
