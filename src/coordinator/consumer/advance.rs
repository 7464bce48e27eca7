//! Moves one member on towards its target, and sees to its timers.

use std::sync::Arc;
use std::time::Duration;

use base::Uuid;

use super::member::MemberState;
use super::partitions::Partitions;
use super::reconcile::{Goal, reconcile};
use super::{emit, of};
use crate::TopicIdPartitions;
use crate::context::Context;
use crate::group::Group;
use crate::timers::TimerKind;

/// Moves a member on; tells whether what it may use changed.
pub(super) fn advance(
    ctx: &mut Context<'_>,
    group: &mut Group,
    id: &Arc<str>,
    owned: Option<&[TopicIdPartitions]>,
    wants_changed: bool,
) -> bool {
    let consumer = of(group);
    let Some(member) = consumer.member(id) else {
        return false;
    };
    let epoch = consumer.assignment_epoch;
    if !wants_changed && member.assignment.is_reconciled_to(epoch) {
        return false;
    }
    let nothing = Partitions::default();
    let topics = ctx.topics;
    let goal = Goal {
        target: consumer.target(id).unwrap_or(&nothing),
        epoch,
        wants: &|topic: Uuid| {
            let name = topics.name(topic);
            name.is_some_and(|name| consumer.wants(&member.metadata, name))
        },
        is_held: &|topic, partition| {
            let owner = consumer.owner(topic, partition);
            owner.is_some_and(|owner| owner != &**id)
        },
        owned,
        wants_changed,
        planted: ctx.planted,
    };
    let next = reconcile(&member.assignment, &goal);
    if next == member.assignment {
        return false;
    }
    let changed = next.assigned != member.assignment.assigned;
    let timeout = milliseconds(member.metadata.rebalance_timeout_ms);
    // A classic member is held to its rebalance timeout by its next join and sync.
    let is_timed = next.state == MemberState::UnrevokedPartitions && !member.is_classic();
    emit::current(ctx, group, id, &next);
    if is_timed {
        set_timer(ctx, group, id, TimerKind::Rebalance, timeout);
    } else {
        ctx.cancel_timer(group, id, TimerKind::Rebalance);
    }
    changed
}

/// Sets a member's timer from now.
pub(super) fn set_timer(
    ctx: &mut Context<'_>,
    group: &Group,
    id: &Arc<str>,
    kind: TimerKind,
    after: Duration,
) {
    let at = ctx.now.since_start.saturating_add(after);
    ctx.set_timer(group, id, kind, at);
}

/// Gives a member a fresh session.
pub(super) fn renew_session(ctx: &mut Context<'_>, group: &Group, id: &Arc<str>) {
    let member = of(group).member(id);
    let classic = member.and_then(|member| member.metadata.classic.as_ref());
    let timeout = classic.map_or_else(
        || ctx.config.consumer_settings(&group.id).session_timeout,
        |classic| milliseconds(classic.session_timeout_ms),
    );
    set_timer(ctx, group, id, TimerKind::Session, timeout);
}

/// Takes all timers of a member back.
pub(super) fn cancel_timers(ctx: &mut Context<'_>, group: &Group, id: &Arc<str>) {
    for kind in [
        TimerKind::Session,
        TimerKind::Rebalance,
        TimerKind::Join,
        TimerKind::Sync,
    ] {
        ctx.cancel_timer(group, id, kind);
    }
}

/// A timeout that a client sent; none below zero.
pub(super) fn milliseconds(timeout_ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0))
}
