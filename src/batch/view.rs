//! A borrowed view of one record batch, and the ways to find batches in a run of bytes.
//!
//! Invariants: a view always covers a whole batch of format version 2, header included; its
//! checksum has been verified only where somebody called [`BatchView::verify_checksum`].

use crate::codec::Codec;
use crate::error::BatchError;
use crate::layout::{self, Attributes, HEADER_BYTES, Header, LENGTH_OVERHEAD, PREFIX_BYTES};
use base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// One whole batch, borrowed; every getter reads the bytes.
#[derive(Clone, Copy)]
pub struct BatchView<'a> {
    bytes: &'a [u8],
    header: &'a Header,
    body: &'a [u8],
}

/// What an idempotent or transactional producer says about its batch (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerBatch {
    /// The producer's id.
    pub id: ProducerId,
    /// The producer's incarnation.
    pub epoch: ProducerEpoch,
    /// The sequence number of the first record.
    pub first_sequence: i32,
    /// The sequence number of the last record; lower than the first where numbers wrapped.
    pub last_sequence: i32,
}

/// The first batch of `bytes` and what follows it; nothing when `bytes` is empty.
///
/// # Errors
/// When the bytes do not begin with a whole batch of format version 2. The checksum is not
/// verified here.
pub fn next_batch(bytes: &[u8]) -> Result<Option<(BatchView<'_>, &[u8])>, BatchError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let len = batch_bytes(bytes)?;
    let Some((batch, rest)) = bytes.split_at_checked(len) else {
        return Err(BatchError::Truncated {
            have: bytes.len(),
            need: len,
        });
    };
    let view = BatchView::parse(batch)?;
    assert!(view.len() + rest.len() == bytes.len(), "no byte is lost");
    Ok(Some((view, rest)))
}

/// How many bytes the batch takes that begins at `prefix`, judged by its first 17 bytes alone.
///
/// # Errors
/// When `prefix` is shorter than that, the length field is impossible, or the format is not 2.
pub fn batch_bytes(prefix: &[u8]) -> Result<usize, BatchError> {
    let Some(prefix) = prefix.first_chunk::<PREFIX_BYTES>() else {
        return Err(BatchError::Truncated {
            have: prefix.len(),
            need: PREFIX_BYTES,
        });
    };
    let [_, _, _, _, _, _, _, _, a, b, c, d, _, _, _, _, magic] = *prefix;
    let length = i32::from_be_bytes([a, b, c, d]);
    let magic = magic.cast_signed();
    let counted = match usize::try_from(length) {
        Ok(counted) if counted >= layout::LEGACY_LENGTH_MIN => counted,
        _ => return Err(BatchError::Length { length }),
    };
    if magic != layout::MAGIC {
        return Err(BatchError::Magic { magic });
    }
    let len = counted + LENGTH_OVERHEAD;
    if len < HEADER_BYTES {
        return Err(BatchError::Length { length });
    }
    Ok(len)
}

