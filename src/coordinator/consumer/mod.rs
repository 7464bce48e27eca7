//! Groups of KIP-848: one heartbeat, assignments made here, moved step by step.
//!
//! Vocabulary: the *group epoch* counts what members want and what topics there are; the *target*
//! is who shall hold what at such an epoch, the *current* assignment of a member what it holds on
//! its way there; a member's own epoch is that of the target it has come to. A partition that a
//! member must give back stays its own until it says that it has given it back.
//!
//! Invariants: a partition has at most one owner; members whose share does not change are not
//! disturbed by those whose share does; a heartbeat that is refused changes nothing.
//!
//! The rest of the room enters through the functions of this file. Start reading at `heartbeat.rs`,
//! then `reconcile.rs`.

mod advance;
mod assignor;
mod assignor_general;
mod assignor_range;
mod assignor_uniform;
mod check;
mod classic_member;
mod describe;
mod embedded;
mod emit;
mod heartbeat;
mod leave;
mod member;
mod migrate;
mod partitions;
mod reconcile;
mod refuse;
pub(crate) mod regex;
mod replay;
mod resolve;
mod state;
mod subscription;
mod target;

use std::sync::Arc;

pub(crate) use check::{check_commit, check_fetch};
pub(crate) use classic_member::{classic_heartbeat, classic_join, classic_leave, classic_sync};
pub(crate) use describe::describe;
pub(crate) use heartbeat::heartbeat;
pub(crate) use leave::timer;
pub(crate) use replay::{replay, replay_classic};
pub(crate) use state::ConsumerGroup;

use member::MemberState;

use crate::context::Context;
use crate::group::{Group, Kind};
use crate::timeline::TimelineCause;
use crate::timers::TimerKind;

/// The consumer group that this group is.
fn of(group: &Group) -> &ConsumerGroup {
    match &group.kind {
        Kind::Consumer(consumer) => consumer,
        Kind::Classic(_) => unreachable!("only consumer groups come here"),
    }
}

/// The consumer group that this group is, for what is live only.
fn of_mut(group: &mut Group) -> &mut ConsumerGroup {
    match &mut group.kind {
        Kind::Consumer(consumer) => consumer,
        Kind::Classic(_) => unreachable!("only consumer groups come here"),
    }
}

/// The group was read from its log: members get fresh sessions, whatever the clock did meanwhile.
pub(crate) fn loaded(ctx: &mut Context<'_>, group: &mut Group) {
    let members = of(group).members.iter();
    let members: Vec<(Arc<str>, bool, i32)> = members
        .map(|(id, member)| {
            let is_unrevoked = member.assignment.state == MemberState::UnrevokedPartitions;
            let is_timed = is_unrevoked && !member.is_classic();
            (
                Arc::clone(id),
                is_timed,
                member.metadata.rebalance_timeout_ms,
            )
        })
        .collect();
    for (id, is_timed, rebalance_timeout_ms) in &members {
        advance::renew_session(ctx, group, id);
        if *is_timed {
            let timeout = advance::milliseconds(*rebalance_timeout_ms);
            advance::set_timer(ctx, group, id, TimerKind::Rebalance, timeout);
        }
    }
    if !members.is_empty() {
        subscription::note(ctx, group, TimelineCause::Loaded, "", "");
    }
    topics_changed(ctx, group);
}

/// The cluster's topics changed.
pub(crate) fn topics_changed(ctx: &mut Context<'_>, group: &mut Group) {
    of_mut(group).is_stale = true;
    resolve::schedule(ctx, group);
}

/// Whether a member reads this topic.
pub(crate) fn is_subscribed(group: &ConsumerGroup, topic: &str) -> bool {
    group.is_subscribed(topic)
}

/// Whether the group has no members.
pub(crate) fn is_empty(group: &ConsumerGroup) -> bool {
    group.members.is_empty()
}

/// Kafka's name of the group's state.
pub(crate) fn state_name(group: &ConsumerGroup) -> &'static str {
    group.state_name()
}

/// The group's epoch and how many members it has.
pub(crate) fn figures(group: &ConsumerGroup) -> (i32, usize) {
    (group.epoch, group.members.len())
}

/// Writes that there is no consumer group of this name any more; the kind is classic afterwards.
pub(crate) fn tombstones(ctx: &mut Context<'_>, group: &mut Group) {
    assert!(
        of(group).members.is_empty(),
        "only an empty group is removed"
    );
    let no_member = Arc::clone(ctx.no_member);
    ctx.cancel_timer(group, &no_member, TimerKind::Regex);
    emit::group_gone(ctx, group);
}

/// Whether the log says the same of both.
pub(crate) fn is_durably_equal(left: &ConsumerGroup, right: &ConsumerGroup) -> bool {
    left.is_durably_equal(right)
}

#[cfg(test)]
mod tests;
