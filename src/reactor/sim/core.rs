//! One core of a simulated process: what `Core` calls on this twin.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use base::{CoreId, Random, Timestamp};

use super::executor::Process;
use super::trace::Kind;
use super::universe::Universe;
use crate::core::Work;
use crate::{IoError, IoErrorKind, Pool, Signal, Space};

/// The wall clock when a world begins: 2026-01-01T00:00:00Z.
const WALL_START_MS: i64 = 1_767_225_600_000;

/// One core of one start of one machine.
#[derive(Clone)]
pub(crate) struct SimCore {
    inner: Rc<Inner>,
}

struct Inner {
    universe: Rc<Universe>,
    process: Process,
    id: CoreId,
    entropy: RefCell<Random>,
    frames: Pool,
    chunks: Pool,
    /// What `replace` is at work on, and a signal for those who wait for their turn.
    replacing: RefCell<BTreeSet<PathBuf>>,
    replaced: Signal,
}

/// One `replace` of a path at a time; the next begins when this is dropped.
pub(super) struct ReplaceTurn {
    core: SimCore,
    path: PathBuf,
}

impl Drop for ReplaceTurn {
    fn drop(&mut self) {
        self.core.inner.replacing.borrow_mut().remove(&self.path);
        self.core.inner.replaced.notify();
    }
}

impl SimCore {
    pub(super) fn new(
        universe: &Rc<Universe>,
        process: Process,
        id: CoreId,
        frames: Pool,
        chunks: Pool,
    ) -> Self {
        let salt = ((process.node as u64) << 40)
            ^ (u64::from(process.incarnation) << 16)
            ^ u64::from(id.get())
            ^ (1 << 60);
        Self {
            inner: Rc::new(Inner {
                universe: Rc::clone(universe),
                process,
                id,
                entropy: RefCell::new(Random::salted(universe.seed, salt)),
                frames,
                chunks,
                replacing: RefCell::default(),
                replaced: Signal::new(),
            }),
        }
    }

    /// Waits until no other task of this core replaces `path`: the kernel twin does all of a
    /// `replace` in one call on one helper thread, so there two of one path never mix.
    pub(super) async fn take_replace_turn(&self, path: &Path) -> ReplaceTurn {
        loop {
            let wait = self.inner.replaced.wait();
            if self.inner.replacing.borrow_mut().insert(path.to_owned()) {
                return ReplaceTurn {
                    core: self.clone(),
                    path: path.to_owned(),
                };
            }
            wait.await;
        }
    }

    pub(super) fn universe(&self) -> &Rc<Universe> {
        &self.inner.universe
    }

    pub(super) fn process(&self) -> Process {
        self.inner.process
    }

    pub(crate) fn id(&self) -> CoreId {
        self.inner.id
    }

    pub(crate) fn now(&self) -> Duration {
        self.universe().timeline.now()
    }

    pub(crate) fn wall(&self) -> Timestamp {
        let skew_ms = self
            .universe()
            .machine(self.process().node, |machine| machine.wall_skew_ms);
        let elapsed_ms = i64::try_from(self.now().as_millis()).unwrap_or(i64::MAX / 2);
        Timestamp(WALL_START_MS + elapsed_ms + skew_ms.unwrap_or(0))
    }

    pub(crate) fn entropy(&self) -> u64 {
        let drawn = self.inner.entropy.borrow_mut().next_u64();
        self.universe()
            .record(Kind::Entropy, self.process().node as u64, drawn);
        drawn
    }

    pub(crate) fn spawn(&self, task: Work) {
        self.universe().spawn(self.process(), task);
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.universe().sleep(duration).await;
    }

    pub(crate) async fn yield_now(&self) {
        let mut yielded = false;
        std::future::poll_fn(|context| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn frames(&self) -> &Pool {
        &self.inner.frames
    }

    pub(crate) fn chunks(&self) -> &Pool {
        &self.inner.chunks
    }

    pub(crate) async fn space(&self, path: &Path) -> Result<Space, IoError> {
        let space = self
            .universe()
            .machine(self.process().node, |machine| Space {
                total: machine.disk.capacity(),
                free: machine.disk.free(),
            });
        space.ok_or_else(|| {
            IoError::new(
                "statvfs",
                path.display(),
                IoErrorKind::NotFound,
                "no such machine",
            )
        })
    }

    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, IoError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        if host == "localhost" {
            return Ok(vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)]);
        }
        let machines = self.universe().machines.borrow();
        let machine = machines.iter().find(|machine| machine.name == host);
        machine
            .map(|machine| vec![SocketAddr::new(machine.address, port)])
            .ok_or_else(|| {
                IoError::new(
                    "resolve",
                    host,
                    IoErrorKind::NotFound,
                    "the name is not known",
                )
            })
    }
}
