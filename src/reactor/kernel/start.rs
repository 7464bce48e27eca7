//! From a process to running cores.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::os::unix::thread::JoinHandleExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use base::CoreId;
use glommio::{LocalExecutorBuilder, Placement};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::pthread::pthread_kill;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::Pid;

use crate::kernel::core::{KernelCore, end_blocking};
use crate::kernel::doctor;
use crate::kernel::ring::Ring;
use crate::{Core, IoError, Pool};

/// glommio sets this much aside per executor for its own file buffers, which we do not use.
const GLOMMIO_IO_MEMORY: usize = 64 << 10;

/// A busy executor looks at its rings and at other cores' wake-ups only when this timer fires;
/// glommio's own 100 ms would hold a mailbox message for twice that (kernel-note 007).
const PREEMPT_AFTER: Duration = Duration::from_millis(1);

/// How long a ready task may be forgotten. When the thread was off its processor for longer than
/// `PREEMPT_AFTER` just before the first task's turn, glommio 0.9 takes "preempted" for "nothing to
/// do" and sleeps until the next completion; on an idle node there would be none (kernel-note 015).
/// Twenty wake-ups a second cost less than a thousandth of a core.
const WAKE_EVERY: Duration = Duration::from_millis(50);

/// How many tasks wake the executor in turn: the one whose time it is may be forgotten too, and is
/// found when the next one's comes.
const WAKERS: u32 = 8;

/// How often a core that has not begun is interrupted: before its first task has run nothing else
/// would wake it (kernel-note 015).
const INTERRUPT_EVERY: Duration = Duration::from_millis(100);

/// How many cores to run and how much memory each may lend.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many cores, each with an executor of its own.
    pub cores: usize,
    /// The budget of [`Core::frames`] on each core, in bytes.
    pub frames_bytes_max: usize,
    /// The budget of [`Core::chunks`] on each core, in bytes.
    pub chunks_bytes_max: usize,
}

/// Why no core could be started.
#[derive(Debug)]
pub enum StartError {
    /// The kernel does not allow what forebay stands on; the text says what, how it was tested
    /// and how to mend it.
    Unsupported(String),
    /// An executor could not be started.
    Executor(String),
    /// A core's task panicked, in a build that unwinds; the panic's own message went to standard
    /// error.
    Panicked(CoreId),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(text) => formatter.write_str(text),
            Self::Executor(text) => write!(formatter, "a core's executor could not start: {text}"),
            Self::Panicked(core) => write!(formatter, "core {core} panicked"),
        }
    }
}

impl std::error::Error for StartError {}

/// The processors that this process may use.
#[must_use]
pub fn available_cores() -> usize {
    allowed_processors().len().max(1)
}

fn allowed_processors() -> Vec<usize> {
    let Ok(allowed) = sched_getaffinity(Pid::from_raw(0)) else {
        return Vec::new();
    };
    (0..CpuSet::count())
        .filter(|cpu| allowed.is_set(*cpu).unwrap_or(false))
        .collect()
}

/// Runs `body` on each core until all of them have ended.
///
/// # Errors
/// `Unsupported` at once, before any thread starts, when the kernel lacks something. `Panicked` as
/// soon as any core breaks down, while the others still run: the process is to end then.
pub fn run<F, T>(options: &Options, body: F) -> Result<(), StartError>
where
    F: Fn(Core) -> T + Send + Sync + 'static,
    T: Future<Output = ()> + 'static,
{
    assert!(options.cores > 0, "a process without cores");
    doctor::require().map_err(StartError::Unsupported)?;
    let processors = allowed_processors();
    let body = Arc::new(body);
    let (report, reports) = mpsc::channel();
    let mut unstarted = BTreeMap::new();
    for index in 0..options.cores {
        let id = CoreId(u16::try_from(index).unwrap_or(u16::MAX));
        let placement = match processors.get(index) {
            Some(cpu) => Placement::Fixed(*cpu),
            None => Placement::Unbound,
        };
        let frames = Pool::new(options.frames_bytes_max);
        let chunks = Pool::new(options.chunks_bytes_max);
        let (body, report, started) = (Arc::clone(&body), report.clone(), report.clone());
        let core = move || {
            run_core(placement, PREEMPT_AFTER, async move {
                // `require` made the same ring a moment ago, so only exhaustion can refuse it.
                let ring = match Ring::start() {
                    Ok(ring) => ring,
                    Err(error) => panic!("core {id} has no ring for its files: {error}"),
                };
                wake_every(WAKE_EVERY);
                // Nobody listens any more when another core has ended the process.
                let _ = started.send(Report::Started(id));
                let core = KernelCore::new(id, frames, chunks, ring);
                body(Core::from_kernel(core.into())).await;
                end_blocking().await;
            })
        };
        let thread = std::thread::Builder::new().name(format!("core-{id}"));
        let spawned = thread.spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(core));
            let ended = ended.unwrap_or(Err(StartError::Panicked(id)));
            let _ = report.send(Report::Ended(ended));
        });
        let thread = spawned.map_err(|error| StartError::Executor(error.to_string()))?;
        unstarted.insert(id, thread);
    }
    drop(report);
    supervise(&reports, unstarted)
}

/// What a core tells the thread that started it.
enum Report {
    Started(CoreId),
    Ended(Result<(), StartError>),
}

/// Waits until every core has ended well, or the first one that has not: the others would wait for
/// that one for ever.
fn supervise(
    reports: &mpsc::Receiver<Report>,
    mut unstarted: BTreeMap<CoreId, JoinHandle<()>>,
) -> Result<(), StartError> {
    loop {
        let report = if unstarted.is_empty() {
            reports.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            reports.recv_timeout(INTERRUPT_EVERY)
        };
        match report {
            Ok(Report::Started(id)) => {
                unstarted.remove(&id);
            }
            Ok(Report::Ended(ended)) => ended?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                for thread in unstarted.values() {
                    interrupt(thread)?;
                }
            }
        }
    }
}

