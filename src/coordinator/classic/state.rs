//! A classic group: its members, its generation, and the counts that make questions cheap.
//!
//! Invariants: `supported` counts the members that know each protocol; `joined` counts the members
//! that await a join; `statics` names exactly the members that have an instance; a pending id is no
//! member; the leader is a member. All of them are kept by the functions of this file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base::{ErrorCode, Timestamp};

use super::image::Image;
use super::member::{Member, Session, milliseconds};
use crate::{Caller, JoinProtocol, Opaque, ReplayError};

/// Where a classic group stands between two generations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// No members.
    #[default]
    Empty,
    /// Waits for members to join the next generation.
    PreparingRebalance,
    /// The generation is made; waits for the leader's assignment.
    CompletingRebalance,
    /// Everybody can have its assignment.
    Stable,
}

impl State {
    /// Kafka's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// The wait of a group that was empty (`group.initial.rebalance.delay.ms`).
#[derive(Clone, Copy, Debug)]
pub(super) struct InitialDelay {
    /// How long the present wait is.
    pub(super) delay: Duration,
    /// How much longer the wait may be made.
    pub(super) remaining: Duration,
    /// Whether somebody joined during the present wait.
    pub(super) was_joined: bool,
}

/// A classic group, or a simple one that only keeps offsets.
#[derive(Debug, Default)]
pub(crate) struct ClassicGroup {
    /// What the log says.
    pub(crate) image: Option<Image>,
    pub(crate) state: State,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) leader: Option<Arc<str>>,
    pub(super) members: BTreeMap<Arc<str>, Member>,
    pub(super) statics: BTreeMap<Arc<str>, Arc<str>>,
    /// Ids that were given out and not yet used to join (KIP-394).
    pub(super) pending: BTreeSet<Arc<str>>,
    pub(super) pending_sync: BTreeSet<Arc<str>>,
    pub(super) initial: Option<InitialDelay>,
    supported: BTreeMap<String, usize>,
    joined: usize,
    bytes: usize,
}

impl ClassicGroup {
    /// Applies a record of kind 2.
    pub(crate) fn replay(&mut self, value: Option<&[u8]>) -> Result<(), ReplayError> {
        self.image = value.map(Image::decode).transpose()?;
        Ok(())
    }

    /// True when nothing tells of a group: no record, no member, no promised id.
    pub(crate) fn is_void(&self) -> bool {
        self.image.is_none() && self.is_empty()
    }

    /// True when the log tells of a group that nobody is in or on the way to.
    pub(crate) fn is_deserted(&self) -> bool {
        self.image.is_some() && self.state == State::Empty && self.is_empty()
    }

    /// True when nobody is in the group or on the way to it.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    /// Makes the live state from the durable one; timers are set by the caller.
    pub(crate) fn restore(&mut self) {
        assert!(self.members.is_empty(), "a group is restored once");
        let Some(image) = self.image.clone() else {
            return;
        };
        self.generation = image.generation;
        self.protocol_type = image.protocol_type;
        self.protocol.clone_from(&image.protocol);
        for member in image.members {
            // Another program may have written what ours never does: one member twice.
            if self.members.contains_key(&member.id) {
                continue;
            }
            let protocol = image.protocol.as_deref().unwrap_or_default();
            self.insert(Member {
                id: member.id,
                instance: member.instance,
                client_id: member.client_id,
                client_host: member.client_host,
                session_timeout_ms: member.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols: vec![JoinProtocol {
                    name: protocol.to_owned(),
                    metadata: member.subscription,
                }],
                assignment: member.assignment,
                is_new: false,
                session: Session::default(),
                awaiting_join: None,
                awaiting_sync: None,
            });
        }
        // A record of another program may name a leader that is no member; ours never does.
        if let Some(leader) = image.leader.filter(|id| self.members.contains_key(id)) {
            self.leader = Some(leader);
        }
        self.state = if self.members.is_empty() {
            State::Empty
        } else {
            State::Stable
        };
    }

    /// Since when the group has had no members, for the expiry of its offsets. An emptied group has
    /// a record of it, as soon as the generation without members is made.
    pub(crate) fn empty_since(&self) -> Option<Timestamp> {
        let image = self.image.as_ref()?;
        (image.state_since != Timestamp::NONE).then_some(image.state_since)
    }

    pub(crate) fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    pub(crate) fn member_ids(&self) -> Vec<Arc<str>> {
        self.members.keys().cloned().collect()
    }

