//! DescribeTransactions (key 65), version 0: transactional ids in detail (KIP-664).
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout

use std::borrow::Cow;
use std::collections::BTreeMap;

use access::Operation;
use broker::coordinator::transaction::{Answer as Coordinated, Ask, TransactionDescription};
use wire::WireError;
use wire::describe_transactions::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, TopicData, TransactionState,
};

use crate::access::Access;
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::{read, transactions};
use crate::table::Request;

/// Asks the coordinator of each transactional id.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DescribeTransactionsRequest<'_> = read(&mut request)?;
    let access = context.access();
    let asking: Vec<_> = asked
        .transactional_ids
        .iter()
        .map(|id| {
            let allowed = access.transactional_id(Operation::Describe, id);
            let ask = Ask::Describe(id.to_string());
            let asking = allowed.map(|()| transactions::ask(context, ask));
            (id.to_string(), asking)
        })
        .collect();
    Ok(Answer::Later(Box::pin(async move {
        let mut states = Vec::with_capacity(asking.len());
        for (id, asking) in asking {
            let described = match asking {
                Err(denied) => Err(denied),
                Ok(asking) => match asking.await {
                    Coordinated::Describe(described) => described.map_err(|refusal| refusal.code),
                    other => transactions::mismatched(&other),
                },
            };
            states.push(match described {
                Ok(description) => shown(description, &access),
                Err(code) => TransactionState {
                    error_code: code.code(),
                    transactional_id: Cow::Owned(id),
                    ..TransactionState::default()
                },
            });
        }
        question.encode(&DescribeTransactionsResponse {
            throttle_time_ms: 0,
            transaction_states: states,
        })
    })))
}

/// A transaction, without the topics that the client may not know of.
fn shown(description: TransactionDescription, access: &Access) -> TransactionState<'static> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for partition in description.partitions {
        let indexes = topics.entry(partition.topic).or_default();
        indexes.push(partition.partition.0);
    }
    topics.retain(|topic, _| access.topic(Operation::Describe, topic).is_ok());
    let topics = topics.into_iter();
    TransactionState {
        error_code: 0,
        transactional_id: Cow::Owned(description.transactional_id),
        transaction_state: Cow::Borrowed(description.status.name()),
        transaction_timeout_ms: description.timeout_ms,
        transaction_start_time_ms: description.started_at,
        producer_id: description.producer_id.get(),
        producer_epoch: description.producer_epoch.0,
        topics: topics
            .map(|(topic, partitions)| TopicData {
                topic: Cow::Owned(topic),
                partitions,
            })
            .collect(),
    }
}
