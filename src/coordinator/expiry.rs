//! Which committed offsets have outlived their use, and which groups their offsets.
//!
//! An offset expires `offsets.retention.minutes` after its group fell empty, or after its commit
//! where nobody in the group reads its topic (KIP-211). A group that is empty and has no offsets
//! goes too.
//!
//! Groups wait in the order of the earliest time at which something of theirs could expire, so a
//! check looks at those only. The bound may be too early, then the group waits again; it is never
//! too late.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::classic::State;
use crate::commits::{self, Subscribed};
use crate::consumer;
use crate::context::Context;
use crate::group::{Group, Kind};
use crate::offsets::Committed;
use crate::planted::planted;

/// How many groups one tick looks at, so that the core is not held for long.
const GROUPS_PER_TICK: usize = 256;
/// After this many records a tick ends, and another one follows at once.
const RECORDS_PER_TICK: usize = 1000;

/// The groups that wait for their offsets' expiry.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    waiting: BTreeSet<(i64, Arc<str>)>,
    next_check: Option<Duration>,
}

impl Expiry {
    pub(crate) fn next_check(&self) -> Option<Duration> {
        self.next_check
    }

    /// The first check comes an interval after the load: clocks may have jumped meanwhile, and
    /// members come back.
    pub(crate) fn begin(&mut self, now: Duration, interval: Duration) {
        self.next_check = Some(now.saturating_add(interval));
    }

    /// Sees to it that the group is looked at when something of it may expire.
    pub(crate) fn watch(&mut self, group: &mut Group, retention_ms: i64) {
        // What waits for a transaction's end is looked at when that has come.
        let wanted = if !group.offsets.is_empty() {
            match group.watched {
                None => group.offsets.expiry_bound(retention_ms),
                Some(_) => group.offsets.earliest_expiry(),
            }
        } else if group.is_removable() {
            i64::MIN
        } else {
            return;
        };
        if group.watched.is_none_or(|watched| wanted < watched) {
            self.set(group, wanted);
        }
    }

    pub(crate) fn set(&mut self, group: &mut Group, bound: i64) {
        self.unwatch(group);
        group.watched = Some(bound);
        self.waiting.insert((bound, Arc::clone(&group.id)));
    }

    pub(crate) fn unwatch(&mut self, group: &mut Group) {
        if let Some(bound) = group.watched.take() {
            let existed = self.waiting.remove(&(bound, Arc::clone(&group.id)));
            assert!(existed, "a watched group waits");
        }
    }

    /// The groups to look at now, if it is time for a check.
    pub(crate) fn take_due(
        &mut self,
        now: Duration,
        wall: i64,
        interval: Duration,
    ) -> Vec<Arc<str>> {
        if self.next_check.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let due = self.waiting.iter().take_while(|(bound, _)| *bound <= wall);
        let due: Vec<Arc<str>> = due
            .take(GROUPS_PER_TICK)
            .map(|(_, group)| Arc::clone(group))
            .collect();
        let is_all = due.len() < GROUPS_PER_TICK;
        let wait = if is_all { interval } else { Duration::ZERO };
        self.next_check = Some(now.saturating_add(wait));
        due
    }

    /// The tick ended before all groups were looked at; another one follows at once.
    pub(crate) fn go_on(&mut self, now: Duration) {
        self.next_check = Some(now);
    }
}

/// True when a tick has made enough records.
pub(crate) fn is_enough(ctx: &Context<'_>) -> bool {
    ctx.step.records.len() >= RECORDS_PER_TICK
}

/// From when on the retention of an offset counts; nothing while it must not expire.
fn counts_from(group: &Group, committed: &Committed, is_subscribed: bool) -> Option<i64> {
    match &group.kind {
        Kind::Classic(classic) => {
            match classic.state {
                State::Empty => {
                    let since = classic.empty_since().map_or(i64::MIN, base::Timestamp::get);
                    // An administrator may have committed for the group after it fell empty.
                    Some(committed.committed_at.max(since))
                }
                State::Stable if !is_subscribed => Some(committed.committed_at),
                // Nobody knows who will read what (KAFKA-13636).
                State::Stable | State::PreparingRebalance | State::CompletingRebalance => None,
            }
        }
        Kind::Consumer(_) if is_subscribed => None,
        Kind::Consumer(_) => Some(committed.committed_at),
    }
}

/// Lets offsets of a group expire, and the group itself when nothing is left of it. The answer is
/// when to look again; nothing when there is nothing to wait for.
pub(crate) fn expire(ctx: &mut Context<'_>, group: &mut Group) -> Option<i64> {
    let now = ctx.now.wall.get();
    let retention_ms = ctx.config.offsets_retention_ms;
    let subscribed = Subscribed::of(group);
    // While something must not expire, the next check looks again, and no tick before it.
    let interval_ms = i64::try_from(ctx.config.retention_check_interval.as_millis());
    let later = now.saturating_add(interval_ms.unwrap_or(i64::MAX) / 2 + 1);
    let mut expired = Vec::new();
    let mut next = i64::MAX;
    for (topic, partitions) in group.offsets.topics() {
        let is_subscribed =
            subscribed.contains(group, topic) && !planted!(ctx.planted, ExpiredInUse);
        for (partition, committed) in partitions {
            let from = counts_from(group, committed, is_subscribed);
            // A transaction that is open keeps the offset which it is about to replace.
            let from = from.filter(|_| !group.pending.contains(topic, *partition));
            let due = from.map_or(later, |from| {
                if committed.expires_at >= 0 {
                    committed.expires_at
                } else {
                    from.saturating_add(retention_ms)
                }
            });
            if due <= now && expired.len() < RECORDS_PER_TICK {
                expired.push((topic.to_owned(), *partition));
            } else {
                next = next.min(due);
            }
        }
    }
    for (topic, partition) in expired {
        commits::forget(ctx, group, &topic, partition);
    }
    if !group.offsets.is_empty() {
        return Some(next);
    }
    if group.is_removable() {
        remove(ctx, group);
    }
    None
}

/// Writes that the group is no more; its offsets are gone already.
pub(crate) fn remove(ctx: &mut Context<'_>, group: &mut Group) {
    match group.scene(ctx) {
        Some(mut scene) => scene.remove_group(),
        None => consumer::tombstones(ctx, group),
    }
}
