//! What a coordinator of transactions wants written in one partition.

use base::{ProducerEpoch, ProducerId, Timestamp};
use batch::EndMarker;

/// The outcome of a producer's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkerRequest {
    /// The producer.
    pub producer_id: ProducerId,
    /// The producer's epoch in the marker.
    pub producer_epoch: ProducerEpoch,
    /// The coordinator's epoch.
    pub coordinator_epoch: i32,
    /// True for a commit, false for an abort.
    pub is_commit: bool,
    /// The level of `transaction.version` that the transaction was run at: from 2 on, the marker
    /// has a higher epoch than the records (KIP-890).
    pub transaction_version: i16,
}

impl MarkerRequest {
    /// The marker, written at this time.
    pub(crate) fn at(&self, timestamp: Timestamp) -> EndMarker {
        EndMarker {
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            coordinator_epoch: self.coordinator_epoch,
            is_abort: !self.is_commit,
            timestamp,
        }
    }
}
