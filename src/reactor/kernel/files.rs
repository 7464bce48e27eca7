//! Directories, small files and locks on the kernel. These are rare, so they run on the helper
//! thread with the standard library; what has to be durable is in `durable.rs`.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use crate::core::{Entry, Space};
use crate::error::{IoError, IoErrorKind};
use crate::kernel::core::{KernelCore, blocking};

/// Checkpoints and property files are far smaller; a larger one is not what its name says.
const SMALL_FILE_LEN_MAX: u64 = 64 << 20;

/// The lock on a data directory, released when dropped and by the kernel when the process ends.
pub(crate) struct KernelDirLock {
    _lock: Flock<OwnedFd>,
}

/// Runs `work` on `path` on the helper thread and names both in its error.
async fn on_path<T: Send + 'static>(
    operation: &'static str,
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, IoError> {
    let owned = path.to_path_buf();
    let done = blocking(move || work(&owned)).await;
    done.map_err(|error| IoError::from_system(operation, path.display(), &error))
}

impl KernelCore {
    pub(crate) async fn create_dir_all(&self, path: &Path) -> Result<(), IoError> {
        on_path("create directory", path, |path| fs::create_dir_all(path)).await
    }

    pub(crate) async fn list(&self, path: &Path) -> Result<Vec<Entry>, IoError> {
        on_path("list", path, list).await
    }

    pub(crate) async fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        let to = to.to_path_buf();
        on_path("rename", from, move |from| fs::rename(from, to)).await
    }

    pub(crate) async fn remove_file(&self, path: &Path) -> Result<(), IoError> {
        on_path("remove", path, |path| fs::remove_file(path)).await
    }

    pub(crate) async fn remove_dir_all(&self, path: &Path) -> Result<(), IoError> {
        on_path("remove directory", path, |path| fs::remove_dir_all(path)).await
    }

    pub(crate) async fn read_small(&self, path: &Path) -> Result<Vec<u8>, IoError> {
        on_path("read", path, |path| {
            let len = fs::metadata(path)?.len();
            if len > SMALL_FILE_LEN_MAX {
                return Err(io::Error::other(format!(
                    "{len} bytes, where at most {SMALL_FILE_LEN_MAX} are expected"
                )));
            }
            fs::read(path)
        })
        .await
    }

    pub(crate) async fn lock_dir(&self, path: &Path) -> Result<KernelDirLock, IoError> {
        let file = path.join(".lock");
        let opened = on_path("open", &file, |path| {
            fs::OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)
        })
        .await?;
        match Flock::lock(OwnedFd::from(opened), FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(KernelDirLock { _lock: lock }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(IoError::new(
                "lock",
                path.display(),
                IoErrorKind::Locked,
                "another process uses this directory; stop it or choose another directory",
            )),
            Err((_, error)) => Err(IoError::from_system(
                "lock",
                path.display(),
                &io::Error::from(error),
            )),
        }
    }

    pub(crate) async fn space(&self, path: &Path) -> Result<Space, IoError> {
        on_path("measure", path, |path| {
            let status = nix::sys::statvfs::statvfs(path)?;
            let fragment = status.fragment_size();
            Ok(Space {
                total: status.blocks().saturating_mul(fragment),
                free: status.blocks_available().saturating_mul(fragment),
            })
        })
        .await
    }
}

fn list(path: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let name = entry.file_name().into_string().map_err(|name| {
            io::Error::other(format!("a name that is not UTF-8: {}", name.display()))
        })?;
        entries.push(Entry {
            name,
            is_dir: metadata.is_dir(),
            len: metadata.len(),
        });
    }
    entries.sort_unstable();
    Ok(entries)
}
