//! What operators ask: change configurations, see directories, features, brokers and the quorum.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{NodeId, Uuid};
use wire::Request;
use wire::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopic,
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse,
};
use wire::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use wire::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use wire::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use wire::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, ReplicaState, RequestPartitionData,
    RequestTopicData,
};
use wire::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use wire::list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use wire::update_features::{FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse};

use crate::admin::{Resource, check, missing};
use crate::cluster::Client;
use crate::error::ClientError;

/// What is done to one key of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// It gets this value.
    Set(String, String),
    /// It falls back to its default.
    Unset(String),
    /// A list gets these elements too.
    Append(String, String),
    /// A list loses these elements.
    Subtract(String, String),
}

impl ConfigChange {
    fn written(&self) -> AlterableConfig<'_> {
        let (name, config_operation, value) = match self {
            Self::Set(name, value) => (name, 0, Some(value)),
            Self::Unset(name) => (name, 1, None),
            Self::Append(name, value) => (name, 2, Some(value)),
            Self::Subtract(name, value) => (name, 3, Some(value)),
        };
        AlterableConfig {
            name: name.as_str().into(),
            config_operation,
            value: value.map(|value| value.as_str().into()),
        }
    }
}

/// One log directory of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDir {
    /// The broker.
    pub node: NodeId,
    /// Where it is.
    pub path: String,
    /// Kafka's name for what is wrong with it, when something is.
    pub error: Option<&'static str>,
    /// The bytes of its volume, where the broker says.
    pub total_bytes: Option<i64>,
    /// How many of them can still be used, where the broker says.
    pub usable_bytes: Option<i64>,
    /// Topics with their partitions and sizes in bytes.
    pub topics: BTreeMap<String, BTreeMap<i32, i64>>,
    /// Partitions on their way here: topic, partition, how many offsets are missing.
    pub arriving: Vec<(String, i32, i64)>,
}

/// A feature as a broker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// The lowest level that the broker can work at.
    pub min: i16,
    /// The highest.
    pub max: i16,
    /// The level that the cluster works at; zero is off.
    pub level: i16,
}

/// Which way a feature may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureWay {
    /// Only up.
    Upgrade,
    /// Down too, where nothing is lost.
    SafeDowngrade,
    /// Down too, whatever is lost.
    UnsafeDowngrade,
}

/// A broker of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterNode {
    /// Its id.
    pub id: NodeId,
    /// Its address.
    pub address: String,
    /// Where it stands.
    pub rack: Option<String>,
    /// Whether it is registered and must not serve.
    pub is_fenced: bool,
}

/// The cluster as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// Its id.
    pub id: String,
    /// The broker that administrators' requests go to.
    pub controller: NodeId,
    /// Its brokers.
    pub nodes: Vec<ClusterNode>,
}

/// A member of the metadata quorum, or one who only reads its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Its id.
    pub id: NodeId,
    /// Its directory; zero where the broker is too old to say.
    pub directory: Uuid,
    /// Where its log ends.
    pub log_end: i64,
}

/// The metadata quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumInfo {
    /// Who leads.
    pub leader: NodeId,
    /// The leader's epoch.
    pub epoch: i32,
    /// Everything below is committed.
    pub high_watermark: i64,
    /// The voters.
    pub voters: Vec<QuorumReplica>,
    /// Those who read the log without a vote.
    pub observers: Vec<QuorumReplica>,
}

impl Client {
    /// Changes single keys of a resource, or only checks whether they could be changed.
    ///
    /// # Errors
    /// `Refused` with the broker's reason; otherwise when no broker answers.
    pub async fn alter_configs(
        &self,
        resource: &Resource,
        changes: &[ConfigChange],
        validate_only: bool,
    ) -> Result<(), ClientError> {
        let (resource_type, name) = resource.written();
        let request = IncrementalAlterConfigsRequest {
            resources: vec![AlterConfigsResource {
                resource_type,
                resource_name: name.as_str().into(),
                configs: changes.iter().map(ConfigChange::written).collect(),
            }],
            validate_only,
        };
        // A broker's own keys are changed by the broker itself.
        let answer = match resource {
            Resource::Broker(node) => {
                self.refresh(Some(&[]), false).await?;
                let connection = self.broker(NodeId(*node)).await?;
                let timeout = self.options().request_timeout;
                connection.call(&request, timeout).await?
            }
            _ => self.administer(&request).await?,
        };
        let response: IncrementalAlterConfigsResponse<'_> = answer.decode()?;
        let altered = response.responses.first();
        let altered = altered.ok_or_else(|| missing("IncrementalAlterConfigs"))?;
        let message = altered.error_message.as_deref();
        check(&resource.to_string(), altered.error_code, message)
    }

