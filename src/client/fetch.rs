//! One fetch request to one broker and its answer, without a session (KIP-227).
//!
//! Invariant: fetched batches are views of the frame that they arrived in.

use std::time::Duration;

use base::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerId, Uuid};
use reactor::Bytes;
use wire::Request;
use wire::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};

use crate::committed::AbortedTransaction;
use crate::connection::{Answer, Connection};
use crate::error::ClientError;

/// From version 13 on topics are named by id alone (KIP-516).
const BY_ID_MIN: i16 = 13;

/// How much to fetch at once, and how long to wait for it.
#[derive(Clone, Copy, Debug)]
pub struct FetchOptions {
    /// How long the broker waits for `bytes_min`.
    pub wait_max: Duration,
    /// With this much the broker answers at once.
    pub bytes_min: i32,
    /// The most of all partitions together; the first batch is whole in any case.
    pub bytes_max: i32,
    /// The most of one partition.
    pub partition_bytes_max: i32,
    /// Whether the broker holds back what is not decided yet and names the transactions that were
    /// aborted, for a [`crate::CommittedFilter`].
    pub is_read_committed: bool,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            wait_max: Duration::from_millis(500),
            bytes_min: 1,
            bytes_max: 16 << 20,
            partition_bytes_max: 1 << 20,
            is_read_committed: false,
        }
    }
}

/// From where one partition is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchFrom {
    /// The topic's name.
    pub topic: String,
    /// The topic's id, zero when unknown.
    pub topic_id: Uuid,
    /// The partition.
    pub partition: PartitionIndex,
    /// The leader's epoch as far as it is known.
    pub leader_epoch: LeaderEpoch,
    /// The first offset that is wanted.
    pub offset: Offset,
}

/// What one partition gave.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: PartitionIndex,
    /// The offset that was asked for: earlier records of the first batch are to be skipped.
    pub offset: Offset,
    /// The batches, whole but for the last one.
    pub records: Bytes,
    /// The offset below which consumers may read.
    pub high_watermark: Offset,
    /// Transactions that were aborted, where only committed records are wanted.
    pub aborted: Vec<AbortedTransaction>,
}

/// What each partition gave, with its index in what was wanted.
pub type FetchResults = Vec<(usize, Result<Fetched, ClientError>)>;

/// Asks the broker behind `connection` for several partitions at once; what it says of each comes
/// back in no particular order.
///
/// # Errors
/// When the request as a whole fails; a partition's own error stands with it.
pub async fn fetch(
    connection: &Connection,
    wanted: &[FetchFrom],
    options: &FetchOptions,
    timeout: Duration,
) -> Result<FetchResults, ClientError> {
    let mut version = connection.version(FetchRequest::KEY)?;
    if wanted.iter().any(|from| from.topic_id.is_zero()) {
        version = version.min(BY_ID_MIN - 1);
    }
    let request = FetchRequest {
        max_wait_ms: i32::try_from(options.wait_max.as_millis()).unwrap_or(i32::MAX),
        min_bytes: options.bytes_min,
        max_bytes: options.bytes_max,
        isolation_level: i8::from(options.is_read_committed),
        session_id: 0,
        // This epoch means that no session is wanted.
        session_epoch: -1,
        topics: grouped(wanted, options.partition_bytes_max),
        ..FetchRequest::default()
    };
    connection.ready().await;
    let pending = connection.start(&request, version, &[], timeout + options.wait_max)?;
    let answer = pending.await?;
    read(&answer, version, wanted, connection.peer())
}

/// The partitions by topic; `wanted` is in the order of topics where its owner keeps a map.
fn grouped(wanted: &[FetchFrom], partition_bytes_max: i32) -> Vec<FetchTopic<'_>> {
    let groups = wanted.chunk_by(|left, right| left.topic == right.topic);
    groups
        .filter_map(|group| topic_of(group, partition_bytes_max))
        .collect()
}

/// The partitions of one topic, or nothing when there are none.
fn topic_of(group: &[FetchFrom], partition_bytes_max: i32) -> Option<FetchTopic<'_>> {
    let first = group.first()?;
    let partition = |from: &FetchFrom| FetchPartition {
        partition: from.partition.0,
        current_leader_epoch: from.leader_epoch.0,
        fetch_offset: from.offset.0,
        partition_max_bytes: partition_bytes_max,
        ..FetchPartition::default()
    };
    Some(FetchTopic {
        topic: first.topic.as_str().into(),
        topic_id: first.topic_id,
        partitions: group.iter().map(partition).collect(),
    })
}

fn read(
    answer: &Answer,
    version: i16,
    wanted: &[FetchFrom],
    peer: &str,
) -> Result<FetchResults, ClientError> {
    let response: FetchResponse<'_> = answer.decode()?;
    let code = ErrorCode::from_code(response.error_code);
    if code != ErrorCode::None {
        let subject = format!("a fetch at {peer}");
        return Err(ClientError::Refused {
            subject,
            code,
            message: None,
        });
    }
    let mut results = Vec::with_capacity(wanted.len());
    for topic in &response.responses {
        let is_topic = |from: &FetchFrom| {
            if version >= BY_ID_MIN {
                from.topic_id == topic.topic_id
            } else {
                from.topic == topic.topic
            }
        };
        for data in &topic.partitions {
            let place = wanted
                .iter()
                .position(|from| is_topic(from) && from.partition.0 == data.partition_index);
            let Some((index, from)) = place.and_then(|at| Some((at, wanted.get(at)?))) else {
                return Err(ClientError::Unexpected {
                    peer: peer.to_owned(),
                    detail: "an answer to Fetch with a partition that was not asked for".to_owned(),
                });
            };
            results.push((index, one(answer, from, data)));
        }
    }
    Ok(results)
}

fn one(
    answer: &Answer,
    from: &FetchFrom,
    data: &PartitionData<'_>,
) -> Result<Fetched, ClientError> {
    let code = ErrorCode::from_code(data.error_code);
    if code != ErrorCode::None {
        let subject = format!(
            "{}-{} at offset {}",
            from.topic, from.partition, from.offset
        );
        return Err(ClientError::Refused {
            subject,
            code,
            message: None,
        });
    }
    let aborted = data.aborted_transactions.iter().flatten();
    let aborted = aborted.map(|transaction| AbortedTransaction {
        producer_id: ProducerId(transaction.producer_id),
        first_offset: Offset(transaction.first_offset),
    });
    Ok(Fetched {
        topic: from.topic.clone(),
        partition: from.partition,
        offset: from.offset,
        records: answer.keep(data.records.bytes().unwrap_or_default()),
        high_watermark: Offset(data.high_watermark),
        aborted: aborted.collect(),
    })
}