/// Lets the system call in which a thread waits return early, by a signal that does nothing.
fn interrupt(thread: &JoinHandle<()>) -> Result<(), StartError> {
    extern "C" fn nothing(_signal: libc::c_int) {}
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing at all, so it may run anywhere. Whoever had one for this
    // signal, which is ignored by default, would not be called any more; there is nobody.
    let installed = unsafe { sigaction(Signal::SIGURG, &action) };
    // A thread that has ended cannot be interrupted, and has told how it ended.
    let sent = installed.and_then(
        |_| match pthread_kill(thread.as_pthread_t(), Signal::SIGURG) {
            Err(Errno::ESRCH) => Ok(()),
            sent => sent,
        },
    );
    sent.map_err(|error| StartError::Executor(format!("it cannot be interrupted: {error}")))
}

/// One core's life on this thread.
fn run_core(
    placement: Placement,
    preempt_after: Duration,
    body: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let executor = LocalExecutorBuilder::new(placement)
        .io_memory(GLOMMIO_IO_MEMORY)
        .preempt_timer(preempt_after)
        .make()
        .map_err(|error| StartError::Executor(error.to_string()))?;
    executor.run(body);
    Ok(())
}

/// Makes the executor look at its tasks from time to time, whatever it believes about them.
fn wake_every(interval: Duration) {
    for turn in 1..=WAKERS {
        let waker = async move {
            glommio::timer::sleep(interval * turn).await;
            loop {
                glommio::timer::sleep(interval * WAKERS).await;
            }
        };
        glommio::spawn_local(waker).detach();
    }
}

/// Calls `handler` once, on a thread of its own, when the process is asked to end (SIGTERM or
/// SIGINT). Must be called before `run`, so that every thread inherits the blocked signals.
///
/// # Errors
/// The system's words when the signals cannot be blocked.
pub fn on_terminate(handler: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.thread_block().map_err(|error| error.to_string())?;
    let spawned = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if signals.wait().is_ok() {
                handler();
            }
            // A second signal ends the process at once, as an impatient operator expects.
            let _ = signals.thread_unblock();
            loop {
                std::thread::park();
            }
        });
    spawned.map(|_| ()).map_err(|error| error.to_string())
}

/// The whole of a file that is read before any core runs, such as a configuration.
///
/// # Errors
/// As the file system answers.
pub fn read_before_start(path: &Path) -> Result<Vec<u8>, IoError> {
    std::fs::read(path).map_err(|error| IoError::from_system("read", path.display(), &error))
}

#[cfg(test)]
mod tests {
    //! A task that is ready runs, however busy the machine is; a core that fails is heard of.

    use std::collections::BTreeMap;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use base::CoreId;
    use glommio::{LocalExecutorBuilder, Placement};

    use super::{
        GLOMMIO_IO_MEMORY, Options, Report, StartError, run, run_core, supervise, wake_every,
    };

    const ROUNDS: usize = 2_000;
    const PATIENCE: Duration = Duration::from_secs(60);

    /// The story: a preempt timer so short that it sometimes fires before the first task's turn, as
    /// the node's own does on a machine with too much to do. Without the wake-ups one run in three
    /// sleeps for ever on a busy machine (kernel-note 015).
    #[test]
    fn no_ready_task_is_forgotten() {
        for micros in [200, 300] {
            let (done, all_done) = mpsc::channel();
            let executor = LocalExecutorBuilder::default()
                .io_memory(GLOMMIO_IO_MEMORY)
                .preempt_timer(Duration::from_micros(micros))
                .spawn(move || async move {
                    wake_every(Duration::from_millis(1));
                    for round in 0..ROUNDS {
                        let answer = glommio::executor().spawn_blocking(move || round).await;
                        assert_eq!(answer, round);
                    }
                    done.send(()).unwrap();
                });
            // Not joined before the answer: an executor that sleeps for ever never ends.
            assert_eq!(
                all_done.recv_timeout(PATIENCE),
                Ok(()),
                "with a preempt timer of {micros} us a ready task was left behind"
            );
            executor.unwrap().join().unwrap();
        }
    }

    /// The story: the same happens to the very first task, before anything could wake it again.
    #[test]
    fn no_first_task_is_forgotten() {
        for _ in 0..200 {
            let (report, reports) = mpsc::channel();
            let started = report.clone();
            let thread = thread::Builder::new().spawn(move || {
                let ended = run_core(Placement::Unbound, Duration::from_micros(60), async move {
                    started.send(Report::Started(CoreId(0))).unwrap();
                });
                report.send(Report::Ended(ended)).unwrap();
            });
            let unstarted = BTreeMap::from([(CoreId(0), thread.unwrap())]);
            supervise(&reports, unstarted).unwrap();
        }
    }

    /// The story: core 1 breaks down while core 0 would work for ever. Whoever started them hears of
    /// it at once; a process without one of its cores only looks alive.
    #[test]
    fn the_first_core_that_fails_ends_the_run() {
        let options = Options {
            cores: 2,
            frames_bytes_max: 1 << 20,
            chunks_bytes_max: 1 << 20,
        };
        let ended = run(&options, |core| async move {
            assert_ne!(core.id(), CoreId(1), "as planned");
            core.sleep(Duration::from_secs(3600)).await;
        });
        assert!(matches!(ended, Err(StartError::Panicked(CoreId(1)))));
    }
}
