//! Static members that come back under a new id (KIP-345, KIP-814).

use std::sync::Arc;

use base::ErrorCode;

use super::{Scene, State};
use crate::timeline::TimelineCause;
use crate::timers::TimerKind;
use crate::{Answer, Caller, JoinAsk, Refusal};

impl Scene<'_, '_> {
    /// The member `old` is known by its static name and joins without an id, as after a restart:
    /// it goes on as `new` with what it had.
    pub(super) fn replace_static(
        &mut self,
        caller: Caller,
        old: &Arc<str>,
        new: &Arc<str>,
        ask: JoinAsk,
    ) {
        let leader_before = self.group.leader.clone();
        self.rename(old, new);
        let timeouts_ms = (ask.session_timeout_ms, ask.rebalance_timeout_ms);
        self.group.set_wish(new, timeouts_ms, ask.protocols);
        self.park_join(new, caller);
        self.renew_session(new);
        let reason = ask.reason.unwrap_or_default();
        self.note(TimelineCause::Replaced, new, &reason);
        match self.group.state {
            State::Stable if self.group.select_protocol() == self.group.protocol => {
                // Nobody else need know, and the log must: the new id owns the assignment.
                self.write();
                self.answer_replaced(new, leader_before, ask.can_skip_assignment);
            }
            // The leader may already assign for the old id, so the new one would get nothing.
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(),
            State::PreparingRebalance => self.complete_if_all_joined(),
            State::Empty => {}
        }
    }

    /// Fences whoever waits under the old id, and passes everything else on to the new one.
    fn rename(&mut self, old: &Arc<str>, new: &Arc<str>) {
        let was_leader = self.group.is_leader(old);
        let was_pending_sync = self.group.pending_sync.contains(old);
        let key = self.timer(old, TimerKind::Session);
        self.ctx.timers.cancel(&key);
        let Some(mut member) = self.group.remove(old) else {
            return;
        };
        if let Some(fenced) = member.awaiting_join.take() {
            self.refuse_join(fenced, old, ErrorCode::FencedInstanceId);
        }
        if let Some(fenced) = member.awaiting_sync.take() {
            let refusal = Refusal::from(ErrorCode::FencedInstanceId);
            self.answer(fenced, Answer::Sync(Err(refusal)));
        }
        member.id = Arc::clone(new);
        member.session.timer_at = None;
        self.group.insert(member);
        if was_leader {
            self.group.leader = Some(Arc::clone(new));
        }
        if was_pending_sync {
            self.group.pending_sync.insert(Arc::clone(new));
        }
    }

    fn answer_replaced(&mut self, id: &str, leader_before: Option<Arc<str>>, can_skip: bool) {
        let is_leader = self.group.is_leader(id);
        let mut answer = self.join_answer(id, can_skip && is_leader);
        if can_skip {
            // KIP-814: the leader learns who is there, and that their assignment stands.
            answer.skip_assignment = is_leader;
        } else {
            // An older client that finds itself the leader would assign without being able to
            // sync; by the name of its former self it takes itself for a follower.
            answer.leader = leader_before.as_deref().unwrap_or_default().to_owned();
        }
        if let Some(caller) = self.group.take_join(id) {
            self.answer(caller, Answer::Join(Ok(answer)));
        }
        self.renew_session_of(id);
    }
}
