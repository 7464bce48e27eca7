//! Which offset of `__cluster_metadata-0` belongs to which entry.
//!
//! Every entry is one record batch, so the index is the batch's ordinal behind the snapshot. The
//! Kafka offset of an entry depends on how many records the entries before it hold; every voter
//! computes the same ones, since committed prefixes are equal and a truncation cuts both.
//! Invariants: ends are strictly increasing; the map covers exactly the entries of the log.

use crate::entry::{Index, SnapshotMark};
use base::{Offset, usize_from_u64};

/// The offsets of the entries behind a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetMap {
    snapshot_index: Index,
    snapshot_end: Offset,
    /// The offset behind each entry's last record, in index order.
    ends: std::collections::VecDeque<Offset>,
}

impl OffsetMap {
    /// A map without entries behind a snapshot.
    #[must_use]
    pub fn new(snapshot: &SnapshotMark) -> Self {
        Self {
            snapshot_index: snapshot.index,
            snapshot_end: snapshot.end_offset,
            ends: std::collections::VecDeque::new(),
        }
    }

    /// The index of the last entry.
    #[must_use]
    pub fn last_index(&self) -> Index {
        let count = u64::try_from(self.ends.len()).unwrap_or(0);
        self.snapshot_index.plus(count)
    }

    /// The offset behind the last record: where the next batch begins.
    #[must_use]
    pub fn log_end_offset(&self) -> Offset {
        self.ends.back().copied().unwrap_or(self.snapshot_end)
    }

    /// Takes in the next entry, of `record_count` records; returns its base offset.
    ///
    /// # Panics
    /// When the index does not follow the last one or the batch holds no record.
    pub fn append(&mut self, index: Index, record_count: i64) -> Offset {
        assert!(
            index == self.last_index().plus(1),
            "entries are appended in order"
        );
        assert!(record_count > 0, "a batch without records has no offset");
        let base_offset = self.log_end_offset();
        self.ends.push_back(base_offset.plus(record_count));
        base_offset
    }

    /// The offset of the first record of the entry at `index`; the log end for the next index.
    #[must_use]
    pub fn base_offset(&self, index: Index) -> Option<Offset> {
        let before = Index(index.get().checked_sub(1)?);
        self.end_offset(before)
    }

    /// The offset behind the last record of the entry at `index`.
    #[must_use]
    pub fn end_offset(&self, index: Index) -> Option<Offset> {
        let ordinal = index.get().checked_sub(self.snapshot_index.get())?;
        match ordinal.checked_sub(1) {
            None => Some(self.snapshot_end),
            Some(place) => self.ends.get(usize_from_u64(place)).copied(),
        }
    }

    /// The entry that holds the record at `offset`.
    #[must_use]
    pub fn index_of(&self, offset: Offset) -> Option<Index> {
        if offset < self.snapshot_end || offset >= self.log_end_offset() {
            return None;
        }
        let place = self.ends.partition_point(|end| *end <= offset);
        let place = u64::try_from(place).unwrap_or(0);
        Some(self.snapshot_index.plus(place + 1))
    }

    /// Forgets the entries from `index` on; returns the offset at which the log is to be cut.
    ///
    /// # Panics
    /// When the entry is not in the map: what a snapshot holds is never cut.
    pub fn truncate_from(&mut self, index: Index) -> Offset {
        assert!(
            index > self.snapshot_index && index <= self.last_index(),
            "only entries of the log can be cut"
        );
        let keep = index.get() - self.snapshot_index.get() - 1;
        self.ends.truncate(usize_from_u64(keep));
        self.log_end_offset()
    }

    /// Forgets the entries that a snapshot at `index` holds; returns its end offset.
    ///
    /// # Panics
    /// When the entry is not in the map.
    pub fn compact(&mut self, index: Index) -> Offset {
        let end = self.end_offset(index);
        assert!(end.is_some(), "a snapshot ends at an entry of the log");
        let count = index.get() - self.snapshot_index.get();
        self.ends.drain(..usize_from_u64(count));
        self.snapshot_index = index;
        self.snapshot_end = end.unwrap_or(self.snapshot_end);
        self.snapshot_end
    }
}