/// The whole batches at the beginning of `bytes`; a torn one at the end is passed over in
/// silence, since fetch responses may end in the middle of a batch.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    /// The batches of a fetch response's records.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been passed yet; after the last batch, the torn tail.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        match next_batch(self.rest) {
            Ok(None) | Err(BatchError::Truncated { .. }) => None,
            Ok(Some((view, rest))) => {
                self.rest = rest;
                Some(Ok(view))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

impl<'a> BatchView<'a> {
    /// The view of exactly one batch.
    fn parse(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated {
                have: bytes.len(),
                need: HEADER_BYTES,
            });
        };
        Ok(Self {
            bytes,
            header,
            body,
        })
    }

    /// The batch's bytes, header included.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many bytes the batch has, header included. Never zero, so there is no `is_empty`.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a batch has at least its header"
    )]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The records as they are stored, compressed or not.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The offset of the first record.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        Offset(i64::from_be_bytes(layout::field::<
            { layout::BASE_OFFSET_AT },
            8,
        >(self.header)))
    }

    /// The epoch of the leader that appended the batch (KIP-101).
    #[must_use]
    pub fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(i32::from_be_bytes(layout::field::<
            { layout::LEADER_EPOCH_AT },
            4,
        >(self.header)))
    }

    /// The checksum as stored.
    #[must_use]
    pub fn crc(&self) -> u32 {
        u32::from_be_bytes(layout::field::<{ layout::CRC_AT }, 4>(self.header))
    }

    /// The flags and the codec.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        Attributes(i16::from_be_bytes(layout::field::<
            { layout::ATTRIBUTES_AT },
            2,
        >(self.header)))
    }

    /// How far the last record's offset lies behind the first one's, as claimed.
    #[must_use]
    pub fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(layout::field::<{ layout::LAST_OFFSET_DELTA_AT }, 4>(
            self.header,
        ))
    }

    /// The offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        Offset(
            self.base_offset()
                .0
                .wrapping_add(i64::from(self.last_offset_delta())),
        )
    }

    /// The offset that follows the batch.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.wrapping_add(1))
    }

    /// The timestamp that the records' deltas count from.
    #[must_use]
    pub fn base_timestamp(&self) -> Timestamp {
        Timestamp(i64::from_be_bytes(layout::field::<
            { layout::BASE_TIMESTAMP_AT },
            8,
        >(self.header)))
    }

    /// The greatest timestamp of the batch's records, as claimed.
    #[must_use]
    pub fn max_timestamp(&self) -> Timestamp {
        Timestamp(i64::from_be_bytes(layout::field::<
            { layout::MAX_TIMESTAMP_AT },
            8,
        >(self.header)))
    }

    /// The id of the producer, or [`ProducerId::NONE`].
    #[must_use]
    pub fn producer_id(&self) -> ProducerId {
        ProducerId(i64::from_be_bytes(layout::field::<
            { layout::PRODUCER_ID_AT },
            8,
        >(self.header)))
    }

    /// The producer's incarnation, or -1.
    #[must_use]
    pub fn producer_epoch(&self) -> ProducerEpoch {
        ProducerEpoch(i16::from_be_bytes(layout::field::<
            { layout::PRODUCER_EPOCH_AT },
            2,
        >(self.header)))
    }

    /// The sequence number of the first record, or -1.
    #[must_use]
    pub fn base_sequence(&self) -> i32 {
        i32::from_be_bytes(layout::field::<{ layout::BASE_SEQUENCE_AT }, 4>(
            self.header,
        ))
    }

    /// How many records the batch holds, as claimed. Compaction may leave none, and fewer than
    /// the offsets suggest.
    #[must_use]
    pub fn record_count(&self) -> i32 {
        i32::from_be_bytes(layout::field::<{ layout::RECORD_COUNT_AT }, 4>(self.header))
    }

    /// The codec that the body is compressed with.
    ///
    /// # Errors
    /// When the attributes name one that does not exist.
    pub fn codec(&self) -> Result<Codec, BatchError> {
        let id = self.attributes().codec_id();
        Codec::from_id(id).ok_or(BatchError::UnknownCodec { id })
    }

    /// What the batch says about its producer, where it has one.
    #[must_use]
    pub fn producer(&self) -> Option<ProducerBatch> {
        let id = self.producer_id();
        (id > ProducerId::NONE).then(|| ProducerBatch {
            id,
            epoch: self.producer_epoch(),
            first_sequence: self.base_sequence(),
            last_sequence: self.last_sequence(),
        })
    }

    /// The sequence number of the last record, or -1. Numbers wrap from the greatest to zero.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        let first = self.base_sequence();
        if first < 0 {
            return first;
        }
        (first.wrapping_add(self.last_offset_delta())) & i32::MAX
    }

    /// The checksum as the bytes say it should be.
    #[must_use]
    pub fn computed_crc(&self) -> u32 {
        let (_, covered) = self.bytes.split_at(layout::CRC_RANGE_AT);
        // The fastest of those measured on processors with SSE 4.2 (kernel-note 014).
        crc32c::crc32c(covered)
    }

    /// Verifies that the batch is as its producer sent it.
    ///
    /// # Errors
    /// When the stored checksum is not that of the bytes.
    pub fn verify_checksum(&self) -> Result<(), BatchError> {
        let (stored, computed) = (self.crc(), self.computed_crc());
        if stored == computed {
            Ok(())
        } else {
            Err(BatchError::Checksum { stored, computed })
        }
    }
}

impl std::fmt::Debug for BatchView<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BatchView")
            .field("base_offset", &self.base_offset())
            .field("last_offset_delta", &self.last_offset_delta())
            .field("len", &self.len())
            .field("leader_epoch", &self.leader_epoch())
            .field("attributes", &self.attributes())
            .field("producer", &self.producer())
            .field("record_count", &self.record_count())
            .finish_non_exhaustive()
    }
}
