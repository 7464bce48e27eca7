//! Stamping a validated batch in place: what the broker adds to the producer's bytes.
//!
//! Invariants: offset and epoch lie outside the checksum, which therefore stays the producer's
//! own, end to end; only a change of timestamps computes it anew.

use crate::layout::{self, Attributes, HEADER_BYTES, Header, TimestampType};
use base::{LeaderEpoch, Offset, Timestamp};

/// Stamps where the log put the batch and under which leader.
///
/// # Panics
/// When `batch` is shorter than a header or the numbers are negative: only a validated batch and
/// numbers of a log's own may come here.
pub fn stamp(batch: &mut [u8], base_offset: Offset, leader_epoch: LeaderEpoch) {
    assert!(base_offset >= Offset(0), "a log's offsets begin at zero");
    assert!(leader_epoch >= LeaderEpoch(0), "a leader knows its epoch");
    let header = header_of(batch);
    layout::set_field::<{ layout::BASE_OFFSET_AT }, 8>(header, base_offset.0.to_be_bytes());
    layout::set_field::<{ layout::LEADER_EPOCH_AT }, 4>(header, leader_epoch.0.to_be_bytes());
}

/// Makes `now` the time of every record (KIP-32's LogAppendTime) and renews the checksum.
///
/// # Panics
/// When `batch` is shorter than a header.
pub fn stamp_log_append_time(batch: &mut [u8], now: Timestamp) {
    stamp_timestamps(batch, TimestampType::LogAppendTime, now);
}

/// Writes the timestamp type and the greatest timestamp and renews the checksum.
///
/// # Panics
/// When `batch` is shorter than a header.
pub fn stamp_timestamps(batch: &mut [u8], timestamp_type: TimestampType, max: Timestamp) {
    let header = header_of(batch);
    let attributes = layout::field::<{ layout::ATTRIBUTES_AT }, 2>(header);
    let attributes = Attributes(i16::from_be_bytes(attributes)).with_timestamp_type(timestamp_type);
    layout::set_field::<{ layout::ATTRIBUTES_AT }, 2>(header, attributes.0.to_be_bytes());
    layout::set_field::<{ layout::MAX_TIMESTAMP_AT }, 8>(header, max.0.to_be_bytes());
    stamp_checksum(batch);
}

/// Computes the checksum of a finished batch and writes it.
pub(crate) fn stamp_checksum(batch: &mut [u8]) {
    assert!(batch.len() >= HEADER_BYTES, "a batch has a header");
    let (_, covered) = batch.split_at(layout::CRC_RANGE_AT);
    let crc = crc32c::crc32c(covered);
    layout::set_field::<{ layout::CRC_AT }, 4>(header_of(batch), crc.to_be_bytes());
}

fn header_of(batch: &mut [u8]) -> &mut Header {
    let header = batch.first_chunk_mut::<HEADER_BYTES>();
    #[expect(clippy::expect_used, reason = "only whole batches are stamped")]
    header.expect("a batch to be stamped has a header")
}
