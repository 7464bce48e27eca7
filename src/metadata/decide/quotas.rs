//! AlterClientQuotas: limits are set and removed (KIP-546).
//!
//! Invariant: nothing is stored that no broker could enforce: every key fits its entity's kind and
//! every value its key's type.

use crate::change::Change;
use crate::image::Image;
use crate::quota::{QuotaEntity, QuotaValue};
use crate::refusal::Refusal;
use base::ErrorCode;
use config::{Family, Kind};
use std::collections::BTreeSet;

/// The kinds of entities.
const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";
/// The one key of addresses; all others are of users and client ids.
const IP_KEY: &str = "connection_creation_rate";
/// The longest text of a metadata record.
const TEXT_BYTES_MAX: usize = 32_767;

/// What shall be set for one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterQuota {
    /// Whose limits.
    pub entity: QuotaEntity,
    /// Keys with values; nothing removes the limit.
    pub operations: Vec<(String, Option<QuotaValue>)>,
}

/// Decides each entity on its own, in the order of the request.
#[must_use]
pub fn alter_quotas(
    image: &Image,
    requested: &[AlterQuota],
) -> Vec<(QuotaEntity, Result<Vec<Change>, Refusal>)> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for alter in requested {
        if !seen.insert(&alter.entity) {
            twice.insert(&alter.entity);
        }
    }
    let outcomes = requested.iter().map(|alter| {
        let outcome = if twice.contains(&alter.entity) {
            refuse(format!("Ignoring duplicate entity {}", alter.entity))
        } else {
            alter_one(image, alter)
        };
        (alter.entity.clone(), outcome)
    });
    outcomes.collect()
}

fn refuse<T>(text: String) -> Result<T, Refusal> {
    Err(Refusal::new(ErrorCode::InvalidRequest, text))
}

fn alter_one(image: &Image, alter: &AlterQuota) -> Result<Vec<Change>, Refusal> {
    let is_address = check_entity(&alter.entity)?;
    let mut keys = BTreeSet::new();
    let current = image.quotas().get(&alter.entity);
    let mut changes = Vec::new();
    for (key, value) in &alter.operations {
        if !keys.insert(key) {
            return refuse(format!("Duplicate key {key} for {}", alter.entity));
        }
        if let Some(value) = value {
            check_value(key, *value, is_address)?;
        }
        let before = current.and_then(|values| values.get(key)).copied();
        if before != *value {
            changes.push(Change::ClientQuota {
                entity: alter.entity.clone(),
                key: key.clone(),
                value: *value,
            });
        }
    }
    Ok(changes)
}

/// Whether the entity is an address.
fn check_entity(entity: &QuotaEntity) -> Result<bool, Refusal> {
    if entity.0.is_empty() {
        return refuse("Invalid empty client quota entity".to_owned());
    }
    for (kind, name) in &entity.0 {
        if ![USER, CLIENT_ID, IP].contains(&kind.as_str()) {
            return refuse(format!("Unhandled client quota entity type: {kind}"));
        }
        let name = name.as_deref();
        if name == Some("") {
            return refuse(format!("Empty {kind} not supported"));
        }
        if name.is_some_and(|name| name.len() > TEXT_BYTES_MAX) {
            return refuse(format!("The name of the {kind} is too long to be kept"));
        }
    }
    let is_address = entity.0.contains_key(IP);
    if is_address && entity.0.len() > 1 {
        let text = "Invalid quota entity combination, IP entity should not be combined with User \
                    or ClientId";
        return refuse(text.to_owned());
    }
    Ok(is_address)
}

fn check_value(key: &str, value: QuotaValue, is_address: bool) -> Result<(), Refusal> {
    let known = Family::Quota
        .find(key)
        .filter(|key| (key.name == IP_KEY) == is_address);
    let Some(known) = known else {
        return refuse(format!("Invalid configuration key {key}"));
    };
    // Not a number compares with nothing, so it is refused here too.
    let is_positive = value.0 > 0.0 || (value.0 == 0.0 && is_address);
    if !is_positive || !value.0.is_finite() {
        return refuse(format!("Quota {key} must be greater than 0"));
    }
    let max = match known.kind {
        Kind::Double => return Ok(()),
        Kind::Int => f64::from(i32::MAX),
        _ => 9_223_372_036_854_775_807.0,
    };
    if value.0.fract() != 0.0 {
        return refuse(format!("{key} cannot be a fractional value."));
    }
    if value.0 > max {
        return refuse(format!("{key} must be no more than {max}"));
    }
    Ok(())
}
