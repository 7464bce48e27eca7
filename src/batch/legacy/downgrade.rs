//! A message set made of record batches, as an old consumer reads them.
//!
//! Invariants: offsets are those of the log; headers are dropped, control batches left out; a set
//! ends between messages and never passes over a record that it should hold; one record more than
//! what is written is in memory at most.

use super::layout::{self, MessageFormat};
use super::message::checksum;
use crate::codec::{Codec, Compression, Inflater, break_legacy_lz4, compress};
use crate::error::{BatchError, RecordFault};
use crate::layout::TimestampType;
use crate::source::{SliceSource, Source, SourceError, StreamSource};
use crate::view::{BatchView, Batches};
use base::Offset;

/// The most that one wrapper holds; old consumers decompress it whole, and so must we compress it.
const WRAPPER_PLAIN_BYTES_MAX: usize = 16 << 20;
/// The largest record that is downgraded.
const RECORD_BYTES_MAX: u64 = 128 << 20;
/// How much of a compressed batch is decompressed at a time.
const WINDOW_BYTES: usize = 64 << 10;

/// What an old consumer can take.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// The newest format it knows.
    pub format: MessageFormat,
    /// The first offset it wants.
    pub from: Offset,
    /// How many bytes it wants at most.
    pub bytes_max: usize,
    /// Whether it gets the first message even if that alone is larger (KIP-74).
    pub at_least_one: bool,
}

/// How far a set reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Downgraded {
    /// The first offset that was not looked at.
    pub next_offset: Offset,
    /// Whether the set ends there for want of room rather than for want of batches.
    pub is_full: bool,
}

/// Appends the records of `batches` to `target` as messages, from the wanted offset on, as far as
/// there is room. gzip, snappy and lz4 batches become wrappers of the same codec; zstd ones become
/// plain messages, since no client of these formats knows it (KIP-110).
///
/// # Errors
/// When a batch cannot be read, or holds a record too large to be handed to an old consumer.
pub fn downgrade(
    batches: &[u8],
    reader: &Reader,
    target: &mut Vec<u8>,
) -> Result<Downgraded, BatchError> {
    let start = target.len();
    let mut next_offset = reader.from;
    for view in Batches::new(batches) {
        let view = view?;
        if view.last_offset() < reader.from {
            continue;
        }
        if !view.attributes().is_control() {
            let written = target.len() - start;
            let room = Room {
                bytes: reader.bytes_max.saturating_sub(written),
                at_least_one: reader.at_least_one && written == 0,
            };
            if let Some(stopped_at) = batch(&view, reader, room, target)? {
                return Ok(Downgraded {
                    next_offset: stopped_at,
                    is_full: true,
                });
            }
        }
        next_offset = view.last_offset().plus(1);
    }
    assert!(next_offset >= reader.from, "reading only goes forwards");
    Ok(Downgraded {
        next_offset,
        is_full: false,
    })
}

/// How much may still be written.
#[derive(Clone, Copy)]
struct Room {
    bytes: usize,
    at_least_one: bool,
}

/// One batch; where it was left off, if it was.
fn batch(
    view: &BatchView<'_>,
    reader: &Reader,
    room: Room,
    target: &mut Vec<u8>,
) -> Result<Option<Offset>, BatchError> {
    let codec = view.codec()?;
    if matches!(codec, Codec::None | Codec::Zstd) {
        let mut set = Set::new(view, reader, room, target);
        return set.fill(view, codec);
    }
    let mut inner = Vec::new();
    let inside = Room {
        bytes: WRAPPER_PLAIN_BYTES_MAX,
        at_least_one: true,
    };
    let mut set = Set::new(view, reader, inside, &mut inner);
    set.is_wrapped = true;
    let stopped_at = set.fill(view, codec)?;
    let (first, last) = (set.first_offset, set.last_offset);
    let (head, max_timestamp) = (set.head, set.max_timestamp);
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(stopped_at);
    };
    let mut value = Vec::new();
    compress(Compression::from(codec), &inner, &mut value)?;
    drop(inner);
    if codec == Codec::Lz4 && reader.format == MessageFormat::Zero {
        break_legacy_lz4(&mut value);
    }
    let before = target.len();
    let attributes = head.attributes | codec_bits(codec);
    let head = Head { attributes, ..head };
    put_head(target, head, last, max_timestamp);
    put_length(target, None);
    put_length(target, Some(value.len()));
    target.extend_from_slice(&value);
    seal(target, before)?;
    if target.len() - before > room.bytes && !room.at_least_one {
        target.truncate(before);
        return Ok(Some(Offset(first)));
    }
    Ok(stopped_at)
}

fn codec_bits(codec: Codec) -> u8 {
    u8::try_from(codec.id()).unwrap_or(0) & layout::CODEC_MASK
}

/// What all messages of one batch have in common.
#[derive(Clone, Copy)]
struct Head {
    format: MessageFormat,
    attributes: u8,
}

/// The messages of one batch.
struct Set<'t> {
    head: Head,
    base_offset: i64,
    base_timestamp: i64,
    append_time: Option<i64>,
    from: i64,
    room: Room,
    is_wrapped: bool,
    start: usize,
    target: &'t mut Vec<u8>,
    first_offset: Option<i64>,
    last_offset: Option<i64>,
    max_timestamp: i64,
}

