//! The 61 bytes in front of every record batch of format version 2 (KIP-98), written down once.
//!
//! Invariants: the fields follow one another without a gap and end where the records begin; base
//! offset and leader epoch lie in front of the CRC's range, so a broker can stamp them for free.

/// The format version that this room reads and writes.
pub const MAGIC: i8 = 2;

/// Bytes in front of the records.
pub const HEADER_BYTES: usize = 61;

/// Bytes in front of what the length field counts: base offset and the length itself.
pub const LENGTH_OVERHEAD: usize = 12;

/// Bytes needed to tell a batch's length and format version; older formats agree up to here.
pub const PREFIX_BYTES: usize = MAGIC_AT + 1;

/// The smallest length field of the oldest format; anything below is not a batch of any version.
pub(crate) const LEGACY_LENGTH_MIN: usize = 14;

pub(crate) const BASE_OFFSET_AT: usize = 0;
pub(crate) const LENGTH_AT: usize = 8;
pub(crate) const LEADER_EPOCH_AT: usize = 12;
pub(crate) const MAGIC_AT: usize = 16;
pub(crate) const CRC_AT: usize = 17;
pub(crate) const ATTRIBUTES_AT: usize = 21;
pub(crate) const LAST_OFFSET_DELTA_AT: usize = 23;
pub(crate) const BASE_TIMESTAMP_AT: usize = 27;
pub(crate) const MAX_TIMESTAMP_AT: usize = 35;
pub(crate) const PRODUCER_ID_AT: usize = 43;
pub(crate) const PRODUCER_EPOCH_AT: usize = 51;
pub(crate) const BASE_SEQUENCE_AT: usize = 53;
pub(crate) const RECORD_COUNT_AT: usize = 57;

/// Where the CRC's range begins; it ends with the batch.
pub(crate) const CRC_RANGE_AT: usize = ATTRIBUTES_AT;

/// The header as an array: what is known to be long enough needs no further check.
pub(crate) type Header = [u8; HEADER_BYTES];

const _: () = {
    assert!(BASE_OFFSET_AT + size_of::<i64>() == LENGTH_AT);
    assert!(LENGTH_AT + size_of::<i32>() == LEADER_EPOCH_AT && LEADER_EPOCH_AT == LENGTH_OVERHEAD);
    assert!(LEADER_EPOCH_AT + size_of::<i32>() == MAGIC_AT);
    assert!(MAGIC_AT + size_of::<i8>() == CRC_AT);
    assert!(CRC_AT + size_of::<u32>() == ATTRIBUTES_AT);
    assert!(ATTRIBUTES_AT + size_of::<i16>() == LAST_OFFSET_DELTA_AT);
    assert!(LAST_OFFSET_DELTA_AT + size_of::<i32>() == BASE_TIMESTAMP_AT);
    assert!(BASE_TIMESTAMP_AT + size_of::<i64>() == MAX_TIMESTAMP_AT);
    assert!(MAX_TIMESTAMP_AT + size_of::<i64>() == PRODUCER_ID_AT);
    assert!(PRODUCER_ID_AT + size_of::<i64>() == PRODUCER_EPOCH_AT);
    assert!(PRODUCER_EPOCH_AT + size_of::<i16>() == BASE_SEQUENCE_AT);
    assert!(BASE_SEQUENCE_AT + size_of::<i32>() == RECORD_COUNT_AT);
    assert!(RECORD_COUNT_AT + size_of::<i32>() == HEADER_BYTES);
    assert!(CRC_RANGE_AT > LEADER_EPOCH_AT + size_of::<i32>());
};

/// The `N` bytes of `header` from `AT` on; that they exist is checked when this is compiled.
pub(crate) fn field<const AT: usize, const N: usize>(header: &Header) -> [u8; N] {
    const { assert!(AT + N <= HEADER_BYTES, "the field lies inside the header") };
    let mut bytes = [0; N];
    for (slot, byte) in bytes.iter_mut().zip(header.iter().skip(AT)) {
        *slot = *byte;
    }
    bytes
}

/// Replaces the `N` bytes of `header` from `AT` on.
pub(crate) fn set_field<const AT: usize, const N: usize>(header: &mut Header, bytes: [u8; N]) {
    const { assert!(AT + N <= HEADER_BYTES, "the field lies inside the header") };
    for (slot, byte) in header.iter_mut().skip(AT).zip(bytes) {
        *slot = byte;
    }
}

/// What the attributes field says about the whole batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC_MASK: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// The number of the compression codec; not every number has one.
    #[must_use]
    pub const fn codec_id(self) -> i16 {
        self.0 & Self::CODEC_MASK
    }

    /// Whether the records' timestamps are the producer's or the broker's.
    #[must_use]
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the records belong to a transaction (KIP-98).
    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the records are markers for the log itself, hidden from applications (KIP-98).
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether compaction has put the time at which tombstones may go into the base timestamp
    /// (KIP-534).
    #[must_use]
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// The same attributes, saying or not that the base timestamp is the time from which on
    /// tombstones may go.
    #[must_use]
    pub const fn with_delete_horizon(self, has_horizon: bool) -> Self {
        if has_horizon {
            Self(self.0 | Self::DELETE_HORIZON)
        } else {
            Self(self.0 & !Self::DELETE_HORIZON)
        }
    }

    /// The same attributes with another codec.
    #[must_use]
    pub const fn with_codec_id(self, codec_id: i16) -> Self {
        assert!(
            codec_id & !Self::CODEC_MASK == 0,
            "codec ids have three bits"
        );
        Self((self.0 & !Self::CODEC_MASK) | codec_id)
    }

    /// The same attributes with another timestamp type.
    #[must_use]
    pub const fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        match timestamp_type {
            TimestampType::CreateTime => Self(self.0 & !Self::LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Self(self.0 | Self::LOG_APPEND_TIME),
        }
    }

    /// The same attributes, marked as part of a transaction or not.
    #[must_use]
    pub const fn with_transactional(self, transactional: bool) -> Self {
        if transactional {
            Self(self.0 | Self::TRANSACTIONAL)
        } else {
            Self(self.0 & !Self::TRANSACTIONAL)
        }
    }

    /// The same attributes, marked as a control batch or not.
    #[must_use]
    pub const fn with_control(self, control: bool) -> Self {
        if control {
            Self(self.0 | Self::CONTROL)
        } else {
            Self(self.0 & !Self::CONTROL)
        }
    }
}

/// Who chose the timestamps of a topic's records: `message.timestamp.type` (KIP-32).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer, when it made the record.
    #[default]
    CreateTime,
    /// The broker, when it appended the batch; all its records then share the max timestamp.
    LogAppendTime,
}
