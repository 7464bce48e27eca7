//! A cursor over received bytes, with the primitives of the protocol.
//!
//! Invariants: it never reads behind the end, never trusts a length or count before comparing it
//! with the bytes that are left, and grants memory for arrays only out of a budget in proportion
//! to those bytes. The caller's `field` is only used to say where something went wrong.

use crate::{Fault, Records, Schema, WireError};
use base::{Uuid, usize_from_i32, usize_from_u32};
use std::borrow::Cow;

/// Kafka refuses longer strings in requests and responses, in both encodings.
const STRING_LENGTH_MAX: usize = 0x7FFF;
/// More tagged fields in one struct are refused. Kafka has defined five for its busiest struct.
const TAGS_MAX: u32 = 512;
/// Memory granted per received byte. A one-letter string in an array takes 24 bytes of memory
/// and 2 of the frame; everything that is not made to hurt stays far below.
const HEAP_PER_BYTE: usize = 16;
/// Memory granted to the smallest frame.
const HEAP_MIN: usize = 16 * 1024;

/// Reads primitives from bytes that somebody else has written.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
    heap_left: usize,
    message: &'static str,
    flexible: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            length: bytes.len(),
            heap_left: HEAP_MIN.saturating_add(bytes.len().saturating_mul(HEAP_PER_BYTE)),
            message: "bytes",
            flexible: false,
        }
    }

    /// The same reader, granting at most `bytes_max` of memory to what it decodes.
    #[must_use]
    pub const fn with_heap_max(mut self, bytes_max: usize) -> Self {
        self.heap_left = bytes_max;
        self
    }

    /// How many bytes have been read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// The bytes that have not been read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When bytes are left.
    pub fn finish(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(self.fail("end", Fault::TrailingBytes { left })),
        }
    }

    /// Prepares for a message of `schema`.
    pub(crate) fn begin(&mut self, schema: &Schema, version: i16) -> Result<(), WireError> {
        self.message = schema.name;
        self.flexible = schema.is_flexible(version);
        if schema.versions.contains(version) {
            Ok(())
        } else {
            Err(self.fail("version", Fault::VersionUnknown { version }))
        }
    }

    #[cold]
    pub(crate) fn fail(&self, field: &'static str, fault: Fault) -> WireError {
        WireError {
            message: self.message,
            field,
            position: self.position(),
            fault,
        }
    }

    fn take(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], WireError> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            let left = self.rest.len();
            let needed = length;
            return Err(self.fail(field, Fault::Truncated { needed, left }));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            let left = self.rest.len();
            return Err(self.fail(field, Fault::Truncated { needed: N, left }));
        };
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn bool(&mut self, field: &'static str) -> Result<bool, WireError> {
        Ok(self.int8(field)? != 0)
    }

    pub(crate) fn int8(&mut self, field: &'static str) -> Result<i8, WireError> {
        self.fixed(field).map(i8::from_be_bytes)
    }

    pub(crate) fn int16(&mut self, field: &'static str) -> Result<i16, WireError> {
        self.fixed(field).map(i16::from_be_bytes)
    }

    pub(crate) fn uint16(&mut self, field: &'static str) -> Result<u16, WireError> {
        self.fixed(field).map(u16::from_be_bytes)
    }

    pub(crate) fn int32(&mut self, field: &'static str) -> Result<i32, WireError> {
        self.fixed(field).map(i32::from_be_bytes)
    }

    pub(crate) fn uint32(&mut self, field: &'static str) -> Result<u32, WireError> {
        self.fixed(field).map(u32::from_be_bytes)
    }

    pub(crate) fn int64(&mut self, field: &'static str) -> Result<i64, WireError> {
        self.fixed(field).map(i64::from_be_bytes)
    }

    pub(crate) fn float64(&mut self, field: &'static str) -> Result<f64, WireError> {
        self.fixed(field).map(f64::from_be_bytes)
    }

    pub(crate) fn uuid(&mut self, field: &'static str) -> Result<Uuid, WireError> {
        self.fixed(field)
            .map(|bytes| Uuid(u128::from_be_bytes(bytes)))
    }

    /// An unsigned varint: seven bits per byte, the lowest first (KIP-482).
    pub(crate) fn varint(&mut self, field: &'static str) -> Result<u32, WireError> {
        let mut value: u32 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed(field)?;
            let bits = u32::from(byte & 0x7F);
            if shift == 28 && bits > 0x0F {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.fail(field, Fault::VarintTooLong))
    }

    /// A varint that is one more than a length, zero for null.
    fn compact_length(&mut self, field: &'static str) -> Result<Option<usize>, WireError> {
        Ok(self.varint(field)?.checked_sub(1).map(usize_from_u32))
    }

    /// A 32-bit length, -1 for null.
    fn plain_length(&mut self, field: &'static str) -> Result<Option<usize>, WireError> {
        match self.int32(field)? {
            -1 => Ok(None),
            length => usize_from_i32(length).map(Some).ok_or_else(|| {
                let length = i64::from(length);
                self.fail(field, Fault::LengthInvalid { length })
            }),
        }
    }

    /// A 16-bit length, -1 for null.
    fn short_length(&mut self, field: &'static str) -> Result<Option<usize>, WireError> {
        match self.int16(field)? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| {
                let length = i64::from(length);
                self.fail(field, Fault::LengthInvalid { length })
            }),
        }
    }

    fn length(&mut self, field: &'static str) -> Result<Option<usize>, WireError> {
        if self.flexible {
            self.compact_length(field)
        } else {
            self.plain_length(field)
        }
    }

    fn null(&self, field: &'static str, allowed: bool) -> Result<(), WireError> {
        if allowed {
            Ok(())
        } else {
            Err(self.fail(field, Fault::NullNotAllowed))
        }
    }

    fn text(&mut self, field: &'static str, length: usize) -> Result<Cow<'a, str>, WireError> {
        if length > STRING_LENGTH_MAX {
            let length = i64::try_from(length).unwrap_or(i64::MAX);
            return Err(self.fail(field, Fault::LengthInvalid { length }));
        }
        let bytes = self.take(field, length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) => Err(self.fail(field, Fault::NotUtf8)),
        }
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Result<Cow<'a, str>, WireError> {
        match self.nullable_string(field, false)? {
            Some(text) => Ok(text),
            None => Err(self.fail(field, Fault::NullNotAllowed)),
        }
    }

    pub(crate) fn nullable_string(
        &mut self,
        field: &'static str,
        allowed: bool,
    ) -> Result<Option<Cow<'a, str>>, WireError> {
        let length = if self.flexible {
            self.compact_length(field)?
        } else {
            self.short_length(field)?
        };
        match length {
            Some(length) => self.text(field, length).map(Some),
            None => self.null(field, allowed).map(|()| None),
        }
    }

    /// The client id of a request header, whose length stays a plain one in every version, so
    /// that a broker can read the header of a version that it does not know.
    pub(crate) fn nullable_string16(
        &mut self,
        field: &'static str,
        allowed: bool,
    ) -> Result<Option<Cow<'a, str>>, WireError> {
        match self.short_length(field)? {
            Some(length) => self.text(field, length).map(Some),
            None => self.null(field, allowed).map(|()| None),
        }
    }

    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<Cow<'a, [u8]>, WireError> {
        match self.nullable_bytes(field, false)? {
            Some(bytes) => Ok(bytes),
            None => Err(self.fail(field, Fault::NullNotAllowed)),
        }
    }

    pub(crate) fn nullable_bytes(
        &mut self,
        field: &'static str,
        allowed: bool,
    ) -> Result<Option<Cow<'a, [u8]>>, WireError> {
        match self.length(field)? {
            Some(length) => self
                .take(field, length)
                .map(|bytes| Some(Cow::Borrowed(bytes))),
            None => self.null(field, allowed).map(|()| None),
        }
    }

    pub(crate) fn records(
        &mut self,
        field: &'static str,
        allowed: bool,
    ) -> Result<Records<'a>, WireError> {
        match self.length(field)? {
            Some(length) => self.take(field, length).map(Records::Borrowed),
            None => self.null(field, allowed).map(|()| Records::Null),
        }
    }

    /// The byte that says whether a nullable struct follows.
    pub(crate) fn present(
        &mut self,
        field: &'static str,
        allowed: bool,
    ) -> Result<bool, WireError> {
        if self.int8(field)? < 0 {
            self.null(field, allowed).map(|()| false)
        } else {
            Ok(true)
        }
    }

    /// The varint that says whether a nullable struct follows inside a tagged field: Kafka writes
    /// zero for null there, unlike everywhere else.
    pub(crate) fn present_in_tag(
        &mut self,
        field: &'static str,
        allowed: bool,
    ) -> Result<bool, WireError> {
        if self.varint(field)? == 0 {
            self.null(field, allowed).map(|()| false)
        } else {
            Ok(true)
        }
    }

    /// The count of an array whose elements take at least `wire_min` bytes each and exactly
    /// `heap_each` bytes of memory; the memory is granted here.
    fn count(
        &mut self,
        field: &'static str,
        wire_min: usize,
        heap_each: usize,
    ) -> Result<Option<usize>, WireError> {
        let Some(count) = self.length(field)? else {
            return Ok(None);
        };
        let left = self.rest.len();
        if count > left / wire_min.max(1) {
            return Err(self.fail(field, Fault::CountTooLarge { count, left }));
        }
        let wanted = count.saturating_mul(heap_each);
        let Some(heap_left) = self.heap_left.checked_sub(wanted) else {
            let left = self.heap_left;
            return Err(self.fail(field, Fault::HeapExceeded { wanted, left }));
        };
        self.heap_left = heap_left;
        Ok(Some(count))
    }

    pub(crate) fn nullable_array<T>(
        &mut self,
        field: &'static str,
        allowed: bool,
        wire_min: usize,
        element: impl Fn(&mut Self) -> Result<T, WireError>,
    ) -> Result<Option<Vec<T>>, WireError> {
        let Some(count) = self.count(field, wire_min, size_of::<T>())? else {
            self.null(field, allowed)?;
            return Ok(None);
        };
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    pub(crate) fn array<T>(
        &mut self,
        field: &'static str,
        wire_min: usize,
        element: impl Fn(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let elements = self.nullable_array(field, false, wire_min, element)?;
        // Null was refused above, so nothing is lost here.
        Ok(elements.unwrap_or_default())
    }

    /// The number of tagged fields; none in a version that has none.
    pub(crate) fn tag_count(&mut self) -> Result<u32, WireError> {
        if !self.flexible {
            return Ok(0);
        }
        let count = self.varint("tagged fields")?;
        // Each takes a byte for its number and one for its size.
        if count > TAGS_MAX || usize_from_u32(count) > self.rest.len() / 2 {
            return Err(self.fail("tagged fields", Fault::TagsTooMany { count }));
        }
        Ok(count)
    }

    /// The next tagged field's number, and what must be left behind its content.
    pub(crate) fn next_tag(&mut self, left: &mut u32) -> Result<Option<(u32, usize)>, WireError> {
        let Some(fewer) = left.checked_sub(1) else {
            return Ok(None);
        };
        *left = fewer;
        let tag = self.varint("tag")?;
        let needed = usize_from_u32(self.varint("tag size")?);
        let Some(behind) = self.rest.len().checked_sub(needed) else {
            let left = self.rest.len();
            return Err(self.fail("tag size", Fault::Truncated { needed, left }));
        };
        Ok(Some((tag, behind)))
    }

    /// Leaves out the content of a tagged field that is not known here.
    pub(crate) fn skip_tag(&mut self, behind: usize) -> Result<(), WireError> {
        let length = self.rest.len().saturating_sub(behind);
        self.take("tag", length).map(|_| ())
    }

    /// Checks that a tagged field was read exactly to its end.
    pub(crate) fn end_tag(&self, behind: usize) -> Result<(), WireError> {
        if self.rest.len() == behind {
            Ok(())
        } else {
            Err(self.fail("tag", Fault::TagSizeWrong))
        }
    }

    /// Leaves out all tagged fields of a struct that knows none.
    pub(crate) fn skip_tags(&mut self) -> Result<(), WireError> {
        let mut left = self.tag_count()?;
        while let Some((_, behind)) = self.next_tag(&mut left)? {
            self.skip_tag(behind)?;
        }
        Ok(())
    }
}
