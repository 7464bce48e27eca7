//! All settings of a node in their layers, and which of them counts.
//!
//! The layers, from strong to weak: set for this broker while running, set for all brokers, given
//! at start (where `--set` beats the environment and that beats the file), default. Within a layer
//! a key goes before the keys it falls back to, as in Kafka (KIP-226).
//!
//! Invariant: every stored value is canonical and passed its key's rule.

use std::collections::BTreeMap;

use crate::environment::{self, Meaning};
use crate::error::{ConfigError, ConfigErrors};
use crate::key::{Key, Scope, Status};
use crate::keys::Family;
use crate::limits::KEY_BYTES_MAX;
use crate::nearest::nearest;
use crate::properties;
use crate::retired;
use crate::source::Source;
use crate::value;

/// What a password looks like when it is shown.
pub const HIDDEN: &str = "[hidden]";

/// Everything that a node is started with.
#[derive(Clone, Copy, Default)]
pub struct Inputs<'a> {
    /// The configuration file: its path and its bytes.
    pub file: Option<(&'a str, &'a [u8])>,
    /// The environment: names and values. Only `FOREBAY_*` and `KAFKA_*` are looked at.
    pub environment: &'a [(String, String)],
    /// The `--set` options, each `key=value`, later ones winning.
    pub overrides: &'a [String],
}

/// A value that somebody set.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value in its canonical form; secrets in the clear.
    pub value: String,
    /// Who set it.
    pub source: Source,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Whether this is a secret is known only together with the key.
        write!(formatter, "Setting from {}", self.source)
    }
}

/// A setting that is accepted and has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The key as it was written.
    pub key: String,
    /// Where it was set.
    pub source: Source,
    /// Why it has no effect.
    pub reason: &'static str,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{}: {} has no effect: {}",
            self.source, self.key, self.reason
        )
    }
}

/// The value that counts for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The value, converted to the unit of the key that was asked for; nothing where it is unset.
    pub value: Option<String>,
    /// Whose value it is: the key itself or one that it falls back to.
    pub name: String,
    /// Who set it.
    pub source: Source,
}

type Layer = BTreeMap<String, Setting>;

/// The layers of one node's settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    own: Layer,
    cluster: Layer,
    fixed: Layer,
    is_single_node: bool,
    warnings: Vec<Warning>,
}

/// Defaults that would keep a lone node from working: there they count as one.
const ONE_ON_A_SINGLE_NODE: &[&str] = &[
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "transaction.state.log.min.isr",
    "share.coordinator.state.topic.replication.factor",
    "share.coordinator.state.topic.min.isr",
];

impl Settings {
    /// Merges what a node is started with.
    ///
    /// # Errors
    /// With every mistake that was found.
    pub fn load(inputs: &Inputs<'_>) -> Result<Self, ConfigErrors> {
        let mut settings = Self::default();
        let mut errors = Vec::new();
        settings.read_file(inputs, &mut errors);
        settings.read_environment(inputs, &mut errors);
        settings.read_overrides(inputs, &mut errors);
        settings.join_ids(&mut errors);
        settings.warn_of_idle_keys();
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        let is_unset = |name: &str| {
            settings
                .fixed
                .get(name)
                .is_none_or(|set| set.value.is_empty())
        };
        let both_roles = settings.fixed.get("process.roles").is_none_or(|roles| {
            roles.value.contains("broker") && roles.value.contains("controller")
        });
        settings.is_single_node = both_roles
            && is_unset("controller.quorum.voters")
            && is_unset("controller.quorum.bootstrap.servers");
        Ok(settings)
    }

    fn read_file(&mut self, inputs: &Inputs<'_>, errors: &mut Vec<ConfigError>) {
        let Some((path, bytes)) = inputs.file else {
            return;
        };
        match properties::parse(path, bytes) {
            Ok(list) => {
                for property in list {
                    let source = Source::File {
                        path: path.to_owned(),
                        line: property.line,
                    };
                    self.set(&property.key, &property.value, source, errors);
                }
            }
            Err(error) => errors.push(error),
        }
    }

    fn read_environment(&mut self, inputs: &Inputs<'_>, errors: &mut Vec<ConfigError>) {
        let mut variables: Vec<&(String, String)> = inputs.environment.iter().collect();
        // KAFKA_ sorts behind FOREBAY_ and must be read first, so that ours wins.
        variables.sort_by(|left, right| right.0.cmp(&left.0));
        for (name, value) in variables {
            let source = || Source::Environment {
                variable: name.clone(),
            };
            match environment::meaning(name) {
                Some(Meaning::Key(key)) => self.set(&key, value, source(), errors),
                Some(Meaning::Foreign) => self.warnings.push(Warning {
                    key: name.clone(),
                    source: source(),
                    reason: "it names no key of a broker",
                }),
                Some(Meaning::Mistake(error)) => errors.push(error),
                None => {}
            }
        }
    }

