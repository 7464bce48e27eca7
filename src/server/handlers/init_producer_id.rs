//! InitProducerId (key 22), versions 0-5: ids for idempotent producers.
//!
//! A producer without a transactional id always gets a fresh id with epoch zero, also when it
//! names the one it had: bumping the epoch on its own is the client's business (KIP-360).
//! With a transactional id the answer is COORDINATOR_NOT_AVAILABLE, for no coordinator of
//! transactions is served yet; what Kafka would refuse before asking it is refused alike.
//!
//! Deviations from Apache Kafka: none but the missing coordinator; version 6 is unstable there
//! (KIP-939).
//!
//! - 0: first layout (KIP-98)
//! - 1: the same layout (KIP-219)
//! - 2: flexible encoding (KIP-482)
//! - 3: the request gains producer_id and producer_epoch (KIP-360)
//! - 4: PRODUCER_FENCED may be answered (KIP-588)
//! - 5: TRANSACTION_ABORTABLE may be answered (KIP-890)

use access::{Operation, ResourceType};
use base::ErrorCode;
use broker::ControllerError;
use wire::WireError;
use wire::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use crate::access::Access;
use crate::answer::{Answer, Question, Response};
use crate::context::Context;
use crate::handlers::{begin, read};
use crate::table::Request;

/// Where neither id nor epoch is.
const NONE: i64 = -1;

/// Answers when the controller has an id for us, which is at once as long as a block lasts.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: InitProducerIdRequest<'_> = read(&mut request)?;
    let timeout_ms_max = transaction_timeout_ms_max(context);
    let allowed = allowed(&context.access(), &asked);
    if let Some(code) = allowed.err().or(refusal(&asked, timeout_ms_max)) {
        return Ok(Answer::Now(refuse(question, code)?));
    }
    let broker = context.broker().clone();
    let fresh = begin(
        context.core(),
        async move { broker.next_producer_id().await },
    );
    Ok(Answer::Later(Box::pin(async move {
        match fresh.await {
            Ok(Ok(id)) => question.encode(&InitProducerIdResponse {
                error_code: ErrorCode::None.code(),
                producer_id: id.get(),
                producer_epoch: 0,
                ..Default::default()
            }),
            // What cannot get better is told as it is; for the rest the client asks again.
            Ok(Err(ControllerError::Refused(refusal))) => refuse(question, refusal.code),
            Ok(Err(_)) | Err(_) => refuse(question, ErrorCode::CoordinatorLoadInProgress),
        }
    })))
}

fn transaction_timeout_ms_max(context: &Context) -> i32 {
    let config = context.broker().config();
    let effective = config.settings.effective("transaction.max.timeout.ms");
    let value = effective.and_then(|effective| effective.value);
    // The key has a default and its rule lets only numbers in.
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(i32::MAX)
}

/// Transactions are allowed by their id; without one it takes a topic to write to (KIP-679).
fn allowed(access: &Access, asked: &InitProducerIdRequest<'_>) -> Result<(), ErrorCode> {
    if let Some(id) = &asked.transactional_id {
        return access.transactional_id(Operation::Write, id);
    }
    if access.may_some(Operation::Write, ResourceType::Topic) {
        return Ok(());
    }
    access.cluster(Operation::IdempotentWrite)
}

/// Why the request is refused before any id is drawn.
fn refusal(asked: &InitProducerIdRequest<'_>, timeout_ms_max: i32) -> Option<ErrorCode> {
    let named = (
        asked.producer_id != NONE,
        i64::from(asked.producer_epoch) != NONE,
    );
    if named.0 != named.1 {
        return Some(ErrorCode::InvalidRequest);
    }
    let transactional_id = asked.transactional_id.as_deref()?;
    if transactional_id.is_empty() {
        return Some(ErrorCode::InvalidRequest);
    }
    if !(1..=timeout_ms_max).contains(&asked.transaction_timeout_ms) {
        return Some(ErrorCode::InvalidTransactionTimeout);
    }
    Some(ErrorCode::CoordinatorNotAvailable)
}

fn refuse(question: Question, code: ErrorCode) -> Result<Response, WireError> {
    question.encode(&InitProducerIdResponse {
        error_code: code.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    })
}

#[cfg(test)]
#[path = "../tests/init_producer_id_tests.rs"]
mod tests;
