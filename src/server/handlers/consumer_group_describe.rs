//! ConsumerGroupDescribe (key 69), versions 0-1: what is in consumer groups (KIP-848).
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout
//! - 1: whether a member still speaks the classic protocol (KIP-1099)

use std::borrow::Cow;

use access::{Operation, ResourceType};
use base::{ErrorCode, PartitionIndex};
use broker::coordinator::{
    Answer as Coordinated, Ask, ConsumerAssignment, ConsumerDescribeAsk, ConsumerDescription,
    ConsumerMemberDescription, Refusal,
};
use wire::WireError;
use wire::consumer_group_describe::{
    Assignment, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedGroup,
    Member, TopicPartitions,
};

use crate::access::Access;
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::consumer_group_heartbeat::is_enabled;
use crate::handlers::groups::{self, shared};
use crate::handlers::{read, shown};
use crate::table::Request;

/// A member that speaks the classic protocol.
const CLASSIC_MEMBER: i8 = 0;
/// A member that speaks the protocol of consumer groups.
const CONSUMER_MEMBER: i8 = 1;

/// Asks the coordinator of each group.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: ConsumerGroupDescribeRequest<'_> = read(&mut request)?;
    if !is_enabled(context, &context.broker().image()) {
        let groups = asked.group_ids.iter().map(|group| DescribedGroup {
            error_code: ErrorCode::UnsupportedVersion.code(),
            group_id: Cow::Borrowed(group),
            ..DescribedGroup::default()
        });
        return Ok(question.answer(&ConsumerGroupDescribeResponse {
            throttle_time_ms: 0,
            groups: groups.collect(),
        }));
    }
    let with_operations = asked.include_authorized_operations;
    let access = context.access();
    let asking: Vec<_> = asked
        .group_ids
        .iter()
        .map(|name| {
            let group = name.to_string();
            let ask = ConsumerDescribeAsk {
                group: group.clone(),
            };
            (
                group,
                groups::ask(context, Operation::Describe, Ask::ConsumerDescribe(ask)),
            )
        })
        .collect();
    Ok(Answer::Later(Box::pin(async move {
        let mut answers = Vec::with_capacity(asking.len());
        for (group, asking) in asking {
            match asking.await {
                Coordinated::ConsumerDescribe(described) => answers.push((group, described)),
                other => groups::mismatched(&other),
            }
        }
        let described = answers.iter().map(|(group, described)| {
            let operations = if with_operations {
                access.operations(ResourceType::Group, group)
            } else {
                shown::OPERATIONS_NOT_ASKED
            };
            if described
                .as_ref()
                .is_ok_and(|one| shows_hidden(&access, one))
            {
                return hidden(group);
            }
            describe(group, described, operations)
        });
        question.encode(&ConsumerGroupDescribeResponse {
            throttle_time_ms: 0,
            groups: described.collect(),
        })
    })))
}

/// Whether the description names topics that the client may not look at.
fn shows_hidden(access: &Access, described: &ConsumerDescription) -> bool {
    let members = described.members.iter();
    let mut names = members.flat_map(|member| {
        let assigned = member.assignment.iter().chain(&member.target);
        let assigned = assigned.map(|topic| &topic.name);
        member.topic_names.iter().chain(assigned)
    });
    names.any(|name| access.topic(Operation::Describe, name).is_err())
}

fn hidden(group: &str) -> DescribedGroup<'_> {
    let text = "The group has described topic(s) that the client is not authorized to describe.";
    DescribedGroup {
        error_code: ErrorCode::TopicAuthorizationFailed.code(),
        error_message: Some(Cow::Borrowed(text)),
        group_id: Cow::Borrowed(group),
        ..DescribedGroup::default()
    }
}

fn describe<'a>(
    group: &'a str,
    described: &'a Result<ConsumerDescription, Refusal>,
    operations: i32,
) -> DescribedGroup<'a> {
    let group_id = Cow::Borrowed(group);
    match described {
        Ok(described) => DescribedGroup {
            group_id,
            group_state: Cow::Borrowed(described.state),
            group_epoch: described.epoch,
            assignment_epoch: described.assignment_epoch,
            assignor_name: Cow::Borrowed(&described.assignor),
            members: described.members.iter().map(member).collect(),
            authorized_operations: operations,
            ..DescribedGroup::default()
        },
        Err(refusal) => DescribedGroup {
            error_code: refusal.code.code(),
            error_message: Some(Cow::Borrowed(refusal.message.as_ref())),
            group_id,
            ..DescribedGroup::default()
        },
    }
}

fn member(member: &ConsumerMemberDescription) -> Member<'_> {
    let names = member.topic_names.iter();
    Member {
        member_id: Cow::Borrowed(&member.member),
        instance_id: shared(member.instance.as_ref()),
        rack_id: shared(member.rack.as_ref()),
        member_epoch: member.member_epoch,
        client_id: Cow::Borrowed(&member.client_id),
        client_host: Cow::Borrowed(&member.client_host),
        subscribed_topic_names: names.map(|name| Cow::Borrowed(name.as_str())).collect(),
        subscribed_topic_regex: shared(member.topic_regex.as_ref()),
        assignment: assignment(&member.assignment),
        target_assignment: assignment(&member.target),
        member_type: if member.is_classic {
            CLASSIC_MEMBER
        } else {
            CONSUMER_MEMBER
        },
    }
}

fn assignment(topics: &[ConsumerAssignment]) -> Assignment<'_> {
    let topics = topics.iter().map(|topic| TopicPartitions {
        topic_id: topic.id,
        topic_name: Cow::Borrowed(&topic.name),
        partitions: topic
            .partitions
            .iter()
            .copied()
            .map(PartitionIndex::get)
            .collect(),
    });
    Assignment {
        topic_partitions: topics.collect(),
    }
}
