//! Partitions join a transaction, or it is asked whether they did (KIP-98, KIP-890).
//!
//! Deviation: a producer that has its new id already while the transaction under the old one is
//! still ending is told to ask again; Kafka says INVALID_PRODUCER_ID_MAPPING, which ends it.

use base::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition};

use super::context::Context;
use super::init::{fenced, is_successor};
use super::planted::planted;
use super::state::Transaction;
use super::{AddPartitionsAsk, TransactionLevel, TransactionStatus, VerifyPartitionsAsk};
use crate::Refusal;

/// The partitions of one transaction take no more bytes than this in its record, so that the record
/// fits a batch of the log (`max.message.bytes`, 1 MiB).
const PARTITIONS_BYTES_MAX: usize = 900_000;

/// So many asks may wait for the end of one transaction; each partition has one at a time.
const WAITING_MAX: usize = 1000;

/// Adds partitions; the first ones begin the transaction.
pub(crate) fn add(
    ctx: &mut Context<'_>,
    transaction: Option<&mut Transaction>,
    ask: AddPartitionsAsk,
) -> Result<(), Refusal> {
    let who = (ask.producer_id, ask.producer_epoch);
    let known = check(&ask.transactional_id, transaction.as_deref(), who)?;
    if known.durable.status.ending().is_some() && !planted!(ctx.planted, AddedWhileEnding) {
        return Err(Refusal::from(ErrorCode::ConcurrentTransactions));
    }
    let Some(known) = transaction else {
        return Err(Refusal::from(ErrorCode::InvalidProducerIdMapping));
    };
    let is_begun = known.durable.status == TransactionStatus::Ongoing;
    let is_known = |partition: &TopicPartition| known.durable.partitions.contains(partition);
    if is_begun && ask.partitions.iter().all(is_known) {
        return Ok(());
    }
    let now_ms = ctx.now_ms();
    let mut next = known.durable.changed(TransactionStatus::Ongoing, now_ms);
    if !is_begun {
        next.partitions.clear();
        next.started_at = now_ms;
    }
    next.partitions.extend(ask.partitions);
    // Without the feature the record has no room for the second level.
    next.level = ask.level.min(offered(ctx));
    let bytes = next.partitions.iter();
    let bytes: usize = bytes.map(|partition| partition.topic.len() + 9).sum();
    if bytes > PARTITIONS_BYTES_MAX {
        return Err(Refusal::new(
            ErrorCode::RecordListTooLarge,
            "a transaction has no room for so many partitions; end it and begin another",
        ));
    }
    ctx.emit(known, &next);
    if !is_begun {
        super::expiry::watch_timeout(ctx, known);
    }
    Ok(())
}

/// Whether the ask is only refused since the last transaction is still ending, and has room to wait
/// for that.
pub(crate) fn is_early(transaction: &Transaction, ask: &AddPartitionsAsk) -> bool {
    let is_ending = transaction.durable.status.ending().is_some();
    if !is_ending || ask.wait.is_zero() || transaction.waiting.len() >= WAITING_MAX {
        return false;
    }
    let who = (ask.producer_id, ask.producer_epoch);
    match check(&ask.transactional_id, Some(transaction), who) {
        Ok(_) => true,
        Err(refusal) => refusal.code == ErrorCode::ConcurrentTransactions,
    }
}

/// The level that the cluster's feature allows.
pub(crate) fn offered(ctx: &Context<'_>) -> TransactionLevel {
    TransactionLevel::from_number(ctx.config.transaction_version)
}

/// Says of each partition whether it takes part.
pub(crate) fn verify(
    transaction: Option<&Transaction>,
    ask: VerifyPartitionsAsk,
) -> Result<Vec<(TopicPartition, ErrorCode)>, Refusal> {
    let who = (ask.producer_id, ask.producer_epoch);
    let known = check(&ask.transactional_id, transaction, who)?;
    if known.durable.status.ending().is_some() {
        return Err(Refusal::from(ErrorCode::ConcurrentTransactions));
    }
    let verdict = |partition: TopicPartition| {
        let is_part = known.durable.partitions.contains(&partition);
        let code = if is_part {
            ErrorCode::None
        } else {
            ErrorCode::TransactionAbortable
        };
        (partition, code)
    };
    Ok(ask.partitions.into_iter().map(verdict).collect())
}

fn check<'t>(
    transactional_id: &str,
    transaction: Option<&'t Transaction>,
    who: (ProducerId, ProducerEpoch),
) -> Result<&'t Transaction, Refusal> {
    if transactional_id.is_empty() {
        return Err(Refusal::from(ErrorCode::InvalidRequest));
    }
    let known = transaction.ok_or_else(|| Refusal::from(ErrorCode::InvalidProducerIdMapping))?;
    if is_successor(&known.durable, who) && who.0 != known.durable.producer_id {
        return Err(Refusal::from(ErrorCode::ConcurrentTransactions));
    }
    if known.durable.producer_id != who.0 {
        return Err(Refusal::from(ErrorCode::InvalidProducerIdMapping));
    }
    if known.durable.epoch != who.1 {
        return Err(fenced());
    }
    Ok(known)
}
