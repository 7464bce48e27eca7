//! The producers of one partition: who may append what, and what was appended already.
//!
//! Invariants: the state equals the fold of the log's batches, whether they are admitted one by
//! one or replayed; never more producers than the budget, where the idlest ones go first, except
//! those with an open transaction, which are as many as the coordinators allow.

use crate::producer::{AppendedBatch, Producer, ProducerError};
use crate::transactions::{CompletedTransaction, Transactions};
use base::{Offset, ProducerEpoch, ProducerId, Timestamp};
use batch::{BatchView, ControlRecord, ProducerBatch, Scratch, records};
use std::collections::BTreeMap;

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is new and follows what is there.
    Append,
    /// It is in the log already: answer with these offsets, once they are durable.
    Duplicate(AppendedBatch),
}

/// The end of a producer's transaction, as a coordinator writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The producer.
    pub producer_id: ProducerId,
    /// The producer's epoch in the marker.
    pub producer_epoch: ProducerEpoch,
    /// The coordinator's epoch.
    pub coordinator_epoch: i32,
    /// Whether the transaction is aborted.
    pub is_abort: bool,
    /// The marker's time.
    pub timestamp: Timestamp,
}

/// All producers that the partition remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerStates {
    pub(crate) producers: BTreeMap<ProducerId, Producer>,
    pub(crate) transactions: Transactions,
    pub(crate) producers_max: usize,
}

impl ProducerStates {
    /// No producers yet, and never more than `producers_max`.
    ///
    /// # Panics
    /// When the budget is zero, which would make idempotence impossible.
    #[must_use]
    pub fn new(producers_max: usize) -> Self {
        assert!(producers_max > 0, "a partition has room for a producer");
        Self {
            producers: BTreeMap::new(),
            transactions: Transactions::default(),
            producers_max,
        }
    }

