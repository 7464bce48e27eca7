//! What a group as a whole wants, and when that calls for another group epoch.

use super::{emit, of, of_mut};
use crate::context::Context;
use crate::group::Group;
use crate::timeline::{TimelineCause, TimelineEvent};

/// A number that stands for the ids and sizes of the topics that the group wants and that exist:
/// another number means that the assignment must be made anew. Zero when there are none.
pub(super) fn metadata_hash(ctx: &Context<'_>, group: &Group) -> i64 {
    let mut hash = 0_u64;
    for name in of(group).wanted() {
        if let Some(topic) = ctx.topics.get(name) {
            // Ids are random, and a topic keeps its id and name together.
            let [high, low] = [64, 0].map(|shift| {
                u64::try_from((topic.id.0 >> shift) & u128::from(u64::MAX)).unwrap_or(0)
            });
            for word in [high, low, u64::from(topic.partitions.unsigned_abs())] {
                hash = base::Random::salted(hash, word).next_u64();
            }
        }
    }
    i64::from_be_bytes(hash.to_be_bytes())
}

/// A new group counts from here, as in Kafka: the first epoch that anybody sees is the next one.
const EPOCH_OF_NEW: i32 = 1;

/// Begins another group epoch: the next heartbeat that may, makes another target assignment.
pub(super) fn bump(ctx: &mut Context<'_>, group: &mut Group) {
    let hash = metadata_hash(ctx, group);
    let epoch = of(group).epoch.max(EPOCH_OF_NEW).saturating_add(1);
    emit::epoch(ctx, group, epoch, hash);
    if of(group).has_partition_metadata {
        emit::partition_metadata_gone(ctx, group);
    }
    of_mut(group).is_stale = false;
}

/// Begins another group epoch if topics that the group wants changed since the last one.
pub(super) fn bump_if_stale(ctx: &mut Context<'_>, group: &mut Group) -> bool {
    if !of(group).is_stale {
        return false;
    }
    of_mut(group).is_stale = false;
    if metadata_hash(ctx, group) == of(group).metadata_hash {
        return false;
    }
    bump(ctx, group);
    note(ctx, group, TimelineCause::TopicsChanged, "", "");
    true
}

/// Puts an event into the group's timeline.
pub(super) fn note(
    ctx: &Context<'_>,
    group: &mut Group,
    cause: TimelineCause,
    subject: &str,
    reason: &str,
) {
    let event = TimelineEvent {
        at: ctx.now.wall,
        generation: of(group).epoch,
        cause,
        subject: subject.to_owned(),
        reason: reason.to_owned(),
    };
    group.timeline.note(event);
}
