//! The two sparse indexes of one segment, in memory.
//!
//! An offset index entry says: the batch at `position` ends with `relative_offset`. A time index
//! entry says: up to `relative_offset` no timestamp is above `timestamp`.
//!
//! Invariants: both rise strictly from entry to entry in each of their columns but the time
//! index's offset, which never falls; an index is derived from the log and never evidence: who
//! follows an entry checks what it finds.

use base::Timestamp;

use crate::layout::{self, INDEX_ENTRY_BYTES, TIME_ENTRY_BYTES};
use crate::scan::HeaderView;
use crate::segment::Segment;

/// A batch's last offset, relative to the segment's base, and where the batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) relative_offset: u32,
    pub(crate) position: u32,
}

/// The greatest timestamp up to an offset, which is that of the batch that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: Timestamp,
    pub(crate) relative_offset: u32,
}

/// Both indexes of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Indexes {
    offsets: Vec<IndexEntry>,
    times: Vec<TimeEntry>,
    /// Bytes appended since the last entry.
    bytes_since: u64,
    /// The greatest timestamp so far and the last offset of the first batch that has it.
    max: Option<TimeEntry>,
}

/// One appended batch, as the indexes see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexedBatch {
    pub(crate) relative_last_offset: u32,
    pub(crate) position: u32,
    pub(crate) len: usize,
    pub(crate) max_timestamp: Timestamp,
}

impl Indexes {
    /// Notes a batch behind all others; an entry is made once more than `interval` bytes lie
    /// between it and the last one.
    pub(crate) fn append(&mut self, batch: &IndexedBatch, interval: u32) {
        let last = self.offsets.last();
        assert!(
            last.is_none_or(|last| last.relative_offset < batch.relative_last_offset
                && last.position < batch.position),
            "an index goes forwards"
        );
        if self
            .max
            .is_none_or(|max| batch.max_timestamp > max.timestamp)
        {
            self.max = Some(TimeEntry {
                timestamp: batch.max_timestamp,
                relative_offset: batch.relative_last_offset,
            });
        }
        if self.bytes_since > u64::from(interval) {
            self.offsets.push(IndexEntry {
                relative_offset: batch.relative_last_offset,
                position: batch.position,
            });
            self.note_time();
            self.bytes_since = 0;
        }
        self.bytes_since += batch.len as u64;
    }

    /// As [`Self::append`], but for a batch that the last entry may know already.
    pub(crate) fn append_if_new(&mut self, batch: &IndexedBatch, interval: u32) {
        let known = self
            .offsets
            .last()
            .is_some_and(|last| last.position >= batch.position);
        if known {
            self.bytes_since += batch.len as u64;
        } else {
            self.append(batch, interval);
        }
    }

    /// Notes a batch that was found in the log of `segment`.
    pub(crate) fn append_found(
        &mut self,
        segment: &Segment,
        header: &HeaderView,
        position: u64,
        len: usize,
        interval: u32,
    ) {
        let batch = IndexedBatch {
            relative_last_offset: segment.relative(header.last_offset).unwrap_or(u32::MAX),
            position: u32::try_from(position).unwrap_or(u32::MAX),
            len,
            max_timestamp: header.max_timestamp,
        };
        self.append(&batch, interval);
    }

    /// The last offset entry.
    pub(crate) fn last(&self) -> Option<IndexEntry> {
        self.offsets.last().copied()
    }

    /// Adds the greatest timestamp so far to the time index, as is due when a segment is sealed.
    pub(crate) fn note_time(&mut self) {
        // Kafka's tools take -1 for the time before the first entry, so it never is one.
        let last = self
            .times
            .last()
            .map_or(Timestamp::NONE, |last| last.timestamp);
        if let Some(max) = self.max
            && last < max.timestamp
        {
            self.times.push(max);
        }
    }

    /// How many offset entries there are.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// The greatest timestamp and the last offset of the first batch that has it.
    pub(crate) fn max_timestamp(&self) -> Option<TimeEntry> {
        self.max
    }

    /// The last entry whose batch ends at or below `relative_offset`: its batch, or one behind
    /// it, holds that offset.
    pub(crate) fn floor(&self, relative_offset: u32) -> Option<IndexEntry> {
        let above = self
            .offsets
            .partition_point(|entry| entry.relative_offset <= relative_offset);
        let floor = self.offsets.get(above.checked_sub(1)?).copied()?;
        assert!(floor.relative_offset <= relative_offset);
        Some(floor)
    }

    /// The first entry whose batch begins at or behind `position`.
    pub(crate) fn ceiling_position(&self, position: u64) -> Option<IndexEntry> {
        let below = self
            .offsets
            .partition_point(|entry| u64::from(entry.position) < position);
        self.offsets.get(below).copied()
    }

    /// The last entry whose batch begins at or before `position`.
    pub(crate) fn floor_position(&self, position: u64) -> Option<IndexEntry> {
        let above = self
            .offsets
            .partition_point(|entry| u64::from(entry.position) <= position);
        self.offsets.get(above.checked_sub(1)?).copied()
    }

