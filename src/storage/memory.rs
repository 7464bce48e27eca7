//! Memory for the ends of logs: who gets it, and who gives it back when there is too little.
//!
//! Ten thousand logs that trickle have a block each and make no chunk full; a hot one fills chunk
//! after chunk. So both are asked to give back, and neither by looking at all the others.
//!
//! Invariants: whoever waits for memory has taken none for its batch, but for the one whose turn it
//! is, so no two wait for each other's half; memory is given back only when all of it is in its
//! segment's file on the device.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::time::Duration;

use base::{BLOCK_SIZE, usize_from_u64};
use reactor::{Buffer, Bytes, First, first};

use crate::engine::Engine;
use crate::error::{Fault, StorageError};
use crate::log::{Log, LogShared};

/// How many logs that were appended to since the last look are passed over for one chunk.
const SPARED_MAX: usize = 32;
/// How many logs are made to flush before one waits for them.
const PRESSED_MAX: usize = 64;
/// The richest is looked for among so many.
const SAMPLE: usize = 64;

/// The logs of an engine that hold memory, and those that hold more than they append to.
#[derive(Default)]
pub(crate) struct Holders {
    /// Asked in turn; who gives back leaves.
    circle: RefCell<VecDeque<Holder>>,
    /// Logs with more than one chunk, of which the older ones are read at most.
    rich: RefCell<VecDeque<Weak<LogShared>>>,
}

struct Holder {
    log: Weak<LogShared>,
    /// When it was appended to last, at the last look.
    appended: Duration,
}

/// Where a log is known as a holder.
#[derive(Default)]
pub(crate) struct Holding {
    in_circle: Cell<bool>,
    is_rich: Cell<bool>,
    /// It waits for its turn; who holds its append gate does nothing else.
    is_waiting: Cell<bool>,
}

/// A log waits for its turn, until this is dropped.
struct Waiting<'log>(&'log Cell<bool>);

