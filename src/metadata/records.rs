//! Changes to and from the bytes of Kafka's metadata records.
//!
//! Records are written at the newest version that metadata.version 33 (Kafka 4.4) allows, and read
//! at any. Invariant: decoding what was encoded gives an equal change.

use crate::broker::{Broker, Controller, Endpoint, FeatureRange};
use crate::change::{BrokerChange, Change, PartitionChange};
use crate::quota::{QuotaEntity, QuotaValue};
use crate::resource::{Resource, ResourceKind};
use crate::scram::ScramChange;
use crate::topic::Partition;
use access::{
    Acl, Operation, PatternType, Permission, ResourceType, ScramCredential, ScramMechanism,
};
use base::{LeaderEpoch, NodeId, PartitionIndex, Uuid};
use std::collections::BTreeMap;
use std::fmt;
use wire::record::{
    cluster_metadata_access_control_entry::AccessControlEntryRecord,
    cluster_metadata_broker_registration_change as registration_change,
    cluster_metadata_client_quota::{ClientQuotaRecord, EntityData},
    cluster_metadata_config::ConfigRecord,
    cluster_metadata_feature_level::FeatureLevelRecord,
    cluster_metadata_no_op::NoOpRecord,
    cluster_metadata_partition::PartitionRecord,
    cluster_metadata_partition_change::PartitionChangeRecord,
    cluster_metadata_producer_ids::ProducerIdsRecord,
    cluster_metadata_register_broker as broker, cluster_metadata_register_controller as controller,
    cluster_metadata_remove_access_control_entry::RemoveAccessControlEntryRecord,
    cluster_metadata_remove_topic::RemoveTopicRecord,
    cluster_metadata_remove_user_scram_credential::RemoveUserScramCredentialRecord,
    cluster_metadata_topic::TopicRecord,
    cluster_metadata_unregister_broker::UnregisterBrokerRecord,
    cluster_metadata_unregister_controller::UnregisterControllerRecord,
    cluster_metadata_user_scram_credential::UserScramCredentialRecord,
};
use wire::{MetadataRecord, WireError};

/// In a partition change: the leader stays.
const LEADER_UNCHANGED: i32 = -2;
/// No leader.
const LEADER_NONE: i32 = -1;

/// A record that cannot be taken in.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordError {
    /// The bytes follow no schema that this release knows.
    Wire(WireError),
    /// A field holds a value that no release of Kafka writes there.
    Field(&'static str),
    /// A kind of record that belongs to a protocol this release does not take part in.
    Kind(&'static str),
}

impl fmt::Display for RecordError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => write!(
                formatter,
                "a metadata record cannot be read: {error}; if a later release wrote it, run that"
            ),
            Self::Field(name) => write!(
                formatter,
                "a metadata record holds an impossible {name}; restore __cluster_metadata-0"
            ),
            Self::Kind(name) => write!(
                formatter,
                "metadata records of kind {name} are not understood; let Kafka finish what it \
                 began with them before this node takes its log over"
            ),
        }
    }
}

impl std::error::Error for RecordError {}

impl From<WireError> for RecordError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl Change {
    /// The value of one Kafka record; its key is null.
    ///
    /// # Errors
    /// When a text is longer than a record can carry.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let (record, version) = match self {
            Self::Foreign { bytes } => return Ok(bytes.clone()),
            Self::NoOp => (MetadataRecord::from(NoOpRecord::default()), 0),
            Self::RegisterBroker(broker) => (encode_broker(broker), 4),
            Self::UnregisterBroker { id, epoch } => {
                let record = UnregisterBrokerRecord {
                    broker_id: id.get(),
                    broker_epoch: *epoch,
                };
                (record.into(), 0)
            }
            Self::Broker(change) => (encode_broker_change(change), 3),
            Self::RegisterController(controller) => (encode_controller(controller), 0),
            Self::UnregisterController { id } => {
                let controller_id = id.get();
                (UnregisterControllerRecord { controller_id }.into(), 0)
            }
            Self::Topic { name, id } => {
                let record = TopicRecord {
                    name: name.as_str().into(),
                    topic_id: *id,
                };
                (record.into(), 0)
            }
            Self::RemoveTopic { id } => (RemoveTopicRecord { topic_id: *id }.into(), 0),
            Self::Partition {
                topic,
                index,
                partition,
            } => (encode_partition(*topic, *index, partition), 2),
            Self::PartitionChange(change) => (encode_partition_change(change), 2),
            Self::Config {
                resource,
                key,
                value,
            } => (encode_config(resource, key, value.as_deref()), 0),
            Self::ClientQuota { entity, key, value } => (encode_quota(entity, key, *value), 0),
            Self::Acl { id, acl } => (encode_acl(*id, acl), 0),
            Self::RemoveAcl { id } => (RemoveAccessControlEntryRecord { id: *id }.into(), 0),
            Self::Scram(change) => (encode_scram(change), 0),
            Self::FeatureLevel { name, level } => {
                let record = FeatureLevelRecord {
                    name: name.as_str().into(),
                    feature_level: *level,
                };
                (record.into(), 0)
            }
            Self::ProducerIds {
                broker,
                broker_epoch,
                next,
            } => {
                let record = ProducerIdsRecord {
                    broker_id: broker.get(),
                    broker_epoch: *broker_epoch,
                    next_producer_id: *next,
                };
                (record.into(), 0)
            }
        };
        record.encode(version)
    }

    /// The change that a record's value stands for.
    ///
    /// # Errors
    /// When the bytes are no metadata record, or one of a kind that cannot be carried along.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (_, record) = MetadataRecord::decode(bytes)?;
        decode_record(record, bytes)
    }
}

