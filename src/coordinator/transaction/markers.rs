//! Markers on their way to the partitions, and word of them.
//!
//! Invariants: a transaction is complete when word of what was sent last has come from each of its
//! partitions, and not before; a partition is sent one marker at a time, so that none of this
//! transaction is still on its way when the next one begins.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::TopicPartition;

use super::context::Context;
use super::planted::planted;
use super::state::{Marking, Transaction};
use super::transactions::worded;
use super::{AddPartitionsAsk, Answer, MarkerOutcome, MarkerReport, Markers, begin, end};
use crate::Caller;
use crate::timers::TimerKind;

/// Markers that failed are sent again after this.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Sends a marker to each partition of a transaction whose outcome has just been decided, or that
/// was ending when the log was loaded. One without partitions is complete at once.
pub(crate) fn send_all(ctx: &mut Context<'_>, known: &mut Transaction) {
    assert!(
        known.durable.status.ending().is_some(),
        "markers follow a decision"
    );
    if known.durable.partitions.is_empty() {
        end::complete(ctx, known);
        return;
    }
    let partitions = known.durable.partitions.clone();
    known.marking = Some(Marking::new());
    send(ctx, known, partitions);
}

fn send(ctx: &mut Context<'_>, known: &mut Transaction, partitions: BTreeSet<TopicPartition>) {
    let ticket = ctx.ticket();
    let Some(marking) = &mut known.marking else {
        return;
    };
    for partition in &partitions {
        let before = marking.insert(partition.clone(), Some(ticket));
        assert!(before.flatten().is_none(), "one marker at a time");
    }
    let durable = &known.durable;
    ctx.step.markers.push(Markers {
        ticket,
        transactional_id: Arc::clone(ctx.id),
        producer_id: durable.producer_id,
        producer_epoch: durable.epoch,
        coordinator_epoch: ctx.coordinator_epoch,
        is_commit: durable.status.ending() == Some(true),
        level: durable.level,
        partitions: partitions.into_iter().collect(),
    });
}

/// Takes in word of one marker. Word of another one than was sent last means nothing.
pub(crate) fn report(ctx: &mut Context<'_>, known: &mut Transaction, report: MarkerReport) {
    let Some(marking) = &mut known.marking else {
        return;
    };
    let Some(sent) = marking.get_mut(&report.partition) else {
        return;
    };
    if *sent != Some(report.ticket) && !planted!(ctx.planted, LateReportCounted) {
        return;
    }
    match report.outcome {
        MarkerOutcome::Written | MarkerOutcome::Gone => {
            marking.remove(&report.partition);
            if marking.is_empty() || planted!(ctx.planted, CompleteTooEarly) {
                ctx.cancel_timer(TimerKind::Markers);
                end::complete(ctx, known);
                begin_next(ctx, known);
            }
        }
        MarkerOutcome::Failed => {
            *sent = None;
            let at = ctx.now.since_start.saturating_add(RETRY_PAUSE);
            ctx.set_timer(TimerKind::Markers, at);
        }
    }
}

/// Lets an ask wait until the transaction is complete; not longer than the first one that waits.
pub(crate) fn wait(
    ctx: &mut Context<'_>,
    known: &mut Transaction,
    waiting: (Caller, AddPartitionsAsk),
) {
    if known.waiting.is_empty() {
        let at = ctx.now.since_start.saturating_add(waiting.1.wait);
        ctx.set_timer(TimerKind::Waiting, at);
    }
    known.waiting.push(waiting);
}

/// Lets those go on who wait for the end: their records travel with that of the end. When it has
/// not come in time they hear so.
pub(crate) fn begin_next(ctx: &mut Context<'_>, known: &mut Transaction) {
    if known.waiting.is_empty() {
        return;
    }
    ctx.cancel_timer(TimerKind::Waiting);
    for (caller, ask) in std::mem::take(&mut known.waiting) {
        let is_legacy = ask.is_legacy;
        let result = begin::add(ctx, Some(known), ask);
        let result = result.map_err(|refusal| worded(refusal, is_legacy));
        ctx.answer(caller, Answer::AddPartitions(result));
    }
}

/// Sends again what failed.
pub(crate) fn send_failed(ctx: &mut Context<'_>, known: &mut Transaction) {
    let waiting = known.marking.iter().flatten();
    let waiting = waiting.filter(|(_, sent)| sent.is_none());
    let partitions: BTreeSet<_> = waiting.map(|(partition, _)| partition.clone()).collect();
    if !partitions.is_empty() {
        send(ctx, known, partitions);
    }
}
