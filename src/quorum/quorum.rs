//! One voter: input in, work out.
//!
//! Lifecycle: `new` over what the disk holds, then any interleaving of `tick`, `step`, `propose`,
//! each followed by `poll_ready` until it returns nothing; `persisted` once per ready, in order.
//! Invariants: messages that give a promise leave only after the ready that holds the promise was
//! persisted; committed entries are handed out once per incarnation, in order, without a gap.

use crate::cache::Cache;
use crate::convert;
use crate::election::Patience;
use crate::entry::{Entry, EntryKind, HardState, Index, SnapshotMark, VoterChange};
use crate::error::{ProposeError, RecoverError, StepError};
use crate::message::Message;
use crate::ready::{Ready, Role};
use crate::recovered::Recovered;
use crate::validate::{self, View};
use base::{LeaderEpoch, NodeId, Offset};
use raft::eraftpb;
use raft::{RawNode, StateRole};

/// How one voter behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// This voter.
    pub node_id: NodeId,
    /// All voters at the very beginning, this one included; a snapshot's voters override them.
    pub voters: Vec<NodeId>,
    /// Ticks without a leader before a voter may campaign; up to twice as many, drawn at random.
    pub election_ticks: u32,
    /// Ticks between a leader's heartbeats; below `election_ticks`.
    pub heartbeat_ticks: u32,
    /// The source of election timeouts; must differ between voters.
    pub seed: u64,
    /// The largest payload of one proposal.
    pub payload_bytes_max: u32,
    /// Proposed and not yet committed bytes beyond which proposals are refused.
    pub uncommitted_bytes_max: u32,
    /// Entries kept in memory behind a snapshot, for followers that lag a little.
    pub trailing_entries_max: u64,
}

impl Options {
    /// The usual options of a voter with ticks of 100 ms or so.
    #[must_use]
    pub fn new(node_id: NodeId, voters: Vec<NodeId>, seed: u64) -> Self {
        Self {
            node_id,
            voters,
            election_ticks: 10,
            heartbeat_ticks: 2,
            seed,
            payload_bytes_max: 8 << 20,
            uncommitted_bytes_max: 32 << 20,
            trailing_entries_max: 1024,
        }
    }
}

/// Where a proposal will stand if it is committed: wait for the committed entry at `index`; the
/// proposal succeeded if that entry's epoch is this one, and is lost otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The entry's place.
    pub index: Index,
    /// The reign in which it was proposed.
    pub epoch: LeaderEpoch,
}

/// One voter.
pub struct Quorum {
    options: Options,
    node: RawNode<Cache>,
    patience: Patience,
    /// What was last handed out to be persisted, so that a mere commit is not written again.
    written: HardState,
    role: Role,
    applied: Index,
    last_number: u64,
    persisted_number: u64,
    /// A change of the voters was proposed here and is not yet applied.
    pending_voter_change: bool,
}

impl std::fmt::Debug for Quorum {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Quorum")
            .field("node_id", &self.options.node_id)
            .field("role", &self.role)
            .field("applied", &self.applied)
            .finish_non_exhaustive()
    }
}

/// The library's messages are at most this large where entries allow it.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;
/// Committed entries handed out at once.
const COMMITTED_BYTES_MAX: u64 = 8 << 20;
/// Append messages on the way to one follower.
const INFLIGHT_MESSAGES_MAX: usize = 64;

impl Quorum {
    /// A voter with this past. A single voter elects itself at once.
    ///
    /// # Errors
    /// Options or a past that cannot be.
    pub fn new(options: Options, recovered: Recovered) -> Result<Self, RecoverError> {
        check_options(&options)?;
        recovered.check()?;
        let mut snapshot = recovered.state.snapshot.clone();
        if snapshot.voters.is_empty() {
            snapshot.voters.clone_from(&options.voters);
        }
        let hard_state = recovered.hard_state();
        let entries = recovered
            .entries
            .iter()
            .map(convert::entry_to_library)
            .collect();
        let applied = snapshot.index;
        let cache = Cache::new(hard_state, snapshot, entries);
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let node = RawNode::new(&library_config(&options, applied), cache, &logger)
            .map_err(|error| RecoverError::Library(error.to_string()))?;
        let mut quorum = Self {
            patience: Patience::new(options.seed, options.election_ticks),
            options,
            node,
            written: recovered.state.hard_state,
            role: Role::Follower {
                leader: None,
                epoch: hard_state.epoch,
            },
            applied,
            last_number: 0,
            persisted_number: 0,
            pending_voter_change: false,
        };
        quorum.settle();
        if quorum.voters() == [quorum.options.node_id] {
            quorum.campaign();
        }
        Ok(quorum)
    }

