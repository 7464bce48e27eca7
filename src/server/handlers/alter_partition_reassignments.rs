//! AlterPartitionReassignments (key 45), versions 0-1: which brokers shall hold partitions
//! (KIP-455).
//!
//! Deviations from Apache Kafka: replicas do not move between brokers yet, so a target other than
//! the present replicas is refused with INVALID_REPLICA_ASSIGNMENT, also where it names registered
//! brokers.
//!
//! - 0: first layout, flexible from the start
//! - 1: the request and the response gain allow_replication_factor_change (KIP-860)

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, NodeId, PartitionIndex};
use metadata::decide::reassign_partition;
use metadata::{Image, Refusal};
use wire::WireError;
use wire::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ReassignablePartitionResponse, ReassignableTopic, ReassignableTopicResponse,
};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::altering::told;
use crate::handlers::read;
use crate::table::Request;

/// Answers from the image: nothing is begun that would take time.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: AlterPartitionReassignmentsRequest<'_> = read(&mut request)?;
    let image = context.broker().image();
    let may_resize = asked.allow_replication_factor_change;
    let denied = context.access().cluster(Operation::Alter).err().map(denied);
    let (error_code, error_message) = told(denied.as_ref());
    let topics = asked.topics.iter();
    let response = AlterPartitionReassignmentsResponse {
        throttle_time_ms: 0,
        allow_replication_factor_change: may_resize,
        error_code,
        error_message,
        responses: topics
            .map(|topic| result(&image, denied.as_ref(), topic, may_resize))
            .collect(),
    };
    Ok(question.answer(&response))
}

fn result<'a>(
    image: &Image,
    denied: Option<&Refusal>,
    asked: &'a ReassignableTopic<'_>,
    may_resize: bool,
) -> ReassignableTopicResponse<'a> {
    let partitions = asked.partitions.iter().map(|partition| {
        let place = (
            asked.name.as_ref(),
            PartitionIndex(partition.partition_index),
        );
        let target: Option<Vec<NodeId>> = partition
            .replicas
            .as_ref()
            .map(|replicas| replicas.iter().copied().map(NodeId).collect());
        let refusal = denied
            .cloned()
            .or_else(|| reassign_partition(image, place, target.as_deref(), may_resize).err());
        ReassignablePartitionResponse {
            partition_index: partition.partition_index,
            error_code: refusal
                .as_ref()
                .map_or(ErrorCode::None, |refusal| refusal.code)
                .code(),
            error_message: refusal.map(|refusal| Cow::Owned(refusal.message)),
        }
    });
    ReassignableTopicResponse {
        name: Cow::Borrowed(&asked.name),
        partitions: partitions.collect(),
    }
}

#[cfg(test)]
#[path = "../tests/alter_partition_reassignments_tests.rs"]
mod tests;