    /// Everything that can be configured, or only one kind of it.
    ///
    /// # Errors
    /// As [`Client::alter_configs`].
    pub async fn config_resources(&self, kind: Option<i8>) -> Result<Vec<Resource>, ClientError> {
        let request = ListConfigResourcesRequest {
            resource_types: kind.into_iter().collect(),
        };
        let answer = self.ask_any(&request, Duration::ZERO).await?;
        let response: ListConfigResourcesResponse<'_> = answer.decode()?;
        check("list of resources", response.error_code, None)?;
        let resources = response.config_resources.iter();
        let resources =
            resources.filter_map(|found| Resource::read(found.resource_type, &found.resource_name));
        Ok(resources.collect())
    }

    /// The log directories of one broker.
    ///
    /// # Errors
    /// As [`Client::alter_configs`].
    pub async fn log_dirs(&self, node: NodeId) -> Result<Vec<LogDir>, ClientError> {
        let connection = self.broker(node).await?;
        let request = DescribeLogDirsRequest { topics: None };
        let timeout = self.options().request_timeout;
        let answer = connection.call(&request, timeout).await?;
        let response: DescribeLogDirsResponse<'_> = answer.decode()?;
        check("log directories", response.error_code, None)?;
        let dirs = response.results.iter().map(|dir| LogDir {
            node,
            path: dir.log_dir.to_string(),
            error: (dir.error_code != 0).then(|| base::ErrorCode::from_code(dir.error_code).name()),
            total_bytes: Some(dir.total_bytes).filter(|bytes| *bytes >= 0),
            usable_bytes: Some(dir.usable_bytes).filter(|bytes| *bytes >= 0),
            arriving: dir
                .topics
                .iter()
                .flat_map(|topic| {
                    let coming = topic.partitions.iter().filter(|one| one.is_future_key);
                    let name = topic.name.to_string();
                    coming.map(move |one| (name.clone(), one.partition_index, one.offset_lag))
                })
                .collect(),
            topics: dir
                .topics
                .iter()
                .map(|topic| {
                    let partitions = topic.partitions.iter();
                    let sizes = partitions.map(|one| (one.partition_index, one.partition_size));
                    (topic.name.to_string(), sizes.collect())
                })
                .collect(),
        });
        Ok(dirs.collect())
    }

    /// Begins to move partitions of a topic to another log directory of their broker; what became
    /// of each, as Kafka's code.
    ///
    /// # Errors
    /// As [`Client::alter_configs`].
    pub async fn move_to_log_dir(
        &self,
        node: NodeId,
        path: &str,
        topic: &str,
        partitions: &[i32],
    ) -> Result<Vec<(i32, base::ErrorCode)>, ClientError> {
        let connection = self.broker(node).await?;
        let request = AlterReplicaLogDirsRequest {
            dirs: vec![AlterReplicaLogDir {
                path: path.into(),
                topics: vec![AlterReplicaLogDirTopic {
                    name: topic.into(),
                    partitions: partitions.to_vec(),
                }],
            }],
        };
        let timeout = self.options().request_timeout;
        let answer = connection.call(&request, timeout).await?;
        let response: AlterReplicaLogDirsResponse<'_> = answer.decode()?;
        let results = response.results.iter().flat_map(|topic| &topic.partitions);
        let outcome = |one: &AlterReplicaLogDirPartitionResult| {
            let code = base::ErrorCode::from_code(one.error_code);
            (one.partition_index, code)
        };
        Ok(results.map(outcome).collect())
    }

    /// What the broker can do and what the cluster has switched on.
    ///
    /// # Errors
    /// As [`Client::alter_configs`].
    pub async fn features(&self) -> Result<Vec<Feature>, ClientError> {
        let request = ApiVersionsRequest {
            client_software_name: "forebay".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            node_id: -1,
            cluster_id: None,
        };
        let answer = self.ask_any(&request, Duration::ZERO).await?;
        let response: ApiVersionsResponse<'_> = answer.decode()?;
        check("features", response.error_code, None)?;
        let level = |name: &str| {
            let mut finalized = response.finalized_features.iter();
            finalized
                .find(|feature| feature.name == name)
                .map_or(0, |feature| feature.max_version_level)
        };
        let supported = response.supported_features.iter();
        let mut features: Vec<Feature> = supported
            .map(|feature| Feature {
                name: feature.name.to_string(),
                min: feature.min_version,
                max: feature.max_version,
                level: level(&feature.name),
            })
            .collect();
        features.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(features)
    }

