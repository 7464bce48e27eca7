//! JoinGroup: who may be in the next generation.

use std::sync::Arc;

use base::{ErrorCode, Uuid};

use super::member::{Session, protocol_bytes};
use super::{Member, Scene, State};
use crate::timeline::TimelineCause;
use crate::timers::TimerKind;
use crate::{Answer, Caller, JoinAsk};

/// What all members of a group together may leave here under their protocols.
const METADATA_BYTES_MAX: usize = 16 << 20;
/// How many promised ids a group may have at one time.
const PENDING_MAX: usize = 100_000;

impl Scene<'_, '_> {
    /// `is_absent`: nothing at all was known of this group before.
    pub(crate) fn join(&mut self, caller: Caller, ask: JoinAsk, is_absent: bool) {
        let member = ask.member.clone();
        if let Err((code, id)) = self.admit(caller, ask, is_absent) {
            self.refuse_join(caller, &id.unwrap_or(member), code);
        }
        let is_group = self.group.members().len() > 0 || !self.group.pending.is_empty();
        if self.group.image.is_none() && is_group {
            // The group exists from now on, also after a restart.
            self.write_unsettled();
        }
    }

    /// Parks or answers the caller, or refuses it; a refusal may bring another id than the ask's.
    fn admit(
        &mut self,
        caller: Caller,
        ask: JoinAsk,
        is_absent: bool,
    ) -> Result<(), (ErrorCode, Option<String>)> {
        self.check_join(&ask, is_absent)
            .map_err(|code| (code, None))?;
        if !self.has_room_for(&ask) {
            self.remove_pending(&ask.member);
            return Err((ErrorCode::GroupMaxSizeReached, Some(String::new())));
        }
        if !self.group.supports(&ask.protocol_type, &ask.protocols) {
            return Err((ErrorCode::InconsistentGroupProtocol, None));
        }
        if ask.member.is_empty() {
            self.join_new(caller, ask)
        } else if self.group.pending.contains(ask.member.as_str()) {
            self.join_pending(caller, ask)
        } else {
            self.join_known(caller, ask)
        }
    }

    fn check_join(&self, ask: &JoinAsk, is_absent: bool) -> Result<(), ErrorCode> {
        let config = self.ctx.config;
        let sessions = config.session_timeout_ms_min..=config.session_timeout_ms_max;
        if ask.group.is_empty() {
            Err(ErrorCode::InvalidGroupId)
        } else if !sessions.contains(&ask.session_timeout_ms) {
            Err(ErrorCode::InvalidSessionTimeout)
        } else if is_absent && !ask.member.is_empty() {
            // An id comes from a group; where there is none, it is stale.
            Err(ErrorCode::UnknownMemberId)
        } else {
            Ok(())
        }
    }

    /// During a rebalance only those who came (back) count, so that whoever is first fills the
    /// group; otherwise members have their place.
    fn has_room_for(&self, ask: &JoinAsk) -> bool {
        let members_max = self.ctx.config.members_max;
        let by_name = ask.instance.as_deref();
        let by_name = by_name.and_then(|name| self.group.statics.get(name));
        // A static member that comes back has its place, too.
        let known = self.group.member(by_name.map_or(&ask.member, |id| id));
        let known_bytes = known.map_or(0, Member::bytes);
        let bytes = self.group.bytes() - known_bytes + protocol_bytes(&ask.protocols);
        if bytes > METADATA_BYTES_MAX {
            return false;
        }
        match self.group.state {
            State::Empty => self.group.pending.len() < PENDING_MAX,
            State::PreparingRebalance => {
                known.is_some_and(Member::is_awaiting_join) || self.group.joined() < members_max
            }
            State::CompletingRebalance | State::Stable => {
                known.is_some() || self.group.members().len() < members_max
            }
        }
    }

    fn join_new(
        &mut self,
        caller: Caller,
        ask: JoinAsk,
    ) -> Result<(), (ErrorCode, Option<String>)> {
        let name = ask.instance.as_deref().unwrap_or(&ask.client_id);
        let id: Arc<str> = format!("{name}-{}", hexadecimal(ask.fresh)).into();
        if self.group.member(&id).is_some() || self.group.pending.contains(&id) {
            // The host drew one number twice; the client draws again by asking again.
            return Err((ErrorCode::CoordinatorNotAvailable, None));
        }
        let known = ask
            .instance
            .as_deref()
            .and_then(|name| self.group.statics.get(name));
        if let Some(known) = known.cloned() {
            self.replace_static(caller, &known, &id, ask);
            return Ok(());
        }
        if ask.instance.is_none() && ask.needs_known_member {
            // KIP-394: a client that never comes back must not cost a rebalance.
            if self.group.pending.len() >= PENDING_MAX {
                return Err((ErrorCode::GroupMaxSizeReached, None));
            }
            let timeout = super::member::milliseconds(ask.session_timeout_ms);
            let at = self.now().saturating_add(timeout);
            let key = self.timer(&id, TimerKind::Session);
            self.ctx.timers.set(key, at);
            self.group.pending.insert(Arc::clone(&id));
            return Err((ErrorCode::MemberIdRequired, Some(id.to_string())));
        }
        self.add_member(caller, &id, ask);
        Ok(())
    }

