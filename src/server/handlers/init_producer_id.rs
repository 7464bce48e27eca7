//! InitProducerId (key 22), versions 0-5: ids for idempotent and transactional producers.
//!
//! A producer without a transactional id always gets a fresh id with epoch zero, also when it
//! names the one it had: bumping the epoch on its own is the client's business (KIP-360).
//! With a transactional id its coordinator answers.
//!
//! Deviations from Apache Kafka: none known; version 6 is unstable there (KIP-939).
//!
//! - 0: first layout (KIP-98)
//! - 1: the same layout (KIP-219)
//! - 2: flexible encoding (KIP-482)
//! - 3: the request gains producer_id and producer_epoch (KIP-360)
//! - 4: PRODUCER_FENCED may be answered (KIP-588)
//! - 5: TRANSACTION_ABORTABLE may be answered (KIP-890)

use access::{Operation, ResourceType};
use base::{ErrorCode, ProducerEpoch, ProducerId};
use broker::ControllerError;
use broker::coordinator::transaction::{Answer as Coordinated, Ask, InitAsk};
use wire::WireError;
use wire::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use crate::access::Access;
use crate::answer::{Answer, Question, Response};
use crate::context::Context;
use crate::handlers::{begin, read, transactions};
use crate::table::Request;

/// Where neither id nor epoch is.
const NONE: i64 = -1;
/// The first version that knows PRODUCER_FENCED.
const FENCED_VERSION_MIN: i16 = 4;

/// Answers when the controller has an id for us, which is at once as long as a block lasts; or when
/// the coordinator of the transactional id has it on record.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: InitProducerIdRequest<'_> = read(&mut request)?;
    let allowed = allowed(&context.access(), &asked);
    if let Some(code) = allowed.err().or(refusal(&asked)) {
        return Ok(Answer::Now(refuse(question, code)?));
    }
    if let Some(transactional_id) = &asked.transactional_id {
        let ask = InitAsk {
            transactional_id: transactional_id.to_string(),
            timeout_ms: asked.transaction_timeout_ms,
            expected: (asked.producer_id != NONE).then_some((
                ProducerId(asked.producer_id),
                ProducerEpoch(asked.producer_epoch),
            )),
            is_legacy: question.version < FENCED_VERSION_MIN,
        };
        return Ok(coordinated(context, question, ask));
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

fn coordinated(context: &Context, question: Question, ask: InitAsk) -> Answer {
    let asking = transactions::ask(context, Ask::Init(ask));
    Answer::Later(Box::pin(async move {
        match asking.await {
            Coordinated::Init(Ok(producer)) => question.encode(&InitProducerIdResponse {
                error_code: ErrorCode::None.code(),
                producer_id: producer.producer_id.get(),
                producer_epoch: producer.producer_epoch.0,
                ..Default::default()
            }),
            Coordinated::Init(Err(refused)) => refuse(question, refused.code),
            other => transactions::mismatched(&other),
        }
    }))
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

/// Why the request is refused before anybody is asked.
fn refusal(asked: &InitProducerIdRequest<'_>) -> Option<ErrorCode> {
    let named = (
        asked.producer_id != NONE,
        i64::from(asked.producer_epoch) != NONE,
    );
    (named.0 != named.1).then_some(ErrorCode::InvalidRequest)
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