    fn read_overrides(&mut self, inputs: &Inputs<'_>, errors: &mut Vec<ConfigError>) {
        for text in inputs.overrides {
            match text.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => {
                    self.set(key.trim(), value, Source::Override, errors);
                }
                // The text may be a bare secret in the wrong place; the key part is all we repeat.
                _ => errors.push(ConfigError::BadOverride {
                    text: text.split('=').next().unwrap_or_default().to_owned(),
                }),
            }
        }
    }

    /// A key that nobody knows is a mistake where it resembles a known one or was given by hand.
    /// Otherwise it stands in a file that Kafka accepts, which ignores what none of its parts asks
    /// for.
    fn note_unknown(&mut self, error: ConfigError, errors: &mut Vec<ConfigError>) {
        match error {
            ConfigError::UnknownKey {
                key,
                source: source @ Source::File { .. },
                nearest: None,
                ..
            } => {
                let is_topics = Family::Topic.find(&key).is_some();
                self.warnings.push(Warning {
                    reason: if is_topics {
                        "it is a topic's key; brokers have one of another name"
                    } else {
                        "nothing reads it"
                    },
                    key,
                    source,
                });
            }
            error => errors.push(error),
        }
    }

    fn set(&mut self, name: &str, raw: &str, source: Source, errors: &mut Vec<ConfigError>) {
        let Some(key) = find_broker_key(name) else {
            match retired::foreign(name) {
                Some(foreign) => {
                    self.warnings.push(Warning {
                        key: name.to_owned(),
                        source,
                        reason: foreign.text(),
                    });
                }
                None => self.note_unknown(unknown_key(Family::Broker, name, source), errors),
            }
            return;
        };
        match value::canonical(key, raw) {
            Ok(value) => {
                self.fixed
                    .insert(name.to_owned(), Setting { value, source });
            }
            Err(refusal) => errors.push(ConfigError::BadValue {
                key: name.to_owned(),
                value: shown(key, raw),
                source,
                refusal,
            }),
        }
    }

    /// `node.id` and `broker.id` are one thing under two names.
    fn join_ids(&mut self, errors: &mut Vec<ConfigError>) {
        let unset_by_minus_one = self
            .fixed
            .get("broker.id")
            .is_some_and(|id| id.value == "-1");
        if unset_by_minus_one {
            self.fixed.remove("broker.id");
        }
        match (
            self.fixed.get("node.id").cloned(),
            self.fixed.get("broker.id").cloned(),
        ) {
            (Some(node), None) => {
                self.fixed.insert("broker.id".to_owned(), node);
            }
            (None, Some(broker)) if broker.value.starts_with('-') => {
                errors.push(ConfigError::Conflict {
                    key: "broker.id",
                    explanation: "a node's id must be at least 0".to_owned(),
                });
            }
            (None, Some(broker)) => {
                self.fixed.insert("node.id".to_owned(), broker);
            }
            (Some(node), Some(broker)) if node.value != broker.value => {
                errors.push(ConfigError::Conflict {
                    key: "node.id",
                    explanation: format!(
                        "it is {} and broker.id is {}; both name this node, so remove broker.id",
                        node.value, broker.value
                    ),
                });
            }
            _ => {}
        }
    }

    fn warn_of_idle_keys(&mut self) {
        for (name, setting) in &self.fixed {
            let status = find_broker_key(name).map(Key::status);
            if let Some(Status::AcceptedWithoutEffect(reason)) = status {
                self.warnings.push(Warning {
                    key: name.clone(),
                    source: setting.source.clone(),
                    reason: reason.text(),
                });
            }
        }
        // A key that was set twice counts once, and the surviving setting is the one to name.
        self.warnings
            .sort_by(|left, right| (&left.key, &left.source).cmp(&(&right.key, &right.source)));
        self.warnings.dedup_by(|right, left| right.key == left.key);
    }

    /// The same node with what was set while it ran: for all brokers, and for this one. Keys and
    /// values come from the cluster's metadata, so unknown ones (of a newer version) are left out.
    #[must_use]
    pub fn with_dynamic(
        &self,
        cluster: &BTreeMap<String, String>,
        own: &BTreeMap<String, String>,
    ) -> Self {
        let layer = |values: &BTreeMap<String, String>, source: Source| -> Layer {
            let settings = values.iter().filter_map(|(name, raw)| {
                let value = value::canonical(find_broker_key(name)?, raw).ok()?;
                Some((
                    name.clone(),
                    Setting {
                        value,
                        source: source.clone(),
                    },
                ))
            });
            settings.collect()
        };
        Self {
            own: layer(own, Source::DynamicBroker),
            cluster: layer(cluster, Source::DynamicCluster),
            ..self.clone()
        }
    }

    /// What was accepted and has no effect.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The layers that somebody filled, from strong to weak.
    pub(crate) fn layers(&self) -> [&Layer; 3] {
        [&self.own, &self.cluster, &self.fixed]
    }

    /// The names of everything that somebody set, in order of the alphabet.
    pub(crate) fn names_set(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .layers()
            .iter()
            .flat_map(|layer| layer.keys().map(String::as_str))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The default of `key` on this node.
    pub(crate) fn default_of(&self, key: &Key) -> Option<&'static str> {
        if self.is_single_node && ONE_ON_A_SINGLE_NODE.contains(&key.name) {
            return Some("1");
        }
        key.default
    }

    /// The value of the broker key `name` alone, without what it falls back to.
    #[must_use]
    pub fn own_value(&self, name: &str) -> Option<Effective> {
        let key = find_broker_key(name)?;
        for layer in self.layers() {
            if let Some(setting) = layer.get(name) {
                return Some(Effective {
                    value: Some(setting.value.clone()),
                    name: name.to_owned(),
                    source: setting.source.clone(),
                });
            }
        }
        let value = self.default_of(key).map(str::to_owned);
        Some(Effective {
            value,
            name: name.to_owned(),
            source: Source::Default,
        })
    }

    /// The value that counts for the broker key `name`: its own, else that of the keys it falls
    /// back to, converted to milliseconds where those count in minutes or hours.
    #[must_use]
    pub fn effective(&self, name: &str) -> Option<Effective> {
        let key = find_broker_key(name)?;
        let mut chain = vec![name];
        chain.extend_from_slice(key.fallbacks);
        for layer in self.layers() {
            for link in &chain {
                if let Some(setting) = layer.get(*link) {
                    return Some(Effective {
                        value: Some(in_unit_of(name, link, &setting.value)),
                        name: (*link).to_owned(),
                        source: setting.source.clone(),
                    });
                }
            }
        }
        let by_default = chain.iter().find_map(|link| {
            let default = self.default_of(find_broker_key(link)?)?;
            Some(Effective {
                value: Some(in_unit_of(name, link, default)),
                name: (*link).to_owned(),
                source: Source::Default,
            })
        });
        let unset = || Effective {
            value: None,
            name: name.to_owned(),
            source: Source::Default,
        };
        Some(by_default.unwrap_or_else(unset))
    }
}

