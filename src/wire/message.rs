//! The faces of everything that is generated: decode, encode, and which answer belongs to which
//! question.
//!
//! Invariant: a message decoded at a version encodes at that version to bytes that decode to the
//! same message.

use crate::{ApiKey, Reader, VersionRange, WireError, Writer};

/// What is known about one message without looking at any bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Kafka's name for it.
    pub name: &'static str,
    /// The versions that can be decoded and encoded.
    pub versions: VersionRange,
    /// The first flexible version (KIP-482), `i16::MAX` when there is none.
    pub flexible_min: i16,
}

impl Schema {
    /// True when `version` uses varint lengths and tagged fields (KIP-482).
    #[must_use]
    pub const fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_min
    }
}

/// A request, response, header or persisted record that can be written.
pub trait Message: std::fmt::Debug {
    /// What is known about it.
    fn schema(&self) -> &'static Schema;

    /// Appends the message as `version` lays it out.
    ///
    /// # Errors
    /// When the version is unknown, or cannot carry what a field holds.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), WireError>;
}

/// A message that can be read; it borrows from the bytes where it can.
pub trait Decode<'a>: Message + Sized {
    /// What is known about it.
    const SCHEMA: Schema;

    /// Reads one message laid out as `version`; bytes behind it are left to the reader.
    ///
    /// # Errors
    /// When the version is unknown or the bytes do not follow it.
    fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, WireError>;

    /// Reads one message that must fill `bytes`.
    ///
    /// # Errors
    /// As [`Decode::decode`], and when bytes are left.
    fn decode_all(bytes: &'a [u8], version: i16) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let message = Self::decode(&mut reader, version)?;
        reader.finish()?;
        Ok(message)
    }
}

/// A request, which knows its key and its answer.
pub trait Request: Message {
    /// The API that it asks.
    const KEY: ApiKey;
    /// The answer that belongs to it.
    type Response<'r>: Decode<'r>;
}
