//! Groups of the classic protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
//!
//! The way of a generation: members join and wait (`join.rs`); when all have, or time is up, the
//! generation gets its number, protocol and leader and everybody its answer (`rebalance.rs`); the
//! leader assigns, and that is what the log keeps (`sync.rs`); heartbeats keep sessions
//! (`session.rs`) until somebody comes, goes (`leave.rs`) or dies. Static members come back without
//! a rebalance (`replace.rs`, KIP-345).
//!
//! Invariants: a parked caller is answered exactly once, whatever becomes of its member; a record
//! is written for each assignment and for each time the group empties, so that a restart finds
//! either a stable group or an empty one.
//!
//! Start reading at `state.rs`, then `join.rs`.

mod check;
mod describe;
mod image;
mod join;
mod leave;
mod member;
mod rebalance;
mod replace;
mod session;
mod state;
mod sync;

use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;

pub(crate) use check::decode_subscription;
pub(crate) use member::Member;
pub(crate) use state::{ClassicGroup, State};

use base::ErrorCode;

use crate::context::Context;
use crate::group::Group;
use crate::timeline::{Timeline, TimelineCause, TimelineEvent};
use crate::timers::{TimerKey, TimerKind};
use crate::{Answer, Caller};

/// One input to one classic group.
pub(crate) struct Scene<'s, 'c> {
    pub(crate) ctx: &'s mut Context<'c>,
    pub(crate) id: &'s Arc<str>,
    pub(crate) group: &'s mut ClassicGroup,
    pub(crate) timeline: &'s mut Timeline,
}

impl Scene<'_, '_> {
    fn answer(&mut self, caller: Caller, answer: Answer) {
        self.ctx.answer(caller, answer);
    }

    fn now(&self) -> Duration {
        self.ctx.now.since_start
    }

    fn wall(&self) -> Timestamp {
        self.ctx.now.wall
    }

    fn note(&mut self, cause: TimelineCause, subject: &str, reason: &str) {
        self.timeline.note(TimelineEvent {
            at: self.wall(),
            generation: self.group.generation,
            cause,
            subject: subject.to_owned(),
            reason: reason.to_owned(),
        });
    }

    /// The name of a timer of this group, or of one of its members.
    fn timer(&self, member: &Arc<str>, kind: TimerKind) -> TimerKey {
        TimerKey {
            group: Arc::clone(self.id),
            member: Arc::clone(member),
            kind,
        }
    }

    fn group_timer(&self, kind: TimerKind) -> TimerKey {
        self.timer(self.ctx.no_member, kind)
    }

    fn set_group_timer(&mut self, kind: TimerKind, after: Duration) {
        let at = self.now().saturating_add(after);
        let key = self.group_timer(kind);
        self.ctx.timers.set(key, at);
    }

    fn cancel_group_timer(&mut self, kind: TimerKind) {
        let key = self.group_timer(kind);
        self.ctx.timers.cancel(&key);
    }

    /// A timer of this group, or of one of its members, has fired.
    pub(crate) fn fired(&mut self, key: &TimerKey) {
        match key.kind {
            TimerKind::Session => self.session_fired(&key.member),
            TimerKind::Join => self.join_time_is_up(),
            TimerKind::Sync => self.sync_time_is_up(),
            // Timers of the other protocol may outlive a conversion; they mean nothing here.
            TimerKind::Rebalance
            | TimerKind::Assignment
            | TimerKind::Regex
            | TimerKind::Transaction
            | TimerKind::Markers
            | TimerKind::Waiting => {}
        }
    }

    /// The group was read from its log, or came over from the other protocol: members get fresh
    /// sessions, whatever the clock did meanwhile.
    pub(crate) fn restore(&mut self) {
        self.group.restore();
        for id in self.group.member_ids() {
            self.renew_session(&id);
        }
        if self.group.members().len() > 0 {
            self.note(TimelineCause::Loaded, "", "");
        }
        if self.group.members().len() > self.ctx.config.members_max {
            self.prepare_rebalance();
        }
    }
}

impl Scene<'_, '_> {
    /// Sends everybody who waits back to join, and takes all timers back; the log is not touched.
    fn dismiss(&mut self) {
        self.give_up_syncs(ErrorCode::RebalanceInProgress);
        for id in self.group.member_ids() {
            if let Some(caller) = self.group.take_join(&id) {
                self.refuse_join(caller, &id, ErrorCode::RebalanceInProgress);
            }
            self.remove_member(&id);
        }
        self.forget_pending();
        self.cancel_group_timer(TimerKind::Join);
        self.cancel_group_timer(TimerKind::Sync);
        self.group.pending_sync.clear();
        self.group.initial = None;
        self.group.state = State::Empty;
    }

    /// The group is deleted, or has expired: nobody is in it, and the log says that it is gone.
    pub(crate) fn remove_group(&mut self) {
        assert!(
            self.group.members().len() == 0,
            "only an empty group is removed"
        );
        self.dismiss();
        if self.group.image.is_some() {
            self.write_tombstone();
        }
    }
}

/// The members leave this protocol for the other one: whoever waits is sent away with a code after
/// which clients join again. What the members are must be read before; the log is not touched.
pub(crate) fn dismiss(ctx: &mut Context<'_>, group: &mut Group) {
    if let Some(mut scene) = group.scene(ctx) {
        scene.dismiss();
    }
}

/// The members came from the other protocol, and the group's record was just written: they get
/// sessions, and a rebalance when `is_to_rebalance`.
pub(crate) fn resume(
    ctx: &mut Context<'_>,
    group: &mut Group,
    cause: (TimelineCause, &str),
    is_to_rebalance: bool,
) {
    let Some(mut scene) = group.scene(ctx) else {
        return;
    };
    scene.restore();
    scene.note(cause.0, cause.1, "");
    if is_to_rebalance {
        scene.rebalance_without();
    }
}
