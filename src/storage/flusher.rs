//! Makes everything that is dirty on this core durable together.
//!
//! One round: all dirty logs write their unflushed blocks, each file is flushed, new directory
//! entries are synced; all of it side by side, so that the device and the file system's journal
//! see one burst. Batches that arrive meanwhile ride the next round. This file alone decides how
//! bytes become durable; nobody else writes log data.
//!
//! Invariants: a log is in at most one round at a time; its durable end moves only when all its
//! writes, flushes and directory syncs of the round have succeeded.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::Poll;

use reactor::{Core, Signal};

use crate::engine::{Engine, EngineShared};
use crate::error::StorageError;
use crate::log::{Log, LogShared};
use crate::planted::planted;
use crate::tail::PendingWrites;

/// The logs that wait for the next round. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Flusher {
    dirty: Rc<RefCell<Vec<Rc<LogShared>>>>,
    wake: Signal,
    stopped: Rc<Cell<bool>>,
}

impl Flusher {
    /// Puts a log into the next round; the log sees to it that it is added once.
    pub(crate) fn add(&self, log: &Rc<LogShared>) {
        self.dirty.borrow_mut().push(Rc::clone(log));
        self.wake.notify();
    }

    pub(crate) fn stop(&self) {
        self.stopped.set(true);
        self.wake.notify();
    }
}

/// Runs rounds until the engine is gone.
pub(crate) async fn run(core: Core, engine: Weak<EngineShared>, flusher: Flusher) {
    loop {
        let wake = flusher.wake.wait();
        if flusher.stopped.get() {
            return;
        }
        if flusher.dirty.borrow().is_empty() {
            wake.await;
            // Everyone who is ready now may still append to this round.
            core.yield_now().await;
            continue;
        }
        let Some(shared) = engine.upgrade() else {
            return;
        };
        let round = std::mem::take(&mut *flusher.dirty.borrow_mut());
        run_round(&core, &Engine::from_shared(shared), round).await;
    }
}

/// Counts tasks down.
#[derive(Default)]
struct Latch {
    left: Cell<usize>,
    done: Signal,
}

async fn run_round(core: &Core, engine: &Engine, round: Vec<Rc<LogShared>>) {
    if let [only] = round.as_slice() {
        flush_log(engine, &Log::from_shared(Rc::clone(only))).await;
        return;
    }
    let latch = Rc::new(Latch::default());
    latch.left.set(round.len());
    for log in round {
        let (engine, latch) = (engine.clone(), Rc::clone(&latch));
        core.spawn(async move {
            flush_log(&engine, &Log::from_shared(log)).await;
            latch.left.set(latch.left.get() - 1);
            if latch.left.get() == 0 {
                latch.done.notify();
            }
        });
    }
    while latch.left.get() > 0 {
        latch.done.wait().await;
    }
}

/// Makes one log durable up to its present end.
async fn flush_log(engine: &Engine, log: &Log) {
    let _alone = log.flush_gate().enter().await;
    if engine.check_online().is_err() {
        return;
    }
    let job = log.begin_flush();
    let too_early = planted!(engine.planted(), AckBeforeFlush);
    if too_early {
        log.complete_flush(&job.reached);
    }
    match execute(engine, log, job.writes).await {
        Ok(()) => {
            if !too_early {
                log.complete_flush(&job.reached);
            }
            engine.note_flushed();
        }
        Err(error) => engine.go_offline(error),
    }
}

async fn execute(
    engine: &Engine,
    log: &Log,
    parts: Vec<PendingWrites>,
) -> Result<(), StorageError> {
    let segments: Vec<_> = parts.iter().map(|part| Rc::clone(&part.segment)).collect();
    let writes = parts
        .into_iter()
        .map(|part| write_segment(engine, log, part));
    for result in join_all(writes).await {
        result?;
    }
    let is_new = segments.iter().any(|segment| segment.entry_pending.get());
    if is_new && !planted!(engine.planted(), SkipDirectorySync) {
        // Before the first acknowledgement in a new segment its name must be durable.
        engine.core().sync_dir(&log.dir()).await?;
    }
    for segment in &segments {
        segment.entry_pending.set(false);
    }
    Ok(())
}

/// Writes what one segment has in memory and flushes its file.
async fn write_segment(
    engine: &Engine,
    log: &Log,
    part: PendingWrites,
) -> Result<(), StorageError> {
    let core = engine.core();
    let segment = &part.segment;
    let file = segment.file(core).await?;
    if segment.allocated.get() < part.end {
        log.grow(segment, part.end).await?;
    }
    let writes = part
        .writes
        .into_iter()
        .map(|(blocks, position)| file.write_blocks(blocks, position));
    for result in join_all(writes).await {
        result?;
    }
    file.flush().await?;
    Ok(())
}

/// A future of [`join_all`] and what it returned.
type Running<F> = (Pin<Box<F>>, Option<<F as Future>::Output>);

/// Runs futures side by side; for a handful of them, since each wake polls all.
pub(crate) async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Running<F>> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut all_done = true;
        for (future, output) in &mut running {
            if output.is_some() {
                continue;
            }
            match future.as_mut().poll(context) {
                Poll::Ready(value) => *output = Some(value),
                Poll::Pending => all_done = false,
            }
        }
        if all_done {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    running
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}
