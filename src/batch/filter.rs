//! Leaving records out of a batch, as compaction does (KIP-534).
//!
//! Invariants: what is left keeps its offsets, its times, its producer's sequence numbers and its
//! order; the batch keeps its base and last offset, so that a gap is visible as such.

use crate::codec::{Codec, Compression, compress, decompress};
use crate::error::BatchError;
use crate::layout::{self, HEADER_BYTES, Header, TimestampType};
use crate::source::{SliceSource, Source, SourceError};
use crate::stamp::stamp_checksum;
use crate::view::BatchView;
use base::Timestamp;

/// Writes the batch again with the records of which `keep` is true, one entry for each record.
/// With a `horizon`, that is the time from which on its tombstones may go.
///
/// # Errors
/// When the records cannot be read, or compressed again.
///
/// # Panics
/// When `keep` has not an entry for each record.
pub fn filter(
    view: &BatchView<'_>,
    keep: &[bool],
    horizon: Option<Timestamp>,
    bytes_max: usize,
    target: &mut Vec<u8>,
) -> Result<(), BatchError> {
    let codec = view.codec()?;
    let mut inflated = Vec::new();
    let plain = match codec {
        Codec::None => view.body(),
        codec => {
            decompress(codec, view.body(), bytes_max, &mut inflated)?;
            &inflated
        }
    };
    assert!(
        i32::try_from(keep.len()).is_ok_and(|len| len == view.record_count()),
        "every record was judged"
    );
    let shift = horizon.map_or(0, |horizon| view.base_timestamp().0.wrapping_sub(horizon.0));
    let mut kept = Kept::default();
    let mut source = SliceSource::new(plain);
    for (index, is_kept) in (0..).zip(keep) {
        copy_record(&mut source, *is_kept, shift, &mut kept).map_err(|error| match error {
            SourceError::Fault(fault) => BatchError::Record { index, fault },
            SourceError::Batch(error) => *error,
        })?;
    }
    let start = target.len();
    let (header, _) = view.bytes().split_at(HEADER_BYTES);
    target.extend_from_slice(header);
    compress(Compression { codec, level: None }, &kept.plain, target)?;
    let (_, batch) = target.split_at_mut(start);
    let base = horizon.unwrap_or(view.base_timestamp());
    let max = match view.attributes().timestamp_type() {
        TimestampType::LogAppendTime => view.max_timestamp(),
        TimestampType::CreateTime => {
            let delta = kept.timestamp_delta_max.unwrap_or(0);
            Timestamp(base.0.wrapping_add(delta))
        }
    };
    let attributes = view.attributes();
    let attributes =
        attributes.with_delete_horizon(horizon.is_some() || attributes.has_delete_horizon());
    finish(batch, attributes.0, (base, max), kept.count)
}

/// Writes the batch again without any record: what remains says up to where its producer came.
///
/// # Errors
/// Never for a view of a batch; the header's length is that of a header.
pub fn empty(view: &BatchView<'_>, target: &mut Vec<u8>) -> Result<(), BatchError> {
    let start = target.len();
    let (header, _) = view.bytes().split_at(HEADER_BYTES);
    target.extend_from_slice(header);
    let (_, batch) = target.split_at_mut(start);
    let attributes = view
        .attributes()
        .with_codec_id(0)
        .with_delete_horizon(false);
    let max = view.max_timestamp();
    finish(batch, attributes.0, (max, max), 0)
}

/// What was kept so far.
#[derive(Default)]
struct Kept {
    plain: Vec<u8>,
    count: i32,
    timestamp_delta_max: Option<i64>,
}

fn copy_record(
    source: &mut SliceSource<'_>,
    is_kept: bool,
    shift: i64,
    kept: &mut Kept,
) -> Result<(), SourceError> {
    let length = source.varint()?;
    let Ok(length) = usize::try_from(length) else {
        return Err(crate::error::RecordFault::NegativeLength.into());
    };
    let body = source.take(length)?;
    if !is_kept {
        return Ok(());
    }
    let mut fields = SliceSource::new(body);
    let attributes = fields.byte()?;
    let delta = fields.varlong()?.wrapping_add(shift);
    let mut head = vec![attributes];
    crate::builder::put_varlong(&mut head, delta);
    let rest = fields.rest();
    crate::builder::put_length(&mut kept.plain, head.len() + rest.len());
    kept.plain.extend_from_slice(&head);
    kept.plain.extend_from_slice(rest);
    kept.count += 1;
    let max = kept.timestamp_delta_max.map_or(delta, |max| max.max(delta));
    kept.timestamp_delta_max = Some(max);
    Ok(())
}

fn finish(
    batch: &mut [u8],
    attributes: i16,
    (base, max): (Timestamp, Timestamp),
    count: i32,
) -> Result<(), BatchError> {
    let length = i32::try_from(batch.len() - layout::LENGTH_OVERHEAD)
        .map_err(|_| BatchError::Length { length: i32::MAX })?;
    if let Some(header) = batch.first_chunk_mut::<HEADER_BYTES>() {
        let header: &mut Header = header;
        layout::set_field::<{ layout::LENGTH_AT }, 4>(header, length.to_be_bytes());
        layout::set_field::<{ layout::ATTRIBUTES_AT }, 2>(header, attributes.to_be_bytes());
        layout::set_field::<{ layout::BASE_TIMESTAMP_AT }, 8>(header, base.0.to_be_bytes());
        layout::set_field::<{ layout::MAX_TIMESTAMP_AT }, 8>(header, max.0.to_be_bytes());
        layout::set_field::<{ layout::RECORD_COUNT_AT }, 4>(header, count.to_be_bytes());
    }
    stamp_checksum(batch);
    assert!(batch.len() >= HEADER_BYTES, "a header was written");
    Ok(())
}
