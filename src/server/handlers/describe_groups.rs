//! DescribeGroups (key 15), versions 0-6: what is in classic groups.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout
//! - 1: the response gains throttle_time_ms (KIP-124)
//! - 2: the same layout (KIP-219)
//! - 3: authorised operations on request (KIP-430)
//! - 4: static members (KIP-345)
//! - 5: flexible encoding (KIP-482)
//! - 6: a group that does not exist is GROUP_ID_NOT_FOUND with a text, not a dead one (KIP-1043)

use std::borrow::Cow;

use access::{Operation, ResourceType};
use base::ErrorCode;
use broker::coordinator::{
    Answer as Coordinated, Ask, ClassicDescription, ClassicMemberDescription, DescribeGroupAsk,
    Refusal,
};
use wire::WireError;
use wire::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::groups::{self, shared};
use crate::handlers::read;
use crate::table::Request;

/// The state of a group that does not exist.
const DEAD: &str = "Dead";
/// The first version that tells a group that does not exist from a dead one.
const NOT_FOUND_VERSION_MIN: i16 = 6;

/// Asks the coordinator of each group.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DescribeGroupsRequest<'_> = read(&mut request)?;
    let with_operations = asked.include_authorized_operations;
    let access = context.access();
    let asking: Vec<_> = asked
        .groups
        .iter()
        .map(|name| {
            let group = name.to_string();
            let ask = DescribeGroupAsk {
                group: group.clone(),
            };
            (
                group,
                groups::ask(context, Operation::Describe, Ask::DescribeGroup(ask)),
            )
        })
        .collect();
    Ok(Answer::Later(Box::pin(async move {
        let mut answers = Vec::with_capacity(asking.len());
        for (group, asking) in asking {
            match asking.await {
                Coordinated::DescribeGroup(described) => answers.push((group, described)),
                other => groups::mismatched(&other),
            }
        }
        let described = answers.iter().map(|(group, described)| {
            let mut shown = describe(group, described, question.version);
            // A group that is not there is no error to older clients, and has operations too.
            if with_operations && shown.error_code == ErrorCode::None.code() {
                shown.authorized_operations = access.operations(ResourceType::Group, group);
            }
            shown
        });
        question.encode(&DescribeGroupsResponse {
            throttle_time_ms: 0,
            groups: described.collect(),
        })
    })))
}

fn describe<'a>(
    group: &'a str,
    described: &'a Result<ClassicDescription, Refusal>,
    version: i16,
) -> DescribedGroup<'a> {
    let group_id = Cow::Borrowed(group);
    match described {
        Ok(described) => DescribedGroup {
            group_id,
            group_state: Cow::Borrowed(described.state),
            protocol_type: Cow::Borrowed(&described.protocol_type),
            protocol_data: Cow::Borrowed(&described.protocol),
            members: described.members.iter().map(member).collect(),
            ..DescribedGroup::default()
        },
        Err(refusal) if refusal.code == ErrorCode::GroupIdNotFound => {
            let says_so = version >= NOT_FOUND_VERSION_MIN;
            DescribedGroup {
                error_code: if says_so {
                    refusal.code
                } else {
                    ErrorCode::None
                }
                .code(),
                error_message: says_so.then(|| Cow::Borrowed(refusal.message.as_ref())),
                group_id,
                group_state: Cow::Borrowed(DEAD),
                ..DescribedGroup::default()
            }
        }
        Err(refusal) => DescribedGroup {
            error_code: refusal.code.code(),
            group_id,
            ..DescribedGroup::default()
        },
    }
}

fn member(member: &ClassicMemberDescription) -> DescribedGroupMember<'_> {
    DescribedGroupMember {
        member_id: Cow::Borrowed(&member.member),
        group_instance_id: shared(member.instance.as_ref()),
        client_id: Cow::Borrowed(&member.client_id),
        client_host: Cow::Borrowed(&member.client_host),
        member_metadata: Cow::Borrowed(&member.metadata),
        member_assignment: Cow::Borrowed(&member.assignment),
    }
}

#[cfg(test)]
#[path = "../tests/describe_groups_tests.rs"]
mod tests;
