//! TxnOffsetCommit (key 28), versions 0-6: offsets of a group, committed in a transaction.
//!
//! They count when the transaction is committed; until then a fetch that wants stable offsets is
//! told to come back. From version 5 on committing adds the group's partition to the transaction.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout (KIP-98)
//! - 1: the same layout (KIP-219)
//! - 2: leader epochs of offsets (KIP-320)
//! - 3: flexible encoding (KIP-482); member and generation, which are checked (KIP-447)
//! - 4: TRANSACTION_ABORTABLE may be answered (KIP-890)
//! - 5: implicit AddOffsetsToTxn (KIP-890)
//! - 6: topics by id (KIP-1319)

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Uuid};
use broker::Custom;
use broker::coordinator::{
    Answer as Coordinated, CommitPartition, CommitTopic, Producer, Refusal, TopicCodes,
    TxnOffsetCommitAsk,
};
use metadata::Topic;
use wire::WireError;
use wire::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestTopic, TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

use crate::answer::{Answer, Question, Response};
use crate::context::Context;
use crate::handlers::groups::{self, owned};
use crate::handlers::read;
use crate::table::Request;

/// The first version in which TRANSACTION_ABORTABLE may be answered.
const ABORTABLE_VERSION: i16 = 4;
/// The first version in which committing adds the partition.
const IMPLICIT_VERSION: i16 = 5;
/// The first version that names topics by id.
const BY_ID_VERSION: i16 = 6;

/// A topic of the request, each partition with why it is refused here, if it is.
struct Named {
    name: String,
    id: Uuid,
    partitions: Vec<(i32, Option<ErrorCode>)>,
}

/// Asks the coordinator to keep what belongs to partitions that exist.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: TxnOffsetCommitRequest<'_> = read(&mut request)?;
    let image = context.broker().image();
    let access = context.access();
    let whole = access
        .transactional_id(Operation::Write, &asked.transactional_id)
        .and_then(|()| access.group(Operation::Read, &asked.group_id));
    let mut named = Vec::with_capacity(asked.topics.len());
    let mut topics = Vec::with_capacity(asked.topics.len());
    for topic in &asked.topics {
        let by_id = question.version >= BY_ID_VERSION;
        let readable = (&access, Operation::Read);
        let found = whole.and_then(|()| {
            groups::allowed_topic(&image, readable, by_id, &topic.name, topic.topic_id)
        });
        let (name, commit) = sort(found, topic);
        named.push(name);
        topics.extend(commit.filter(|commit| !commit.partitions.is_empty()));
    }
    if topics.is_empty() && !named.is_empty() {
        return Ok(Answer::Now(respond(question, &named, &Ok(Vec::new()))?));
    }
    let ask = TxnOffsetCommitAsk {
        transactional_id: asked.transactional_id.to_string(),
        producer: Producer {
            id: ProducerId(asked.producer_id),
            epoch: ProducerEpoch(asked.producer_epoch),
        },
        group: asked.group_id.to_string(),
        member: asked.member_id.to_string(),
        instance: owned(asked.group_instance_id.as_ref()),
        generation_or_epoch: asked.generation_id_or_member_epoch,
        topics,
    };
    let custom = match question.version {
        IMPLICIT_VERSION.. => Custom::Added,
        ABORTABLE_VERSION.. => Custom::VerifiedAbortable,
        _ => Custom::Verified,
    };
    let broker = context.broker();
    let is_asked = custom == Custom::Added || broker.verifies_transactions();
    let committing = broker.commit_in_transaction(ask, is_asked.then_some(custom));
    Ok(Answer::Later(Box::pin(async move {
        match committing.await {
            Coordinated::TxnOffsetCommit(committed) => respond(question, &named, &committed),
            other => groups::mismatched(&other),
        }
    })))
}

/// Parts what the coordinator is asked from what is refused here.
fn sort(
    found: Result<&Topic, ErrorCode>,
    topic: &TxnOffsetCommitRequestTopic<'_>,
) -> (Named, Option<CommitTopic>) {
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
    let codes = committed.iter().flatten();
    let mut codes = codes.flat_map(|topic| topic.partitions.iter().map(|(_, code)| *code));
    // The coordinator's answer has the order of what it was asked.
    let mut next = || match committed {
        Ok(_) => codes.next().unwrap_or(ErrorCode::UnknownServerError),
        Err(refusal) => refusal.code,
    };
    let mut topics = Vec::with_capacity(named.len());
    for topic in named {
        let partitions = topic.partitions.iter();
        let partitions = partitions.map(|(index, refused)| TxnOffsetCommitResponsePartition {
            partition_index: *index,
            error_code: refused.unwrap_or_else(&mut next).code(),
        });
        topics.push(TxnOffsetCommitResponseTopic {
            name: Cow::Borrowed(&topic.name),
            topic_id: topic.id,
            partitions: partitions.collect(),
        });
    }
    question.encode(&TxnOffsetCommitResponse {
        throttle_time_ms: 0,
        topics,
    })
}
