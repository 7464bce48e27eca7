//! gzip through zlib-rs.

use super::{Codec, CodecError};
use std::io::Write;

/// Reads every member of the stream, as Java's reader does.
pub(super) type Reader<'a> = flate2::bufread::MultiGzDecoder<&'a [u8]>;

pub(super) fn reader(compressed: &[u8]) -> Reader<'_> {
    Reader::new(compressed)
}

pub(super) fn compress(
    level: Option<i32>,
    plain: &[u8],
    target: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let level = match level.map(u32::try_from) {
        None => flate2::Compression::default(),
        Some(Ok(level @ 1..=9)) => flate2::Compression::new(level),
        Some(_) => {
            let reason = "the level must be between 1 and 9";
            return Err(CodecError::malformed(Codec::Gzip, reason));
        }
    };
    let mut encoder = flate2::write::GzEncoder::new(target, level);
    encoder
        .write_all(plain)
        .and_then(|()| encoder.finish().map(|_| ()))
        .map_err(|error| CodecError::malformed(Codec::Gzip, error))
}
