//! One transactional producer (KIP-98): it writes to partitions, then it ends its transaction.
//!
//! Brokers that agree to KIP-890 add a partition when it is written to and raise the epoch with each
//! end; of others the producer asks for the partitions first, and its count goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{ErrorCode, PartitionIndex, ProducerEpoch, ProducerId, Uuid};
use batch::{BatchBuilder, BatchOptions};
use client::{Client, ClientError, Connection, Pending, is_retriable};
use reactor::Bytes;
use wire::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, AddPartitionsToTxnTopic,
};
use wire::end_txn::{EndTxnRequest, EndTxnResponse};
use wire::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use wire::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use wire::{Records, Request};

use crate::options::Options;
use crate::payload::Payload;

/// From version 12 on writing adds the partition, from 13 on topics are known by id.
const IMPLICIT_MIN: i16 = 12;
const BY_ID_MIN: i16 = 13;
/// From version 5 of EndTxn on each end raises the epoch.
const RAISING_MIN: i16 = 5;
/// The last version of AddPartitionsToTxn that clients use.
const ADD_MAX: i16 = 3;
/// How long what the broker cannot do yet is left alone.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// More attempts than this mean that waiting does not help.
const ATTEMPTS_MAX: u32 = 1500;

/// Where a transaction writes.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) topic: String,
    pub(super) topic_id: Uuid,
    pub(super) partition: PartitionIndex,
}

/// A producer with a transactional id.
pub(super) struct Producer {
    client: Client,
    /// Whoever looks after its transactions.
    coordinator: Connection,
    name: String,
    id: ProducerId,
    epoch: ProducerEpoch,
    /// The next sequence number in each partition.
    next: BTreeMap<PartitionIndex, i32>,
    payload: Payload,
    /// How often the broker asked to be asked again.
    pub(super) retries: u64,
}

impl Producer {
    /// Begins the life of a producer, and ends the earlier ones of its name.
    pub(super) async fn begin(
        client: &Client,
        options: &Options,
        (name, timeout): (String, Duration),
    ) -> Result<Self, ClientError> {
        let coordinator = client.transaction_coordinator(&name).await?;
        let mut producer = Self {
            client: client.clone(),
            coordinator,
            name,
            id: ProducerId::NONE,
            epoch: ProducerEpoch(-1),
            next: BTreeMap::new(),
            payload: Payload::new(client.core().entropy(), options.record_bytes),
            retries: 0,
        };
        let request = InitProducerIdRequest {
            transactional_id: Some(producer.name.clone().into()),
            transaction_timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
            producer_id: -1,
            producer_epoch: -1,
            ..InitProducerIdRequest::default()
        };
        let allowed = client.options().request_timeout;
        for _ in 0..ATTEMPTS_MAX {
            let answer = producer.coordinator.call(&request, allowed).await?;
            let response: InitProducerIdResponse = answer.decode()?;
            if producer.passes(response.error_code, "InitProducerId")? {
                producer.id = ProducerId(response.producer_id);
                producer.epoch = ProducerEpoch(response.producer_epoch);
                return Ok(producer);
            }
            producer.pause().await?;
        }
        Err(producer.refused(ErrorCode::ConcurrentTransactions, "InitProducerId"))
    }

    /// Writes `count` records to each of the targets, and waits until all are acknowledged.
    pub(super) async fn write(
        &mut self,
        targets: &[Target],
        count: u32,
    ) -> Result<(), ClientError> {
        let mut waiting = Vec::with_capacity(targets.len());
        for target in targets {
            let bytes = Bytes::from(self.batch(target.partition, count)?);
            let leader = self
                .client
                .leader(&target.topic, target.partition)
                .await?
                .node;
            let leader = self.client.broker(leader).await?;
            if leader.version(ProduceRequest::KEY)? < IMPLICIT_MIN {
                self.add(target).await?;
            }
            let pending = self.send(&leader, target, &bytes)?;
            waiting.push((target, leader, bytes, pending));
        }
        for (target, leader, bytes, mut pending) in waiting {
            let mut attempts = 0;
            while !self.is_appended(pending.await?)? {
                attempts += 1;
                if attempts == ATTEMPTS_MAX {
                    return Err(self.refused(ErrorCode::ConcurrentTransactions, "Produce"));
                }
                self.pause().await?;
                pending = self.send(&leader, target, &bytes)?;
            }
        }
        Ok(())
    }

