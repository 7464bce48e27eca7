//! Zstandard through the reference library (KIP-110).

use super::{Codec, CodecError};
use std::io::Write;

/// Reads every frame of the stream.
pub(super) type Reader<'a> = zstd::stream::read::Decoder<'static, &'a [u8]>;

/// The largest window that the library's own levels use. Pages of it are only touched as they
/// are filled, so a frame that merely claims such a window costs address space.
const WINDOW_LOG_MAX: u32 = 27;

pub(super) fn reader(compressed: &[u8]) -> Result<Reader<'_>, CodecError> {
    let mut reader = Reader::with_buffer(compressed)
        .map_err(|error| CodecError::malformed(Codec::Zstd, error))?;
    reader
        .window_log_max(WINDOW_LOG_MAX)
        .map_err(|error| CodecError::malformed(Codec::Zstd, error))?;
    Ok(reader)
}

pub(super) fn compress(
    level: Option<i32>,
    plain: &[u8],
    target: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
    if !zstd::compression_level_range().contains(&level) {
        let reason = "the level must be between -131072 and 22";
        return Err(CodecError::malformed(Codec::Zstd, reason));
    }
    let malformed = |error| CodecError::malformed(Codec::Zstd, error);
    let mut encoder = zstd::stream::write::Encoder::new(target, level).map_err(malformed)?;
    encoder
        .set_pledged_src_size(Some(plain.len() as u64))
        .map_err(malformed)?;
    encoder.write_all(plain).map_err(malformed)?;
    encoder.finish().map(|_| ()).map_err(malformed)
}
