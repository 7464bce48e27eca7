//! One replica of one partition as a step function: inputs go in, decisions come out.
//!
//! Lifecycle: recovered from its log as a follower; made leader of an epoch; appends, flushes and
//! the followers' progress arrive; made follower of a later epoch, perhaps truncated.
//!
//! Invariants: log start <= high watermark <= durable end <= log end on a leader; the high
//! watermark is the smallest durable end of the in-sync set and never goes backwards; an append is
//! acknowledged only when the high watermark has passed it.

use crate::epochs::LeaderEpochs;
use crate::planted::{Planted, planted};
use crate::producer::{AppendedBatch, ProducerError};
use crate::producers::{Marker, ProducerStates, Verdict};
use crate::transactions::CompletedTransaction;
use crate::verification::{VerificationGuard, Verifications};
use base::{LeaderEpoch, NodeId, Offset, Timestamp};
use batch::{ProducerBatch, Validated};
use std::collections::BTreeMap;

/// What the replica does for its partition at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It appends, and answers clients.
    Leader,
    /// It copies from the leader, or waits to learn of one.
    Follower,
}

/// What recovery found on the device.
#[derive(Clone, Debug)]
pub struct ReplicaStart {
    /// The first offset that is still there.
    pub log_start: Offset,
    /// The offset after the last record; everything below is on the device.
    pub log_end: Offset,
    /// The high watermark as last written down; it may be old, and is clamped to the log.
    pub high_watermark: Offset,
    /// The epochs of the log.
    pub epochs: LeaderEpochs,
    /// The producers of the log.
    pub producers: ProducerStates,
}

/// What the partition's owner must do or tell others after an input. The offsets are the new
/// values, where they moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Produce requests waiting below here can be answered, and fetches can see up to here.
    pub high_watermark: Option<Offset>,
    /// Fetches of committed records can see up to here.
    pub last_stable_offset: Option<Offset>,
    /// The epochs changed: their file must be durable before the next append is.
    pub persist_epochs: bool,
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It has been given its place: stamp it with these and write it there.
    Append {
        /// The offset of its first record.
        base_offset: Offset,
        /// The epoch of this leader.
        leader_epoch: LeaderEpoch,
    },
    /// It is in the log already; answer with these offsets once they lie below the high
    /// watermark.
    Duplicate(AppendedBatch),
}

/// Why a batch gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// Another node leads the partition.
    NotLeader,
    /// Fewer replicas are in sync than `min.insync.replicas` asks for.
    NotEnoughReplicas,
    /// The producer's earlier batches forbid it.
    Producer(ProducerError),
}

/// One partition's state on this node.
#[derive(Clone, Debug)]
pub struct Replica {
    role: Role,
    leader_epoch: LeaderEpoch,
    log_start: Offset,
    log_end: Offset,
    durable_end: Offset,
    high_watermark: Offset,
    last_stable_offset: Offset,
    in_sync_min: usize,
    /// The durable ends of the in-sync replicas other than this one.
    followers: BTreeMap<NodeId, Offset>,
    epochs: LeaderEpochs,
    producers: ProducerStates,
    verifications: Verifications,
    planted: Planted,
}

impl Replica {
    /// The replica as recovery found it, following nobody yet.
    ///
    /// # Panics
    /// When the log ends before it starts.
    #[must_use]
    pub fn new(start: ReplicaStart) -> Self {
        Self::with_bug(start, Planted::default())
    }

    /// As [`Replica::new`], with a bug for the simulation to find.
    ///
    /// # Panics
    /// When the log ends before it starts.
    #[must_use]
    pub fn with_bug(start: ReplicaStart, planted: Planted) -> Self {
        assert!(
            start.log_start >= Offset(0),
            "a log's offsets begin at zero"
        );
        assert!(start.log_start <= start.log_end, "a log goes forwards");
        let high_watermark = start.high_watermark.clamp(start.log_start, start.log_end);
        let mut replica = Self {
            role: Role::Follower,
            leader_epoch: LeaderEpoch::UNKNOWN,
            log_start: start.log_start,
            log_end: start.log_end,
            durable_end: start.log_end,
            high_watermark,
            last_stable_offset: start.log_start,
            in_sync_min: 1,
            followers: BTreeMap::new(),
            epochs: start.epochs,
            verifications: Verifications::new(start.producers.producers_max),
            producers: start.producers,
            planted,
        };
        replica.producers.handle_high_watermark(high_watermark);
        replica.last_stable_offset = replica.stable_end();
        replica
    }

