//! The five compression codecs, each readable as a stream and writable in one go.
//!
//! Invariants: reading never allocates in proportion to a length that the bytes merely claim;
//! what Kafka's own clients could not read is refused, even where the library could.

mod error;
mod gzip;
mod inflater;
mod lz4;
mod snappy;
mod zstandard;

pub use error::CodecError;
pub(crate) use inflater::Inflater;
pub(crate) use lz4::{break_legacy as break_legacy_lz4, mend_legacy as mend_legacy_lz4};

/// A compression codec of record batches, with the number it has in the attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i16)]
pub enum Codec {
    /// Not compressed.
    #[default]
    None = 0,
    /// gzip, in as many members as the writer liked.
    Gzip = 1,
    /// Raw snappy blocks in the framing of the Java library, or one bare block.
    Snappy = 2,
    /// LZ4 frames with independent blocks.
    Lz4 = 3,
    /// Zstandard frames (KIP-110).
    Zstd = 4,
}

/// A codec with the level to write at; without one, the codec's own default (KIP-390).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    /// The codec.
    pub codec: Codec,
    /// gzip: 1 to 9, zstd: -131072 to 22; snappy has none, and lz4 always writes at its fastest.
    pub level: Option<i32>,
}

impl Codec {
    /// Every codec, in the order of the numbers.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The number in the attributes.
    #[must_use]
    pub const fn id(self) -> i16 {
        self as i16
    }

    /// The codec with this number.
    #[must_use]
    pub fn from_id(id: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.id() == id)
    }

    /// The name in configurations and on command lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec of this name, as configurations spell it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        Self { codec, level: None }
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

/// Appends `plain`, compressed, to `target`.
///
/// # Errors
/// When the library fails, which with memory at both ends only a nonsensical level can cause.
pub fn compress(
    compression: Compression,
    plain: &[u8],
    target: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let before = target.len();
    match compression.codec {
        Codec::None => target.extend_from_slice(plain),
        Codec::Gzip => gzip::compress(compression.level, plain, target)?,
        Codec::Snappy => snappy::compress(plain, target)?,
        Codec::Lz4 => lz4::compress(plain, target)?,
        Codec::Zstd => zstandard::compress(compression.level, plain, target)?,
    }
    assert!(target.len() >= before, "compression only appends");
    Ok(())
}

/// Appends what `compressed` decompresses to, unless that is more than `bytes_max` bytes.
///
/// # Errors
/// When the bytes are not of this codec, or there are too many.
pub fn decompress(
    codec: Codec,
    compressed: &[u8],
    bytes_max: usize,
    target: &mut Vec<u8>,
) -> Result<(), CodecError> {
    const STEP: usize = 64 * 1024;
    let start = target.len();
    let mut inflater = Inflater::new(codec, compressed, bytes_max as u64)?;
    loop {
        let before = target.len();
        // Growth follows what was really decompressed, doubling at most.
        let step = (before - start).clamp(STEP, 16 * STEP);
        target.resize(before + step, 0);
        let (_, room) = target.split_at_mut(before);
        let filled = inflater.read(room)?;
        target.truncate(before + filled);
        if filled == 0 {
            assert!(target.len() - start <= bytes_max, "the limit was kept");
            return Ok(());
        }
    }
}
