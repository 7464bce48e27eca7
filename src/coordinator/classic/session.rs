//! Signs of life: heartbeats, and what happens without them.

use std::sync::Arc;
use std::time::Duration;

use base::ErrorCode;

use super::{Scene, State};
use crate::timeline::TimelineCause;
use crate::timers::TimerKind;
use crate::{Answer, Caller, HeartbeatAsk, JoinRefusal, Refusal};

/// How long a new member may wait for its first generation: it cannot send heartbeats, and a client
/// that went away during a long rebalance must not stay for ever.
const NEW_MEMBER_JOIN: Duration = Duration::from_secs(300);

impl Scene<'_, '_> {
    pub(crate) fn heartbeat(&mut self, caller: Caller, ask: &HeartbeatAsk) {
        let result = self.check_heartbeat(ask);
        let result = result.map_err(Refusal::from);
        self.answer(caller, Answer::Heartbeat(result));
    }

    fn check_heartbeat(&mut self, ask: &HeartbeatAsk) -> Result<(), ErrorCode> {
        if ask.group.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        self.group.validate(&ask.member, ask.instance.as_deref())?;
        if ask.generation != self.group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        match self.group.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance => {
                self.renew_session_of(&ask.member);
                Err(ErrorCode::RebalanceInProgress)
            }
            // Members may beat before they have synced.
            State::CompletingRebalance | State::Stable => {
                self.renew_session_of(&ask.member);
                Ok(())
            }
        }
    }

    pub(crate) fn renew_session_of(&mut self, id: &str) {
        let Some(id) = self.group.member(id).map(|member| Arc::clone(&member.id)) else {
            return;
        };
        self.renew_session(&id);
    }

    /// The member is alive now.
    pub(super) fn renew_session(&mut self, id: &Arc<str>) {
        let timeout = self.group.session_timeout_of(id);
        self.session_for(id, timeout);
    }

    /// The member is new and has the time of its first join.
    pub(super) fn begin_session(&mut self, id: &Arc<str>) {
        self.session_for(id, NEW_MEMBER_JOIN);
    }

    fn session_for(&mut self, id: &Arc<str>, timeout: Duration) {
        let until = self.now().saturating_add(timeout);
        let Some(member) = self.group.members.get_mut(id) else {
            return;
        };
        member.session.until = until;
        // A timer that fires too early looks again; one that fires too late must be moved.
        if member.session.timer_at.is_none_or(|at| at > until) {
            member.session.timer_at = Some(until);
            let key = self.timer(id, TimerKind::Session);
            self.ctx.timers.set(key, until);
        }
    }

    pub(super) fn session_fired(&mut self, id: &Arc<str>) {
        let now = self.now();
        if self.group.pending.remove(id) {
            self.note(
                TimelineCause::SessionExpired,
                id,
                "its promised id was not used",
            );
            if self.group.state == State::PreparingRebalance {
                self.complete_if_all_joined();
            }
            return;
        }
        let Some(member) = self.group.members.get_mut(id) else {
            return;
        };
        member.session.timer_at = None;
        if member.is_excused() {
            return;
        }
        let until = member.session.until;
        if until > now {
            member.session.timer_at = Some(until);
            let key = self.timer(id, TimerKind::Session);
            self.ctx.timers.set(key, until);
            return;
        }
        self.note(TimelineCause::SessionExpired, id, "");
        self.remove_member(id);
        self.rebalance_without();
    }

    /// Removes a member, its timer, and whoever waits in its name.
    pub(super) fn remove_member(&mut self, id: &Arc<str>) {
        let key = self.timer(id, TimerKind::Session);
        self.ctx.timers.cancel(&key);
        let Some(mut member) = self.group.remove(id) else {
            return;
        };
        // The client, if it is still there, joins anew without an id.
        if let Some(caller) = member.awaiting_join.take() {
            self.refuse_join(caller, "", ErrorCode::UnknownMemberId);
        }
        if let Some(caller) = member.awaiting_sync.take() {
            let refusal = Refusal::from(ErrorCode::UnknownMemberId);
            self.answer(caller, Answer::Sync(Err(refusal)));
        }
    }

    pub(super) fn refuse_join(&mut self, caller: Caller, member: &str, code: ErrorCode) {
        let refusal = JoinRefusal {
            refusal: code.into(),
            member: member.to_owned(),
        };
        self.answer(caller, Answer::Join(Err(refusal)));
    }

    /// Forgets all ids that were given out and not used.
    pub(super) fn forget_pending(&mut self) {
        for id in std::mem::take(&mut self.group.pending) {
            let key = self.timer(&id, TimerKind::Session);
            self.ctx.timers.cancel(&key);
        }
    }

    /// Forgets an id that was given out and not used.
    pub(super) fn remove_pending(&mut self, id: &str) -> bool {
        let Some(id) = self.group.pending.take(id) else {
            return false;
        };
        let key = self.timer(&id, TimerKind::Session);
        self.ctx.timers.cancel(&key);
        true
    }

    /// Members have gone: the others share anew.
    pub(super) fn rebalance_without(&mut self) {
        match self.group.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(),
            State::PreparingRebalance => self.complete_if_all_joined(),
            State::Empty => {}
        }
    }
}
