//! The configuration of a topic: what it sets itself over what the node gives it.

use std::collections::BTreeMap;

use crate::error::ConfigError;
use crate::key::Key;
use crate::keys::Family;
use crate::retired::is_retired_topic_key;
use crate::settings::{Settings, shown, unknown_key};
use crate::source::Source;
use crate::value::{self, Value};

/// When a record is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After it was flushed to the device of every in-sync replica.
    Device,
    /// As soon as it is in the memory of every in-sync replica.
    Memory,
}

impl Durability {
    pub(crate) fn parse(text: Option<&str>) -> Self {
        if text == Some("memory") {
            Self::Memory
        } else {
            Self::Device
        }
    }
}

/// Which time a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// That of its arrival.
    LogAppendTime,
}

/// The codec that batches are stored with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionType {
    /// What the producer chose.
    Producer,
    /// None.
    Uncompressed,
    /// gzip.
    Gzip,
    /// snappy.
    Snappy,
    /// lz4.
    Lz4,
    /// zstd.
    Zstd,
}

impl CompressionType {
    fn parse(text: &str) -> Self {
        match text {
            "uncompressed" => Self::Uncompressed,
            "gzip" => Self::Gzip,
            "snappy" => Self::Snappy,
            "lz4" => Self::Lz4,
            "zstd" => Self::Zstd,
            _ => Self::Producer,
        }
    }
}

/// What counts for one topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// Whether old segments are dropped.
    pub cleanup_delete: bool,
    /// Whether only the last record of each key is kept.
    pub cleanup_compact: bool,
    /// The codec that batches are stored with.
    pub compression_type: CompressionType,
    /// The effort of gzip; -1 is the codec's own choice.
    pub compression_gzip_level: i32,
    /// The effort of lz4.
    pub compression_lz4_level: i32,
    /// The effort of zstd.
    pub compression_zstd_level: i32,
    /// How long a tombstone stays.
    pub delete_retention_ms: u64,
    /// How long a removed segment stays under another name.
    pub file_delete_delay_ms: u64,
    /// After how many records a flush is due, with acknowledgements from memory.
    pub flush_messages: u64,
    /// After how long a flush is due, with acknowledgements from memory.
    pub flush_ms: u64,
    /// After how many bytes another index entry is due.
    pub index_interval_bytes: u32,
    /// After how long a record has to be considered for compaction.
    pub max_compaction_lag_ms: u64,
    /// How long a record is at least kept uncompacted.
    pub min_compaction_lag_ms: u64,
    /// The part that must be uncompacted before compaction bothers.
    pub min_cleanable_dirty_ratio: f64,
    /// The largest size to which a batch may unpack, in bytes.
    pub max_decompressed_message_bytes: u32,
    /// The largest batch, in bytes.
    pub max_message_bytes: u32,
    /// How far a producer's timestamp may lie ahead of the clock.
    pub timestamp_after_ms_max: i64,
    /// How far a producer's timestamp may lie before the clock.
    pub timestamp_before_ms_max: i64,
    /// Which time a record carries.
    pub timestamp_type: TimestampType,
    /// How many replicas must have a record before acks=all answers.
    pub min_insync_replicas: u32,
    /// Whether segments are copied to remote storage.
    pub remote_storage: bool,
    /// How many bytes are kept; nothing means no bound.
    pub retention_bytes: Option<u64>,
    /// How long segments are kept; nothing means for ever.
    pub retention_ms: Option<u64>,
    /// The size at which another segment begins.
    pub segment_bytes: u32,
    /// The size at which an index is full.
    pub segment_index_bytes: u32,
    /// The most that is taken off `segment_ms`.
    pub segment_jitter_ms: u64,
    /// The age at which another segment begins.
    pub segment_ms: u64,
    /// Whether a replica that lacks acknowledged records may lead.
    pub unclean_leader_election: bool,
    /// When a record is acknowledged.
    pub durability: Durability,
}

/// The value that counts for `key`: the topic's own, else the broker's, else the default.
fn topic_value(
    key: &Key,
    settings: &Settings,
    overrides: &BTreeMap<String, String>,
) -> Option<String> {
    let own = overrides
        .get(key.name)
        .and_then(|raw| value::canonical(key, raw).ok());
    own.or_else(|| match key.fallbacks.first() {
        Some(name) => settings.effective(name)?.value,
        None => key.default.map(str::to_owned),
    })
}

/// Checks one setting of a topic and returns its canonical value.
///
/// # Errors
/// When the key is unknown or the value is refused.
pub fn validate_topic_override(name: &str, raw: &str) -> Result<String, ConfigError> {
    validate_override(Family::Topic, name, raw)
}

/// Checks one setting of a resource other than a broker and returns its canonical value.
///
/// # Errors
/// When the key is unknown or the value is refused.
pub fn validate_override(family: Family, name: &str, raw: &str) -> Result<String, ConfigError> {
    if family == Family::Topic && is_retired_topic_key(name) {
        return Ok(raw.to_owned());
    }
    let Some(key) = family.find(name) else {
        return Err(unknown_key(family, name, Source::Resource));
    };
    value::canonical(key, raw).map_err(|refusal| ConfigError::BadValue {
        key: name.to_owned(),
        value: shown(key, raw),
        source: Source::Resource,
        refusal,
    })
}

/// Reads the topic keys that count with their types.
struct Lookup<'a> {
    settings: &'a Settings,
    overrides: &'a BTreeMap<String, String>,
}

