//! Offsets that are committed in a transaction (KIP-98): they wait for its end in the group's log.

use std::future::Future;

use base::{ErrorCode, TopicPartition};
use batch::ProducerBatch;
use coordinator::{Answer, Ask, Groups, Refusal, TxnOffsetCommitAsk};
use partition::{AppendError, Partition};
use replica::ProducerError;

use super::home::OFFSETS_TOPIC;
use crate::broker::Broker;
use crate::hosts::not_here;
use crate::ownership::PartitionId;
use crate::transactions::{Custom, InTransaction};

/// What coordinators write has no sequence numbers.
const NO_SEQUENCE: i32 = -1;

impl Broker {
    /// Asks the group's coordinator to keep offsets that count when the producer's transaction is
    /// committed. Before the first ones the transaction's coordinator is asked, as before the first
    /// batch in any partition (KIP-890), unless there is no `custom` to ask by.
    pub fn commit_in_transaction(
        &self,
        ask: TxnOffsetCommitAsk,
        custom: Option<Custom>,
    ) -> impl Future<Output = Answer> + use<> {
        let home = self.group_home(&ask.group);
        let gone = Ask::TxnOffsetCommit(ask.clone()).refused(not_here());
        let way = home.map(|id| {
            self.on_core(id.owner(self.cores()), move |broker| {
                let broker = broker.clone();
                async move { broker.commit_asked(id, ask, custom).await }
            })
        });
        async move {
            match way {
                None => gone,
                Some(way) => way.await.unwrap_or(gone),
            }
        }
    }

    async fn commit_asked(
        &self,
        id: PartitionId,
        ask: TxnOffsetCommitAsk,
        custom: Option<Custom>,
    ) -> Answer {
        let producer = ProducerBatch {
            id: ask.producer.id,
            epoch: ask.producer.epoch,
            first_sequence: NO_SEQUENCE,
            last_sequence: NO_SEQUENCE,
        };
        let whose = custom.map(|custom| InTransaction {
            transactional_id: ask.transactional_id.clone(),
            producer,
            partition: TopicPartition {
                topic: OFFSETS_TOPIC.to_owned(),
                partition: id.index,
            },
            custom,
        });
        let ask = Ask::TxnOffsetCommit(ask);
        let gone = ask.refused(not_here());
        let asked = {
            let partition = self.shared.hosted.find(id).ok();
            let _turn = match &partition {
                Some(partition) => Some(partition.producer_turn(producer.id).await),
                None => None,
            };
            if let Some(partition) = &partition
                && let Err(error) = self.admit(id, partition, &producer, whose.as_ref()).await
            {
                return ask.refused(refusal(&error));
            }
            self.ask_here::<Groups>(id, ask)
        };
        match asked {
            Ok(answer) => answer.await.unwrap_or(gone),
            Err(refused) => *refused,
        }
    }
}

impl Broker {
    /// Whether what is committed will be taken by the log. What it refuses later costs all of its
    /// groups a reload, so nothing may happen between the end of this and asking the host.
    async fn admit(
        &self,
        id: PartitionId,
        partition: &Partition,
        producer: &ProducerBatch,
        whose: Option<&InTransaction>,
    ) -> Result<(), AppendError> {
        partition.check_coordinator_append(producer)?;
        if let Some(whose) = whose {
            let guard = self.verify(partition, whose, false).await?;
            // Meanwhile the transaction may have ended.
            partition.check_verified_append(producer, guard)?;
        }
        let host = self.shared.groups.find(id);
        let end = host.and_then(|host| host.end_of(producer.id));
        match end.map(|end| end.producer_epoch) {
            Some(current) if current > producer.epoch => {
                let found = producer.epoch;
                let error = ProducerError::InvalidEpoch { found, current };
                Err(replica::AppendError::Producer(error).into())
            }
            // Of the first level: the epoch stays, and the marker is the end all the same.
            Some(current) if current == producer.epoch => {
                Err(replica::AppendError::Producer(ProducerError::Unverified).into())
            }
            _ => Ok(()),
        }
    }
}

fn refusal(error: &AppendError) -> Refusal {
    let code = match error {
        // What passes by itself: committers come back for this one.
        AppendError::Transaction(
            ErrorCode::NotEnoughReplicas | ErrorCode::ConcurrentTransactions,
            _,
        ) => ErrorCode::CoordinatorLoadInProgress,
        AppendError::Transaction(code, _) => *code,
        AppendError::Replica(replica::AppendError::Producer(ProducerError::InvalidEpoch {
            ..
        })) => ErrorCode::InvalidProducerEpoch,
        _ => ErrorCode::InvalidTxnState,
    };
    Refusal::new(code, error.to_string())
}
