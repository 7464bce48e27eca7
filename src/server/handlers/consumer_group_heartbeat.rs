//! ConsumerGroupHeartbeat (key 68), versions 0-1: a member of a consumer group is alive, says what
//! it wants and holds, and hears what it should hold (KIP-848).
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout; the coordinator makes the member's id
//! - 1: the client makes the member's id (KIP-1082); subscriptions by regular expression

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, PartitionIndex};
use broker::coordinator::{
    Answer as Coordinated, Ask, ConsumerHeartbeatAnswer, ConsumerHeartbeatAsk, TopicIdPartitions,
};
use metadata::Image;
use wire::WireError;
use wire::consumer_group_heartbeat::{
    Assignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    ResponseTopicPartitions,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::groups::{self, owned};
use crate::handlers::read;
use crate::table::Request;

/// The first version whose clients make their members' ids.
const CLIENT_ID_VERSION_MIN: i16 = 1;
/// The feature that turns consumer groups on.
const FEATURE: &str = "group.version";

/// Lets the coordinator decide.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: ConsumerGroupHeartbeatRequest<'_> = read(&mut request)?;
    let version = question.version;
    let refusal = if !is_enabled(context, &context.broker().image()) {
        Some((
            ErrorCode::UnsupportedVersion,
            "The consumer group protocol is not enabled (group.version, \
             group.coordinator.rebalance.protocols).",
        ))
    } else if version >= CLIENT_ID_VERSION_MIN && asked.member_id.is_empty() {
        Some((ErrorCode::InvalidRequest, "MemberId can't be empty."))
    } else {
        hidden_topic(context, &asked)
    };
    if let Some((code, text)) = refusal {
        return Ok(question.answer(&ConsumerGroupHeartbeatResponse {
            error_code: code.code(),
            error_message: Some(Cow::Borrowed(text)),
            ..ConsumerGroupHeartbeatResponse::default()
        }));
    }
    let ask = to_ask(context, &request, &asked);
    let beating = groups::ask(context, Operation::Read, Ask::ConsumerHeartbeat(ask));
    Ok(Answer::Later(Box::pin(async move {
        let outcome = match beating.await {
            Coordinated::ConsumerHeartbeat(outcome) => outcome,
            other => groups::mismatched(&other),
        };
        question.encode(&match outcome {
            Ok(answer) => success(answer),
            Err(refusal) => ConsumerGroupHeartbeatResponse {
                error_code: refusal.code.code(),
                error_message: groups::text_of(refusal),
                ..ConsumerGroupHeartbeatResponse::default()
            },
        })
    })))
}

/// Refuses to let a member subscribe to what its client may not look at. Who may not even read as
/// the group hears that, later.
fn hidden_topic(
    context: &Context,
    asked: &ConsumerGroupHeartbeatRequest<'_>,
) -> Option<(ErrorCode, &'static str)> {
    let access = context.access();
    access.group(Operation::Read, &asked.group_id).ok()?;
    let mut names = asked.subscribed_topic_names.iter().flatten();
    let code = names.find_map(|name| access.topic(Operation::Describe, name).err())?;
    Some((code, "Topic authorization failed."))
}

/// Whether this cluster and this node serve consumer groups.
pub(crate) fn is_enabled(context: &Context, image: &Image) -> bool {
    let config = context.broker().config();
    let protocols = config
        .settings
        .effective("group.coordinator.rebalance.protocols");
    let protocols = protocols.and_then(|effective| effective.value);
    let is_listed = protocols
        .unwrap_or_default()
        .split(',')
        .any(|protocol| protocol.trim() == "consumer");
    is_listed && image.feature_level(FEATURE) > 0
}

fn to_ask(
    context: &Context,
    request: &Request<'_>,
    asked: &ConsumerGroupHeartbeatRequest<'_>,
) -> ConsumerHeartbeatAsk {
    let names = asked.subscribed_topic_names.as_ref();
    let held = asked.topic_partitions.as_ref();
    ConsumerHeartbeatAsk {
        group: asked.group_id.to_string(),
        member: asked.member_id.to_string(),
        member_epoch: asked.member_epoch,
        instance: owned(asked.instance_id.as_ref()),
        rack: owned(asked.rack_id.as_ref()),
        rebalance_timeout_ms: asked.rebalance_timeout_ms,
        topic_names: names.map(|names| names.iter().map(|name| name.to_string()).collect()),
        topic_regex: owned(asked.subscribed_topic_regex.as_ref()),
        assignor: owned(asked.server_assignor.as_ref()),
        owned: held.map(|topics| {
            let topics = topics.iter().map(|topic| TopicIdPartitions {
                id: topic.topic_id,
                partitions: topic
                    .partitions
                    .iter()
                    .copied()
                    .map(PartitionIndex)
                    .collect(),
            });
            topics.collect()
        }),
        client_id: request.client_id.to_string(),
        client_host: groups::client_host(context),
        fresh: groups::fresh(context),
    }
}

fn success(answer: ConsumerHeartbeatAnswer) -> ConsumerGroupHeartbeatResponse<'static> {
    let assignment = answer.assignment.map(|topics| Assignment {
        topic_partitions: topics
            .into_iter()
            .map(|topic| ResponseTopicPartitions {
                topic_id: topic.id,
                partitions: topic
                    .partitions
                    .into_iter()
                    .map(PartitionIndex::get)
                    .collect(),
            })
            .collect(),
    });
    ConsumerGroupHeartbeatResponse {
        member_id: Some(Cow::Owned(answer.member)),
        member_epoch: answer.member_epoch,
        heartbeat_interval_ms: answer.heartbeat_interval_ms,
        assignment,
        ..ConsumerGroupHeartbeatResponse::default()
    }
}
