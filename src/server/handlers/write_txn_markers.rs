//! WriteTxnMarkers (key 27), versions 1-2: ends transactions in partitions, as a coordinator would.
//!
//! Coordinators of this node write their markers themselves; this is for administrators, who end a
//! transaction that its coordinator knows nothing of (KIP-664).
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 1: flexible encoding (KIP-482)
//! - 2: the level of transactions that the marker is of (KIP-1228)

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, PartitionIndex, ProducerEpoch, ProducerId, TopicPartition};
use broker::MarkerRequest;
use wire::WireError;
use wire::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::fault;
use crate::handlers::read;
use crate::table::Request;

/// Begins all markers and answers when all are durable or refused.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: WriteTxnMarkersRequest<'_> = read(&mut request)?;
    let access = context.access();
    let denied = access
        .cluster(Operation::ClusterAction)
        .or_else(|_| access.cluster(Operation::Alter))
        .err();
    let mut writing = Vec::with_capacity(asked.markers.len());
    for marker in &asked.markers {
        let request = of(marker);
        let mut topics = Vec::with_capacity(marker.topics.len());
        for topic in &marker.topics {
            let begun = topic.partition_indexes.iter().map(|index| {
                let partition = TopicPartition {
                    topic: topic.name.to_string(),
                    partition: PartitionIndex(*index),
                };
                let written = match denied {
                    Some(code) => Err(code),
                    None => Ok(context.broker().begin_marker(&partition, request)),
                };
                (*index, written)
            });
            topics.push((topic.name.to_string(), begun.collect::<Vec<_>>()));
        }
        writing.push((marker.producer_id, topics));
    }
    Ok(Answer::Later(Box::pin(async move {
        let mut markers = Vec::with_capacity(writing.len());
        for (producer_id, topics) in writing {
            let mut results = Vec::with_capacity(topics.len());
            for (name, begun) in topics {
                let mut partitions = Vec::with_capacity(begun.len());
                for (partition_index, written) in begun {
                    let code = match written {
                        Err(denied) => denied,
                        Ok(written) => match written.await {
                            Ok(()) => ErrorCode::None,
                            Err(error) => fault::of_marker(&error),
                        },
                    };
                    partitions.push(WritableTxnMarkerPartitionResult {
                        partition_index,
                        error_code: code.code(),
                    });
                }
                results.push(WritableTxnMarkerTopicResult {
                    name: Cow::Owned(name),
                    partitions,
                });
            }
            markers.push(WritableTxnMarkerResult {
                producer_id,
                topics: results,
            });
        }
        question.encode(&WriteTxnMarkersResponse { markers })
    })))
}

fn of(marker: &WritableTxnMarker<'_>) -> MarkerRequest {
    MarkerRequest {
        producer_id: ProducerId(marker.producer_id),
        producer_epoch: ProducerEpoch(marker.producer_epoch),
        coordinator_epoch: marker.coordinator_epoch,
        is_commit: marker.transaction_result,
        transaction_version: marker.transaction_version.into(),
    }
}
