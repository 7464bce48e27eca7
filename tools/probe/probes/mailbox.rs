//! How soon a message from another thread reaches a task, and what it costs.
//!
//! The mailbox is the plainest there is: a mutex around a queue and one waker. A sleeping executor
//! is woken through glommio's eventfd; a busy one looks for foreign wake-ups only when its preempt
//! timer fires or when something forces its latency ring, which is what the busy variants show.
//! Invariant: the poker sends the next message only after the last one was taken.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use glommio::{ExecutorJoinHandle, Latency, LocalExecutorBuilder, Placement, Shares};

use crate::Options;
use crate::measure::{Figures, Report, Stopwatch, Variant, interleave, percentile};

pub(crate) fn run(options: &Options) -> io::Result<Report> {
    let idle = Receiver {
        messages: 1000,
        busy: false,
        preempt: Duration::from_millis(100),
        latency_queue: false,
    };
    let busy = |preempt, messages| Receiver {
        messages,
        busy: true,
        preempt,
        ..idle
    };
    let default_timer = busy(idle.preempt, 10);
    let one_ms = busy(Duration::from_millis(1), 200);
    let tenth_ms = busy(Duration::from_micros(100), 200);
    let favoured = Receiver {
        latency_queue: true,
        messages: 200,
        ..default_timer
    };
    let variants = vec![
        Variant::new("sleeping executor", move || one_way(idle)),
        Variant::new("busy, preempt timer 100 ms (default)", move || {
            one_way(default_timer)
        }),
        Variant::new("busy, preempt timer 1 ms", move || one_way(one_ms)),
        Variant::new("busy, preempt timer 100 us", move || one_way(tenth_ms)),
        Variant::new("busy, timer 100 ms, latency queue", move || {
            one_way(favoured)
        }),
        Variant::new("ping-pong of two sleeping executors", ping_pong),
        Variant::new("100 messages, one wake-up", burst),
        Variant::new("turns of 10 us, timer 100 ms", || {
            turns(Duration::from_millis(100))
        }),
        Variant::new("turns of 10 us, timer 1 ms", || {
            turns(Duration::from_millis(1))
        }),
        Variant::new("turns of 10 us, timer 100 us", || {
            turns(Duration::from_micros(100))
        }),
    ];
    interleave(options, variants)
}

/// The executor under test.
#[derive(Clone, Copy)]
struct Receiver {
    messages: u64,
    busy: bool,
    preempt: Duration,
    latency_queue: bool,
}

/// A queue that any thread fills and one task empties.
struct Mailbox {
    inner: Mutex<(VecDeque<Instant>, Option<Waker>)>,
}

impl Mailbox {
    fn new() -> Arc<Mailbox> {
        Arc::new(Mailbox {
            inner: Mutex::new((VecDeque::new(), None)),
        })
    }

