//! OffsetDelete (key 47), version 0: committed offsets of topics that nobody subscribes to go.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout (KIP-496)

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, PartitionIndex, Uuid};
use broker::coordinator::{Answer as Coordinated, Ask, FetchTopic, OffsetDeleteAsk, TopicCodes};
use wire::WireError;
use wire::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::{groups, read};
use crate::table::Request;

/// Lets the coordinator decide about partitions that exist.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: OffsetDeleteRequest<'_> = read(&mut request)?;
    let image = context.broker().image();
    let access = context.access();
    let mut topics = Vec::new();
    let mut refused = Vec::new();
    for topic in &asked.topics {
        let name = topic.name.to_string();
        let may = (&access, Operation::Read);
        let found = groups::allowed_topic(&image, may, false, &name, Uuid::ZERO);
        let code = found.err().unwrap_or(ErrorCode::UnknownTopicOrPartition);
        let indexes = topic.partitions.iter().map(|one| one.partition_index);
        let exists = |index: &i32| found.is_ok_and(|topic| groups::has_partition(topic, *index));
        let (known, unknown): (Vec<i32>, Vec<i32>) = indexes.partition(exists);
        let unknown = unknown
            .into_iter()
            .map(|index| (PartitionIndex(index), code));
        refused.push(TopicCodes {
            name: name.clone(),
            id: Uuid::ZERO,
            partitions: unknown.collect(),
        });
        topics.push(FetchTopic {
            name,
            id: Uuid::ZERO,
            partitions: known.into_iter().map(PartitionIndex).collect(),
        });
    }
    topics.retain(|topic| !topic.partitions.is_empty());
    refused.retain(|topic| !topic.partitions.is_empty());
    let ask = OffsetDeleteAsk {
        group: asked.group_id.to_string(),
        topics,
    };
    let asking = groups::ask(context, Operation::Delete, Ask::OffsetDelete(ask));
    Ok(Answer::Later(Box::pin(async move {
        let deleted = match asking.await {
            Coordinated::OffsetDelete(deleted) => deleted,
            other => groups::mismatched(&other),
        };
        question.encode(&match &deleted {
            Ok(codes) => OffsetDeleteResponse {
                topics: merged(&refused, codes),
                ..OffsetDeleteResponse::default()
            },
            Err(refusal) => OffsetDeleteResponse {
                error_code: refusal.code.code(),
                ..OffsetDeleteResponse::default()
            },
        })
    })))
}

/// Every topic once, with what was refused here and what the coordinator said.
fn merged<'a>(
    refused: &'a [TopicCodes],
    codes: &'a [TopicCodes],
) -> Vec<OffsetDeleteResponseTopic<'a>> {
    let mut merged: Vec<OffsetDeleteResponseTopic<'a>> = Vec::new();
    for topic in codes.iter().chain(refused) {
        let partitions =
            topic
                .partitions
                .iter()
                .map(|(index, code)| OffsetDeleteResponsePartition {
                    partition_index: index.get(),
                    error_code: code.code(),
                });
        match merged.iter_mut().find(|known| known.name == topic.name) {
            Some(known) => known.partitions.extend(partitions),
            None => merged.push(OffsetDeleteResponseTopic {
                name: Cow::Borrowed(&topic.name),
                partitions: partitions.collect(),
            }),
        }
    }
    merged
}
