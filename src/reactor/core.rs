//! One core's world, on the kernel or simulated.
//!
//! Every method says what it does and leaves the how to its twin; neither twin's types are seen
//! outside this room.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use base::{CoreId, Timestamp};

use crate::error::IoError;
use crate::file::File;
use crate::kernel;
use crate::socket::{Listener, Socket};
use crate::{Bytes, Pool};

#[cfg(feature = "sim")]
use crate::sim;

/// What a task does. One type for all, so that the executors' parts are compiled once and not for
/// every task.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()>>>;

/// This core's world: tasks, time, memory, files and sockets. Cheap to clone; never leaves its
/// core.
#[derive(Clone)]
pub struct Core {
    twin: Twin,
}

#[derive(Clone)]
enum Twin {
    Kernel(Rc<kernel::core::KernelCore>),
    #[cfg(feature = "sim")]
    Sim(sim::SimCore),
}

/// How a file is opened; data always goes past the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading and writing; it must exist.
    Existing,
    /// For reading and writing; it must not exist.
    CreateNew,
    /// For reading; it must exist.
    ReadOnly,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name within its directory.
    pub name: String,
    /// True for a directory.
    pub is_dir: bool,
    /// The size of a file in bytes.
    pub len: u64,
}

/// The room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that this process may still use.
    pub free: u64,
}

/// Keeps other processes out of a directory until it is dropped or the process ends.
pub struct DirLock {
    _twin: DirLockTwin,
}

#[expect(dead_code, reason = "held for what dropping it does")]
enum DirLockTwin {
    Kernel(kernel::files::KernelDirLock),
    #[cfg(feature = "sim")]
    Sim(sim::SimDirLock),
}

/// Calls the same method on whichever twin this core has.
macro_rules! on_twin {
    ($core:expr, $inner:ident => $call:expr) => {
        match &$core.twin {
            Twin::Kernel($inner) => $call,
            #[cfg(feature = "sim")]
            Twin::Sim($inner) => $call,
        }
    };
}

impl Core {
    pub(crate) fn from_kernel(core: Rc<kernel::core::KernelCore>) -> Self {
        Self {
            twin: Twin::Kernel(core),
        }
    }

    #[cfg(feature = "sim")]
    pub(crate) fn from_sim(core: sim::SimCore) -> Self {
        Self {
            twin: Twin::Sim(core),
        }
    }

    /// Which core of this process this is.
    #[must_use]
    pub fn id(&self) -> CoreId {
        on_twin!(self, core => core.id())
    }

    /// The time since an arbitrary moment; it never goes back.
    #[must_use]
    pub fn now(&self) -> Duration {
        on_twin!(self, core => core.now())
    }