impl Lookup<'_> {
    fn value(&self, name: &str) -> Value {
        let Some(key) = Family::Topic.find(name) else {
            panic!("{name} is not in the table of topic keys");
        };
        let text = topic_value(key, self.settings, self.overrides).unwrap_or_default();
        // A broker's value is not bound by the topic's rule; both have one type.
        match value::parse(
            &Key {
                rule: crate::rule::Rule::Any,
                ..*key
            },
            &text,
        ) {
            Ok(value) => value,
            Err(refusal) => panic!("{name} was stored although {refusal}"),
        }
    }

    fn number(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Whole(number) => number,
            other => panic!("{name} is no whole number but {other:?}"),
        }
    }

    fn count(&self, name: &str) -> u64 {
        u64::try_from(self.number(name)).unwrap_or(0)
    }

    fn count_u32(&self, name: &str) -> u32 {
        u32::try_from(self.number(name).max(0)).unwrap_or(u32::MAX)
    }

    fn number_i32(&self, name: &str) -> i32 {
        i32::try_from(self.number(name)).unwrap_or(i32::MAX)
    }

    fn flag(&self, name: &str) -> bool {
        self.value(name) == Value::Boolean(true)
    }

    fn text(&self, name: &str) -> String {
        match self.value(name) {
            Value::Text(text) => text,
            other => panic!("{name} is no text but {other:?}"),
        }
    }

    fn list_has(&self, name: &str, element: &str) -> bool {
        matches!(self.value(name), Value::List(list) if list.iter().any(|known| known == element))
    }

    fn fraction(&self, name: &str) -> f64 {
        match self.value(name) {
            Value::Double(number) => number,
            other => panic!("{name} is no fraction but {other:?}"),
        }
    }
}

impl TopicConfig {
    /// What counts for a topic with these settings of its own on a node with those.
    ///
    /// # Errors
    /// When a setting is unknown or refused, or two contradict each other.
    pub fn new(
        settings: &Settings,
        overrides: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        for (name, raw) in overrides {
            validate_topic_override(name, raw)?;
        }
        let config = Self::read(&Lookup {
            settings,
            overrides,
        });
        config.check(settings)?;
        Ok(config)
    }

    fn read(lookup: &Lookup<'_>) -> Self {
        let timestamp_type = match lookup.text("message.timestamp.type").as_str() {
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        };
        Self {
            cleanup_delete: lookup.list_has("cleanup.policy", "delete"),
            cleanup_compact: lookup.list_has("cleanup.policy", "compact"),
            compression_type: CompressionType::parse(&lookup.text("compression.type")),
            compression_gzip_level: lookup.number_i32("compression.gzip.level"),
            compression_lz4_level: lookup.number_i32("compression.lz4.level"),
            compression_zstd_level: lookup.number_i32("compression.zstd.level"),
            delete_retention_ms: lookup.count("delete.retention.ms"),
            file_delete_delay_ms: lookup.count("file.delete.delay.ms"),
            flush_messages: lookup.count("flush.messages"),
            flush_ms: lookup.count("flush.ms"),
            index_interval_bytes: lookup.count_u32("index.interval.bytes"),
            max_compaction_lag_ms: lookup.count("max.compaction.lag.ms"),
            min_compaction_lag_ms: lookup.count("min.compaction.lag.ms"),
            min_cleanable_dirty_ratio: lookup.fraction("min.cleanable.dirty.ratio"),
            max_decompressed_message_bytes: lookup.count_u32("max.decompressed.message.bytes"),
            max_message_bytes: lookup.count_u32("max.message.bytes"),
            timestamp_after_ms_max: lookup.number("message.timestamp.after.max.ms"),
            timestamp_before_ms_max: lookup.number("message.timestamp.before.max.ms"),
            timestamp_type,
            min_insync_replicas: lookup.count_u32("min.insync.replicas"),
            remote_storage: lookup.flag("remote.storage.enable"),
            // Kafka reads every negative number as "no bound".
            retention_bytes: u64::try_from(lookup.number("retention.bytes")).ok(),
            retention_ms: u64::try_from(lookup.number("retention.ms")).ok(),
            segment_bytes: lookup.count_u32("segment.bytes"),
            segment_index_bytes: lookup.count_u32("segment.index.bytes"),
            segment_jitter_ms: lookup.count("segment.jitter.ms"),
            segment_ms: lookup.count("segment.ms"),
            unclean_leader_election: lookup.flag("unclean.leader.election.enable"),
            durability: Durability::parse(Some(&lookup.text("forebay.ack.durability"))),
        }
    }

    /// What no single key can know.
    fn check(&self, settings: &Settings) -> Result<(), ConfigError> {
        if self.min_compaction_lag_ms > self.max_compaction_lag_ms {
            return Err(ConfigError::Conflict {
                key: "min.compaction.lag.ms",
                explanation: format!(
                    "{} is more than max.compaction.lag.ms, {}; lower the one or raise the other",
                    self.min_compaction_lag_ms, self.max_compaction_lag_ms
                ),
            });
        }
        let remote_system = settings.own_value("remote.log.storage.system.enable");
        let has_remote_system =
            remote_system.is_some_and(|set| set.value.as_deref() == Some("true"));
        if self.remote_storage && !has_remote_system {
            return Err(ConfigError::Conflict {
                key: "remote.storage.enable",
                explanation: "this cluster has no remote storage; \
                    set remote.log.storage.system.enable on its nodes or leave the topic local"
                    .to_owned(),
            });
        }
        if self.remote_storage && self.cleanup_compact {
            return Err(ConfigError::Conflict {
                key: "remote.storage.enable",
                explanation: "a compacted topic cannot move to remote storage; \
                    set cleanup.policy=delete or leave the topic local"
                    .to_owned(),
            });
        }
        Ok(())
    }

    /// Whether records wait for the device before they are acknowledged.
    #[must_use]
    pub fn acknowledges_from_device(&self) -> bool {
        self.durability == Durability::Device
    }
}
