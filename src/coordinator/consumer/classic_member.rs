//! Members of a consumer group that still speak the classic protocol (KIP-848, migration).
//!
//! JoinGroup moves such a member on as a heartbeat moves a consumer; SyncGroup hands it what it
//! may use; Heartbeat sends it back to join whenever there is something to do. Its generation is
//! its member epoch.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::ErrorCode;

use super::advance::{advance, milliseconds, renew_session, set_timer};
use super::embedded::{Subscription, read_subscription, write_assignment};
use super::heartbeat::{replace_static, settle, write_member};
use super::member::{ClassicMember, METADATA_BYTES_MAX, Member, MemberMetadata, MemberState};
use super::migrate::{self, PROTOCOL_TYPE};
use super::state::ConsumerGroup;
use super::{leave, of, refuse, target};
use crate::context::Context;
use crate::group::Group;
use crate::timeline::TimelineCause;
use crate::timers::TimerKind;
use crate::{
    Answer, Caller, HeartbeatAsk, JoinAnswer, JoinAsk, JoinRefusal, LeaveAsk, LeftMember, Refusal,
    SyncAnswer, SyncAsk,
};

/// A classic member joins a consumer group that has members.
pub(crate) fn classic_join(ctx: &mut Context<'_>, group: &mut Group, caller: Caller, ask: JoinAsk) {
    let result = match plan(ctx, group, &ask) {
        Ok(plan) => Ok(join(ctx, group, &ask, plan)),
        Err(refusal) if refusal.code == ErrorCode::MemberIdRequired => Err(JoinRefusal {
            refusal,
            member: ask.fresh.to_string(),
        }),
        Err(refusal) => Err(JoinRefusal {
            refusal,
            member: ask.member,
        }),
    };
    ctx.answer(caller, Answer::Join(result));
}

struct Plan {
    id: Arc<str>,
    replaces: Option<Arc<str>>,
    subscription: Subscription,
}

/// Refuses what must be refused, and changes nothing.
fn plan(ctx: &Context<'_>, group: &Group, ask: &JoinAsk) -> Result<Plan, Refusal> {
    let consumer = of(group);
    if ctx.config.consumer_migration_policy == "disabled" {
        let text = format!(
            "Cannot join the consumer group {} with the classic protocol because the group \
             migration is disabled.",
            group.id
        );
        return Err(Refusal::new(ErrorCode::InconsistentGroupProtocol, text));
    }
    let protocols = ask.protocols.iter();
    let bytes = protocols.map(|protocol| protocol.name.len() + protocol.metadata.len());
    if bytes.sum::<usize>() > METADATA_BYTES_MAX {
        return Err(refuse::invalid(
            "The metadata of the protocols are longer than 1 MiB.",
        ));
    }
    let is_unknown = ask.member.is_empty();
    let id: Arc<str> = if is_unknown {
        ask.fresh.to_string().into()
    } else {
        ask.member.as_str().into()
    };
    let members_max = ctx.config.consumer_members_max;
    if consumer.members.len() >= members_max && consumer.member(&id).is_none() {
        return Err(refuse::full(members_max));
    }
    let unsupported = || {
        let text = format!("Member {id}'s protocols are not supported.");
        Refusal::new(ErrorCode::InconsistentGroupProtocol, text)
    };
    if ask.protocol_type != PROTOCOL_TYPE || !shares_protocol(consumer, &id, ask) {
        return Err(unsupported());
    }
    if is_unknown && ask.needs_known_member && ask.instance.is_none() {
        return Err(ErrorCode::MemberIdRequired.into());
    }
    let replaces = replaced(consumer, &id, ask)?;
    let first = ask.protocols.first();
    let subscription = first.and_then(|first| read_subscription(&first.metadata, ctx.topics));
    Ok(Plan {
        subscription: subscription.ok_or_else(unsupported)?,
        replaces: replaces.filter(|before| *before != id),
        id,
    })
}

/// Whether some protocol of this member is known to all other classic members.
fn shares_protocol(consumer: &ConsumerGroup, id: &str, ask: &JoinAsk) -> bool {
    let members = consumer.members.iter().filter(|(other, _)| &***other != id);
    let classics = members.filter_map(|(_, member)| member.metadata.classic.as_ref());
    let mut names = ask.protocols.iter().map(|protocol| &protocol.name);
    names.any(|name| {
        let mut classics = classics.clone();
        classics.all(|classic| migrate::knows(&classic.protocols, name))
    })
}

/// The static member whose place this one takes.
fn replaced(
    consumer: &ConsumerGroup,
    id: &Arc<str>,
    ask: &JoinAsk,
) -> Result<Option<Arc<str>>, Refusal> {
    let Some(instance) = &ask.instance else {
        return Ok(None);
    };
    match consumer.static_member(instance) {
        existing if ask.member.is_empty() => Ok(existing.map(|(known, _)| Arc::clone(known))),
        None => Err(refuse::unknown_instance(instance)),
        Some((known, _)) if known != id => Err(refuse::fenced_instance(instance, id, known)),
        Some(_) => Ok(None),
    }
}

