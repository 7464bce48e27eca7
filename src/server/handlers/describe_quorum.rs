//! DescribeQuorum (key 55), versions 0-2: who leads the metadata quorum, and how far its voters
//! are.
//!
//! Only partition 0 of `__cluster_metadata` can be asked about. The leader's own times are the
//! time of the answer, as in Kafka.
//!
//! Deviations from Apache Kafka: a voter's addresses are those that its broker registered, where
//! the node has no listener for controllers: it is the same process. Directory ids are real, also
//! while kraft.version is 0, where Kafka answers zeros.
//!
//! - 0: first layout, flexible from the start (KIP-595)
//! - 1: times of the last fetch and of the last catching up (KIP-836)
//! - 2: error messages, directory ids and the voters' addresses (KIP-853)

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, NodeId, Timestamp, Uuid};
use broker::QuorumView;
use metadata::Image;
use wire::WireError;
use wire::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, Listener, Node, ReplicaState,
    ResponsePartitionData, ResponseTopicData,
};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::{begin, read};
use crate::table::Request;

/// The topic of the metadata log.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// The first version with directory ids and addresses.
const NODES_VERSION_MIN: i16 = 2;

/// Asks the controller, and answers when it has told.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DescribeQuorumRequest<'_> = read(&mut request)?;
    if let Err(code) = context.access().cluster(Operation::Describe) {
        return Ok(question.answer(&DescribeQuorumResponse {
            error_code: code.code(),
            error_message: Some(Cow::Owned(denied(code).message)),
            ..Default::default()
        }));
    }
    let named: Vec<(String, Vec<i32>)> = asked
        .topics
        .iter()
        .map(|topic| {
            let indexes = topic.partitions.iter();
            let indexes = indexes.map(|partition| partition.partition_index);
            (topic.topic_name.to_string(), indexes.collect())
        })
        .collect();
    if !is_metadata_log(&named) {
        return Ok(question.answer(&unknown(&named)));
    }
    let context = context.clone();
    let broker = context.broker().clone();
    let looking = begin(context.core(), async move { broker.quorum_view().await });
    Ok(Answer::Later(Box::pin(async move {
        let Ok(Some(view)) = looking.await else {
            return question.encode(&DescribeQuorumResponse {
                error_code: ErrorCode::NotLeaderOrFollower.code(),
                ..Default::default()
            });
        };
        let image = context.broker().image();
        let now = context.core().wall();
        question.encode(&described(&view, &image, now, question.version))
    })))
}

fn is_metadata_log(named: &[(String, Vec<i32>)]) -> bool {
    matches!(named, [(topic, indexes)] if topic == METADATA_TOPIC && *indexes == [0])
}

fn unknown(named: &[(String, Vec<i32>)]) -> DescribeQuorumResponse<'_> {
    let topics = named.iter().map(|(topic, indexes)| ResponseTopicData {
        topic_name: Cow::Borrowed(topic),
        partitions: indexes
            .iter()
            .map(|index| ResponsePartitionData {
                partition_index: *index,
                error_code: ErrorCode::UnknownTopicOrPartition.code(),
                error_message: Some("This server does not host this topic-partition.".into()),
                ..Default::default()
            })
            .collect(),
    });
    DescribeQuorumResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}

fn described<'a>(
    view: &QuorumView,
    image: &'a Image,
    now: Timestamp,
    version: i16,
) -> DescribeQuorumResponse<'a> {
    let with_nodes = version >= NODES_VERSION_MIN;
    let voters = view.voters.iter().map(|voter| {
        // Of itself a leader knows everything at any time; of others, nothing is told here yet.
        let time = if view.leader == Some(voter.id) {
            now.get()
        } else {
            -1
        };
        ReplicaState {
            replica_id: voter.id.get(),
            replica_directory_id: if with_nodes {
                directory(image, voter.id)
            } else {
                Uuid::ZERO
            },
            log_end_offset: voter.log_end.get(),
            last_fetch_timestamp: time,
            last_caught_up_timestamp: time,
        }
    });
    let partition = ResponsePartitionData {
        partition_index: 0,
        error_code: ErrorCode::None.code(),
        error_message: None,
        leader_id: view.leader.map_or(-1, NodeId::get),
        leader_epoch: view.epoch.get(),
        high_watermark: view.high_watermark.get(),
        current_voters: voters.collect(),
        observers: Vec::new(),
    };
    let nodes = view.voters.iter().filter(|_| with_nodes);
    DescribeQuorumResponse {
        error_code: ErrorCode::None.code(),
        error_message: None,
        topics: vec![ResponseTopicData {
            topic_name: Cow::Borrowed(METADATA_TOPIC),
            partitions: vec![partition],
        }],
        nodes: nodes.map(|voter| node(image, voter.id)).collect(),
    }
}

/// The directory that holds a voter's metadata log (KIP-858).
fn directory(image: &Image, id: NodeId) -> Uuid {
    let broker = image.broker(id);
    let first = broker.and_then(|broker| broker.log_dirs.first());
    first.copied().unwrap_or(Uuid::ZERO)
}

fn node(image: &Image, id: NodeId) -> Node<'_> {
    let endpoints = image.broker(id).map_or(&[][..], |broker| &broker.endpoints);
    let listeners = endpoints.iter().map(|endpoint| Listener {
        name: Cow::Borrowed(&endpoint.listener),
        host: Cow::Borrowed(&endpoint.host),
        port: endpoint.port,
    });
    Node {
        node_id: id.get(),
        listeners: listeners.collect(),
    }
}

#[cfg(test)]
#[path = "../tests/describe_quorum_tests.rs"]
mod tests;
