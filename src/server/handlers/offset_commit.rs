//! OffsetCommit (key 8), versions 0-10: a group remembers how far it has read.
//!
//! The answer comes when the offsets are on the device. Partitions that do not exist are refused
//! here, the others go to the coordinator.
//!
//! Deviations from Apache Kafka: versions 0 and 1 are still served; version 0 commits without
//! membership, as clients without groups do, and not to ZooKeeper.
//!
//! - 0: first layout
//! - 1: generation and member; a timestamp per partition, which is not used
//! - 2: retention_time_ms, instead of the timestamps
//! - 3: the response gains throttle_time_ms (KIP-124)
//! - 4: the same layout (KIP-219)
//! - 5: retention_time_ms went: offsets live as long as their group is in use (KIP-211)
//! - 6: the leader epoch of what was read (KIP-320)
//! - 7: static members (KIP-345)
//! - 8: flexible encoding (KIP-482)
//! - 9: members of consumer groups, with their codes (KIP-848)
//! - 10: topics by id (KIP-848)

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Uuid};
use broker::coordinator::{
    Answer as Coordinated, Ask, CommitPartition, CommitTopic, OffsetCommitAsk, Refusal, TopicCodes,
};
use metadata::Image;
use wire::WireError;
use wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

use crate::access::Access;
use crate::answer::{Answer, Question, Response};
use crate::context::Context;
use crate::handlers::groups::{self, owned};
use crate::handlers::read;
use crate::table::Request;

/// The first version whose clients know the codes of consumer groups.
const CONSUMER_VERSION_MIN: i16 = 9;
/// The first version that names topics by id.
const BY_ID_VERSION_MIN: i16 = 10;

/// One topic of the request: what to call it in the answer, and for each partition the reason why
/// the coordinator was not asked for it.
struct Named {
    name: String,
    id: Uuid,
    partitions: Vec<(i32, Option<ErrorCode>)>,
}

/// Asks the coordinator to keep what belongs to partitions that exist.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: OffsetCommitRequest<'_> = read(&mut request)?;
    let image = context.broker().image();
    let access = context.access();
    if let Err(code) = access.group(Operation::Read, &asked.group_id) {
        let named: Vec<Named> = asked.topics.iter().map(unsorted).collect();
        return Ok(Answer::Now(respond(question, &named, &Err(code.into()))?));
    }
    let mut named = Vec::with_capacity(asked.topics.len());
    let mut topics = Vec::with_capacity(asked.topics.len());
    for topic in &asked.topics {
        let (name, commit) = sort(&image, &access, topic, question.version);
        named.push(name);
        topics.extend(commit.filter(|commit| !commit.partitions.is_empty()));
    }
    if topics.is_empty() && !named.is_empty() {
        return Ok(Answer::Now(respond(question, &named, &Ok(Vec::new()))?));
    }
    let ask = OffsetCommitAsk {
        group: asked.group_id.to_string(),
        member: asked.member_id.to_string(),
        instance: owned(asked.group_instance_id.as_ref()),
        generation_or_epoch: asked.generation_id_or_member_epoch,
        retention_ms: Some(asked.retention_time_ms).filter(|retention_ms| *retention_ms >= 0),
        topics,
        is_legacy: question.version < CONSUMER_VERSION_MIN,
    };
    let committing = groups::ask(context, Operation::Read, Ask::OffsetCommit(ask));
    Ok(Answer::Later(Box::pin(async move {
        match committing.await {
            Coordinated::OffsetCommit(committed) => respond(question, &named, &committed),
            other => groups::mismatched(&other),
        }
    })))
}

/// A topic of which nothing is refused here.
fn unsorted(topic: &OffsetCommitRequestTopic<'_>) -> Named {
    let partitions = topic.partitions.iter();
    Named {
        name: topic.name.to_string(),
        id: topic.topic_id,
        partitions: partitions.map(|one| (one.partition_index, None)).collect(),
    }
}

/// Parts what the coordinator is asked from what is refused here.
fn sort(
    image: &Image,
    access: &Access,
    topic: &OffsetCommitRequestTopic<'_>,
    version: i16,
) -> (Named, Option<CommitTopic>) {
    let by_id = version >= BY_ID_VERSION_MIN;
    let found = groups::allowed_topic(
        image,
        (access, Operation::Read),
        by_id,
        &topic.name,
        topic.topic_id,
    );
    let refusal = |index: i32| match found {
        Err(code) => Some(code),
        Ok(topic) if groups::has_partition(topic, index) => None,
        Ok(_) => Some(ErrorCode::UnknownTopicOrPartition),
    };
    let partitions = topic.partitions.iter();
    let named = Named {
        name: topic.name.to_string(),
        id: topic.topic_id,
        partitions: partitions
            .clone()
            .map(|one| (one.partition_index, refusal(one.partition_index)))
            .collect(),
    };
    let commit = found.ok().map(|found| CommitTopic {
        name: found.name.to_string(),
        id: found.id,
        partitions: partitions
            .filter(|one| refusal(one.partition_index).is_none())
            .map(|one| CommitPartition {
                partition: PartitionIndex(one.partition_index),
                offset: Offset(one.committed_offset),
                leader_epoch: LeaderEpoch(one.committed_leader_epoch),
                metadata: owned(one.committed_metadata.as_ref()),
            })
            .collect(),
    });
    (named, commit)
}

fn respond(
    question: Question,
    named: &[Named],
    committed: &Result<Vec<TopicCodes>, Refusal>,
) -> Result<Response, WireError> {
    let mut codes = committed
        .iter()
        .flatten()
        .flat_map(|topic| topic.partitions.iter().map(|(_, code)| *code));
    // The coordinator's answer has the order of what it was asked.
    let mut next = || match committed {
        Ok(_) => codes.next().unwrap_or(ErrorCode::UnknownServerError),
        Err(refusal) => refusal.code,
    };
    let mut topics = Vec::with_capacity(named.len());
    for topic in named {
        let partitions = topic.partitions.iter();
        let partitions = partitions.map(|(index, refused)| OffsetCommitResponsePartition {
            partition_index: *index,
            error_code: refused.unwrap_or_else(&mut next).code(),
        });
        topics.push(OffsetCommitResponseTopic {
            name: Cow::Borrowed(&topic.name),
            topic_id: topic.id,
            partitions: partitions.collect(),
        });
    }
    question.encode(&OffsetCommitResponse {
        throttle_time_ms: 0,
        topics,
    })
}

#[cfg(test)]
#[path = "../tests/offset_commit_tests.rs"]
mod tests;
