//! What is told of transactions: in detail, in lists, in figures.

use base::ErrorCode;

use super::state::Transaction;
use super::{
    ListAsk, Listed, ListedTransaction, TransactionDescription, TransactionStatus, Transactions,
};
use crate::Refusal;
use crate::consumer::regex::TopicRegex;

/// Describes one transactional id.
pub(crate) fn describe(
    transactional_id: &str,
    transaction: Option<&Transaction>,
) -> Result<TransactionDescription, Refusal> {
    if transactional_id.is_empty() {
        return Err(Refusal::from(ErrorCode::InvalidRequest));
    }
    let known = transaction.ok_or_else(|| Refusal::from(ErrorCode::TransactionalIdNotFound))?;
    let durable = &known.durable;
    let partitions = match &known.marking {
        Some(marking) => marking.keys().cloned().collect(),
        None => durable.partitions.iter().cloned().collect(),
    };
    Ok(TransactionDescription {
        transactional_id: transactional_id.to_owned(),
        producer_id: durable.producer_id,
        producer_epoch: durable.epoch,
        status: durable.status,
        timeout_ms: durable.timeout_ms,
        started_at: durable.started_at,
        partitions,
    })
}

impl Transactions {
    /// The transactional ids that pass all filters.
    pub(crate) fn list(&self, now_ms: i64, ask: &ListAsk) -> Result<Listed, Refusal> {
        let pattern = match ask.pattern.as_str() {
            "" => None,
            pattern => Some(TopicRegex::new(pattern).map_err(|fault| {
                Refusal::new(
                    ErrorCode::InvalidRegularExpression,
                    format!("{pattern}: {fault}"),
                )
            })?),
        };
        let (statuses, unknown_states) = statuses(&ask.states);
        let is_wanted = |id: &str, transaction: &Transaction| {
            let durable = &transaction.durable;
            let age_ms = now_ms.saturating_sub(durable.started_at);
            (ask.producer_ids.is_empty() || ask.producer_ids.contains(&durable.producer_id))
                && (ask.states.is_empty() || statuses.contains(&durable.status))
                && (ask.longer_than_ms < 0 || age_ms > ask.longer_than_ms)
                && pattern.as_ref().is_none_or(|pattern| pattern.matches(id))
        };
        let transactions = self.transactions.iter();
        let transactions = transactions.filter(|(id, transaction)| is_wanted(id, transaction));
        let transactions = transactions.map(|(id, transaction)| ListedTransaction {
            transactional_id: id.to_string(),
            producer_id: transaction.durable.producer_id,
            status: transaction.durable.status,
        });
        Ok(Listed {
            unknown_states,
            transactions: transactions.collect(),
        })
    }

    /// How many transactional ids are in each state, for metrics.
    pub fn counts(&self) -> impl Iterator<Item = (TransactionStatus, usize)> {
        TransactionStatus::ALL.into_iter().map(|status| {
            let all = self.transactions.values();
            let count = all.filter(|transaction| transaction.durable.status == status);
            (status, count.count())
        })
    }
}

/// The states with these names, exactly as Kafka writes them, and the names that are none.
fn statuses(names: &[String]) -> (Vec<TransactionStatus>, Vec<String>) {
    let mut statuses = Vec::new();
    let mut unknown = Vec::new();
    for name in names {
        let mut all = TransactionStatus::ALL.into_iter();
        match all.find(|status| status.name() == name) {
            Some(status) => statuses.push(status),
            None if TransactionStatus::TRANSIENT.contains(&name.as_str()) => {}
            None => unknown.push(name.clone()),
        }
    }
    (statuses, unknown)
}