fn decode_record(record: MetadataRecord<'_>, bytes: &[u8]) -> Result<Change, RecordError> {
    Ok(match record {
        MetadataRecord::NoOp(_) => Change::NoOp,
        MetadataRecord::RegisterBroker(record) => Change::RegisterBroker(decode_broker(&record)),
        MetadataRecord::UnregisterBroker(record) => Change::UnregisterBroker {
            id: NodeId(record.broker_id),
            epoch: record.broker_epoch,
        },
        MetadataRecord::FenceBroker(record) => fence(record.id, record.epoch, true),
        MetadataRecord::UnfenceBroker(record) => fence(record.id, record.epoch, false),
        MetadataRecord::BrokerRegistrationChange(record) => decode_broker_change(record)?,
        MetadataRecord::RegisterController(record) => {
            Change::RegisterController(decode_controller(&record))
        }
        MetadataRecord::UnregisterController(record) => Change::UnregisterController {
            id: NodeId(record.controller_id),
        },
        MetadataRecord::Topic(record) => Change::Topic {
            name: record.name.into_owned(),
            id: record.topic_id,
        },
        MetadataRecord::RemoveTopic(record) => Change::RemoveTopic {
            id: record.topic_id,
        },
        MetadataRecord::Partition(record) => decode_partition(record)?,
        MetadataRecord::PartitionChange(record) => decode_partition_change(record)?,
        MetadataRecord::Config(record) => decode_config(record)?,
        MetadataRecord::ClientQuota(record) => decode_quota(record),
        MetadataRecord::AccessControlEntry(record) => decode_acl(record)?,
        MetadataRecord::RemoveAccessControlEntry(record) => Change::RemoveAcl { id: record.id },
        MetadataRecord::UserScramCredential(record) => decode_scram(record)?,
        MetadataRecord::RemoveUserScramCredential(record) => Change::Scram(ScramChange {
            mechanism: scram_mechanism(record.mechanism)?,
            user: record.name.into_owned(),
            credential: None,
        }),
        MetadataRecord::FeatureLevel(record) => Change::FeatureLevel {
            name: record.name.into_owned(),
            level: record.feature_level,
        },
        MetadataRecord::ProducerIds(record) => Change::ProducerIds {
            broker: NodeId(record.broker_id),
            broker_epoch: record.broker_epoch,
            next: record.next_producer_id,
        },
        MetadataRecord::DelegationToken(_)
        | MetadataRecord::RemoveDelegationToken(_)
        | MetadataRecord::ZkMigrationState(_)
        | MetadataRecord::ClearElr(_) => Change::Foreign {
            bytes: bytes.to_vec(),
        },
        MetadataRecord::BeginTransaction(_) => return Err(RecordError::Kind("BeginTransaction")),
        MetadataRecord::EndTransaction(_) => return Err(RecordError::Kind("EndTransaction")),
        MetadataRecord::AbortTransaction(_) => return Err(RecordError::Kind("AbortTransaction")),
    })
}

fn encode_acl(id: Uuid, acl: &Acl) -> MetadataRecord<'_> {
    MetadataRecord::from(AccessControlEntryRecord {
        id,
        resource_type: acl.resource_type.code(),
        resource_name: acl.name.as_str().into(),
        pattern_type: acl.pattern_type.code(),
        principal: acl.principal.as_str().into(),
        host: acl.host.as_str().into(),
        operation: acl.operation.code(),
        permission_type: acl.permission.code(),
    })
}

