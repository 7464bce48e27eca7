//! Groups of KIP-848: one heartbeat, assignments made here, moved step by step.
//!
//! The rest of the room enters through the functions of this file.

use wire::ConsumerOffsetsKey;

use base::ErrorCode;

use crate::context::Context;
use crate::group::Group;
use crate::timers::TimerKey;
use crate::{
    Ask, Caller, ConsumerDescription, ConsumerHeartbeatAsk, HeartbeatAsk, JoinAsk, LeaveAsk,
    OffsetCommitAsk, OffsetFetchAsk, Refusal, ReplayError, SyncAsk, Topics,
};

/// A group of KIP-848.
#[derive(Debug, Default)]
pub(crate) struct ConsumerGroup {}

/// Applies a record of kinds 3 to 8 and 16. A group of the other kind becomes a consumer group by
/// the first record that tells of one, and a classic one again by the tombstone of its metadata.
pub(crate) fn replay(
    _group: &mut Group,
    _key: &ConsumerOffsetsKey<'_>,
    _value: Option<&[u8]>,
) -> Result<(), ReplayError> {
    Ok(())
}

/// Applies a record of kind 2 (classic group metadata) to a consumer group.
pub(crate) fn replay_classic(_group: &mut Group, _value: Option<&[u8]>) -> Result<(), ReplayError> {
    Ok(())
}

/// ConsumerGroupHeartbeat, to a group of either kind.
pub(crate) fn heartbeat(
    ctx: &mut Context<'_>,
    _group: &mut Group,
    caller: Caller,
    ask: ConsumerHeartbeatAsk,
) {
    refuse(ctx, caller, &Ask::ConsumerHeartbeat(ask));
}

/// A classic member joins a consumer group that has members.
pub(crate) fn classic_join(
    ctx: &mut Context<'_>,
    _group: &mut Group,
    caller: Caller,
    ask: JoinAsk,
) {
    refuse(ctx, caller, &Ask::Join(ask));
}

/// A classic member of a consumer group wants its assignment.
pub(crate) fn classic_sync(
    ctx: &mut Context<'_>,
    _group: &mut Group,
    caller: Caller,
    ask: SyncAsk,
) {
    refuse(ctx, caller, &Ask::Sync(ask));
}

/// A classic member of a consumer group is alive.
pub(crate) fn classic_heartbeat(
    ctx: &mut Context<'_>,
    _group: &mut Group,
    caller: Caller,
    ask: HeartbeatAsk,
) {
    refuse(ctx, caller, &Ask::Heartbeat(ask));
}

/// Members leave a consumer group by LeaveGroup: classic ones, or an administrator has them leave.
pub(crate) fn classic_leave(
    ctx: &mut Context<'_>,
    _group: &mut Group,
    caller: Caller,
    ask: LeaveAsk,
) {
    refuse(ctx, caller, &Ask::Leave(ask));
}

fn refuse(ctx: &mut Context<'_>, caller: Caller, ask: &Ask) {
    let refusal = Refusal::from(ErrorCode::UnsupportedVersion);
    ctx.answer(caller, ask.refused(refusal));
}

/// What is in the group.
pub(crate) fn describe(_ctx: &Context<'_>, _group: &Group) -> Result<ConsumerDescription, Refusal> {
    Err(ErrorCode::UnsupportedVersion.into())
}

/// The group was read from its log.
pub(crate) fn loaded(_ctx: &mut Context<'_>, _group: &mut Group) {}

/// A timer of the group or of a member has fired.
pub(crate) fn timer(_ctx: &mut Context<'_>, _group: &mut Group, _key: &TimerKey) {}

/// The cluster's topics changed.
pub(crate) fn topics_changed(_ctx: &mut Context<'_>, _group: &mut Group) {}

/// Whether these offsets may be committed.
pub(crate) fn check_commit(
    _group: &ConsumerGroup,
    _topics: &Topics,
    _ask: &OffsetCommitAsk,
) -> Result<(), Refusal> {
    Ok(())
}

/// Whether offsets may be fetched by whoever asks.
pub(crate) fn check_fetch(_group: &ConsumerGroup, _ask: &OffsetFetchAsk) -> Result<(), Refusal> {
    Ok(())
}

/// Whether a member reads this topic.
pub(crate) fn is_subscribed(_group: &ConsumerGroup, _topic: &str) -> bool {
    true
}

/// Whether the group has no members.
pub(crate) fn is_empty(_group: &ConsumerGroup) -> bool {
    false
}

/// Kafka's name of the group's state.
pub(crate) fn state_name(_group: &ConsumerGroup) -> &'static str {
    "Stable"
}

/// The group's epoch and how many members it has.
pub(crate) fn figures(_group: &ConsumerGroup) -> (i32, usize) {
    (0, 0)
}

/// Writes that there is no consumer group of this name any more; the kind is classic afterwards.
pub(crate) fn tombstones(_ctx: &mut Context<'_>, _group: &mut Group) {}

/// Whether the log says the same of both.
pub(crate) fn is_durably_equal(_left: &ConsumerGroup, _right: &ConsumerGroup) -> bool {
    true
}
