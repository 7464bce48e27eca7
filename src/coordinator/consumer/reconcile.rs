//! How a member comes from what it holds to what it shall hold (KIP-848).
//!
//! A member first gives back what it shall no longer hold, staying in its epoch until it says that
//! it has; then it enters the epoch of the target and gets what is free, then the rest as others
//! let go. The members of a group take these steps independently of each other.
//!
//! Invariant: a partition is added only when nobody else holds it or still has to give it back.

use base::Uuid;

use super::member::{MemberAssignment, MemberState};
use super::partitions::{Held, Partitions};
use crate::TopicIdPartitions;
use crate::planted::{Planted, planted};

/// What a member shall come to.
pub(super) struct Goal<'a> {
    pub(super) target: &'a Partitions,
    /// The epoch of the target.
    pub(super) epoch: i32,
    /// Whether the member wants this topic.
    pub(super) wants: &'a dyn Fn(Uuid) -> bool,
    /// Whether another member holds this partition.
    pub(super) is_held: &'a dyn Fn(Uuid, i32) -> bool,
    /// What the member says it owns, if it says so.
    pub(super) owned: Option<&'a [TopicIdPartitions]>,
    /// The member wants something else than before.
    pub(super) wants_changed: bool,
    pub(super) planted: Planted,
}

/// The next place of a member; the same one when nothing can be done yet.
pub(super) fn reconcile(current: &MemberAssignment, goal: &Goal<'_>) -> MemberAssignment {
    match current.state {
        MemberState::Stable if current.epoch != goal.epoch => next(current, goal),
        MemberState::Stable if goal.wants_changed => shrink(current, goal),
        MemberState::Stable => current.clone(),
        MemberState::UnrevokedPartitions if !owns_any(goal, &current.revoking) => {
            next(current, goal)
        }
        MemberState::UnrevokedPartitions if goal.wants_changed => shrink(current, goal),
        MemberState::UnrevokedPartitions => current.clone(),
        MemberState::UnreleasedPartitions | MemberState::Unknown => next(current, goal),
    }
}

/// A member that does not say what it owns may own everything still.
fn owns_any(goal: &Goal<'_>, partitions: &Held) -> bool {
    goal.owned.is_none_or(|owned| partitions.touches(owned))
}

/// Takes away the topics that the member no longer wants, without a new target.
fn shrink(current: &MemberAssignment, goal: &Goal<'_>) -> MemberAssignment {
    let mut shrunk = current.clone();
    for (topic, _) in current.assigned.topics() {
        if !(goal.wants)(topic) {
            shrunk.assigned.move_topic(topic, &mut shrunk.revoking);
        }
    }
    if shrunk == *current {
        return shrunk;
    }
    shrunk.advance(current.epoch);
    if owns_any(goal, &shrunk.revoking) {
        shrunk.state = MemberState::UnrevokedPartitions;
    } else {
        shrunk.revoking = current.revoking.clone();
    }
    shrunk
}

/// Goes on towards the target as far as possible.
fn next(current: &MemberAssignment, goal: &Goal<'_>) -> MemberAssignment {
    let wanted =
        |topic: Uuid, partition: i32| goal.target.contains(topic, partition) && (goal.wants)(topic);
    let (mut assigned, mut revoking) = (Held::default(), Held::default());
    for (topic, partition, epoch) in current.assigned.iter() {
        let kept = wanted(topic, partition);
        let place = if kept { &mut assigned } else { &mut revoking };
        place.insert(topic, partition, epoch);
    }
    let mut step = current.clone();
    if !revoking.is_empty() && owns_any(goal, &revoking) {
        step.advance(current.epoch);
        step.state = MemberState::UnrevokedPartitions;
        step.assigned = assigned;
        step.revoking = revoking;
        return step;
    }
    let mut waits = false;
    for (topic, partition) in goal.target.iter() {
        if assigned.contains(topic, partition) || !(goal.wants)(topic) {
            continue;
        }
        if (goal.is_held)(topic, partition) && !planted!(goal.planted, UnreleasedAssigned) {
            waits = true;
        } else {
            assigned.insert(topic, partition, goal.epoch);
        }
    }
    step.advance(goal.epoch);
    step.state = if waits {
        MemberState::UnreleasedPartitions
    } else {
        MemberState::Stable
    };
    step.assigned = assigned;
    step.revoking = Held::default();
    step
}