    /// One tick of the caller's clock has passed.
    pub fn tick(&mut self) {
        let waiting = self.node.raft.state != StateRole::Leader;
        self.node.tick();
        if waiting && self.node.raft.election_elapsed == 0 {
            self.patience.campaigned();
        }
        self.settle();
    }

    /// Takes a peer's message.
    ///
    /// # Errors
    /// Messages that are not for us or that no honest voter sends; nothing has changed then. On
    /// [`StepError::LogLost`] this voter must not go on: its disk forgot what it had promised.
    pub fn step(&mut self, message: &Message) -> Result<(), StepError> {
        let view = View {
            own: self.options.node_id,
            epoch: self.epoch(),
            last: self.last_index(),
            leads: self.is_leader(),
        };
        validate::check(message, &view)?;
        let outcome = self.node.step(convert::message_to_library(message));
        self.settle();
        match outcome {
            Ok(()) => Ok(()),
            Err(raft::Error::StepPeerNotFound) => Err(StepError::UnknownPeer(message.from)),
            // The library says so about messages that came too late to matter.
            Err(_) => Ok(()),
        }
    }

    /// Proposes a payload; only a leader can.
    ///
    /// # Errors
    /// Not leading, too much under way, a payload of an impossible size.
    pub fn propose(&mut self, payload: Vec<u8>) -> Result<Proposal, ProposeError> {
        self.check_proposal(&payload)?;
        if payload.is_empty() {
            return Err(ProposeError::Empty);
        }
        let outcome = self.node.propose(Vec::new(), payload);
        self.settle();
        self.proposal(outcome)
    }

    /// Proposes a change of the voters; `payload` is what the log shall hold beside it.
    ///
    /// # Errors
    /// As `propose`, and while an earlier change is not yet applied.
    pub fn propose_voters(
        &mut self,
        change: VoterChange,
        payload: &[u8],
    ) -> Result<Proposal, ProposeError> {
        self.check_proposal(payload)?;
        let raft = &self.node.raft;
        if self.pending_voter_change || raft.pending_conf_index > raft.raft_log.applied {
            return Err(ProposeError::ChangePending);
        }
        let context = crate::layout::encode_change(change, payload);
        let outcome = self
            .node
            .propose_conf_change(context, library_change(change));
        self.settle();
        let proposal = self.proposal(outcome)?;
        self.pending_voter_change = true;
        Ok(proposal)
    }

    /// Asks a follower to take over; the leader goes on leading until that one has won.
    pub fn transfer_leadership(&mut self, to: NodeId) {
        self.node.transfer_leader(convert::id(to));
        self.settle();
    }

    /// Begins an election now instead of after the timeout.
    pub fn campaign(&mut self) {
        self.patience.campaigned();
        // The library refuses only where a campaign makes no sense, and then nothing is to be done.
        let _refused_where_senseless = self.node.campaign();
        self.settle();
    }

    /// A message to `peer` could not be delivered: the leader slows down towards it.
    pub fn report_unreachable(&mut self, peer: NodeId) {
        self.node.report_unreachable(convert::id(peer));
        self.settle();
    }

    /// A snapshot message with its snapshot's bytes was delivered to `peer`, or could not be.
    pub fn report_snapshot(&mut self, peer: NodeId, delivered: bool) {
        let status = if delivered {
            raft::SnapshotStatus::Finish
        } else {
            raft::SnapshotStatus::Failure
        };
        self.node.report_snapshot(convert::id(peer), status);
        self.settle();
    }

    /// The caller holds a durable snapshot of everything applied up to `index`; older entries are
    /// forgotten. Returns the point for the state file.
    ///
    /// # Panics
    /// When `index` was not applied yet: its outcome would not be in the snapshot.
    pub fn compact(&mut self, index: Index, end_offset: Offset) -> SnapshotMark {
        assert!(index <= self.applied, "a snapshot holds what was applied");
        let keep = self.options.trailing_entries_max;
        let store = self.node.raft.mut_store();
        store.compact(index, end_offset, keep);
        store.snapshot_mark().clone()
    }

