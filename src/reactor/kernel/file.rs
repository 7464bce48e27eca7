//! A direct file on the kernel.

use std::cell::OnceCell;
use std::fs;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base::BLOCK_SIZE;
use io_uring::{opcode, types};

use crate::core::OpenMode;
use crate::error::IoError;
use crate::kernel::core::{KernelCore, blocking};
use crate::kernel::ring::Ring;
use crate::kernel::socket::warm_pages;
use crate::{Blocks, Bytes, Pool};

/// One read or write passes at most this much to the kernel, since larger ones are punted to a
/// worker thread.
const IO_LEN_MAX: usize = 512 << 10;
/// How far ahead of a consumer the page cache fills itself.
const AHEAD_BYTES: u64 = 8 << 20;

/// The page cache's unit. Where pages are larger there are fewer than we ask for, and a file counts
/// as not cached.
const PAGE_BYTES: u64 = 4 << 10;

/// `cachestat(2)`, since Linux 6.5; the same number on every machine, and not in `libc` for all.
const SYS_CACHESTAT: libc::c_long = 451;

/// See [`crate::File`].
pub(crate) struct KernelFile {
    /// Shared with operations in flight and with the helper thread.
    direct: Arc<OwnedFd>,
    /// The same file through the page cache, opened when it is first sent by `sendfile`.
    cached: OnceCell<Arc<CachedFile>>,
    path: PathBuf,
    ring: Rc<Ring>,
    read_memory: Pool,
}

impl KernelCore {
    pub(crate) async fn open(&self, path: &Path, mode: OpenMode) -> Result<KernelFile, IoError> {
        let owned = path.to_path_buf();
        let opened = blocking(move || open_direct(&owned, mode)).await;
        let direct =
            opened.map_err(|error| IoError::from_system("open", path.display(), &error))?;
        Ok(KernelFile {
            direct: Arc::new(direct),
            cached: OnceCell::new(),
            path: path.to_path_buf(),
            ring: Rc::clone(&self.ring),
            read_memory: self.frames().clone(),
        })
    }
}

fn open_direct(path: &Path, mode: OpenMode) -> io::Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_DIRECT | libc::O_CLOEXEC);
    match mode {
        OpenMode::Existing => options.write(true),
        OpenMode::CreateNew => options.write(true).create_new(true),
        OpenMode::ReadOnly => &mut options,
    };
    options.open(path).map(OwnedFd::from)
}

impl KernelFile {
    fn descriptor(&self) -> types::Fd {
        types::Fd(self.direct.as_raw_fd())
    }

