//! What DescribeConfigs tells about a resource, in domain types (KIP-133, KIP-226, KIP-569).
//!
//! One deviation from Kafka, towards the truth: where `log.retention.hours` is set in the file and
//! `log.retention.ms` is not, Kafka calls a topic's `retention.ms` a default; here it comes from
//! the file, with the key that was set as its synonym. The same holds for the other keys in two
//! units.
//!
//! forebay's own keys of a topic are listed where they are set, as Kafka's internal ones are:
//! programs that know Kafka's keys take a list of a topic's for those, and copy them to other
//! clusters or look each up. Asked for by name they are told always.

use std::collections::BTreeMap;

use crate::key::{Key, Kind, Scope};
use crate::keys::Family;
use crate::settings::{Settings, find_broker_key};
use crate::source::{ConfigSource, Source};
use crate::value;

/// One place that a value could have come from, stronger ones first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The key that is set there.
    pub name: String,
    /// Its value; nothing for secrets.
    pub value: Option<String>,
    /// Where it is set.
    pub source: ConfigSource,
}

/// One key of a described resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub name: String,
    /// The value that counts; nothing for unset keys and for secrets.
    pub value: Option<String>,
    /// Where it was set.
    pub source: ConfigSource,
    /// Whether nobody set it.
    pub is_default: bool,
    /// Whether it is fixed while the node runs.
    pub read_only: bool,
    /// Whether its value is a secret.
    pub sensitive: bool,
    /// Everything that could have given the value, the one that did first.
    pub synonyms: Vec<Synonym>,
    /// The type of the value.
    pub kind: Kind,
    /// What the key governs and what forebay does with it.
    pub documentation: String,
    /// Whether it is told to those who ask for no key by name.
    pub listed: bool,
}