    /// Begins to lead in `epoch`, with the other in-sync replicas in `followers`, whose progress
    /// counts from the high watermark, which all of them have.
    ///
    /// # Panics
    /// When the epoch is older than one known: the controller never goes back.
    pub fn handle_lead(
        &mut self,
        epoch: LeaderEpoch,
        followers: &[NodeId],
        in_sync_min: usize,
    ) -> Effects {
        assert!(epoch >= self.leader_epoch, "leader epochs only rise");
        let is_new = epoch > self.leader_epoch || self.role != Role::Leader;
        self.role = Role::Leader;
        self.leader_epoch = epoch;
        if is_new {
            self.followers.clear();
        }
        // The epoch's start is known before its first record (KIP-279).
        let persist_epochs = self.epochs.assign(epoch, self.log_end);
        let effects = self.handle_in_sync(followers, in_sync_min);
        Effects {
            persist_epochs,
            ..effects
        }
    }

    /// Begins to follow the leader of `epoch`.
    ///
    /// # Panics
    /// When the epoch is older than one known.
    pub fn handle_follow(&mut self, epoch: LeaderEpoch) {
        assert!(epoch >= self.leader_epoch, "leader epochs only rise");
        self.role = Role::Follower;
        self.leader_epoch = epoch;
        self.followers.clear();
        self.verifications.end_all();
        self.check();
    }

    /// Takes over a change of the in-sync set, this replica not counted.
    pub fn handle_in_sync(&mut self, followers: &[NodeId], in_sync_min: usize) -> Effects {
        assert!(self.role == Role::Leader, "only the leader keeps the set");
        let joined_at = self.high_watermark;
        let known = std::mem::take(&mut self.followers);
        for follower in followers {
            let durable_end = known.get(follower).copied().unwrap_or(joined_at);
            self.followers.insert(*follower, durable_end);
        }
        self.in_sync_min = in_sync_min;
        self.advance()
    }

    /// Gives a validated client's batch its place, or says why not. `acks_all` is whether the
    /// producer waits for the in-sync set.
    ///
    /// # Errors
    /// When the batch must not be appended.
    pub fn handle_append(
        &mut self,
        batch: &Validated,
        acks_all: bool,
    ) -> Result<Admission, AppendError> {
        if self.role != Role::Leader {
            return Err(AppendError::NotLeader);
        }
        if acks_all && self.followers.len() + 1 < self.in_sync_min {
            return Err(AppendError::NotEnoughReplicas);
        }
        if let Some(producer) = &batch.producer {
            let verdict = self.producers.check(producer, batch.is_transactional);
            match verdict.map_err(AppendError::Producer)? {
                Verdict::Duplicate(known) => return Ok(Admission::Duplicate(known)),
                Verdict::Append => {}
            }
        }
        assert!(
            batch.record_count > 0,
            "a validated client's batch has records"
        );
        let base_offset = self.log_end;
        self.log_end = base_offset.plus(i64::from(batch.record_count));
        if let Some(producer) = &batch.producer {
            let offsets = base_offset..=base_offset.plus(i64::from(batch.record_count) - 1);
            let timestamp = batch.max_timestamp;
            self.producers
                .append(producer, offsets, timestamp, batch.is_transactional);
            if planted!(self.planted, WindowOfFour) {
                self.producers.forget_batches(producer.id, 4);
            }
            if batch.is_transactional {
                self.verifications.end(producer.id);
            }
        }
        self.check();
        Ok(Admission::Append {
            base_offset,
            leader_epoch: self.leader_epoch,
        })
    }

    /// Draws the guard under which a transactional batch may be appended, once the coordinator has
    /// said that this partition takes part; nothing when the producer's transaction is open here
    /// already, or the batch is in the log, so that nobody need be asked (KIP-890).
    /// `begins_at_zero` where the producer's epoch rises with each of its transactions.
    pub fn handle_verification(
        &mut self,
        batch: &ProducerBatch,
        begins_at_zero: bool,
        now: Timestamp,
    ) -> Option<VerificationGuard> {
        let is_needed = !self.producers.is_open_in(batch.id, batch.epoch)
            && !self.producers.is_duplicate(batch);
        is_needed.then(|| self.verifications.begin(batch, begins_at_zero, now))
    }

