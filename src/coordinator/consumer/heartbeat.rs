//! ConsumerGroupHeartbeat: the one request of KIP-848.
//!
//! A heartbeat is checked as a whole first; from the first record on nothing is refused any more.
//! Then the member is created or updated, the group's epoch goes up if what it wants changed, its
//! target assignment is made if it is time, and the member moves on towards its own.

use std::sync::Arc;

use base::ErrorCode;

use super::advance::{advance, cancel_timers, renew_session};
use super::member::{
    EPOCH_LEAVE, EPOCH_LEAVE_STATIC, METADATA_BYTES_MAX, Member, MemberMetadata, MemberState,
};
use super::regex::TopicRegex;
use super::state::ConsumerGroup;
use super::{emit, leave, migrate, of, refuse, replay, resolve, subscription, target};
use crate::context::Context;
use crate::group::{Group, Kind};
use crate::timeline::TimelineCause;
use crate::timers::TimerKind;
use crate::{Answer, Caller, ConsumerHeartbeatAnswer, ConsumerHeartbeatAsk, Refusal};

/// Answers a heartbeat to a group of either kind.
pub(crate) fn heartbeat(
    ctx: &mut Context<'_>,
    group: &mut Group,
    caller: Caller,
    ask: ConsumerHeartbeatAsk,
) {
    let result = check_form(ctx, &ask).and_then(|()| match ask.member_epoch {
        EPOCH_LEAVE | EPOCH_LEAVE_STATIC => leave::leave(ctx, group, &ask),
        _ => beat(ctx, group, &ask),
    });
    ctx.answer(caller, Answer::ConsumerHeartbeat(result));
}

/// What can be told wrong without looking at the group.
fn check_form(ctx: &Context<'_>, ask: &ConsumerHeartbeatAsk) -> Result<(), Refusal> {
    // The member that joins may lack an id in version 0 only; the handler knows the version.
    if ask.member.is_empty() && (ask.member_epoch > 0 || ask.member_epoch == EPOCH_LEAVE) {
        return Err(refuse::invalid("MemberId can't be empty."));
    }
    if ask.group.is_empty() {
        return Err(refuse::invalid("GroupId can't be empty."));
    }
    if ask.instance.as_deref() == Some("") {
        return Err(refuse::invalid("InstanceId can't be empty."));
    }
    if ask.rack.as_deref() == Some("") {
        return Err(refuse::invalid("RackId can't be empty."));
    }
    match ask.member_epoch {
        0 if ask.rebalance_timeout_ms == -1 => {
            let text = "RebalanceTimeoutMs must be provided in first request.";
            return Err(refuse::invalid(text));
        }
        0 if ask.owned.as_ref().is_none_or(|owned| !owned.is_empty()) => {
            let text = "TopicPartitions must be empty when (re-)joining.";
            return Err(refuse::invalid(text));
        }
        0 if ask.topic_names.is_none() && ask.topic_regex.is_none() => {
            return Err(refuse::invalid(
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when \
                 (re-)joining.",
            ));
        }
        EPOCH_LEAVE_STATIC if ask.instance.is_none() => {
            return Err(refuse::invalid("InstanceId can't be null."));
        }
        ..EPOCH_LEAVE_STATIC => return Err(refuse::invalid("MemberEpoch is invalid.")),
        _ => {}
    }
    let names = ask.topic_names.iter().flatten();
    if names.map(|name| name.len() + 4).sum::<usize>() > METADATA_BYTES_MAX {
        return Err(refuse::invalid(
            "SubscribedTopicNames are longer than 1 MiB.",
        ));
    }
    let offered = &ctx.config.consumer_assignors;
    match &ask.assignor {
        Some(name) if !offered.contains(name) => {
            let offered = offered.join(", ");
            let text =
                format!("ServerAssignor {name} is not supported. Supported assignors: {offered}.");
            Err(Refusal::new(ErrorCode::UnsupportedAssignor, text))
        }
        _ => Ok(()),
    }
}

