//! Transactions that take too long are aborted; transactional ids that nobody uses are forgotten.
//!
//! The age of an open transaction is taken from the wall clock once, when it begins or is loaded;
//! from there on it is timed by a clock that never jumps.
//!
//! Invariants: what is open is never forgotten; a queue holds each transactional id once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::planted::planted;
use super::state::Transaction;
use super::{TransactionStatus, end};
use crate::timers::TimerKind;

/// A check looks at so many ids; another one follows at once.
const IDS_PER_TICK: usize = 1000;

/// Starts the time of an open transaction.
pub(crate) fn watch_timeout(ctx: &mut Context<'_>, known: &Transaction) {
    if known.durable.status != TransactionStatus::Ongoing {
        return;
    }
    let age_ms = ctx.now_ms().saturating_sub(known.durable.started_at).max(0);
    let left_ms = i64::from(known.durable.timeout_ms).saturating_sub(age_ms);
    let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
    let due = ctx.now.since_start.saturating_add(left);
    let at = round_up(due, ctx.config.timeout_check_interval);
    ctx.set_timer(TimerKind::Transaction, at);
}

/// The next check, so that many timeouts make few wake-ups.
fn round_up(due: Duration, interval: Duration) -> Duration {
    let interval_ms = interval.as_millis().max(1);
    let checks = due.as_millis() / interval_ms + 1;
    let at = checks.saturating_mul(interval_ms);
    u64::try_from(at).map_or(Duration::MAX, Duration::from_millis)
}

pub(crate) fn unwatch_timeout(ctx: &mut Context<'_>) {
    ctx.cancel_timer(TimerKind::Transaction);
}

/// The transaction took too long: it is aborted, and its producer fenced (KIP-98).
pub(crate) fn timed_out(ctx: &mut Context<'_>, known: &mut Transaction) {
    if known.durable.status != TransactionStatus::Ongoing {
        return;
    }
    if planted!(ctx.planted, TimeoutWithoutFence) {
        end::abort_without_fence(ctx, known);
    } else {
        end::abort_and_fence(ctx, known);
    }
}

/// The transactional ids by the time from when on they may be forgotten.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    waiting: BTreeSet<(i64, Arc<str>)>,
    next_check: Option<Duration>,
}

impl Expiry {
    pub(crate) fn begin(&mut self, now: Duration, interval: Duration) {
        self.next_check = Some(now.saturating_add(interval));
    }

    pub(crate) const fn next_check(&self) -> Option<Duration> {
        self.next_check
    }

    /// Puts an id where its latest record says.
    pub(crate) fn watch(&mut self, id: &Arc<str>, known: &mut Transaction, expiration_ms: i64) {
        let due = known.durable.updated_at.saturating_add(expiration_ms);
        if known.watched == Some(due) {
            return;
        }
        self.forget(id, known.watched.take());
        known.watched = Some(due);
        self.waiting.insert((due, Arc::clone(id)));
    }

    /// Takes an id out that was watched from `due` on.
    pub(crate) fn forget(&mut self, id: &Arc<str>, due: Option<i64>) {
        if let Some(due) = due {
            let existed = self.waiting.remove(&(due, Arc::clone(id)));
            assert!(existed, "a watched id waits");
        }
    }

    /// The ids to look at now, if it is time for a check.
    pub(crate) fn take_due(
        &mut self,
        now: Duration,
        wall_ms: i64,
        interval: Duration,
    ) -> Vec<Arc<str>> {
        if self.next_check.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let due = self.waiting.iter().take_while(|(due, _)| *due <= wall_ms);
        let due: Vec<Arc<str>> = due
            .take(IDS_PER_TICK)
            .map(|(_, id)| Arc::clone(id))
            .collect();
        let is_all = due.len() < IDS_PER_TICK;
        let wait = if is_all { interval } else { Duration::ZERO };
        self.next_check = Some(now.saturating_add(wait));
        due
    }
}

/// Whether the id is forgotten now.
pub(crate) fn is_forgotten(ctx: &mut Context<'_>, known: &Transaction) -> bool {
    let is_idle = known.durable.status.is_idle() || planted!(ctx.planted, ExpiredWhileOpen);
    if is_idle {
        ctx.forget();
        ctx.cancel_timer(TimerKind::Transaction);
        ctx.cancel_timer(TimerKind::Markers);
    }
    is_idle
}
