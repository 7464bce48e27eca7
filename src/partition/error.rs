//! Why a partition does not do what it was asked.

use std::fmt;

use base::ErrorCode;
use batch::BatchError;
use storage::StorageError;

/// Why a batch was not appended, or not known to be durable.
#[derive(Clone, Debug)]
pub enum AppendError {
    /// The bytes are no batch, or none that the topic takes.
    Batch(BatchError),
    /// The replica admits it not: not leading, too few in sync, or its producer's past.
    Replica(replica::AppendError),
    /// The coordinator of its transaction does not let it in, or cannot be asked.
    Transaction(ErrorCode, String),
    /// The request may not carry zstd yet (KIP-110 came with a later version of it).
    CodecTooNew,
    /// The log cannot take or keep it.
    Storage(StorageError),
}

impl fmt::Display for AppendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(error) => error.fmt(formatter),
            Self::Replica(replica::AppendError::NotLeader) => {
                formatter.write_str("another node leads the partition")
            }
            Self::Replica(replica::AppendError::NotEnoughReplicas) => {
                formatter.write_str("fewer replicas are in sync than min.insync.replicas asks for")
            }
            Self::Replica(replica::AppendError::Producer(error)) => error.fmt(formatter),
            Self::Transaction(_, reason) => formatter.write_str(reason),
            Self::CodecTooNew => formatter
                .write_str("zstd needs version 7 of the produce request; update the client"),
            Self::Storage(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for AppendError {}

impl From<BatchError> for AppendError {
    fn from(error: BatchError) -> Self {
        Self::Batch(error)
    }
}

impl From<replica::AppendError> for AppendError {
    fn from(error: replica::AppendError) -> Self {
        Self::Replica(error)
    }
}

impl From<StorageError> for AppendError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// Why records were not deleted.
#[derive(Clone, Debug)]
pub enum DeleteRecordsError {
    /// The offset lies above the high watermark or is none.
    OutOfRange,
    /// The topic is compacted and nothing else, so its records go only when others replace them.
    Policy,
    /// The log cannot be changed.
    Storage(StorageError),
}

impl fmt::Display for DeleteRecordsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange => formatter.write_str("the offset is not below the high watermark"),
            Self::Policy => formatter.write_str(
                "cleanup.policy of the topic is compact; add delete to it, or write tombstones",
            ),
            Self::Storage(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for DeleteRecordsError {}

impl From<StorageError> for DeleteRecordsError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// Why nothing was read.
#[derive(Clone, Debug)]
pub enum FetchError {
    /// The offset lies before the log's start or behind its end.
    OutOfRange,
    /// The log cannot be read.
    Storage(StorageError),
}

impl fmt::Display for FetchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange => formatter.write_str("the partition does not have the offset"),
            Self::Storage(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for FetchError {}
