//! A core on the kernel: glommio's executor, this core's ring, its two memory budgets.

use std::cell::Cell;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base::{CoreId, Timestamp};

use crate::core::Work;
use crate::error::{IoError, IoErrorKind};
use crate::kernel::durable::Changes;
use crate::kernel::ring::Ring;
use crate::kernel::socket::{KernelListener, KernelSocket};
use crate::{Bytes, Pool, reply};

/// How often an executor that is to end looks whether its helper thread is done.
const BLOCKING_POLL_INTERVAL: Duration = Duration::from_millis(1);
/// A call that takes longer than this, such as a name server that does not answer, is left behind.
const BLOCKING_PATIENCE: Duration = Duration::from_secs(2);

/// What a [`crate::Core`] is on the kernel.
pub(crate) struct KernelCore {
    id: CoreId,
    started: Instant,
    frames: Pool,
    chunks: Pool,
    pub(super) ring: Rc<Ring>,
    pub(super) changes: Rc<Changes>,
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
            changes: Rc::default(),
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

    pub(crate) fn spawn(&self, task: Work) {
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
        KernelListener::bind(address, true)
    }

    pub(crate) fn listen_alone(&self, address: SocketAddr) -> Result<KernelListener, IoError> {
        KernelListener::bind(address, false)
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
        // Not `blocking`: nobody waits for a person at the keyboard before the process ends.
        let read = glommio::executor()
            .spawn_blocking(move || {
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

thread_local! {
    /// How many calls of [`blocking`] this thread's executor has on its helper thread.
    static UNDER_WAY: Cell<usize> = const { Cell::new(0) };
    /// True once this thread's executor is about to end and begins no further call.
    static IS_ENDING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on glommio's helper thread, where waiting for the kernel stalls no core; a round
/// trip costs tens of microseconds, so nothing on the data path comes here (kernel-note 008).
///
/// The call is a task of its own: whoever waits for it may be dropped, and its result (a
/// descriptor, mostly) is dropped properly all the same, which glommio's own future does not do.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    if IS_ENDING.get() {
        // Whoever asks is a task that the end takes with it.
        std::future::pending::<()>().await;
    }
    let (replier, reply) = reply();
    UNDER_WAY.set(UNDER_WAY.get() + 1);
    let call = glommio::executor().spawn_blocking(work);
    glommio::spawn_local(async move {
        replier.send(call.await);
        UNDER_WAY.set(UNDER_WAY.get() - 1);
    })
    .detach();
    match reply.await {
        Ok(done) => done,
        Err(_) => unreachable!("a task lives as long as its executor, and sends before it ends"),
    }
}

/// Lets no further call begin and waits for those under way, but not for ever. An executor that
/// ends before that leaves the helper thread nobody to answer to, and glommio's panics then.
pub(super) async fn end_blocking() {
    IS_ENDING.set(true);
    let mut waited = Duration::ZERO;
    while UNDER_WAY.get() > 0 && waited < BLOCKING_PATIENCE {
        glommio::timer::sleep(BLOCKING_POLL_INTERVAL).await;
        waited += BLOCKING_POLL_INTERVAL;
    }
}
