//! Reading messages: whole ones with the right checksum, or an error.
//!
//! Invariants: keys and values borrow from the set; a torn message at the end of a set ends it in
//! silence, since old clients may cut a set anywhere, as Kafka does.

use super::fault::LegacyFault;
use super::layout::{self, MessageFormat, PREFIX_BYTES};
use crate::codec::Codec;
use crate::error::BatchError;
use flate2::Crc;

/// One message; its offset is not here, since brokers give offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) format: MessageFormat,
    attributes: u8,
    /// By the producer's clock; -1 in format 0.
    pub(crate) timestamp: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
}

/// The format of the message that `records` begin with, if they do begin with one.
#[must_use]
pub fn message_format(records: &[u8]) -> Option<MessageFormat> {
    let (_, rest) = records.split_at_checked(crate::layout::MAGIC_AT)?;
    MessageFormat::from_magic(*rest.first()?)
}

/// The first message of `set` and what follows it; nothing when there is no whole one.
pub(crate) fn next_message(set: &[u8]) -> Result<Option<(Message<'_>, &[u8])>, BatchError> {
    let Some((prefix, rest)) = set.split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    let [_, _, _, _, _, _, _, _, a, b, c, d] = *prefix;
    let length = i32::from_be_bytes([a, b, c, d]);
    let size = match usize::try_from(length) {
        Ok(size) if size >= layout::SIZE_MIN => size,
        _ => return Err(BatchError::Length { length }),
    };
    let Some((message, rest)) = rest.split_at_checked(size) else {
        return Ok(None);
    };
    let message = read(message)?;
    assert!(rest.len() + size < set.len(), "every message moves on");
    Ok(Some((message, rest)))
}

/// A message from its checksum on.
fn read(bytes: &[u8]) -> Result<Message<'_>, BatchError> {
    let fields = BatchError::Legacy(LegacyFault::Fields);
    let Some((stored, covered)) = bytes.split_first_chunk::<4>() else {
        return Err(fields);
    };
    let [magic, attributes, rest @ ..] = covered else {
        return Err(fields);
    };
    let format = MessageFormat::from_magic(*magic);
    let format = format.ok_or(BatchError::Magic {
        magic: magic.cast_signed(),
    })?;
    let stored = u32::from_be_bytes(*stored);
    let computed = checksum(covered);
    if stored != computed {
        return Err(BatchError::Checksum { stored, computed });
    }
    let (timestamp, rest) = match format {
        MessageFormat::Zero => (-1, rest),
        MessageFormat::One => match rest.split_first_chunk::<8>() {
            Some((timestamp, rest)) => (i64::from_be_bytes(*timestamp), rest),
            None => return Err(fields),
        },
    };
    let (key, rest) = nullable(rest).ok_or_else(|| fields.clone())?;
    let (value, rest) = nullable(rest).ok_or_else(|| fields.clone())?;
    if !rest.is_empty() {
        return Err(fields);
    }
    Ok(Message {
        format,
        attributes: *attributes,
        timestamp,
        key,
        value,
    })
}

/// The CRC-32 of the older formats; batches have CRC-32C.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// A length, the bytes it counts, and what follows them.
fn nullable(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    match i32::from_be_bytes(*length) {
        -1 => Some((None, rest)),
        length => {
            let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            Some((Some(bytes), rest))
        }
    }
}

impl Message<'_> {
    /// The codec of a wrapper; none for a plain message.
    pub(crate) fn codec(&self) -> Result<Codec, BatchError> {
        let id = i16::from(self.attributes & layout::CODEC_MASK);
        match Codec::from_id(id) {
            Some(Codec::Zstd) => Err(BatchError::Legacy(LegacyFault::CodecTooNew)),
            Some(codec) => Ok(codec),
            None => Err(BatchError::UnknownCodec { id }),
        }
    }

    /// Whether it claims that a broker chose its timestamp.
    pub(crate) fn claims_append_time(&self) -> bool {
        let claims = self.attributes & layout::LOG_APPEND_TIME != 0;
        self.format == MessageFormat::One && claims
    }
}
