//! What can be wrong with a message beside what can be wrong with a batch too.

/// Why a message set of an old format cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegacyFault {
    /// Key and value do not fill the message, or a length is below -1.
    Fields,
    /// A wrapper has no value.
    WrapperWithoutValue,
    /// A wrapper holds no message.
    WrapperEmpty,
    /// A wrapper ends inside a message.
    WrapperTorn,
    /// A wrapper lies inside another.
    WrapperNested,
    /// A wrapper holds messages of another format than its own.
    WrapperMixed,
    /// The codec came after the format: zstd needs record batches (KIP-110).
    CodecTooNew,
}

impl std::fmt::Display for LegacyFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Fields => "key and value do not fill the message",
            Self::WrapperWithoutValue => "a compressed message has no value",
            Self::WrapperEmpty => "a compressed message holds no message",
            Self::WrapperTorn => "a compressed message ends inside one of those it holds",
            Self::WrapperNested => "a compressed message holds another compressed one",
            Self::WrapperMixed => "a compressed message holds messages of another format",
            Self::CodecTooNew => {
                "zstd needs record batches of format version 2; use another codec or a client \
                 since Kafka 2.1"
            }
        })
    }
}
