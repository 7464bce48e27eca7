//! What can go wrong between compressed and plain bytes.

use super::Codec;

/// Why a body cannot be decompressed or compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The bytes are not what the codec writes.
    Malformed {
        /// The codec.
        codec: Codec,
        /// What the library or this room found.
        reason: String,
    },
    /// The bytes decompress to more than was allowed.
    TooLarge {
        /// The codec.
        codec: Codec,
        /// The limit.
        bytes_max: u64,
    },
}

impl CodecError {
    pub(super) fn malformed(codec: Codec, reason: impl ToString) -> Self {
        Self::Malformed {
            codec,
            reason: reason.to_string(),
        }
    }
}

impl std::error::Error for CodecError {}

impl std::fmt::Display for CodecError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed { codec, reason } => {
                write!(out, "the record batch is not valid {codec}: {reason}")
            }
            Self::TooLarge { codec, bytes_max } => write!(
                out,
                "the {codec} record batch decompresses to more than {bytes_max} bytes"
            ),
        }
    }
}
