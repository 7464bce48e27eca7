//! What a partition remembers of one producer, and what follows for its next batch (KIP-98).
//!
//! Invariants: at most five batches are remembered, all of the current epoch, in order; a batch
//! is admitted exactly where the last one ended.

use base::{Offset, ProducerEpoch, Timestamp};
use batch::ProducerBatch;
use std::collections::VecDeque;

/// How many batches are remembered: as many as a producer may have in flight.
pub(crate) const BATCHES_MAX: usize = 5;

/// The epoch of a producer that has not appended yet.
const NO_EPOCH: ProducerEpoch = ProducerEpoch(-1);

/// A batch that a producer has in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedBatch {
    /// The sequence number of its first record.
    pub first_sequence: i32,
    /// The sequence number of its last record.
    pub last_sequence: i32,
    /// The offset of its first record.
    pub first_offset: Offset,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// Its greatest timestamp.
    pub timestamp: Timestamp,
}

/// One producer's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    pub(crate) epoch: ProducerEpoch,
    pub(crate) coordinator_epoch: i32,
    pub(crate) last_timestamp: Timestamp,
    pub(crate) transaction_start: Option<Offset>,
    pub(crate) batches: VecDeque<AppendedBatch>,
}

/// Why a producer's batch or marker is not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerError {
    /// The sequence number does not follow the last one.
    OutOfOrderSequence {
        /// What the batch has.
        found: i32,
        /// The last one in the log, or -1.
        last: i32,
    },
    /// A newer incarnation of the producer has appended already.
    InvalidEpoch {
        /// What the batch has.
        found: ProducerEpoch,
        /// The newest one known.
        current: ProducerEpoch,
    },
    /// A batch outside transactions came while the producer's transaction is open.
    InvalidTransactionState {
        /// Where the transaction began.
        transaction_start: Offset,
    },
    /// The batch would begin a transaction of which the coordinator was not asked, or whose answer
    /// is over (KIP-890).
    Unverified,
    /// A newer coordinator has written a marker for this producer already.
    CoordinatorFenced {
        /// What the marker has.
        found: i32,
        /// The newest one known.
        current: i32,
    },
}

impl Producer {
    pub(crate) const fn new() -> Self {
        Self {
            epoch: NO_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: Timestamp::NONE,
            transaction_start: None,
            batches: VecDeque::new(),
        }
    }

    /// The newest incarnation that has appended.
    #[must_use]
    pub const fn epoch(&self) -> ProducerEpoch {
        self.epoch
    }

    /// The epoch of the coordinator that wrote the last marker, or -1.
    #[must_use]
    pub const fn coordinator_epoch(&self) -> i32 {
        self.coordinator_epoch
    }

    /// The greatest timestamp of the newest batch or marker.
    #[must_use]
    pub const fn last_timestamp(&self) -> Timestamp {
        self.last_timestamp
    }

    /// Where its open transaction began.
    #[must_use]
    pub const fn transaction_start(&self) -> Option<Offset> {
        self.transaction_start
    }

    /// The remembered batches, oldest first.
    pub fn batches(&self) -> impl Iterator<Item = &AppendedBatch> {
        self.batches.iter()
    }

    /// The sequence number of the last record, or -1.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(-1, |batch| batch.last_sequence)
    }

    /// Whether its transaction is open in this epoch: then it was verified.
    pub(crate) fn is_open_in(&self, epoch: ProducerEpoch) -> bool {
        self.transaction_start.is_some() && self.epoch == epoch
    }

    /// The remembered batch that `batch` repeats: same epoch, same sequence numbers.
    pub(crate) fn duplicate(&self, batch: &ProducerBatch) -> Option<AppendedBatch> {
        if batch.epoch != self.epoch {
            return None;
        }
        let same = |known: &&AppendedBatch| {
            known.first_sequence == batch.first_sequence
                && known.last_sequence == batch.last_sequence
        };
        self.batches.iter().find(same).copied()
    }

    /// Whether `batch` may follow what is known; what a coordinator writes has no sequence.
    pub(crate) fn check(
        &self,
        batch: &ProducerBatch,
        is_transactional: bool,
        is_sequenced: bool,
    ) -> Result<(), ProducerError> {
        if batch.epoch < self.epoch {
            return Err(ProducerError::InvalidEpoch {
                found: batch.epoch,
                current: self.epoch,
            });
        }
        if is_sequenced {
            self.check_sequence(batch)?;
        }
        match self.transaction_start {
            Some(transaction_start) if !is_transactional => {
                Err(ProducerError::InvalidTransactionState { transaction_start })
            }
            _ => Ok(()),
        }
    }

    fn check_sequence(&self, batch: &ProducerBatch) -> Result<(), ProducerError> {
        // Nothing is known of the producer, perhaps because all its records are gone: whatever
        // it sends is right (KIP-360).
        if self.epoch == NO_EPOCH {
            return Ok(());
        }
        let found = batch.first_sequence;
        let last = self.last_sequence();
        let follows = if batch.epoch == self.epoch {
            i64::from(found) == i64::from(last) + 1 || (found == 0 && last == i32::MAX)
        } else {
            // A new incarnation counts from zero.
            found == 0
        };
        if follows {
            Ok(())
        } else {
            Err(ProducerError::OutOfOrderSequence { found, last })
        }
    }

    /// Remembers a batch that is now in the log.
    pub(crate) fn remember(&mut self, epoch: ProducerEpoch, batch: AppendedBatch) {
        assert!(
            batch.first_offset <= batch.last_offset,
            "a batch has records"
        );
        self.enter_epoch(epoch);
        if self.batches.len() == BATCHES_MAX {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
        self.last_timestamp = batch.timestamp;
        assert!(self.batches.len() <= BATCHES_MAX, "the window is bounded");
    }

    /// A new incarnation's batches have nothing to do with the old one's.
    pub(crate) fn enter_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }
}

impl std::error::Error for ProducerError {}

impl std::fmt::Display for ProducerError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OutOfOrderSequence { found, last } => write!(
                out,
                "sequence number {found} does not follow {last}, the last one in the log; a batch \
                 before this one is missing, or it was appended long ago"
            ),
            Self::InvalidEpoch { found, current } => write!(
                out,
                "producer epoch {found} is older than {current}; another instance has taken over"
            ),
            Self::InvalidTransactionState { transaction_start } => write!(
                out,
                "the producer's transaction that began at offset {transaction_start} is still \
                 open; only transactional batches may follow"
            ),
            Self::Unverified => out.write_str(
                "the coordinator was not asked whether this partition takes part in the \
                 producer's transaction",
            ),
            Self::CoordinatorFenced { found, current } => write!(
                out,
                "coordinator epoch {found} is older than {current}; another coordinator has taken \
                 over"
            ),
        }
    }
}
