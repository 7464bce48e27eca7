//! What the machines of transactions want done elsewhere: markers in partitions, and fresh
//! producer ids.
//!
//! Invariant: each marker that was sent is reported, whatever became of it, and a host that failed
//! meanwhile reads its log anew only when all of its markers have ended; so none is still on its
//! way when the next transaction of its producer begins.

use std::future::Future;
use std::sync::Arc;

use base::TopicPartition;
use coordinator::transaction::{
    MarkerOutcome, MarkerReport, Markers, TransactionLevel, Transactions,
};
use partition::AppendError;
use replica::ProducerError;

use super::machine::{TransactionHost, TransactionSurroundings};
use crate::broker::Broker;
use crate::groups::OFFSETS_TOPIC;
use crate::hosted::Unavailable;
use crate::hosts::{MarkerRequest, Said};
use crate::ownership::PartitionId;

impl Broker {
    /// Serves this core's machines for as long as the node runs.
    pub(crate) async fn serve_transactions_for_ever(self) {
        while !self.is_stopping() {
            let Some(surroundings) = self.shared.transactions.surroundings().cloned() else {
                self.shared.image_changed.wait().await;
                continue;
            };
            let wanted = surroundings.own.wanted.wait();
            if surroundings.own.ids_wanted.replace(false) {
                self.supply_ids().await;
            }
            if !self.send_markers(&surroundings.own) {
                wanted.await;
            }
        }
    }

    /// Gives ids to the hosts that are short of them.
    async fn supply_ids(&self) {
        for host in self.shared.transactions.all() {
            while host.look(Transactions::is_short_of_ids) == Some(true) {
                match self.producer_id_block().await {
                    Ok(block) => host.input(|machine, _now| {
                        machine.supply(block.first..block.first + i64::from(block.count));
                        Said::default()
                    }),
                    Err(error) => {
                        tracing::warn!(%error, "no ids for transactional producers");
                        return;
                    }
                }
            }
        }
    }

    /// Sends the markers that wait; false when there are none.
    fn send_markers(&self, surroundings: &TransactionSurroundings) -> bool {
        let waiting = std::mem::take(&mut *surroundings.markers.borrow_mut());
        let is_some = !waiting.is_empty();
        for (host, markers) in waiting {
            let broker = self.clone();
            self.core()
                .spawn(async move { broker.write_markers(&host, markers).await });
        }
        is_some
    }

    /// Writes one sending of markers, to all partitions side by side.
    async fn write_markers(&self, host: &TransactionHost, markers: Markers) {
        let request = MarkerRequest {
            producer_id: markers.producer_id,
            producer_epoch: markers.producer_epoch,
            coordinator_epoch: markers.coordinator_epoch,
            is_commit: markers.is_commit,
            transaction_version: match markers.level {
                TransactionLevel::One => 0,
                TransactionLevel::Two => 2,
            },
        };
        let mut writing = Vec::with_capacity(markers.partitions.len());
        for partition in &markers.partitions {
            writing.push((partition.clone(), self.begin_marker(partition, request)));
        }
        for (partition, written) in writing {
            let outcome = outcome(&partition, written.await);
            let report = MarkerReport {
                ticket: markers.ticket,
                transactional_id: Arc::clone(&markers.transactional_id),
                partition,
                outcome,
            };
            host.input(|machine, now| machine.marked(now, report).into());
        }
        host.note_errand_ended();
    }

    /// Begins to write one marker.
    pub fn begin_marker(
        &self,
        partition: &TopicPartition,
        request: MarkerRequest,
    ) -> impl Future<Output = Result<(), MarkerFailure>> + use<> {
        let image = self.image();
        let topic = image.topic(&partition.topic);
        let id = topic.map(|topic| PartitionId {
            topic: topic.id,
            index: partition.partition,
        });
        let id = id.filter(|id| image.partition(id.topic, id.index).is_some());
        let is_of_groups = partition.topic == OFFSETS_TOPIC;
        let writing = id.map(|id| {
            self.on_core(id.owner(self.cores()), move |broker| {
                let broker = broker.clone();
                async move {
                    if is_of_groups {
                        broker.mark_groups(id, request).await
                    } else {
                        broker.mark(id, request).await
                    }
                }
            })
        });
        async move {
            let written = writing.ok_or(MarkerFailure::Gone)?.await;
            written.map_err(MarkerFailure::Unavailable)?
        }
    }

    async fn mark(&self, id: PartitionId, request: MarkerRequest) -> Result<(), MarkerFailure> {
        let partition = self.shared.hosted.find(id);
        let partition = partition.map_err(MarkerFailure::Unavailable)?;
        let marker = request.at(self.core().wall());
        let written = partition
            .append_marker(marker, request.transaction_version)
            .await;
        written.map(|_| ()).map_err(MarkerFailure::Refused)
    }

    /// In `__consumer_offsets` the groups' machine is told, in the order of the log.
    async fn mark_groups(
        &self,
        id: PartitionId,
        request: MarkerRequest,
    ) -> Result<(), MarkerFailure> {
        let not_now = MarkerFailure::Unavailable(Unavailable::Opening);
        let Some(host) = self.shared.groups.find(id) else {
            return Err(not_now);
        };
        let marked = host.end_transaction(request);
        match marked.map_err(MarkerFailure::Refused)? {
            // It may be in the log or not; the one that is sent again changes nothing then.
            Some(marked) => marked.await.map_err(|_gone| not_now),
            None => Err(not_now),
        }
    }
}

/// Why a marker was not written.
#[derive(Clone, Debug)]
pub enum MarkerFailure {
    /// The partition does not exist.
    Gone,
    /// It does not serve now.
    Unavailable(Unavailable),
    /// It does not take the marker.
    Refused(AppendError),
}

/// What the coordinator is told of a marker.
fn outcome(partition: &TopicPartition, written: Result<(), MarkerFailure>) -> MarkerOutcome {
    match written {
        Ok(()) => MarkerOutcome::Written,
        Err(MarkerFailure::Gone) => MarkerOutcome::Gone,
        // It may serve again soon.
        Err(MarkerFailure::Unavailable(_)) => MarkerOutcome::Failed,
        // The producer has a later epoch there: its transaction ended by another marker.
        Err(MarkerFailure::Refused(AppendError::Replica(replica::AppendError::Producer(
            ProducerError::InvalidEpoch { .. } | ProducerError::CoordinatorFenced { .. },
        )))) => MarkerOutcome::Written,
        Err(MarkerFailure::Refused(error)) => {
            tracing::warn!(%partition, %error, "a transaction's marker is not written yet");
            MarkerOutcome::Failed
        }
    }
}
