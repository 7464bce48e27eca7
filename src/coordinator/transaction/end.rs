//! EndTxn and everything else that decides a transaction's outcome (KIP-98, KIP-890).
//!
//! In level one the epoch stays, so a repeated EndTxn is known by the outcome alone, and one that
//! comes late is not known at all: that is level one's own flaw. In level two each end raises the
//! epoch, so a repeated EndTxn has the epoch before, and a late one has an older one.
//!
//! Invariant: from `PrepareCommit` a transaction goes to `CompleteCommit` and nowhere else, from
//! `PrepareAbort` to `CompleteAbort`.

use base::{ErrorCode, ProducerEpoch, ProducerId};

use super::context::Context;
use super::init::{fenced, is_successor, no_ids};
use super::planted::planted;
use super::state::{Durable, EPOCH_MAX, Transaction};
use super::{EndAsk, Ended, TransactionLevel, TransactionStatus, begin, expiry, markers};
use crate::Refusal;

/// What EndTxn comes to.
pub(crate) fn end(
    ctx: &mut Context<'_>,
    transaction: Option<&mut Transaction>,
    ask: &EndAsk,
) -> Result<Ended, Refusal> {
    if ask.transactional_id.is_empty() {
        return Err(Refusal::from(ErrorCode::InvalidRequest));
    }
    let known = transaction.ok_or_else(|| Refusal::from(ErrorCode::InvalidProducerIdMapping))?;
    let level = ask.level.min(begin::offered(ctx));
    let verdict = if planted!(ctx.planted, LateEndAccepted)
        && known.durable.status == TransactionStatus::Ongoing
    {
        Verdict::End
    } else if level == TransactionLevel::Two {
        judge_two(&known.durable, ask)?
    } else {
        judge_one(&known.durable, ask)?
    };
    if verdict == Verdict::Repeated {
        // Fencing took the last epoch, which is for no client: this one has to begin anew.
        if known.durable.epoch.0 == EPOCH_MAX {
            return Err(fenced());
        }
        return Ok(ended(known.durable.producer_id, known.durable.epoch));
    }
    let next_id = if level == TransactionLevel::Two && known.durable.is_exhausted() {
        ctx.fresh.take().ok_or_else(no_ids)?
    } else {
        ProducerId::NONE
    };
    prepare(ctx, known, ask.is_commit, level, next_id);
    let (producer_id, producer_epoch) = known.durable.successor();
    Ok(ended(producer_id, producer_epoch))
}

