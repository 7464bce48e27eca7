//! Reading for a consumer.

use base::Offset;
use reactor::{Bytes, FileRange};
use storage::{AbortedTransaction, Piece, ReadRequest, ReadResult, StorageError};

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
    /// For a reader of committed records: the transactions that it has to leave out.
    pub aborted: Vec<AbortedTransaction>,
}

/// The ends of the log when it was read.
struct Ends {
    high_watermark: Offset,
    last_stable_offset: Offset,
    log_start_offset: Offset,
}

impl Partition {
    /// Reads what a consumer may see from an offset on; nothing when that is the end.
    ///
    /// # Errors
    /// `OutOfRange` before the log's start and behind its end.
    pub async fn fetch(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        let (result, ends) = self.read(request).await?;
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
        let aborted = self.aborted_for(request, result.end_bound).await?;
        Ok(ends.with(portions, result.len, aborted))
    }

    /// As [`Self::fetch`], but with all bytes in one piece of memory, for a consumer that cannot
    /// take them as they are. The caller bounds `bytes_max` accordingly.
    ///
    /// # Errors
    /// As those of [`Self::fetch`].
    pub async fn fetch_in_memory(
        &self,
        request: FetchRequest,
    ) -> Result<(Bytes, Fetched), FetchError> {
        let (result, ends) = self.read(request).await?;
        let bytes = result.into_bytes().await.map_err(FetchError::Storage)?;
        // Whoever needs that knows nothing of transactions.
        Ok((bytes, ends.with(Vec::new(), 0, Vec::new())))
    }

    async fn aborted_for(
        &self,
        request: FetchRequest,
        end: Offset,
    ) -> Result<Vec<AbortedTransaction>, FetchError> {
        match request.isolation {
            Isolation::ReadUncommitted => Ok(Vec::new()),
            Isolation::ReadCommitted => {
                let found = self.aborted_in(request.offset, end).await;
                found.map_err(FetchError::Storage)
            }
        }
    }

    async fn read(&self, request: FetchRequest) -> Result<(ReadResult, Ends), FetchError> {
        let ends = Ends {
            high_watermark: self.high_watermark(),
            last_stable_offset: self.last_stable_offset(),
            log_start_offset: self.log_start_offset(),
        };
        // Between the high watermark and the end there is nothing to see yet, and nothing wrong.
        if request.offset < ends.log_start_offset || request.offset > self.log().log_end() {
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
                Isolation::ReadUncommitted => ends.high_watermark,
                Isolation::ReadCommitted => ends.last_stable_offset,
            },
        };
        match self.log().read(&read).await {
            Ok(result) => Ok((result, ends)),
            Err(StorageError::OutOfRange { .. }) => Err(FetchError::OutOfRange),
            // Its files went, or went elsewhere, while they were read.
            Err(_) if self.is_closed() => Err(FetchError::Storage(StorageError::Closed)),
            Err(error) => Err(FetchError::Storage(error)),
        }
    }
}

impl Ends {
    fn with(self, portions: Vec<Portion>, len: u64, aborted: Vec<AbortedTransaction>) -> Fetched {
        Fetched {
            portions,
            len,
            high_watermark: self.high_watermark,
            last_stable_offset: self.last_stable_offset,
            log_start_offset: self.log_start_offset,
            aborted,
        }
    }
}
