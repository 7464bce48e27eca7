//! From one generation to the next.

use std::sync::Arc;
use std::time::Duration;

use base::ErrorCode;
use wire::ConsumerOffsetsKey;
use wire::record::consumer_offsets_group_metadata::{
    GroupMetadataKey, GroupMetadataValue, MemberMetadata,
};

use super::image::VALUE_VERSION;
use super::{Member, Scene, State};
use crate::records;
use crate::timeline::TimelineCause;
use crate::timers::TimerKind;
use crate::{Answer, JoinAnswer, JoinMember, Refusal};

/// How long at least a generation waits for static members that stay away, before it looks again;
/// they may have asked for no time at all.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Scene<'_, '_> {
    /// Somebody joined or wants something else.
    pub(super) fn rebalance(&mut self) {
        match self.group.state {
            State::PreparingRebalance => self.complete_if_all_joined(),
            State::Empty | State::CompletingRebalance | State::Stable => self.prepare_rebalance(),
        }
    }

    /// Has everybody join again.
    pub(super) fn prepare_rebalance(&mut self) {
        assert!(
            self.group.state != State::PreparingRebalance,
            "a rebalance is prepared once"
        );
        if self.group.state == State::CompletingRebalance {
            self.give_up_syncs(ErrorCode::RebalanceInProgress);
        }
        self.cancel_group_timer(TimerKind::Sync);
        self.group.pending_sync.clear();
        let was_empty = self.group.state == State::Empty;
        self.group.state = State::PreparingRebalance;
        if was_empty {
            // Others will probably start at the same time; one rebalance may serve all.
            let delay = self.ctx.config.initial_rebalance_delay;
            self.group.begin_initial_delay(delay);
            self.set_group_timer(TimerKind::Join, delay);
        } else if self.group.have_all_joined() {
            self.complete_join();
        } else {
            let timeout = self.group.rebalance_timeout();
            self.set_group_timer(TimerKind::Join, timeout);
        }
    }

    /// The generation is made early when nobody is missing, unless the group was empty: then it
    /// waits for those who are not known yet.
    pub(super) fn complete_if_all_joined(&mut self) {
        assert!(
            self.group.state == State::PreparingRebalance,
            "only a rebalance is completed"
        );
        if self.group.initial.is_none() && self.group.have_all_joined() {
            self.complete_join();
        }
    }

    pub(super) fn join_time_is_up(&mut self) {
        if self.group.state != State::PreparingRebalance {
            return;
        }
        let delay_max = self.ctx.config.initial_rebalance_delay;
        if let Some(initial) = &mut self.group.initial
            && initial.was_joined
            && !initial.remaining.is_zero()
        {
            // Somebody came during the wait, so others may still be on their way.
            let spent = initial.delay;
            initial.was_joined = false;
            initial.delay = delay_max.min(initial.remaining);
            initial.remaining = initial.remaining.saturating_sub(spent);
            let delay = initial.delay;
            self.set_group_timer(TimerKind::Join, delay);
            return;
        }
        self.complete_join();
    }

    /// Makes the next generation of those who joined.
    fn complete_join(&mut self) {
        self.cancel_group_timer(TimerKind::Join);
        self.group.initial = None;
        self.remove_those_who_did_not_join();
        let somebody_joined = self.group.elect_joined_leader();
        if !somebody_joined && self.group.members().len() > 0 {
            // Static members may stay away for as long as their sessions last (KIP-345).
            let timeout = self.group.rebalance_timeout().max(LOOK_AGAIN);
            self.set_group_timer(TimerKind::Join, timeout);
            return;
        }
        self.group.advance();
        if self.group.members().len() == 0 {
            self.group.state = State::Empty;
            self.group.protocol = None;
            self.group.leader = None;
            self.note(TimelineCause::Completed, "", "without members");
            self.write();
            return;
        }
        let protocol = self.group.select_protocol();
        assert!(
            protocol.is_some(),
            "members were only let in with a protocol in common"
        );
        self.group.protocol = protocol;
        self.group.state = State::CompletingRebalance;
        self.group.pending_sync = self.group.member_ids().into_iter().collect();
        let timeout = self.group.rebalance_timeout();
        self.set_group_timer(TimerKind::Sync, timeout);
        let leader = self.group.leader.clone().unwrap_or_default();
        self.note(TimelineCause::Completed, &leader, "");
        self.answer_joins();
    }

    fn remove_those_who_did_not_join(&mut self) {
        if self.group.joined() == self.group.members().len() {
            return;
        }
        let absent = |member: &&Member| member.instance.is_none() && !member.is_awaiting_join();
        let absent: Vec<Arc<str>> = self
            .group
            .members()
            .filter(absent)
            .map(|member| Arc::clone(&member.id))
            .collect();
        for id in absent {
            self.note(TimelineCause::RebalanceExpired, &id, "");
            self.remove_member(&id);
        }
    }

    fn answer_joins(&mut self) {
        for id in self.group.member_ids() {
            let is_leader = self.group.is_leader(&id);
            let answer = self.join_answer(&id, is_leader);
            if let Some(member) = self.group.members.get_mut(&id) {
                member.is_new = false;
            }
            if let Some(caller) = self.group.take_join(&id) {
                self.answer(caller, Answer::Join(Ok(answer)));
            }
            self.renew_session(&id);
        }
    }

    /// What a member of the present generation is told.
    pub(super) fn join_answer(&self, id: &str, with_members: bool) -> JoinAnswer {
        let protocol = self.group.protocol.as_deref();
        let member = |member: &Member| JoinMember {
            member: member.id.to_string(),
            instance: member.instance.as_deref().map(str::to_owned),
            metadata: protocol
                .and_then(|protocol| member.metadata(protocol))
                .cloned()
                .unwrap_or_default(),
        };
        let members = if with_members {
            self.group.members().map(member).collect()
        } else {
            Vec::new()
        };
        JoinAnswer {
            generation: self.group.generation,
            protocol_type: self.group.protocol_type.as_deref().map(str::to_owned),
            protocol: protocol.map(str::to_owned),
            leader: self.group.leader.as_deref().unwrap_or_default().to_owned(),
            skip_assignment: false,
            member: id.to_owned(),
            members,
        }
    }

    /// Sends everybody who waits for an assignment back to join.
    pub(super) fn give_up_syncs(&mut self, code: ErrorCode) {
        self.group.assign(Vec::new());
        for id in self.group.member_ids() {
            let member = self.group.members.get_mut(&id);
            if let Some(caller) = member.and_then(|member| member.awaiting_sync.take()) {
                self.answer(caller, Answer::Sync(Err(Refusal::from(code))));
                self.renew_session(&id);
            }
        }
    }

    /// Some who joined never synced.
    pub(super) fn sync_time_is_up(&mut self) {
        if !matches!(self.group.state, State::CompletingRebalance | State::Stable) {
            return;
        }
        let silent = std::mem::take(&mut self.group.pending_sync);
        if silent.is_empty() {
            return;
        }
        for id in silent {
            self.note(TimelineCause::SyncExpired, &id, "");
            self.remove_member(&id);
        }
        self.prepare_rebalance();
    }

    /// Puts the group as it stands into the log.
    pub(super) fn write(&mut self) {
        let group = &*self.group;
        let value = GroupMetadataValue {
            protocol_type: group.protocol_type.as_deref().unwrap_or_default().into(),
            generation: group.generation,
            protocol: group.protocol.as_deref().map(Into::into),
            leader: group.leader.as_deref().map(Into::into),
            current_state_timestamp: self.ctx.now.wall.get(),
            members: group
                .members()
                .map(|member| written(member, group.protocol.as_deref()))
                .collect(),
        };
        let record = records::encode(&self.key(), Some((&value, VALUE_VERSION)));
        self.replay_own(record);
    }

    /// Puts into the log that there is a group, of which nothing else is settled yet.
    pub(super) fn write_unsettled(&mut self) {
        let value = GroupMetadataValue {
            protocol: None,
            leader: None,
            current_state_timestamp: self.ctx.now.wall.get(),
            ..GroupMetadataValue::default()
        };
        let record = records::encode(&self.key(), Some((&value, VALUE_VERSION)));
        self.replay_own(record);
    }

    /// Says in the log that there is no classic group of this name any more.
    pub(crate) fn write_tombstone(&mut self) {
        let record = records::encode(&self.key(), None);
        self.replay_own(record);
    }

    fn key(&self) -> ConsumerOffsetsKey<'static> {
        let group = self.id.to_string().into();
        ConsumerOffsetsKey::GroupMetadata(GroupMetadataKey { group })
    }

    fn replay_own(&mut self, record: crate::Record) {
        let replayed = self.group.replay(record.value.as_deref());
        assert!(replayed.is_ok(), "what was just encoded can be replayed");
        self.ctx.step.records.push(record);
    }
}

/// A member as the log keeps it.
fn written<'m>(member: &'m Member, protocol: Option<&str>) -> MemberMetadata<'m> {
    let subscription = protocol.and_then(|protocol| member.metadata(protocol));
    let subscription: &[u8] = subscription.map_or(&[], |bytes| bytes.as_ref());
    MemberMetadata {
        member_id: member.id.as_ref().into(),
        group_instance_id: member.instance.as_deref().map(Into::into),
        client_id: member.client_id.as_ref().into(),
        client_host: member.client_host.as_ref().into(),
        rebalance_timeout: member.rebalance_timeout_ms,
        session_timeout: member.session_timeout_ms,
        subscription: subscription.into(),
        assignment: member.assignment.as_ref().into(),
    }
}
