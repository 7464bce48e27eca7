//! A core on the kernel: glommio's executor, this core's ring, its two memory budgets.

use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base::{CoreId, Timestamp};

use crate::error::{IoError, IoErrorKind};
use crate::kernel::ring::Ring;
use crate::kernel::socket::{KernelListener, KernelSocket};
use crate::{Bytes, Pool};

/// What a [`crate::Core`] is on the kernel.
pub(crate) struct KernelCore {
    id: CoreId,
    started: Instant,
    frames: Pool,
    chunks: Pool,
    pub(super) ring: Rc<Ring>,
}

impl KernelCore {
    pub(crate) fn new(id: CoreId, frames: Pool, chunks: Pool, ring: Rc<Ring>) -> Self {
        #[allow(
            clippy::disallowed_methods,
            reason = "this is the clock that others use"
        )]
        let started = Instant::now();
        Self {
            id,
            started,
            frames,
            chunks,
            ring,
        }
    }

    pub(crate) fn id(&self) -> CoreId {
        self.id
    }

    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn wall(&self) -> Timestamp {
        #[allow(
            clippy::disallowed_methods,
            reason = "this is the clock that others use"
        )]
        let now = SystemTime::now();
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    pub(crate) fn entropy(&self) -> u64 {
        let mut bytes = [0_u8; 8];
        // SAFETY: the pointer and length describe `bytes`, which outlives the call.
        let filled = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        assert_eq!(
            filled, 8,
            "getrandom of eight bytes never falls short once booted"
        );
        u64::from_be_bytes(bytes)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        glommio::spawn_local(task).detach();
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        glommio::timer::sleep(duration).await;
    }

    pub(crate) async fn yield_now(&self) {
        glommio::executor().yield_now().await;
    }

    pub(crate) fn frames(&self) -> &Pool {
        &self.frames
    }

    pub(crate) fn chunks(&self) -> &Pool {
        &self.chunks
    }

    pub(crate) fn listen(&self, address: SocketAddr) -> Result<KernelListener, IoError> {
        KernelListener::bind(address)
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> Result<KernelSocket, IoError> {
        KernelSocket::connect(address).await
    }

    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, IoError> {
        let name = host.to_owned();
        let found = blocking(move || {
            (name.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect::<Vec<_>>)
        })
        .await;
        match found {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err(IoError::new(
                "resolve",
                host,
                IoErrorKind::NotFound,
                "it has no address",
            )),
            Err(error) => Err(IoError::new("resolve", host, IoErrorKind::NotFound, error)),
        }
    }

    pub(crate) fn has_ipv6(&self) -> bool {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
        socket(
            AddressFamily::Inet6,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .is_ok()
    }

    pub(crate) async fn read_stdin(&self, len_max: usize) -> Result<Bytes, IoError> {
        let read = blocking(move || {
            use std::io::Read as _;
            let mut bytes = vec![0; len_max];
            let len = std::io::stdin().lock().read(&mut bytes)?;
            bytes.truncate(len);
            Ok::<_, std::io::Error>(bytes)
        })
        .await;
        read.map(Bytes::from)
            .map_err(|error| IoError::from_system("read", "standard input", &error))
    }
}

/// Runs `work` on glommio's helper thread, where waiting for the kernel stalls no core; a round
/// trip costs tens of microseconds, so nothing on the data path comes here (kernel-note 008).
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    glommio::executor().spawn_blocking(work).await
}
