//! Makes what was appended durable; this file alone decides how.
//!
//! Each log has a lane of its own, without a barrier between logs. A *flush* collects all that
//! is dirty, writes its blocks side by side, then flushes the files and syncs new directory
//! entries; among many others a small one is a single write that is durable by itself. As soon as
//! its writes have ended the next flush of the same log may write: it may write the same last block
//! again, so the two never write at once, but several may wait for the device, since one at a time
//! leaves it idle (kernel-note 004, kernel-note 005). Batches that arrive meanwhile ride the next
//! flush. Where many logs have little each, all of it goes into the journal as one write
//! (`journal/mod.rs`), and a *direct* flush of the segment follows when there is more.
//!
//! Invariants: a log's writes never overlap; a log's durable end moves in the order of its
//! flushes, and past a flush only when all of its writes, flushes and directory syncs and all of
//! those before it have succeeded.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use base::usize_from_u64;
use reactor::Signal;

use crate::engine::Engine;
use crate::error::StorageError;
use crate::journal;
use crate::log::Log;
use crate::options::JournalLimits;
use crate::planted::planted;
use crate::segment::Segment;
use crate::state::{FlushReached, JournalJob};
use crate::tail::PendingWrites;

/// How many flushes of one log may be on their way. They end with fdatasync, which needs a worker
/// thread but leaves the choice of write size free (kernel-note 003).
const FLUSHES_MAX: usize = 4;

/// While so many flushes of a core are on their way, one that is a single small write lets the
/// write itself be durable, which takes no worker thread; a log that is alone is quicker with
/// fdatasync (kernel-note 003, kernel-note 018).
const CROWD_MIN: u64 = 16;
/// A write of at most so many bytes is small.
const SMALL_WRITE_BYTES_MAX: usize = 16 << 10;

/// What one log has on its way to the device.
#[derive(Default)]
pub(crate) struct Lane {
    /// True while a task of this lane is about to collect, or writes.
    writing: Cell<bool>,
    /// True when something was appended since the last flush collected.
    dirty: Cell<bool>,
    /// True when the next flush has to be a direct one.
    direct: Cell<bool>,
    /// The flushes on their way, oldest first, and whether each has ended.
    flushes: RefCell<VecDeque<Flush>>,
    /// Notified when a flush has ended.
    ended: Signal,
    flushes_begun: Cell<u64>,
}

struct Flush {
    number: u64,
    reached: FlushReached,
    done: bool,
}

impl Lane {
    /// True when nothing is on its way.
    fn is_idle(&self) -> bool {
        !self.writing.get() && self.flushes.borrow().is_empty()
    }

    /// Waits until nothing is on its way; the caller keeps others from appending.
    pub(crate) async fn wait_idle(&self) {
        while !self.is_idle() {
            self.ended.wait().await;
        }
    }

    /// Ends with the next flush that ends after this call.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + use<> {
        self.ended.wait()
    }

    fn push(&self, reached: FlushReached) -> u64 {
        let number = self.flushes_begun.get();
        self.flushes_begun.set(number + 1);
        let mut flushes = self.flushes.borrow_mut();
        assert!(flushes.len() < FLUSHES_MAX, "the lane is full");
        flushes.push_back(Flush {
            number,
            reached,
            done: false,
        });
        number
    }

    /// Notes that a flush has ended well; what is reached now, in order.
    fn finish(&self, number: u64) -> Vec<FlushReached> {
        let mut flushes = self.flushes.borrow_mut();
        let mut known = false;
        for flush in flushes.iter_mut().filter(|flush| flush.number == number) {
            flush.done = true;
            known = true;
        }
        assert!(known, "a flush ends once");
        let mut reached = Vec::new();
        while flushes.front().is_some_and(|flush| flush.done) {
            reached.extend(flushes.pop_front().map(|flush| flush.reached));
        }
        reached
    }

    /// Nothing on its way will be acknowledged any more.
    fn abandon(&self) {
        self.flushes.borrow_mut().clear();
    }
}

/// Makes sure that a flush will take in all that is in the log's memory now.
pub(crate) fn request(log: &Log) {
    if !log.lane().dirty.replace(true) {
        log.engine().counters().flushes_asked.increment();
    }
    start_if_possible(log);
}

