//! LZ4 frames with the flags that Kafka's Java clients can read.
//!
//! Kafka's first writer of LZ4 took the checksum of a frame's header over the magic number too, so
//! messages of format 0 have a checksum there that no other reader accepts; it is mended before
//! such a frame is read and broken in the same way when one is written (KIP-57).
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
/// The header gives the content's size, in eight bytes more.
const FLAGS_CONTENT_SIZE: u8 = 0b0000_1000;
const MAGIC_BYTES: usize = 4;

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

/// The frame with the header's checksum as the format wants it, whatever it was.
pub(crate) fn mend_legacy(compressed: &[u8]) -> Vec<u8> {
    let mut frame = compressed.to_vec();
    set_header_checksum(&mut frame, MAGIC_BYTES);
    frame
}

/// Gives the frame's header the checksum that readers of format 0 expect.
pub(crate) fn break_legacy(frame: &mut [u8]) {
    set_header_checksum(frame, 0);
}

/// Writes the checksum of the header's bytes from `from` on; nothing where there is no header.
fn set_header_checksum(frame: &mut [u8], from: usize) {
    let Some(flags) = frame.get(MAGIC_BYTES) else {
        return;
    };
    let has_size = flags & FLAGS_CONTENT_SIZE != 0;
    let checksum_at = if has_size { 14 } else { 6 };
    let Some((header, rest)) = frame.split_at_mut_checked(checksum_at) else {
        return;
    };
    let covered = header.get(from..).unwrap_or_default();
    let [_, _, second_lowest, _] = short_xxh32(covered).to_be_bytes();
    if let Some(checksum) = rest.first_mut() {
        *checksum = second_lowest;
    }
}

/// xxHash32 with seed 0 of fewer than 16 bytes, all that a header has.
fn short_xxh32(bytes: &[u8]) -> u32 {
    const PRIME_1: u32 = 0x9E37_79B1;
    const PRIME_2: u32 = 0x85EB_CA77;
    const PRIME_3: u32 = 0xC2B2_AE3D;
    const PRIME_4: u32 = 0x27D4_EB2F;
    const PRIME_5: u32 = 0x1656_67B1;
    assert!(bytes.len() < 16, "longer inputs are hashed in stripes");
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    let mut hash = PRIME_5.wrapping_add(length);
    let (lanes, rest) = bytes.as_chunks::<4>();
    for [a, b, c, d] in lanes {
        // Counted from the low end, as all numbers of this format.
        let lane = u32::from_be_bytes([*d, *c, *b, *a]);
        hash = hash.wrapping_add(lane.wrapping_mul(PRIME_3));
        hash = hash.rotate_left(17).wrapping_mul(PRIME_4);
    }
    for byte in rest {
        hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(PRIME_5));
        hash = hash.rotate_left(11).wrapping_mul(PRIME_1);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 13)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 16)
}
