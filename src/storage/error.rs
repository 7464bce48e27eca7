//! Everything that can go wrong with a log.

use std::fmt;
use std::path::PathBuf;

use base::{LeaderEpoch, Offset};
use batch::BatchError;
use reactor::IoError;

/// Why the storage could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// The machine refused.
    Io(IoError),
    /// A write or a flush failed earlier; nothing more is written to this directory.
    Offline {
        /// The data directory.
        dir: PathBuf,
        /// What failed first.
        cause: Box<StorageError>,
    },
    /// Bytes that were known to be on the device are not what was written.
    Corrupt {
        /// The segment's file.
        path: PathBuf,
        /// Where in the file the batch begins.
        position: u64,
        /// The offset that should be there.
        offset: Offset,
        /// What is wrong.
        fault: Fault,
    },
    /// The offset is not in the log.
    OutOfRange {
        /// What was asked for.
        offset: Offset,
        /// The first offset.
        log_start: Offset,
        /// The offset after the last.
        log_end: Offset,
    },
    /// A batch is larger than all memory for logs.
    TooLarge {
        /// The batch's size.
        bytes: usize,
        /// What this core may use for one batch.
        bytes_max: usize,
    },
    /// A file that describes a directory is not what it should be.
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is wrong and how to mend it.
        reason: String,
    },
    /// The disk has less room than is kept for deletions and consumers' commits.
    DiskFull {
        /// The data directory.
        dir: PathBuf,
        /// What is left, in bytes.
        free: u64,
    },
    /// The log was closed or removed meanwhile.
    Closed,
}

/// What is wrong with bytes in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They are no intact batch.
    Batch(BatchError),
    /// The batch has another offset than the one that is due.
    Offset {
        /// The offset in the batch.
        found: Offset,
    },
    /// The batch has an older leader epoch than the ones before it, or a newer one than the next.
    Epoch {
        /// The epoch in the batch.
        found: LeaderEpoch,
    },
    /// The file ends, or goes on with zeros, where a batch is due.
    Missing,
}

impl From<IoError> for StorageError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(error) => error.fmt(out),
            Self::Offset { found } => write!(out, "the batch there has offset {found}"),
            Self::Epoch { found } => write!(out, "the batch there has leader epoch {found}"),
            Self::Missing => out.write_str("there is no batch"),
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(out),
            Self::Offline { dir, cause } => write!(
                out,
                "{} is offline since an operation on it failed ({cause}); check the device, then \
                 restart",
                dir.display()
            ),
            Self::Corrupt {
                path,
                position,
                offset,
                fault,
            } => write!(
                out,
                "{} is damaged at byte {position}, where offset {offset} was known to be on the \
                 device: {fault}; restore this partition from a replica or a backup, or delete it",
                path.display()
            ),
            Self::OutOfRange {
                offset,
                log_start,
                log_end,
            } => write!(
                out,
                "offset {offset} is not in the log, which has {log_start} to {log_end}"
            ),
            Self::TooLarge { bytes, bytes_max } => write!(
                out,
                "a batch of {bytes} bytes does not fit into the {bytes_max} bytes of memory that \
                 one batch may use; raise forebay.memory.chunks.bytes"
            ),
            Self::Metadata { path, reason } => write!(out, "{}: {reason}", path.display()),
            Self::DiskFull { dir, free } => write!(
                out,
                "the disk of {} is full: {free} bytes are left, fewer than \
                 forebay.disk.hard.free.bytes keeps back; delete records or topics, keep less \
                 (retention.ms, retention.bytes) or make room, and records are taken again",
                dir.display()
            ),
            Self::Closed => out.write_str("the log was closed"),
        }
    }
}

impl std::error::Error for StorageError {}
