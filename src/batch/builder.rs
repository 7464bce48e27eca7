//! Building batches: for this product's own clients, its metadata log and its markers.
//!
//! Invariants: a built batch passes [`crate::validate`] under default rules unless it is a
//! control batch; records get the offset deltas 0, 1, 2 ... in the order of their appending.

use crate::codec::{Codec, CodecError, Compression, compress};
use crate::control::ControlRecord;
use crate::layout::{self, Attributes, HEADER_BYTES, MAGIC, TimestampType};
use crate::records::Header;
use crate::stamp::stamp_checksum;
use base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// What stands in the header of a batch beside what follows from its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// How the body is compressed.
    pub compression: Compression,
    /// The first record's offset; zero in a produce request.
    pub base_offset: Offset,
    /// The leader's epoch; unknown in a produce request.
    pub leader_epoch: LeaderEpoch,
    /// The producer's id, or none.
    pub producer_id: ProducerId,
    /// The producer's incarnation, or -1.
    pub producer_epoch: ProducerEpoch,
    /// The first record's sequence number, or -1.
    pub base_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub is_transactional: bool,
    /// Whether the batch holds control records.
    pub is_control: bool,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            compression: Compression::default(),
            base_offset: Offset(0),
            leader_epoch: LeaderEpoch::UNKNOWN,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch(-1),
            base_sequence: -1,
            is_transactional: false,
            is_control: false,
        }
    }
}

/// Collects records and makes one batch of them; afterwards it is empty and can be used again.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    /// What the next batch's header says; the owner moves offset and sequence on between batches.
    pub options: BatchOptions,
    plain: Vec<u8>,
    record: Vec<u8>,
    record_count: u32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
}

impl BatchBuilder {
    /// The most bytes that one batch's records may have before compression; lengths and counts
    /// on the wire have 31 bits.
    pub const PLAIN_BYTES_MAX: usize = 1 << 30;

    /// An empty builder.
    #[must_use]
    pub const fn new(options: BatchOptions) -> Self {
        Self {
            options,
            plain: Vec::new(),
            record: Vec::new(),
            record_count: 0,
            base_timestamp: Timestamp::NONE,
            max_timestamp: Timestamp::NONE,
        }
    }

    /// How many records have been appended.
    #[must_use]
    pub const fn record_count(&self) -> u32 {
        self.record_count
    }

    /// How many bytes the batch would have without compression.
    #[must_use]
    pub const fn plain_bytes(&self) -> usize {
        HEADER_BYTES + self.plain.len()
    }

