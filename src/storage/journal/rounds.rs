//! Frame after frame, while logs wait for one.
//!
//! Invariants: a log is in the queue at most once, and its lane writes nothing else meanwhile; what
//! finds no place in the journal goes to its segment at once.

use std::cell::Cell;
use std::rc::Rc;

use base::TopicPartition;
use reactor::Buffer;

use super::files::Half;
use super::frame::{FrameBuilder, HEADER_BYTES, Target};
use crate::engine::Engine;
use crate::error::StorageError;
use crate::flusher;
use crate::log::Log;
use crate::planted::planted;
use crate::state::{FlushReached, JournalJob};

/// What waits for a frame.
pub(super) enum Item {
    /// A log whose lane has nothing else to write.
    Log(Log),
    /// A partition whose earlier entries are to count no more; set when that is durable.
    Void(TopicPartition, Rc<Cell<bool>>),
}

/// What one frame makes durable.
#[derive(Default)]
struct Round {
    builder: FrameBuilder,
    logs: Vec<(Log, FlushReached)>,
    voids: Vec<(TopicPartition, Rc<Cell<bool>>)>,
}

/// Lets logs, whose lanes are theirs, go with the next frame.
pub(crate) fn enqueue(engine: &Engine, logs: Vec<Log>) {
    let items = logs.into_iter().map(Item::Log);
    engine.journal().queue.borrow_mut().extend(items);
    start(engine);
}

/// Sees to it that somebody writes what is in the queue.
pub(super) fn start(engine: &Engine) {
    if !engine.journal().running.replace(true) {
        engine.core().spawn(work_off(engine.clone()));
    }
}

/// Writes frames until the queue is empty.
async fn work_off(engine: Engine) {
    let journal = engine.journal();
    loop {
        let changed = journal.changed.wait();
        if engine.check_online().is_err() {
            give_up(&engine);
            break;
        }
        let mut place = journal.place(&engine);
        if place.is_none() {
            // No room before a half is free again: logs do not wait for that.
            if !send_logs_away(&engine) {
                break;
            }
            place = journal.place_for_voids();
        }
        let Some(half) = place else {
            changed.await;
            continue;
        };
        let round = gather(&engine, &half);
        if round.builder.is_empty() {
            break;
        }
        write(&engine, &half, round).await;
    }
    journal.running.set(false);
}

/// Lets all logs of the queue go to their segments; whether anything else is in it.
fn send_logs_away(engine: &Engine) -> bool {
    let queue = &engine.journal().queue;
    let items = std::mem::take(&mut *queue.borrow_mut());
    for item in items {
        match item {
            Item::Log(log) => flusher::go_direct(log),
            void @ Item::Void(..) => queue.borrow_mut().push_back(void),
        }
    }
    !queue.borrow().is_empty()
}

/// Nothing will be acknowledged any more.
fn give_up(engine: &Engine) {
    let items = std::mem::take(&mut *engine.journal().queue.borrow_mut());
    for item in items {
        if let Item::Log(log) = item {
            flusher::release(&log);
        }
    }
    engine.journal().changed.notify();
}

/// Takes from the queue what fits into one frame.
fn gather(engine: &Engine, half: &Half) -> Round {
    let journal = engine.journal();
    let limits = journal.limits();
    let room = half.frame_room(&limits);
    let mut round = Round::default();
    loop {
        let mut queue = journal.queue.borrow_mut();
        let (name_len, len) = match queue.front() {
            None => return round,
            Some(Item::Log(log)) => (log.partition().topic.len(), limits.entry_bytes_max),
            Some(Item::Void(partition, _)) => (partition.topic.len(), 0),
        };
        if round.builder.len() + FrameBuilder::entry_bytes(name_len, len) > room {
            return round;
        }
        let next = queue.pop_front();
        drop(queue);
        match next {
            None => return round,
            Some(Item::Void(partition, done)) => {
                round.builder.push_void(&partition);
                round.voids.push((partition, done));
            }
            Some(Item::Log(log)) => match flusher::take_for_journal(&log, &limits) {
                None => flusher::go_direct(log),
                Some(JournalJob {
                    topic_id,
                    base,
                    position,
                    pieces,
                    reached,
                }) => {
                    let target = Target {
                        topic_id,
                        base,
                        position,
                    };
                    round.builder.push_batches(log.partition(), target, &pieces);
                    half.note_debtor(&log);
                    round.logs.push((log, reached));
                }
            },
        }
    }
}

/// Writes one frame and tells everyone who is in it.
async fn write(engine: &Engine, half: &Half, mut round: Round) {
    let journal = engine.journal();
    let counters = engine.counters();
    counters.flushes_begun.increment();
    let begun = engine.core().now();
    let turn = (half.generation.get(), half.frames.get());
    let frame = round.builder.finish(half.salt, turn);
    assert!(frame.len() > HEADER_BYTES, "a frame has an entry");
    let buffer = journal.memory.take(frame.len()).await;
    let too_early = planted!(engine.planted(), JournalAckEarly);
    if too_early {
        complete(std::mem::take(&mut round.logs));
    }
    let written = write_frame(half, buffer, &frame).await;
    counters
        .flush_duration
        .record(engine.core().now().saturating_sub(begun));
    counters.flushes_ended.increment();
    match written {
        Ok(len) => {
            half.note_frame(len, engine.core().now());
            counters.journal_frames.increment();
            counters.journal_bytes.add(len);
            complete(round.logs);
            let any_void = !round.voids.is_empty();
            round.voids.iter().for_each(|(_, done)| done.set(true));
            if any_void {
                journal.changed.notify();
            }
        }
        Err(error) if error.is_no_room() => {
            // Its blocks were taken beforehand; where a file system needs more all the same, the
            // next frame comes to the same place.
            for (log, _) in round.logs {
                flusher::go_direct(log);
            }
            let voids = round.voids.into_iter();
            let voids = voids.map(|(partition, done)| Item::Void(partition, done));
            let any_void = voids.len() > 0;
            journal.queue.borrow_mut().extend(voids);
            if any_void {
                drop(engine.wait_for_room().await);
            }
        }
        Err(error) => {
            round.logs.iter().for_each(|(log, _)| flusher::release(log));
            engine.go_offline(error);
        }
    }
}

/// The bytes that the frame takes in the file.
async fn write_frame(half: &Half, mut buffer: Buffer, frame: &[u8]) -> Result<u64, StorageError> {
    buffer.append(frame);
    let blocks = buffer.blocks(0..frame.len());
    let len = blocks.len() as u64;
    half.file.write_durably(blocks, half.end.get()).await?;
    Ok(len)
}

fn complete(logs: Vec<(Log, FlushReached)>) {
    for (log, reached) in logs {
        flusher::complete_journaled(&log, reached);
    }
}