impl<'t> Set<'t> {
    fn new(view: &BatchView<'_>, reader: &Reader, room: Room, target: &'t mut Vec<u8>) -> Self {
        let appended = view.attributes().timestamp_type() == TimestampType::LogAppendTime;
        let has_type = appended && reader.format == MessageFormat::One;
        Self {
            head: Head {
                format: reader.format,
                attributes: if has_type { layout::LOG_APPEND_TIME } else { 0 },
            },
            base_offset: view.base_offset().0,
            base_timestamp: view.base_timestamp().0,
            append_time: appended.then(|| view.max_timestamp().0),
            from: reader.from.0,
            room,
            is_wrapped: false,
            start: target.len(),
            target,
            first_offset: None,
            last_offset: None,
            max_timestamp: -1,
        }
    }

    /// Writes the records of the batch; where it stopped for want of room, if it did.
    fn fill(&mut self, view: &BatchView<'_>, codec: Codec) -> Result<Option<Offset>, BatchError> {
        let count = u32::try_from(view.record_count()).unwrap_or(0);
        if codec == Codec::None {
            return self.records(&mut SliceSource::new(view.body()), count);
        }
        let mut window = vec![0; WINDOW_BYTES];
        let inflater = Inflater::new(codec, view.body(), u64::MAX)?;
        self.records(&mut StreamSource::new(inflater, &mut window), count)
    }

    fn records<S: Source>(
        &mut self,
        source: &mut S,
        count: u32,
    ) -> Result<Option<Offset>, BatchError> {
        for index in 0..count {
            let before = self.target.len();
            let (offset, timestamp) = match self.record(source) {
                Ok(Some(written)) => written,
                Ok(None) => continue,
                Err(SourceError::Fault(fault)) => return Err(BatchError::Record { index, fault }),
                Err(SourceError::Batch(error)) => return Err(*error),
            };
            let is_first = self.last_offset.is_none();
            let is_over = self.target.len() - self.start > self.room.bytes;
            if is_over && !(is_first && self.room.at_least_one) {
                self.target.truncate(before);
                return Ok(Some(Offset(offset)));
            }
            seal(self.target, before)?;
            self.last_offset = Some(offset);
            self.max_timestamp = self.max_timestamp.max(timestamp);
        }
        Ok(None)
    }

    /// Writes one record as a message without size and checksum; its offset and timestamp, if it
    /// is wanted.
    fn record<S: Source>(&mut self, source: &mut S) -> Result<Option<(i64, i64)>, SourceError> {
        let length = source.varint()?;
        let length = u64::try_from(length).map_err(|_| RecordFault::NegativeLength)?;
        if length > RECORD_BYTES_MAX {
            return Err(RecordFault::TooLarge { bytes: length }.into());
        }
        let end = source.position() + length;
        source.skip(1)?;
        let timestamp = self.base_timestamp.wrapping_add(source.varlong()?);
        let offset = self.base_offset.wrapping_add(i64::from(source.varint()?));
        let timestamp = self.append_time.unwrap_or(timestamp);
        let is_wanted = offset >= self.from;
        if is_wanted {
            let first = *self.first_offset.get_or_insert(offset);
            let is_relative = self.is_wrapped && self.head.format == MessageFormat::One;
            let told = if is_relative { offset - first } else { offset };
            put_head(self.target, self.head, told, timestamp);
            self.field(source, end)?;
            self.field(source, end)?;
        }
        // The headers, which the old formats have no place for.
        let left = end.checked_sub(source.position());
        let left = left.ok_or(RecordFault::LengthMismatch)?;
        source.skip(base::usize_from_u64(left))?;
        Ok(is_wanted.then_some((offset, timestamp)))
    }

    /// Copies a key or value; its length is bounded by its record's.
    fn field<S: Source>(&mut self, source: &mut S, end: u64) -> Result<(), SourceError> {
        let length = source.varint()?;
        let Ok(length) = usize::try_from(length) else {
            put_length(self.target, None);
            return Ok(());
        };
        if source.position() + length as u64 > end {
            return Err(RecordFault::LengthMismatch.into());
        }
        put_length(self.target, Some(length));
        source.copy(length, self.target)
    }
}

/// Offset, room for size and checksum, format, attributes and, in format 1, the timestamp.
fn put_head(target: &mut Vec<u8>, head: Head, offset: i64, timestamp: i64) {
    target.extend_from_slice(&offset.to_be_bytes());
    target.extend_from_slice(&[0; 8]);
    target.extend_from_slice(&[head.format.magic(), head.attributes]);
    if head.format == MessageFormat::One {
        target.extend_from_slice(&timestamp.to_be_bytes());
    }
}

fn put_length(target: &mut Vec<u8>, length: Option<usize>) {
    let length = match length {
        None => -1,
        Some(length) => i32::try_from(length).unwrap_or(i32::MAX),
    };
    target.extend_from_slice(&length.to_be_bytes());
}

/// Writes size and checksum of the message that goes from `start` to the end.
fn seal(target: &mut [u8], start: usize) -> Result<(), BatchError> {
    let (_, message) = target.split_at_mut(start);
    let size = i32::try_from(message.len() - layout::PREFIX_BYTES)
        .map_err(|_| BatchError::Length { length: i32::MAX })?;
    let (prefix, covered) = message.split_at_mut(layout::CRC_RANGE_AT);
    let crc = checksum(covered);
    let fields = size.to_be_bytes().into_iter().chain(crc.to_be_bytes());
    for (slot, byte) in prefix.iter_mut().skip(8).zip(fields) {
        *slot = byte;
    }
    Ok(())
}
