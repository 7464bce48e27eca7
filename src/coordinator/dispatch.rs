//! Which part of the room answers which ask.

use base::ErrorCode;

use crate::commits;
use crate::consumer;
use crate::context::Context;
use crate::expiry;
use crate::group::{Group, Kind};
use crate::{Answer, Ask, Caller, ClassicDescription, JoinAsk, Refusal};

/// Puts one ask to its group. `is_absent`: nothing was known of the group before.
pub(crate) fn dispatch(
    ctx: &mut Context<'_>,
    group: &mut Group,
    caller: Caller,
    ask: Ask,
    is_absent: bool,
) {
    let answer = match ask {
        Ask::Join(ask) => return join(ctx, group, caller, ask, is_absent),
        Ask::Sync(ask) => match group.scene(ctx) {
            Some(mut scene) => return scene.sync(caller, ask),
            None => return consumer::classic_sync(ctx, group, caller, ask),
        },
        Ask::Heartbeat(ask) => match group.scene(ctx) {
            Some(mut scene) => return scene.heartbeat(caller, &ask),
            None => return consumer::classic_heartbeat(ctx, group, caller, ask),
        },
        Ask::Leave(ask) => match group.scene(ctx) {
            Some(mut scene) => return scene.leave(caller, ask),
            None => return consumer::classic_leave(ctx, group, caller, ask),
        },
        Ask::ConsumerHeartbeat(ask) => return consumer::heartbeat(ctx, group, caller, ask),
        Ask::OffsetCommit(ask) => Answer::OffsetCommit(commits::commit(ctx, group, ask, is_absent)),
        Ask::TxnOffsetCommit(ask) => {
            Answer::TxnOffsetCommit(commits::commit_transactional(ctx, group, ask, is_absent))
        }
        Ask::OffsetFetch(ask) => Answer::OffsetFetch(commits::fetch(ctx, group, &ask)),
        Ask::OffsetDelete(ask) => Answer::OffsetDelete(commits::delete(ctx, group, ask, is_absent)),
        Ask::DeleteGroup(_) => Answer::DeleteGroup(delete(ctx, group, is_absent)),
        Ask::DescribeGroup(_) => Answer::DescribeGroup(describe(group, is_absent)),
        Ask::ConsumerDescribe(_) => Answer::ConsumerDescribe(match &group.kind {
            Kind::Consumer(_) => consumer::describe(ctx, group),
            Kind::Classic(_) => Err(not_found(group, "consumer", is_absent)),
        }),
        // Groups::handle answers it, since it asks no group in particular.
        Ask::ListGroups(_) => Answer::ListGroups(Vec::new()),
    };
    ctx.answer(caller, answer);
}

fn join(ctx: &mut Context<'_>, group: &mut Group, caller: Caller, ask: JoinAsk, is_absent: bool) {
    if let Kind::Consumer(consumer) = &group.kind {
        if !consumer::is_empty(consumer) {
            return consumer::classic_join(ctx, group, caller, ask);
        }
        // An empty consumer group becomes a classic one by whoever joins it so (KIP-848).
        consumer::tombstones(ctx, group);
    }
    if let Some(mut scene) = group.scene(ctx) {
        scene.join(caller, ask, is_absent);
    }
}

/// DeleteGroups: only groups without members go, and their offsets with them.
fn delete(ctx: &mut Context<'_>, group: &mut Group, is_absent: bool) -> Result<(), Refusal> {
    if is_absent {
        return Err(not_found(group, "", is_absent));
    }
    match &group.kind {
        Kind::Classic(classic) => classic.check_delete()?,
        Kind::Consumer(consumer) if consumer::is_empty(consumer) => {}
        Kind::Consumer(_) => return Err(ErrorCode::NonEmptyGroup.into()),
    }
    commits::forget_all(ctx, group);
    expiry::remove(ctx, group);
    Ok(())
}

fn describe(group: &Group, is_absent: bool) -> Result<ClassicDescription, Refusal> {
    match &group.kind {
        Kind::Classic(classic) if !is_absent => Ok(classic.describe()),
        _ => Err(not_found(group, "classic", is_absent)),
    }
}

fn not_found(group: &Group, kind: &str, is_absent: bool) -> Refusal {
    let text = if is_absent {
        format!("Group {} not found.", group.id)
    } else {
        format!("Group {} is not a {kind} group.", group.id)
    };
    Refusal::new(ErrorCode::GroupIdNotFound, text)
}
