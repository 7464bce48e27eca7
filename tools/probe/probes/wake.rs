//! How a sleeping executor learns of an event that did not happen in glommio's own rings.
//!
//! A poker thread fires an event while the executor sleeps and notes the time; the task that waits
//! for it notes when it runs. Variants: a bare ring (the floor), a byte on a socket that glommio
//! polls, a waker called from the other thread, and a second ring with a registered eventfd that
//! glommio watches through one of three disguises.
//! Invariant: the poker fires only after the waiter acknowledged the event before.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use futures_lite::AsyncReadExt;
use glommio::io::BufferedFile;
use glommio::net::UnixStream;
use glommio::{Latency, LocalExecutorBuilder, Placement, Shares};
use io_uring::{IoUring, opcode, types};

use crate::Options;
use crate::measure::{Figures, Report, Stopwatch, Variant, interleave, percentile};
use crate::ring::{self, Setup};
use crate::sys;

const EVENTS_PER_ROUND: u64 = 1000;
const PAUSE: Duration = Duration::from_micros(200);

pub(crate) fn run(options: &Options) -> io::Result<Report> {
    let variants = vec![
        Variant::new("bare ring, blocking enter", || bare(Setup::Deferred)),
        Variant::new("glommio stream, byte on a socketpair", || {
            on_glommio(Way::Socket)
        }),
        Variant::new("waker from another thread", || on_glommio(Way::Waker)),
        Variant::new("waker, latency queue", || on_glommio(Way::WakerLatency)),
        Variant::new("own ring, eventfd as stream", || {
            on_glommio(Way::Stream(Setup::Plain))
        }),
        Variant::new("own ring COOP_TASKRUN, eventfd as stream", || {
            on_glommio(Way::Stream(Setup::Cooperative))
        }),
        Variant::new("own ring DEFER_TASKRUN, eventfd as stream", || {
            on_glommio(Way::Stream(Setup::Deferred))
        }),
        Variant::new("own ring, eventfd as buffered file", || {
            on_glommio(Way::File(Setup::Plain))
        }),
        Variant::new("own ring DEFER_TASKRUN, eventfd as file", || {
            on_glommio(Way::File(Setup::Deferred))
        }),
    ];
    interleave(options, variants)
}

#[derive(Clone, Copy)]
enum Way {
    Socket,
    Waker,
    WakerLatency,
    Stream(Setup),
    File(Setup),
}

/// What poker and waiter share.
struct Meeting {
    origin: Instant,
    fired: AtomicU64,
    seen: AtomicU64,
    fired_at: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

impl Meeting {
    fn new() -> Arc<Meeting> {
        Arc::new(Meeting {
            origin: Instant::now(),
            fired: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            fired_at: AtomicU64::new(0),
            waker: Mutex::new(None),
        })
    }