/// The broker key that `name` means: itself, or what follows `listener.name.<name>.` and, for
/// SASL, the mechanism.
#[must_use]
pub fn find_broker_key(name: &str) -> Option<&'static Key> {
    if let Some(key) = Family::Broker.find(name) {
        return Some(key);
    }
    if name.len() > KEY_BYTES_MAX {
        return None;
    }
    let (_, mut rest) = name.strip_prefix("listener.name.")?.split_once('.')?;
    loop {
        if let Some(key) = Family::Broker.find(rest) {
            return Some(key);
        }
        rest = rest.split_once('.')?.1;
    }
}

/// The error for a key that does not exist, with the one that was probably meant.
pub(crate) fn unknown_key(family: Family, name: &str, source: Source) -> ConfigError {
    ConfigError::UnknownKey {
        key: name.to_owned(),
        family: family.name(),
        source,
        nearest: nearest(name, family.keys().map(|key| key.name)),
    }
}

/// `raw` as it may be shown.
pub(crate) fn shown(key: &Key, raw: &str) -> String {
    if key.is_sensitive() {
        HIDDEN.to_owned()
    } else {
        raw.to_owned()
    }
}

/// How many milliseconds the unit at the end of a key's name is, nothing where it is no time.
fn unit_ms(name: &str) -> Option<i64> {
    match name.rsplit_once('.')?.1 {
        "ms" => Some(1),
        "minutes" => Some(60 * 1000),
        "hours" => Some(3600 * 1000),
        _ => None,
    }
}

/// `value`, counted in the unit of `from`, in the unit of `to`. Negative times mean "for ever" and
/// stay -1.
fn in_unit_of(to: &str, from: &str, value: &str) -> String {
    let (Some(to), Some(from), Ok(number)) = (unit_ms(to), unit_ms(from), value.parse::<i64>())
    else {
        return value.to_owned();
    };
    if to == from {
        value.to_owned()
    } else if number < 0 {
        "-1".to_owned()
    } else {
        (number.saturating_mul(from) / to).to_string()
    }
}

/// Checks a change of the broker key `name` while the node runs. `for_one` says whether it is meant
/// for a single broker. Returns the canonical value.
///
/// # Errors
/// When the key is unknown, not to be changed there, or the value is refused.
pub fn validate_broker_override(
    name: &str,
    raw: &str,
    for_one: bool,
) -> Result<String, ConfigError> {
    let source = if for_one {
        Source::DynamicBroker
    } else {
        Source::DynamicCluster
    };
    let Some(key) = find_broker_key(name) else {
        return Err(unknown_key(Family::Broker, name, source));
    };
    let remedy = match key.scope {
        Scope::Fixed => Some("set it in the configuration file and restart the node"),
        Scope::Broker if !for_one => Some("set it for single brokers"),
        Scope::Broker | Scope::Cluster => None,
    };
    if let Some(remedy) = remedy {
        return Err(ConfigError::NotDynamic {
            key: name.to_owned(),
            is_for_one: key.scope == Scope::Broker,
            remedy,
        });
    }
    value::canonical(key, raw).map_err(|refusal| ConfigError::BadValue {
        key: name.to_owned(),
        value: shown(key, raw),
        source,
        refusal,
    })
}