    /// At most `count` entries whose batches begin at or before `position`, the closest first.
    pub(crate) fn before(&self, position: u64, count: usize) -> Vec<IndexEntry> {
        let above = self
            .offsets
            .partition_point(|entry| u64::from(entry.position) <= position);
        let below = self.offsets.iter().take(above).rev();
        below.take(count).copied().collect()
    }

    /// At most `count` entries whose batches begin behind `position`, the closest first.
    pub(crate) fn behind(&self, position: u64, count: usize) -> Vec<IndexEntry> {
        let above = self
            .offsets
            .partition_point(|entry| u64::from(entry.position) <= position);
        let rest = self.offsets.iter().skip(above);
        rest.take(count).copied().collect()
    }

    /// A relative offset up to which every timestamp lies below `timestamp`.
    pub(crate) fn time_floor(&self, timestamp: Timestamp) -> Option<u32> {
        let above = self
            .times
            .partition_point(|entry| entry.timestamp < timestamp);
        let floor = self.times.get(above.checked_sub(1)?)?;
        assert!(floor.timestamp < timestamp);
        Some(floor.relative_offset)
    }

    /// The offset index's file.
    pub(crate) fn encode_offsets(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.offsets.len() * INDEX_ENTRY_BYTES);
        for entry in &self.offsets {
            bytes.extend_from_slice(&layout::index_entry(entry.relative_offset, entry.position));
        }
        bytes
    }

    /// The time index's file.
    pub(crate) fn encode_times(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.times.len() * TIME_ENTRY_BYTES);
        for entry in &self.times {
            let entry = layout::time_entry(entry.timestamp.0, entry.relative_offset);
            bytes.extend_from_slice(&entry);
        }
        bytes
    }

    /// The indexes in two files, or nothing where these cannot belong to a segment of
    /// `segment_len` bytes and `relative_end` offsets; they are made again from the log then.
    pub(crate) fn decode(
        offsets: &[u8],
        times: &[u8],
        segment_len: u64,
        relative_end: u64,
    ) -> Option<Self> {
        let (entries, rest) = offsets.as_chunks::<INDEX_ENTRY_BYTES>();
        let (time_entries, time_rest) = times.as_chunks::<TIME_ENTRY_BYTES>();
        if !rest.is_empty() || !time_rest.is_empty() {
            return None;
        }
        let mut indexes = Self::default();
        for bytes in entries {
            let (relative_offset, position) = layout::parse_index_entry(*bytes);
            let rises = indexes.offsets.last().is_none_or(|last| {
                last.relative_offset < relative_offset && last.position < position
            });
            let fits = u64::from(relative_offset) < relative_end
                && position > 0
                && u64::from(position) < segment_len;
            if !rises || !fits {
                return None;
            }
            indexes.offsets.push(IndexEntry {
                relative_offset,
                position,
            });
        }
        for bytes in time_entries {
            let (timestamp, relative_offset) = layout::parse_time_entry(*bytes);
            let timestamp = Timestamp(timestamp);
            let rises = indexes.times.last().is_none_or(|last| {
                last.timestamp < timestamp && last.relative_offset < relative_offset
            });
            if !rises || u64::from(relative_offset) >= relative_end {
                return None;
            }
            indexes.times.push(TimeEntry {
                timestamp,
                relative_offset,
            });
        }
        // A segment with bytes has at least its closing time entry.
        if segment_len > 0 && indexes.times.is_empty() {
            return None;
        }
        indexes.max = indexes.times.last().copied();
        Some(indexes)
    }

    /// Gives back the memory that growing left over.
    pub(crate) fn shrink(&mut self) {
        self.offsets.shrink_to_fit();
        self.times.shrink_to_fit();
    }
}

/// Compares indexes with the batches that they describe, which are shown one after the other.
pub(crate) struct Agreement<'a> {
    offsets: std::iter::Peekable<std::slice::Iter<'a, IndexEntry>>,
    times: std::iter::Peekable<std::slice::Iter<'a, TimeEntry>>,
    greatest: Option<Timestamp>,
    agrees: bool,
}

impl<'a> Agreement<'a> {
    pub(crate) fn new(indexes: &'a Indexes) -> Self {
        Self {
            offsets: indexes.offsets.iter().peekable(),
            times: indexes.times.iter().peekable(),
            greatest: indexes.times.last().map(|last| last.timestamp),
            agrees: true,
        }
    }

    /// Shows the next batch.
    pub(crate) fn see(&mut self, batch: &IndexedBatch) {
        let relative = batch.relative_last_offset;
        if let Some(entry) = self
            .offsets
            .next_if(|entry| entry.position <= batch.position)
        {
            // An entry between two batches was passed over: it is there still, and too small.
            self.agrees &= entry.position == batch.position && entry.relative_offset == relative;
        }
        while self
            .times
            .next_if(|entry| entry.relative_offset < relative)
            .is_some()
        {}
        let bound = self.times.peek().map(|entry| entry.timestamp);
        let bound = bound.or(self.greatest);
        self.agrees &= bound.is_none_or(|bound| batch.max_timestamp <= bound);
    }

    /// Whether everything was as the indexes say, now that all batches were shown.
    pub(crate) fn holds(mut self) -> bool {
        self.agrees && self.offsets.next().is_none()
    }
}
