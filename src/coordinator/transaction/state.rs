//! One transactional id: what the log says of it, and what is only known while it is loaded.
//!
//! Invariants: [`Durable`] is the fold of the id's records; everything in [`Transaction`] beside it
//! can be lost without harm: at worst a retry across a reload is fenced that need not have been,
//! and markers are written twice.

use std::collections::{BTreeMap, BTreeSet};

use base::{ProducerEpoch, ProducerId, TopicPartition};

use super::{AddPartitionsAsk, Ticket};
use crate::Caller;

/// The epoch that is never given to a client, so that there is always one left for fencing it.
pub(crate) const EPOCH_MAX: i16 = i16::MAX;

/// The state of a transaction, by Kafka's names and numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransactionStatus {
    /// The producer has no transaction yet.
    Empty,
    /// Partitions are taking part.
    Ongoing,
    /// It will be committed: markers are on their way.
    PrepareCommit,
    /// It will be aborted: markers are on their way.
    PrepareAbort,
    /// It was committed.
    CompleteCommit,
    /// It was aborted.
    CompleteAbort,
}

impl TransactionStatus {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];
    /// States that Kafka names although its log never has them.
    pub(crate) const TRANSIENT: [&str; 2] = ["Dead", "PrepareEpochFence"];

    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// Its number in the log.
    pub(crate) const fn number(self) -> i8 {
        match self {
            Self::Empty => 0,
            Self::Ongoing => 1,
            Self::PrepareCommit => 2,
            Self::PrepareAbort => 3,
            Self::CompleteCommit => 4,
            Self::CompleteAbort => 5,
        }
    }

    pub(crate) fn from_number(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.number() == number)
    }

    /// The state in which the outcome is decided.
    pub(crate) const fn prepared(is_commit: bool) -> Self {
        if is_commit {
            Self::PrepareCommit
        } else {
            Self::PrepareAbort
        }
    }

    /// The outcome of a transaction that is ending: committed or not.
    pub(crate) const fn ending(self) -> Option<bool> {
        match self {
            Self::PrepareCommit => Some(true),
            Self::PrepareAbort => Some(false),
            _ => None,
        }
    }

    /// The outcome of a transaction that has ended.
    pub(crate) const fn ended(self) -> Option<bool> {
        match self {
            Self::CompleteCommit => Some(true),
            Self::CompleteAbort => Some(false),
            _ => None,
        }
    }

    /// True when nothing is open.
    pub(crate) const fn is_idle(self) -> bool {
        matches!(
            self,
            Self::Empty | Self::CompleteCommit | Self::CompleteAbort
        )
    }
}

/// Which protocol a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransactionLevel {
    /// That of KIP-98: one epoch for many transactions.
    #[default]
    One,
    /// That of KIP-890: each end raises the epoch.
    Two,
}

impl TransactionLevel {
    /// Kafka's number of it in the log: clients of the first level count as zero.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::One => 0,
            Self::Two => 2,
        }
    }

    pub(crate) const fn from_number(number: i16) -> Self {
        if number >= 2 { Self::Two } else { Self::One }
    }
}

/// What the log says of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Durable {
    pub(crate) producer_id: ProducerId,
    /// The id before the latest change; the same as `producer_id` when that change kept it.
    pub(crate) previous_id: ProducerId,
    /// The id that the producer goes on with once the transaction is complete.
    pub(crate) next_id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    pub(crate) timeout_ms: i32,
    pub(crate) status: TransactionStatus,
    pub(crate) partitions: BTreeSet<TopicPartition>,
    pub(crate) updated_at: i64,
    pub(crate) started_at: i64,
    pub(crate) level: TransactionLevel,
}

impl Durable {
    /// No more epochs for clients: the producer needs a new id.
    pub(crate) const fn is_exhausted(&self) -> bool {
        self.epoch.0 >= EPOCH_MAX - 1
    }

    /// The state that follows; every change notes when, and which id was before.
    pub(crate) fn changed(&self, status: TransactionStatus, now_ms: i64) -> Self {
        Self {
            previous_id: self.producer_id,
            status,
            updated_at: now_ms,
            ..self.clone()
        }
    }

    /// The epoch with which this producer is fenced.
    pub(crate) const fn bumped(&self) -> ProducerEpoch {
        if self.epoch.0 == EPOCH_MAX {
            self.epoch
        } else {
            ProducerEpoch(self.epoch.0 + 1)
        }
    }

    /// Who the producer is once the transaction is complete.
    pub(crate) const fn successor(&self) -> (ProducerId, ProducerEpoch) {
        if matches!(self.level, TransactionLevel::Two) && self.next_id.0 >= 0 {
            (self.next_id, ProducerEpoch(0))
        } else {
            (self.producer_id, self.epoch)
        }
    }
}

/// Markers on their way: the partitions of which no good word came yet, with the ticket of what was
/// sent last, or nothing where it is to be sent again.
pub(crate) type Marking = BTreeMap<TopicPartition, Option<Ticket>>;

/// One transactional id.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) durable: Durable,
    /// Who the producer was before its epoch rose at its own wish: the same wish again is a retry.
    pub(crate) last: Option<(ProducerId, ProducerEpoch)>,
    pub(crate) marking: Option<Marking>,
    /// Who wants to begin the next transaction as soon as this one is complete.
    pub(crate) waiting: Vec<(Caller, AddPartitionsAsk)>,
    /// When it may expire, as the queue of expiry has it.
    pub(crate) watched: Option<i64>,
}

impl Transaction {
    pub(crate) const fn new(durable: Durable) -> Self {
        Self {
            durable,
            last: None,
            marking: None,
            waiting: Vec::new(),
            watched: None,
        }
    }
}
