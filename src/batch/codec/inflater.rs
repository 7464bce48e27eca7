//! One face for reading any codec as a stream with a limit.
//!
//! Invariants: at most `bytes_max` bytes ever come out; an end is an end for good.

use super::{Codec, CodecError, gzip, lz4, snappy, zstandard};
use std::io::Read;

/// A stream of decompressed bytes.
pub(crate) struct Inflater<'a> {
    stream: Stream<'a>,
    codec: Codec,
    bytes_max: u64,
    bytes_left: u64,
}

enum Stream<'a> {
    Plain(&'a [u8]),
    Gzip(Box<gzip::Reader<'a>>),
    Snappy(snappy::Reader<'a>),
    Lz4(Box<lz4::Reader<'a>>),
    Zstd(Box<zstandard::Reader<'a>>),
}

impl<'a> Inflater<'a> {
    /// A stream that fails once it would give more than `bytes_max` bytes.
    pub(crate) fn new(
        codec: Codec,
        compressed: &'a [u8],
        bytes_max: u64,
    ) -> Result<Self, CodecError> {
        let stream = match codec {
            Codec::None => Stream::Plain(compressed),
            Codec::Gzip => Stream::Gzip(Box::new(gzip::reader(compressed))),
            Codec::Snappy => Stream::Snappy(snappy::Reader::new(compressed, bytes_max)),
            Codec::Lz4 => Stream::Lz4(Box::new(lz4::reader(compressed)?)),
            Codec::Zstd => Stream::Zstd(Box::new(zstandard::reader(compressed)?)),
        };
        Ok(Self {
            stream,
            codec,
            bytes_max,
            bytes_left: bytes_max,
        })
    }

    /// Fills `target` from its beginning; zero bytes mean the end of the stream.
    pub(crate) fn read(&mut self, target: &mut [u8]) -> Result<usize, CodecError> {
        assert!(
            !target.is_empty(),
            "an empty target would look like the end"
        );
        let read = match &mut self.stream {
            Stream::Plain(rest) => rest.read(target),
            Stream::Gzip(reader) => reader.read(target),
            Stream::Snappy(reader) => {
                let read = reader.read(target)?;
                return self.count(read);
            }
            Stream::Lz4(reader) => reader.read(target),
            Stream::Zstd(reader) => reader.read(target),
        };
        let read = read.map_err(|error| CodecError::malformed(self.codec, error))?;
        self.count(read)
    }

    fn count(&mut self, read: usize) -> Result<usize, CodecError> {
        match self.bytes_left.checked_sub(read as u64) {
            Some(left) => {
                self.bytes_left = left;
                Ok(read)
            }
            None => Err(CodecError::TooLarge {
                codec: self.codec,
                bytes_max: self.bytes_max,
            }),
        }
    }
}
