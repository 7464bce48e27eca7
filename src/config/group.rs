//! What no single key of a group can know: the bounds that the brokers set, and each other.
//!
//! A group's key falls back to a broker key such as `group.consumer.session.timeout.ms`; the bounds
//! are that broker key with `min` or `max` behind its second word, where there are such keys. The
//! broker's own values keep to them too, else it does not start. Bounds may be changed after a
//! group was given its values: those are stored as they were, and count as far as the bounds go.

use std::collections::BTreeMap;

use crate::error::ConfigError;
use crate::key::Key;
use crate::keys::Family;
use crate::settings::{Settings, find_broker_key};

/// Checks the settings of a group against the bounds of a node with these settings (KIP-848,
/// KIP-932, KIP-1071).
///
/// # Errors
/// With the first value out of its bounds.
pub fn check_group(
    settings: &Settings,
    overrides: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    for (name, raw) in overrides {
        let Some(key) = Family::Group.find(name) else {
            continue;
        };
        let (Some(broker_key), Ok(value)) = (key.fallbacks.first(), raw.parse::<i64>()) else {
            continue;
        };
        for (word, is_min) in [("min", true), ("max", false)] {
            check_bound(settings, key, value, bound_key(broker_key, word), is_min)?;
        }
    }
    ["consumer", "share", "streams"]
        .into_iter()
        .try_for_each(|kind| check_heartbeat(settings, overrides, kind))
}

/// The value of a group's key that counts under the bounds of a node with these settings.
#[must_use]
pub fn within_bounds(settings: &Settings, name: &str, value: i64) -> i64 {
    let broker_key = Family::Group
        .find(name)
        .and_then(|key| key.fallbacks.first());
    let limit = |word| number(settings, bound_key(broker_key?, word)?.name);
    let raised = limit("min").map_or(value, |min| value.max(min));
    limit("max").map_or(raised, |max| raised.min(max))
}

/// Checks a broker's own values for its groups against the bounds that it sets for them, and these
/// against each other.
pub(crate) fn check_group_defaults(settings: &Settings, errors: &mut Vec<ConfigError>) {
    for key in Family::Group.keys() {
        let Some(broker_key) = key.fallbacks.first().and_then(|name| find_broker_key(name)) else {
            continue;
        };
        let Some(value) = number(settings, broker_key.name) else {
            continue;
        };
        let [min, max] = ["min", "max"].map(|word| bound_key(broker_key.name, word));
        let reach = max.and_then(|max| Some((max, number(settings, max.name)?)));
        let checks = [
            check_bound(settings, broker_key, value, min, true),
            check_bound(settings, broker_key, value, max, false),
            reach.map_or(Ok(()), |(max, reach)| {
                check_bound(settings, max, reach, min, true)
            }),
        ];
        errors.extend(checks.into_iter().filter_map(Result::err));
    }
    for kind in ["consumer", "share", "streams"] {
        let names = ["session.timeout.ms", "heartbeat.interval.ms"];
        let [session, heartbeat] = names.map(|rest| {
            let key = find_broker_key(&format!("group.{kind}.{rest}"))?;
            Some((key.name, number(settings, key.name)?))
        });
        if let (Some((session, session_ms)), Some((heartbeat, heartbeat_ms))) = (session, heartbeat)
            && session_ms <= heartbeat_ms
        {
            errors.push(ConfigError::Conflict {
                key: heartbeat,
                explanation: format!(
                    "{heartbeat_ms} must be less than {session}, which is {session_ms}"
                ),
            });
        }
    }
    let [classic_min, classic_max] = [
        "group.min.session.timeout.ms",
        "group.max.session.timeout.ms",
    ]
    .map(find_broker_key);
    if let Some(max) = classic_max
        && let Some(reach) = number(settings, max.name)
    {
        let checked = check_bound(settings, max, reach, classic_min, true);
        errors.extend(checked.err());
    }
}

/// `group.consumer.session.timeout.ms` with the word behind `consumer`, if there is such a key.
fn bound_key(broker_key: &str, word: &str) -> Option<&'static Key> {
    let rest = broker_key.strip_prefix("group.")?;
    let (kind, rest) = rest.split_once('.')?;
    // The number of standby replicas is bounded by a key without "num".
    let rest = rest.strip_prefix("num.").unwrap_or(rest);
    Family::Broker.find(&format!("group.{kind}.{word}.{rest}"))
}

fn check_bound(
    settings: &Settings,
    key: &Key,
    value: i64,
    bound: Option<&'static Key>,
    is_min: bool,
) -> Result<(), ConfigError> {
    let Some(bound) = bound else { return Ok(()) };
    let Some(limit) = number(settings, bound.name) else {
        return Ok(());
    };
    let is_outside = if is_min { value < limit } else { value > limit };
    if !is_outside {
        return Ok(());
    }
    Err(ConfigError::Bound {
        key: key.name,
        bound: bound.name,
        value: limit,
        is_min,
    })
}

/// A member that may be silent for no longer than its heartbeats lie apart is always lost.
fn check_heartbeat(
    settings: &Settings,
    overrides: &BTreeMap<String, String>,
    kind: &str,
) -> Result<(), ConfigError> {
    let find = |rest: &str| Family::Group.find(&format!("{kind}.{rest}"));
    let (Some(session), Some(heartbeat)) =
        (find("session.timeout.ms"), find("heartbeat.interval.ms"))
    else {
        return Ok(());
    };
    let is_set = overrides.contains_key(session.name) || overrides.contains_key(heartbeat.name);
    let value = |key: &Key| {
        let own = overrides.get(key.name).and_then(|raw| raw.parse().ok());
        own.or_else(|| number(settings, key.fallbacks.first()?))
    };
    match (value(session), value(heartbeat)) {
        (Some(session_ms), Some(heartbeat_ms)) if is_set && session_ms <= heartbeat_ms => {
            Err(ConfigError::Conflict {
                key: session.name,
                explanation: format!(
                    "{session_ms} must be greater than {}, which is {heartbeat_ms}",
                    heartbeat.name
                ),
            })
        }
        _ => Ok(()),
    }
}

fn number(settings: &Settings, name: &str) -> Option<i64> {
    settings.effective(name)?.value?.parse().ok()
}
