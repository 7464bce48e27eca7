//! Asking the coordinator before a producer's transaction begins here (KIP-890).
//!
//! A request that comes late, or whose transaction is unknown, would open a transaction here that
//! nobody ends. So its first batch is only appended under a guard: the guard is drawn, then the
//! coordinator is asked whether this partition takes part, then the batch comes with the guard.
//!
//! Invariants: a guard is worth nothing once a batch or a marker of its producer was appended, as
//! what the coordinator said may be over by then; guards are not written down, since whoever held
//! one asks again after a restart or a change of leaders.

use crate::producer::ProducerError;
use base::{ProducerEpoch, ProducerId, Timestamp};
use batch::ProducerBatch;
use std::collections::BTreeMap;

/// The proof that the coordinator was asked since nothing of the producer was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationGuard(u64);

/// A producer for which the coordinator is being asked.
#[derive(Clone, Copy, Debug)]
struct Asked {
    guard: VerificationGuard,
    epoch: ProducerEpoch,
    /// The lowest sequence number seen meanwhile: a batch behind it has overtaken it.
    lowest_sequence: i32,
    /// Whether its epoch rises with each transaction, so that each begins at zero.
    begins_at_zero: bool,
    since: Timestamp,
}

/// The producers for which the coordinator is being asked.
#[derive(Clone, Debug)]
pub(crate) struct Verifications {
    asked: BTreeMap<ProducerId, Asked>,
    next: u64,
    producers_max: usize,
}

impl Verifications {
    pub(crate) const fn new(producers_max: usize) -> Self {
        Self {
            asked: BTreeMap::new(),
            next: 0,
            producers_max,
        }
    }

    /// The guard for a batch that begins a transaction, the same for all until one is appended.
    pub(crate) fn begin(
        &mut self,
        batch: &ProducerBatch,
        begins_at_zero: bool,
        now: Timestamp,
    ) -> VerificationGuard {
        if let Some(asked) = self.asked.get_mut(&batch.id) {
            if batch.epoch > asked.epoch {
                asked.epoch = batch.epoch;
                asked.lowest_sequence = batch.first_sequence;
            } else if batch.epoch == asked.epoch {
                asked.lowest_sequence = asked.lowest_sequence.min(batch.first_sequence);
            }
            return asked.guard;
        }
        if self.asked.len() >= self.producers_max {
            let oldest = self.asked.iter().min_by_key(|(_, asked)| asked.since);
            if let Some((id, _)) = oldest.map(|(id, asked)| (*id, *asked)) {
                self.asked.remove(&id);
            }
        }
        self.next += 1;
        let guard = VerificationGuard(self.next);
        let asked = Asked {
            guard,
            epoch: batch.epoch,
            lowest_sequence: batch.first_sequence,
            begins_at_zero,
            since: now,
        };
        self.asked.insert(batch.id, asked);
        assert!(self.asked.len() <= self.producers_max, "guards are bounded");
        guard
    }

    /// Whether a batch that begins a transaction may be appended; `is_stranger` where no batch of
    /// its producer is remembered, so that only the guard tells where it may begin.
    pub(crate) fn check(
        &self,
        batch: &ProducerBatch,
        is_stranger: bool,
        guard: Option<VerificationGuard>,
    ) -> Result<(), ProducerError> {
        let asked = self.asked.get(&batch.id);
        let Some(asked) = asked.filter(|asked| Some(asked.guard) == guard) else {
            return Err(ProducerError::Unverified);
        };
        let found = batch.first_sequence;
        if asked.begins_at_zero && is_stranger && found > 0 {
            return Err(ProducerError::OutOfOrderSequence { found, last: -1 });
        }
        if batch.epoch == asked.epoch && found > asked.lowest_sequence {
            let last = asked.lowest_sequence.saturating_sub(1);
            return Err(ProducerError::OutOfOrderSequence { found, last });
        }
        Ok(())
    }

    /// Something of the producer was appended.
    pub(crate) fn end(&mut self, id: ProducerId) {
        self.asked.remove(&id);
    }

    /// Another leader may append from now on.
    pub(crate) fn end_all(&mut self) {
        self.asked.clear();
    }

    /// Forgets those that nobody came back for.
    pub(crate) fn expire(&mut self, now: Timestamp, expiration_ms: i64) {
        self.asked
            .retain(|_, asked| now.0.saturating_sub(asked.since.0) < expiration_ms);
    }
}
