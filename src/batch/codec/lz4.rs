//! LZ4 frames with the flags that Kafka's Java clients can read.
//!
//! Invariants: a frame whose blocks depend on each other, or with reserved bits set, is refused:
//! the library here could read it, the Java consumer of the topic could not.

use super::{Codec, CodecError};
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use std::io::Write;

pub(super) type Reader<'a> = FrameDecoder<&'a [u8]>;

const FRAME_MAGIC: u32 = 0x184D_2204;
const FLAGS_VERSION: u8 = 0b1100_0000;
const FLAGS_VERSION_1: u8 = 0b0100_0000;
const FLAGS_BLOCKS_INDEPENDENT: u8 = 0b0010_0000;
const FLAGS_RESERVED: u8 = 0b0000_0011;
const BLOCK_DESCRIPTOR_RESERVED: u8 = 0b1000_1111;

pub(super) fn reader(compressed: &[u8]) -> Result<Reader<'_>, CodecError> {
    let malformed = |reason: &str| Err(CodecError::malformed(Codec::Lz4, reason));
    let Some([a, b, c, d, flags, blocks]) = compressed.first_chunk::<6>() else {
        return malformed("the frame ends inside its header");
    };
    // The frame format, unlike everything of Kafka's, counts its bytes from the low end.
    if u32::from_be_bytes([*d, *c, *b, *a]) != FRAME_MAGIC {
        return malformed("the frame does not begin with LZ4's magic number");
    }
    if flags & FLAGS_VERSION != FLAGS_VERSION_1 || flags & FLAGS_RESERVED != 0 {
        return malformed("the frame has an unknown version or unknown flags");
    }
    if flags & FLAGS_BLOCKS_INDEPENDENT == 0 {
        return malformed(
            "the frame's blocks depend on each other, which Java clients cannot read",
        );
    }
    if blocks & BLOCK_DESCRIPTOR_RESERVED != 0 {
        return malformed("the frame has an unknown block descriptor");
    }
    Ok(Reader::new(compressed))
}

pub(super) fn compress(plain: &[u8], target: &mut Vec<u8>) -> Result<(), CodecError> {
    let info = FrameInfo::new()
        .block_mode(BlockMode::Independent)
        .block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, target);
    encoder
        .write_all(plain)
        .map_err(|error| CodecError::malformed(Codec::Lz4, error))?;
    let finished = encoder.finish();
    finished
        .map(|_| ())
        .map_err(|error| CodecError::malformed(Codec::Lz4, error))
}
