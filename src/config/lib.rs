//! Configuration of nodes, topics and groups under Kafka's own keys.
//!
//! Vocabulary: a [`Key`] is a name with its type, default and rule; a [`Family`] is whose keys they
//! are; a [`Setting`] is a value somebody set, with its [`Source`]; the *effective* value is the
//! one that counts after all layers; *canonical* is the one way of writing a value that is shown.
//!
//! Invariants: an unknown key is an error that names the nearest known one; nothing is stored that
//! did not pass its key's rule; a secret is never shown; every bound stands in [`limits`]. No file,
//! clock or environment is touched here: their contents are handed in.
//!
//! Start reading at `key.rs`, then any file under `keys/`; `broker.rs` is what other rooms read.

mod access;
mod address;
mod broker;
mod client_match;
mod client_text;
mod describe;
mod environment;
mod error;
mod explain;
mod features;
mod group;
mod honoured;
mod key;
mod keys;
pub mod limits;
mod listener;
mod nearest;
mod other_controllers;
mod properties;
mod reader;
mod refusal;
mod retired;
mod rule;
mod settings;
mod source;
mod subscription;
mod topic;
mod value;

pub use access::AccessConfig;
pub use address::{Address, NotAnAddress, Voter};
pub use broker::{
    AdminConfig, BrokerConfig, LogFormat, NetworkConfig, NodeConfig, StorageConfig, TopicPolicy,
};
pub use client_match::{ClientMatch, ClientTraits};
pub use describe::{Entry, Resource, Synonym, describe};
pub use error::{ConfigError, ConfigErrors, LineProblem};
pub use explain::{Explanation, Row, explain, print_config};
pub use features::{
    FEATURES, Feature, FeatureError, FeatureLevel, METADATA_VERSION, METADATA_VERSIONS,
    MetadataVersion, find_feature, metadata_version_name, parse_features,
};
pub use group::{check_group, within_bounds};
pub use key::{Difference, Importance, Key, Kind, Reason, Scope, Status};
pub use keys::Family;
pub use listener::{Advertised, Listener, SecurityProtocol};
pub use nearest::nearest;
pub use properties::{Property, parse as parse_properties};
pub use refusal::Refusal;
pub use retired::is_retired_topic_key;
pub use rule::Rule;
pub use settings::{
    Effective, HIDDEN, Inputs, Setting, Settings, Warning, find_broker_key,
    validate_broker_override,
};
pub use source::{ConfigSource, Source};
pub use subscription::{PUSH_INTERVAL_MS_DEFAULT, Subscription};
pub use topic::{
    CompressionType, Durability, TimestampType, TopicConfig, validate_override,
    validate_topic_override,
};
pub use value::{Value, canonical, parse as parse_value};

#[cfg(test)]
mod tests;