const fn ended(producer_id: ProducerId, producer_epoch: ProducerEpoch) -> Ended {
    Ended {
        producer_id,
        producer_epoch,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The transaction ends now.
    End,
    /// It has ended so already.
    Repeated,
}

fn invalid() -> Refusal {
    Refusal::from(ErrorCode::InvalidTxnState)
}

/// Level one: the epoch must be the present one, and the outcome that of the last end.
fn judge_one(durable: &Durable, ask: &EndAsk) -> Result<Verdict, Refusal> {
    if durable.producer_id != ask.producer_id {
        return Err(Refusal::from(ErrorCode::InvalidProducerIdMapping));
    }
    if durable.epoch != ask.producer_epoch {
        return Err(fenced());
    }
    let status = durable.status;
    if status == TransactionStatus::Ongoing {
        Ok(Verdict::End)
    } else if status.ended() == Some(ask.is_commit) {
        Ok(Verdict::Repeated)
    } else if status.ending() == Some(ask.is_commit) {
        Err(Refusal::from(ErrorCode::ConcurrentTransactions))
    } else {
        Err(invalid())
    }
}

/// Level two: which epoch is right depends on the state. An abort may also end a transaction in
/// which nothing took part, as the producer cannot know what its failed requests did.
fn judge_two(durable: &Durable, ask: &EndAsk) -> Result<Verdict, Refusal> {
    let who = (ask.producer_id, ask.producer_epoch);
    let (same_id, epoch) = (durable.producer_id == ask.producer_id, durable.epoch.0);
    let is_present = same_id && epoch == ask.producer_epoch.0;
    let is_bumped = same_id && i32::from(epoch) == i32::from(ask.producer_epoch.0) + 1;
    // The end before this used up the epochs, and its producer has not heard of its new id.
    let is_renewed = durable.previous_id == ask.producer_id
        && ask.producer_epoch.0 == EPOCH_MAX - 1
        && epoch == 0;
    if !same_id && is_successor(durable, who) {
        return Err(Refusal::from(ErrorCode::ConcurrentTransactions));
    }
    if !same_id && !is_renewed {
        return Err(Refusal::from(ErrorCode::InvalidProducerIdMapping));
    }
    let status = durable.status;
    if let Some(is_commit) = status.ending() {
        // With its new epoch the producer may end its next transaction already, an empty one, while
        // the markers of the last one are on their way: it comes back.
        let is_next = is_present;
        let is_same = is_commit == ask.is_commit;
        return Err(match (is_bumped, is_next) {
            (true, _) if !is_same => invalid(),
            (true, _) | (_, true) => Refusal::from(ErrorCode::ConcurrentTransactions),
            (false, false) => fenced(),
        });
    }
    if let Some(is_commit) = status.ended()
        && (is_bumped || is_renewed)
    {
        let is_same = is_commit == ask.is_commit;
        return is_same.then_some(Verdict::Repeated).ok_or_else(invalid);
    }
    if !is_present {
        return Err(fenced());
    }
    if status == TransactionStatus::Ongoing || !ask.is_commit {
        Ok(Verdict::End)
    } else {
        Err(invalid())
    }
}

/// Aborts the open transaction of a producer that is gone, has been replaced or took too long. Its
/// epoch rises by one in either level, so that nothing of it is accepted any more.
pub(crate) fn abort_and_fence(ctx: &mut Context<'_>, known: &mut Transaction) {
    assert!(
        known.durable.status == TransactionStatus::Ongoing,
        "only what is open is aborted"
    );
    let level = begin::offered(ctx);
    let before = (known.durable.producer_id, known.durable.epoch);
    if level == TransactionLevel::One {
        // The rise is part of the record that prepares the abort, and of no earlier one
        // (KAFKA-19367).
        let mut next = known
            .durable
            .changed(TransactionStatus::PrepareAbort, ctx.now_ms());
        next.epoch = known.durable.bumped();
        next.level = level;
        decide(ctx, known, &next, None);
    } else {
        prepare(ctx, known, false, level, ProducerId::NONE);
    }
    assert!(
        known.durable.producer_id != before.0
            || known.durable.epoch > before.1
            || before.1.0 == EPOCH_MAX,
        "the producer is fenced"
    );
}

/// As [`abort_and_fence`], for the timeout's planted bug.
pub(crate) fn abort_without_fence(ctx: &mut Context<'_>, known: &mut Transaction) {
    prepare(ctx, known, false, TransactionLevel::One, ProducerId::NONE);
}

/// Writes down the outcome, and sends the markers on their way.
fn prepare(
    ctx: &mut Context<'_>,
    known: &mut Transaction,
    is_commit: bool,
    level: TransactionLevel,
    next_id: ProducerId,
) {
    let now_ms = ctx.now_ms();
    let status = TransactionStatus::prepared(is_commit);
    let mut next = known.durable.changed(status, now_ms);
    if known.durable.status != TransactionStatus::Ongoing {
        next.started_at = now_ms;
    }
    next.level = level;
    next.next_id = next_id;
    let mut last = known.last;
    if level == TransactionLevel::Two {
        last = Some((known.durable.producer_id, known.durable.epoch));
        next.epoch = known.durable.bumped();
    }
    decide(ctx, known, &next, last);
}

fn decide(
    ctx: &mut Context<'_>,
    known: &mut Transaction,
    next: &Durable,
    last: Option<(ProducerId, ProducerEpoch)>,
) {
    ctx.emit(known, next);
    known.last = last;
    expiry::unwatch_timeout(ctx);
    markers::send_all(ctx, known);
}

/// All markers are where they belong.
pub(crate) fn complete(ctx: &mut Context<'_>, known: &mut Transaction) {
    let status = match known.durable.status.ending() {
        Some(true) => TransactionStatus::CompleteCommit,
        Some(false) => TransactionStatus::CompleteAbort,
        None => return,
    };
    let mut next = known.durable.changed(status, ctx.now_ms());
    (next.producer_id, next.epoch) = known.durable.successor();
    next.next_id = ProducerId::NONE;
    next.partitions.clear();
    ctx.emit(known, &next);
    known.marking = None;
    assert!(known.durable.status.is_idle(), "it is over");
}
