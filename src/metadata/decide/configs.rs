//! Setting, removing, appending to and subtracting from configurations (KIP-339).
//!
//! Invariant: nothing is stored that the `config` room would refuse.

use crate::change::Change;
use crate::image::Image;
use crate::refusal::Refusal;
use crate::resource::{Resource, ResourceKind};
use base::{ErrorCode, NodeId};
use config::{Family, Kind};
use std::collections::{BTreeMap, BTreeSet};

/// What is done to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// It gets this value.
    Set,
    /// It falls back to its default.
    Delete,
    /// A list gets these elements too.
    Append,
    /// A list loses these elements.
    Subtract,
}

/// One operation on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigOperation {
    /// The key.
    pub key: String,
    /// What is done.
    pub kind: OperationKind,
    /// With what; nothing only for a deletion.
    pub value: Option<String>,
}

/// The operations on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterResource {
    /// Whose configuration.
    pub resource: Resource,
    /// What is done, in order.
    pub operations: Vec<ConfigOperation>,
}

/// IncrementalAlterConfigs: decides each resource on its own.
#[must_use]
pub fn alter_configs(
    image: &Image,
    requested: &[AlterResource],
) -> Vec<(Resource, Result<Vec<Change>, Refusal>)> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for alter in requested {
        if !seen.insert(&alter.resource) {
            twice.insert(&alter.resource);
        }
    }
    let mut answered = BTreeSet::new();
    let mut outcomes = Vec::new();
    for alter in requested {
        if !answered.insert(&alter.resource) {
            continue;
        }
        let outcome = if twice.contains(&alter.resource) {
            let text = "Each resource must appear at most once.";
            Err(Refusal::new(ErrorCode::InvalidRequest, text))
        } else {
            alter_one(image, alter)
        };
        outcomes.push((alter.resource.clone(), outcome));
    }
    outcomes
}

/// AlterConfigs, the older form: what is not named falls back to its default.
///
/// # Errors
/// When the resource is unknown or a value is refused.
pub fn replace_configs(
    image: &Image,
    resource: &Resource,
    configs: &[(String, Option<String>)],
) -> Result<Vec<Change>, Refusal> {
    let mut operations: Vec<ConfigOperation> = configs
        .iter()
        .map(|(key, value)| ConfigOperation {
            key: key.clone(),
            kind: OperationKind::Set,
            value: value.clone(),
        })
        .collect();
    let named: BTreeSet<&str> = configs.iter().map(|(key, _)| key.as_str()).collect();
    for key in image.configs(resource).keys() {
        if !named.contains(key.as_str()) {
            operations.push(ConfigOperation {
                key: key.clone(),
                kind: OperationKind::Delete,
                value: None,
            });
        }
    }
    let alter = AlterResource {
        resource: resource.clone(),
        operations,
    };
    alter_one(image, &alter)
}

/// The configuration of a topic that does not exist yet, checked and made canonical.
pub(crate) fn check_creation_configs(
    configs: &[(String, Option<String>)],
) -> Result<BTreeMap<String, String>, Refusal> {
    let nulls: Vec<&str> = configs
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(key, _)| key.as_str())
        .collect();
    if !nulls.is_empty() {
        let text = format!(
            "Null value not supported for topic configs: {}",
            nulls.join(",")
        );
        return Err(Refusal::new(ErrorCode::InvalidConfig, text));
    }
    let mut checked = BTreeMap::new();
    for (key, value) in configs {
        let value = value.as_deref().unwrap_or("");
        checked.insert(key.clone(), canonical(ResourceKind::Topic, "", key, value)?);
    }
    Ok(checked)
}

fn alter_one(image: &Image, alter: &AlterResource) -> Result<Vec<Change>, Refusal> {
    check_operations(&alter.operations)?;
    check_name(&alter.resource)?;
    let current = image.configs(&alter.resource);
    let mut changes = Vec::new();
    for operation in &alter.operations {
        let before = current.get(&operation.key).map(String::as_str);
        let after = outcome_of(&alter.resource, operation, before)?;
        if before != after.as_deref() {
            changes.push(Change::Config {
                resource: alter.resource.clone(),
                key: operation.key.clone(),
                value: after,
            });
        }
    }
    // A bad value on an unknown resource is a bad value, as in Kafka.
    check_exists(image, &alter.resource)?;
    Ok(changes)
}

fn check_operations(operations: &[ConfigOperation]) -> Result<(), Refusal> {
    let mut keys = BTreeSet::new();
    if !operations
        .iter()
        .all(|operation| keys.insert(&operation.key))
    {
        let text = "Error due to duplicate config keys";
        return Err(Refusal::new(ErrorCode::InvalidRequest, text));
    }
    let nulls: Vec<&str> = operations
        .iter()
        .filter(|o| o.kind != OperationKind::Delete && o.value.is_none())
        .map(|operation| operation.key.as_str())
        .collect();
    if !nulls.is_empty() {
        let text = format!("Null value not supported for : {}", nulls.join(","));
        return Err(Refusal::new(ErrorCode::InvalidRequest, text));
    }
    Ok(())
}

