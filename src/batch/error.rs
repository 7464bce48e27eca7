//! Everything that can be wrong with bytes that claim to be a record batch.
//!
//! Which Kafka error code a client is told belongs to the server; here each fault keeps its own
//! variant, so that no two faults with different codes share one.

use crate::codec::CodecError;
use crate::legacy::LegacyFault;
use base::{Offset, ProducerId, Timestamp};

/// Why bytes are not a batch, or not one that may be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// The bytes end before the batch does.
    Truncated {
        /// How many bytes there are.
        have: usize,
        /// How many the batch needs, as far as that is known.
        need: usize,
    },
    /// The length field is smaller than a header.
    Length {
        /// The length field.
        length: i32,
    },
    /// The batch has a format version other than 2.
    Magic {
        /// The format version.
        magic: i8,
    },
    /// The bytes are not those that the checksum was computed of.
    Checksum {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// A produce request had no batch for a partition.
    NoBatch,
    /// A produce request had several batches for one partition.
    SeveralBatches,
    /// A client sent a base offset other than zero.
    BaseOffset {
        /// What it sent.
        base_offset: Offset,
    },
    /// The batch is larger than `max.message.bytes`.
    TooLarge {
        /// The batch's size.
        bytes: usize,
        /// The topic's limit.
        bytes_max: usize,
    },
    /// The last offset delta or the record count is not that of a producer's batch.
    Count {
        /// The claimed number of records.
        record_count: i32,
        /// The claimed last offset delta.
        last_offset_delta: i32,
    },
    /// A client sent a control batch.
    ControlBatch,
    /// A batch with a producer id has no sequence number.
    Sequence {
        /// The producer's id.
        producer_id: ProducerId,
        /// What stands in place of the sequence number.
        base_sequence: i32,
    },
    /// The attributes name a codec that does not exist.
    UnknownCodec {
        /// The codec's number.
        id: i16,
    },
    /// The body cannot be decompressed.
    Codec(CodecError),
    /// A record's bytes are not a record.
    Record {
        /// The record's index in the batch.
        index: u32,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// The batch goes on behind its last record.
    TrailingBytes,
    /// Some records are well formed, but the topic does not take them; none was appended.
    Refused(Refusals),
    /// A message of a format before record batches is not one that can be taken.
    Legacy(LegacyFault),
}

/// What is wrong with the structure of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// The batch ends inside the record.
    Truncated,
    /// A variable-length number has more bytes than its type can hold.
    VarintTooLong,
    /// The record's length is negative.
    NegativeLength,
    /// The number of headers is negative.
    NegativeHeaderCount,
    /// A header has no key.
    NullHeaderKey,
    /// The fields do not fill the record's length.
    LengthMismatch,
    /// The record of a compressed batch is larger than `max.decompressed.message.bytes`.
    TooLarge {
        /// The record's size without its length.
        bytes: u64,
    },
    /// The offset delta is not the record's index; in a batch that is read back, where compaction
    /// may have left gaps, it does not rise or lies outside the batch.
    OffsetDelta {
        /// What stands in the record.
        found: i32,
    },
}

/// The records that made a batch unacceptable (KIP-467).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// The first of them, in order, at most [`Refusals::MAX`].
    pub records: Vec<Refusal>,
    /// How many there were in all.
    pub total: u32,
    /// Whether a timestamp was among the reasons, which decides the whole batch's error code.
    pub has_timestamp: bool,
}

/// One record that the topic does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The record's index in the batch.
    pub index: u32,
    /// Why it is refused.
    pub reason: RefusalReason,
}

/// Why a topic does not take a well-formed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// The topic is compacted and the record has no key.
    NoKey,
    /// The timestamp is too far from the broker's clock.
    TimestampOutOfRange {
        /// The record's timestamp.
        timestamp: Timestamp,
        /// The earliest one that would be taken.
        earliest: Timestamp,
        /// The latest one that would be taken.
        latest: Timestamp,
    },
    /// The producer claims that the broker chose the timestamp.
    LogAppendTimeFromProducer,
}

impl Refusals {
    /// How many refused records an error lists; a response must not outgrow its request by far.
    pub const MAX: usize = 1000;

    pub(crate) const fn new() -> Self {
        Self {
            records: Vec::new(),
            total: 0,
            has_timestamp: false,
        }
    }

