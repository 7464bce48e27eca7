//! The one error of the room: what is wrong, in which message and field, at which byte.
//!
//! Invariant: every way in which bytes or values can be refused is a [`Fault`]; there is no other
//! way out of decoding and encoding.

/// Bytes that do not follow the schema, or a value that the schema cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError {
    /// The message that was being read or written, for example `FetchRequest`.
    pub message: &'static str,
    /// The field of the message or of a struct inside it.
    pub field: &'static str,
    /// Bytes before the field, counted from where the reader or writer began.
    pub position: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with some bytes or some value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bytes end before the value does.
    Truncated {
        /// Bytes that the value needs.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// Bytes are left behind the end of the message.
    TrailingBytes {
        /// How many.
        left: usize,
    },
    /// An array claims more elements than the rest of the bytes can hold.
    CountTooLarge {
        /// Claimed elements.
        count: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// Decoding would take more memory than is granted for so many bytes.
    HeapExceeded {
        /// Bytes of memory that were asked for.
        wanted: usize,
        /// Bytes of memory that were left to give.
        left: usize,
    },
    /// A length that is neither a size nor the mark of null.
    LengthInvalid {
        /// The length as it was read.
        length: i64,
    },
    /// A varint with more bits than its type.
    VarintTooLong,
    /// Null where this version does not know null.
    NullNotAllowed,
    /// A string that is not UTF-8.
    NotUtf8,
    /// More tagged fields in one struct than anybody sends.
    TagsTooMany {
        /// Claimed tagged fields.
        count: u32,
    },
    /// A tagged field whose content is shorter or longer than its announced size.
    TagSizeWrong,
    /// A version that this message does not have.
    VersionUnknown {
        /// The version asked for.
        version: i16,
    },
    /// An API key that Kafka does not have, or that is no longer served.
    ApiUnknown {
        /// The key.
        key: i16,
    },
    /// A persisted record of a kind that is not in its log's schema.
    RecordUnknown {
        /// The kind's number.
        key: i32,
    },
    /// A field holds something that this version cannot carry and that must not be lost.
    FieldNotInVersion {
        /// The version that was to be written.
        version: i16,
    },
    /// A string, array or frame that is longer than its length can say.
    TooLong {
        /// Its length.
        length: usize,
    },
}

impl std::fmt::Display for WireError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            message,
            field,
            position,
            fault,
        } = self;
        write!(formatter, "{message}.{field} at byte {position}: {fault}")
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Truncated { needed, left } => write!(
                formatter,
                "needs {needed} bytes but only {left} are left; the frame was cut or damaged"
            ),
            Self::TrailingBytes { left } => write!(
                formatter,
                "{left} bytes are left behind the end; the sender means another version"
            ),
            Self::CountTooLarge { count, left } => write!(
                formatter,
                "claims {count} elements but only {left} bytes are left; refused unread"
            ),
            Self::HeapExceeded { wanted, left } => write!(
                formatter,
                "would take {wanted} bytes of memory of {left} granted for a frame of this \
                 size; send fewer elements in one request"
            ),
            Self::LengthInvalid { length } => {
                write!(formatter, "{length} is not a length; the frame is damaged")
            }
            Self::VarintTooLong => formatter.write_str("the varint has more than 32 bits"),
            Self::NullNotAllowed => formatter.write_str("null is not allowed in this version"),
            Self::NotUtf8 => formatter.write_str("the string is not UTF-8"),
            Self::TagsTooMany { count } => {
                write!(formatter, "claims {count} tagged fields; refused unread")
            }
            Self::TagSizeWrong => {
                formatter.write_str("the tagged field's content does not have its announced size")
            }
            Self::VersionUnknown { version } => {
                write!(formatter, "version {version} is not known")
            }
            Self::ApiUnknown { key } => write!(formatter, "API key {key} is not known"),
            Self::RecordUnknown { key } => write!(
                formatter,
                "record kind {key} is not known; it was written by a newer version"
            ),
            Self::FieldNotInVersion { version } => write!(
                formatter,
                "is set but version {version} cannot carry it; use a newer version or unset it"
            ),
            Self::TooLong { length } => {
                write!(formatter, "{length} is longer than the protocol can say")
            }
        }
    }
}

impl std::error::Error for WireError {}
