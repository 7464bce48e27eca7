//! LeaveGroup: members go, or an administrator has them go (KIP-345, KIP-800).

use std::sync::Arc;

use base::ErrorCode;

use super::Scene;
use crate::timeline::TimelineCause;
use crate::{Answer, Caller, LeaveAsk, LeavingMember, LeftMember};

impl Scene<'_, '_> {
    pub(crate) fn leave(&mut self, caller: Caller, ask: LeaveAsk) {
        if ask.group.is_empty() {
            let refusal = ErrorCode::InvalidGroupId.into();
            self.answer(caller, Answer::Leave(Err(refusal)));
            return;
        }
        let mut left = Vec::with_capacity(ask.members.len());
        let mut somebody_left = false;
        for member in ask.members {
            let result = self.leave_one(&member);
            somebody_left |= result.is_ok();
            left.push(LeftMember {
                member: member.member,
                instance: member.instance,
                result: result.map_err(Into::into),
            });
        }
        if somebody_left {
            self.rebalance_without();
        }
        self.answer(caller, Answer::Leave(Ok(left)));
    }

    fn leave_one(&mut self, leaving: &LeavingMember) -> Result<(), ErrorCode> {
        let instance = leaving.instance.as_deref();
        if !leaving.member.is_empty() && self.remove_pending(&leaving.member) {
            return Ok(());
        }
        let id: Arc<str> = if leaving.member.is_empty() {
            // Administrators know static members by their names alone.
            let known = instance.and_then(|name| self.group.statics.get(name));
            Arc::clone(known.ok_or(ErrorCode::UnknownMemberId)?)
        } else {
            self.group.validate(&leaving.member, instance)?;
            leaving.member.as_str().into()
        };
        let reason = leaving.reason.as_deref().unwrap_or_default();
        self.note(TimelineCause::Left, &id, reason);
        self.remove_member(&id);
        Ok(())
    }
}
