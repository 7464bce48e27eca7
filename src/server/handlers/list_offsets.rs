//! ListOffsets (key 2), versions 0-11: the offset at a time, or at an end of a partition.
//!
//! Negative timestamps ask for places: -1 the end (the last stable offset for those who read
//! committed records), -2 the start, -3 the record with the greatest timestamp, -4 the start of
//! what lies on this node, -5 the last offset in remote storage, -6 the first that waits for its
//! upload. Without remote storage -4 is -2, and -5 and -6 find nothing.
//!
//! Deviations from Apache Kafka: version 0, which Kafka 4 dropped, is served; it goes by the
//! timestamps of records where Kafka went by those of files. Asked as a replica or for debugging
//! (replica_id), it answers as the leader all the same.
//!
//! - 0: the beginnings of segments before a timestamp (`forebay.legacy.protocol.enable`)
//! - 1: one offset for one timestamp (KIP-79); the first version of Kafka 4 (KIP-896)
//! - 2: isolation level (KIP-98)
//! - 3: the same layout (KIP-219)
//! - 4: leader epochs (KIP-320)
//! - 5: OFFSET_NOT_AVAILABLE may be answered (KIP-207)
//! - 6: flexible encoding (KIP-482)
//! - 7: timestamp -3 (KIP-734)
//! - 8: timestamp -4 (KIP-405)
//! - 9: timestamp -5 (KIP-1005)
//! - 10: the request gains timeout_ms (KIP-1075)
//! - 11: timestamp -6 (KIP-1023)

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use access::Operation;
use base::{ErrorCode, LeaderEpoch, Offset, Timestamp};
use broker::{Isolation, ListTarget, PartitionId, Unavailable};
use wire::WireError;
use wire::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::fault;
use crate::handlers::{check_epoch, locate, read};
use crate::table::Request;

/// What a partition was asked, until it answers.
type Asked = Pin<Box<dyn Future<Output = Result<Listed, Unavailable>>>>;
type Listed = Result<Found, ErrorCode>;

/// What was found; nothing of the kind where the offset is -1.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    timestamp: i64,
    offset: i64,
    leader_epoch: i32,
    /// All that version 0 is told.
    old_style: Vec<i64>,
}

/// The way to one partition's line in the response.
enum Line {
    Known(i32, Listed),
    Asked(i32, Asked),
}

/// Asks every partition at once, and answers when all have.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: ListOffsetsRequest<'_> = read(&mut request)?;
    let isolation = isolation(asked.isolation_level);
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for topic in &asked.topics {
        for partition in &topic.partitions {
            let key = (topic.name.as_ref(), partition.partition_index);
            if !seen.insert(key) {
                twice.insert(key);
            }
        }
    }
    let access = context.access();
    let mut topics = Vec::with_capacity(asked.topics.len());
    for topic in &asked.topics {
        let allowed = access.topic(Operation::Describe, &topic.name);
        let mut lines = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let index = partition.partition_index;
            let line = if let Err(code) = allowed {
                Line::Known(index, Err(code))
            } else if twice.contains(&(topic.name.as_ref(), index)) {
                Line::Known(index, Err(ErrorCode::InvalidRequest))
            } else {
                ask(context, &topic.name, partition, isolation, question.version)
            };
            lines.push(line);
        }
        topics.push((topic.name.to_string(), lines));
    }
    Ok(Answer::Later(Box::pin(async move {
        let mut answered = Vec::with_capacity(topics.len());
        for (name, lines) in topics {
            let mut partitions = Vec::with_capacity(lines.len());
            for line in lines {
                partitions.push(written(line.end().await, question.version));
            }
            answered.push(ListOffsetsTopicResponse {
                name: Cow::Owned(name),
                partitions,
            });
        }
        question.encode(&ListOffsetsResponse {
            throttle_time_ms: 0,
            topics: answered,
        })
    })))
}

fn isolation(level: i8) -> Isolation {
    if level == 1 {
        Isolation::ReadCommitted
    } else {
        Isolation::ReadUncommitted
    }
}

