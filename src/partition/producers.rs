//! What a partition tells of the producers that wrote to it (KIP-664).

use base::{Offset, ProducerEpoch, ProducerId, Timestamp};

use crate::partition::Partition;

/// One producer, as the partition remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// The sequence number of its last record, or -1.
    pub last_sequence: i32,
    /// The time of its last batch or marker.
    pub last_timestamp: Timestamp,
    /// The epoch of the coordinator that wrote its last marker, or -1.
    pub coordinator_epoch: i32,
    /// Where its open transaction began.
    pub transaction_start: Option<Offset>,
}

impl Partition {
    /// The producers that are remembered, by id.
    #[must_use]
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        let replica = self.shared.replica.borrow();
        let producers = replica.producers().iter();
        let active = producers.map(|(id, producer)| ActiveProducer {
            id,
            epoch: producer.epoch(),
            last_sequence: producer.last_sequence(),
            last_timestamp: producer.last_timestamp(),
            coordinator_epoch: producer.coordinator_epoch(),
            transaction_start: producer.transaction_start(),
        });
        active.collect()
    }
}
