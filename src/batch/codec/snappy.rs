//! Snappy as Kafka has it: raw blocks behind the Java library's stream header, each with its
//! length in front. Some clients send one bare block instead; that is read too.
//!
//! Invariants: a block is only given memory when the bytes behind its claim could fill it.

use super::{Codec, CodecError};

/// The header of the Java library's stream: a magic, its version, the oldest compatible version.
const STREAM_HEADER: [u8; 16] = [
    0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1,
];
const STREAM_MAGIC_BYTES: usize = 8;
const BLOCK_BYTES: usize = 32 * 1024;

/// The densest thing in the format is a copy of 64 bytes written in 3; a claim beyond that is a
/// lie.
const EXPANSION_MAX: u64 = 64 / 3 + 1;

/// A stream of decompressed blocks, one in memory at a time.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    framing: Framing,
    block: Vec<u8>,
    position: usize,
    bytes_max: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Unknown,
    Stream,
    Bare,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(compressed: &'a [u8], bytes_max: u64) -> Self {
        Self {
            rest: compressed,
            framing: Framing::Unknown,
            block: Vec::new(),
            position: 0,
            bytes_max,
        }
    }

    pub(super) fn read(&mut self, target: &mut [u8]) -> Result<usize, CodecError> {
        while self.position == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let (_, unread) = self.block.split_at(self.position);
        let count = unread.len().min(target.len());
        target
            .split_at_mut(count)
            .0
            .copy_from_slice(unread.split_at(count).0);
        self.position += count;
        assert!(self.position <= self.block.len(), "no byte twice");
        Ok(count)
    }

    /// Decompresses the next block; false when there is none.
    fn next_block(&mut self) -> Result<bool, CodecError> {
        if self.framing == Framing::Unknown {
            let (magic, _) = STREAM_HEADER.split_at(STREAM_MAGIC_BYTES);
            self.framing = if self.rest.starts_with(magic) {
                Framing::Stream
            } else {
                Framing::Bare
            };
        }
        if self.rest.is_empty() {
            return Ok(false);
        }
        let block = match self.framing {
            Framing::Stream => self.framed_block()?,
            Framing::Bare | Framing::Unknown => std::mem::take(&mut self.rest),
        };
        if let Some(block) = block.first().map(|_| block) {
            self.inflate(block)?;
            return Ok(true);
        }
        self.block.clear();
        self.position = 0;
        Ok(!self.rest.is_empty())
    }

    /// The compressed bytes of the next block; streams may be appended to one another, so a
    /// header may stand in front of any block.
    fn framed_block(&mut self) -> Result<&'a [u8], CodecError> {
        let malformed = |reason: &str| Err(CodecError::malformed(Codec::Snappy, reason));
        let (magic, _) = STREAM_HEADER.split_at(STREAM_MAGIC_BYTES);
        if self.rest.starts_with(magic) {
            let Some((_, rest)) = self.rest.split_at_checked(STREAM_HEADER.len()) else {
                return malformed("the stream ends inside its header");
            };
            self.rest = rest;
            if rest.is_empty() {
                return Ok(&[]);
            }
        }
        let Some((length, rest)) = self.rest.split_first_chunk::<4>() else {
            return malformed("the stream ends inside a block's length");
        };
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            return malformed("a block's length is negative");
        };
        let Some((block, rest)) = rest.split_at_checked(length) else {
            return malformed("the stream ends inside a block");
        };
        self.rest = rest;
        Ok(block)
    }

    fn inflate(&mut self, block: &[u8]) -> Result<(), CodecError> {
        assert!(!block.is_empty(), "an empty block has nothing to say");
        let malformed = |error: snap::Error| CodecError::malformed(Codec::Snappy, error);
        let claimed = snap::raw::decompress_len(block).map_err(malformed)?;
        if claimed as u64 > self.bytes_max {
            return Err(CodecError::TooLarge {
                codec: Codec::Snappy,
                bytes_max: self.bytes_max,
            });
        }
        if claimed as u64 > block.len() as u64 * EXPANSION_MAX {
            let reason = "a block claims more bytes than its length could give";
            return Err(CodecError::malformed(Codec::Snappy, reason));
        }
        self.block.resize(claimed, 0);
        self.position = 0;
        let mut decoder = snap::raw::Decoder::new();
        let count = decoder
            .decompress(block, &mut self.block)
            .map_err(malformed)?;
        assert!(count == claimed, "the library keeps to the block's claim");
        Ok(())
    }
}

pub(super) fn compress(plain: &[u8], target: &mut Vec<u8>) -> Result<(), CodecError> {
    target.extend_from_slice(&STREAM_HEADER);
    let mut encoder = snap::raw::Encoder::new();
    for block in plain.chunks(BLOCK_BYTES) {
        let compressed = encoder
            .compress_vec(block)
            .map_err(|error| CodecError::malformed(Codec::Snappy, error))?;
        let length = u32::try_from(compressed.len())
            .map_err(|error| CodecError::malformed(Codec::Snappy, error))?;
        target.extend_from_slice(&length.to_be_bytes());
        target.extend_from_slice(&compressed);
    }
    Ok(())
}