    /// Changes the levels that the cluster works at; all of them or none.
    ///
    /// # Errors
    /// As [`Client::alter_configs`].
    pub async fn update_features(
        &self,
        levels: &[(String, i16)],
        way: FeatureWay,
        validate_only: bool,
    ) -> Result<(), ClientError> {
        let connection = self.controller().await?;
        let has_way = connection.version(UpdateFeaturesRequest::KEY)? >= 1;
        let upgrade_type = match way {
            FeatureWay::Upgrade => 1,
            FeatureWay::SafeDowngrade => 2,
            FeatureWay::UnsafeDowngrade => 3,
        };
        let updates = levels.iter().map(|(name, level)| FeatureUpdateKey {
            feature: name.as_str().into(),
            max_version_level: *level,
            allow_downgrade: !has_way && way != FeatureWay::Upgrade,
            upgrade_type: if has_way { upgrade_type } else { 1 },
        });
        let request = UpdateFeaturesRequest {
            timeout_ms: self.timeout_ms(),
            feature_updates: updates.collect(),
            validate_only,
        };
        let answer = self.administer(&request).await?;
        let response: UpdateFeaturesResponse<'_> = answer.decode()?;
        check(
            "features",
            response.error_code,
            response.error_message.as_deref(),
        )
    }

    /// The cluster's id, brokers and controller.
    ///
    /// # Errors
    /// As [`Client::alter_configs`].
    pub async fn describe_cluster(&self) -> Result<ClusterInfo, ClientError> {
        let connection = self.any().await?;
        let version = connection.version(DescribeClusterRequest::KEY)?;
        let request = DescribeClusterRequest {
            include_cluster_authorized_operations: false,
            endpoint_type: 1,
            include_fenced_brokers: version >= 2,
        };
        let answer = self.ask_any(&request, Duration::ZERO).await?;
        let response: DescribeClusterResponse<'_> = answer.decode()?;
        check(
            "cluster",
            response.error_code,
            response.error_message.as_deref(),
        )?;
        let nodes = response.brokers.iter().map(|broker| ClusterNode {
            id: NodeId(broker.broker_id),
            address: format!("{}:{}", broker.host, broker.port),
            rack: broker.rack.as_deref().map(str::to_owned),
            is_fenced: broker.is_fenced,
        });
        Ok(ClusterInfo {
            id: response.cluster_id.to_string(),
            controller: NodeId(response.controller_id),
            nodes: nodes.collect(),
        })
    }

    /// How the metadata quorum stands.
    ///
    /// # Errors
    /// As [`Client::alter_configs`]; also where the cluster has none (before KRaft).
    pub async fn describe_quorum(&self) -> Result<QuorumInfo, ClientError> {
        let request = DescribeQuorumRequest {
            topics: vec![RequestTopicData {
                topic_name: "__cluster_metadata".into(),
                partitions: vec![RequestPartitionData { partition_index: 0 }],
            }],
        };
        let answer = self.ask_any(&request, Duration::ZERO).await?;
        let response: DescribeQuorumResponse<'_> = answer.decode()?;
        check(
            "quorum",
            response.error_code,
            response.error_message.as_deref(),
        )?;
        let topic = response.topics.first();
        let partition = topic.and_then(|topic| topic.partitions.first());
        let partition = partition.ok_or_else(|| missing("DescribeQuorum"))?;
        let message = partition.error_message.as_deref();
        check("quorum", partition.error_code, message)?;
        let replicas = |states: &[ReplicaState]| {
            let replicas = states.iter().map(|state| QuorumReplica {
                id: NodeId(state.replica_id),
                directory: state.replica_directory_id,
                log_end: state.log_end_offset,
            });
            replicas.collect()
        };
        Ok(QuorumInfo {
            leader: NodeId(partition.leader_id),
            epoch: partition.leader_epoch,
            high_watermark: partition.high_watermark,
            voters: replicas(&partition.current_voters),
            observers: replicas(&partition.observers),
        })
    }
}
