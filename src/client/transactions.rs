//! What administrators ask of transactions: list, describe and end them, and find what their
//! coordinators forgot.
//!
//! Invariant: what changes something can be asked again after a lost answer without doing more.

use std::collections::BTreeMap;
use std::future::Future;

use base::{ErrorCode, NodeId, Offset, PartitionIndex, Timestamp, TopicPartition};
use wire::describe_producers::{
    self, DescribeProducersRequest, DescribeProducersResponse, TopicRequest,
};
use wire::describe_transactions::{
    self, DescribeTransactionsRequest, DescribeTransactionsResponse,
};
use wire::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use wire::list_transactions::{ListTransactionsRequest, ListTransactionsResponse};
use wire::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use wire::{Request, VersionRange};

use crate::admin::{check, missing};
use crate::cluster::Client;
use crate::connection::{Answer, Connection};
use crate::error::ClientError;
use crate::groups::Coordinated;

/// From here on a listing can be of transactions that have lasted for some time (KIP-994).
const BY_DURATION_MIN: i16 = 1;
/// From here on a listing can be of ids that match an expression (KIP-1152).
const BY_PATTERN_MIN: i16 = 2;

/// Kafka's words for the states of a transaction that is not over.
pub const OPEN_STATES: [&str; 3] = ["Ongoing", "PrepareCommit", "PrepareAbort"];

/// Which transactions are listed; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// Only those in one of these states, in Kafka's words.
    pub states: Vec<String>,
    /// Only those of these producers.
    pub producer_ids: Vec<i64>,
    /// Only those whose last transaction was started more than so many milliseconds ago, also if
    /// it is over or there was none: brokers do not look at the state.
    pub started_ms_min: Option<i64>,
    /// Only those whose whole id matches this expression of RE2.
    pub pattern: Option<String>,
}

/// A transactional id in a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedTransaction {
    /// The transactional id.
    pub id: String,
    /// The node that coordinates it.
    pub coordinator: NodeId,
    /// The producer that has it.
    pub producer_id: i64,
    /// Kafka's word for its state.
    pub state: String,
}

/// A transactional id with what its producer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionDescription {
    /// The transactional id.
    pub id: String,
    /// The node that coordinates it.
    pub coordinator: NodeId,
    /// Kafka's word for its state.
    pub state: String,
    /// The producer that has it.
    pub producer_id: i64,
    /// The number of the producer's reign.
    pub producer_epoch: i16,
    /// After so long the coordinator aborts it.
    pub timeout_ms: i32,
    /// When the last transaction was started, be it open or over.
    pub started: Option<Timestamp>,
    /// The partitions that it has written to or is still to be ended in.
    pub partitions: Vec<TopicPartition>,
}

/// A producer as a partition's replica knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionProducer {
    /// The producer.
    pub producer_id: i64,
    /// The number of its reign.
    pub producer_epoch: i16,
    /// The epoch of the coordinator that wrote the last marker; none before the first one.
    pub coordinator_epoch: Option<i32>,
    /// The last record's number.
    pub last_sequence: i32,
    /// The last batch's time.
    pub last_timestamp: Timestamp,
    /// Where its open transaction begins, if one is open.
    pub transaction_start: Option<Offset>,
}

/// What the producers of partitions are, or why that cannot be known.
pub type DescribedProducers = BTreeMap<TopicPartition, Result<Vec<PartitionProducer>, ClientError>>;

impl Client {
    /// The transactional ids of every broker that `filter` lets through, in their order.
    ///
    /// # Errors
    /// When a broker cannot be asked, since a listing with holes would mislead, or knows nothing
    /// of a filter.
    pub async fn list_transactions(
        &self,
        filter: &TransactionFilter,
    ) -> Result<Vec<ListedTransaction>, ClientError> {
        self.refresh(Some(&[]), false).await?;
        let nodes: Vec<NodeId> = self.image().brokers.keys().copied().collect();
        let mut all = Vec::new();
        for node in nodes {
            all.extend(self.patiently(|| self.list_of(node, filter)).await?);
        }
        all.sort();
        Ok(all)
    }

    async fn list_of(
        &self,
        node: NodeId,
        filter: &TransactionFilter,
    ) -> Result<Vec<ListedTransaction>, ClientError> {
        let connection = self.broker(node).await?;
        if filter.started_ms_min.is_some() {
            at_least(&connection, BY_DURATION_MIN)?;
        }
        if filter.pattern.is_some() {
            at_least(&connection, BY_PATTERN_MIN)?;
        }
        let request = ListTransactionsRequest {
            state_filters: filter.states.iter().map(|one| one.into()).collect(),
            producer_id_filters: filter.producer_ids.clone(),
            duration_filter: filter.started_ms_min.unwrap_or(-1),
            transactional_id_pattern: filter.pattern.as_deref().map(Into::into),
        };
        let answer = self.ask(&connection, &request).await?;
        let response: ListTransactionsResponse<'_> = answer.decode()?;
        let subject = format!("transactions of node {node}");
        check(&subject, response.error_code, None)?;
        if let Some(state) = response.unknown_state_filters.first() {
            return Err(ClientError::Refused {
                subject: format!("state {state}"),
                code: ErrorCode::InvalidRequest,
                message: Some(format!("node {node} knows no state {state}")),
            });
        }
        let listed = response.transaction_states.iter();
        let listed = listed.map(|listed| ListedTransaction {
            id: listed.transactional_id.to_string(),
            coordinator: node,
            producer_id: listed.producer_id,
            state: listed.transaction_state.to_string(),
        });
        Ok(listed.collect())
    }