/// What is about to happen, when nothing stands against it any more.
struct Plan {
    /// The member's id from now on.
    id: Arc<str>,
    /// The id under which this static member was known before.
    replaces: Option<Arc<str>>,
    /// From a classic group that has members.
    upgrade: Option<migrate::Upgrade>,
}

fn beat(
    ctx: &mut Context<'_>,
    group: &mut Group,
    ask: &ConsumerHeartbeatAsk,
) -> Result<ConsumerHeartbeatAnswer, Refusal> {
    let plan = check(ctx, group, ask)?;
    migrate::become_consumer(ctx, group, plan.upgrade);
    let id = plan.id;
    let is_new = of(group).member(&id).is_none();
    if let Some(before) = &plan.replaces {
        replace_static(ctx, group, before, &id);
    }
    let change = update_member(ctx, group, &id, ask);
    let cause = match &plan.replaces {
        Some(_) => TimelineCause::Replaced,
        None if is_new => TimelineCause::Joined,
        None => TimelineCause::Rejoined,
    };
    settle(ctx, group, &id, change, cause);
    let moved = advance(ctx, group, &id, ask.owned.as_deref(), change.any());
    renew_session(ctx, group, &id);
    let has_subscription = ask.topic_names.is_some() || ask.topic_regex.is_some();
    let is_full = ask.rebalance_timeout_ms != -1 && has_subscription && ask.owned.is_some();
    let tells = ask.member_epoch == 0 || is_full || moved;
    let member = of(group).member(&id);
    assert!(member.is_some(), "whoever sent a heartbeat is a member");
    let assignment = member.map(|member| &member.assignment);
    Ok(ConsumerHeartbeatAnswer {
        member: id.to_string(),
        member_epoch: assignment.map_or(0, |assignment| assignment.epoch),
        heartbeat_interval_ms: ctx
            .config
            .consumer_settings(&group.id)
            .heartbeat_interval_ms,
        assignment: assignment
            .filter(|_| tells)
            .map(|assignment| assignment.assigned.to_answer()),
    })
}

/// Refuses what must be refused, and changes nothing.
fn check(ctx: &Context<'_>, group: &Group, ask: &ConsumerHeartbeatAsk) -> Result<Plan, Refusal> {
    let joins = ask.member_epoch == 0;
    let id: Arc<str> = if ask.member.is_empty() {
        ask.fresh.to_string().into()
    } else {
        ask.member.as_str().into()
    };
    let regex = ask.topic_regex.as_deref().unwrap_or_default();
    let mut plan = Plan {
        id,
        replaces: None,
        upgrade: None,
    };
    match &group.kind {
        Kind::Classic(_) if !joins => return Err(refuse::no_group(group)),
        Kind::Classic(classic) => {
            plan.upgrade = migrate::plan_upgrade(ctx, group, classic)?;
            if let Some(upgrade) = &plan.upgrade {
                upgrade.check_room(ctx, &plan.id)?;
                plan.replaces = upgrade.static_member(ask.instance.as_deref());
            }
            check_regex(regex)?;
        }
        Kind::Consumer(consumer) => {
            let members_max = ctx.config.consumer_members_max;
            if consumer.members.len() >= members_max && consumer.member(&ask.member).is_none() {
                return Err(refuse::full(members_max));
            }
            plan.replaces = check_member(group, consumer, &mut plan.id, ask)?;
            if consumer.regex_members(regex) == 0 {
                check_regex(regex)?;
            }
        }
    }
    // Whoever comes back under the id it had is no replacement.
    plan.replaces = plan.replaces.filter(|before| *before != plan.id);
    Ok(plan)
}

