//! Settings from environment variables.
//!
//! `FOREBAY_LOG_SEGMENT_BYTES` and `KAFKA_LOG_SEGMENT_BYTES` both mean `log.segment.bytes`; where
//! both are given the first counts. forebay's own keys need no second `FOREBAY_`: `FOREBAY_CORES`.
//! A variable beginning with `FOREBAY_` that means nothing is a mistake; one beginning with
//! `KAFKA_` may belong to somebody else (`KAFKA_HEAP_OPTS`) and is only warned of.

use crate::error::ConfigError;
use crate::keys::Family;
use crate::nearest::nearest;
use crate::source::Source;

/// Variables that other parts of the program read, its clients too: one shell may have both.
const RESERVED: &[&str] = &[
    "FOREBAY_ADMIN",
    "FOREBAY_BROKERS",
    "FOREBAY_CLUSTER_ID",
    "FOREBAY_CONFIG",
    "FOREBAY_FEATURES",
    "FOREBAY_INITIAL_CONTROLLERS",
    "FOREBAY_LOG",
];
/// Variables with these words are put into every container by Kubernetes for a service that is
/// called `forebay` or `kafka`.
const SERVICE_LINKS: &[&str] = &["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"];

/// What one variable means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaning {
    /// The value of this key.
    Key(String),
    /// Nothing to us.
    Foreign,
    /// Nothing to anybody else either.
    Mistake(ConfigError),
}

/// What the variable `name` means, nothing when it is not about us at all.
pub(crate) fn meaning(name: &str) -> Option<Meaning> {
    let own = name.strip_prefix("FOREBAY_");
    let suffix = own.or_else(|| name.strip_prefix("KAFKA_"))?;
    if RESERVED.contains(&name) || is_service_link(name) {
        return None;
    }
    if let Some(key) = find(suffix, own.is_some()).or_else(|| find_for_listener(suffix)) {
        return Some(Meaning::Key(key));
    }
    if own.is_none() {
        return Some(Meaning::Foreign);
    }
    let guess = suffix.to_ascii_lowercase().replace('_', ".");
    let own_guess = format!("forebay.{guess}");
    let names = || Family::Broker.keys().map(|key| key.name);
    Some(Meaning::Mistake(ConfigError::UnknownKey {
        key: name.to_owned(),
        family: "broker",
        source: Source::Environment {
            variable: name.to_owned(),
        },
        nearest: nearest(&guess, names()).or_else(|| nearest(&own_guess, names())),
    }))
}

fn is_service_link(name: &str) -> bool {
    name.ends_with("_PORT") || SERVICE_LINKS.iter().any(|link| name.contains(link))
}

/// The name of a key as part of a variable's name.
fn as_variable(key: &str) -> String {
    key.to_ascii_uppercase().replace(['.', '-'], "_")
}

fn find(suffix: &str, is_own: bool) -> Option<String> {
    let matches = |name: &str| {
        let own_part = name.strip_prefix("forebay.").filter(|_| is_own);
        as_variable(name) == suffix || own_part.is_some_and(|part| as_variable(part) == suffix)
    };
    Family::Broker
        .keys()
        .find(|key| matches(key.name))
        .map(|key| key.name.to_owned())
}

/// `LISTENER_NAME_INTERNAL_SSL_KEYSTORE_LOCATION`: the longest known key at the end counts, the
/// words between are the listener's name and, for SASL, the mechanism.
fn find_for_listener(suffix: &str) -> Option<String> {
    let rest = suffix.strip_prefix("LISTENER_NAME_")?;
    let (key, head) = Family::Broker
        .keys()
        .filter_map(|key| {
            let head = rest
                .strip_suffix(&as_variable(key.name))?
                .strip_suffix('_')?;
            (!head.is_empty()).then_some((key.name, head))
        })
        .max_by_key(|(name, _)| name.len())?;
    let head = head.to_ascii_lowercase();
    // A mechanism is one word at the end (plain) or several joined by dashes (scram-sha-256).
    let words: Vec<&str> = head.split('_').collect();
    let name = match words.as_slice() {
        [listener, mechanism @ ..] if key.starts_with("sasl.") && !mechanism.is_empty() => {
            format!("{listener}.{}", mechanism.join("-"))
        }
        _ => head,
    };
    Some(format!("listener.name.{name}.{key}"))
}