    /// Whether a coordinator's batch may follow for which the transaction's coordinator was asked
    /// under `guard`: not when the transaction has ended since.
    ///
    /// # Errors
    /// Why it must not be appended.
    pub fn check_verified(
        &self,
        batch: &ProducerBatch,
        guard: Option<VerificationGuard>,
    ) -> Result<(), ProducerError> {
        self.producers.check(batch, true)?;
        if self.producers.is_open_in(batch.id, batch.epoch) {
            return Ok(());
        }
        self.verifications.check(batch, false, guard)
    }

    /// As [`Replica::handle_append`], for a client's batch, where the coordinator has to be asked
    /// before a transaction begins.
    ///
    /// # Errors
    /// When the batch must not be appended.
    pub fn handle_verified_append(
        &mut self,
        batch: &Validated,
        acks_all: bool,
        guard: Option<VerificationGuard>,
    ) -> Result<Admission, AppendError> {
        if self.role != Role::Leader {
            return Err(AppendError::NotLeader);
        }
        if let Some(producer) = batch.producer.as_ref().filter(|_| batch.is_transactional) {
            let is_known = self.producers.is_open_in(producer.id, producer.epoch)
                || self.producers.is_duplicate(producer);
            if !is_known {
                // A fenced producer hears that, whatever its guard is worth.
                let verdict = self.producers.check(producer, true);
                verdict.map_err(AppendError::Producer)?;
                let known = self.producers.get(producer.id);
                let is_stranger = known.is_none_or(|known| known.batches().next().is_none());
                let checked = self.verifications.check(producer, is_stranger, guard);
                checked.map_err(AppendError::Producer)?;
            }
        }
        self.handle_append(batch, acks_all)
    }

    /// Gives a transaction's marker its place; with it, the transaction that it ends.
    ///
    /// # Errors
    /// When the marker comes too late.
    pub fn handle_marker(
        &mut self,
        marker: &Marker,
        transaction_version: i16,
    ) -> Result<(Offset, Option<CompletedTransaction>), AppendError> {
        if self.role != Role::Leader {
            return Err(AppendError::NotLeader);
        }
        let checked = self.producers.check_marker(marker, transaction_version);
        checked.map_err(AppendError::Producer)?;
        let offset = self.log_end;
        self.log_end = offset.plus(1);
        let completed = self.producers.append_marker(marker, offset);
        self.verifications.end(marker.producer_id);
        assert!(completed.is_none_or(|completed| completed.first_offset < offset));
        Ok((offset, completed))
    }

    /// Everything below `durable_end` is on this node's device now; or in its memory, where the
    /// topic's durability is memory.
    ///
    /// # Panics
    /// When more is said to be durable than was appended.
    pub fn handle_durable(&mut self, durable_end: Offset) -> Effects {
        assert!(
            durable_end <= self.log_end,
            "nothing is durable before it exists"
        );
        self.durable_end = self.durable_end.max(durable_end);
        self.advance()
    }

    /// A follower has everything below `durable_end` on its device. Word from replicas that are
    /// not in sync changes nothing.
    pub fn handle_follower_durable(&mut self, follower: NodeId, durable_end: Offset) -> Effects {
        assert!(self.role == Role::Leader, "followers report to the leader");
        assert!(
            durable_end <= self.log_end,
            "a follower has no more than its leader"
        );
        if let Some(known) = self.followers.get_mut(&follower) {
            *known = durable_end.max(*known);
        }
        self.advance()
    }

    /// The log starts later now: retention or DeleteRecords took its beginning.
    ///
    /// # Panics
    /// When records above the high watermark would go.
    pub fn handle_log_start(&mut self, log_start: Offset) -> Effects {
        assert!(
            log_start <= self.high_watermark,
            "only what is agreed upon may be deleted"
        );
        let before = self.last_stable_offset;
        self.log_start = self.log_start.max(log_start);
        let persist_epochs = self.epochs.truncate_from_start(self.log_start);
        self.last_stable_offset = self.stable_end().max(before);
        self.check();
        Effects {
            high_watermark: None,
            last_stable_offset: changed(before, self.last_stable_offset),
            persist_epochs,
        }
    }

