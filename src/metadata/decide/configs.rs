//! Setting, removing, appending to and subtracting from configurations (KIP-339).
//!
//! Invariant: nothing is stored that the `config` room would refuse.

use crate::change::Change;
use crate::image::Image;
use crate::refusal::Refusal;
use crate::resource::{Resource, ResourceKind};
use base::{ErrorCode, NodeId};
use config::{BrokerConfig, Family, Kind, Settings, Subscription, TopicConfig};
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

/// What a resource's new configuration is checked against besides the keys' own rules.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    /// The cluster.
    pub image: &'a Image,
    /// The deciding node's configuration as it was started: what is set for all brokers lies over
    /// it, and the defaults of topics and the bounds of groups come out of both.
    pub config: &'a BrokerConfig,
}

impl Standing<'_> {
    /// The deciding node's settings with what is set for all brokers and for itself.
    fn settings(&self) -> Settings {
        let cluster = self.image.configs(&Resource::cluster_default());
        let own = self.image.configs(&Resource::broker(self.config.node.id));
        self.config.settings.with_dynamic(cluster, own)
    }
}

/// What became of one resource of a request.
pub type AlterOutcome = (Resource, Result<Vec<Change>, Refusal>);

/// IncrementalAlterConfigs: decides each resource on its own, in the order of the request.
#[must_use]
pub fn alter_configs(standing: Standing<'_>, requested: &[AlterResource]) -> Vec<AlterOutcome> {
    each_once(
        requested,
        |alter| &alter.resource,
        |alter| alter_one(standing, alter),
    )
}

/// One resource of an AlterConfigs request: all that shall be set for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaceResource {
    /// Whose configuration.
    pub resource: Resource,
    /// Keys and values.
    pub configs: Vec<(String, Option<String>)>,
}

/// AlterConfigs, the older form: what is not named falls back to its default.
#[must_use]
pub fn replace_configs(standing: Standing<'_>, requested: &[ReplaceResource]) -> Vec<AlterOutcome> {
    each_once(
        requested,
        |replace| &replace.resource,
        |replace| replace_one(standing, replace),
    )
}

fn each_once<R>(
    requested: &[R],
    resource_of: impl Fn(&R) -> &Resource,
    decide: impl Fn(&R) -> Result<Vec<Change>, Refusal>,
) -> Vec<AlterOutcome> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for one in requested {
        let resource = resource_of(one);
        if !seen.insert(resource) {
            twice.insert(resource);
        }
    }
    let outcomes = requested.iter().map(|one| {
        let resource = resource_of(one);
        let outcome = if twice.contains(resource) {
            let text = "Each resource must appear at most once.";
            Err(Refusal::new(ErrorCode::InvalidRequest, text))
        } else {
            decide(one)
        };
        (resource.clone(), outcome)
    });
    outcomes.collect()
}