fn join(ctx: &mut Context<'_>, group: &mut Group, ask: &JoinAsk, plan: Plan) -> JoinAnswer {
    let Plan {
        id,
        replaces,
        subscription,
    } = plan;
    // A static member that comes back by the old protocol may have been the last consumer.
    let existing = ask
        .instance
        .as_deref()
        .and_then(|name| of(group).static_member(name));
    let existing = existing.map(|(known, _)| Arc::clone(known));
    let is_new = of(group).member(&id).is_none();
    let is_downgrade = existing.is_some_and(|existing| is_last_consumer(ctx, group, &existing));
    if let Some(before) = &replaces {
        replace_static(ctx, group, before, &id);
    }
    let known = of(group).member(&id).map(|member| member.metadata.clone());
    let metadata = described(known.unwrap_or_default(), ask, &subscription);
    let change = write_member(ctx, group, &id, &metadata);
    let wants_changed = change.names || change.regex;
    let cause = match &replaces {
        Some(_) => TimelineCause::Replaced,
        None if is_new => TimelineCause::Joined,
        None => TimelineCause::Rejoined,
    };
    if !is_downgrade {
        settle(ctx, group, &id, change, cause);
    }
    if !is_downgrade || !wants_changed {
        advance(ctx, group, &id, Some(&subscription.owned), wants_changed);
    }
    let generation = of(group)
        .member(&id)
        .map_or(0, |member| member.assignment.epoch);
    ctx.cancel_timer(group, &id, TimerKind::Join);
    ctx.cancel_timer(group, &id, TimerKind::Rebalance);
    if is_downgrade {
        migrate::downgrade(ctx, group, &[], wants_changed);
    } else {
        renew_session(ctx, group, &id);
        let timeout = milliseconds(ask.rebalance_timeout_ms);
        set_timer(ctx, group, &id, TimerKind::Sync, timeout);
    }
    JoinAnswer {
        generation,
        protocol_type: Some(PROTOCOL_TYPE.to_owned()),
        protocol: ask.protocols.first().map(|protocol| protocol.name.clone()),
        leader: String::new(),
        skip_assignment: false,
        member: id.to_string(),
        members: Vec::new(),
    }
}

fn is_last_consumer(ctx: &Context<'_>, group: &Group, existing: &str) -> bool {
    let consumer = of(group);
    let is_classic = consumer.member(existing).is_some_and(Member::is_classic);
    let others = consumer.classics() - usize::from(is_classic);
    others + 1 == consumer.members.len()
        && migrate::allows_downgrade(ctx)
        && consumer.members.len() <= ctx.config.members_max
}

/// What the member says of itself.
fn described(known: MemberMetadata, ask: &JoinAsk, subscription: &Subscription) -> MemberMetadata {
    MemberMetadata {
        instance: ask.instance.as_deref().map(Into::into).or(known.instance),
        rack: subscription.rack.clone().or(known.rack),
        client_id: ask.client_id.clone(),
        client_host: ask.client_host.clone(),
        topic_names: subscription.topics.iter().cloned().collect::<BTreeSet<_>>(),
        // Classic members match their expressions themselves.
        topic_regex: String::new(),
        rebalance_timeout_ms: ask.rebalance_timeout_ms,
        assignor: known.assignor,
        classic: Some(ClassicMember {
            session_timeout_ms: ask.session_timeout_ms,
            protocols: ask.protocols.clone(),
        }),
    }
}

/// A classic member of a consumer group wants its assignment.
pub(crate) fn classic_sync(ctx: &mut Context<'_>, group: &mut Group, caller: Caller, ask: SyncAsk) {
    let result = sync(ctx, group, &ask);
    ctx.answer(caller, Answer::Sync(result));
}

fn sync(ctx: &mut Context<'_>, group: &mut Group, ask: &SyncAsk) -> Result<SyncAnswer, Refusal> {
    let (id, member) = find(group, &ask.member, ask.instance.as_deref())?;
    let classic = check_generation(id, member, ask.generation)?;
    let first = classic.protocols.first();
    let protocol = first.map(|first| first.name.clone()).unwrap_or_default();
    let named = ask.protocol_type.as_deref();
    if named.is_some_and(|named| named != PROTOCOL_TYPE) {
        return Err(ErrorCode::InconsistentGroupProtocol.into());
    }
    if ask
        .protocol
        .as_ref()
        .is_some_and(|named| *named != protocol)
    {
        return Err(ErrorCode::InconsistentGroupProtocol.into());
    }
    let id = Arc::clone(id);
    let subscription = first
        .map(|first| Arc::clone(&first.metadata))
        .unwrap_or_default();
    let assignment = write_assignment(&member.assignment.assigned, &subscription, ctx.topics);
    // A member that gives partitions back has joined for this rebalance; others must join again.
    let is_behind = is_behind(ctx, group, member)
        && member.assignment.state != MemberState::UnrevokedPartitions;
    if is_behind {
        expect_join(ctx, group, &id);
        return Err(ErrorCode::RebalanceInProgress.into());
    }
    ctx.cancel_timer(group, &id, TimerKind::Sync);
    renew_session(ctx, group, &id);
    Ok(SyncAnswer {
        protocol_type: Some(PROTOCOL_TYPE.to_owned()),
        protocol: Some(protocol),
        assignment,
    })
}