fn decode_acl(record: AccessControlEntryRecord<'_>) -> Result<Change, RecordError> {
    let resource_type = ResourceType::from_code(record.resource_type);
    let pattern_type = PatternType::from_code(record.pattern_type);
    let operation = Operation::from_code(record.operation);
    let permission = Permission::from_code(record.permission_type);
    let acl = Acl {
        resource_type: resource_type.ok_or(RecordError::Field("resource_type"))?,
        pattern_type: pattern_type.ok_or(RecordError::Field("pattern_type"))?,
        name: record.resource_name.into_owned(),
        principal: record.principal.into_owned(),
        host: record.host.into_owned(),
        operation: operation.ok_or(RecordError::Field("operation"))?,
        permission: permission.ok_or(RecordError::Field("permission_type"))?,
    };
    Ok(Change::Acl { id: record.id, acl })
}

fn encode_scram(change: &ScramChange) -> MetadataRecord<'_> {
    let name = change.user.as_str().into();
    let mechanism = change.mechanism.code();
    match &change.credential {
        Some(credential) => MetadataRecord::from(UserScramCredentialRecord {
            name,
            mechanism,
            salt: credential.salt.as_slice().into(),
            stored_key: credential.stored_key.as_slice().into(),
            server_key: credential.server_key.as_slice().into(),
            iterations: credential.iterations,
        }),
        None => MetadataRecord::from(RemoveUserScramCredentialRecord { name, mechanism }),
    }
}

fn decode_scram(record: UserScramCredentialRecord<'_>) -> Result<Change, RecordError> {
    Ok(Change::Scram(ScramChange {
        mechanism: scram_mechanism(record.mechanism)?,
        user: record.name.into_owned(),
        credential: Some(ScramCredential {
            salt: record.salt.into_owned(),
            iterations: record.iterations,
            stored_key: record.stored_key.into_owned(),
            server_key: record.server_key.into_owned(),
        }),
    }))
}

fn scram_mechanism(code: i8) -> Result<ScramMechanism, RecordError> {
    ScramMechanism::from_code(code).ok_or(RecordError::Field("mechanism"))
}

fn encode_quota<'a>(
    entity: &'a QuotaEntity,
    key: &'a str,
    value: Option<QuotaValue>,
) -> MetadataRecord<'a> {
    let entity = entity.0.iter().map(|(kind, name)| EntityData {
        entity_type: kind.as_str().into(),
        entity_name: name.as_deref().map(Into::into),
    });
    MetadataRecord::from(ClientQuotaRecord {
        entity: entity.collect(),
        key: key.into(),
        value: value.map_or(0.0, |value| value.0),
        remove: value.is_none(),
    })
}

fn decode_quota(record: ClientQuotaRecord<'_>) -> Change {
    let entity = record.entity.into_iter().map(|part| {
        let name = part.entity_name.map(std::borrow::Cow::into_owned);
        (part.entity_type.into_owned(), name)
    });
    Change::ClientQuota {
        entity: QuotaEntity(entity.collect()),
        key: record.key.into_owned(),
        value: (!record.remove).then_some(QuotaValue(record.value)),
    }
}

fn fence(id: i32, epoch: i64, fenced: bool) -> Change {
    Change::Broker(BrokerChange {
        id: NodeId(id),
        epoch,
        fenced: Some(fenced),
        ..BrokerChange::default()
    })
}