fn replace_one(standing: Standing<'_>, replace: &ReplaceResource) -> Result<Vec<Change>, Refusal> {
    let set = |(key, value): &(String, Option<String>)| ConfigOperation {
        key: key.clone(),
        kind: OperationKind::Set,
        value: value.clone(),
    };
    let mut operations: Vec<ConfigOperation> = replace.configs.iter().map(set).collect();
    let named: BTreeSet<&str> = replace
        .configs
        .iter()
        .map(|(key, _)| key.as_str())
        .collect();
    let current = standing.image.configs(&replace.resource);
    let rest = current.keys().filter(|key| !named.contains(key.as_str()));
    operations.extend(rest.map(|key| ConfigOperation {
        key: key.clone(),
        kind: OperationKind::Delete,
        value: None,
    }));
    let resource = replace.resource.clone();
    alter_one(
        standing,
        &AlterResource {
            resource,
            operations,
        },
    )
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

fn alter_one(standing: Standing<'_>, alter: &AlterResource) -> Result<Vec<Change>, Refusal> {
    let image = standing.image;
    check_operations(&alter.operations)?;
    check_name(&alter.resource)?;
    let current = image.configs(&alter.resource);
    let mut result = current.clone();
    let mut changes = Vec::new();
    for operation in &alter.operations {
        let before = current.get(&operation.key).map(String::as_str);
        let after = outcome_of(&alter.resource, operation, before)?;
        if before == after.as_deref() {
            continue;
        }
        check_eligible_replicas(image, &alter.resource, operation)?;
        match &after {
            Some(value) => result.insert(operation.key.clone(), value.clone()),
            None => result.remove(&operation.key),
        };
        changes.push(Change::Config {
            resource: alter.resource.clone(),
            key: operation.key.clone(),
            value: after,
        });
    }
    // Nothing set makes nothing wrong, and what is set may be removed even where it became wrong.
    if changes
        .iter()
        .any(|change| matches!(change, Change::Config { value: Some(_), .. }))
    {
        check_together(standing, &alter.resource, &result)?;
    }
    // A bad value on an unknown resource is a bad value, as in Kafka.
    check_exists(image, &alter.resource)?;
    Ok(changes)
}

/// What no single key of the resource can know.
fn check_together(
    standing: Standing<'_>,
    resource: &Resource,
    configs: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let invalid = |text: String| Refusal::new(ErrorCode::InvalidConfig, text);
    match resource.kind {
        ResourceKind::Topic => TopicConfig::new(&standing.settings(), configs)
            .map(|_| ())
            .map_err(|error| invalid(error.client_text())),
        ResourceKind::Group => config::check_group(&standing.settings(), configs)
            .map_err(|error| invalid(error.client_text())),
        ResourceKind::ClientMetrics => {
            Subscription::new(configs)
                .map(|_| ())
                .map_err(|(text, is_interval)| {
                    let code = if is_interval {
                        ErrorCode::InvalidRequest
                    } else {
                        ErrorCode::InvalidConfig
                    };
                    Refusal::new(code, text)
                })
        }
        ResourceKind::Broker => {
            let of = |other: Resource| standing.image.configs(&other).clone();
            let own = Resource::broker(standing.config.node.id);
            let checked = if resource.name.is_empty() {
                standing.config.with_dynamic(configs, &of(own))
            } else if *resource == own {
                standing
                    .config
                    .with_dynamic(&of(Resource::cluster_default()), configs)
            } else {
                // Each broker checked its own before it asked.
                return Ok(());
            };
            checked.map(|_| ()).map_err(|errors| {
                let texts: Vec<String> = errors
                    .0
                    .iter()
                    .map(config::ConfigError::client_text)
                    .collect();
                Refusal::new(ErrorCode::InvalidRequest, texts.join("; "))
            })
        }
    }
}

/// With eligible leader replicas, min.insync.replicas decides who may lead, so it must not differ
/// between brokers and must stay said (KIP-966).
fn check_eligible_replicas(
    image: &Image,
    resource: &Resource,
    operation: &ConfigOperation,
) -> Result<(), Refusal> {
    let concerned = resource.kind == ResourceKind::Broker && operation.key == "min.insync.replicas";
    if !concerned || image.feature_level("eligible.leader.replicas.version") == 0 {
        return Ok(());
    }
    let text = if !resource.name.is_empty() {
        "Broker-level min.insync.replicas cannot be altered while ELR is enabled."
    } else if operation.kind == OperationKind::Delete {
        "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."
    } else {
        return Ok(());
    };
    Err(Refusal::new(ErrorCode::InvalidConfig, text))
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
        let text = if resource.kind == ResourceKind::ClientMetrics {
            "Subscription name can't be empty".to_owned()
        } else {
            format!("Default {what} resources are not allowed.")
        };
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
        return Err(unknown(kind, name));
    }
    // A record can carry no more.
    if raw.len() > VALUE_BYTES_MAX {
        let text = format!(
            "The value of {name} has {} bytes; at most {VALUE_BYTES_MAX} can be kept.",
            raw.len()
        );
        return Err(Refusal::new(ErrorCode::InvalidConfig, text));
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
            ResourceKind::Broker => ErrorCode::InvalidRequest,
            ResourceKind::Topic | ResourceKind::Group | ResourceKind::ClientMetrics => {
                ErrorCode::InvalidConfig
            }
        };
        Refusal::new(code, error.client_text())
    })
}

/// The longest text of a metadata record.
const VALUE_BYTES_MAX: usize = 32_767;

fn unknown(kind: ResourceKind, name: &str) -> Refusal {
    let (family, what, code) = match kind {
        ResourceKind::Topic => (Family::Topic, "topic config name", ErrorCode::InvalidConfig),
        ResourceKind::Group => (Family::Group, "group config name", ErrorCode::InvalidConfig),
        ResourceKind::Broker => (
            Family::Broker,
            "broker config name",
            ErrorCode::InvalidConfig,
        ),
        ResourceKind::ClientMetrics => {
            let what = "client metrics configuration";
            (Family::ClientMetrics, what, ErrorCode::InvalidRequest)
        }
    };
    let nearest = config::nearest(name, family.keys().map(|key| key.name));
    let hint = nearest.map_or(String::new(), |nearest| {
        format!("; did you mean {nearest}?")
    });
    Refusal::new(code, format!("Unknown {what}: {name}{hint}"))
}