    /// How many producers are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether no producer is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// The producers by id.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &Producer)> {
        self.producers.iter().map(|(id, producer)| (*id, producer))
    }

    /// One producer.
    #[must_use]
    pub fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.producers.get(&id)
    }

    /// The transactions of this partition.
    #[must_use]
    pub const fn transactions(&self) -> &Transactions {
        &self.transactions
    }

    /// Whether the producer's transaction is open in this epoch.
    #[must_use]
    pub fn is_open_in(&self, id: ProducerId, epoch: ProducerEpoch) -> bool {
        let producer = self.producers.get(&id);
        producer.is_some_and(|producer| producer.is_open_in(epoch))
    }

    /// Whether the batch is remembered, so that it will not be appended again.
    pub(crate) fn is_duplicate(&self, batch: &ProducerBatch) -> bool {
        let producer = self.producers.get(&batch.id);
        batch.first_sequence >= 0
            && producer.is_some_and(|producer| producer.duplicate(batch).is_some())
    }

    /// Judges a batch. One without sequence numbers is a coordinator's, as validation lets no
    /// client send such: it is judged by its epoch alone and is never a duplicate.
    ///
    /// # Errors
    /// Says why it must not be appended.
    pub fn check(
        &self,
        batch: &ProducerBatch,
        is_transactional: bool,
    ) -> Result<Verdict, ProducerError> {
        assert!(
            batch.id > ProducerId::NONE,
            "only numbered batches are judged"
        );
        let Some(producer) = self.producers.get(&batch.id) else {
            return Ok(Verdict::Append);
        };
        let is_sequenced = batch.first_sequence >= 0;
        if is_sequenced && let Some(duplicate) = producer.duplicate(batch) {
            return Ok(Verdict::Duplicate(duplicate));
        }
        producer.check(batch, is_transactional, is_sequenced)?;
        Ok(Verdict::Append)
    }

    /// Notes a batch that the log has taken in.
    pub fn append(
        &mut self,
        batch: &ProducerBatch,
        offsets: std::ops::RangeInclusive<Offset>,
        timestamp: Timestamp,
        is_transactional: bool,
    ) {
        let (first_offset, last_offset) = offsets.into_inner();
        let appended = AppendedBatch {
            first_sequence: batch.first_sequence,
            last_sequence: batch.last_sequence,
            first_offset,
            last_offset,
            timestamp,
        };
        let producer = self.entry(batch.id);
        producer.remember(batch.epoch, appended);
        if is_transactional && producer.transaction_start.is_none() {
            producer.transaction_start = Some(first_offset);
            self.transactions.begin(batch.id, first_offset);
        }
        assert!(
            self.producers.contains_key(&batch.id),
            "the newest is never evicted"
        );
    }

    /// Forgets all but the newest `count` batches of a producer, for a planted bug.
    pub(crate) fn forget_batches(&mut self, id: ProducerId, count: usize) {
        if let Some(producer) = self.producers.get_mut(&id) {
            let old = producer.batches.len().saturating_sub(count);
            producer.batches.drain(..old);
        }
    }

    /// Judges a marker. Under `transaction.version` 2 the coordinator raises the epoch with every
    /// marker (KIP-890), so that an old epoch is a late one, unless it repeats the marker that
    /// ended the transaction (KAFKA-19999).
    ///
    /// # Errors
    /// Says why it must not be appended.
    pub fn check_marker(
        &self,
        marker: &Marker,
        transaction_version: i16,
    ) -> Result<(), ProducerError> {
        assert!(
            marker.producer_id > ProducerId::NONE,
            "a marker is a producer's"
        );
        let Some(producer) = self.producers.get(&marker.producer_id) else {
            return Ok(());
        };
        let (found, current) = (marker.producer_epoch, producer.epoch);
        let is_repeated = found == current && producer.transaction_start.is_none();
        let is_late =
            found < current || (transaction_version >= 2 && found == current && !is_repeated);
        if is_late {
            return Err(ProducerError::InvalidEpoch { found, current });
        }
        let (found, current) = (marker.coordinator_epoch, producer.coordinator_epoch);
        if found < current {
            return Err(ProducerError::CoordinatorFenced { found, current });
        }
        Ok(())
    }

    /// Notes a marker that the log has taken in at `offset`; the transaction that it ended.
    pub fn append_marker(
        &mut self,
        marker: &Marker,
        offset: Offset,
    ) -> Option<CompletedTransaction> {
        assert!(offset >= Offset(0), "the log has given it a place");
        let producer = self.entry(marker.producer_id);
        producer.enter_epoch(marker.producer_epoch);
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.last_timestamp = marker.timestamp;
        let first_offset = producer.transaction_start.take()?;
        let (id, is_abort) = (marker.producer_id, marker.is_abort);
        Some(self.transactions.end(id, first_offset, offset, is_abort))
    }

    /// Notes a batch read from the log during recovery, or taken over from the leader.
    ///
    /// # Errors
    /// When a control batch cannot be read.
    pub fn replay(
        &mut self,
        view: &BatchView<'_>,
        scratch: &mut Scratch,
    ) -> Result<Option<CompletedTransaction>, batch::BatchError> {
        let Some(producer) = view.producer() else {
            return Ok(None);
        };
        let attributes = view.attributes();
        if !attributes.is_control() {
            let offsets = view.base_offset()..=view.last_offset();
            let timestamp = view.max_timestamp();
            self.append(&producer, offsets, timestamp, attributes.is_transactional());
            return Ok(None);
        }
        // Compaction may have emptied it: then the whole transaction is gone from the log.
        let Some(record) = records(view, scratch, MARKER_BYTES_MAX)?
            .next()
            .transpose()?
        else {
            return Ok(None);
        };
        let (coordinator_epoch, is_abort) = match ControlRecord::parse(record.key, record.value) {
            Some(ControlRecord::Abort { coordinator_epoch }) => (coordinator_epoch, true),
            Some(ControlRecord::Commit { coordinator_epoch }) => (coordinator_epoch, false),
            _ => return Ok(None),
        };
        let marker = Marker {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            coordinator_epoch,
            is_abort,
            timestamp: record.timestamp,
        };
        Ok(self.append_marker(&marker, record.offset))
    }

    /// Forgets the producers that have been idle for `expiration_ms` (KIP-854), unless their
    /// transaction is open; how many went.
    pub fn expire(&mut self, now: Timestamp, expiration_ms: i64) -> usize {
        let before = self.producers.len();
        self.producers.retain(|_, producer| {
            producer.transaction_start.is_some()
                || now.0.saturating_sub(producer.last_timestamp.0) < expiration_ms
        });
        assert!(self.producers.len() <= before, "expiry only forgets");
        before - self.producers.len()
    }

    /// Lets ended transactions go whose markers lie below the high watermark.
    pub fn handle_high_watermark(&mut self, high_watermark: Offset) {
        self.transactions.forget_below(high_watermark);
    }

    fn entry(&mut self, id: ProducerId) -> &mut Producer {
        if self.producers.len() >= self.producers_max && !self.producers.contains_key(&id) {
            self.evict();
        }
        self.producers.entry(id).or_insert_with(Producer::new)
    }

    /// Forgets the idlest sixteenth, so that a flood of new producers costs little each. A
    /// forgotten producer may go on with any sequence number, as after expiry.
    fn evict(&mut self) {
        let before = self.producers.len();
        let idle = self
            .producers
            .iter()
            .filter(|(_, producer)| producer.transaction_start.is_none());
        let mut idle: Vec<_> = idle
            .map(|(id, producer)| (producer.last_timestamp, *id))
            .collect();
        idle.sort_unstable();
        for (_, id) in idle.iter().take(self.producers_max / 16 + 1) {
            self.producers.remove(id);
        }
        assert!(self.producers.len() < before || idle.is_empty());
    }
}

/// A marker has a few dozen bytes; compressed ones, which nobody writes, are read no further.
const MARKER_BYTES_MAX: usize = 64 * 1024;
