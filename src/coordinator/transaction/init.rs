//! InitProducerId: a producer begins, begins anew, or recovers (KIP-98, KIP-360).
//!
//! Deviation: who says who it is, and is neither the present producer nor a retry, is fenced at
//! once also while a transaction is open. Kafka aborts that transaction before it says so, which
//! lets a producer that has been replaced abort its successor's work.

use base::{ErrorCode, ProducerEpoch, ProducerId};

use super::context::Context;
use super::state::{Durable, EPOCH_MAX, Transaction};
use super::{InitAsk, Initialized, TransactionLevel, TransactionStatus};
use super::{end, planted::planted};
use crate::Refusal;

/// What InitProducerId comes to: the transactional id as it is now, if it is known.
pub(crate) fn init(
    ctx: &mut Context<'_>,
    transaction: &mut Option<Transaction>,
    ask: &InitAsk,
) -> Result<Initialized, Refusal> {
    if ask.transactional_id.is_empty() {
        return Err(Refusal::from(ErrorCode::InvalidRequest));
    }
    if ask.timeout_ms <= 0 || ask.timeout_ms > ctx.config.timeout_ms_max {
        return Err(Refusal::from(ErrorCode::InvalidTransactionTimeout));
    }
    let Some(known) = transaction else {
        let made = create(ctx, ask)?;
        let initialized = initialized(&made.durable);
        *transaction = Some(made);
        return Ok(initialized);
    };
    let present = (known.durable.producer_id, known.durable.epoch);
    if let Some(expected) = ask.expected
        && expected.0 != present.0
        && known.last != Some(expected)
        && !is_successor(&known.durable, expected)
    {
        return Err(fenced());
    }
    match known.durable.status {
        // Who ends a transaction in level two has the next epoch before the end is complete.
        TransactionStatus::PrepareCommit | TransactionStatus::PrepareAbort => {
            Err(Refusal::from(ErrorCode::ConcurrentTransactions))
        }
        TransactionStatus::Ongoing => {
            if ask.expected.is_some_and(|expected| expected != present) {
                return Err(fenced());
            }
            // The epoch that this gives is told to nobody; the client asks again.
            end::abort_and_fence(ctx, known);
            Err(Refusal::from(ErrorCode::ConcurrentTransactions))
        }
        TransactionStatus::Empty
        | TransactionStatus::CompleteCommit
        | TransactionStatus::CompleteAbort => renew(ctx, known, ask),
    }
}

fn create(ctx: &mut Context<'_>, ask: &InitAsk) -> Result<Transaction, Refusal> {
    let producer_id = ctx.fresh.take().ok_or_else(no_ids)?;
    let durable = Durable {
        producer_id,
        previous_id: producer_id,
        next_id: ProducerId::NONE,
        epoch: ProducerEpoch(0),
        timeout_ms: ask.timeout_ms,
        status: TransactionStatus::Empty,
        partitions: std::collections::BTreeSet::new(),
        updated_at: ctx.now_ms(),
        started_at: -1,
        level: TransactionLevel::One,
    };
    Ok(ctx.begin(&durable))
}

/// Nothing is open: the producer gets its next epoch, or a new id when there is none left.
fn renew(
    ctx: &mut Context<'_>,
    known: &mut Transaction,
    ask: &InitAsk,
) -> Result<Initialized, Refusal> {
    let present = (known.durable.producer_id, known.durable.epoch);
    let is_last = ask.expected.is_some() && ask.expected == known.last;
    if ask.expected.is_some_and(|expected| expected != present) && !is_last {
        return Err(fenced());
    }
    // A retry gets what it was given, unless fencing took the epoch that is for no client.
    let is_retry = is_last && known.durable.epoch.0 < EPOCH_MAX;
    let mut next = known
        .durable
        .changed(TransactionStatus::Empty, ctx.now_ms());
    next.timeout_ms = ask.timeout_ms;
    next.partitions.clear();
    next.started_at = -1;
    if !is_retry {
        if !known.durable.is_exhausted() {
            next.epoch = known.durable.bumped();
        } else if planted!(ctx.planted, EpochWrapped) {
            next.epoch = ProducerEpoch(0);
        } else {
            next.producer_id = ctx.fresh.take().ok_or_else(no_ids)?;
            next.epoch = ProducerEpoch(0);
        }
        known.last = ask.expected;
    }
    assert!(
        next.producer_id != present.0
            || next.epoch >= present.1
            || planted!(ctx.planted, EpochWrapped),
        "an epoch never goes back"
    );
    ctx.emit(known, &next);
    Ok(initialized(&known.durable))
}

/// True for who the producer will be when its end is complete, if that changes its id.
pub(crate) fn is_successor(durable: &Durable, who: (ProducerId, ProducerEpoch)) -> bool {
    durable.status.ending().is_some() && durable.successor() == who
}

const fn initialized(durable: &Durable) -> Initialized {
    Initialized {
        producer_id: durable.producer_id,
        producer_epoch: durable.epoch,
    }
}

pub(crate) fn fenced() -> Refusal {
    Refusal::from(ErrorCode::ProducerFenced)
}

/// As Kafka says it when its block of ids is used up; the client asks again.
pub(crate) fn no_ids() -> Refusal {
    Refusal::new(
        ErrorCode::CoordinatorLoadInProgress,
        "the coordinator waits for fresh producer ids",
    )
}
