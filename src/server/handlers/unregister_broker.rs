//! UnregisterBroker (key 64), version 0: a broker that is gone for good is struck off the list
//! (KIP-631).
//!
//! Deviations from Apache Kafka: a node does not strike itself off while it runs; Kafka does, and
//! the broker is then without registration until it is started anew.
//!
//! - 0: first layout, flexible from the start

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, NodeId};
use broker::ControllerError;
use wire::WireError;
use wire::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::fault;
use crate::handlers::{begin, read};
use crate::table::Request;

/// Lets the controller decide, and answers when it has.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: UnregisterBrokerRequest = read(&mut request)?;
    if let Err(code) = context.access().cluster(Operation::Alter) {
        return Ok(question.answer(&UnregisterBrokerResponse {
            throttle_time_ms: 0,
            error_code: code.code(),
            error_message: Some(Cow::Owned(denied(code).message)),
        }));
    }
    let id = NodeId(asked.broker_id);
    let broker = context.broker().clone();
    let deciding = begin(
        context.core(),
        async move { broker.unregister_broker(id).await },
    );
    Ok(Answer::Later(Box::pin(async move {
        let decided = deciding.await.unwrap_or(Err(ControllerError::Stopping));
        let refusal = decided
            .err()
            .map(|error| fault::refusal_of_controller(&error));
        question.encode(&UnregisterBrokerResponse {
            throttle_time_ms: 0,
            error_code: refusal
                .as_ref()
                .map_or(ErrorCode::None, |refusal| refusal.code)
                .code(),
            error_message: refusal.map(|refusal| Cow::Owned(refusal.message)),
        })
    })))
}
