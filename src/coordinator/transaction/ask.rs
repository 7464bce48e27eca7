//! Every question that can be put to the coordinator of transactions, and every answer.
//!
//! As with groups: no versions of APIs, no borrowed bytes. `is_legacy` is true for versions whose
//! clients do not know PRODUCER_FENCED (KIP-588): InitProducerId below 4, the others below 2.

use std::time::Duration;

use base::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition};

use super::{TransactionLevel, TransactionStatus};
use crate::Refusal;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// InitProducerId with a transactional id.
    Init(InitAsk),
    /// AddPartitionsToTxn, one transaction of it; or AddOffsetsToTxn, with the group's partition
    /// of `__consumer_offsets`.
    AddPartitions(AddPartitionsAsk),
    /// AddPartitionsToTxn that only verifies, one transaction of it (KIP-890).
    VerifyPartitions(VerifyPartitionsAsk),
    /// EndTxn.
    End(EndAsk),
    /// The operator wants the open transaction of this id aborted, and its producer fenced.
    Abort(String),
    /// DescribeTransactions, one transactional id of it.
    Describe(String),
    /// ListTransactions, this partition's share of it.
    List(ListAsk),
}

/// Who am I? Ends what an earlier life left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitAsk {
    /// The transactional id.
    pub transactional_id: String,
    /// How long a transaction may stay open.
    pub timeout_ms: i32,
    /// Who the producer thinks it is, when it recovers from an error (KIP-360).
    pub expected: Option<(ProducerId, ProducerEpoch)>,
    /// See the head of the file.
    pub is_legacy: bool,
}

/// These partitions take part in the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddPartitionsAsk {
    /// The transactional id.
    pub transactional_id: String,
    /// The producer's id.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// The partitions.
    pub partitions: Vec<TopicPartition>,
    /// What the client speaks: [`TransactionLevel::Two`] from version 4 of AddPartitionsToTxn on.
    pub level: TransactionLevel,
    /// How long the answer may wait for the end of the last transaction, where its markers are on
    /// their way; then, or where this is zero, the asker is told to ask again.
    pub wait: Duration,
    /// See the head of the file.
    pub is_legacy: bool,
}

/// Do these partitions take part in the transaction?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyPartitionsAsk {
    /// The transactional id.
    pub transactional_id: String,
    /// The producer's id.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// The partitions.
    pub partitions: Vec<TopicPartition>,
}

/// Commit or abort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndAsk {
    /// The transactional id.
    pub transactional_id: String,
    /// The producer's id.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// True to commit, false to abort.
    pub is_commit: bool,
    /// What the client speaks: [`TransactionLevel::Two`] from version 5 on.
    pub level: TransactionLevel,
    /// See the head of the file.
    pub is_legacy: bool,
}

/// Which transactional ids are there?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListAsk {
    /// Names of states; empty for all.
    pub states: Vec<String>,
    /// Ids of producers; empty for all.
    pub producer_ids: Vec<ProducerId>,
    /// Only transactions that began longer ago; negative for all (KIP-994).
    pub longer_than_ms: i64,
    /// Only ids that match this expression as a whole (KIP-1152); empty for all.
    pub pattern: String,
}

/// One answer, of the kind of its question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To InitProducerId.
    Init(Result<Initialized, Refusal>),
    /// To AddPartitionsToTxn or AddOffsetsToTxn: a refusal is that of each partition.
    AddPartitions(Result<(), Refusal>),
    /// To a verification: one code per partition, in the order of the ask.
    VerifyPartitions(Result<Vec<(TopicPartition, ErrorCode)>, Refusal>),
    /// To EndTxn.
    End(Result<Ended, Refusal>),
    /// To the operator: the abort is decided, and its markers are on their way.
    Abort(Result<(), Refusal>),
    /// To DescribeTransactions.
    Describe(Result<TransactionDescription, Refusal>),
    /// To ListTransactions.
    List(Result<Listed, Refusal>),
}

/// Who the producer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Initialized {
    /// Its id.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
}

/// Who the producer is in its next transaction; versions below 5 of EndTxn do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its id.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
}

/// One transactional id in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionDescription {
    /// The transactional id.
    pub transactional_id: String,
    /// The producer's id.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// The state.
    pub status: TransactionStatus,
    /// How long a transaction may stay open.
    pub timeout_ms: i32,
    /// When the transaction began, in milliseconds; -1 when none has.
    pub started_at: i64,
    /// Its partitions, in order; while it ends, those that have no marker yet.
    pub partitions: Vec<TopicPartition>,
}

/// The transactional ids that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// States that do not exist.
    pub unknown_states: Vec<String>,
    /// The transactional ids, in order.
    pub transactions: Vec<ListedTransaction>,
}

/// One transactional id in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTransaction {
    /// The transactional id.
    pub transactional_id: String,
    /// The producer's id.
    pub producer_id: ProducerId,
    /// The state.
    pub status: TransactionStatus,
}

impl Ask {
    /// The transactional id that is asked about; nothing for a list, which asks all of them.
    #[must_use]
    pub fn transactional_id(&self) -> Option<&str> {
        match self {
            Self::Init(ask) => Some(&ask.transactional_id),
            Self::AddPartitions(ask) => Some(&ask.transactional_id),
            Self::VerifyPartitions(ask) => Some(&ask.transactional_id),
            Self::End(ask) => Some(&ask.transactional_id),
            Self::Abort(id) | Self::Describe(id) => Some(id),
            Self::List(_) => None,
        }
    }

    /// The answer of this ask's kind that refuses it as a whole. A host uses it when it cannot ask
    /// the machine at all (not the coordinator, still loading).
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> Answer {
        match self {
            Self::Init(_) => Answer::Init(Err(refusal)),
            Self::AddPartitions(_) => Answer::AddPartitions(Err(refusal)),
            Self::VerifyPartitions(_) => Answer::VerifyPartitions(Err(refusal)),
            Self::End(_) => Answer::End(Err(refusal)),
            Self::Abort(_) => Answer::Abort(Err(refusal)),
            Self::Describe(_) => Answer::Describe(Err(refusal)),
            Self::List(_) => Answer::List(Err(refusal)),
        }
    }
}