fn encode_broker(value: &Broker) -> MetadataRecord<'_> {
    let end_points = value
        .endpoints
        .iter()
        .map(|endpoint| broker::BrokerEndpoint {
            name: endpoint.listener.as_str().into(),
            host: endpoint.host.as_str().into(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
    let features = value
        .features
        .iter()
        .map(|(name, range)| broker::BrokerFeature {
            name: name.as_str().into(),
            min_supported_version: range.min,
            max_supported_version: range.max,
        });
    MetadataRecord::from(broker::RegisterBrokerRecord {
        broker_id: value.id.get(),
        is_migrating_zk_broker: false,
        incarnation_id: value.incarnation_id,
        broker_epoch: value.epoch,
        end_points: end_points.collect(),
        features: features.collect(),
        rack: value.rack.as_deref().map(Into::into),
        fenced: value.fenced,
        in_controlled_shutdown: value.in_controlled_shutdown,
        log_dirs: value.log_dirs.clone(),
        cordoned_log_dirs: value.cordoned_log_dirs.clone(),
    })
}

fn decode_broker(record: &broker::RegisterBrokerRecord<'_>) -> Broker {
    let endpoints = record.end_points.iter().map(|endpoint| Endpoint {
        listener: endpoint.name.to_string(),
        host: endpoint.host.to_string(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    });
    let features = record.features.iter().map(|feature| {
        let range = FeatureRange {
            min: feature.min_supported_version,
            max: feature.max_supported_version,
        };
        (feature.name.to_string(), range)
    });
    Broker {
        id: NodeId(record.broker_id),
        epoch: record.broker_epoch,
        incarnation_id: record.incarnation_id,
        endpoints: endpoints.collect(),
        features: features.collect(),
        rack: record.rack.as_deref().map(str::to_owned),
        fenced: record.fenced,
        in_controlled_shutdown: record.in_controlled_shutdown,
        log_dirs: record.log_dirs.clone(),
        cordoned_log_dirs: record.cordoned_log_dirs.clone(),
    }
}

fn encode_broker_change(change: &BrokerChange) -> MetadataRecord<'static> {
    MetadataRecord::from(registration_change::BrokerRegistrationChangeRecord {
        broker_id: change.id.get(),
        broker_epoch: change.epoch,
        // Kafka writes 1 for "now fenced" and -1 for "no longer".
        fenced: match change.fenced {
            None => 0,
            Some(true) => 1,
            Some(false) => -1,
        },
        in_controlled_shutdown: i8::from(change.in_controlled_shutdown),
        log_dirs: change.log_dirs.clone().unwrap_or_default(),
        cordoned_log_dirs: change.cordoned_log_dirs.clone(),
    })
}

fn decode_broker_change(
    record: registration_change::BrokerRegistrationChangeRecord,
) -> Result<Change, RecordError> {
    let fenced = match record.fenced {
        0 => None,
        1 => Some(true),
        -1 => Some(false),
        _ => return Err(RecordError::Field("fenced")),
    };
    let in_controlled_shutdown = match record.in_controlled_shutdown {
        0 => false,
        1 => true,
        _ => return Err(RecordError::Field("in_controlled_shutdown")),
    };
    Ok(Change::Broker(BrokerChange {
        id: NodeId(record.broker_id),
        epoch: record.broker_epoch,
        fenced,
        in_controlled_shutdown,
        log_dirs: (!record.log_dirs.is_empty()).then_some(record.log_dirs),
        cordoned_log_dirs: record.cordoned_log_dirs,
    }))
}

fn encode_controller(value: &Controller) -> MetadataRecord<'_> {
    let end_points = value
        .endpoints
        .iter()
        .map(|endpoint| controller::ControllerEndpoint {
            name: endpoint.listener.as_str().into(),
            host: endpoint.host.as_str().into(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
    let features = value
        .features
        .iter()
        .map(|(name, range)| controller::ControllerFeature {
            name: name.as_str().into(),
            min_supported_version: range.min,
            max_supported_version: range.max,
        });
    MetadataRecord::from(controller::RegisterControllerRecord {
        controller_id: value.id.get(),
        incarnation_id: value.incarnation_id,
        zk_migration_ready: false,
        end_points: end_points.collect(),
        features: features.collect(),
    })
}

fn decode_controller(record: &controller::RegisterControllerRecord<'_>) -> Controller {
    let endpoints = record.end_points.iter().map(|endpoint| Endpoint {
        listener: endpoint.name.to_string(),
        host: endpoint.host.to_string(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    });
    let mut features = BTreeMap::new();
    for feature in &record.features {
        let range = FeatureRange {
            min: feature.min_supported_version,
            max: feature.max_supported_version,
        };
        features.insert(feature.name.to_string(), range);
    }
    Controller {
        id: NodeId(record.controller_id),
        incarnation_id: record.incarnation_id,
        endpoints: endpoints.collect(),
        features,
    }
}

fn encode_partition(
    topic: Uuid,
    index: PartitionIndex,
    partition: &Partition,
) -> MetadataRecord<'static> {
    let optional = |nodes: &[NodeId]| (!nodes.is_empty()).then(|| numbers(nodes));
    MetadataRecord::from(PartitionRecord {
        partition_id: index.get(),
        topic_id: topic,
        replicas: numbers(&partition.replicas),
        isr: numbers(&partition.isr),
        removing_replicas: numbers(&partition.removing_replicas),
        adding_replicas: numbers(&partition.adding_replicas),
        leader: partition.leader.map_or(LEADER_NONE, NodeId::get),
        leader_recovery_state: i8::from(partition.recovering),
        leader_epoch: partition.leader_epoch.get(),
        partition_epoch: partition.partition_epoch,
        directories: partition.directories.clone(),
        eligible_leader_replicas: optional(&partition.eligible_leader_replicas),
        last_known_elr: optional(&partition.last_known_leader),
    })
}

fn decode_partition(record: PartitionRecord) -> Result<Change, RecordError> {
    // Before KIP-858 nobody knew directories; the zero id means that still nobody does.
    let directories = match record.directories.len() {
        0 => vec![Uuid::ZERO; record.replicas.len()],
        _ => record.directories,
    };
    if directories.len() != record.replicas.len() {
        return Err(RecordError::Field("number of directories"));
    }
    let partition = Partition {
        replicas: nodes(&record.replicas),
        directories,
        isr: nodes(&record.isr),
        removing_replicas: nodes(&record.removing_replicas),
        adding_replicas: nodes(&record.adding_replicas),
        eligible_leader_replicas: nodes(&record.eligible_leader_replicas.unwrap_or_default()),
        last_known_leader: nodes(&record.last_known_elr.unwrap_or_default()),
        leader: (record.leader != LEADER_NONE).then_some(NodeId(record.leader)),
        recovering: recovering(record.leader_recovery_state)?,
        leader_epoch: LeaderEpoch(record.leader_epoch),
        partition_epoch: record.partition_epoch,
    };
    Ok(Change::Partition {
        topic: record.topic_id,
        index: PartitionIndex(record.partition_id),
        partition,
    })
}

fn encode_partition_change(change: &PartitionChange) -> MetadataRecord<'static> {
    let optional = |nodes: &Option<Vec<NodeId>>| nodes.as_deref().map(numbers);
    MetadataRecord::from(PartitionChangeRecord {
        partition_id: change.index.get(),
        topic_id: change.topic,
        isr: optional(&change.isr),
        leader: match change.leader {
            None => LEADER_UNCHANGED,
            Some(None) => LEADER_NONE,
            Some(Some(leader)) => leader.get(),
        },
        replicas: optional(&change.replicas),
        removing_replicas: optional(&change.removing_replicas),
        adding_replicas: optional(&change.adding_replicas),
        leader_recovery_state: change.recovering.map_or(-1, i8::from),
        directories: change.directories.clone(),
        eligible_leader_replicas: optional(&change.eligible_leader_replicas),
        last_known_elr: optional(&change.last_known_leader),
    })
}

fn decode_partition_change(record: PartitionChangeRecord) -> Result<Change, RecordError> {
    let optional = |numbers: Option<Vec<i32>>| numbers.map(|numbers| nodes(&numbers));
    Ok(Change::PartitionChange(PartitionChange {
        topic: record.topic_id,
        index: PartitionIndex(record.partition_id),
        leader: match record.leader {
            LEADER_UNCHANGED => None,
            LEADER_NONE => Some(None),
            leader => Some(Some(NodeId(leader))),
        },
        isr: optional(record.isr),
        replicas: optional(record.replicas),
        removing_replicas: optional(record.removing_replicas),
        adding_replicas: optional(record.adding_replicas),
        recovering: match record.leader_recovery_state {
            -1 => None,
            state => Some(recovering(state)?),
        },
        directories: record.directories,
        eligible_leader_replicas: optional(record.eligible_leader_replicas),
        last_known_leader: optional(record.last_known_elr),
    }))
}

fn encode_config<'a>(
    resource: &'a Resource,
    key: &'a str,
    value: Option<&'a str>,
) -> MetadataRecord<'a> {
    MetadataRecord::from(ConfigRecord {
        resource_type: resource.kind.code(),
        resource_name: resource.name.as_str().into(),
        name: key.into(),
        value: value.map(Into::into),
    })
}

fn decode_config(record: ConfigRecord<'_>) -> Result<Change, RecordError> {
    let kind = ResourceKind::from_code(record.resource_type);
    let kind = kind.ok_or(RecordError::Field("resource_type"))?;
    Ok(Change::Config {
        resource: Resource {
            kind,
            name: record.resource_name.into_owned(),
        },
        key: record.name.into_owned(),
        value: record.value.map(std::borrow::Cow::into_owned),
    })
}

fn recovering(state: i8) -> Result<bool, RecordError> {
    match state {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(RecordError::Field("leader_recovery_state")),
    }
}

fn numbers(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.get()).collect()
}

fn nodes(numbers: &[i32]) -> Vec<NodeId> {
    numbers.iter().map(|number| NodeId(*number)).collect()
}
