//! The file that a group of segments is written into: sequential direct writes.
//!
//! Invariant: its name says that it is not finished until it is; then all of it is on the device.

use std::path::{Path, PathBuf};

use base::BLOCK_SIZE;
use reactor::{Buffer, File, IoErrorKind, OpenMode};

use crate::engine::Engine;
use crate::error::StorageError;

/// How much the file is made larger at a time.
const STEP_BYTES: u64 = 4 << 20;

/// See the module's head.
pub(crate) struct CleanedFile {
    engine: Engine,
    path: PathBuf,
    file: File,
    buffer: Buffer,
    /// Where the buffer's bytes go.
    position: u64,
    allocated: u64,
}

impl CleanedFile {
    /// Begins the file, and takes `buffer_bytes` of the logs' memory for it.
    pub(crate) async fn create(
        engine: &Engine,
        path: &Path,
        buffer_bytes: usize,
    ) -> Result<Self, StorageError> {
        let core = engine.core();
        match core.remove_file(path).await {
            Err(error) if error.kind != IoErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let file = core.open(path, OpenMode::CreateNew).await?;
        let buffer = engine.chunks().take(buffer_bytes).await;
        Ok(Self {
            engine: engine.clone(),
            path: path.to_path_buf(),
            file,
            buffer,
            position: 0,
            allocated: 0,
        })
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> u64 {
        self.position + self.buffer.len() as u64
    }

    /// Appends a batch.
    pub(crate) async fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let fits = self.buffer.spare_len().min(rest.len());
            let (now, later) = rest.split_at(fits);
            self.buffer.append(now);
            rest = later;
            if self.buffer.spare_len() == 0 {
                self.write().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<(), StorageError> {
        let len = self.buffer.len();
        if len == 0 {
            return Ok(());
        }
        let end = (self.position + len as u64).next_multiple_of(BLOCK_SIZE as u64);
        if end > self.allocated {
            // Writes within a file's size need no worker (kernel-note 001).
            self.file.allocate(end + STEP_BYTES).await?;
            self.allocated = end + STEP_BYTES;
        }
        let blocks = self.buffer.blocks(0..len);
        self.file.write_blocks(blocks, self.position).await?;
        self.position += len as u64;
        let capacity = self.buffer.capacity();
        self.buffer = self.engine.chunks().take(capacity).await;
        Ok(())
    }

    /// Cuts the file to its size and makes all of it durable; its size.
    pub(crate) async fn finish(mut self, flush: bool) -> Result<u64, StorageError> {
        let len = self.len();
        self.write().await?;
        self.file.truncate(len).await?;
        if flush {
            self.file.flush().await?;
        }
        Ok(len)
    }

    /// Removes the file: it is not needed, or cannot be finished.
    pub(crate) async fn abandon(self) {
        let path = self.path.clone();
        let core = self.engine.core().clone();
        drop(self);
        // What is left is removed at the next start.
        drop(core.remove_file(&path).await);
    }
}