    fn now(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    /// The waiter's side: notes the latency of the event it just saw.
    fn acknowledge(&self, latencies: &mut Vec<f64>) {
        let latency = self
            .now()
            .saturating_sub(self.fired_at.load(Ordering::Acquire));
        latencies.push(latency as f64 / 1000.0);
        self.seen.fetch_add(1, Ordering::Release);
    }

    /// The poker's side: fires all events of a round, one at a time, into a sleeping waiter.
    fn poke(&self, mut fire: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        for event in 0..EVENTS_PER_ROUND {
            std::thread::sleep(PAUSE);
            self.fired_at.store(self.now(), Ordering::Release);
            self.fired.store(event + 1, Ordering::Release);
            fire()?;
            let deadline = Instant::now() + Duration::from_secs(2);
            while self.seen.load(Ordering::Acquire) <= event {
                if Instant::now() > deadline {
                    return Err(io::Error::other(format!("event {event} was never seen")));
                }
                std::thread::sleep(Duration::from_micros(20));
            }
        }
        Ok(())
    }
}

fn figures(latencies: Vec<f64>, cpu_seconds: f64) -> Figures {
    let events = latencies.len() as f64;
    vec![
        ("p50_us", percentile(latencies.clone(), 0.5)),
        ("p99_us", percentile(latencies, 0.99)),
        ("cpu_us_per_event", cpu_seconds * 1e6 / events),
    ]
}

/// The floor: a thread that blocks in its own ring on a read of the poker's pipe.
fn bare(setup: Setup) -> io::Result<Figures> {
    let meeting = Meeting::new();
    let (reader, mut writer) = io::pipe()?;
    let waiter = {
        let meeting = Arc::clone(&meeting);
        std::thread::spawn(move || -> io::Result<Figures> {
            let mut source = Source::new(setup, reader.into())?;
            let mut latencies = Vec::new();
            let watch = Stopwatch::start();
            for _ in 0..EVENTS_PER_ROUND {
                source.arm()?;
                source.ring.submit_and_wait(1)?;
                source.reap();
                meeting.acknowledge(&mut latencies);
            }
            Ok(figures(latencies, watch.lap().thread))
        })
    };
    meeting.poke(|| writer.write_all(&[1]))?;
    waiter
        .join()
        .map_err(|_| io::Error::other("the waiter panicked"))?
}

/// A second ring with one read of a pipe in flight, as a stand-in for any operation of ours.
struct Source {
    ring: IoUring,
    setup: Setup,
    pipe: OwnedFd,
    byte: Box<[u8; 1]>,
}

impl Source {
    fn new(setup: Setup, pipe: OwnedFd) -> io::Result<Source> {
        Ok(Source {
            ring: ring::create(8, setup)?,
            setup,
            pipe,
            byte: Box::new([0]),
        })
    }

    fn arm(&mut self) -> io::Result<()> {
        let fd = types::Fd(self.pipe.as_raw_fd());
        let entry = opcode::Read::new(fd, self.byte.as_mut_ptr(), 1).build();
        ring::push(&mut self.ring, &entry)?;
        self.ring.submit().map(|_| ())
    }

    /// Completions that are there now. With `DEFER_TASKRUN` they exist only after an enter that
    /// asks for events, which is what `submit_and_wait(0)` with GETEVENTS does.
    fn reap(&mut self) -> usize {
        self.ring.completion().count()
    }

