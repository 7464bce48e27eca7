//! SyncGroup (key 14), versions 0-5: a member of a classic group asks for its assignment; the
//! leader brings everybody's.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout
//! - 1: the response gains throttle_time_ms (KIP-124)
//! - 2: the same layout (KIP-219)
//! - 3: static members (KIP-345)
//! - 4: flexible encoding (KIP-482)
//! - 5: protocol type and name must be said and are checked (KIP-559)

use std::borrow::Cow;

use access::Operation;
use base::ErrorCode;
use broker::coordinator::{Answer as Coordinated, Ask, SyncAsk};
use wire::WireError;
use wire::sync_group::{SyncGroupRequest, SyncGroupResponse};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::groups::{self, opaque, owned, shared};
use crate::handlers::read;
use crate::table::Request;

/// The first version that must name the protocol.
const PROTOCOL_VERSION_MIN: i16 = 5;

/// Answers when the leader has brought the assignments.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: SyncGroupRequest<'_> = read(&mut request)?;
    let names_protocol = asked.protocol_type.is_some() && asked.protocol_name.is_some();
    if question.version >= PROTOCOL_VERSION_MIN && !names_protocol {
        return Ok(question.answer(&SyncGroupResponse {
            error_code: ErrorCode::InconsistentGroupProtocol.code(),
            ..SyncGroupResponse::default()
        }));
    }
    let assignments = asked.assignments.iter();
    let ask = SyncAsk {
        group: asked.group_id.to_string(),
        generation: asked.generation_id,
        member: asked.member_id.to_string(),
        instance: owned(asked.group_instance_id.as_ref()),
        protocol_type: owned(asked.protocol_type.as_ref()),
        protocol: owned(asked.protocol_name.as_ref()),
        assignments: assignments
            .map(|one| (one.member_id.to_string(), opaque(&one.assignment)))
            .collect(),
    };
    let syncing = groups::ask(context, Operation::Read, Ask::Sync(ask));
    Ok(Answer::Later(Box::pin(async move {
        let synced = match syncing.await {
            Coordinated::Sync(synced) => synced,
            other => groups::mismatched(&other),
        };
        question.encode(&match &synced {
            Ok(synced) => SyncGroupResponse {
                protocol_type: shared(synced.protocol_type.as_ref()),
                protocol_name: shared(synced.protocol.as_ref()),
                assignment: Cow::Borrowed(&synced.assignment),
                ..SyncGroupResponse::default()
            },
            Err(refusal) => SyncGroupResponse {
                error_code: refusal.code.code(),
                ..SyncGroupResponse::default()
            },
        })
    })))
}