    pub(crate) fn push(&mut self, refusal: Refusal) {
        self.total = self.total.saturating_add(1);
        self.has_timestamp |= refusal.reason != RefusalReason::NoKey;
        if self.records.len() < Self::MAX {
            self.records.push(refusal);
        }
        assert!(!self.records.is_empty(), "a refusal was just pushed");
    }
}

impl From<CodecError> for BatchError {
    fn from(error: CodecError) -> Self {
        Self::Codec(error)
    }
}

impl std::error::Error for BatchError {}

impl std::fmt::Display for BatchError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truncated { have, need } => write!(
                out,
                "the record batch ends after {have} bytes of {need}; send it whole"
            ),
            Self::Length { length } => write!(
                out,
                "the record batch claims a length of {length} bytes, less than its header"
            ),
            Self::Magic { magic } => write!(
                out,
                "the record batch has format version {magic}; only version 2 is accepted, which \
                 clients since Kafka 0.11 write"
            ),
            Self::Checksum { stored, computed } => write!(
                out,
                "the record batch is corrupt: its checksum is {stored:#010x}, its bytes have \
                 {computed:#010x}"
            ),
            Self::NoBatch => out.write_str("there must be one record batch per partition"),
            Self::SeveralBatches => {
                out.write_str("there may be only one record batch per partition in a request")
            }
            Self::BaseOffset { base_offset } => write!(
                out,
                "a producer's record batch must have base offset 0, not {base_offset}"
            ),
            Self::TooLarge { bytes, bytes_max } => write!(
                out,
                "the record batch has {bytes} bytes, the topic takes {bytes_max}; raise \
                 max.message.bytes or send smaller batches"
            ),
            Self::Count {
                record_count,
                last_offset_delta,
            } => write!(
                out,
                "the record batch claims {record_count} records, but its last offset delta is \
                 {last_offset_delta}"
            ),
            Self::ControlBatch => out.write_str("clients may not write control records"),
            Self::Sequence {
                producer_id,
                base_sequence,
            } => write!(
                out,
                "the record batch of producer {producer_id} has the invalid sequence number \
                 {base_sequence}"
            ),
            Self::UnknownCodec { id } => write!(
                out,
                "the record batch is compressed with codec {id}; known are 0 none, 1 gzip, \
                 2 snappy, 3 lz4, 4 zstd"
            ),
            Self::Codec(error) => error.fmt(out),
            Self::Record { index, fault } => write!(out, "record {index} of the batch {fault}"),
            Self::TrailingBytes => {
                out.write_str("the record batch goes on behind the last record it claims")
            }
            Self::Refused(refusals) => refusals.fmt(out),
            Self::Legacy(fault) => write!(out, "the message set is refused: {fault}"),
        }
    }
}

impl std::fmt::Display for RecordFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truncated => out.write_str("ends behind the end of the batch"),
            Self::VarintTooLong => out.write_str("has a variable-length number that is too long"),
            Self::NegativeLength => out.write_str("has a negative length"),
            Self::NegativeHeaderCount => out.write_str("has a negative number of headers"),
            Self::NullHeaderKey => out.write_str("has a header without key"),
            Self::LengthMismatch => out.write_str("has fields that do not fill its length"),
            Self::TooLarge { bytes } => write!(
                out,
                "has {bytes} bytes; raise max.decompressed.message.bytes or send smaller records"
            ),
            Self::OffsetDelta { found } => {
                write!(
                    out,
                    "has offset delta {found}; the deltas must count up from zero"
                )
            }
        }
    }
}

impl std::fmt::Display for Refusals {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.has_timestamp {
            out.write_str("one or more records have been rejected due to invalid timestamp")
        } else {
            write!(
                out,
                "one or more records have been rejected due to {} record errors in total",
                self.total
            )
        }
    }
}

impl std::fmt::Display for RefusalReason {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoKey => out.write_str("a compacted topic cannot accept a record without key"),
            Self::TimestampOutOfRange {
                timestamp,
                earliest,
                latest,
            } => write!(
                out,
                "timestamp {timestamp} is out of range; it should be within [{earliest}, {latest}]"
            ),
            Self::LogAppendTimeFromProducer => {
                out.write_str("a producer must not set the timestamp type to LogAppendTime")
            }
        }
    }
}
