//! What one input to the coordinator of transactions leads to, and what comes back of markers.

use base::{ProducerEpoch, ProducerId, TopicPartition};
use std::sync::Arc;

use super::{Answer, TransactionLevel};
use crate::{Caller, Record};

/// What one input led to.
#[must_use = "records must be appended, answers released and markers written"]
#[derive(Debug, Default)]
pub struct Step {
    /// To be appended in this order; already applied to the machine.
    pub records: Vec<Record>,
    /// To be released when all records so far are durable.
    pub answers: Vec<(Caller, Answer)>,
    /// To be written when all records so far are durable.
    pub markers: Vec<Markers>,
}

/// The name of one sending of markers within one machine's life: a report that comes late must not
/// count for the next transaction of the same producer and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(crate) u64);

/// Write the outcome of a transaction to these partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers {
    /// To be repeated in each report.
    pub ticket: Ticket,
    /// The transactional id.
    pub transactional_id: Arc<str>,
    /// The producer's id.
    pub producer_id: ProducerId,
    /// The epoch for the marker.
    pub producer_epoch: ProducerEpoch,
    /// The coordinator's own epoch, for the marker.
    pub coordinator_epoch: i32,
    /// True for a commit, false for an abort.
    pub is_commit: bool,
    /// How strictly the partitions compare epochs.
    pub level: TransactionLevel,
    /// Where to.
    pub partitions: Vec<TopicPartition>,
}

/// What became of a marker in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkerOutcome {
    /// It is durable, or the transaction had ended there already: the partition's epoch of the
    /// producer is that of the marker with nothing open, or a later one.
    Written,
    /// The partition does not exist any more.
    Gone,
    /// It did not work out now; it is to be sent again after a pause.
    Failed,
}

/// Word about one marker: whatever became of it, it is not on its way any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkerReport {
    /// As in [`Markers`].
    pub ticket: Ticket,
    /// As in [`Markers`].
    pub transactional_id: Arc<str>,
    /// The partition.
    pub partition: TopicPartition,
    /// What became of it.
    pub outcome: MarkerOutcome,
}
