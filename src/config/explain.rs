//! What people are told about keys: `config explain KEY` and `--print-config`.

use crate::error::ConfigError;
use crate::key::{Importance, Key, Scope, Status};
use crate::keys::Family;
use crate::nearest::nearest;
use crate::settings::{HIDDEN, Settings, find_broker_key};
use crate::source::Source;

/// Everything that is known of a name: a broker key, a topic key, or both.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The keys of this name, the broker's first.
    pub keys: Vec<(Family, &'static Key)>,
}

/// What is known of the key `name`.
///
/// # Errors
/// When no key has this name; with the nearest one that exists.
pub fn explain(name: &str) -> Result<Explanation, ConfigError> {
    let named = |family: &Family| {
        let broker = || find_broker_key(name).filter(|_| *family == Family::Broker);
        Some((*family, family.find(name).or_else(broker)?))
    };
    let keys: Vec<_> = Family::ALL.iter().filter_map(named).collect();
    if keys.is_empty() {
        let known = Family::ALL
            .into_iter()
            .flat_map(Family::keys)
            .map(|key| key.name);
        return Err(ConfigError::UnknownKey {
            key: name.to_owned(),
            family: "configuration",
            source: Source::Override,
            nearest: nearest(name, known),
        });
    }
    Ok(Explanation { keys })
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (family, key)) in self.keys.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            explain_key(formatter, *family, key)?;
        }
        Ok(())
    }
}

fn explain_key(
    formatter: &mut std::fmt::Formatter<'_>,
    family: Family,
    key: &Key,
) -> std::fmt::Result {
    writeln!(formatter, "{} ({} key)", key.name, family.name())?;
    writeln!(formatter, "  {}", key.purpose)?;
    writeln!(formatter, "  type:       {}", key.kind.name())?;
    writeln!(formatter, "  allowed:    {}", key.rule)?;
    match key.default {
        Some("") => writeln!(formatter, "  default:    (empty)")?,
        Some(default) => writeln!(formatter, "  default:    {default}")?,
        None => writeln!(formatter, "  default:    (unset)")?,
    }
    if let Some(difference) = key.difference {
        let kafka = difference.kafka_default.unwrap_or("(unset)");
        writeln!(
            formatter,
            "  in Kafka:   {kafka}; ours differs: {}",
            difference.why
        )?;
    }
    if !key.fallbacks.is_empty() {
        writeln!(formatter, "  when unset: {}", key.fallbacks.join(", then "))?;
    }
    writeln!(formatter, "  importance: {}", importance(key.importance))?;
    writeln!(formatter, "  changes:    {}", changes(family, key.scope))?;
    match key.status() {
        Status::Honoured => writeln!(formatter, "  effect:     yes"),
        Status::AcceptedWithoutEffect(reason) => {
            writeln!(formatter, "  effect:     none; {}", reason.text())
        }
    }
}

const fn importance(importance: Importance) -> &'static str {
    match importance {
        Importance::High => "high",
        Importance::Medium => "medium",
        Importance::Low => "low",
    }
}

const fn changes(family: Family, scope: Scope) -> &'static str {
    match (family, scope) {
        (Family::Broker, Scope::Fixed) => "with a restart",
        (Family::Broker, Scope::Broker) => "while running, for single brokers",
        (Family::Broker, Scope::Cluster) => "while running, for all brokers or single ones",
        _ => "while running",
    }
}

/// One row of `--print-config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub name: String,
    /// The value as it may be shown; empty where the key is unset.
    pub value: String,
    /// Where it was set.
    pub source: Source,
    /// Whether setting it changes anything.
    pub status: Status,
}

/// Every key of the node with the value that counts and its origin, in order of the alphabet.
#[must_use]
pub fn print_config(settings: &Settings) -> Vec<Row> {
    let set = settings.names_set();
    let visible = Family::Broker
        .keys()
        .filter(|key| !key.internal)
        .map(|key| key.name);
    let mut names: Vec<&str> = visible.chain(set).collect();
    names.sort_unstable();
    names.dedup();
    let rows = names.into_iter().filter_map(|name| {
        let key = find_broker_key(name)?;
        let effective = settings.own_value(name)?;
        let value = match effective.value {
            Some(_) if key.is_sensitive() => HIDDEN.to_owned(),
            Some(value) => value,
            None => String::new(),
        };
        Some(Row {
            name: name.to_owned(),
            value,
            source: effective.source,
            status: key.status(),
        })
    });
    rows.collect()
}
