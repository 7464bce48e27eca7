//! Record batches inside a message: borrowed when they arrive, spliced when they leave.

/// The bytes of record batches in a produce request, a fetch response or a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Records<'a> {
    /// No records field at all.
    #[default]
    Null,
    /// Bytes of the frame they arrived in, or bytes to be copied into the frame that leaves.
    Borrowed(&'a [u8]),
    /// Bytes that stay where they are: the encoder counts them and leaves a gap for them.
    External {
        /// What the caller knows the bytes by.
        token: u32,
        /// How many bytes they are.
        length: u32,
    },
}

impl<'a> Records<'a> {
    /// The bytes that are here; empty for null, nothing for external ones.
    #[must_use]
    pub const fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Null => Some(&[]),
            Self::Borrowed(bytes) => Some(bytes),
            Self::External { .. } => None,
        }
    }
}