    fn failed(&self, operation: &'static str, result: i32) -> IoError {
        IoError::from_number(operation, self.path.display(), -result)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn write_blocks(&self, blocks: Blocks, position: u64) -> Result<(), IoError> {
        self.write_all(blocks, position, 0).await
    }

    pub(crate) async fn write_durably(&self, blocks: Blocks, position: u64) -> Result<(), IoError> {
        self.write_all(blocks, position, libc::RWF_DSYNC).await
    }

    async fn write_all(&self, blocks: Blocks, position: u64, flags: i32) -> Result<(), IoError> {
        let blocks = Arc::new(blocks);
        let mut written = 0;
        while written < blocks.len() {
            let len = (blocks.len() - written).min(IO_LEN_MAX);
            let part = written..written + len;
            let result = self.write_part(&blocks, part, position, flags).await;
            let Ok(count) = usize::try_from(result) else {
                return Err(self.failed("write", result));
            };
            if count == 0 || !count.is_multiple_of(BLOCK_SIZE) {
                // A direct write stops between blocks only when the device ran out of space.
                return Err(self.failed("write", -libc::ENOSPC));
            }
            written += count;
        }
        Ok(())
    }

    async fn write_part(
        &self,
        blocks: &Arc<Blocks>,
        part: Range<usize>,
        at: u64,
        flags: i32,
    ) -> i32 {
        assert!(part.end <= blocks.len());
        let from = part.start;
        let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
        let entry = opcode::Write::new(self.descriptor(), blocks.address().wrapping_add(from), len)
            .offset(at + from as u64)
            .rw_flags(flags)
            .build();
        let keep = Box::new((Arc::clone(blocks), Arc::clone(&self.direct)));
        // SAFETY: the address lies within `blocks`, by the assertion, and the descriptor within
        // `direct`; `keep` owns both.
        unsafe { self.ring.operate(entry, keep) }.await
    }

    pub(crate) async fn read_at(&self, position: u64, len: usize) -> Result<Bytes, IoError> {
        if len == 0 {
            return Ok(Bytes::default());
        }
        let block = BLOCK_SIZE as u64;
        let start = position - position % block;
        let skipped = base::usize_from_u64(position - start);
        let wanted = (skipped + len).next_multiple_of(BLOCK_SIZE);
        let mut buffer = self.read_memory.take(wanted).await;
        while buffer.len() < wanted {
            let from = buffer.len();
            let part = (wanted - from).min(IO_LEN_MAX);
            let (returned, result) = self.read_part(buffer, part, start + from as u64).await;
            buffer = returned;
            let Ok(count) = usize::try_from(result) else {
                return Err(self.failed("read", result));
            };
            buffer.advance(count);
            if count < part {
                break;
            }
        }
        let end = buffer.len().min(skipped + len);
        Ok(buffer.share(skipped.min(end)..end))
    }

    /// Reads behind what `buffer` holds, without declaring it written.
    async fn read_part(
        &self,
        mut buffer: crate::Buffer,
        len: usize,
        at: u64,
    ) -> (crate::Buffer, i32) {
        let target = buffer.spare(len).as_mut_ptr();
        let entry = opcode::Read::new(
            self.descriptor(),
            target,
            u32::try_from(len).unwrap_or(u32::MAX),
        )
        .offset(at)
        .build();
        let keep = Box::new((buffer.keep_alive(), Arc::clone(&self.direct)));
        // SAFETY: the target lies in the buffer's unwritten part, which `keep` owns with the
        // descriptor, and which nobody else touches: this function owns the buffer, and when it
        // is dropped meanwhile the buffer goes unread.
        let result = unsafe { self.ring.operate(entry, keep) }.await;
        (buffer, result)
    }

    pub(crate) async fn flush(&self) -> Result<(), IoError> {
        let entry = opcode::Fsync::new(self.descriptor())
            .flags(types::FsyncFlags::DATASYNC)
            .build();
        // SAFETY: the entry names only the descriptor, which `keep` owns.
        let result = unsafe { self.ring.operate(entry, Box::new(Arc::clone(&self.direct))) }.await;
        if result < 0 {
            Err(self.failed("flush", result))
        } else {
            Ok(())
        }
    }

    pub(crate) async fn allocate(&self, len: u64) -> Result<(), IoError> {
        let entry = opcode::Fallocate::new(self.descriptor(), len).build();
        // SAFETY: the entry names only the descriptor, which `keep` owns.
        let result = unsafe { self.ring.operate(entry, Box::new(Arc::clone(&self.direct))) }.await;
        if result < 0 {
            Err(self.failed("allocate", result))
        } else {
            Ok(())
        }
    }

    pub(crate) async fn truncate(&self, len: u64) -> Result<(), IoError> {
        let file = Arc::clone(&self.direct);
        let done = blocking(move || {
            let len = i64::try_from(len).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
            nix::unistd::ftruncate(file.as_fd(), len).map_err(io::Error::from)
        })
        .await;
        done.map_err(|error| IoError::from_system("truncate", self.path.display(), &error))
    }

    pub(crate) async fn len(&self) -> Result<u64, IoError> {
        let status = nix::sys::stat::fstat(self.direct.as_fd());
        let status = status.map_err(|error| {
            IoError::from_system("stat", self.path.display(), &io::Error::from(error))
        })?;
        Ok(u64::try_from(status.st_size).unwrap_or(0))
    }

    pub(crate) fn read_cached(&self, position: u64, len: usize) -> Option<Bytes> {
        let cached = self.cached().ok()?;
        let mut buffer = self.read_memory.try_take(len)?;
        let read = cached.read_present(position, buffer.spare(len)).ok()?;
        buffer.advance(read);
        (read == len).then(|| buffer.freeze())
    }

    pub(crate) fn is_cached(&self, position: u64, len: usize) -> bool {
        assert!(len > 0, "something is asked for");
        let len = len as u64;
        let pages = (position + len).div_ceil(PAGE_BYTES) - position / PAGE_BYTES;
        let cached = self.cached();
        cached.is_ok_and(|cached| cached.pages_present(position, len) >= pages)
    }

    /// The disk is asked on the helper thread and into the page cache, so that what follows by
    /// `sendfile` finds the very pages that were read here.
    pub(crate) async fn read_shared(&self, position: u64, len: usize) -> Result<Bytes, IoError> {
        if len == 0 {
            return Ok(Bytes::default());
        }
        if let Some(bytes) = self.read_cached(position, len) {
            return Ok(bytes);
        }
        warm_pages(&self.cached()?, position, len as u64).await?;
        match self.read_cached(position, len) {
            Some(bytes) => Ok(bytes),
            // The end of the file, pages that went again, or no memory at this moment.
            None => self.read_at(position, len).await,
        }
    }

    /// The file through the page cache, for `sendfile`: several consumers of the same segment
    /// share its pages.
    pub(crate) fn cached(&self) -> Result<Arc<CachedFile>, IoError> {
        if let Some(cached) = self.cached.get() {
            return Ok(Arc::clone(cached));
        }
        let descriptor = reopen_cached(self.direct.as_fd())
            .map_err(|error| IoError::from_system("open", self.path.display(), &error))?;
        let cached = Arc::new(CachedFile {
            descriptor,
            path: self.path.clone(),
            asked_until: AtomicU64::new(0),
        });
        Ok(Arc::clone(self.cached.get_or_init(|| cached)))
    }
}

/// A file opened through the page cache; any core may read it.
pub(crate) struct CachedFile {
    pub(super) descriptor: OwnedFd,
    path: PathBuf,
    /// Up to where the page cache was last asked to fill itself, whoever asked.
    asked_until: AtomicU64,
}

impl CachedFile {
    /// Reads what the page cache has from `position` on, without waiting for the disk.
    pub(super) fn read_present(&self, position: u64, target: &mut [u8]) -> io::Result<usize> {
        let slice = libc::iovec {
            iov_base: target.as_mut_ptr().cast(),
            iov_len: target.len(),
        };
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        let descriptor = self.descriptor.as_raw_fd();
        // SAFETY: the slice describes `target`, which outlives the call.
        let count =
            unsafe { libc::preadv2(descriptor, &raw const slice, 1, position, libc::RWF_NOWAIT) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    /// How many of the pages of a stretch the page cache has. Unlike a read that does not wait,
    /// which begins to read ahead (kernel-note 012), this changes nothing; none on kernels that
    /// cannot tell.
    pub(super) fn pages_present(&self, position: u64, len: u64) -> u64 {
        /// `struct cachestat_range` and `struct cachestat` of `linux/mman.h`.
        #[repr(C)]
        struct Range {
            position: u64,
            len: u64,
        }
        #[repr(C)]
        #[derive(Default)]
        struct Found {
            cached: u64,
            dirty: u64,
            written: u64,
            evicted: u64,
            evicted_lately: u64,
        }
        let (range, mut found) = (Range { position, len }, Found::default());
        let descriptor = self.descriptor.as_raw_fd();
        // SAFETY: both structures are as the kernel declares them and outlive the call, which
        // writes into the second one alone.
        let result = unsafe {
            libc::syscall(
                SYS_CACHESTAT,
                descriptor,
                &raw const range,
                &raw mut found,
                0,
            )
        };
        if result == 0 { found.cached } else { 0 }
    }

    /// True when the page at `position` can be read without waiting for the disk.
    pub(super) fn is_present(&self, position: u64) -> bool {
        self.read_present(position, &mut [0_u8])
            .is_ok_and(|count| count == 1)
    }

    /// The part that the page cache should fill itself with now that a reader has come to
    /// `position`; nothing while it is still far ahead.
    pub(super) fn claim_ahead(&self, position: u64) -> Option<(u64, u64)> {
        let asked = self.asked_until.load(Ordering::Relaxed);
        // A reader who begins elsewhere is ahead of nothing.
        let near = asked >= position && asked - position <= AHEAD_BYTES;
        if near && asked - position > AHEAD_BYTES / 2 {
            return None;
        }
        let from = if near { asked } else { position };
        self.asked_until
            .store(position + AHEAD_BYTES, Ordering::Relaxed);
        Some((from, position + AHEAD_BYTES - from))
    }

    /// Asks the page cache to fill itself; may wait for the device's queue, so never on a core.
    pub(super) fn fill(&self, position: u64, len: u64) {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        let len = base::usize_from_u64(len);
        // SAFETY: the call takes a descriptor and numbers.
        unsafe { libc::readahead(self.descriptor.as_raw_fd(), position, len) };
    }

    /// The error for what the system answered to `operation`.
    pub(super) fn failed(&self, operation: &'static str, error: &io::Error) -> IoError {
        IoError::from_system(operation, self.path.display(), error)
    }
}

/// Opens the file behind `direct` again, whatever its name is by now.
fn reopen_cached(direct: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let number: RawFd = direct.as_raw_fd();
    fs::File::open(format!("/proc/self/fd/{number}")).map(OwnedFd::from)
}
