//! DeleteRecords (key 21), versions 0-2: what lies below an offset goes for good (KIP-107).
//!
//! -1 means everything up to the high watermark. The answer is the first offset that can be read
//! from then on, and comes when that is durable. Topics that the node writes itself are refused.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout
//! - 1: the same layout (KIP-219)
//! - 2: flexible encoding (KIP-482)

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, Offset};
use broker::{DeleteRecordsError, PartitionId};
use wire::WireError;
use wire::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::fault;
use crate::handlers::shown::is_internal;
use crate::handlers::{begin, locate, read};
use crate::table::Request;

/// What became of one partition.
type Deleted = Result<Offset, ErrorCode>;
/// Deletions that have begun, or why one has not.
type Begun = Result<reactor::Reply<Deleted>, ErrorCode>;

/// Begins everywhere at once, and answers when all are done.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DeleteRecordsRequest<'_> = read(&mut request)?;
    let topics: Vec<(String, Vec<(i32, Begun)>)> = asked
        .topics
        .iter()
        .map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let (index, offset) = (partition.partition_index, Offset(partition.offset));
                (index, begin_one(context, &topic.name, index, offset))
            });
            (topic.name.to_string(), partitions.collect())
        })
        .collect();
    Ok(Answer::Later(Box::pin(async move {
        let mut answered = Vec::with_capacity(topics.len());
        for (name, partitions) in topics {
            let mut results = Vec::with_capacity(partitions.len());
            for (index, begun) in partitions {
                let deleted = match begun {
                    Err(code) => Err(code),
                    // The client's patience is for followers; a leader's own part is waited for.
                    Ok(work) => work.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower)),
                };
                results.push(result(index, deleted));
            }
            answered.push(DeleteRecordsTopicResult {
                name: Cow::Owned(name),
                partitions: results,
            });
        }
        question.encode(&DeleteRecordsResponse {
            throttle_time_ms: 0,
            topics: answered,
        })
    })))
}

fn begin_one(context: &Context, topic: &str, index: i32, offset: Offset) -> Begun {
    let broker = context.broker();
    let image = broker.image();
    context.access().topic(Operation::Delete, topic)?;
    if is_internal(topic) && image.topic(topic).is_some() {
        return Err(ErrorCode::InvalidTopicException);
    }
    let id: PartitionId = locate(&image, broker.node_id(), topic, index)?;
    let deleting = broker.on_partition(id, move |partition| async move {
        partition.delete_records(offset).await
    });
    Ok(begin(context.core(), async move {
        match deleting.await {
            Ok(Ok(low_watermark)) => Ok(low_watermark),
            Ok(Err(error)) => Err(code_of(&error)),
            Err(unavailable) => Err(fault::of_unavailable(unavailable)),
        }
    }))
}

fn code_of(error: &DeleteRecordsError) -> ErrorCode {
    match error {
        DeleteRecordsError::OutOfRange => ErrorCode::OffsetOutOfRange,
        DeleteRecordsError::Policy => ErrorCode::PolicyViolation,
        DeleteRecordsError::Storage(error) => fault::of_storage(error),
    }
}

fn result(index: i32, deleted: Deleted) -> DeleteRecordsPartitionResult {
    let (low_watermark, code) = match deleted {
        Ok(offset) => (offset.get(), ErrorCode::None),
        Err(code) => (-1, code),
    };
    DeleteRecordsPartitionResult {
        partition_index: index,
        low_watermark,
        error_code: code.code(),
    }
}

#[cfg(test)]
#[path = "../tests/delete_records_tests.rs"]
mod tests;