    /// What the producer with this transactional id does.
    ///
    /// # Errors
    /// `Refused` with `TransactionalIdNotFound` when its coordinator does not know it; otherwise
    /// when that cannot be found or asked.
    pub async fn describe_transaction(
        &self,
        id: &str,
    ) -> Result<TransactionDescription, ClientError> {
        let asked = self.patiently(|| self.try_describe_transaction(id));
        asked.await
    }

    async fn try_describe_transaction(
        &self,
        id: &str,
    ) -> Result<TransactionDescription, ClientError> {
        let (node, connection) = self.coordinator_of(Coordinated::Transaction, id).await?;
        let request = DescribeTransactionsRequest {
            transactional_ids: vec![id.into()],
        };
        let answer = self.ask(&connection, &request).await?;
        let response: DescribeTransactionsResponse<'_> = answer.decode()?;
        let found = response.transaction_states.first();
        let found = found.ok_or_else(|| missing("DescribeTransactions"))?;
        check(&named(id), found.error_code, None)?;
        Ok(TransactionDescription::read(found, node))
    }

    /// Ends the open transaction of a transactional id, if any, by taking the id over: its
    /// producer is fenced (KIP-664, KIP-1081). Gives the producer and the new epoch.
    ///
    /// # Errors
    /// `Refused` with the coordinator's reason; otherwise as [`Client::describe_transaction`].
    pub async fn fence_producer(&self, id: &str) -> Result<(i64, i16), ClientError> {
        let taken = self.patiently(|| self.try_fence_producer(id));
        taken.await
    }

    async fn try_fence_producer(&self, id: &str) -> Result<(i64, i16), ClientError> {
        let (_, connection) = self.coordinator_of(Coordinated::Transaction, id).await?;
        let request = InitProducerIdRequest {
            transactional_id: Some(id.into()),
            // Nothing will be written under the new epoch; Kafka's tool gives the request's time.
            transaction_timeout_ms: self.timeout_ms(),
            producer_id: -1,
            producer_epoch: -1,
            ..InitProducerIdRequest::default()
        };
        let answer = self.ask(&connection, &request).await?;
        let response: InitProducerIdResponse = answer.decode()?;
        check(&named(id), response.error_code, None)?;
        Ok((response.producer_id, response.producer_epoch))
    }

    /// The producers that a broker, or else each partition's leader, knows of partitions.
    ///
    /// # Errors
    /// Per partition: when its leader cannot be found or asked, or refuses.
    pub async fn describe_producers(
        &self,
        partitions: &[TopicPartition],
        node: Option<NodeId>,
    ) -> DescribedProducers {
        let mut described = DescribedProducers::new();
        let mut by_node: BTreeMap<NodeId, Vec<&TopicPartition>> = BTreeMap::new();
        for partition in partitions {
            let found = match node {
                Some(node) => Ok(node),
                None => {
                    let leader = self.leader(&partition.topic, partition.partition).await;
                    leader.map(|leader| leader.node)
                }
            };
            match found {
                Ok(node) => by_node.entry(node).or_default().push(partition),
                Err(error) => {
                    described.insert(partition.clone(), Err(error));
                }
            }
        }
        for (node, partitions) in by_node {
            match self.producers_at(node, &partitions).await {
                Ok(found) => described.extend(found),
                Err(error) => {
                    let failed = partitions.iter().copied().cloned();
                    described.extend(failed.map(|partition| (partition, Err(error.clone()))));
                }
            }
        }
        described
    }

