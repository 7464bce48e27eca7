//! Why the log did not do what it was asked.

use std::fmt;

use batch::BatchError;
use storage::StorageError;

/// Why the log did not do what it was asked.
#[derive(Clone, Debug)]
pub enum LogError {
    /// The engine could not; the text says why and how to mend it.
    Storage(StorageError),
    /// No partition can have this name.
    Name {
        /// The name.
        name: String,
    },
    /// There is nothing to append.
    Empty,
    /// The bytes are no batch, or none that can be appended.
    Batch(BatchError),
}

impl fmt::Display for LogError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(error) => error.fmt(out),
            Self::Name { name } => write!(
                out,
                "no partition can be named {name:?}: a topic has 1 to 249 of the characters a-z, \
                 A-Z, 0-9, '.', '_' and '-', and is neither '.' nor '..'; a number is not negative"
            ),
            Self::Empty => out.write_str("an append without records takes no offset; give it one"),
            Self::Batch(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for LogError {}

impl From<StorageError> for LogError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<BatchError> for LogError {
    fn from(error: BatchError) -> Self {
        Self::Batch(error)
    }
}