/// As [`request`], and the segments themselves get it, with what only the journal has.
pub(crate) fn request_direct(log: &Log) {
    log.lane().direct.set(true);
    request(log);
}

fn start_if_possible(log: &Log) {
    let lane = log.lane();
    let is_full = lane.flushes.borrow().len() >= FLUSHES_MAX;
    if !lane.dirty.get() || is_full || lane.writing.replace(true) {
        return;
    }
    let engine = log.engine().clone();
    let crowd = engine.crowd();
    crowd.logs.borrow_mut().push(log.clone());
    if crowd.is_scheduled.replace(true) {
        return;
    }
    engine.core().clone().spawn(async move {
        // Everyone who is ready now may still append to this flush, or ask for one.
        engine.core().yield_now().await;
        let crowd = engine.crowd();
        crowd.is_scheduled.set(false);
        let logs = std::mem::take(&mut *crowd.logs.borrow_mut());
        if let Some(last) = sort(&engine, logs) {
            run_alone(last).await;
        }
    });
}

/// Logs of an engine that have something to flush and nothing that they must wait for.
#[derive(Default)]
pub(crate) struct Crowd {
    logs: RefCell<Vec<Log>>,
    /// True while a task is about to take them.
    is_scheduled: Cell<bool>,
}

/// Lets small flushes of a crowd go through the journal and begins the others; the last of these is
/// left to the caller.
fn sort(engine: &Engine, logs: Vec<Log>) -> Option<Log> {
    let counters = engine.counters();
    let under_way = counters.flushes_begun.get() - counters.flushes_ended.get();
    let count = logs.len() + usize_from_u64(under_way);
    let journal = engine.journal();
    let (mut small, mut others) = (Vec::new(), logs);
    if journal.make_way(engine, count) {
        let limits = journal.limits();
        let is_small = |log: &Log| !log.lane().direct.get() && log.fits_journal(&limits);
        (small, others) = others.into_iter().partition(is_small);
    }
    if !small.is_empty() {
        journal::enqueue(engine, small);
    }
    let last = others.pop();
    others.into_iter().for_each(spawn_run);
    last
}

fn spawn_run(log: Log) {
    log.engine().core().clone().spawn(run_alone(log));
}

async fn run_alone(log: Log) {
    run(&log).await;
    start_if_possible(&log);
    if log.engine().journal().is_ready() {
        log.learn_topic_id().await;
    }
}

/// Collects what waits in a log, for a frame of the journal that is being made. Nothing where it
/// has to go to its segments: there is more of it by now, or somebody waits for them.
pub(crate) fn take_for_journal(log: &Log, limits: &JournalLimits) -> Option<JournalJob> {
    let lane = log.lane();
    assert!(lane.writing.get(), "the lane writes nothing else");
    if lane.direct.get() {
        return None;
    }
    let job = log.begin_journaled(limits)?;
    if lane.dirty.replace(false) {
        log.engine().counters().flushes_taken.increment();
    }
    Some(job)
}

/// Notes that a frame with something of the log is durable.
pub(crate) fn complete_journaled(log: &Log, reached: FlushReached) {
    let lane = log.lane();
    let number = lane.push(reached);
    complete(log, number);
    release(log);
    start_if_possible(log);
}

/// Lets a log whose lane was taken for the journal flush to its segments.
pub(crate) fn go_direct(log: Log) {
    assert!(log.lane().writing.get(), "the lane writes nothing else");
    spawn_run(log);
}

/// Gives back a lane that was taken for the journal.
pub(crate) fn release(log: &Log) {
    log.lane().writing.set(false);
    log.lane().ended.notify();
}