    fn join_pending(
        &mut self,
        caller: Caller,
        ask: JoinAsk,
    ) -> Result<(), (ErrorCode, Option<String>)> {
        if ask.instance.is_some() {
            // Static members never get a promised id, so this one is somebody else's.
            return Err((ErrorCode::UnknownMemberId, None));
        }
        let id: Arc<str> = ask.member.as_str().into();
        let existed = self.remove_pending(&id);
        assert!(existed, "the caller saw it");
        self.add_member(caller, &id, ask);
        Ok(())
    }

    fn add_member(&mut self, caller: Caller, id: &Arc<str>, ask: JoinAsk) {
        if self.group.members().len() == 0 {
            self.group.protocol_type = Some(ask.protocol_type.as_str().into());
        }
        if let Some(initial) = &mut self.group.initial {
            initial.was_joined = true;
        }
        let reason = ask.reason.unwrap_or_default();
        self.group.insert(Member {
            id: Arc::clone(id),
            instance: ask.instance.as_deref().map(Arc::from),
            client_id: ask.client_id.into(),
            client_host: ask.client_host.into(),
            session_timeout_ms: ask.session_timeout_ms,
            rebalance_timeout_ms: ask.rebalance_timeout_ms,
            protocols: ask.protocols,
            assignment: Arc::from([]),
            is_new: true,
            session: Session::default(),
            awaiting_join: None,
            awaiting_sync: None,
        });
        let before = self.group.park_join(id, caller);
        assert!(before.is_none(), "a new member has nobody waiting");
        self.begin_session(id);
        self.note(TimelineCause::Joined, id, &reason);
        self.rebalance();
    }

    fn join_known(
        &mut self,
        caller: Caller,
        ask: JoinAsk,
    ) -> Result<(), (ErrorCode, Option<String>)> {
        self.group
            .validate(&ask.member, ask.instance.as_deref())
            .map_err(|code| (code, None))?;
        let is_leader = self.group.is_leader(&ask.member);
        let is_same = self
            .group
            .member(&ask.member)
            .is_some_and(|member| member.protocols == ask.protocols);
        match self.group.state {
            // It may not have got the answer; everybody else has it, so it stands.
            State::CompletingRebalance if is_same => {
                let answer = self.join_answer(&ask.member, is_leader);
                self.answer(caller, Answer::Join(Ok(answer)));
            }
            // A leader joins again to have things shared anew; a follower needs a change for it.
            State::Stable if is_same && !is_leader => {
                let answer = self.join_answer(&ask.member, false);
                self.answer(caller, Answer::Join(Ok(answer)));
            }
            State::Empty => return Err((ErrorCode::UnknownMemberId, None)),
            State::PreparingRebalance => self.join_again(caller, ask),
            State::CompletingRebalance | State::Stable => {
                let reason = ask.reason.clone().unwrap_or_default();
                self.note(TimelineCause::Rejoined, &ask.member, &reason);
                self.join_again(caller, ask);
            }
        }
        Ok(())
    }

    fn join_again(&mut self, caller: Caller, ask: JoinAsk) {
        let timeouts_ms = (ask.session_timeout_ms, ask.rebalance_timeout_ms);
        self.group.set_wish(&ask.member, timeouts_ms, ask.protocols);
        self.park_join(&ask.member, caller);
        self.rebalance();
    }

    /// Parks the caller; one who was parked before for the same member has given up or is a
    /// stranger, and is sent away with a code after which clients join again.
    pub(super) fn park_join(&mut self, id: &str, caller: Caller) {
        if let Some(before) = self.group.park_join(id, caller) {
            self.refuse_join(before, id, ErrorCode::RebalanceInProgress);
        }
    }
}

/// An id as Java prints it, which tools know from member ids.
fn hexadecimal(fresh: Uuid) -> String {
    let digits = format!("{:032x}", fresh.0);
    let mut text = String::with_capacity(36);
    for (index, digit) in digits.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}