    fn enter(&mut self) -> io::Result<()> {
        if self.setup != Setup::Deferred {
            return Ok(());
        }
        // SAFETY: no memory is passed; GETEVENTS with a minimum of zero runs deferred work only.
        unsafe { self.ring.submitter().enter::<libc::sigset_t>(0, 0, 1, None) }.map(|_| ())
    }
}

fn on_glommio(way: Way) -> io::Result<Figures> {
    let meeting = Meeting::new();
    let (reader, mut writer) = io::pipe()?;
    let (near, mut far) = std::os::unix::net::UnixStream::pair()?;
    let waiter = {
        let meeting = Arc::clone(&meeting);
        LocalExecutorBuilder::new(Placement::Unbound)
            .spawn(move || async move {
                let latency = if matches!(way, Way::WakerLatency) {
                    Latency::Matters(Duration::from_millis(1))
                } else {
                    Latency::NotImportant
                };
                let queue =
                    glommio::executor().create_task_queue(Shares::default(), latency, "probe");
                let task = glommio::spawn_local_into(
                    async move {
                        let watch = Stopwatch::start();
                        let latencies = match way {
                            Way::Socket => wait_socket(&meeting, near).await?,
                            Way::Waker | Way::WakerLatency => wait_waker(&meeting).await,
                            Way::Stream(setup) => {
                                wait_stream(&meeting, Source::new(setup, reader.into())?).await?
                            }
                            Way::File(setup) => {
                                wait_file(&meeting, Source::new(setup, reader.into())?).await?
                            }
                        };
                        Ok(figures(latencies, watch.lap().thread))
                    },
                    queue,
                );
                task.map_err(|error| io::Error::other(error.to_string()))?
                    .await
            })
            .map_err(|error| io::Error::other(error.to_string()))?
    };
    match way {
        Way::Socket => meeting.poke(|| far.write_all(&[1]))?,
        Way::Waker | Way::WakerLatency => meeting.poke(|| wake(&meeting))?,
        Way::Stream(_) | Way::File(_) => meeting.poke(|| writer.write_all(&[1]))?,
    }
    waiter
        .join()
        .map_err(|error| io::Error::other(error.to_string()))?
}

fn wake(meeting: &Meeting) -> io::Result<()> {
    let waker = meeting
        .waker
        .lock()
        .map_err(|_| io::Error::other("poisoned"))?
        .take();
    if let Some(waker) = waker {
        waker.wake();
    }
    Ok(())
}

async fn wait_socket(
    meeting: &Meeting,
    near: std::os::unix::net::UnixStream,
) -> io::Result<Vec<f64>> {
    // SAFETY: `into_raw_fd` gave the ownership up, the stream takes it.
    let mut stream = unsafe { UnixStream::from_raw_fd(near.into_raw_fd()) };
    let mut latencies = Vec::new();
    for _ in 0..EVENTS_PER_ROUND {
        stream.read(&mut [0; 1]).await?;
        meeting.acknowledge(&mut latencies);
    }
    Ok(latencies)
}

async fn wait_waker(meeting: &Meeting) -> Vec<f64> {
    let mut latencies = Vec::new();
    for event in 0..EVENTS_PER_ROUND {
        poll_fn(|context| {
            if let Ok(mut waker) = meeting.waker.lock() {
                *waker = Some(context.waker().clone());
            }
            if meeting.fired.load(Ordering::Acquire) > event {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        meeting.acknowledge(&mut latencies);
    }
    latencies
}

/// One stream per wake-up: creating it arms glommio's poll on a duplicate of the eventfd, its read
/// returns (with ENOTSOCK) once the poll fired, dropping it closes the duplicate.
async fn wait_stream(meeting: &Meeting, mut source: Source) -> io::Result<Vec<f64>> {
    let event = sys::eventfd()?;
    source
        .ring
        .submitter()
        .register_eventfd(event.as_raw_fd())?;
    let mut latencies = Vec::new();
    for _ in 0..EVENTS_PER_ROUND {
        source.arm()?;
        loop {
            let duplicate = event.as_fd().try_clone_to_owned()?;
            // SAFETY: `into_raw_fd` gave the ownership up, the stream takes it.
            let mut stream = unsafe { UnixStream::from_raw_fd(duplicate.into_raw_fd()) };
            let refusal = stream.read(&mut [0; 1]).await;
            debug_assert!(refusal.is_err(), "an eventfd is not a socket");
            sys::eventfd_drain(event.as_raw_fd());
            source.enter()?;
            if source.reap() > 0 {
                break;
            }
        }
        meeting.acknowledge(&mut latencies);
    }
    Ok(latencies)
}

/// One file for good: glommio opened something harmless, then its descriptor number was made to
/// refer to the eventfd; every buffered read of eight bytes completes with the next signal.
async fn wait_file(meeting: &Meeting, source: Source) -> io::Result<Vec<f64>> {
    let event = sys::eventfd()?;
    let file = BufferedFile::open("/dev/null")
        .await
        .map_err(|error| io::Error::other(error.to_string()))?;
    sys::replace_descriptor(event.as_raw_fd(), file.as_raw_fd())?;
    let source = Rc::new(RefCell::new(source));
    source
        .borrow()
        .ring
        .submitter()
        .register_eventfd(event.as_raw_fd())?;
    let mut latencies = Vec::new();
    for _ in 0..EVENTS_PER_ROUND {
        source.borrow_mut().arm()?;
        loop {
            file.read_at(0, 8)
                .await
                .map_err(|error| io::Error::other(error.to_string()))?;
            source.borrow_mut().enter()?;
            if source.borrow_mut().reap() > 0 {
                break;
            }
        }
        meeting.acknowledge(&mut latencies);
    }
    file.close()
        .await
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(latencies)
}