/// What a timestamp asks for in this version.
fn target(timestamp: i64, version: i16) -> Result<ListTarget, ErrorCode> {
    let (target, version_min) = match timestamp {
        -1 => (ListTarget::Latest, 0),
        -2 => (ListTarget::Earliest, 0),
        -3 => (ListTarget::MaxTimestamp, 7),
        -4 => (ListTarget::EarliestLocal, 8),
        -5 => (ListTarget::LatestTiered, 9),
        -6 => (ListTarget::EarliestPendingUpload, 11),
        timestamp if timestamp >= 0 => (ListTarget::Timestamp(Timestamp(timestamp)), 0),
        _ => return Err(ErrorCode::UnsupportedVersion),
    };
    if version < version_min {
        Err(ErrorCode::UnsupportedVersion)
    } else {
        Ok(target)
    }
}

fn ask(
    context: &Context,
    topic: &str,
    partition: &ListOffsetsPartition,
    isolation: Isolation,
    version: i16,
) -> Line {
    let index = partition.partition_index;
    let broker = context.broker();
    let place = target(partition.timestamp, version).and_then(|target| {
        Ok((
            target,
            locate(&broker.image(), broker.node_id(), topic, index)?,
        ))
    });
    let (target, id) = match place {
        Ok(place) => place,
        Err(code) => return Line::Known(index, Err(code)),
    };
    if version == 0 {
        return Line::Asked(
            index,
            ask_old(context, id, target, partition.max_num_offsets),
        );
    }
    let believed = LeaderEpoch(partition.current_leader_epoch);
    let asked = broker.on_partition(id, move |partition| async move {
        check_epoch(partition.leader_epoch(), believed)?;
        let listed = partition.list_offset(target, isolation).await;
        match listed {
            Ok(Some(listed)) => Ok(Found {
                timestamp: listed.timestamp.get(),
                offset: listed.offset.get(),
                leader_epoch: listed.leader_epoch.map_or(-1, LeaderEpoch::get),
                old_style: Vec::new(),
            }),
            Ok(None) => Ok(NOTHING),
            Err(error) => Err(fault::of_storage(&error)),
        }
    });
    Line::Asked(index, Box::pin(asked))
}

/// Asks for the beginnings of segments, as all clients did before KIP-79.
fn ask_old(context: &Context, id: PartitionId, target: ListTarget, count: i32) -> Asked {
    let count = usize::try_from(count).unwrap_or(0);
    let asked = context
        .broker()
        .on_partition(id, move |partition| async move {
            let listed = partition.offsets_before(target, count).await;
            let listed = listed.map_err(|error| fault::of_storage(&error))?;
            Ok(Found {
                old_style: listed.into_iter().map(Offset::get).collect(),
                ..NOTHING
            })
        });
    Box::pin(asked)
}

/// No record is like what was asked for.
const NOTHING: Found = Found {
    timestamp: -1,
    offset: -1,
    leader_epoch: -1,
    old_style: Vec::new(),
};

impl Line {
    async fn end(self) -> (i32, Listed) {
        match self {
            Self::Known(index, listed) => (index, listed),
            Self::Asked(index, asked) => match asked.await {
                Ok(listed) => (index, listed),
                Err(unavailable) => (index, Err(fault::of_unavailable(unavailable))),
            },
        }
    }
}

fn written((index, listed): (i32, Listed), version: i16) -> ListOffsetsPartitionResponse {
    let (found, code) = match listed {
        Ok(found) => (found, ErrorCode::None),
        Err(code) => (NOTHING, code),
    };
    ListOffsetsPartitionResponse {
        partition_index: index,
        error_code: code.code(),
        old_style_offsets: found.old_style,
        timestamp: found.timestamp,
        offset: found.offset,
        // Version 4 is the first to carry it (KIP-320).
        leader_epoch: if version >= 4 { found.leader_epoch } else { -1 },
    }
}

#[cfg(test)]
#[path = "../tests/list_offsets_tests.rs"]
mod tests;
