//! The batch with which a coordinator ends a producer's transaction in one partition (KIP-98).
//!
//! Invariant: byte for byte what Kafka writes: one control record, transactional, uncompressed,
//! without sequence numbers.

use base::{ProducerEpoch, ProducerId, Timestamp};

use crate::builder::{BatchBuilder, BatchOptions};
use crate::control::ControlRecord;

/// The end of a producer's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndMarker {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its epoch; in `transaction.version` 2 already that of its next transaction (KIP-890).
    pub producer_epoch: ProducerEpoch,
    /// The epoch of the coordinator that decided it.
    pub coordinator_epoch: i32,
    /// Whether it was aborted.
    pub is_abort: bool,
    /// When the marker is written.
    pub timestamp: Timestamp,
}

impl EndMarker {
    /// The batch; base offset and leader epoch are stamped when it gets its place.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "nothing is compressed, which is what can fail"
    )]
    pub fn batch(&self) -> Vec<u8> {
        let coordinator_epoch = self.coordinator_epoch;
        let record = if self.is_abort {
            ControlRecord::Abort { coordinator_epoch }
        } else {
            ControlRecord::Commit { coordinator_epoch }
        };
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            is_transactional: true,
            is_control: true,
            ..BatchOptions::default()
        });
        builder.append_control(self.timestamp, &record);
        let mut bytes = Vec::new();
        builder
            .build(&mut bytes)
            .expect("an uncompressed batch is built");
        bytes
    }
}
