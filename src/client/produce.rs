//! One produce request and its answer, for one partition.
//!
//! Invariant: the batch's bytes are spliced into the request, not copied.

use std::time::Duration;

use base::{ErrorCode, Offset, PartitionIndex, Timestamp, Uuid};
use reactor::Bytes;
use wire::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use wire::{Records, Request};

use crate::connection::{Answer, Connection, Pending};
use crate::error::ClientError;

/// From version 13 on topics are named by id alone (KIP-516).
const BY_ID_MIN: i16 = 13;

/// When the broker answers a produce request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Never.
    None,
    /// When the leader has it.
    Leader,
    /// When every in-sync replica has it.
    All,
}

/// Where a batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// The first record's offset; -1 where the broker does not say.
    pub base_offset: Offset,
    /// The time that the broker gave to the records, if it did.
    pub append_time: Timestamp,
}

/// A batch on its way to a partition.
#[derive(Clone, Debug)]
pub(crate) struct Parcel<'a> {
    pub(crate) topic: &'a str,
    pub(crate) topic_id: Uuid,
    pub(crate) partition: PartitionIndex,
    pub(crate) records: Bytes,
}

impl Acks {
    const fn number(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// Starts a request; with [`Acks::None`] there is no answer to wait for.
pub(crate) fn start(
    connection: &Connection,
    parcel: &Parcel<'_>,
    acks: Acks,
    timeout: Duration,
) -> Result<Option<Pending>, ClientError> {
    let mut version = connection.version(ProduceRequest::KEY)?;
    if parcel.topic_id.is_zero() {
        version = version.min(BY_ID_MIN - 1);
    }
    let length = u32::try_from(parcel.records.len()).unwrap_or(u32::MAX);
    let partition = PartitionProduceData {
        index: parcel.partition.0,
        records: Records::External { token: 0, length },
    };
    let topic = TopicProduceData {
        name: parcel.topic.into(),
        topic_id: parcel.topic_id,
        partition_data: vec![partition],
    };
    let request = ProduceRequest {
        transactional_id: None,
        acks: acks.number(),
        timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
        topic_data: vec![topic],
    };
    let externals = std::slice::from_ref(&parcel.records);
    if acks == Acks::None {
        connection.start_unanswered(&request, version, externals)?;
        return Ok(None);
    }
    connection
        .start(&request, version, externals, timeout)
        .map(Some)
}

/// Reads the answer to a request that [`start`] made.
pub(crate) fn read(answer: &Answer, subject: &str) -> Result<Produced, ClientError> {
    let response: ProduceResponse<'_> = answer.decode()?;
    let topic = response.responses.first();
    let Some(partition) = topic.and_then(|topic| topic.partition_responses.first()) else {
        return Err(ClientError::Unexpected {
            peer: subject.to_owned(),
            detail: "an answer to Produce without the partition that was asked for".to_owned(),
        });
    };
    match ErrorCode::from_code(partition.error_code) {
        ErrorCode::None => Ok(Produced {
            base_offset: Offset(partition.base_offset),
            append_time: Timestamp(partition.log_append_time_ms),
        }),
        code => Err(ClientError::Refused {
            subject: subject.to_owned(),
            code,
            message: partition.error_message.as_deref().map(ToOwned::to_owned),
        }),
    }
}
