//! SyncGroup: the leader's assignment becomes the group's.

use std::sync::Arc;

use base::ErrorCode;

use super::{Scene, State};
use crate::timers::TimerKind;
use crate::{Answer, Caller, Opaque, Refusal, SyncAnswer, SyncAsk};

/// What a leader may assign in all.
const ASSIGNMENT_BYTES_MAX: usize = 16 << 20;

impl Scene<'_, '_> {
    pub(crate) fn sync(&mut self, caller: Caller, ask: SyncAsk) {
        if let Err(code) = self.check_sync(&ask) {
            self.answer(caller, Answer::Sync(Err(code.into())));
            return;
        }
        self.group.pending_sync.remove(ask.member.as_str());
        if self.group.pending_sync.is_empty() {
            self.cancel_group_timer(TimerKind::Sync);
        }
        if self.group.state == State::Stable {
            self.answer_sync(caller, &ask.member);
            self.renew_session_of(&ask.member);
            return;
        }
        self.park_sync(&ask.member, caller);
        if self.group.is_leader(&ask.member) {
            self.settle(ask.assignments);
        }
    }

    fn check_sync(&self, ask: &SyncAsk) -> Result<(), ErrorCode> {
        if ask.group.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        self.group.validate(&ask.member, ask.instance.as_deref())?;
        if ask.generation != self.group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |asked: &Option<String>, is: &Option<Arc<str>>| {
            asked.is_some() && asked.as_deref() != is.as_deref()
        };
        if differs(&ask.protocol_type, &self.group.protocol_type)
            || differs(&ask.protocol, &self.group.protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.group.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    fn park_sync(&mut self, id: &str, caller: Caller) {
        let member = self.group.members.get_mut(id);
        let before = member.and_then(|member| member.awaiting_sync.replace(caller));
        if let Some(before) = before {
            let refusal = Refusal::from(ErrorCode::RebalanceInProgress);
            self.answer(before, Answer::Sync(Err(refusal)));
        }
    }

    /// The assignment is known: it goes to the log, and to everybody who waits for it.
    fn settle(&mut self, assignments: Vec<(String, Opaque)>) {
        let bytes: usize = assignments.iter().map(|(_, bytes)| bytes.len()).sum();
        if bytes > ASSIGNMENT_BYTES_MAX {
            // Nobody can use what cannot be kept; Kafka answers a record too large like this.
            self.give_up_syncs(ErrorCode::UnknownServerError);
            self.prepare_rebalance();
            return;
        }
        self.group.assign(assignments);
        self.group.state = State::Stable;
        self.write();
        for id in self.group.member_ids() {
            let member = self.group.members.get_mut(&id);
            if let Some(caller) = member.and_then(|member| member.awaiting_sync.take()) {
                self.answer_sync(caller, &id);
                self.renew_session(&id);
            }
        }
    }

    fn answer_sync(&mut self, caller: Caller, id: &str) {
        let assignment = self
            .group
            .member(id)
            .map(|member| Arc::clone(&member.assignment));
        let answer = SyncAnswer {
            protocol_type: self.group.protocol_type.as_deref().map(str::to_owned),
            protocol: self.group.protocol.as_deref().map(str::to_owned),
            assignment: assignment.unwrap_or_default(),
        };
        self.answer(caller, Answer::Sync(Ok(answer)));
    }
}