impl<'log> Waiting<'log> {
    fn begin(holding: &'log Holding) -> Self {
        let was_waiting = holding.is_waiting.replace(true);
        assert!(!was_waiting, "one task at a time appends");
        Self(&holding.is_waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// What a log needs before a batch can be copied in.
struct Lack {
    /// The beginning of its last block, where that is not in memory.
    prefix: Bytes,
    /// How much memory, with the prefix's.
    bytes: usize,
}

impl Holders {
    fn note(&self, log: &Log) {
        let held = &log.shared.holding;
        if !held.in_circle.replace(true) {
            self.circle.borrow_mut().push_back(Holder {
                log: Rc::downgrade(&log.shared),
                appended: log.shared.state.borrow().appended_last,
            });
        }
        if log.chunk_count() > 1 && !held.is_rich.replace(true) {
            self.rich.borrow_mut().push_back(Rc::downgrade(&log.shared));
        }
    }

    /// Forgets logs that are no more.
    pub(crate) fn forget_gone(&self) {
        let is_there = |log: &Weak<LogShared>| log.strong_count() > 0;
        self.circle
            .borrow_mut()
            .retain(|holder| is_there(&holder.log));
        self.rich.borrow_mut().retain(is_there);
    }

    /// Takes a chunk from the log with the most that is flushed and no longer appended to, of some;
    /// false when none has any.
    fn take_from_the_rich(&self) -> bool {
        let mut rich = self.rich.borrow_mut();
        let mut best: Option<(usize, Log)> = None;
        for looked in 0..rich.len() {
            if looked >= SAMPLE && best.is_some() {
                break;
            }
            let Some(weak) = rich.pop_front() else {
                break;
            };
            let Some(log) = weak.upgrade().map(Log::from_shared) else {
                continue;
            };
            if log.chunk_count() < 2 {
                log.shared.holding.is_rich.set(false);
                continue;
            }
            rich.push_back(weak);
            let evictable = log.shared.state.borrow().tail.evictable();
            if evictable > best.as_ref().map_or(0, |(most, _)| *most) {
                best = Some((evictable, log));
            }
        }
        best.is_some_and(|(_, log)| log.shared.state.borrow_mut().tail.evict_oldest())
    }

    /// Takes all memory of one log that nobody appends to; makes those flush that would have to
    /// first. False when none could give any back now.
    fn take_from_the_idle(&self) -> bool {
        let (mut spared, mut pressed) = (0, 0);
        // Twice around, since those that are spared have their turn again.
        let looks = 2 * self.circle.borrow().len();
        for _ in 0..looks {
            let next = self.circle.borrow_mut().pop_front();
            let Some(Holder {
                log: weak,
                appended,
            }) = next
            else {
                return false;
            };
            let Some(log) = weak.upgrade().map(Log::from_shared) else {
                continue;
            };
            let appended_last = log.shared.state.borrow().appended_last;
            let is_spared = appended_last != appended && spared < SPARED_MAX;
            if is_spared {
                spared += 1;
            } else if log.evict_all() {
                log.shared.holding.in_circle.set(false);
                return true;
            } else if log.settle_soon() {
                pressed += 1;
            }
            self.circle.borrow_mut().push_back(Holder {
                log: weak,
                appended: appended_last,
            });
            if pressed >= PRESSED_MAX {
                return false;
            }
        }
        false
    }
}

impl Engine {
    /// A chunk of `capacity` bytes, if there is one or hot tails can give way to it.
    fn take_chunk_now(&self, capacity: usize) -> Option<Buffer> {
        loop {
            if let Some(buffer) = self.chunks().try_take(capacity) {
                return Some(buffer);
            }
            let holders = self.holders();
            if !holders.take_from_the_rich() && !holders.take_from_the_idle() {
                return None;
            }
        }
    }

    /// The same, and waits where all memory is in use. Only for whoever has the turn.
    ///
    /// # Errors
    /// When the directory goes offline meanwhile, since nothing is flushed any more then.
    async fn take_chunk(&self, capacity: usize) -> Result<Buffer, StorageError> {
        loop {
            self.check_online()?;
            let flushed = self.flushed();
            if let Some(buffer) = self.take_chunk_now(capacity) {
                return Ok(buffer);
            }
            let pool = self.chunks().take(capacity);
            if let First::Left(buffer) = first(pool, flushed).await {
                return Ok(buffer);
            }
        }
    }
}

impl Log {
    /// Whether a batch of `len` bytes finds memory.
    pub(crate) fn has_memory(&self, len: usize) -> bool {
        let state = self.shared.state.borrow();
        let active = state.active();
        !state.tail.needs_prefix(&active) && state.tail.room(&active) >= len
    }

    /// Takes what a batch of `len` bytes needs; the caller keeps others from appending.
    ///
    /// # Errors
    /// When the batch is too large for any memory, or the directory goes offline meanwhile.
    pub(crate) async fn gather_memory(&self, len: usize) -> Result<(), StorageError> {
        let bytes_max = self.engine().chunks().limit() / 2;
        if len > bytes_max {
            return Err(StorageError::TooLarge {
                bytes: len,
                bytes_max,
            });
        }
        let lack = self.look_at_memory(len).await?;
        if let Some(buffers) = self.take_at_once(lack.bytes) {
            self.put_aside(buffers, &lack.prefix);
            return Ok(());
        }
        let turn = {
            // What this log holds is for others to take meanwhile.
            let _waiting = Waiting::begin(&self.shared.holding);
            self.engine().memory_gate().enter().await
        };
        let lack = self.look_at_memory(len).await?;
        let buffers = self.take_in_turn(lack.bytes).await?;
        drop(turn);
        self.check_open()?;
        self.put_aside(buffers, &lack.prefix);
        Ok(())
    }

    /// What a batch of `len` bytes lacks.
    async fn look_at_memory(&self, len: usize) -> Result<Lack, StorageError> {
        self.check_open()?;
        let prefix = self.last_block_prefix().await?;
        let state = self.shared.state.borrow();
        let active = state.active();
        let bytes = (len + prefix.len()).saturating_sub(state.tail.room(&active));
        // The block's beginning needs a chunk of its own, whatever was put aside before.
        let least = usize::from(state.tail.needs_prefix(&active));
        Ok(Lack {
            prefix,
            bytes: bytes.max(least),
        })
    }

    fn take_at_once(&self, needed: usize) -> Option<Vec<Buffer>> {
        let (mut buffers, mut rest) = (Vec::new(), needed);
        while rest > 0 {
            let buffer = self.engine().take_chunk_now(self.next_chunk_bytes(rest))?;
            rest = rest.saturating_sub(buffer.capacity());
            buffers.push(buffer);
        }
        Some(buffers)
    }

    async fn take_in_turn(&self, needed: usize) -> Result<Vec<Buffer>, StorageError> {
        let (mut buffers, mut rest) = (Vec::new(), needed);
        while rest > 0 {
            let bytes = self.next_chunk_bytes(rest);
            let buffer = self.engine().take_chunk(bytes).await?;
            rest = rest.saturating_sub(buffer.capacity());
            buffers.push(buffer);
            self.check_open()?;
        }
        Ok(buffers)
    }

    fn next_chunk_bytes(&self, needed: usize) -> usize {
        let now = self.engine().core().now();
        let budget = self.engine().chunks().limit();
        let mut state = self.shared.state.borrow_mut();
        state.next_chunk_bytes(now, needed, budget)
    }

    fn put_aside(&self, buffers: Vec<Buffer>, prefix: &[u8]) {
        {
            let mut state = self.shared.state.borrow_mut();
            let active = state.active();
            let mut buffers = buffers.into_iter();
            if state.tail.needs_prefix(&active)
                && let Some(buffer) = buffers.next()
            {
                state.tail.begin_with_prefix(&active, buffer, prefix);
            }
            buffers.for_each(|buffer| state.tail.put_aside(buffer));
        }
        self.engine().holders().note(self);
    }

    /// The beginning of the last block, where its memory was given back; empty where it is there.
    async fn last_block_prefix(&self) -> Result<Bytes, StorageError> {
        let (active, needed) = {
            let state = self.shared.state.borrow();
            let active = state.active();
            let needed = state.tail.needs_prefix(&active);
            (active, needed)
        };
        if !needed {
            return Ok(Bytes::default());
        }
        let len = active.len.get();
        let start = len - len % BLOCK_SIZE as u64;
        let file = active.file(self.engine().core()).await?;
        let prefix = file.read_at(start, usize_from_u64(len - start)).await?;
        if prefix.len() as u64 != len - start {
            return Err(StorageError::Corrupt {
                path: file.path().to_path_buf(),
                position: start,
                offset: active.next_offset.get(),
                fault: Fault::Missing,
            });
        }
        Ok(prefix)
    }

    fn chunk_count(&self) -> usize {
        self.shared.state.borrow().tail.chunk_count()
    }

    /// Gives all memory back, where nobody appends and all of it is on the device.
    pub(crate) fn evict_all(&self) -> bool {
        let alone = self.append_gate().try_enter();
        if alone.is_none() && !self.shared.holding.is_waiting.get() {
            return false;
        }
        let mut state = self.shared.state.borrow_mut();
        state.durable.offset == state.end && state.tail.evict_all()
    }

    /// Sees to it that what is in memory gets into the segments; false when all of it is there.
    fn settle_soon(&self) -> bool {
        let is_dirty = {
            let state = self.shared.state.borrow();
            (state.durable.offset < state.end || state.debt.is_owed()) && !state.closed
        };
        if is_dirty {
            self.flush_soon();
            self.write_back_soon();
        }
        is_dirty
    }
}
