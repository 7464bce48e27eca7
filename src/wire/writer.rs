//! Appends the primitives of the protocol, and leaves gaps where record bytes are spliced in.
//!
//! Invariants: the first fault sticks and is reported when the message ends, so that generated
//! code need not ask after every field; bytes and gaps together are as long as [`Encoded::len`].

use crate::{Fault, Records, Schema, WireError};
use base::{Uuid, usize_from_u32};
use std::ops::Range;

/// Kafka refuses longer strings in requests and responses, in both encodings.
const STRING_LENGTH_MAX: usize = 0x7FFF;
/// Bytes that an unsigned 32-bit varint takes at most.
const VARINT_LENGTH_MAX: usize = 5;

/// One run of an encoded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of [`Encoded::bytes`].
    Bytes(Range<usize>),
    /// A gap, to be filled with bytes that the caller has.
    External {
        /// What the caller knows the bytes by.
        token: u32,
        /// How many bytes they are.
        length: u32,
    },
}

/// An encoded message: own bytes and gaps, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    errors: Vec<i16>,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    length: usize,
}

impl Encoded {
    /// The length on the wire, gaps included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// True when there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes that [`Piece::Bytes`] points into.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The runs, in order; no run of bytes is empty and no two stand side by side.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Every error code that the message carries, in order; those that say "none" left out. So
    /// what clients are told is counted where it is written, whoever decided it.
    #[must_use]
    pub fn errors(&self) -> &[i16] {
        &self.errors
    }

    /// Own bytes and runs, to be sent without a copy.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Vec<Piece>) {
        (self.bytes, self.pieces)
    }

    /// The whole message where it has no gaps.
    #[must_use]
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        (self.bytes.len() == self.length).then_some(self.bytes)
    }
}

/// Writes messages.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    /// Takes memory only once there is an error.
    errors: Vec<i16>,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    /// Where the run of bytes behind the last gap began.
    run_start: usize,
    external_bytes: usize,
    message: &'static str,
    flexible: bool,
    fault: Option<WireError>,
}

impl Writer {
    /// A writer with nothing written.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A writer that can take `bytes` before it asks for memory again.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// A writer of a frame, with room for the 4-byte length that [`Writer::finish_frame`] fills.
    #[must_use]
    pub fn frame(capacity: usize) -> Self {
        let mut writer = Self::with_capacity(capacity);
        writer.int32(0);
        writer
    }

