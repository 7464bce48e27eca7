//! What administrators ask: create, delete and grow topics, describe configurations.

use std::time::Duration;

use base::{ErrorCode, Uuid};
use wire::Request;
use wire::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
};
use wire::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use wire::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse,
};

use crate::cluster::Client;
use crate::connection::Answer;
use crate::error::ClientError;

/// From version 6 on topics may be named by id, in a list of their own (KIP-516).
const DELETE_BY_STATE_MIN: i16 = 6;
/// Before version 4 the number of partitions and replicas must be given (KIP-464).
const CREATE_WITH_DEFAULTS_MIN: i16 = 4;

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; the broker's default when absent.
    pub partitions: Option<i32>,
    /// How many replicas; the broker's default when absent.
    pub replication_factor: Option<i16>,
    /// Configuration that differs from the broker's.
    pub configs: Vec<(String, String)>,
}

/// What the broker says of a topic that it created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; zero where the broker is too old to say.
    pub id: Uuid,
    /// Its partitions; -1 where the broker does not say.
    pub partitions: i32,
    /// Its replicas; -1 where the broker does not say.
    pub replication_factor: i16,
}

/// What a configuration belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A topic, by name.
    Topic(String),
    /// A broker, by id.
    Broker(i32),
    /// All brokers that do not say otherwise.
    AllBrokers,
    /// A group, by id.
    Group(String),
    /// A subscription to metrics of clients, by name (KIP-714).
    ClientMetrics(String),
}

impl Resource {
    /// Kafka's number of the kind, and the name.
    pub(crate) fn written(&self) -> (i8, String) {
        match self {
            Self::Topic(name) => (2, name.clone()),
            Self::Broker(node) => (4, node.to_string()),
            Self::AllBrokers => (4, String::new()),
            Self::ClientMetrics(name) => (16, name.clone()),
            Self::Group(name) => (32, name.clone()),
        }
    }

    /// The resource, unless it is of a kind that has no configuration here, such as loggers.
    pub(crate) fn read(kind: i8, name: &str) -> Option<Self> {
        match kind {
            2 => Some(Self::Topic(name.to_owned())),
            4 if name.is_empty() => Some(Self::AllBrokers),
            4 => name.parse().ok().map(Self::Broker),
            16 => Some(Self::ClientMetrics(name.to_owned())),
            32 => Some(Self::Group(name.to_owned())),
            _ => None,
        }
    }

    /// The word for its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Topic(_) => "topic",
            Self::Broker(_) | Self::AllBrokers => "broker",
            Self::Group(_) => "group",
            Self::ClientMetrics(_) => "client-metrics",
        }
    }

    /// Its name; `all` for all brokers.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::AllBrokers => "all".to_owned(),
            other => other.written().1,
        }
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "configuration of {} {}",
            self.kind(),
            self.name()
        )
    }
}

/// One key of a configuration as the broker describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// The value in force; absent for secrets.
    pub value: Option<String>,
    /// Where the value comes from, in Kafka's word.
    pub source: &'static str,
    /// Whether it can be changed at run time.
    pub is_read_only: bool,
    /// Whether it is a secret.
    pub is_sensitive: bool,
    /// What it does, where the broker is asked and says.
    pub documentation: Option<String>,
}

