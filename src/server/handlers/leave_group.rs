//! LeaveGroup (key 13), versions 0-5: members of a group leave, or an administrator makes them.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout; one member
//! - 1: the response gains throttle_time_ms (KIP-124)
//! - 2: the same layout (KIP-219)
//! - 3: several members, also by their static names (KIP-345)
//! - 4: flexible encoding (KIP-482)
//! - 5: why they leave (KIP-800)

use std::borrow::Cow;

use access::Operation;
use broker::coordinator::{
    Answer as Coordinated, Ask, LeaveAsk, LeavingMember, LeftMember, Refusal,
};
use wire::WireError;
use wire::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::groups::{self, code_of, owned, shared};
use crate::handlers::read;
use crate::table::Request;

/// The first version that names several members.
const SEVERAL_VERSION_MIN: i16 = 3;

/// Lets the coordinator decide.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: LeaveGroupRequest<'_> = read(&mut request)?;
    let ask = LeaveAsk {
        group: asked.group_id.to_string(),
        members: leaving(&asked, question.version),
    };
    let asking = groups::ask(context, Operation::Read, Ask::Leave(ask));
    Ok(Answer::Later(Box::pin(async move {
        let left = match asking.await {
            Coordinated::Leave(left) => left,
            other => groups::mismatched(&other),
        };
        question.encode(&response(&left, question.version))
    })))
}

fn leaving(asked: &LeaveGroupRequest<'_>, version: i16) -> Vec<LeavingMember> {
    if version < SEVERAL_VERSION_MIN {
        return vec![LeavingMember {
            member: asked.member_id.to_string(),
            instance: None,
            reason: None,
        }];
    }
    let members = asked.members.iter();
    members
        .map(|member| LeavingMember {
            member: member.member_id.to_string(),
            instance: owned(member.group_instance_id.as_ref()),
            reason: owned(member.reason.as_ref()),
        })
        .collect()
}

fn response(left: &Result<Vec<LeftMember>, Refusal>, version: i16) -> LeaveGroupResponse<'_> {
    let members = match left {
        Ok(members) => members.as_slice(),
        Err(_) => &[],
    };
    if version < SEVERAL_VERSION_MIN {
        // What became of the only member is what became of the request.
        let of_member = members.first().map(|member| code_of(&member.result));
        return LeaveGroupResponse {
            error_code: of_member.unwrap_or(code_of(left)).code(),
            ..LeaveGroupResponse::default()
        };
    }
    let members = members.iter().map(|member| MemberResponse {
        member_id: Cow::Borrowed(&member.member),
        group_instance_id: shared(member.instance.as_ref()),
        error_code: code_of(&member.result).code(),
    });
    LeaveGroupResponse {
        error_code: code_of(left).code(),
        members: members.collect(),
        ..LeaveGroupResponse::default()
    }
}

#[cfg(test)]
#[path = "../tests/leave_group_tests.rs"]
mod tests;
