//! EndTxn (key 26), versions 0-5: commits or aborts a transaction.
//!
//! The answer leaves when the outcome is durable; markers follow. From version 5 on the answer
//! tells who the producer is in its next transaction.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout (KIP-98)
//! - 1: the same layout (KIP-219)
//! - 2: PRODUCER_FENCED may be answered (KIP-588)
//! - 3: flexible encoding (KIP-482)
//! - 4: TRANSACTION_ABORTABLE may be answered (KIP-890)
//! - 5: the epoch rises with each end, and the response tells it (KIP-890)

use access::Operation;
use base::{ProducerEpoch, ProducerId};
use broker::coordinator::transaction::{Answer as Coordinated, Ask, EndAsk};
use wire::WireError;
use wire::end_txn::{EndTxnRequest, EndTxnResponse};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::{read, transactions};
use crate::table::Request;

/// The first version in which the epoch rises.
const LEVEL_TWO_VERSION_MIN: i16 = 5;
/// The first version that knows PRODUCER_FENCED.
const FENCED_VERSION_MIN: i16 = 2;

/// Asks the coordinator.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: EndTxnRequest<'_> = read(&mut request)?;
    let id = &asked.transactional_id;
    if let Err(code) = context.access().transactional_id(Operation::Write, id) {
        return Ok(Answer::Now(question.encode(&EndTxnResponse {
            error_code: code.code(),
            ..EndTxnResponse::default()
        })?));
    }
    let ask = EndAsk {
        transactional_id: asked.transactional_id.to_string(),
        producer_id: ProducerId(asked.producer_id),
        producer_epoch: ProducerEpoch(asked.producer_epoch),
        is_commit: asked.committed,
        level: transactions::level(question.version, LEVEL_TWO_VERSION_MIN),
        is_legacy: question.version < FENCED_VERSION_MIN,
    };
    let ending = transactions::ask(context, Ask::End(ask));
    Ok(Answer::Later(Box::pin(async move {
        let ended = match ending.await {
            Coordinated::End(ended) => ended,
            other => transactions::mismatched(&other),
        };
        question.encode(&EndTxnResponse {
            throttle_time_ms: 0,
            error_code: transactions::code_of(&ended),
            producer_id: ended.as_ref().map_or(-1, |ended| ended.producer_id.get()),
            producer_epoch: ended.map_or(-1, |ended| ended.producer_epoch.0),
        })
    })))
}
