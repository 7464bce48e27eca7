//! A producer's batches in a transaction: the coordinator is asked before the first one in a
//! partition (KIP-890).

use std::future::Future;
use std::time::Duration;

use base::{ErrorCode, TopicPartition};
use batch::ProducerBatch;
use coordinator::transaction::{
    AddPartitionsAsk, Answer, Ask, TransactionLevel, VerifyPartitionsAsk,
};
use partition::{AppendError, AppendOutcome, AppendRequest, Appender, Partition};
use replica::VerificationGuard;

use crate::broker::Broker;
use crate::errand::Begun;
use crate::hosted::Unavailable;
use crate::hosts::number;
use crate::ownership::PartitionId;

/// Whose transaction a batch belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InTransaction {
    /// The transactional id.
    pub transactional_id: String,
    /// The producer, and where its batch stands.
    pub producer: ProducerBatch,
    /// Where it is written.
    pub partition: TopicPartition,
    /// What the client expects of the coordinator.
    pub custom: Custom,
}

/// What a client expects to happen when it writes to a partition in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custom {
    /// It has added the partition itself, and knows no code for "abort the transaction".
    Verified,
    /// It has added the partition itself, and knows TRANSACTION_ABORTABLE.
    VerifiedAbortable,
    /// Writing adds the partition.
    Added,
}

impl Broker {
    /// `transaction.partition.verification.enable`.
    #[must_use]
    pub fn verifies_transactions(&self) -> bool {
        let config = self.config();
        let effective = config
            .settings
            .effective("transaction.partition.verification.enable");
        effective.and_then(|effective| effective.value).as_deref() != Some("false")
    }

    /// Appends a batch that belongs to a transaction. The work begins at once, before anything
    /// that is asked later, and batches are admitted in the order in which they came.
    ///
    /// # Errors
    /// When the partition does not serve here and now.
    pub fn append_in_transaction(
        &self,
        id: PartitionId,
        request: AppendRequest,
        whose: InTransaction,
    ) -> impl Future<Output = Result<Result<AppendOutcome, AppendError>, Unavailable>> + use<> {
        let bytes = request.records.len();
        self.when_open(id, bytes, move |broker, partition| {
            let broker = broker.clone();
            async move { broker.append_asked(partition, request, whose).await }
        })
    }

    async fn append_asked(
        &self,
        partition: Partition,
        request: AppendRequest,
        whose: InTransaction,
    ) -> Result<AppendOutcome, AppendError> {
        let turn = partition.producer_turn(whose.producer.id).await;
        let begins_at_zero = whose.custom == Custom::Added;
        let guard = self.verify(&partition, &whose, begins_at_zero).await?;
        let request = AppendRequest {
            appender: Appender::Verified(guard),
            ..request
        };
        // Begun here and now, so that the next one comes behind it.
        let appending = Begun::begin(partition.append(request));
        drop(turn);
        appending.end().await
    }

    /// Asks the coordinator where a transaction would begin here; the guard under which that was
    /// done. A marker ends the guard, and the coordinator may just have waited for one: that of the
    /// producer's last transaction. Then it is asked again, under a new one.
    pub(crate) async fn verify(
        &self,
        partition: &Partition,
        whose: &InTransaction,
        begins_at_zero: bool,
    ) -> Result<Option<VerificationGuard>, AppendError> {
        let mut guard = partition.begin_verification(&whose.producer, begins_at_zero);
        while guard.is_some() {
            self.ask_for_transaction(whose).await?;
            let standing = partition.begin_verification(&whose.producer, begins_at_zero);
            if standing == guard {
                break;
            }
            guard = standing;
        }
        Ok(guard)
    }

    /// Asks until there is an answer that will not change by itself soon: the producer's last
    /// transaction may still be ending.
    async fn ask_for_transaction(&self, whose: &InTransaction) -> Result<(), AppendError> {
        let settings = &self.config().settings;
        let milliseconds = |key| {
            let value = u64::try_from(number(settings, key));
            Duration::from_millis(value.unwrap_or(0))
        };
        let pause = milliseconds("add.partitions.to.txn.retry.backoff.ms");
        let give_up =
            self.core().now() + milliseconds("add.partitions.to.txn.retry.backoff.max.ms");
        loop {
            // The coordinator answers as soon as the last transaction is complete.
            let left = give_up.saturating_sub(self.core().now());
            let Some(code) = refusal(self.on_transaction(question(whose, left)).await) else {
                return Ok(());
            };
            let passes = code == ErrorCode::ConcurrentTransactions;
            if passes && whose.custom == Custom::Added && self.core().now() + pause < give_up {
                self.core().sleep(pause).await;
                continue;
            }
            let reason = format!(
                "the coordinator does not confirm that the partition takes part in the \
                 transaction: {}",
                code.name()
            );
            return Err(AppendError::Transaction(told(code, whose.custom), reason));
        }
    }
}

/// Why the coordinator says no, if it does.
fn refusal(answer: Answer) -> Option<ErrorCode> {
    match answer {
        Answer::AddPartitions(added) => added.err().map(|refusal| refusal.code),
        Answer::VerifyPartitions(Err(refusal)) => Some(refusal.code),
        Answer::VerifyPartitions(Ok(codes)) => {
            let mut codes = codes.into_iter().map(|(_, code)| code);
            codes.find(|code| *code != ErrorCode::None)
        }
        other => unreachable!("a coordinator answers what it was asked, not {other:?}"),
    }
}

fn question(whose: &InTransaction, wait: Duration) -> Ask {
    let transactional_id = whose.transactional_id.clone();
    let (producer_id, producer_epoch) = (whose.producer.id, whose.producer.epoch);
    let partitions = vec![whose.partition.clone()];
    match whose.custom {
        Custom::Verified | Custom::VerifiedAbortable => {
            Ask::VerifyPartitions(VerifyPartitionsAsk {
                transactional_id,
                producer_id,
                producer_epoch,
                partitions,
            })
        }
        Custom::Added => Ask::AddPartitions(AddPartitionsAsk {
            transactional_id,
            producer_id,
            producer_epoch,
            partitions,
            level: TransactionLevel::Two,
            wait,
            is_legacy: false,
        }),
    }
}

/// What the producer is told: what passes by itself becomes a code at which producers of any age
/// send again. Those that add partitions by writing know that their last transaction may still be
/// ending, and are told so (KIP-890).
fn told(code: ErrorCode, custom: Custom) -> ErrorCode {
    match code {
        ErrorCode::ConcurrentTransactions if custom == Custom::Added => code,
        ErrorCode::ConcurrentTransactions
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => ErrorCode::NotEnoughReplicas,
        ErrorCode::TransactionAbortable if custom == Custom::Verified => ErrorCode::InvalidTxnState,
        // Produce keeps the older code for a fenced producer (KIP-588).
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        code => code,
    }
}

#[cfg(test)]
#[path = "../tests/appends.rs"]
mod tests;
