//! What load to make, and against whom.

use std::time::Duration;

use batch::{Codec, Compression};
use clap::{Parser, ValueEnum};
use client::Acks;

use crate::groups::Scenario;

/// Open-loop load over the Kafka protocol, against any Kafka broker.
///
/// With --rate, each record has a moment at which it should leave, whatever became of those before
/// it; latency counts from that moment, so a broker that stalls cannot hide the records that would
/// have come meanwhile. Without --rate, as much is sent as the limits in flight allow, and latency
/// counts from the moment a batch was handed over.
///
/// With a command, groups or transactions are put to work instead of records, by the same options where they apply.
#[derive(Clone, Debug, Parser)]
#[command(name = "forebay-load", version, max_term_width = 100)]
pub(crate) struct Options {
    /// Brokers to begin with, as host:port with commas between them
    #[arg(long, short = 'b', default_value = "localhost:9092", global = true)]
    pub(crate) brokers: String,
    /// The topic; created when it does not exist
    #[arg(long, short = 't', default_value = "load", global = true)]
    pub(crate) topic: String,
    /// Partitions of the topic when it is created; otherwise how many of them to use
    #[arg(long, short = 'p', default_value_t = 1, global = true)]
    pub(crate) partitions: u16,
    /// So many percent of the partitions are hot; none by default, then all get the same
    #[arg(long, default_value_t = 0.0)]
    pub(crate) hot_percent: f64,
    /// So many percent of the batches go to the hot partitions
    #[arg(long, default_value_t = 90)]
    pub(crate) hot_share: u8,
    /// What to do
    #[arg(long, short = 'm', value_enum, default_value = "produce")]
    pub(crate) mode: Mode,
    /// Records a second in all; as many as possible when absent
    #[arg(long, short = 'r')]
    pub(crate) rate: Option<f64>,
    /// Bytes of each record's value
    #[arg(long, short = 's', default_value_t = 1024, global = true)]
    pub(crate) record_bytes: usize,
    /// How large a batch may grow before compression
    #[arg(long, default_value_t = 64 << 10)]
    pub(crate) batch_bytes: usize,
    /// How long a batch that is not full waits for more records
    #[arg(long, default_value_t = 0.0)]
    pub(crate) linger_ms: f64,
    /// Connections, each with a client of its own; partitions are dealt out to them
    #[arg(long, short = 'c', default_value_t = 1, global = true)]
    pub(crate) connections: u16,
    /// Every connection sends to every partition, as producers with keys do
    #[arg(long)]
    pub(crate) keyed: bool,
    /// Cores of this process; connections are dealt out to them
    #[arg(long, default_value_t = 1, global = true)]
    pub(crate) cores: u16,
    /// Batches of one partition, or commits of one connection, under way at once
    #[arg(long, default_value_t = 5, global = true)]
    pub(crate) in_flight: usize,
    /// Bytes under way at once on each connection
    #[arg(long, default_value_t = 8 << 20)]
    pub(crate) window_bytes: usize,
    /// When the broker answers
    #[arg(long, short = 'a', value_enum, default_value = "all")]
    pub(crate) acks: AcksChoice,
    /// Producer ids and sequence numbers; needs --acks all
    #[arg(long)]
    pub(crate) idempotent: bool,
    /// How batches are compressed; values compress about two to one
    #[arg(long, short = 'z', value_enum, default_value = "none")]
    pub(crate) codec: CodecChoice,
    /// Seconds that are measured
    #[arg(long, short = 'd', default_value_t = 10.0, global = true)]
    pub(crate) duration: f64,
    /// Seconds of the same load before the measured ones
    #[arg(long, short = 'w', default_value_t = 2.0, global = true)]
    pub(crate) warm_up: f64,
    /// Print for programs: one JSON object
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Read only what was committed, up to the last stable offset; what was aborted is counted too,
    /// since the broker sends it
    #[arg(long, value_enum, default_value = "read-uncommitted")]
    pub(crate) isolation: Isolation,
    /// What to do with groups or transactions, instead of producing or consuming
    #[command(subcommand)]
    pub(crate) scenario: Option<Scenario>,
}

/// Which way records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// To the broker
    Produce,
    /// From the broker, from the beginning of the topic on
    Consume,
    /// To the broker and back, with the latency from end to end
    Both,
}

/// What a consumer may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Isolation {
    /// Everything below the high watermark
    #[value(alias = "read_uncommitted")]
    ReadUncommitted,
    /// What is decided
    #[value(alias = "read_committed")]
    ReadCommitted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AcksChoice {
    #[value(name = "0")]
    None,
    #[value(name = "1")]
    Leader,
    #[value(name = "all", alias = "-1")]
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CodecChoice {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Options {
    /// What is wrong with the combination, if anything.
    pub(crate) fn mistake(&self) -> Option<&'static str> {
        let is_positive = |number: f64| number.is_finite() && number > 0.0;
        if self.rate.is_some_and(|rate| !is_positive(rate)) {
            Some("--rate must be above zero; leave it out for as much as possible")
        } else if !is_positive(self.duration) || !self.warm_up.is_finite() || self.warm_up < 0.0 {
            Some("--duration must be above zero, --warm-up zero or more")
        } else if !self.linger_ms.is_finite() || self.linger_ms < 0.0 {
            Some("--linger-ms must be zero or more")
        } else if !(0.0..=100.0).contains(&self.hot_percent) || self.hot_share > 100 {
            Some("--hot-percent and --hot-share must be from 0 to 100")
        } else if self.partitions == 0 || self.connections == 0 || self.cores == 0 {
            Some("--partitions, --connections and --cores must be at least 1")
        } else if self.idempotent && self.acks != AcksChoice::All {
            Some("--idempotent needs --acks all")
        } else if self.record_bytes < crate::payload::STAMP_BYTES {
            Some("--record-bytes must be at least 16: the value carries its time")
        } else {
            self.scenario.as_ref().and_then(Scenario::mistake)
        }
    }

    pub(crate) fn acks(&self) -> Acks {
        match self.acks {
            AcksChoice::None => Acks::None,
            AcksChoice::Leader => Acks::Leader,
            AcksChoice::All => Acks::All,
        }
    }

    pub(crate) fn compression(&self) -> Compression {
        let codec = match self.codec {
            CodecChoice::None => Codec::None,
            CodecChoice::Gzip => Codec::Gzip,
            CodecChoice::Snappy => Codec::Snappy,
            CodecChoice::Lz4 => Codec::Lz4,
            CodecChoice::Zstd => Codec::Zstd,
        };
        Compression {
            codec,
            ..Compression::default()
        }
    }

    pub(crate) fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.duration)
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }

    pub(crate) fn linger(&self) -> Duration {
        Duration::from_secs_f64(self.linger_ms / 1000.0)
    }
}