/// Who is this member? Tells which one it replaces.
fn check_member(
    group: &Group,
    consumer: &ConsumerGroup,
    id: &mut Arc<str>,
    ask: &ConsumerHeartbeatAsk,
) -> Result<Option<Arc<str>>, Refusal> {
    let joins = ask.member_epoch == 0;
    let Some(instance) = &ask.instance else {
        match consumer.members.get_key_value(id) {
            Some((known, member)) => {
                check_epoch(member, ask)?;
                *id = Arc::clone(known);
            }
            None if !joins => return Err(refuse::unknown_member(group, id)),
            None => {}
        }
        return Ok(None);
    };
    let existing = consumer.static_member(instance);
    let Some((known, member)) = existing else {
        return if joins {
            Ok(None)
        } else {
            Err(refuse::unknown_instance(instance))
        };
    };
    if joins {
        // One static member takes the place of another only when that one said it would come back.
        if !member.is_classic() && member.assignment.epoch != EPOCH_LEAVE_STATIC {
            return Err(refuse::unreleased_instance(instance, id, known));
        }
        return Ok(Some(Arc::clone(known)));
    }
    if known != id {
        return Err(refuse::fenced_instance(instance, id, known));
    }
    check_epoch(member, ask)?;
    *id = Arc::clone(known);
    Ok(None)
}

fn check_epoch(member: &Member, ask: &ConsumerHeartbeatAsk) -> Result<(), Refusal> {
    let (received, known) = (ask.member_epoch, &member.assignment);
    let owned = ask.owned.as_deref();
    // A member may begin anew at any time (KIP-848, fencing).
    if received == 0 {
        return Ok(());
    }
    // The answer that told of the new epoch may have been lost.
    let is_repeated =
        received == known.previous_epoch && owned.is_some_and(|owned| known.assigned.covers(owned));
    if received > known.epoch || (received < known.epoch && !is_repeated) {
        return Err(refuse::fenced_epoch(received, known.epoch));
    }
    if known.state == MemberState::Unknown && owned.is_none_or(|owned| !owned.is_empty()) {
        return Err(Refusal::new(
            ErrorCode::FencedMemberEpoch,
            "The consumer group member is in a unknown state. The member must abandon all its \
             partitions and rejoin.",
        ));
    }
    Ok(())
}

fn check_regex(regex: &str) -> Result<(), Refusal> {
    if regex.is_empty() {
        return Ok(());
    }
    let compiled = TopicRegex::new(regex);
    compiled.map(drop).map_err(|fault| {
        // The expression may be long, and the error log is not the place for all of it.
        let shown: String = regex.chars().take(128).collect();
        let text =
            format!("SubscribedTopicRegex `{shown}` is not a valid regular expression: {fault}.");
        Refusal::new(ErrorCode::InvalidRegularExpression, text)
    })
}

/// A static member comes back under another id: all that it had goes over to that.
pub(super) fn replace_static(
    ctx: &mut Context<'_>,
    group: &mut Group,
    before: &Arc<str>,
    id: &Arc<str>,
) {
    let consumer = of(group);
    let target = consumer.target(before).cloned().unwrap_or_default();
    let Some(mut member) = consumer.member(before).cloned() else {
        return;
    };
    member.assignment.epoch = 0;
    member.assignment.previous_epoch = 0;
    emit::member_gone(ctx, group, before);
    cancel_timers(ctx, group, before);
    emit::member(ctx, group, id, &member.metadata);
    emit::target(ctx, group, id, &target);
    emit::current(ctx, group, id, &member.assignment);
}

/// What a heartbeat changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    /// The member wants other names.
    pub(super) names: bool,
    /// The member wants by another expression.
    pub(super) regex: bool,
    /// What expressions stand for changed, in a way that is known already.
    pub(super) resolved: bool,
}

impl Change {
    fn any(self) -> bool {
        self.names || self.regex
    }
}

