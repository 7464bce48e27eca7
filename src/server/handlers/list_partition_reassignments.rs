//! ListPartitionReassignments (key 46), version 0: which partitions are moving (KIP-455).
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout, flexible from the start

use std::borrow::Cow;
use std::collections::BTreeSet;

use access::Operation;
use base::{ErrorCode, PartitionIndex};
use metadata::{Image, Partition, Topic};
use wire::WireError;
use wire::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment, OngoingTopicReassignment,
};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::altering::told;
use crate::handlers::read;
use crate::handlers::shown::{indexed, numbers};
use crate::table::Request;

/// Answers from the image.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: ListPartitionReassignmentsRequest<'_> = read(&mut request)?;
    let image = context.broker().image();
    let denied = context
        .access()
        .cluster(Operation::Describe)
        .err()
        .map(denied);
    if let Some(refusal) = &denied {
        let (error_code, error_message) = told(Some(refusal));
        return Ok(question.answer(&ListPartitionReassignmentsResponse {
            error_code,
            error_message,
            ..Default::default()
        }));
    }
    Ok(question.answer(&ListPartitionReassignmentsResponse {
        throttle_time_ms: 0,
        error_code: ErrorCode::None.code(),
        error_message: None,
        topics: ongoing(&image, &asked),
    }))
}

fn ongoing<'a>(
    image: &'a Image,
    asked: &ListPartitionReassignmentsRequest<'_>,
) -> Vec<OngoingTopicReassignment<'a>> {
    let Some(named) = &asked.topics else {
        let topics = image.topics().iter();
        return topics.filter_map(|topic| moving(topic, |_| true)).collect();
    };
    let topics = named.iter().filter_map(|named| {
        let wanted: BTreeSet<i32> = named.partition_indexes.iter().copied().collect();
        moving(image.topic(&named.name)?, |index| {
            wanted.contains(&index.get())
        })
    });
    topics.collect()
}

fn moving(
    topic: &Topic,
    is_wanted: impl Fn(PartitionIndex) -> bool,
) -> Option<OngoingTopicReassignment<'_>> {
    let is_moving = |partition: &Partition| {
        !partition.adding_replicas.is_empty() || !partition.removing_replicas.is_empty()
    };
    let partitions = indexed(topic)
        .filter(|(index, partition)| is_wanted(*index) && is_moving(partition))
        .map(|(index, partition)| OngoingPartitionReassignment {
            partition_index: index.get(),
            replicas: numbers(&partition.replicas),
            adding_replicas: numbers(&partition.adding_replicas),
            removing_replicas: numbers(&partition.removing_replicas),
        });
    let partitions: Vec<_> = partitions.collect();
    (!partitions.is_empty()).then(|| OngoingTopicReassignment {
        name: Cow::Borrowed(&topic.name),
        partitions,
    })
}

#[cfg(test)]
#[path = "../tests/list_partition_reassignments_tests.rs"]
mod tests;