    fn batch(&mut self, partition: PartitionIndex, count: u32) -> Result<Vec<u8>, ClientError> {
        let next = self.next.entry(partition).or_default();
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: self.id,
            producer_epoch: self.epoch,
            base_sequence: *next,
            is_transactional: true,
            ..BatchOptions::default()
        });
        let (now, wall) = (self.client.core().now(), self.client.core().wall());
        for _ in 0..count {
            builder.append(wall, None, Some(self.payload.stamped(now)), &[]);
        }
        let mut bytes = Vec::with_capacity(builder.plain_bytes() + 128);
        builder.build(&mut bytes)?;
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        *next = next.wrapping_add(count) & i32::MAX;
        Ok(bytes)
    }

    fn send(
        &self,
        leader: &Connection,
        target: &Target,
        bytes: &Bytes,
    ) -> Result<Pending, ClientError> {
        let version = leader.version(ProduceRequest::KEY)?;
        let is_by_id = version >= BY_ID_MIN;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let allowed = self.client.options().request_timeout;
        let request = ProduceRequest {
            transactional_id: Some(self.name.as_str().into()),
            acks: -1,
            timeout_ms: i32::try_from(allowed.as_millis()).unwrap_or(i32::MAX),
            topic_data: vec![TopicProduceData {
                name: if is_by_id {
                    "".into()
                } else {
                    target.topic.as_str().into()
                },
                topic_id: if is_by_id {
                    target.topic_id
                } else {
                    Uuid::ZERO
                },
                partition_data: vec![PartitionProduceData {
                    index: target.partition.0,
                    records: Records::External { token: 0, length },
                }],
            }],
        };
        leader.start(&request, version, std::slice::from_ref(bytes), allowed)
    }

    fn is_appended(&mut self, answer: client::Answer) -> Result<bool, ClientError> {
        let response: ProduceResponse<'_> = answer.decode()?;
        let partitions = response.responses.first();
        let part = partitions.and_then(|topic| topic.partition_responses.first());
        let code = part.map_or(ErrorCode::UnknownServerError.code(), |part| part.error_code);
        self.passes(code, "Produce")
    }

    /// Says that the transaction will write to a partition.
    async fn add(&mut self, target: &Target) -> Result<(), ClientError> {
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: self.name.clone().into(),
            v3_and_below_producer_id: self.id.0,
            v3_and_below_producer_epoch: self.epoch.0,
            v3_and_below_topics: vec![AddPartitionsToTxnTopic {
                name: target.topic.clone().into(),
                partitions: vec![target.partition.0],
            }],
            ..AddPartitionsToTxnRequest::default()
        };
        let version = self.coordinator.version(AddPartitionsToTxnRequest::KEY)?;
        let allowed = self.client.options().request_timeout;
        for _ in 0..ATTEMPTS_MAX {
            let version = version.min(ADD_MAX);
            let pending = self.coordinator.start(&request, version, &[], allowed)?;
            let answer = pending.await?;
            let response: AddPartitionsToTxnResponse<'_> = answer.decode()?;
            let topic = response.results_by_topic_v3_and_below.first();
            let part = topic.and_then(|topic| topic.results_by_partition.first());
            let unknown = ErrorCode::UnknownServerError.code();
            let code = part.map_or(unknown, |part| part.partition_error_code);
            if self.passes(code, "AddPartitionsToTxn")? {
                return Ok(());
            }
            self.pause().await?;
        }
        Err(self.refused(ErrorCode::ConcurrentTransactions, "AddPartitionsToTxn"))
    }

    /// Ends the transaction.
    pub(super) async fn end(&mut self, is_commit: bool) -> Result<(), ClientError> {
        let request = EndTxnRequest {
            transactional_id: self.name.clone().into(),
            producer_id: self.id.0,
            producer_epoch: self.epoch.0,
            committed: is_commit,
        };
        // The versions of Produce and EndTxn belong together: both of KIP-890, or neither.
        let version = self.coordinator.version(EndTxnRequest::KEY)?;
        let is_implicit = self.coordinator.version(ProduceRequest::KEY)? >= IMPLICIT_MIN;
        let version = if is_implicit {
            version
        } else {
            version.min(RAISING_MIN - 1)
        };
        let allowed = self.client.options().request_timeout;
        for _ in 0..ATTEMPTS_MAX {
            let pending = self.coordinator.start(&request, version, &[], allowed)?;
            let answer = pending.await?;
            let response: EndTxnResponse = answer.decode()?;
            if self.passes(response.error_code, "EndTxn")? {
                if response.producer_id >= 0 {
                    self.id = ProducerId(response.producer_id);
                    self.epoch = ProducerEpoch(response.producer_epoch);
                    self.next.clear();
                }
                return Ok(());
            }
            self.pause().await?;
        }
        Err(self.refused(ErrorCode::ConcurrentTransactions, "EndTxn"))
    }

    /// Whether what was asked has happened; false when it is to be asked again.
    fn passes(&mut self, code: i16, api: &str) -> Result<bool, ClientError> {
        match ErrorCode::from_code(code) {
            ErrorCode::None => Ok(true),
            code if code == ErrorCode::ConcurrentTransactions || is_retriable(code) => {
                self.retries += 1;
                Ok(false)
            }
            code => Err(self.refused(code, api)),
        }
    }

    /// Leaves the broker alone for a while, then looks for the coordinator anew.
    async fn pause(&mut self) -> Result<(), ClientError> {
        self.client.core().sleep(RETRY_PAUSE).await;
        self.coordinator = self.client.transaction_coordinator(&self.name).await?;
        Ok(())
    }

    fn refused(&self, code: ErrorCode, api: &str) -> ClientError {
        ClientError::Refused {
            subject: format!("{api} of transactional id {}", self.name),
            code,
            message: None,
        }
    }
}
