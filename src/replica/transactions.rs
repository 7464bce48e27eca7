//! The transactions that keep the last stable offset down (KIP-98).
//!
//! Invariants: a transaction is open from its first record in this partition to its marker; it
//! holds the last stable offset until the marker itself lies below the high watermark.

use crate::snapshot::SnapshotError;
use base::{Offset, ProducerId};
use std::collections::BTreeMap;

/// Open transactions, and ended ones whose marker is not below the high watermark yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transactions {
    open: BTreeMap<Offset, ProducerId>,
    ended: BTreeMap<Offset, Offset>,
}

/// A transaction that a marker has ended; an aborted one belongs into the aborted index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTransaction {
    /// The producer's id.
    pub producer_id: ProducerId,
    /// The offset of the transaction's first record.
    pub first_offset: Offset,
    /// The offset of the marker.
    pub last_offset: Offset,
    /// Whether it was aborted.
    pub is_aborted: bool,
    /// The last stable offset once this transaction no longer counts, for the aborted index.
    pub last_stable_offset: Offset,
}

impl Transactions {
    pub(crate) fn begin(&mut self, producer_id: ProducerId, first_offset: Offset) {
        let before = self.open.insert(first_offset, producer_id);
        assert!(
            before.is_none(),
            "one record begins at most one transaction"
        );
    }

    /// Takes over an open transaction from a snapshot.
    pub(crate) fn begin_loaded(
        &mut self,
        producer_id: ProducerId,
        first_offset: Offset,
    ) -> Result<(), SnapshotError> {
        match self.open.insert(first_offset, producer_id) {
            None => Ok(()),
            Some(_) => Err(SnapshotError::Entry { producer_id }),
        }
    }

    pub(crate) fn end(
        &mut self,
        producer_id: ProducerId,
        first_offset: Offset,
        last_offset: Offset,
        is_aborted: bool,
    ) -> CompletedTransaction {
        assert!(first_offset < last_offset, "the marker follows the records");
        let removed = self.open.remove(&first_offset);
        assert!(removed == Some(producer_id), "only what is open can end");
        self.ended.insert(first_offset, last_offset);
        let next_open = self.open.first_key_value();
        CompletedTransaction {
            producer_id,
            first_offset,
            last_offset,
            is_aborted,
            last_stable_offset: next_open.map_or(last_offset.plus(1), |(first, _)| *first),
        }
    }

    /// The first offset whose outcome is open, or not yet safe below `high_watermark`.
    #[must_use]
    pub fn first_unstable_offset(&self, high_watermark: Offset) -> Option<Offset> {
        let unsafe_yet = self
            .ended
            .iter()
            .find(|(_, marker)| **marker >= high_watermark);
        let open = self.open.first_key_value();
        let firsts = [
            unsafe_yet.map(|(first, _)| *first),
            open.map(|(first, _)| *first),
        ];
        firsts.into_iter().flatten().min()
    }

    /// Forgets the ended transactions whose markers everybody may see.
    pub(crate) fn forget_below(&mut self, high_watermark: Offset) {
        self.ended.retain(|_, marker| *marker >= high_watermark);
    }

    /// How many transactions are open.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The oldest open transaction.
    #[must_use]
    pub fn oldest_open(&self) -> Option<(Offset, ProducerId)> {
        let (first, producer_id) = self.open.first_key_value()?;
        Some((*first, *producer_id))
    }
}