/// One direct flush from its collection to its end.
async fn run(log: &Log) {
    let lane = log.lane();
    if lane.dirty.replace(false) {
        log.engine().counters().flushes_taken.increment();
    }
    lane.direct.set(false);
    if log.engine().check_online().is_err() {
        lane.writing.set(false);
        lane.ended.notify();
        return;
    }
    let counters = log.engine().counters();
    counters.flushes_begun.increment();
    let begun = log.engine().core().now();
    let job = log.begin_flush();
    let number = lane.push(job.reached);
    let parts = job.writes;
    let under_way = counters.flushes_begun.get() - counters.flushes_ended.get();
    let by_write = under_way >= CROWD_MIN && is_small(&parts);
    let segments: Vec<_> = parts.iter().map(|part| Rc::clone(&part.segment)).collect();
    let mut entry_pending = false;
    for segment in &segments {
        entry_pending |= segment.entry_pending.replace(false);
    }
    let too_early = planted!(log.engine().planted(), AckBeforeFlush);
    if too_early {
        complete(log, number);
    }
    let parts = parts.into_iter();
    let written = join_all(parts.map(|part| write(log, part, by_write))).await;
    lane.writing.set(false);
    start_if_possible(log);
    let result = match written.into_iter().collect() {
        Ok(()) if by_write => make_durable(log, &[], entry_pending).await,
        Ok(()) => make_durable(log, &segments, entry_pending).await,
        Err(error) => Err(error),
    };
    let took = log.engine().core().now().saturating_sub(begun);
    counters.flush_duration.record(took);
    counters.flushes_ended.increment();
    match result {
        Ok(()) if too_early => {}
        Ok(()) => complete(log, number),
        Err(error) => {
            lane.abandon();
            log.engine().go_offline(error);
        }
    }
    lane.ended.notify();
}

fn complete(log: &Log, number: u64) {
    if log.engine().check_online().is_err() {
        // Another log's failure: what the device still took in, nobody is told of.
        log.lane().abandon();
        return;
    }
    for reached in log.lane().finish(number) {
        log.complete_flush(&reached);
    }
    log.engine().note_flushed();
}

/// True for one small write.
fn is_small(parts: &[PendingWrites]) -> bool {
    let mut writes = parts.iter().flat_map(|part| &part.writes);
    let first = writes.next();
    first.is_some_and(|(blocks, _)| blocks.len() <= SMALL_WRITE_BYTES_MAX)
        && writes.next().is_none()
        && parts.len() == 1
}

/// Writes what one segment has in memory; durably, where the write is to see to that.
async fn write(log: &Log, part: PendingWrites, durably: bool) -> Result<(), StorageError> {
    if discards(log) {
        return Ok(());
    }
    let segment = &part.segment;
    let file = segment.file(log.engine().core()).await?;
    if segment.allocated.get() < part.end {
        make_room(log, segment, part.end).await?;
    }
    let writes = part.writes.into_iter();
    let file = &file;
    let writes = writes.map(|(blocks, position)| async move {
        match durably {
            true => file.write_durably(blocks, position).await,
            false => file.write_blocks(blocks, position).await,
        }
    });
    for result in join_all(writes).await {
        result?;
    }
    Ok(())
}

/// Makes the file large enough. Where the disk is full this waits: nothing of the flush was
/// written yet, and nothing of it is acknowledged before there is room.
async fn make_room(log: &Log, segment: &Segment, end: u64) -> Result<(), StorageError> {
    loop {
        match log.grow(segment, end).await {
            // Who closes the log does not wait for room: nothing of this was acknowledged.
            Err(error) if error.is_no_room() && !log.shared.closing.get() => {
                log.engine().wait_for_room().await?;
            }
            grown => return grown,
        }
    }
}

/// What the node itself writes is needed even where nothing else is kept.
fn discards(log: &Log) -> bool {
    planted!(log.engine().planted(), DiscardBytes) && !log.partition().topic.starts_with("__")
}

/// Waits until what was written is on the device, and can be found there.
async fn make_durable(
    log: &Log,
    segments: &[Rc<Segment>],
    entry_pending: bool,
) -> Result<(), StorageError> {
    if discards(log) {
        return Ok(());
    }
    let core = log.engine().core();
    let flushes = segments.iter().map(|segment| async move {
        let file = segment.file(core).await?;
        file.flush().await?;
        Ok(())
    });
    for result in join_all(flushes).await {
        let result: Result<(), StorageError> = result;
        result?;
    }
    if entry_pending && !planted!(log.engine().planted(), SkipDirectorySync) {
        // Before the first acknowledgement in a new segment its name must be durable.
        core.sync_dir(&log.dir()).await?;
    }
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