    /// Appends one record.
    ///
    /// # Panics
    /// When the batch would exceed [`Self::PLAIN_BYTES_MAX`]; callers roll far below it.
    pub fn append(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) {
        if self.record_count == 0 {
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let record = &mut self.record;
        record.clear();
        record.push(0);
        put_varlong(record, timestamp.0.wrapping_sub(self.base_timestamp.0));
        put_varlong(record, i64::from(self.record_count));
        put_nullable(record, key);
        put_nullable(record, value);
        put_length(record, headers.len());
        for header in headers {
            put_nullable(record, Some(header.key));
            put_nullable(record, header.value);
        }
        put_length(&mut self.plain, self.record.len());
        self.plain.extend_from_slice(&self.record);
        self.record_count += 1;
        assert!(
            self.plain.len() <= Self::PLAIN_BYTES_MAX,
            "batches are rolled long before their lengths overflow"
        );
    }

    /// Appends one control record.
    ///
    /// # Panics
    /// When the options do not say that this is a control batch.
    pub fn append_control(&mut self, timestamp: Timestamp, record: &ControlRecord) {
        assert!(
            self.options.is_control,
            "control records go into control batches"
        );
        let (key, value) = (record.key(), record.value());
        self.append(timestamp, Some(&key), Some(&value), &[]);
    }

    /// Appends the finished batch to `target` and empties the builder.
    ///
    /// # Errors
    /// When the body cannot be compressed at the asked level.
    ///
    /// # Panics
    /// When there is no record: producers do not send empty batches.
    pub fn build(&mut self, target: &mut Vec<u8>) -> Result<(), CodecError> {
        assert!(self.record_count > 0, "a batch has records");
        let start = target.len();
        target.resize(start + HEADER_BYTES, 0);
        compress(self.options.compression, &self.plain, target)?;
        let (_, batch) = target.split_at_mut(start);
        self.write_header(batch);
        stamp_checksum(batch);
        self.plain.clear();
        self.record_count = 0;
        Ok(())
    }

    fn write_header(&self, batch: &mut [u8]) {
        let length = batch.len() - layout::LENGTH_OVERHEAD;
        #[expect(
            clippy::expect_used,
            reason = "bounded by PLAIN_BYTES_MAX, asserted at append"
        )]
        let length = i32::try_from(length).expect("a batch is shorter than 2 GiB");
        let last_offset_delta = self.record_count - 1;
        let options = &self.options;
        let attributes = Attributes::default()
            .with_codec_id(options.compression.codec.id())
            .with_timestamp_type(TimestampType::CreateTime)
            .with_transactional(options.is_transactional)
            .with_control(options.is_control);
        assert!(attributes.codec_id() == options.compression.codec.id());
        let fields: [&[u8]; 13] = [
            &options.base_offset.0.to_be_bytes(),
            &length.to_be_bytes(),
            &options.leader_epoch.0.to_be_bytes(),
            &MAGIC.to_be_bytes(),
            &0_u32.to_be_bytes(),
            &attributes.0.to_be_bytes(),
            &last_offset_delta.to_be_bytes(),
            &self.base_timestamp.0.to_be_bytes(),
            &self.max_timestamp.0.to_be_bytes(),
            &options.producer_id.0.to_be_bytes(),
            &options.producer_epoch.0.to_be_bytes(),
            &options.base_sequence.to_be_bytes(),
            &self.record_count.to_be_bytes(),
        ];
        let (header, _) = batch.split_at_mut(HEADER_BYTES);
        let bytes = fields.into_iter().flatten();
        for (slot, byte) in header.iter_mut().zip(bytes) {
            *slot = *byte;
        }
    }
}

/// The same records in another codec, all else equal: a topic's `compression.type` (KIP-390) that
/// is not the producer's. The caller has validated `view`.
///
/// # Errors
/// When the body cannot be decompressed within `bytes_max` bytes or compressed at that level.
pub fn recompress(
    view: &crate::BatchView<'_>,
    compression: Compression,
    bytes_max: usize,
    target: &mut Vec<u8>,
) -> Result<(), crate::BatchError> {
    let start = target.len();
    let (header, _) = view.bytes().split_at(HEADER_BYTES);
    target.extend_from_slice(header);
    let mut plain = Vec::new();
    match view.codec()? {
        Codec::None => compress(compression, view.body(), target)?,
        codec => {
            crate::codec::decompress(codec, view.body(), bytes_max, &mut plain)?;
            compress(compression, &plain, target)?;
        }
    }
    let (_, batch) = target.split_at_mut(start);
    let length = i32::try_from(batch.len() - layout::LENGTH_OVERHEAD)
        .map_err(|_| crate::BatchError::Length { length: i32::MAX })?;
    let attributes = view.attributes().with_codec_id(compression.codec.id());
    if let Some(header) = batch.first_chunk_mut::<HEADER_BYTES>() {
        layout::set_field::<{ layout::LENGTH_AT }, 4>(header, length.to_be_bytes());
        layout::set_field::<{ layout::ATTRIBUTES_AT }, 2>(header, attributes.0.to_be_bytes());
    }
    stamp_checksum(batch);
    assert!(batch.len() >= HEADER_BYTES, "a header was written");
    Ok(())
}

/// A 64-bit zigzag number; a 32-bit one has the same bytes.
pub(crate) fn put_varlong(target: &mut Vec<u8>, value: i64) {
    let mut bits = ((value << 1) ^ (value >> 63)).cast_unsigned();
    loop {
        let [.., low] = bits.to_be_bytes();
        bits >>= 7;
        if bits == 0 {
            target.push(low & 0x7F);
            return;
        }
        target.push(low | 0x80);
    }
}

pub(crate) fn put_length(target: &mut Vec<u8>, length: usize) {
    assert!(
        length <= BatchBuilder::PLAIN_BYTES_MAX,
        "lengths have 31 bits"
    );
    put_varlong(target, i64::try_from(length).unwrap_or(i64::MAX));
}

fn put_nullable(target: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varlong(target, -1),
        Some(bytes) => {
            put_length(target, bytes.len());
            target.extend_from_slice(bytes);
        }
    }
}
