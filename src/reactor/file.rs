//! A file that bypasses the page cache.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use base::BLOCK_SIZE;

use crate::error::IoError;
use crate::kernel::file::{CachedFile, KernelFile};
use crate::{Blocks, Bytes};

#[cfg(feature = "sim")]
use crate::sim;

/// An open file. Cheap to clone; clones share the file, which closes with the last of them.
#[derive(Clone)]
pub struct File {
    twin: Twin,
}

#[derive(Clone)]
enum Twin {
    Kernel(Rc<KernelFile>),
    #[cfg(feature = "sim")]
    Sim(Rc<sim::SimFile>),
}

/// Calls the same method on whichever twin this file has.
macro_rules! on_twin {
    ($file:expr, $inner:ident => $call:expr) => {
        match &$file.twin {
            Twin::Kernel($inner) => $call,
            #[cfg(feature = "sim")]
            Twin::Sim($inner) => $call,
        }
    };
}

impl File {
    pub(crate) fn from_kernel(file: KernelFile) -> Self {
        Self {
            twin: Twin::Kernel(Rc::new(file)),
        }
    }

    #[cfg(feature = "sim")]
    pub(crate) fn from_sim(file: sim::SimFile) -> Self {
        Self {
            twin: Twin::Sim(Rc::new(file)),
        }
    }

    /// Writes whole blocks at `position`; they are on the device only after `flush`.
    ///
    /// # Errors
    /// `NoSpace`, `Device`; some, none or all of the bytes may have been written then.
    ///
    /// # Panics
    /// When `position` is not a multiple of the block size.
    pub async fn write_blocks(&self, blocks: Blocks, position: u64) -> Result<(), IoError> {
        assert!(
            position.is_multiple_of(BLOCK_SIZE as u64),
            "a direct write between two blocks"
        );
        on_twin!(self, file => file.write_blocks(blocks, position).await)
    }

    /// Writes whole blocks and waits until they are on the device, with what is needed to find
    /// them, but nothing else of the file. For one small write of many files at the same time: a
    /// flush of each would need a worker thread each (kernel-note 018).
    ///
    /// # Errors
    /// As for [`File::write_blocks`] and [`File::flush`].
    ///
    /// # Panics
    /// When `position` is not a multiple of the block size.
    pub async fn write_durably(&self, blocks: Blocks, position: u64) -> Result<(), IoError> {
        assert!(
            position.is_multiple_of(BLOCK_SIZE as u64),
            "a direct write between two blocks"
        );
        match &self.twin {
            Twin::Kernel(file) => file.write_durably(blocks, position).await,
            #[cfg(feature = "sim")]
            Twin::Sim(file) => {
                file.write_blocks(blocks, position).await?;
                file.flush().await
            }
        }
    }

    /// Reads `len` bytes from `position`, aligned or not; fewer only at the end of the file.
    ///
    /// # Errors
    /// `Device` and others as the system answers.
    pub async fn read_at(&self, position: u64, len: usize) -> Result<Bytes, IoError> {
        on_twin!(self, file => file.read_at(position, len).await)
    }

    /// `len` bytes from `position` if the page cache has them all; nothing where the disk would
    /// have to be asked. Only for files that nobody writes any more: the page cache does not know
    /// of direct writes under way.
    #[must_use]
    pub fn read_cached(&self, position: u64, len: usize) -> Option<Bytes> {
        match &self.twin {
            Twin::Kernel(file) => file.read_cached(position, len),
            // The simulated machine has no page cache.
            #[cfg(feature = "sim")]
            Twin::Sim(_) => None,
        }
    }

    /// Whether the page cache has all of `len` bytes from `position` on. Only for files that nobody
    /// writes any more.
    #[must_use]
    pub fn is_cached(&self, position: u64, len: usize) -> bool {
        match &self.twin {
            Twin::Kernel(file) => file.is_cached(position, len),
            // The simulated machine has no page cache.
            #[cfg(feature = "sim")]
            Twin::Sim(_) => false,
        }
    }

    /// As [`File::read_at`], but through the page cache, which keeps what the disk had to be asked
    /// for: for bytes that are looked at and then sent by [`File::range`]. Only for files that
    /// nobody writes any more.
    ///
    /// # Errors
    /// `Device` and others as the system answers.
    pub async fn read_shared(&self, position: u64, len: usize) -> Result<Bytes, IoError> {
        match &self.twin {
            Twin::Kernel(file) => file.read_shared(position, len).await,
            // The simulated machine has no page cache.
            #[cfg(feature = "sim")]
            Twin::Sim(file) => file.read_at(position, len).await,
        }
    }

    /// Waits until everything written before this call is on the device (fdatasync).
    ///
    /// # Errors
    /// After an error nothing is known of any write since the last success, and trying again
    /// proves nothing: the kernel may have dropped what it could not write.
    pub async fn flush(&self) -> Result<(), IoError> {
        on_twin!(self, file => file.flush().await)
    }

    /// Makes room for `len` bytes in all and sets the size to at least that; new bytes read as
    /// zeros.
    ///
    /// # Errors
    /// `NoSpace` and others as the file system answers.
    pub async fn allocate(&self, len: u64) -> Result<(), IoError> {
        on_twin!(self, file => file.allocate(len).await)
    }

    /// Cuts or extends the file to `len` bytes.
    ///
    /// # Errors
    /// As the file system answers.
    pub async fn truncate(&self, len: u64) -> Result<(), IoError> {
        on_twin!(self, file => file.truncate(len).await)
    }

    /// The file's size in bytes.
    ///
    /// # Errors
    /// As the file system answers.
    #[expect(
        clippy::len_without_is_empty,
        reason = "asking costs a system call; nobody does"
    )]
    pub async fn len(&self) -> Result<u64, IoError> {
        on_twin!(self, file => file.len().await)
    }

    /// A part of the file on its way to a socket of any core, by `sendfile` where the machine has
    /// it: it costs no more than a read and a send, and no memory (kernel-note 011). Nothing of it may change any more.
    ///
    /// # Errors
    /// When the file cannot be opened again through the page cache.
    pub async fn range(&self, position: u64, len: u64) -> Result<FileRange, IoError> {
        match &self.twin {
            Twin::Kernel(file) => {
                let twin = RangeTwin::Kernel {
                    file: file.cached()?,
                    position,
                };
                Ok(FileRange { twin, len })
            }
            #[cfg(feature = "sim")]
            Twin::Sim(file) => {
                let bytes = file.read_at(position, base::usize_from_u64(len)).await?;
                assert_eq!(
                    bytes.len() as u64,
                    len,
                    "a range beyond the end of the file"
                );
                Ok(FileRange {
                    twin: RangeTwin::Bytes(bytes),
                    len,
                })
            }
        }
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        on_twin!(self, file => file.path())
    }
}

/// See [`File::range`]. Cheap to clone; it may travel between cores.
#[derive(Clone)]
pub struct FileRange {
    twin: RangeTwin,
    len: u64,
}

#[derive(Clone)]
pub(crate) enum RangeTwin {
    Kernel {
        file: Arc<CachedFile>,
        position: u64,
    },
    #[cfg(feature = "sim")]
    Bytes(Bytes),
}

impl FileRange {
    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True when there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn twin(&self) -> &RangeTwin {
        &self.twin
    }
}
