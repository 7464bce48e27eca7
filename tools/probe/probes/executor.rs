//! What glommio's executor costs beside the work it runs: idling, helper threads, timers.
//!
//! Invariant: each variant starts its own executor, so nothing is left over from the one before.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use glommio::timer::Timer;
use glommio::{LocalExecutorBuilder, Placement, PoolPlacement};

use crate::Options;
use crate::measure::{Figures, Lap, Report, Stopwatch, Variant, interleave, percentile};

pub(crate) fn run(options: &Options) -> io::Result<Report> {
    let variants = vec![
        Variant::new("idle, no timer", || idle(None)),
        Variant::new("idle, a timer every 100 ms", || {
            idle(Some(Duration::from_millis(100)))
        }),
        Variant::new("idle, a timer every 1 ms", || {
            idle(Some(Duration::from_millis(1)))
        }),
        Variant::new("spawn_blocking round trip", blocking),
        Variant::new("timer of 1 ms, one task", || timers(1)),
        Variant::new("timer of 1 ms, 1000 tasks at once", || timers(1000)),
        Variant::new("timer armed and dropped unfired", cancelled_timers),
        Variant::new("spawn_local and await", spawn_local),
        Variant::new("start and stop of an executor", || {
            let watch = Stopwatch::start();
            on_executor(|| async { Ok(()) })?;
            let lap = watch.lap();
            Ok(vec![("ms", lap.wall * 1e3), ("cpu_ms", lap.process * 1e3)])
        }),
    ];
    interleave(options, variants)
}

fn on_executor<T: Send + 'static, W: Future<Output = io::Result<T>> + 'static>(
    work: impl FnOnce() -> W + Send + 'static,
) -> io::Result<T> {
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .blocking_thread_pool_placement(PoolPlacement::Unbound(1))
        .spawn(work);
    let executor = executor.map_err(foreign)?;
    executor.join().map_err(foreign)?
}

fn foreign(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// CPU of an executor that has nothing to do for half a second.
fn idle(tick: Option<Duration>) -> io::Result<Figures> {
    const SPAN: Duration = Duration::from_millis(500);
    let lap = on_executor(move || async move {
        let watch = Stopwatch::start();
        match tick {
            None => {
                Timer::new(SPAN).await;
            }
            Some(tick) => {
                let started = Instant::now();
                while started.elapsed() < SPAN {
                    Timer::new(tick).await;
                }
            }
        }
        Ok(watch.lap())
    })?;
    Ok(vec![("cpu_percent", lap.thread / lap.wall * 100.0)])
}

/// A closure that does nothing, on the helper thread.
fn blocking() -> io::Result<Figures> {
    const CALLS: usize = 500;
    let (samples, lap) = on_executor(|| async {
        let watch = Stopwatch::start();
        let mut samples = Vec::new();
        for _ in 0..CALLS {
            let started = Instant::now();
            glommio::executor().spawn_blocking(|| ()).await;
            samples.push(started.elapsed().as_secs_f64() * 1e6);
        }
        Ok((samples, watch.lap()))
    })?;
    Ok(latencies(samples, &lap))
}

fn latencies(samples: Vec<f64>, lap: &Lap) -> Figures {
    let count = samples.len() as f64;
    vec![
        ("p50_us", percentile(samples.clone(), 0.5)),
        ("p99_us", percentile(samples, 0.99)),
        ("cpu_us_per_call", lap.process * 1e6 / count),
    ]
}

/// How late timers of one millisecond fire, and their cost, with so many tasks waiting at once.
fn timers(tasks: usize) -> io::Result<Figures> {
    const SPAN: Duration = Duration::from_millis(1);
    let rounds = (2000 / tasks).max(5);
    let (samples, lap) = on_executor(move || async move {
        let watch = Stopwatch::start();
        let mut samples = Vec::new();
        for _ in 0..rounds {
            let waiting: Vec<_> = (0..tasks)
                .map(|_| {
                    glommio::spawn_local(async {
                        let started = Instant::now();
                        Timer::new(SPAN).await;
                        started.elapsed().saturating_sub(SPAN).as_secs_f64() * 1e6
                    })
                })
                .collect();
            for task in waiting {
                samples.push(task.await);
            }
        }
        Ok((samples, watch.lap()))
    })?;
    Ok(latencies(samples, &lap))
}

/// The usual fate of a request's deadline: polled once, then dropped.
fn cancelled_timers() -> io::Result<Figures> {
    const TIMERS: u32 = 20_000;
    let lap = on_executor(|| async {
        let watch = Stopwatch::start();
        for _ in 0..TIMERS {
            let timer = Timer::new(Duration::from_secs(10));
            let ready = futures_lite::future::ready(());
            futures_lite::future::or(
                async {
                    timer.await;
                },
                async {
                    futures_lite::future::yield_now().await;
                    ready.await;
                },
            )
            .await;
        }
        Ok(watch.lap())
    })?;
    Ok(vec![(
        "cpu_us_per_timer",
        lap.thread * 1e6 / f64::from(TIMERS),
    )])
}

fn spawn_local() -> io::Result<Figures> {
    const TASKS: u32 = 50_000;
    let lap = on_executor(|| async {
        let watch = Stopwatch::start();
        for _ in 0..TASKS {
            glommio::spawn_local(async {}).await;
        }
        Ok(watch.lap())
    })?;
    Ok(vec![(
        "cpu_us_per_task",
        lap.thread * 1e6 / f64::from(TASKS),
    )])
}