impl Client {
    /// Creates a topic, or only checks whether it could be.
    ///
    /// # Errors
    /// `Refused` with the broker's reason; otherwise when no broker answers.
    pub async fn create_topic(
        &self,
        topic: &NewTopic,
        validate_only: bool,
    ) -> Result<CreatedTopic, ClientError> {
        let connection = self.controller().await?;
        let version = connection.version(CreateTopicsRequest::KEY)?;
        let default = if version >= CREATE_WITH_DEFAULTS_MIN {
            -1
        } else {
            1
        };
        let configs = topic
            .configs
            .iter()
            .map(|(name, value)| CreatableTopicConfig {
                name: name.into(),
                value: Some(value.into()),
            });
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: topic.name.as_str().into(),
                num_partitions: topic.partitions.unwrap_or(i32::from(default)),
                replication_factor: topic.replication_factor.unwrap_or(default),
                assignments: Vec::new(),
                configs: configs.collect(),
            }],
            timeout_ms: self.timeout_ms(),
            validate_only,
        };
        let answer = self.administer(&request).await?;
        let response: CreateTopicsResponse<'_> = answer.decode()?;
        let created = response
            .topics
            .first()
            .ok_or_else(|| missing("CreateTopics"))?;
        self.forget(&topic.name);
        check(
            &format!("topic {}", topic.name),
            created.error_code,
            created.error_message.as_deref(),
        )?;
        Ok(CreatedTopic {
            id: created.topic_id,
            partitions: created.num_partitions,
            replication_factor: created.replication_factor,
        })
    }

    /// Deletes a topic with all its records.
    ///
    /// # Errors
    /// As [`Client::create_topic`].
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        let connection = self.controller().await?;
        let by_state = connection.version(DeleteTopicsRequest::KEY)? >= DELETE_BY_STATE_MIN;
        let state = DeleteTopicState {
            name: Some(name.into()),
            topic_id: Uuid::ZERO,
        };
        let request = DeleteTopicsRequest {
            topics: if by_state { vec![state] } else { Vec::new() },
            topic_names: if by_state {
                Vec::new()
            } else {
                vec![name.into()]
            },
            timeout_ms: self.timeout_ms(),
        };
        let answer = self.administer(&request).await?;
        let response: DeleteTopicsResponse<'_> = answer.decode()?;
        let deleted = response
            .responses
            .first()
            .ok_or_else(|| missing("DeleteTopics"))?;
        self.forget(name);
        check(
            &format!("topic {name}"),
            deleted.error_code,
            deleted.error_message.as_deref(),
        )
    }

    /// Raises the number of a topic's partitions to `count`.
    ///
    /// # Errors
    /// As [`Client::create_topic`].
    pub async fn create_partitions(&self, name: &str, count: i32) -> Result<(), ClientError> {
        let topic = CreatePartitionsTopic {
            name: name.into(),
            count,
            assignments: None,
        };
        let request = CreatePartitionsRequest {
            topics: vec![topic],
            timeout_ms: self.timeout_ms(),
            validate_only: false,
        };
        let answer = self.administer(&request).await?;
        let response: CreatePartitionsResponse<'_> = answer.decode()?;
        let grown = response
            .results
            .first()
            .ok_or_else(|| missing("CreatePartitions"))?;
        self.forget(name);
        check(
            &format!("topic {name}"),
            grown.error_code,
            grown.error_message.as_deref(),
        )
    }

    /// The configuration of a topic or broker.
    ///
    /// # Errors
    /// As [`Client::create_topic`].
    pub async fn describe_configs(
        &self,
        resource: &Resource,
        with_documentation: bool,
    ) -> Result<Vec<ConfigEntry>, ClientError> {
        let (resource_type, resource_name) = resource.written();
        let request = DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type,
                resource_name: resource_name.as_str().into(),
                configuration_keys: None,
            }],
            include_synonyms: false,
            include_documentation: self.takes_documentation().await? && with_documentation,
        };
        // A broker alone knows its file and environment.
        let answer = match resource {
            Resource::Broker(node) => {
                self.refresh(Some(&[]), false).await?;
                let connection = self.broker(base::NodeId(*node)).await?;
                let timeout = self.options().request_timeout;
                connection.call(&request, timeout).await?
            }
            _ => self.ask_any(&request, Duration::ZERO).await?,
        };
        let response: DescribeConfigsResponse<'_> = answer.decode()?;
        let described = response
            .results
            .first()
            .ok_or_else(|| missing("DescribeConfigs"))?;
        let message = described.error_message.as_deref();
        check(&resource.to_string(), described.error_code, message)?;
        Ok(described.configs.iter().map(ConfigEntry::read).collect())
    }

    /// Brokers describe what a key does from version 3 on (KIP-569).
    async fn takes_documentation(&self) -> Result<bool, ClientError> {
        Ok(self.any().await?.version(DescribeConfigsRequest::KEY)? >= 3)
    }

    /// Sends a request to the controller, again while its failures may pass.
    pub(crate) async fn administer<R: Request>(&self, request: &R) -> Result<Answer, ClientError> {
        let give_up = self.core().now() + self.options().retry_time_max;
        loop {
            let allowed = self.options().request_timeout + Duration::from_secs(1);
            let asked = async { self.controller().await?.call(request, allowed).await };
            match asked.await {
                // After a lost answer the change may have been made; asking again would report
                // it as an error of the person at the terminal.
                Err(error @ ClientError::Unreachable { .. }) if self.core().now() < give_up => {
                    self.refresh(Some(&[]), false).await.map_err(|_| error)?;
                    self.core().sleep(self.options().retry_pause).await;
                }
                done => return done,
            }
        }
    }

    pub(crate) fn timeout_ms(&self) -> i32 {
        i32::try_from(self.options().request_timeout.as_millis()).unwrap_or(i32::MAX)
    }
}

impl ConfigEntry {
    fn read(entry: &DescribeConfigsResourceResult<'_>) -> Self {
        Self {
            name: entry.name.clone().into_owned(),
            value: entry.value.as_deref().map(ToOwned::to_owned),
            source: source_name(entry),
            is_read_only: entry.read_only,
            is_sensitive: entry.is_sensitive,
            documentation: entry.documentation.as_deref().map(ToOwned::to_owned),
        }
    }
}

/// Kafka's names for the sources of a value (KIP-226); version 0 only says "default" or not.
const fn source_name(entry: &DescribeConfigsResourceResult<'_>) -> &'static str {
    match entry.config_source {
        1 => "DYNAMIC_TOPIC_CONFIG",
        2 => "DYNAMIC_BROKER_CONFIG",
        3 => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        4 => "STATIC_BROKER_CONFIG",
        5 => "DEFAULT_CONFIG",
        6 => "DYNAMIC_BROKER_LOGGER_CONFIG",
        7 => "CLIENT_METRICS_CONFIG",
        8 => "GROUP_CONFIG",
        _ if entry.is_default => "DEFAULT_CONFIG",
        _ => "UNKNOWN",
    }
}

pub(crate) fn check(subject: &str, code: i16, message: Option<&str>) -> Result<(), ClientError> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        code => Err(ClientError::Refused {
            subject: subject.to_owned(),
            code,
            message: message
                .filter(|text| !text.is_empty())
                .map(ToOwned::to_owned),
        }),
    }
}

pub(crate) fn missing(api: &str) -> ClientError {
    ClientError::Unexpected {
        peer: "the broker".to_owned(),
        detail: format!("an answer to {api} without a result"),
    }
}