    async fn producers_at(
        &self,
        node: NodeId,
        partitions: &[&TopicPartition],
    ) -> Result<DescribedProducers, ClientError> {
        let connection = self.broker(node).await?;
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            let indexes = topics.entry(&partition.topic).or_default();
            indexes.push(partition.partition.0);
        }
        let topic = |(name, partition_indexes): (&str, Vec<i32>)| TopicRequest {
            name: name.to_owned().into(),
            partition_indexes,
        };
        let request = DescribeProducersRequest {
            topics: topics.into_iter().map(topic).collect(),
        };
        let answer = self.ask(&connection, &request).await?;
        let response: DescribeProducersResponse<'_> = answer.decode()?;
        let mut described = DescribedProducers::new();
        for topic in &response.topics {
            for part in &topic.partitions {
                let partition = place(&topic.name, part.partition_index);
                let subject = format!("partition {partition}");
                let message = part.error_message.as_deref();
                let producers = check(&subject, part.error_code, message).map(|()| {
                    let active = part.active_producers.iter();
                    active.filter_map(PartitionProducer::read).collect()
                });
                described.insert(partition, producers);
            }
        }
        for partition in partitions {
            let entry = described.entry((*partition).clone());
            entry.or_insert_with(|| Err(missing("DescribeProducers")));
        }
        Ok(described)
    }

    /// Ends a producer's open transaction in one partition alone, by a marker that its leader is
    /// told to write; only for what the transaction's coordinator has forgotten (KIP-664).
    ///
    /// # Errors
    /// `Refused` with the leader's reason; otherwise when it cannot be found or asked.
    pub async fn write_abort_marker(
        &self,
        partition: &TopicPartition,
        producer: &PartitionProducer,
    ) -> Result<(), ClientError> {
        self.forget(&partition.topic);
        let leader = self.leader(&partition.topic, partition.partition).await?;
        let connection = self.broker(leader.node).await?;
        let request = WriteTxnMarkersRequest {
            markers: vec![WritableTxnMarker {
                producer_id: producer.producer_id,
                producer_epoch: producer.producer_epoch,
                transaction_result: false,
                topics: vec![WritableTxnMarkerTopic {
                    name: partition.topic.as_str().into(),
                    partition_indexes: vec![partition.partition.0],
                }],
                // Before its first marker a partition knows none; Kafka's tool writes zero then.
                coordinator_epoch: producer.coordinator_epoch.unwrap_or(0),
                transaction_version: 0,
            }],
        };
        let answer = self.ask(&connection, &request).await?;
        let response: WriteTxnMarkersResponse<'_> = answer.decode()?;
        let mut topics = response.markers.iter().flat_map(|marker| &marker.topics);
        let written = topics.find_map(|topic| topic.partitions.first());
        let written = written.ok_or_else(|| missing("WriteTxnMarkers"))?;
        check(&format!("partition {partition}"), written.error_code, None)
    }

    async fn ask<R: Request>(
        &self,
        connection: &Connection,
        request: &R,
    ) -> Result<Answer, ClientError> {
        let timeout = self.options().request_timeout;
        connection.call(request, timeout).await
    }

    /// Tries again while the failure may pass, such as a coordinator that is still reading its
    /// log or ending a transaction.
    async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let give_up = self.core().now() + self.options().retry_time_max;
        loop {
            match attempt().await {
                Err(error) if may_pass(&error) && self.core().now() < give_up => {
                    self.core().sleep(self.options().retry_pause).await;
                }
                done => return done,
            }
        }
    }
}

impl TransactionDescription {
    /// Whether the transaction is open, or its end not yet written to all its partitions.
    #[must_use]
    pub fn is_open(&self) -> bool {
        OPEN_STATES.contains(&self.state.as_str())
    }

    fn read(found: &describe_transactions::TransactionState<'_>, coordinator: NodeId) -> Self {
        let mut partitions = Vec::new();
        for topic in &found.topics {
            let indexes = topic.partitions.iter();
            partitions.extend(indexes.map(|index| place(&topic.topic, *index)));
        }
        partitions.sort();
        let started = found.transaction_start_time_ms;
        Self {
            id: found.transactional_id.to_string(),
            coordinator,
            state: found.transaction_state.to_string(),
            producer_id: found.producer_id,
            producer_epoch: found.producer_epoch,
            timeout_ms: found.transaction_timeout_ms,
            started: (started >= 0).then_some(Timestamp(started)),
            partitions,
        }
    }
}

impl PartitionProducer {
    /// The producer; none where the epoch is one that no marker can carry.
    fn read(found: &describe_producers::ProducerState) -> Option<Self> {
        let start = found.current_txn_start_offset;
        Some(Self {
            producer_id: found.producer_id,
            producer_epoch: i16::try_from(found.producer_epoch).ok()?,
            coordinator_epoch: Some(found.coordinator_epoch).filter(|epoch| *epoch >= 0),
            last_sequence: found.last_sequence,
            last_timestamp: Timestamp(found.last_timestamp),
            transaction_start: (start >= 0).then_some(Offset(start)),
        })
    }
}

fn may_pass(error: &ClientError) -> bool {
    let is_ending = |code| code == ErrorCode::ConcurrentTransactions;
    error.is_retriable() || matches!(error, ClientError::Refused { code, .. } if is_ending(*code))
}

/// Whether the broker serves the version that a filter needs.
fn at_least(connection: &Connection, needed: i16) -> Result<(), ClientError> {
    let served = connection.version(ListTransactionsRequest::KEY)?;
    if served >= needed {
        return Ok(());
    }
    let range = |min, max| VersionRange { min, max };
    Err(ClientError::NoCommonVersion {
        peer: connection.peer().to_owned(),
        api: ListTransactionsRequest::KEY,
        theirs: Some(range(0, served)),
        ours: range(needed, ListTransactionsRequest::KEY.entry().stable_max()),
    })
}

fn place(topic: &str, index: i32) -> TopicPartition {
    TopicPartition {
        topic: topic.to_owned(),
        partition: PartitionIndex(index),
    }
}

fn named(id: &str) -> String {
    format!("transactional id {id}")
}