/// What is described.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// This broker.
    Broker,
    /// What is set for all brokers.
    ClusterDefaults,
    /// A topic with these settings of its own.
    Topic(&'a BTreeMap<String, String>),
    /// A group with these settings of its own.
    Group(&'a BTreeMap<String, String>),
    /// A subscription to client metrics with these settings of its own.
    ClientMetrics(&'a BTreeMap<String, String>),
}

/// Every key of `resource` with its value, in order of the alphabet.
#[must_use]
pub fn describe(settings: &Settings, resource: Resource<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = match resource {
        Resource::Broker => describe_broker(settings),
        Resource::ClusterDefaults => describe_cluster_defaults(settings),
        Resource::Topic(overrides) => describe_family(settings, Family::Topic, overrides),
        Resource::Group(overrides) => describe_family(settings, Family::Group, overrides),
        Resource::ClientMetrics(overrides) => {
            describe_family(settings, Family::ClientMetrics, overrides)
        }
    };
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    entries
}

fn describe_broker(settings: &Settings) -> Vec<Entry> {
    let names_set = settings.names_set();
    let visible = Family::Broker
        .keys()
        .filter(|key| !key.internal || names_set.contains(&key.name))
        .map(|key| key.name);
    let per_listener = names_set
        .iter()
        .copied()
        .filter(|name| Family::Broker.find(name).is_none());
    visible
        .chain(per_listener)
        .filter_map(|name| broker_entry(settings, name, find_broker_key(name)?))
        .collect()
}

fn broker_entry(settings: &Settings, name: &str, key: &Key) -> Option<Entry> {
    let value = settings.own_value(name)?.value;
    let synonyms = broker_chain(settings, name, key);
    // Without a value of its own the key is unset, whatever the keys behind it say.
    let begin = synonyms.iter().position(|synonym| synonym.name == name);
    let synonyms = begin
        .and_then(|begin| synonyms.get(begin..))
        .unwrap_or_default()
        .to_vec();
    let read_only = key.scope == Scope::Fixed || name != key.name;
    Some(entry(name, key, value, synonyms, read_only))
}

fn describe_cluster_defaults(settings: &Settings) -> Vec<Entry> {
    let [_, cluster, _] = settings.layers();
    let entries = cluster.iter().filter_map(|(name, setting)| {
        let key = find_broker_key(name)?;
        let synonym = Synonym {
            name: name.clone(),
            value: (!key.is_sensitive()).then(|| setting.value.clone()),
            source: ConfigSource::DynamicDefaultBroker,
        };
        let value = Some(setting.value.clone());
        Some(entry(
            name,
            key,
            value,
            vec![synonym],
            key.scope == Scope::Fixed,
        ))
    });
    entries.collect()
}

fn describe_family(
    settings: &Settings,
    family: Family,
    overrides: &BTreeMap<String, String>,
) -> Vec<Entry> {
    let visible = family
        .keys()
        .filter(|key| !key.internal || overrides.contains_key(key.name));
    visible
        .map(|key| Entry {
            listed: !key.is_own() || overrides.contains_key(key.name),
            ..resource_entry(settings, family, key, overrides)
        })
        .collect()
}

fn resource_entry(
    settings: &Settings,
    family: Family,
    key: &Key,
    overrides: &BTreeMap<String, String>,
) -> Entry {
    let own = overrides
        .get(key.name)
        .and_then(|raw| value::canonical(key, raw).ok());
    let behind = key.fallbacks.first().and_then(|name| {
        let broker_key = find_broker_key(name)?;
        Some((
            settings.effective(name)?,
            resource_chain(settings, name, broker_key),
        ))
    });
    let (inherited, mut synonyms) = match behind {
        Some((effective, synonyms)) => (effective.value, synonyms),
        None => (key.default.map(str::to_owned), own_default(family, key)),
    };
    if let Some(value) = &own {
        let source = match family {
            Family::Group => ConfigSource::Group,
            Family::ClientMetrics => ConfigSource::ClientMetrics,
            Family::Broker | Family::Topic | Family::Quota => ConfigSource::DynamicTopic,
        };
        let synonym = Synonym {
            name: key.name.to_owned(),
            value: Some(value.clone()),
            source,
        };
        synonyms.insert(0, synonym);
    }
    entry(key.name, key, own.or(inherited), synonyms, false)
}

/// Groups name the default of a key that has no counterpart on the broker; others do not.
fn own_default(family: Family, key: &Key) -> Vec<Synonym> {
    let default = key.default.filter(|_| family == Family::Group);
    let synonym = default.map(|value| Synonym {
        name: key.name.to_owned(),
        value: Some(value.to_owned()),
        source: ConfigSource::Default,
    });
    synonym.into_iter().collect()
}

/// The broker's part of a topic's synonyms. As in Kafka, what falls back is shown only behind the
/// key itself; unless somebody set it, for then it is where the value came from.
fn resource_chain(settings: &Settings, name: &str, key: &Key) -> Vec<Synonym> {
    let chain = broker_chain(settings, name, key);
    match chain.iter().position(|synonym| synonym.name == name) {
        Some(begin) => chain.get(begin..).unwrap_or_default().to_vec(),
        None if chain
            .first()
            .is_some_and(|first| first.source != ConfigSource::Default) =>
        {
            chain
        }
        None => Vec::new(),
    }
}

/// Everything that is set or by default given for `name` and the keys it falls back to.
fn broker_chain(settings: &Settings, name: &str, key: &Key) -> Vec<Synonym> {
    let mut links = vec![name];
    if name != key.name {
        links.push(key.name);
    }
    links.extend_from_slice(key.fallbacks);
    let mut chain = Vec::new();
    for layer in settings.layers() {
        let set = links
            .iter()
            .filter_map(|link| Some((link, layer.get(*link)?)));
        chain.extend(set.map(|(link, setting)| Synonym {
            name: (*link).to_owned(),
            value: (!key.is_sensitive()).then(|| setting.value.clone()),
            source: broker_source(&setting.source),
        }));
    }
    let defaults = links.iter().filter_map(|link| {
        let value = settings.default_of(Family::Broker.find(link)?)?.to_owned();
        let name = (*link).to_owned();
        Some(Synonym {
            name,
            value: Some(value),
            source: ConfigSource::Default,
        })
    });
    chain.extend(defaults);
    chain
}

fn entry(
    name: &str,
    key: &Key,
    value: Option<String>,
    synonyms: Vec<Synonym>,
    read_only: bool,
) -> Entry {
    let source = synonyms
        .first()
        .map_or(ConfigSource::Default, |synonym| synonym.source);
    Entry {
        name: name.to_owned(),
        value: value.filter(|_| !key.is_sensitive()),
        source,
        is_default: source == ConfigSource::Default,
        read_only,
        sensitive: key.is_sensitive(),
        synonyms,
        kind: key.kind,
        documentation: key.documentation(),
        listed: true,
    }
}

const fn broker_source(source: &Source) -> ConfigSource {
    match source {
        Source::Resource => ConfigSource::DynamicTopic,
        Source::DynamicBroker => ConfigSource::DynamicBroker,
        Source::DynamicCluster => ConfigSource::DynamicDefaultBroker,
        Source::Override | Source::Environment { .. } | Source::File { .. } => {
            ConfigSource::StaticBroker
        }
        Source::Default => ConfigSource::Default,
    }
}