    /// The log was cut at `log_end`, and `producers` is what its remaining batches say. The
    /// epochs are trimmed even where the log was not longer (KAFKA-10706).
    ///
    /// # Panics
    /// On a leader, whose log only grows.
    pub fn handle_truncate(&mut self, log_end: Offset, producers: ProducerStates) -> Effects {
        assert!(self.role == Role::Follower, "a leader never cuts its log");
        assert!(log_end >= self.log_start, "the beginning goes another way");
        let persist_epochs = self.epochs.truncate_from_end(log_end);
        self.log_end = self.log_end.min(log_end);
        self.durable_end = self.durable_end.min(self.log_end);
        self.high_watermark = self.high_watermark.min(self.log_end);
        self.producers = producers;
        self.verifications.end_all();
        self.producers.handle_high_watermark(self.high_watermark);
        self.last_stable_offset = self.stable_end();
        self.check();
        Effects {
            persist_epochs,
            ..Effects::default()
        }
    }

    /// Forgets idle producers; how many went.
    pub fn handle_expiry(&mut self, now: Timestamp, expiration_ms: i64) -> usize {
        self.verifications.expire(now, expiration_ms);
        self.producers.expire(now, expiration_ms)
    }

    /// Moves high watermark and last stable offset as far as everybody's progress allows. With
    /// fewer in sync than asked for, nothing more is acknowledged (KIP-966).
    fn advance(&mut self) -> Effects {
        let (high_watermark, stable) = (self.high_watermark, self.last_stable_offset);
        if self.role == Role::Leader && self.followers.len() + 1 >= self.in_sync_min {
            let ends = self.followers.values().copied();
            let agreed = ends.fold(self.durable_end, Ord::min);
            self.high_watermark = agreed.max(high_watermark);
        }
        if self.high_watermark > high_watermark {
            self.producers.handle_high_watermark(self.high_watermark);
        }
        self.last_stable_offset = self.stable_end().max(stable);
        self.check();
        Effects {
            high_watermark: changed(high_watermark, self.high_watermark),
            last_stable_offset: changed(stable, self.last_stable_offset),
            persist_epochs: false,
        }
    }

    fn stable_end(&self) -> Offset {
        let transactions = self.producers.transactions();
        let unstable = transactions.first_unstable_offset(self.high_watermark);
        let too_far = i64::from(planted!(self.planted, StableTooFar));
        unstable
            .map_or(self.high_watermark, |unstable| unstable.plus(too_far))
            .clamp(self.log_start, self.high_watermark)
    }

    fn check(&self) {
        assert!(self.log_start <= self.high_watermark);
        assert!(
            self.high_watermark <= self.durable_end,
            "shown only what is durable"
        );
        assert!(self.durable_end <= self.log_end);
        assert!(self.last_stable_offset <= self.high_watermark);
        assert!(self.followers.is_empty() || self.role == Role::Leader);
    }
}

fn changed(before: Offset, after: Offset) -> Option<Offset> {
    (before != after).then_some(after)
}

impl Replica {
    /// What the replica does at present.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The epoch of the present leader.
    #[must_use]
    pub const fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// The first offset that can be read.
    #[must_use]
    pub const fn log_start(&self) -> Offset {
        self.log_start
    }

    /// The offset that the next record gets.
    #[must_use]
    pub const fn log_end(&self) -> Offset {
        self.log_end
    }

    /// Up to where this node's device has everything.
    #[must_use]
    pub const fn durable_end(&self) -> Offset {
        self.durable_end
    }

    /// Up to where consumers read.
    #[must_use]
    pub const fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Up to where consumers of committed records read.
    #[must_use]
    pub const fn last_stable_offset(&self) -> Offset {
        self.last_stable_offset
    }

    /// The in-sync replicas but this one.
    pub fn followers(&self) -> impl Iterator<Item = NodeId> {
        self.followers.keys().copied()
    }

    /// The epochs of the log.
    #[must_use]
    pub const fn epochs(&self) -> &LeaderEpochs {
        &self.epochs
    }

    /// The producers of the log.
    #[must_use]
    pub const fn producers(&self) -> &ProducerStates {
        &self.producers
    }
}

impl std::error::Error for AppendError {}

impl std::fmt::Display for AppendError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotLeader => out.write_str("this node does not lead the partition"),
            Self::NotEnoughReplicas => {
                out.write_str("fewer replicas are in sync than min.insync.replicas asks for")
            }
            Self::Producer(error) => error.fmt(out),
        }
    }
}
