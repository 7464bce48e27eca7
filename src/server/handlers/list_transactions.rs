//! ListTransactions (key 66), versions 0-2: the transactional ids that this node coordinates
//! (KIP-664).
//!
//! Deviations from Apache Kafka: they are listed in the order of their ids.
//!
//! - 0: first layout
//! - 1: a filter by how long a transaction is open (KIP-994)
//! - 2: a filter by the id (KIP-1152)

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, ProducerId};
use broker::coordinator::Refusal;
use broker::coordinator::transaction::{ListAsk, Listed};
use wire::WireError;
use wire::list_transactions::{
    ListTransactionsRequest, ListTransactionsResponse, TransactionState,
};

use crate::access::Access;
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::{begin, read};
use crate::table::Request;

/// Asks all coordinators of this node.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: ListTransactionsRequest<'_> = read(&mut request)?;
    let states = asked.state_filters.iter();
    let producers = asked.producer_id_filters.iter();
    let ask = ListAsk {
        states: states.map(|state| state.to_string()).collect(),
        producer_ids: producers.map(|id| ProducerId(*id)).collect(),
        longer_than_ms: asked.duration_filter,
        pattern: asked
            .transactional_id_pattern
            .as_ref()
            .map_or_else(String::new, |pattern| pattern.to_string()),
    };
    let access = context.access();
    let broker = context.broker().clone();
    let listing = begin(context.core(), async move {
        broker.list_transactions(ask).await
    });
    Ok(Answer::Later(Box::pin(async move {
        let listed: Result<Listed, Refusal> = match listing.await {
            Ok(listed) => listed,
            Err(_gone) => Err(ErrorCode::CoordinatorNotAvailable.into()),
        };
        question.encode(&match &listed {
            Ok(listed) => shown(listed, &access),
            Err(refusal) => ListTransactionsResponse {
                error_code: refusal.code.code(),
                ..ListTransactionsResponse::default()
            },
        })
    })))
}

/// The transactional ids that the client may know of.
fn shown<'a>(listed: &'a Listed, access: &Access) -> ListTransactionsResponse<'a> {
    let unknown = listed.unknown_states.iter();
    let transactions = listed.transactions.iter();
    ListTransactionsResponse {
        throttle_time_ms: 0,
        error_code: 0,
        unknown_state_filters: unknown.map(|state| Cow::Borrowed(state.as_str())).collect(),
        transaction_states: transactions
            .filter(|one| {
                let id = &one.transactional_id;
                access.transactional_id(Operation::Describe, id).is_ok()
            })
            .map(|one| TransactionState {
                transactional_id: Cow::Borrowed(&one.transactional_id),
                producer_id: one.producer_id.get(),
                transaction_state: Cow::Borrowed(one.status.name()),
            })
            .collect(),
    }
}