    /// The wall clock, which operators may set back.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        on_twin!(self, core => core.wall())
    }

    /// 64 fresh random bits, for seeds and ids.
    #[must_use]
    pub fn entropy(&self) -> u64 {
        on_twin!(self, core => core.entropy())
    }

    /// Runs `task` on this core until it ends.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let task: Work = Box::pin(task);
        on_twin!(self, core => core.spawn(task));
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        on_twin!(self, core => core.sleep(duration).await);
    }

    /// Lets the core's other tasks run.
    pub async fn yield_now(&self) {
        on_twin!(self, core => core.yield_now().await);
    }

    /// The budget for what connections have in flight.
    #[must_use]
    pub fn frames(&self) -> &Pool {
        on_twin!(self, core => core.frames())
    }

    /// The budget for the logs' tail chunks.
    #[must_use]
    pub fn chunks(&self) -> &Pool {
        on_twin!(self, core => core.chunks())
    }

    /// Opens `path` for direct I/O.
    ///
    /// # Errors
    /// As the file system answers; `AlreadyExists` and `NotFound` by `mode`.
    pub async fn open(&self, path: &Path, mode: OpenMode) -> Result<File, IoError> {
        match &self.twin {
            Twin::Kernel(core) => Ok(File::from_kernel(core.open(path, mode).await?)),
            #[cfg(feature = "sim")]
            Twin::Sim(core) => Ok(File::from_sim(core.open(path, mode).await?)),
        }
    }

    /// Creates a directory and what is missing above it; not durable before `sync_dir` of each
    /// parent.
    ///
    /// # Errors
    /// As the file system answers.
    pub async fn create_dir_all(&self, path: &Path) -> Result<(), IoError> {
        on_twin!(self, core => core.create_dir_all(path).await)
    }

    /// What a directory holds, sorted by name.
    ///
    /// # Errors
    /// As the file system answers.
    pub async fn list(&self, path: &Path) -> Result<Vec<Entry>, IoError> {
        on_twin!(self, core => core.list(path).await)
    }

    /// Renames a file or directory, replacing a file at `to`.
    ///
    /// # Errors
    /// As the file system answers.
    pub async fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        on_twin!(self, core => core.rename(from, to).await)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// As the file system answers.
    pub async fn remove_file(&self, path: &Path) -> Result<(), IoError> {
        on_twin!(self, core => core.remove_file(path).await)
    }

    /// Removes a directory and all it holds.
    ///
    /// # Errors
    /// As the file system answers.
    pub async fn remove_dir_all(&self, path: &Path) -> Result<(), IoError> {
        on_twin!(self, core => core.remove_dir_all(path).await)
    }

    /// Makes creations, renames and removals inside `path` durable.
    ///
    /// # Errors
    /// As the device answers; a failed call means that they may be lost.
    pub async fn sync_dir(&self, path: &Path) -> Result<(), IoError> {
        on_twin!(self, core => core.sync_dir(path).await)
    }

    /// The whole of a small file, such as a checkpoint.
    ///
    /// # Errors
    /// As the file system answers; `Other` for a file above 64 MiB.
    pub async fn read_small(&self, path: &Path) -> Result<Vec<u8>, IoError> {
        on_twin!(self, core => core.read_small(path).await)
    }

    /// Puts `bytes` in place of `path`'s content, durably and all or nothing: after a crash the
    /// file holds either its old or its new content. Calls for one path on one core happen one
    /// after another.
    ///
    /// # Errors
    /// As the file system answers; the old content stands then.
    pub async fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), IoError> {
        on_twin!(self, core => core.replace(path, bytes).await)
    }

    /// Makes the directory `path` with `files` in it, durably and all or nothing: after a crash it
    /// is there with all of them, or not at all. It is prepared under the name `prepared` beside
    /// it, which a crash may leave. Many calls at the same time share their flushes.
    ///
    /// # Errors
    /// As the file system answers, also when `path` is a directory that is not empty.
    pub async fn make_dir(
        &self,
        prepared: &Path,
        path: &Path,
        files: &[(&str, &[u8])],
    ) -> Result<(), IoError> {
        assert!(
            prepared.parent() == path.parent(),
            "a directory is prepared beside its place"
        );
        on_twin!(self, core => core.make_dir(prepared, path, files).await)
    }

    /// Keeps other processes out of the directory, by a lock on a file `.lock` in it.
    ///
    /// # Errors
    /// `Locked` when another process has it.
    pub async fn lock_dir(&self, path: &Path) -> Result<DirLock, IoError> {
        let twin = match &self.twin {
            Twin::Kernel(core) => DirLockTwin::Kernel(core.lock_dir(path).await?),
            #[cfg(feature = "sim")]
            Twin::Sim(core) => DirLockTwin::Sim(core.lock_dir(path).await?),
        };
        Ok(DirLock { _twin: twin })
    }

    /// The room on the file system that holds `path`.
    ///
    /// # Errors
    /// As the file system answers.
    pub async fn space(&self, path: &Path) -> Result<Space, IoError> {
        on_twin!(self, core => core.space(path).await)
    }

    /// Listens at `address`; several cores may listen at the same one, and the kernel spreads
    /// connections over them (SO_REUSEPORT).
    ///
    /// # Errors
    /// `AddressInUse` and others as the system answers.
    pub async fn listen(&self, address: SocketAddr) -> Result<Listener, IoError> {
        match &self.twin {
            Twin::Kernel(core) => Ok(Listener::from_kernel(core.listen(address)?)),
            #[cfg(feature = "sim")]
            Twin::Sim(core) => Ok(Listener::from_sim(core.listen(address).await?)),
        }
    }

    /// As [`Core::listen`], for this core alone: no other core and no other process may listen at
    /// `address` at the same time.
    ///
    /// # Errors
    /// `AddressInUse` and others as the system answers.
    pub async fn listen_alone(&self, address: SocketAddr) -> Result<Listener, IoError> {
        match &self.twin {
            Twin::Kernel(core) => Ok(Listener::from_kernel(core.listen_alone(address)?)),
            // Nobody else runs on a simulated machine.
            #[cfg(feature = "sim")]
            Twin::Sim(core) => Ok(Listener::from_sim(core.listen(address).await?)),
        }
    }

    /// Connects to `address`.
    ///
    /// # Errors
    /// `Refused`, `TimedOut` and others as the system answers.
    pub async fn connect(&self, address: SocketAddr) -> Result<Socket, IoError> {
        match &self.twin {
            Twin::Kernel(core) => Ok(Socket::from_kernel(core.connect(address).await?)),
            #[cfg(feature = "sim")]
            Twin::Sim(core) => Ok(Socket::from_sim(core.connect(address).await?)),
        }
    }

    /// The addresses of a host name.
    ///
    /// # Errors
    /// `NotFound` when the name does not resolve.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, IoError> {
        on_twin!(self, core => core.resolve(host, port).await)
    }

    /// True where sockets may listen on IPv6, and so on both families at once.
    #[must_use]
    pub fn has_ipv6(&self) -> bool {
        match &self.twin {
            Twin::Kernel(core) => core.has_ipv6(),
            #[cfg(feature = "sim")]
            Twin::Sim(_) => false,
        }
    }

    /// The whole of standard input's next part, empty at its end; only the command line reads it.
    ///
    /// # Errors
    /// As the system answers; a simulated machine has no standard input.
    pub async fn read_stdin(&self, len_max: usize) -> Result<Bytes, IoError> {
        match &self.twin {
            Twin::Kernel(core) => core.read_stdin(len_max).await,
            #[cfg(feature = "sim")]
            Twin::Sim(_) => Err(IoError::new(
                "read",
                "standard input",
                crate::IoErrorKind::NotFound,
                "a simulated machine has none",
            )),
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Core({})", self.id())
    }
}