    /// The length of all that was written, gaps included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len() + self.external_bytes
    }

    /// True when nothing was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was written.
    #[must_use]
    pub fn finish(mut self) -> Encoded {
        self.end_run();
        Encoded {
            length: self.len(),
            errors: self.errors,
            bytes: self.bytes,
            pieces: self.pieces,
        }
    }

    /// What was written as a frame: its first four bytes say how many follow.
    ///
    /// # Errors
    /// When the frame is longer than its length can say.
    ///
    /// # Panics
    /// When the writer was not made by [`Writer::frame`].
    pub fn finish_frame(mut self) -> Result<Encoded, WireError> {
        let length = self.len();
        let slot = self.bytes.first_chunk_mut::<4>();
        assert!(slot.is_some(), "a frame begins with its length");
        let Ok(behind) = i32::try_from(length.saturating_sub(4)) else {
            self.fail("frame", Fault::TooLong { length });
            return Err(self.take_fault("frame"));
        };
        if let Some(slot) = slot {
            *slot = behind.to_be_bytes();
        }
        Ok(self.finish())
    }

    /// Prepares for a message of `schema`.
    pub(crate) fn begin(&mut self, schema: &Schema, version: i16) -> Result<(), WireError> {
        self.message = schema.name;
        self.flexible = schema.is_flexible(version);
        if schema.versions.contains(version) {
            return Ok(());
        }
        self.fail("version", Fault::VersionUnknown { version });
        self.end()
    }

    /// Reports the first fault of the message that ends here.
    pub(crate) fn end(&mut self) -> Result<(), WireError> {
        self.fault.take().map_or(Ok(()), Err)
    }

    fn take_fault(&mut self, field: &'static str) -> WireError {
        self.fault.take().unwrap_or(WireError {
            message: self.message,
            field,
            position: self.len(),
            fault: Fault::TooLong { length: self.len() },
        })
    }

    #[cold]
    fn fail(&mut self, field: &'static str, fault: Fault) {
        let error = WireError {
            message: self.message,
            field,
            position: self.len(),
            fault,
        };
        self.fault.get_or_insert(error);
    }

    /// A field that must not be lost is set, but the version has no place for it.
    #[cold]
    pub(crate) fn not_in_version(&mut self, field: &'static str, version: i16) {
        self.fail(field, Fault::FieldNotInVersion { version });
    }

    fn end_run(&mut self) {
        let end = self.bytes.len();
        if end > self.run_start {
            self.pieces.push(Piece::Bytes(self.run_start..end));
            self.run_start = end;
        }
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    pub(crate) fn int8(&mut self, value: i8) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn int16(&mut self, value: i16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes a field that says what went wrong.
    pub(crate) fn error_code(&mut self, code: i16) {
        if code != 0 {
            self.errors.push(code);
        }
        self.int16(code);
    }

    pub(crate) fn uint16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn int32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn uint32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn int64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn float64(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.bytes.extend_from_slice(&value.0.to_be_bytes());
    }

    /// An unsigned varint (KIP-482).
    pub(crate) fn varint(&mut self, value: u32) {
        let (bytes, length) = varint_bytes(value);
        self.bytes.extend(bytes.into_iter().take(length));
    }

    /// A length, or null, in the encoding of the version; a compact one is one more, or zero.
    fn length(&mut self, field: &'static str, length: Option<usize>) {
        let Some(length) = length else {
            return self.null_length();
        };
        match i32::try_from(length) {
            Ok(plain) if self.flexible => self.varint(plain.unsigned_abs() + 1),
            Ok(plain) => self.int32(plain),
            Err(_) => self.fail(field, Fault::TooLong { length }),
        }
    }

    fn null_length(&mut self) {
        if self.flexible {
            self.varint(0);
        } else {
            self.int32(-1);
        }
    }

    fn null(&mut self, field: &'static str, allowed: bool) {
        if !allowed {
            self.fail(field, Fault::NullNotAllowed);
        }
    }

    fn short_text(&mut self, field: &'static str, text: &str) {
        match i16::try_from(text.len()) {
            Ok(length) => {
                self.int16(length);
                self.bytes.extend_from_slice(text.as_bytes());
            }
            Err(_) => self.fail(field, Fault::TooLong { length: text.len() }),
        }
    }

    pub(crate) fn string(&mut self, field: &'static str, text: &str) {
        if !self.flexible {
            self.short_text(field, text);
        } else if text.len() > STRING_LENGTH_MAX {
            self.fail(field, Fault::TooLong { length: text.len() });
        } else {
            self.length(field, Some(text.len()));
            self.bytes.extend_from_slice(text.as_bytes());
        }
    }

    pub(crate) fn nullable_string(
        &mut self,
        field: &'static str,
        text: Option<&str>,
        allowed: bool,
    ) {
        match text {
            Some(text) => self.string(field, text),
            None => {
                self.null(field, allowed);
                if self.flexible {
                    self.varint(0);
                } else {
                    self.int16(-1);
                }
            }
        }
    }

    /// The client id of a request header, whose length stays a plain one in every version.
    pub(crate) fn nullable_string16(
        &mut self,
        field: &'static str,
        text: Option<&str>,
        allowed: bool,
    ) {
        match text {
            Some(text) => self.short_text(field, text),
            None => {
                self.null(field, allowed);
                self.int16(-1);
            }
        }
    }

    pub(crate) fn bytes(&mut self, field: &'static str, bytes: &[u8]) {
        self.length(field, Some(bytes.len()));
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn nullable_bytes(
        &mut self,
        field: &'static str,
        bytes: Option<&[u8]>,
        allowed: bool,
    ) {
        match bytes {
            Some(bytes) => self.bytes(field, bytes),
            None => {
                self.null(field, allowed);
                self.null_length();
            }
        }
    }

    pub(crate) fn records(&mut self, field: &'static str, records: &Records<'_>, allowed: bool) {
        match *records {
            Records::Null => {
                self.null(field, allowed);
                self.null_length();
            }
            Records::Borrowed(bytes) => self.bytes(field, bytes),
            Records::External { token, length } => {
                self.length(field, Some(usize_from_u32(length)));
                if length > 0 {
                    self.end_run();
                    self.pieces.push(Piece::External { token, length });
                    self.external_bytes += usize_from_u32(length);
                }
            }
        }
    }

    /// The byte that says whether a nullable struct follows.
    pub(crate) fn present(&mut self, field: &'static str, present: bool, allowed: bool) {
        if !present {
            self.null(field, allowed);
        }
        self.int8(if present { 1 } else { -1 });
    }

    /// The varint that says whether a nullable struct follows inside a tagged field.
    pub(crate) fn present_in_tag(&mut self, field: &'static str, present: bool, allowed: bool) {
        if !present {
            self.null(field, allowed);
        }
        self.varint(u32::from(present));
    }

    pub(crate) fn array(&mut self, field: &'static str, count: usize) {
        self.length(field, Some(count));
    }

    pub(crate) fn nullable_array(
        &mut self,
        field: &'static str,
        count: Option<usize>,
        allowed: bool,
    ) {
        if count.is_none() {
            self.null(field, allowed);
        }
        self.length(field, count);
    }

    /// How many tagged fields follow; nothing in a version that has none.
    pub(crate) fn tag_count(&mut self, set: &[bool]) {
        if self.flexible {
            let count = set.iter().filter(|set| **set).count();
            self.varint(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// Begins a tagged field; the result goes to [`Writer::end_tag`].
    pub(crate) fn begin_tag(&mut self, tag: u32) -> usize {
        self.varint(tag);
        self.bytes.len()
    }

    /// Ends a tagged field: its size, known only now, is written behind it and moved before it.
    pub(crate) fn end_tag(&mut self, start: usize) {
        assert!(start >= self.run_start, "a tagged field has no gaps");
        let size = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        let before = self.bytes.len();
        self.varint(size);
        let moved = self.bytes.len() - before;
        if let Some(field) = self.bytes.get_mut(start..) {
            field.rotate_right(moved);
        }
    }
}

/// The bytes of a varint and how many of them count.
fn varint_bytes(value: u32) -> ([u8; VARINT_LENGTH_MAX], usize) {
    let mut bytes = [0; VARINT_LENGTH_MAX];
    let mut rest = value;
    let mut length = 0;
    for slot in &mut bytes {
        length += 1;
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            *slot = low & 0x7F;
            break;
        }
        *slot = low | 0x80;
    }
    (bytes, length)
}
