//! The bytes of one message, written down once.
//!
//! A message is: offset (8 bytes), size of what follows (4), CRC-32 of what follows it (4), format
//! (1), attributes (1), in format 1 a timestamp (8, KIP-32), key and value, each with its length
//! in front (4), which is -1 for null.

/// The format of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageFormat {
    /// That of Kafka 0.8 and 0.9: without timestamps, offsets inside wrappers absolute.
    Zero,
    /// That of Kafka 0.10: with timestamps, offsets inside wrappers relative (KIP-31, KIP-32).
    One,
}

/// Offset and size.
pub(crate) const PREFIX_BYTES: usize = 12;
/// Checksum, format, attributes and two lengths: the smallest size.
pub(crate) const SIZE_MIN: usize = 14;
/// Offset, size and checksum: what lies in front of the checksum's range.
pub(crate) const CRC_RANGE_AT: usize = PREFIX_BYTES + 4;

/// The codec's number in the attributes.
pub(crate) const CODEC_MASK: u8 = 0b111;
/// The broker chose the timestamp (KIP-32).
pub(crate) const LOG_APPEND_TIME: u8 = 1 << 3;

impl MessageFormat {
    /// The number that a message has for it.
    #[must_use]
    pub const fn magic(self) -> u8 {
        match self {
            Self::Zero => 0,
            Self::One => 1,
        }
    }

    /// The format with this number.
    #[must_use]
    pub const fn from_magic(magic: u8) -> Option<Self> {
        match magic {
            0 => Some(Self::Zero),
            1 => Some(Self::One),
            _ => None,
        }
    }
}