/// Refuses names that no resource of the kind can have.
fn check_name(resource: &Resource) -> Result<(), Refusal> {
    let what = match resource.kind {
        ResourceKind::Topic => "topic",
        ResourceKind::Group => "group",
        ResourceKind::ClientMetrics => "client metrics",
        // The empty name stands for all brokers.
        ResourceKind::Broker => return Ok(()),
    };
    if resource.name.is_empty() {
        let text = format!("Default {what} resources are not allowed.");
        return Err(Refusal::new(ErrorCode::InvalidRequest, text));
    }
    match resource.kind {
        ResourceKind::Topic => super::names::validate_topic_name(&resource.name),
        _ => Ok(()),
    }
}

fn check_exists(image: &Image, resource: &Resource) -> Result<(), Refusal> {
    match resource.kind {
        ResourceKind::Topic if image.topic(&resource.name).is_none() => {
            let text = format!("The topic '{}' does not exist.", resource.name);
            Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, text))
        }
        ResourceKind::Broker if !resource.name.is_empty() => {
            let id = resource.name.parse().map(NodeId).map_err(|_| {
                let text = format!("Invalid broker name '{}'", resource.name);
                Refusal::new(ErrorCode::InvalidRequest, text)
            })?;
            if image.broker(id).is_none() {
                let text = format!("No broker with id {id} found.");
                return Err(Refusal::new(ErrorCode::BrokerIdNotRegistered, text));
            }
            Ok(())
        }
        // Groups and metrics subscriptions may be configured before they exist.
        _ => Ok(()),
    }
}

/// The key's value after the operation, nothing when it is not set any more.
fn outcome_of(
    resource: &Resource,
    operation: &ConfigOperation,
    before: Option<&str>,
) -> Result<Option<String>, Refusal> {
    let value = operation.value.as_deref().unwrap_or("");
    let raw = match operation.kind {
        // Removing what is not set, or not even known, is what the client wants already.
        OperationKind::Delete => return Ok(None),
        OperationKind::Set => value.to_owned(),
        OperationKind::Append | OperationKind::Subtract => {
            edit_list(resource.kind, operation, before)?
        }
    };
    canonical(resource.kind, &resource.name, &operation.key, &raw).map(Some)
}

fn edit_list(
    kind: ResourceKind,
    operation: &ConfigOperation,
    before: Option<&str>,
) -> Result<String, Refusal> {
    let key = find(kind, &operation.key);
    let name = if operation.kind == OperationKind::Append {
        "APPEND"
    } else {
        "SUBTRACT"
    };
    let Some(key) = key.filter(|key| key.kind == Kind::List) else {
        let text = format!(
            "Can't {name} to key {} because its type is not LIST.",
            operation.key
        );
        return Err(Refusal::new(ErrorCode::InvalidConfig, text));
    };
    let start = before.or(key.default).unwrap_or("");
    let mut elements: Vec<&str> = split(start).collect();
    for element in split(operation.value.as_deref().unwrap_or("")) {
        if operation.kind == OperationKind::Subtract {
            elements.retain(|known| *known != element);
        } else if !elements.contains(&element) {
            elements.push(element);
        }
    }
    Ok(elements.join(","))
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|element| !element.is_empty())
}

/// The key's description.
fn find(kind: ResourceKind, name: &str) -> Option<&'static config::Key> {
    match kind {
        ResourceKind::Topic => Family::Topic.find(name),
        ResourceKind::Group => Family::Group.find(name),
        ResourceKind::ClientMetrics => Family::ClientMetrics.find(name),
        ResourceKind::Broker => config::find_broker_key(name),
    }
}

fn canonical(kind: ResourceKind, resource: &str, name: &str, raw: &str) -> Result<String, Refusal> {
    // Keys that Kafka retired are still sent by clients and are taken without effect.
    let retired = kind == ResourceKind::Topic && config::is_retired_topic_key(name);
    if find(kind, name).is_none() && !retired {
        let (code, text) = match kind {
            ResourceKind::Topic => (ErrorCode::InvalidConfig, "topic config name"),
            ResourceKind::Group => (ErrorCode::InvalidConfig, "group config name"),
            ResourceKind::Broker => (ErrorCode::InvalidConfig, "broker config name"),
            ResourceKind::ClientMetrics => {
                (ErrorCode::InvalidRequest, "client metrics configuration")
            }
        };
        return Err(Refusal::new(code, format!("Unknown {text}: {name}")));
    }
    let checked = match kind {
        ResourceKind::Topic => config::validate_topic_override(name, raw),
        ResourceKind::Group => config::validate_override(Family::Group, name, raw),
        ResourceKind::ClientMetrics => config::validate_override(Family::ClientMetrics, name, raw),
        ResourceKind::Broker => config::validate_broker_override(name, raw, !resource.is_empty()),
    };
    checked.map_err(|error| {
        let code = match kind {
            // Kafka lets the broker itself refuse these, with another code than the controller's.
            ResourceKind::Broker | ResourceKind::ClientMetrics => ErrorCode::InvalidRequest,
            ResourceKind::Topic | ResourceKind::Group => ErrorCode::InvalidConfig,
        };
        Refusal::new(code, error.to_string())
    })
}
