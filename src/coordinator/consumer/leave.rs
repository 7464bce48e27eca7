//! Members that go: by their own will, for a while, or because nothing was heard of them.

use std::sync::Arc;

use super::advance::cancel_timers;
use super::member::{EPOCH_LEAVE_STATIC, MemberState};
use super::partitions::Held;
use super::{emit, migrate, of, refuse, resolve, subscription, target};
use crate::context::Context;
use crate::group::{Group, Kind};
use crate::timeline::TimelineCause;
use crate::timers::{TimerKey, TimerKind};
use crate::{ConsumerHeartbeatAnswer, ConsumerHeartbeatAsk, Refusal};

/// A heartbeat that says good-bye.
pub(super) fn leave(
    ctx: &mut Context<'_>,
    group: &mut Group,
    ask: &ConsumerHeartbeatAsk,
) -> Result<ConsumerHeartbeatAnswer, Refusal> {
    let Kind::Consumer(consumer) = &group.kind else {
        return Err(refuse::no_group(group));
    };
    let id = match &ask.instance {
        None => {
            let known = consumer.members.get_key_value(ask.member.as_str());
            known
                .ok_or_else(|| refuse::unknown_member(group, &ask.member))?
                .0
        }
        Some(instance) => {
            let known = consumer.static_member(instance);
            let (id, _) = known.ok_or_else(|| refuse::unknown_instance(instance))?;
            if **id != *ask.member {
                return Err(refuse::fenced_instance(instance, &ask.member, id));
            }
            id
        }
    };
    let id = Arc::clone(id);
    if ask.instance.is_some() && ask.member_epoch == EPOCH_LEAVE_STATIC {
        leave_for_a_while(ctx, group, &id);
    } else {
        fence(ctx, group, &[id], TimelineCause::Left, "");
    }
    Ok(ConsumerHeartbeatAnswer {
        member: ask.member.clone(),
        member_epoch: ask.member_epoch,
        heartbeat_interval_ms: 0,
        assignment: None,
    })
}

/// A static member will be back: it keeps its share until its session ends.
fn leave_for_a_while(ctx: &mut Context<'_>, group: &mut Group, id: &Arc<str>) {
    let member = of(group).member(id);
    let Some(mut assignment) = member.map(|member| member.assignment.clone()) else {
        return;
    };
    assignment.epoch = EPOCH_LEAVE_STATIC;
    assignment.revoking = Held::default();
    emit::current(ctx, group, id, &assignment);
    ctx.cancel_timer(group, id, TimerKind::Rebalance);
}

/// Removes members. When only classic ones remain, the group goes back to their protocol.
pub(super) fn fence(
    ctx: &mut Context<'_>,
    group: &mut Group,
    ids: &[Arc<str>],
    cause: TimelineCause,
    reason: &str,
) {
    if ids.is_empty() {
        return;
    }
    for id in ids {
        cancel_timers(ctx, group, id);
        subscription::note(ctx, group, cause, id, reason);
    }
    if migrate::may_downgrade_without(ctx, group, ids) {
        migrate::downgrade(ctx, group, ids, true);
        return;
    }
    let mut expressions = Vec::new();
    for id in ids {
        let member = of(group).member(id);
        expressions.extend(member.map(|member| member.metadata.topic_regex.clone()));
        emit::member_gone(ctx, group, id);
    }
    forget_regexes(ctx, group, expressions.iter().map(String::as_str));
    subscription::bump(ctx, group);
}

/// Forgets what expressions stood for that nobody wants by any more.
pub(super) fn forget_regexes<'e>(
    ctx: &mut Context<'_>,
    group: &mut Group,
    expressions: impl IntoIterator<Item = &'e str>,
) {
    for expression in expressions {
        let consumer = of(group);
        if consumer.regex_members(expression) == 0 && consumer.resolved.contains_key(expression) {
            emit::resolved(ctx, group, expression, None);
        }
    }
}

/// A timer of the group or of a member has fired.
pub(crate) fn timer(ctx: &mut Context<'_>, group: &mut Group, key: &TimerKey) {
    match key.kind {
        TimerKind::Regex => return resolve::fired(ctx, group),
        TimerKind::Assignment => return target::update(ctx, group),
        _ => {}
    }
    let Some(member) = of(group).member(&key.member) else {
        return;
    };
    let is_unrevoked = member.assignment.state == MemberState::UnrevokedPartitions;
    let cause = match key.kind {
        TimerKind::Session => TimelineCause::SessionExpired,
        TimerKind::Rebalance if is_unrevoked => TimelineCause::RebalanceExpired,
        TimerKind::Join if member.is_classic() => TimelineCause::RebalanceExpired,
        TimerKind::Sync if member.is_classic() => TimelineCause::SyncExpired,
        _ => return,
    };
    fence(ctx, group, &[Arc::clone(&key.member)], cause, "");
}
