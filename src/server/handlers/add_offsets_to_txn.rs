//! AddOffsetsToTxn (key 25), versions 0-4: a group's offsets will be committed in a transaction.
//!
//! What joins the transaction is the group's partition of `__consumer_offsets`, which is created
//! where it does not exist yet.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout (KIP-98)
//! - 1: the same layout (KIP-219)
//! - 2: PRODUCER_FENCED may be answered (KIP-588)
//! - 3: flexible encoding (KIP-482)
//! - 4: TRANSACTION_ABORTABLE may be answered (KIP-890)

use std::time::Duration;

use access::Operation;
use base::{ErrorCode, ProducerEpoch, ProducerId};
use broker::coordinator::Refusal;
use broker::coordinator::transaction::{
    AddPartitionsAsk, Answer as Coordinated, Ask, TransactionLevel,
};
use wire::WireError;
use wire::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::{begin, read, transactions};
use crate::table::Request;

/// The first version that knows PRODUCER_FENCED.
const FENCED_VERSION_MIN: i16 = 2;

/// Asks the transaction's coordinator when the group has a home.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: AddOffsetsToTxnRequest<'_> = read(&mut request)?;
    let access = context.access();
    let allowed = access
        .transactional_id(Operation::Write, &asked.transactional_id)
        .and_then(|()| access.group(Operation::Read, &asked.group_id));
    if let Err(code) = allowed {
        return Ok(Answer::Now(question.encode(&AddOffsetsToTxnResponse {
            throttle_time_ms: 0,
            error_code: code.code(),
        })?));
    }
    let mut ask = AddPartitionsAsk {
        transactional_id: asked.transactional_id.to_string(),
        producer_id: ProducerId(asked.producer_id),
        producer_epoch: ProducerEpoch(asked.producer_epoch),
        partitions: Vec::new(),
        // Clients of the second level do not send this: their offsets join by being committed.
        level: TransactionLevel::One,
        wait: Duration::ZERO,
        is_legacy: question.version < FENCED_VERSION_MIN,
    };
    let group = asked.group_id.to_string();
    let broker = context.broker().clone();
    let adding = begin(context.core(), async move {
        if broker.ensure_offsets_topic().await.is_err() {
            return Err(Refusal::from(ErrorCode::CoordinatorNotAvailable));
        }
        let home = broker.group_partition(&group);
        ask.partitions
            .push(home.ok_or(ErrorCode::CoordinatorNotAvailable)?);
        match broker.on_transaction(Ask::AddPartitions(ask)).await {
            Coordinated::AddPartitions(added) => added,
            other => transactions::mismatched(&other),
        }
    });
    Ok(Answer::Later(Box::pin(async move {
        let added = adding.await;
        let added = added.unwrap_or(Err(Refusal::from(ErrorCode::CoordinatorNotAvailable)));
        question.encode(&AddOffsetsToTxnResponse {
            throttle_time_ms: 0,
            error_code: transactions::code_of(&added),
        })
    })))
}
