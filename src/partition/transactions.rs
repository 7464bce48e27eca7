//! Ends of transactions in a partition, and what readers of committed records leave out (KIP-98).

use base::Offset;
use batch::EndMarker;
use replica::{CompletedTransaction, Marker};
use storage::{AbortedTransaction, BatchShape, Stamp, StorageError};

use crate::error::AppendError;
use crate::partition::Partition;

impl Partition {
    /// Whether a marker would be taken now.
    ///
    /// # Errors
    /// Why not.
    pub fn check_marker(
        &self,
        marker: EndMarker,
        transaction_version: i16,
    ) -> Result<(), AppendError> {
        let replica = self.shared.replica.borrow();
        let checked = replica
            .producers()
            .check_marker(&end(marker), transaction_version);
        checked.map_err(|error| replica::AppendError::Producer(error).into())
    }

    /// Writes the outcome of a producer's transaction; its offset, once it is acknowledged. What is
    /// written twice changes nothing.
    ///
    /// `transaction_version` is that of whoever ends the transaction: from 2 on the marker's epoch
    /// must be newer than that of the records, unless it repeats the last marker.
    ///
    /// # Errors
    /// When the marker comes too late; or when it is not known to be durable.
    pub async fn append_marker(
        self,
        marker: EndMarker,
        transaction_version: i16,
    ) -> Result<Offset, AppendError> {
        let bytes = marker.batch();
        let shape = BatchShape {
            len: bytes.len(),
            offset_count: 1,
            max_timestamp: marker.timestamp,
        };
        let reservation = self.shared.log.reserve(shape).await?;
        if self.is_closed() {
            return Err(StorageError::Closed.into());
        }
        let (base_offset, stamp, ended) = {
            let mut replica = self.shared.replica.borrow_mut();
            let (base_offset, ended) = replica.handle_marker(&end(marker), transaction_version)?;
            let stamp = Stamp::Leader {
                base_offset,
                leader_epoch: replica.leader_epoch(),
                timestamps: None,
            };
            (base_offset, stamp, ended)
        };
        let appended = self.shared.log.append(&bytes, &stamp, reservation);
        assert_eq!(
            appended.base_offset, base_offset,
            "the log and the replica agree"
        );
        if let Some(aborted) = ended.and_then(aborted) {
            self.shared.log.note_aborted(aborted);
        }
        self.acknowledge(appended.next_offset).await?;
        Ok(base_offset)
    }

    /// The aborted transactions of which something lies in `from..to`, for readers of committed
    /// records; `to` is no further than the last stable offset.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn aborted_in(
        &self,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        self.shared.log.aborted_in(from, to).await
    }
}

fn end(marker: EndMarker) -> Marker {
    Marker {
        producer_id: marker.producer_id,
        producer_epoch: marker.producer_epoch,
        coordinator_epoch: marker.coordinator_epoch,
        is_abort: marker.is_abort,
        timestamp: marker.timestamp,
    }
}

/// What the log keeps of a transaction that was aborted.
pub(crate) fn aborted(ended: CompletedTransaction) -> Option<AbortedTransaction> {
    ended.is_aborted.then_some(AbortedTransaction {
        producer_id: ended.producer_id,
        first_offset: ended.first_offset,
        last_offset: ended.last_offset,
        last_stable_offset: ended.last_stable_offset,
    })
}