/// A classic member of a consumer group is alive.
pub(crate) fn classic_heartbeat(
    ctx: &mut Context<'_>,
    group: &mut Group,
    caller: Caller,
    ask: HeartbeatAsk,
) {
    let result = beat(ctx, group, &ask);
    ctx.answer(caller, Answer::Heartbeat(result));
}

fn beat(ctx: &mut Context<'_>, group: &mut Group, ask: &HeartbeatAsk) -> Result<(), Refusal> {
    let (id, member) = find(group, &ask.member, ask.instance.as_deref())?;
    check_generation(id, member, ask.generation)?;
    let id = Arc::clone(id);
    let can_go_on = match member.assignment.state {
        MemberState::UnrevokedPartitions => true,
        MemberState::UnreleasedPartitions => !of(group).waits_for_others(&id, member),
        MemberState::Stable | MemberState::Unknown => false,
    };
    let must_join = can_go_on || is_behind(ctx, group, member);
    renew_session(ctx, group, &id);
    if must_join {
        expect_join(ctx, group, &id);
        return Err(ErrorCode::RebalanceInProgress.into());
    }
    Ok(())
}

/// True when there is a newer target than the member's, or one can be made by whoever joins next.
fn is_behind(ctx: &Context<'_>, group: &Group, member: &Member) -> bool {
    member.assignment.epoch < of(group).assignment_epoch || target::is_due(ctx, group)
}

/// Gives the member its rebalance timeout to join again, counted from the first time it was told.
fn expect_join(ctx: &mut Context<'_>, group: &Group, id: &Arc<str>) {
    let member = of(group).member(id);
    let timeout = member.map_or(0, |member| member.metadata.rebalance_timeout_ms);
    if !ctx.has_timer(group, id, TimerKind::Join) {
        set_timer(ctx, group, id, TimerKind::Join, milliseconds(timeout));
    }
}

/// The classic member of this id and static name.
fn find<'g>(
    group: &'g Group,
    id: &str,
    instance: Option<&str>,
) -> Result<(&'g Arc<str>, &'g Member), Refusal> {
    let consumer = of(group);
    let Some(instance) = instance else {
        let found = consumer.members.get_key_value(id);
        return found.ok_or_else(|| refuse::unknown_member(group, id));
    };
    let found = consumer.static_member(instance);
    let found = found.ok_or_else(|| refuse::unknown_instance(instance))?;
    if **found.0 != *id {
        return Err(refuse::fenced_instance(instance, id, found.0));
    }
    Ok(found)
}

fn check_generation<'m>(
    id: &str,
    member: &'m Member,
    generation: i32,
) -> Result<&'m ClassicMember, Refusal> {
    let classic = member.metadata.classic.as_ref();
    let classic = classic.ok_or_else(|| {
        let text = format!("Member {id} does not use the classic protocol.");
        Refusal::new(ErrorCode::UnknownMemberId, text)
    })?;
    let epoch = member.assignment.epoch;
    if epoch != generation {
        let text = format!(
            "The request generation id {generation} is not equal to the member epoch {epoch} of \
             member {id}."
        );
        return Err(Refusal::new(ErrorCode::IllegalGeneration, text));
    }
    Ok(classic)
}

/// Members leave a consumer group by LeaveGroup: classic ones, or an administrator has them leave.
pub(crate) fn classic_leave(
    ctx: &mut Context<'_>,
    group: &mut Group,
    caller: Caller,
    ask: LeaveAsk,
) {
    let mut gone: Vec<Arc<str>> = Vec::new();
    let mut reason = String::new();
    let mut members = Vec::with_capacity(ask.members.len());
    for leaving in ask.members {
        let found = find_leaving(group, &leaving.member, leaving.instance.as_deref());
        let result = found.map(|id| {
            if !gone.contains(&id) {
                gone.push(id);
            }
            reason = leaving.reason.unwrap_or_default();
        });
        members.push(LeftMember {
            member: leaving.member,
            instance: leaving.instance,
            result,
        });
    }
    leave::fence(ctx, group, &gone, TimelineCause::Left, &reason);
    ctx.answer(caller, Answer::Leave(Ok(members)));
}

/// An administrator names static members without their ids.
fn find_leaving(group: &Group, id: &str, instance: Option<&str>) -> Result<Arc<str>, Refusal> {
    let found = match instance {
        Some(instance) if id.is_empty() => of(group)
            .static_member(instance)
            .ok_or_else(|| refuse::unknown_instance(instance)),
        _ => find(group, id, instance),
    };
    found.map(|(id, _)| Arc::clone(id))
}