    fn send(&self, message: Instant) {
        let waker = match self.inner.lock() {
            Ok(mut inner) => {
                inner.0.push_back(message);
                inner.1.take()
            }
            Err(_) => None,
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn receive(&self) -> Instant {
        poll_fn(|context| {
            let Ok(mut inner) = self.inner.lock() else {
                return Poll::Pending;
            };
            match inner.0.pop_front() {
                Some(message) => Poll::Ready(message),
                None => {
                    inner.1 = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

type Outcome = io::Result<(Vec<f64>, f64)>;

/// Messages into one executor, which otherwise sleeps or always has a task to run.
fn one_way(receiver: Receiver) -> io::Result<Figures> {
    let mailbox = Mailbox::new();
    let taken = Arc::new(AtomicU64::new(0));
    let waiter = spawn_receiver(receiver, mailbox.clone(), taken.clone())?;
    for message in 0..receiver.messages {
        std::thread::sleep(Duration::from_micros(300));
        mailbox.send(Instant::now());
        while taken.load(Ordering::Acquire) <= message {
            std::thread::sleep(Duration::from_micros(20));
        }
    }
    let outcome: Outcome = waiter.join().map_err(foreign)?;
    let (latencies, cpu) = outcome?;
    let events = latencies.len() as f64;
    Ok(vec![
        ("p50_us", percentile(latencies.clone(), 0.5)),
        ("p99_us", percentile(latencies, 0.99)),
        ("cpu_us_per_message", cpu * 1e6 / events),
    ])
}

fn spawn_receiver(
    receiver: Receiver,
    mailbox: Arc<Mailbox>,
    taken: Arc<AtomicU64>,
) -> io::Result<ExecutorJoinHandle<Outcome>> {
    LocalExecutorBuilder::new(Placement::Unbound)
        .preempt_timer(receiver.preempt)
        .spawn(move || async move {
            let latency = if receiver.latency_queue {
                Latency::Matters(Duration::from_millis(1))
            } else {
                Latency::NotImportant
            };
            let queue = glommio::executor().create_task_queue(Shares::default(), latency, "mail");
            let done = Rc::new(Cell::new(false));
            let finished = Rc::clone(&done);
            let task = glommio::spawn_local_into(
                async move {
                    let mut latencies = Vec::new();
                    for _ in 0..receiver.messages {
                        let sent = mailbox.receive().await;
                        latencies.push(sent.elapsed().as_secs_f64() * 1e6);
                        taken.fetch_add(1, Ordering::Release);
                    }
                    finished.set(true);
                    latencies
                },
                queue,
            )
            .map_err(foreign)?;
            let watch = Stopwatch::start();
            while receiver.busy && !done.get() {
                spin(Duration::from_micros(10));
                futures_lite::future::yield_now().await;
            }
            let latencies = task.await;
            Ok((latencies, watch.lap().thread))
        })
        .map_err(foreign)
}

/// Occupies the core, as parsing a request would.
fn spin(duration: Duration) {
    let started = Instant::now();
    while started.elapsed() < duration {
        std::hint::spin_loop();
    }
}

fn foreign(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// One message to and fro between two executors that sleep in between.
fn ping_pong() -> io::Result<Figures> {
    const TRIPS: u64 = 1000;
    let (there, back) = (Mailbox::new(), Mailbox::new());
    let echo = {
        let (there, back) = (there.clone(), back.clone());
        LocalExecutorBuilder::new(Placement::Fixed(1)).spawn(move || async move {
            for _ in 0..TRIPS {
                back.send(there.receive().await);
            }
        })
    };
    let echo = echo.map_err(foreign)?;
    let pinger = LocalExecutorBuilder::new(Placement::Fixed(0)).spawn(move || async move {
        let mut trips = Vec::new();
        let watch = Stopwatch::start();
        for _ in 0..TRIPS {
            there.send(Instant::now());
            trips.push(back.receive().await.elapsed().as_secs_f64() * 1e6);
        }
        (trips, watch.lap().process)
    });
    let (trips, cpu) = pinger.map_err(foreign)?.join().map_err(foreign)?;
    echo.join().map_err(foreign)?;
    Ok(vec![
        ("p50_us", percentile(trips.clone(), 0.5)),
        ("p99_us", percentile(trips, 0.99)),
        ("cpu_us_per_trip", cpu * 1e6 / TRIPS as f64),
    ])
}

/// What a message costs the receiver when a hundred arrive together.
fn burst() -> io::Result<Figures> {
    const BURSTS: u64 = 200;
    const SIZE: u64 = 100;
    let mailbox = Mailbox::new();
    let taken = Arc::new(AtomicU64::new(0));
    let receiver = Receiver {
        messages: BURSTS * SIZE,
        busy: false,
        preempt: Duration::from_millis(100),
        latency_queue: false,
    };
    let waiter = spawn_receiver(receiver, mailbox.clone(), taken.clone())?;
    for burst in 0..BURSTS {
        std::thread::sleep(Duration::from_micros(300));
        let waker = match mailbox.inner.lock() {
            Ok(mut inner) => {
                inner.0.extend((0..SIZE).map(|_| Instant::now()));
                inner.1.take()
            }
            Err(_) => None,
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        while taken.load(Ordering::Acquire) < (burst + 1) * SIZE {
            std::thread::sleep(Duration::from_micros(20));
        }
    }
    let outcome: Outcome = waiter.join().map_err(foreign)?;
    let (latencies, cpu) = outcome?;
    let messages = latencies.len() as f64;
    Ok(vec![
        ("p50_us", percentile(latencies.clone(), 0.5)),
        ("p99_us", percentile(latencies, 0.99)),
        ("cpu_us_per_message", cpu * 1e6 / messages),
    ])
}

/// How much of a busy core's time glommio takes: turns that should last 10 us each.
fn turns(preempt: Duration) -> io::Result<Figures> {
    const TURNS: u32 = 10_000;
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .preempt_timer(preempt)
        .spawn(move || async move {
            let watch = Stopwatch::start();
            for _ in 0..TURNS {
                spin(Duration::from_micros(10));
                futures_lite::future::yield_now().await;
            }
            watch.lap()
        });
    let lap = executor.map_err(foreign)?.join().map_err(foreign)?;
    Ok(vec![
        ("us_per_turn", lap.wall * 1e6 / f64::from(TURNS)),
        ("cpu_us_per_turn", lap.thread * 1e6 / f64::from(TURNS)),
    ])
}