    /// The work since the last call, if any; its committed entries count as applied from here on.
    pub fn poll_ready(&mut self) -> Option<Ready> {
        if !self.node.has_ready() {
            return None;
        }
        let own = self.options.node_id;
        let mut work = self.node.ready();
        let number = work.number();
        let snapshot =
            (!work.snapshot().is_empty()).then(|| convert::snapshot_from_library(work.snapshot()));
        let mut entries = work.take_entries();
        for entry in &mut entries {
            convert::name_leader(entry, own);
        }
        let messages = convert_messages(&work.take_messages(), own);
        let messages_after_persist = convert_messages(&work.take_persisted_messages(), own);
        let committed: Vec<Entry> = work
            .take_committed_entries()
            .iter()
            .map(|entry| convert::entry_from_library(entry, own))
            .collect();
        let hard_state = self.hard_state_to_write(work.hs());

        let store = self.node.raft.mut_store();
        if let Some(mark) = &snapshot {
            store.install(mark.clone());
        }
        let truncate_from = store.append(&entries);
        self.node.advance_append_async(work);
        let mut voters = snapshot.as_ref().map(|mark| mark.voters.clone());
        if let Some(mark) = &snapshot {
            self.applied = mark.index;
        }
        self.apply(&committed, &mut voters);
        self.settle();
        self.last_number = number;
        Some(Ready {
            number,
            role: self.role_change(),
            messages,
            snapshot,
            truncate_from,
            entries: entries
                .iter()
                .map(|entry| convert::entry_from_library(entry, own))
                .collect(),
            hard_state,
            messages_after_persist,
            committed,
            voters,
        })
    }

    /// Everything of the ready with this number, and of all before it, is on the device.
    ///
    /// # Panics
    /// When the number was never handed out or was reported before.
    pub fn persisted(&mut self, number: u64) {
        assert!(
            number <= self.last_number,
            "that ready was never handed out"
        );
        assert!(number > self.persisted_number, "readies persist in order");
        self.persisted_number = number;
        self.node.on_persist_ready(number);
        self.tell_applied();
        self.settle();
    }

    /// The role, as of the last ready.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// True while this voter leads.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    /// The highest epoch seen.
    #[must_use]
    pub fn epoch(&self) -> LeaderEpoch {
        convert::epoch(self.node.raft.term)
    }

    /// The leader of this epoch, where known.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        convert::node(self.node.raft.leader_id)
    }

    /// The voters after everything applied.
    #[must_use]
    pub fn voters(&self) -> &[NodeId] {
        self.node.raft.store().voters()
    }

    /// The last entry of the log, committed or not.
    #[must_use]
    pub fn last_index(&self) -> Index {
        Index(self.node.raft.raft_log.last_index())
    }

    /// The last entry handed out as committed.
    #[must_use]
    pub const fn applied_index(&self) -> Index {
        self.applied
    }

    /// The last entry known to be committed.
    #[must_use]
    pub fn commit_index(&self) -> Index {
        Index(self.node.raft.raft_log.committed)
    }

    /// The newest snapshot's point.
    #[must_use]
    pub fn snapshot(&self) -> &SnapshotMark {
        self.node.raft.store().snapshot_mark()
    }

    /// How many entries are held in memory.
    #[must_use]
    pub fn cached_entries(&self) -> usize {
        self.node.raft.store().len()
    }

    /// The last epoch and vote handed out, with the newest commit index: for a state file that is
    /// rewritten for another reason, as after a snapshot.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        HardState {
            commit: self.applied.max(self.written.commit),
            ..self.written
        }
    }

    /// How far each voter is known to have the log; only a leader knows.
    #[must_use]
    pub fn progress(&self) -> Vec<(NodeId, Index)> {
        if !self.is_leader() {
            return Vec::new();
        }
        let mut progress: Vec<_> = self
            .node
            .raft
            .prs()
            .iter()
            .filter_map(|(id, progress)| Some((convert::node(*id)?, Index(progress.matched))))
            .collect();
        progress.sort_unstable();
        progress
    }

    /// Takes note of committed entries, and lets the library know of changed voters.
    fn apply(&mut self, committed: &[Entry], voters: &mut Option<Vec<NodeId>>) {
        for entry in committed {
            assert!(
                entry.index == self.applied.plus(1),
                "committed entries come in order"
            );
            self.applied = entry.index;
            if let EntryKind::Voters(change) = entry.kind {
                self.pending_voter_change = false;
                *voters = Some(self.change_voters(entry.index, change));
            }
        }
        self.tell_applied();
    }

    /// Tells the library what is applied, as soon as it may know: a snapshot counts for it only
    /// once it is persisted.
    fn tell_applied(&mut self) {
        let log = &self.node.raft.raft_log;
        let known = self.applied.get().min(log.persisted).min(log.committed);
        if known > log.applied {
            self.node.advance_apply_to(known);
        }
    }

    fn change_voters(&mut self, index: Index, change: VoterChange) -> Vec<NodeId> {
        if self.voters() == [self.options.node_id]
            && change == VoterChange::Remove(self.options.node_id)
        {
            // A quorum without voters could never commit anything again; the library refuses too.
            return self.voters().to_vec();
        }
        let applied = self.node.apply_conf_change(&library_change(change));
        let voters: Vec<NodeId> = match applied {
            Ok(state) => state
                .voters
                .iter()
                .filter_map(|id| convert::node(*id))
                .collect(),
            // All voters refuse the same change alike, so they still agree.
            Err(_) => self.voters().to_vec(),
        };
        let mut voters = voters;
        voters.sort_unstable();
        self.node.raft.mut_store().set_voters(index, voters.clone());
        voters
    }

    /// Replaces the library's random timeout by ours; see `election.rs`.
    fn settle(&mut self) {
        let timeout = self.patience.timeout_ticks(self.epoch());
        self.node.raft.set_randomized_election_timeout(timeout);
    }

    fn role_change(&mut self) -> Option<Role> {
        let epoch = self.epoch();
        let role = match self.node.raft.state {
            StateRole::Leader => Role::Leader { epoch },
            StateRole::Candidate | StateRole::PreCandidate => Role::Candidate { epoch },
            StateRole::Follower => Role::Follower {
                leader: self.leader(),
                epoch,
            },
        };
        if role == self.role {
            return None;
        }
        self.role = role;
        Some(role)
    }

    /// Epoch and vote must be durable when they change; the commit index alone need not be.
    fn hard_state_to_write(&mut self, library: Option<&eraftpb::HardState>) -> Option<HardState> {
        let state = convert::hard_state(library?);
        assert!(state.epoch >= self.written.epoch, "epochs only grow");
        if state.epoch == self.written.epoch && state.voted_for == self.written.voted_for {
            return None;
        }
        // The floor is what was applied: that much is surely on this voter's own device.
        let state = HardState {
            commit: self.applied,
            ..state
        };
        self.written = state;
        Some(state)
    }

    fn check_proposal(&self, payload: &[u8]) -> Result<(), ProposeError> {
        if !self.is_leader() {
            return Err(ProposeError::NotLeader {
                leader: self.leader(),
                epoch: self.epoch(),
            });
        }
        if payload.len() > base::usize_from_u32(self.options.payload_bytes_max) {
            return Err(ProposeError::TooLarge);
        }
        if self.node.raft.lead_transferee.is_some() {
            return Err(ProposeError::ChangePending);
        }
        Ok(())
    }

    fn proposal(&self, outcome: raft::Result<()>) -> Result<Proposal, ProposeError> {
        if outcome.is_err() {
            return Err(ProposeError::Busy);
        }
        Ok(Proposal {
            index: self.last_index(),
            epoch: self.epoch(),
        })
    }
}

