//! Where the fields of records are read from: a slice, or a stream that is decompressed as it
//! is read, so that validation never holds more than one window of a decompressed batch.
//!
//! Invariants: numbers are read as Kafka reads them (zigzag; at most five or ten bytes; excess
//! high bits of the last byte dropped); positions count decompressed bytes.

use crate::codec::Inflater;
use crate::error::{BatchError, RecordFault};

/// A fault inside a record, or a stream that cannot be decompressed.
#[derive(Debug)]
pub(crate) enum SourceError {
    Fault(RecordFault),
    /// Boxed, so that reading a number returns in registers.
    Batch(Box<BatchError>),
}

impl From<RecordFault> for SourceError {
    fn from(fault: RecordFault) -> Self {
        Self::Fault(fault)
    }
}

/// Bytes of records, read forwards once.
pub(crate) trait Source {
    fn byte(&mut self) -> Result<u8, SourceError>;
    fn skip(&mut self, count: usize) -> Result<(), SourceError>;
    /// Appends the next `count` bytes to `target`, which grows only by bytes that are there.
    fn copy(&mut self, count: usize, target: &mut Vec<u8>) -> Result<(), SourceError>;
    fn position(&self) -> u64;
    fn at_end(&mut self) -> Result<bool, SourceError>;

    /// A 32-bit zigzag number.
    #[inline]
    fn varint(&mut self) -> Result<i32, SourceError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(zigzag_32(u32::from(first)));
        }
        let mut bits = u32::from(first & 0x7F);
        for shift in [7, 14, 21, 28] {
            let byte = self.byte()?;
            bits |= u32::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(zigzag_32(bits));
            }
        }
        Err(RecordFault::VarintTooLong.into())
    }

    /// A 64-bit zigzag number.
    #[inline]
    fn varlong(&mut self) -> Result<i64, SourceError> {
        let first = self.byte()?;
        let mut bits = u64::from(first & 0x7F);
        if first < 0x80 {
            return Ok(zigzag_64(bits));
        }
        for shift in [7, 14, 21, 28, 35, 42, 49, 56, 63] {
            let byte = self.byte()?;
            bits |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(zigzag_64(bits));
            }
        }
        Err(RecordFault::VarintTooLong.into())
    }

    /// A length that is negative for null, and the bytes it counts; tells whether it was null.
    #[inline]
    fn skip_nullable(&mut self) -> Result<bool, SourceError> {
        let length = self.varint()?;
        match usize::try_from(length) {
            Ok(length) => self.skip(length).map(|()| false),
            Err(_) => Ok(true),
        }
    }
}

const fn zigzag_32(bits: u32) -> i32 {
    (bits >> 1).cast_signed() ^ -((bits & 1).cast_signed())
}

const fn zigzag_64(bits: u64) -> i64 {
    (bits >> 1).cast_signed() ^ -((bits & 1).cast_signed())
}

/// Records in memory.
pub(crate) struct SliceSource<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> SliceSource<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            len: bytes.len(),
        }
    }

    /// What has not been read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], SourceError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(RecordFault::Truncated.into());
        };
        self.rest = rest;
        Ok(taken)
    }

    /// A length that is negative for null, and the bytes it counts.
    pub(crate) fn take_nullable(&mut self) -> Result<Option<&'a [u8]>, SourceError> {
        let length = self.varint()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }
}

impl Source for SliceSource<'_> {
    #[inline]
    fn byte(&mut self) -> Result<u8, SourceError> {
        let Some((byte, rest)) = self.rest.split_first() else {
            return Err(RecordFault::Truncated.into());
        };
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    fn skip(&mut self, count: usize) -> Result<(), SourceError> {
        self.take(count).map(|_| ())
    }

    fn copy(&mut self, count: usize, target: &mut Vec<u8>) -> Result<(), SourceError> {
        target.extend_from_slice(self.take(count)?);
        Ok(())
    }

    #[inline]
    fn position(&self) -> u64 {
        (self.len - self.rest.len()) as u64
    }

    fn at_end(&mut self) -> Result<bool, SourceError> {
        Ok(self.rest.is_empty())
    }
}

/// Records that are decompressed one window at a time.
pub(crate) struct StreamSource<'a> {
    inflater: Inflater<'a>,
    window: &'a mut [u8],
    start: usize,
    end: usize,
    position: u64,
}

impl<'a> StreamSource<'a> {
    pub(crate) const fn new(inflater: Inflater<'a>, window: &'a mut [u8]) -> Self {
        assert!(!window.is_empty(), "a window without bytes shows nothing");
        Self {
            inflater,
            window,
            start: 0,
            end: 0,
            position: 0,
        }
    }

    /// Fills the empty window; false at the stream's end.
    fn refill(&mut self) -> Result<bool, SourceError> {
        assert!(
            self.start == self.end,
            "what is in the window is read first"
        );
        let filled = self.inflater.read(self.window);
        let filled = filled.map_err(|error| SourceError::Batch(Box::new(error.into())))?;
        assert!(filled <= self.window.len(), "a window holds what was read");
        (self.start, self.end) = (0, filled);
        Ok(filled > 0)
    }
}

impl Source for StreamSource<'_> {
    #[inline]
    fn byte(&mut self) -> Result<u8, SourceError> {
        if self.start == self.end && !self.refill()? {
            return Err(RecordFault::Truncated.into());
        }
        let byte = self.window.get(self.start).copied();
        self.start += 1;
        self.position += 1;
        byte.ok_or(SourceError::Fault(RecordFault::Truncated))
    }

    fn skip(&mut self, count: usize) -> Result<(), SourceError> {
        let mut left = count;
        while left > 0 {
            if self.start == self.end && !self.refill()? {
                return Err(RecordFault::Truncated.into());
            }
            let step = left.min(self.end - self.start);
            self.start += step;
            left -= step;
        }
        self.position += count as u64;
        Ok(())
    }

    fn copy(&mut self, count: usize, target: &mut Vec<u8>) -> Result<(), SourceError> {
        let mut left = count;
        while left > 0 {
            if self.start == self.end && !self.refill()? {
                return Err(RecordFault::Truncated.into());
            }
            let step = left.min(self.end - self.start);
            let seen = self.window.get(self.start..self.start + step);
            target.extend_from_slice(seen.unwrap_or_default());
            self.start += step;
            left -= step;
        }
        self.position += count as u64;
        Ok(())
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn at_end(&mut self) -> Result<bool, SourceError> {
        Ok(self.start == self.end && !self.refill()?)
    }
}