/// Writes what the member says of itself, if it is news.
fn update_member(
    ctx: &mut Context<'_>,
    group: &mut Group,
    id: &Arc<str>,
    ask: &ConsumerHeartbeatAsk,
) -> Change {
    let known = of(group).member(id);
    if known.is_some_and(|member| is_same(&member.metadata, ask)) {
        return Change::default();
    }
    let mut metadata = known.map_or_else(MemberMetadata::default, |member| member.metadata.clone());
    let was_classic = metadata.classic.take().is_some();
    if let Some(instance) = &ask.instance {
        metadata.instance = Some(instance.as_str().into());
    }
    if ask.rack.is_some() {
        metadata.rack.clone_from(&ask.rack);
    }
    if ask.rebalance_timeout_ms != -1 {
        metadata.rebalance_timeout_ms = ask.rebalance_timeout_ms;
    }
    if ask.assignor.is_some() {
        metadata.assignor.clone_from(&ask.assignor);
    }
    if let Some(names) = &ask.topic_names {
        metadata.topic_names = replay::names(names);
    }
    if let Some(regex) = &ask.topic_regex {
        metadata.topic_regex.clone_from(regex);
    }
    metadata.client_id.clone_from(&ask.client_id);
    metadata.client_host.clone_from(&ask.client_host);
    if was_classic {
        ctx.cancel_timer(group, id, TimerKind::Join);
        ctx.cancel_timer(group, id, TimerKind::Sync);
    }
    write_member(ctx, group, id, &metadata)
}

/// True when a heartbeat says nothing of its member that is not known.
fn is_same(known: &MemberMetadata, ask: &ConsumerHeartbeatAsk) -> bool {
    let same = |known: Option<&str>, told: Option<&str>| told.is_none() || told == known;
    let names = ask.topic_names.as_ref();
    known.classic.is_none()
        && same(known.instance.as_deref(), ask.instance.as_deref())
        && same(known.rack.as_deref(), ask.rack.as_deref())
        && same(known.assignor.as_deref(), ask.assignor.as_deref())
        && same(Some(&known.topic_regex), ask.topic_regex.as_deref())
        && [-1, known.rebalance_timeout_ms].contains(&ask.rebalance_timeout_ms)
        && names.is_none_or(|names| replay::names(names) == known.topic_names)
        && known.client_id == ask.client_id
        && known.client_host == ask.client_host
}

/// Writes a member, and what its expression stands for.
pub(super) fn write_member(
    ctx: &mut Context<'_>,
    group: &mut Group,
    id: &Arc<str>,
    metadata: &MemberMetadata,
) -> Change {
    let before = of(group).member(id).map(|member| &member.metadata);
    let names = before.is_none_or(|before| before.topic_names != metadata.topic_names);
    let old = before.map_or_else(String::new, |before| before.topic_regex.clone());
    emit::member(ctx, group, id, metadata);
    let new = &metadata.topic_regex;
    let mut change = Change {
        names,
        regex: old != *new,
        resolved: false,
    };
    if !change.regex {
        return change;
    }
    if !old.is_empty() {
        leave::forget_regexes(ctx, group, [old.as_str()]);
        change.resolved = true;
    }
    if !new.is_empty() {
        if of(group).resolved.contains_key(new) {
            change.resolved = true;
        } else {
            resolve::enqueue(ctx, group, new);
            change.resolved |= resolve::run(ctx, group);
        }
    }
    change
}

/// Brings the group's epoch and its target up to date.
pub(super) fn settle(
    ctx: &mut Context<'_>,
    group: &mut Group,
    id: &str,
    change: Change,
    cause: TimelineCause,
) {
    if of(group).epoch == 0 || change.names || change.resolved {
        subscription::bump(ctx, group);
        subscription::note(ctx, group, cause, id, "");
    } else {
        if cause != TimelineCause::Rejoined {
            subscription::note(ctx, group, cause, id, "");
        }
        subscription::bump_if_stale(ctx, group);
    }
    target::update(ctx, group);
}
