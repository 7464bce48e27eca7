//! Which batches of an answer belong to transactions that were aborted (KIP-98).
//!
//! Brokers send such records to readers of committed ones all the same, with a list of the transactions that
//! were aborted; leaving them out is the reader's part. Invariant: batches are asked about in the order of their
//! offsets, all of one answer.

use std::collections::BTreeSet;

use base::{Offset, ProducerId};
use batch::BatchView;

/// A transaction that was aborted, with records among those that were fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Who wrote it.
    pub producer_id: ProducerId,
    /// The offset of its first record.
    pub first_offset: Offset,
}

/// Goes along the batches of one answer.
#[derive(Debug)]
pub struct CommittedFilter {
    /// Those that begin further on, the nearest last.
    ahead: Vec<AbortedTransaction>,
    /// Whose transaction, aborted later, is open here.
    open: BTreeSet<ProducerId>,
}

impl CommittedFilter {
    /// For an answer that names these transactions, in any order.
    #[must_use]
    pub fn new(aborted: &[AbortedTransaction]) -> Self {
        let mut ahead = aborted.to_vec();
        ahead.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        let open = BTreeSet::new();
        Self { ahead, open }
    }

    /// Whether the batch has records for a reader of committed ones. A marker has none, and ends the
    /// transaction that is open.
    pub fn admits(&mut self, batch: &BatchView<'_>) -> bool {
        let behind = batch.next_offset();
        while let Some(next) = self.ahead.pop_if(|next| next.first_offset < behind) {
            self.open.insert(next.producer_id);
        }
        let attributes = batch.attributes();
        if attributes.is_control() {
            // The first marker behind its first record is the one of the transaction that is open.
            self.open.remove(&batch.producer_id());
            return false;
        }
        !(attributes.is_transactional() && self.open.contains(&batch.producer_id()))
    }
}
