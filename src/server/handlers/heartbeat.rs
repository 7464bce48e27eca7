//! Heartbeat (key 12), versions 0-4: a member of a classic group is alive, and hears whether a
//! rebalance is under way.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout
//! - 1: the response gains throttle_time_ms (KIP-124)
//! - 2: the same layout (KIP-219)
//! - 3: static members (KIP-345)
//! - 4: flexible encoding (KIP-482)

use access::Operation;
use broker::coordinator::{Answer as Coordinated, Ask, HeartbeatAsk};
use wire::WireError;
use wire::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::groups::{self, code_of, owned};
use crate::handlers::read;
use crate::table::Request;

/// Lets the coordinator know.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: HeartbeatRequest<'_> = read(&mut request)?;
    let ask = HeartbeatAsk {
        group: asked.group_id.to_string(),
        generation: asked.generation_id,
        member: asked.member_id.to_string(),
        instance: owned(asked.group_instance_id.as_ref()),
    };
    let beating = groups::ask(context, Operation::Read, Ask::Heartbeat(ask));
    Ok(Answer::Later(Box::pin(async move {
        let outcome = match beating.await {
            Coordinated::Heartbeat(outcome) => outcome,
            other => groups::mismatched(&other),
        };
        question.encode(&HeartbeatResponse {
            throttle_time_ms: 0,
            error_code: code_of(&outcome).code(),
        })
    })))
}
