//! JoinGroup (key 11), versions 0-9: a member of a classic group wants to be in the next
//! generation.
//!
//! The answer waits for the rebalance; later requests of the connection are worked on meanwhile
//! and answered behind it, as the protocol demands.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout; the session timeout is the rebalance timeout too
//! - 1: rebalance_timeout_ms (KIP-62)
//! - 2: the response gains throttle_time_ms (KIP-124)
//! - 3: the same layout (KIP-219)
//! - 4: a new member is given its id first and comes back with it (KIP-394)
//! - 5: static members (KIP-345)
//! - 6: flexible encoding (KIP-482)
//! - 7: the response gains protocol_type (KIP-559)
//! - 8: the member says why it joins (KIP-800)
//! - 9: the leader may be told not to assign (KIP-814)

use std::borrow::Cow;

use access::Operation;
use broker::coordinator::{Answer as Coordinated, Ask, JoinAnswer, JoinAsk, JoinProtocol};
use wire::WireError;
use wire::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::groups::{self, opaque, owned, shared};
use crate::handlers::read;
use crate::table::Request;

/// The first version with a rebalance timeout of its own.
const REBALANCE_TIMEOUT_VERSION_MIN: i16 = 1;
/// The first version whose clients come back with the id that they are given.
const KNOWN_MEMBER_VERSION_MIN: i16 = 4;
/// The first version in which no protocol is null rather than empty.
const NULL_PROTOCOL_VERSION_MIN: i16 = 7;
/// The first version whose leaders understand that they need not assign.
const SKIP_VERSION_MIN: i16 = 9;

/// Lets the coordinator decide.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: JoinGroupRequest<'_> = read(&mut request)?;
    let ask = to_ask(context, &request, &asked);
    let joining = groups::ask(context, Operation::Read, Ask::Join(ask));
    Ok(Answer::Later(Box::pin(async move {
        let joined = match joining.await {
            Coordinated::Join(joined) => joined,
            other => groups::mismatched(&other),
        };
        let nothing = (question.version < NULL_PROTOCOL_VERSION_MIN).then_some(Cow::Borrowed(""));
        let response = match &joined {
            Ok(joined) => success(joined, nothing, question.version),
            Err(refused) => JoinGroupResponse {
                error_code: refused.refusal.code.code(),
                generation_id: -1,
                protocol_name: nothing,
                member_id: Cow::Borrowed(&refused.member),
                ..JoinGroupResponse::default()
            },
        };
        question.encode(&response)
    })))
}

fn to_ask(context: &Context, request: &Request<'_>, asked: &JoinGroupRequest<'_>) -> JoinAsk {
    let version = request.question.version;
    let is_static = asked.group_instance_id.is_some();
    JoinAsk {
        group: asked.group_id.to_string(),
        member: asked.member_id.to_string(),
        instance: owned(asked.group_instance_id.as_ref()),
        client_id: request.client_id.to_string(),
        client_host: groups::client_host(context),
        session_timeout_ms: asked.session_timeout_ms,
        rebalance_timeout_ms: if version < REBALANCE_TIMEOUT_VERSION_MIN {
            asked.session_timeout_ms
        } else {
            asked.rebalance_timeout_ms
        },
        protocol_type: asked.protocol_type.to_string(),
        protocols: asked
            .protocols
            .iter()
            .map(|protocol| JoinProtocol {
                name: protocol.name.to_string(),
                metadata: opaque(&protocol.metadata),
            })
            .collect(),
        reason: owned(asked.reason.as_ref()),
        needs_known_member: version >= KNOWN_MEMBER_VERSION_MIN && !is_static,
        can_skip_assignment: version >= SKIP_VERSION_MIN,
        fresh: groups::fresh(context),
    }
}

fn success<'a>(
    joined: &'a JoinAnswer,
    nothing: Option<Cow<'a, str>>,
    version: i16,
) -> JoinGroupResponse<'a> {
    let members = joined.members.iter().map(|member| JoinGroupResponseMember {
        member_id: Cow::Borrowed(&member.member),
        group_instance_id: shared(member.instance.as_ref()),
        metadata: Cow::Borrowed(&member.metadata),
    });
    assert!(
        !joined.skip_assignment || version >= SKIP_VERSION_MIN,
        "only who asked for it skips the assignment"
    );
    JoinGroupResponse {
        generation_id: joined.generation,
        protocol_type: shared(joined.protocol_type.as_ref()),
        protocol_name: shared(joined.protocol.as_ref()).or(nothing),
        leader: Cow::Borrowed(&joined.leader),
        skip_assignment: joined.skip_assignment,
        member_id: Cow::Borrowed(&joined.member),
        members: members.collect(),
        ..JoinGroupResponse::default()
    }
}