fn convert_messages(messages: &[eraftpb::Message], own: NodeId) -> Vec<Message> {
    messages
        .iter()
        .filter_map(|message| convert::message_from_library(message, own))
        .collect()
}

fn library_change(change: VoterChange) -> eraftpb::ConfChange {
    let (kind, node) = match change {
        VoterChange::Add(node) => (eraftpb::ConfChangeType::AddNode, node),
        VoterChange::Remove(node) => (eraftpb::ConfChangeType::RemoveNode, node),
    };
    let mut library = eraftpb::ConfChange::default();
    library.set_change_type(kind);
    library.node_id = convert::id(node);
    library
}

fn library_config(options: &Options, applied: Index) -> raft::Config {
    raft::Config {
        id: convert::id(options.node_id),
        election_tick: base::usize_from_u32(options.election_ticks),
        heartbeat_tick: base::usize_from_u32(options.heartbeat_ticks),
        applied: applied.get(),
        max_size_per_msg: MESSAGE_BYTES_MAX,
        max_inflight_msgs: INFLIGHT_MESSAGES_MAX,
        // A leader that hears from no majority resigns, and a voter that cannot win does not
        // disturb: both keep clients from talking to the past.
        check_quorum: true,
        pre_vote: true,
        max_uncommitted_size: u64::from(options.uncommitted_bytes_max),
        max_committed_size_per_ready: COMMITTED_BYTES_MAX,
        ..raft::Config::default()
    }
}

fn check_options(options: &Options) -> Result<(), RecoverError> {
    let mut voters = options.voters.clone();
    voters.sort_unstable();
    voters.dedup();
    let ids_hold = voters.iter().all(|voter| voter.get() >= 0) && options.node_id.get() >= 0;
    if voters.is_empty() || voters.len() != options.voters.len() || !ids_hold {
        return Err(RecoverError::Voters);
    }
    if options.heartbeat_ticks == 0 || options.election_ticks <= options.heartbeat_ticks {
        return Err(RecoverError::Ticks);
    }
    assert!(
        u64::from(options.uncommitted_bytes_max) >= MESSAGE_BYTES_MAX,
        "at least one message must fit among the uncommitted"
    );
    Ok(())
}