    /// Bytes of clients that the members keep here.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    pub(super) fn insert(&mut self, member: Member) {
        assert!(
            !self.pending.contains(&member.id),
            "a pending id is no member"
        );
        self.count(&member.protocols, true);
        self.bytes += member.bytes();
        self.joined += usize::from(member.is_awaiting_join());
        if let Some(instance) = &member.instance {
            self.statics
                .insert(Arc::clone(instance), Arc::clone(&member.id));
        }
        if self.leader.is_none() {
            self.leader = Some(Arc::clone(&member.id));
        }
        let before = self.members.insert(Arc::clone(&member.id), member);
        assert!(before.is_none(), "a member is added once");
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        self.count(&member.protocols, false);
        self.bytes -= member.bytes();
        self.joined -= usize::from(member.is_awaiting_join());
        if let Some(instance) = &member.instance
            && self.statics.get(instance) == Some(&member.id)
        {
            self.statics.remove(instance);
        }
        self.pending_sync.remove(id);
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// A member joins again: what it wants now, and who waits for the answer.
    pub(super) fn set_wish(
        &mut self,
        id: &str,
        timeouts_ms: (i32, i32),
        protocols: Vec<JoinProtocol>,
    ) {
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        self.count(&member.protocols, false);
        self.bytes -= member.bytes();
        (member.session_timeout_ms, member.rebalance_timeout_ms) = timeouts_ms;
        member.protocols = protocols;
        self.count(&member.protocols, true);
        self.bytes += member.bytes();
        self.members.insert(Arc::clone(&member.id), member);
    }

    /// Parks a caller until the generation is made; the caller parked before comes back.
    pub(super) fn park_join(&mut self, id: &str, caller: Caller) -> Option<Caller> {
        let member = self.members.get_mut(id)?;
        let before = member.awaiting_join.replace(caller);
        self.joined += usize::from(before.is_none());
        before
    }

    pub(super) fn take_join(&mut self, id: &str) -> Option<Caller> {
        let caller = self.members.get_mut(id)?.awaiting_join.take()?;
        self.joined -= 1;
        Some(caller)
    }

    pub(super) fn have_all_joined(&self) -> bool {
        self.joined == self.members.len() && self.pending.is_empty()
    }

    pub(super) fn joined(&self) -> usize {
        self.joined
    }

    /// The longest time that any member may take for joining.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members().map(Member::rebalance_timeout);
        timeouts.max().unwrap_or_default()
    }

    fn count(&mut self, protocols: &[JoinProtocol], is_added: bool) {
        // A protocol named twice by one member counts once.
        let names: BTreeSet<&str> = protocols.iter().map(|one| one.name.as_str()).collect();
        for name in names {
            if is_added {
                *self.supported.entry(name.to_owned()).or_default() += 1;
            } else if let Some(count) = self.supported.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.supported.remove(name);
                }
            }
        }
    }

    /// Whether somebody with these protocols can be in one generation with the present members.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[JoinProtocol]) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let count = self.members.len();
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols
                .iter()
                .any(|known| self.supported.get(&known.name).copied().unwrap_or(0) == count)
    }

    /// The protocol that all members know and most prefer; among equals the one that the leader
    /// likes best.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let count = self.members.len();
        let is_candidate = |name: &str| self.supported.get(name) == Some(&count);
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members() {
            let names = member.protocols.iter().map(|known| known.name.as_str());
            if let Some(vote) = names.into_iter().find(|name| is_candidate(name)) {
                *votes.entry(vote).or_default() += 1;
            }
        }
        let leader = self.leader.as_deref().and_then(|id| self.member(id))?;
        let rank = |name: &str| leader.protocols.iter().position(|known| known.name == name);
        let best = votes
            .iter()
            .max_by_key(|(name, count)| (**count, std::cmp::Reverse(rank(name))))?;
        Some(Arc::from(*best.0))
    }

    /// Whether this is a member under this id and name (KIP-345).
    pub(super) fn validate(&self, id: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.statics.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(known) if known.as_ref() != id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(id) {
            Ok(())
        } else {
            Err(ErrorCode::UnknownMemberId)
        }
    }

    /// Makes a member that joined the leader, if none of them is. False when nobody joined.
    pub(super) fn elect_joined_leader(&mut self) -> bool {
        let leader = self.leader.as_deref().and_then(|id| self.member(id));
        if leader.is_some_and(Member::is_awaiting_join) {
            return true;
        }
        let joined = self.members().find(|member| member.is_awaiting_join());
        let Some(joined) = joined.map(|member| Arc::clone(&member.id)) else {
            return false;
        };
        self.leader = Some(joined);
        true
    }

    /// Gives each member what the leader assigned to it, and nothing to the others.
    pub(super) fn assign(&mut self, assignments: Vec<(String, Opaque)>) {
        let nothing: Opaque = Arc::from([]);
        for member in self.members.values_mut() {
            member.assignment = Arc::clone(&nothing);
        }
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(id.as_str()) {
                member.assignment = assignment;
            }
        }
    }

    /// The next generation's number.
    pub(super) fn advance(&mut self) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
    }

    /// The wait of the group that was empty, in which a member may still ask for more time.
    pub(super) fn begin_initial_delay(&mut self, delay: Duration) {
        let remaining = self.rebalance_timeout().saturating_sub(delay);
        self.initial = Some(InitialDelay {
            delay,
            remaining,
            was_joined: false,
        });
    }

    pub(super) fn session_timeout_of(&self, id: &str) -> Duration {
        let member = self.members.get(id);
        member.map_or(milliseconds(0), Member::session_timeout)
    }
}
