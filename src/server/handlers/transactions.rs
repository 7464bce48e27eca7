//! What the handlers of transactional APIs share.

use std::future::Future;

use base::{PartitionIndex, TopicPartition};
use broker::coordinator::Refusal;
use broker::coordinator::transaction::{Answer, Ask, TransactionLevel};
use metadata::Image;
use wire::add_partitions_to_txn::AddPartitionsToTxnTopic;

use crate::context::Context;

/// Asks the coordinator of the ask's transactional id; the asking begins now.
pub(crate) fn ask(context: &Context, ask: Ask) -> impl Future<Output = Answer> + use<> {
    context.broker().on_transaction(ask)
}

/// The level of `transaction.version` that a client speaks which has crossed `first_of_two`.
pub(crate) fn level(version: i16, first_of_two: i16) -> TransactionLevel {
    if version >= first_of_two {
        TransactionLevel::Two
    } else {
        TransactionLevel::One
    }
}

/// The partitions of a request, each with whether it exists.
pub(crate) fn partitions(
    image: &Image,
    topics: &[AddPartitionsToTxnTopic<'_>],
) -> Vec<(TopicPartition, bool)> {
    let mut all = Vec::new();
    for topic in topics {
        let known = image.topic(&topic.name);
        for index in &topic.partitions {
            let partition = TopicPartition {
                topic: topic.name.to_string(),
                partition: PartitionIndex(*index),
            };
            let exists = known.is_some_and(|known| known.partition(partition.partition).is_some());
            all.push((partition, exists));
        }
    }
    all
}

/// The code of an outcome.
pub(crate) fn code_of<T>(outcome: &Result<T, Refusal>) -> i16 {
    outcome
        .as_ref()
        .err()
        .map_or(0, |refusal| refusal.code.code())
}

/// An answer of another kind than its question.
pub(crate) fn mismatched(answer: &Answer) -> ! {
    unreachable!("a coordinator answers what it was asked, not {answer:?}")
}
