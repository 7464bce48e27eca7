//! OffsetForLeaderEpoch (key 23), versions 0-4: where the records of a leader's reign end.
//!
//! A consumer that comes back after a change of leaders asks whether what it read is still there.
//!
//! Deviations from Apache Kafka: none known. Asked as a replica, it answers as the leader.
//!
//! - 0: the end of an epoch (KIP-101; `forebay.legacy.protocol.enable`, as all below 2)
//! - 1: the response gains leader_epoch (KIP-279)
//! - 2: fencing by current_leader_epoch (KIP-320); the first version of Kafka 4 (KIP-896)
//! - 3: the request gains replica_id (KIP-392)
//! - 4: flexible encoding (KIP-482)

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use access::Operation;
use base::{ErrorCode, LeaderEpoch};
use broker::Unavailable;
use wire::WireError;
use wire::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::fault;
use crate::handlers::{check_epoch, locate, read};
use crate::table::Request;

/// An epoch and where it ended; both -1 where the epoch is not known.
type End = (i32, i64);
/// What a partition was asked, until it answers.
type Asked = Pin<Box<dyn Future<Output = Result<Result<End, ErrorCode>, Unavailable>>>>;

/// In place of an epoch or offset that is not known.
const UNKNOWN: End = (-1, -1);

/// Asks every partition at once, and answers when all have.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: OffsetForLeaderEpochRequest<'_> = read(&mut request)?;
    let access = context.access();
    let may_all = access.cluster(Operation::ClusterAction).is_ok();
    let mut topics = Vec::with_capacity(asked.topics.len());
    for topic in &asked.topics {
        let allowed = access.topic(Operation::Describe, &topic.topic);
        let allowed = if may_all { Ok(()) } else { allowed };
        let lines = topic.partitions.iter().map(|partition| {
            let line = allowed.and_then(|()| ask(context, &topic.topic, partition));
            (partition.partition, line)
        });
        let lines: Vec<_> = lines.collect();
        topics.push((topic.topic.to_string(), lines));
    }
    Ok(Answer::Later(Box::pin(async move {
        let mut answered = Vec::with_capacity(topics.len());
        for (topic, lines) in topics {
            let mut partitions = Vec::with_capacity(lines.len());
            for (index, line) in lines {
                let end = match line {
                    Ok(asked) => asked
                        .await
                        .unwrap_or_else(|unavailable| Err(fault::of_unavailable(unavailable))),
                    Err(code) => Err(code),
                };
                partitions.push(written(index, end));
            }
            answered.push(OffsetForLeaderTopicResult {
                topic: Cow::Owned(topic),
                partitions,
            });
        }
        question.encode(&OffsetForLeaderEpochResponse {
            throttle_time_ms: 0,
            topics: answered,
        })
    })))
}

fn ask(
    context: &Context,
    topic: &str,
    partition: &OffsetForLeaderPartition,
) -> Result<Asked, ErrorCode> {
    let broker = context.broker();
    let id = locate(
        &broker.image(),
        broker.node_id(),
        topic,
        partition.partition,
    )?;
    let believed = LeaderEpoch(partition.current_leader_epoch);
    let epoch = LeaderEpoch(partition.leader_epoch);
    let asked = broker.on_partition(id, move |partition| async move {
        check_epoch(partition.leader_epoch(), believed)?;
        let end = partition.epoch_end(epoch);
        Ok(end.map_or(UNKNOWN, |end| (end.epoch.get(), end.end.get())))
    });
    Ok(Box::pin(asked))
}

fn written(partition: i32, end: Result<End, ErrorCode>) -> EpochEndOffset {
    let ((leader_epoch, end_offset), code) = match end {
        Ok(end) => (end, ErrorCode::None),
        Err(code) => (UNKNOWN, code),
    };
    EpochEndOffset {
        error_code: code.code(),
        partition,
        leader_epoch,
        end_offset,
    }
}
