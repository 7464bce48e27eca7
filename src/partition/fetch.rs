//! Reading for a consumer.

use base::Offset;
use reactor::{Bytes, FileRange};
use storage::{Piece, ReadRequest, StorageError};

use crate::error::FetchError;
use crate::partition::Partition;

/// Which records a consumer wants to see (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All below the high watermark.
    ReadUncommitted,
    /// Those below the first open transaction.
    ReadCommitted,
}

/// What a consumer wants of one partition.
#[derive(Clone, Copy, Debug)]
pub struct FetchRequest {
    /// The first offset wanted.
    pub offset: Offset,
    /// The most bytes wanted.
    pub bytes_max: usize,
    /// Whether the first batch comes whole even when it is larger (KIP-74).
    pub at_least_one: bool,
    /// Which records.
    pub isolation: Isolation,
}

/// A part of what was read; it may travel to another core.
pub enum Portion {
    /// Bytes in memory.
    Memory(Bytes),
    /// A part of a sealed segment.
    File(FileRange),
}

/// What was read.
pub struct Fetched {
    /// The bytes, in order.
    pub portions: Vec<Portion>,
    /// How many bytes they are.
    pub len: u64,
    /// Up to where consumers read.
    pub high_watermark: Offset,
    /// Up to where consumers of committed records read.
    pub last_stable_offset: Offset,
    /// The first offset that can be read.
    pub log_start_offset: Offset,
}

impl Partition {
    /// Reads what a consumer may see from an offset on; nothing when that is the end.
    ///
    /// # Errors
    /// `OutOfRange` before the log's start and behind its end.
    pub async fn fetch(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        let (log_start_offset, high_watermark, last_stable_offset) = (
            self.log_start_offset(),
            self.high_watermark(),
            self.last_stable_offset(),
        );
        // Between the high watermark and the end there is nothing to see yet, and nothing wrong.
        if request.offset < log_start_offset || request.offset > self.log().log_end() {
            return Err(FetchError::OutOfRange);
        }
        if self.is_closed() {
            return Err(FetchError::Storage(StorageError::Closed));
        }
        let read = ReadRequest {
            offset: request.offset,
            bytes_max: request.bytes_max,
            at_least_one: request.at_least_one,
            upper_bound: match request.isolation {
                Isolation::ReadUncommitted => high_watermark,
                Isolation::ReadCommitted => last_stable_offset,
            },
        };
        let result = match self.log().read(&read).await {
            Ok(result) => result,
            Err(StorageError::OutOfRange { .. }) => return Err(FetchError::OutOfRange),
            Err(error) => return Err(FetchError::Storage(error)),
        };
        let mut portions = Vec::with_capacity(result.pieces.len());
        for piece in result.pieces {
            portions.push(match piece {
                Piece::Memory(bytes) => Portion::Memory(bytes),
                Piece::File {
                    file,
                    position,
                    len,
                } => {
                    let range = file.range(position, len).await;
                    Portion::File(range.map_err(|e| FetchError::Storage(e.into()))?)
                }
            });
        }
        Ok(Fetched {
            portions,
            len: result.len,
            high_watermark,
            last_stable_offset,
            log_start_offset,
        })
    }
}
