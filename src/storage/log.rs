//! One partition's log: the handle that partitions hold, and its way of appending.
//!
//! An append is two steps. [`Log::reserve`] sees to it that the active segment and the memory at
//! hand take the batch; it waits only where a segment has to be begun or memory is exhausted.
//! [`Log::append`] then copies the batch and cannot wait or fail, so that whoever decides on
//! offsets can do so in the same breath.
//!
//! Invariants: one task at a time is between the two steps, kept by the gate; no borrow of the
//! state is held across an await.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Duration;

use base::{LeaderEpoch, Offset, Timestamp, TopicPartition, Uuid, usize_from_u32};
use batch::{BatchView, HEADER_BYTES, TimestampType, next_batch};
use reactor::Signal;

use crate::engine::{Engine, LogCheckpoint};
use crate::error::StorageError;
use crate::flusher::{self, Lane};
use crate::gate::{Gate, GateGuard};
use crate::index::IndexedBatch;
use crate::journal::Debt;
use crate::layout::INDEX_ENTRY_BYTES;
use crate::memory::Holding;
use crate::options::{FlushPolicy, JournalLimits, LogConfig};
use crate::segment::{Segment, Stage};
use crate::state::{FlushJob, FlushReached, JournalJob, LogState};

/// One partition's log. Cheap to clone; clones share the log.
#[derive(Clone)]
pub struct Log {
    pub(crate) shared: Rc<LogShared>,
}

pub(crate) struct LogShared {
    pub(crate) engine: Engine,
    partition: TopicPartition,
    dir: RefCell<PathBuf>,
    pub(crate) state: RefCell<LogState>,
    /// Notified when the durable end moves or the log cannot go on.
    durable: Signal,
    /// Held by whoever appends or cuts.
    appends: Gate,
    /// Held by whoever takes segments out of the log or replaces them; entered after `appends`.
    structure: Gate,
    lane: Lane,
    /// What only the journal has.
    pub(crate) debt: Rc<Debt>,
    /// For the journal; nothing before it was needed.
    topic_id: Cell<Option<Uuid>>,
    /// Whether a start finds the log under its partition's name.
    pub(crate) is_home: bool,
    /// True once the log is being closed, so that long background work gives up.
    pub(crate) closing: Cell<bool>,
    /// How many copies of it grow in other directories: it is not compacted meanwhile.
    pub(crate) copies: Cell<u32>,
    /// Notified when a background task has changed a file's size.
    pub(crate) grown: Signal,
    listener: RefCell<Option<Weak<dyn LogListener>>>,
    pub(crate) holding: Holding,
}

impl LogShared {
    pub(crate) fn partition(&self) -> &TopicPartition {
        &self.partition
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Log({})", self.partition())
    }
}

/// Who is told, on the same core and without waiting, of what happens to a log.
pub trait LogListener {
    /// Everything below `end` is on the device.
    fn handle_durable(&self, end: Offset);
    /// A segment begins at `base`, before its first batch: the moment for a producer snapshot.
    fn handle_roll(&self, base: Offset);
    /// Nothing more becomes durable.
    fn handle_offline(&self, error: &StorageError);
}

/// What the log is told of a batch before it comes.
#[derive(Clone, Copy, Debug)]
pub struct BatchShape {
    /// Its bytes.
    pub len: usize,
    /// How many offsets it takes.
    pub offset_count: u32,
    /// Its greatest timestamp, as it will be in the log.
    pub max_timestamp: Timestamp,
}

/// What is written over a batch's header when it is appended.
#[derive(Clone, Copy, Debug)]
pub enum Stamp {
    /// The batch comes from a producer.
    Leader {
        /// The offset of its first record: the log's end.
        base_offset: Offset,
        /// The epoch of this leader.
        leader_epoch: LeaderEpoch,
        /// Another timestamp type and greatest timestamp than the header's, where needed.
        timestamps: Option<(TimestampType, Timestamp)>,
    },
    /// The batch comes from a leader, stamped; its offset is not below the log's end.
    AsIs,
}

/// Where a batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// The offset behind its last record.
    pub next_offset: Offset,
}

/// The right to append, from [`Log::reserve`].
pub struct Reservation {
    _alone: GateGuard,
    shape: BatchShape,
}

impl Log {
    pub(crate) fn new(
        engine: &Engine,
        partition: TopicPartition,
        dir: PathBuf,
        state: LogState,
    ) -> Self {
        state.check();
        state.debt.note_earlier(engine.journal().generation());
        let is_home = dir == engine.dir().join(partition.to_string());
        let log = Self {
            shared: Rc::new(LogShared {
                engine: engine.clone(),
                partition,
                debt: Rc::clone(&state.debt),
                topic_id: Cell::new(None),
                is_home,
                dir: RefCell::new(dir),
                state: RefCell::new(state),
                durable: Signal::new(),
                appends: Gate::default(),
                structure: Gate::default(),
                lane: Lane::default(),
                closing: Cell::new(false),
                copies: Cell::new(0),
                grown: Signal::new(),
                listener: RefCell::new(None),
                holding: Holding::default(),
            }),
        };
        engine.register(&log.shared);
        log
    }

    pub(crate) fn from_shared(shared: Rc<LogShared>) -> Self {
        Self { shared }
    }

    /// Names who is told of what happens.
    pub fn set_listener(&self, listener: Weak<dyn LogListener>) {
        *self.shared.listener.borrow_mut() = Some(listener);
    }

    fn listener(&self) -> Option<Rc<dyn LogListener>> {
        self.shared
            .listener
            .borrow()
            .as_ref()
            .and_then(Weak::upgrade)
    }

    /// Changes what the log was told about itself; counts from the next append on.
    pub fn configure(&self, config: LogConfig) {
        self.shared.state.borrow_mut().config = config;
    }

    /// The engine that the log belongs to.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// Which partition's log this is.
    #[must_use]
    pub fn partition(&self) -> &TopicPartition {
        &self.shared.partition
    }

    /// The log's directory.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.shared.dir.borrow().clone()
    }

    pub(crate) fn set_dir(&self, dir: PathBuf) {
        *self.shared.dir.borrow_mut() = dir;
    }

    /// The first offset that can be read.
    #[must_use]
    pub fn log_start(&self) -> Offset {
        self.shared.state.borrow().log_start
    }

    /// The offset that the next record gets.
    #[must_use]
    pub fn log_end(&self) -> Offset {
        self.shared.state.borrow().end
    }

    /// Up to where everything is on the device.
    #[must_use]
    pub fn durable_end(&self) -> Offset {
        self.shared.state.borrow().durable.offset
    }

    /// Bytes of all segments.
    #[must_use]
    pub fn size(&self) -> u64 {
        let state = self.shared.state.borrow();
        state
            .segments
            .values()
            .map(|segment| segment.len.get())
            .sum()
    }

    /// Bytes of memory that the hot tail holds.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.shared.state.borrow().tail.memory()
    }

    /// Whether the log can be used.
    ///
    /// # Errors
    /// When it was closed or its directory went offline, or the node has stopped: what was opened
    /// too late to be closed must not write to a directory that is marked clean.
    pub fn check_open(&self) -> Result<(), StorageError> {
        self.engine().check_online()?;
        if self.shared.state.borrow().closed || self.engine().is_stopped() {
            return Err(StorageError::Closed);
        }
        Ok(())
    }

    /// Makes sure that a batch of this shape can be appended, and keeps others out until the
    /// reservation is dropped. Callers are served in the order of their calls, and may go away.
    ///
    /// # Errors
    /// When the log is closed or offline, or no memory could ever hold the batch.
    pub async fn reserve(&self, shape: BatchShape) -> Result<Reservation, StorageError> {
        let mut alone = self.shared.appends.enter().await;
        self.check_open()?;
        if self.needs_roll(&shape) {
            alone = self.roll_to_the_end(alone).await?;
        }
        if !self.has_memory(shape.len) {
            self.gather_memory(shape.len).await?;
        }
        assert!(self.has_memory(shape.len), "the reservation is complete");
        Ok(Reservation {
            _alone: alone,
            shape,
        })
    }

    fn needs_roll(&self, shape: &BatchShape) -> bool {
        let state = self.shared.state.borrow();
        let (active, config) = (state.active(), &state.config);
        let len = active.len.get();
        if len == 0 {
            return false;
        }
        let last = state.end.plus(i64::from(shape.offset_count));
        let is_full = len + shape.len as u64 > u64::from(config.segment_bytes)
            || state.aborted.is_full(active.base);
        let is_old = active.roll_from.get().is_some_and(|from| {
            let age = if from.0 >= 0 {
                shape.max_timestamp.0.saturating_sub(from.0)
            } else {
                // Records of clients from before KIP-32 have no time; the segment's own age counts.
                let now = self.engine().core().wall();
                now.0.saturating_sub(active.seen_since(now).0)
            };
            age > config.segment_ms.saturating_sub(active.jitter_ms.get())
        });
        let entries_max = usize_from_u32(config.segment_index_bytes) / INDEX_ENTRY_BYTES;
        let indexes = active.indexes.borrow();
        let index_is_full = indexes
            .as_ref()
            .is_some_and(|indexes| indexes.len() >= entries_max.max(1));
        is_full || is_old || index_is_full || active.relative(last).is_none()
    }

    /// Copies a batch behind the log's end; it is durable once [`Log::wait_durable`] says so.
    ///
    /// # Panics
    /// When the batch is not what was reserved for, or its offsets do not go on from the end.
    pub fn append(&self, batch: &[u8], stamp: &Stamp, reservation: Reservation) -> Appended {
        assert!(
            batch.len() == reservation.shape.len,
            "reserved for another batch"
        );
        let appended = self.copy_in(batch, stamp);
        let (active, grow) = {
            let state = self.shared.state.borrow();
            state.check();
            let active = state.active();
            let ahead = active.allocated.get().saturating_sub(active.len.get());
            let cap = u64::from(state.config.segment_bytes);
            let grow = ahead < state.step / 2 && active.allocated.get() < cap;
            let grow = grow && active.allocated.get() > 0;
            (active, grow)
        };
        if grow && !active.growing.replace(true) {
            self.grow_in_background(active);
        }
        if self.flush_is_due() {
            self.flush_soon();
        }
        drop(reservation);
        appended
    }

    fn copy_in(&self, batch: &[u8], stamp: &Stamp) -> Appended {
        let mut state = self.shared.state.borrow_mut();
        let state = &mut *state;
        let active = state.active();
        let stamped = view_with_stamp(batch, stamp);
        let base_offset = stamped.base_offset;
        let appended = Appended {
            base_offset,
            next_offset: base_offset.plus(i64::from(stamped.offset_count)),
        };
        assert!(appended.base_offset >= state.end, "offsets only rise");
        assert!(
            appended.next_offset > appended.base_offset,
            "a batch takes offsets"
        );
        let position = active.len.get();
        let whole = state.tail.append_whole(&active, batch.len(), |target| {
            target.copy_from_slice(batch);
            stamp_in_place(target, stamp);
        });
        if !whole {
            append_in_pieces(&mut state.tail, &active, &stamped.view, stamp);
        }
        active.len.set(position + batch.len() as u64);
        active.next_offset.set(appended.next_offset);
        state.end = appended.next_offset;
        state.unflushed_records += u64::from(stamped.offset_count);
        let now = self.engine().core().now();
        state.appended_last = now;
        state.unflushed_since.get_or_insert(now);
        note_in_indexes(&active, position, &stamped, state.config);
        appended
    }

    fn flush_is_due(&self) -> bool {
        let state = self.shared.state.borrow();
        match state.config.flush {
            FlushPolicy::AtOnce => true,
            FlushPolicy::Later { messages, .. } => {
                let active = state.active();
                let waiting = active.len.get() - active.flushed.get();
                state.unflushed_records >= messages || waiting > LATER_BYTES_MAX
            }
        }
    }

    /// Makes what waits in memory durable, without waiting for it.
    pub fn flush_soon(&self) {
        let clean = {
            let state = self.shared.state.borrow();
            state.durable.offset == state.end || state.closed
        };
        if !clean {
            flusher::request(self);
        }
    }

    /// Waits until everything below `end` is on the device.
    ///
    /// # Errors
    /// When that will never be, since the directory went offline or the log was closed.
    pub async fn wait_durable(&self, end: Offset) -> Result<(), StorageError> {
        loop {
            if self.durable_end() >= end {
                return Ok(());
            }
            self.check_open()?;
            self.shared.durable.wait().await;
        }
    }

    /// Makes everything durable that was appended so far.
    ///
    /// # Errors
    /// When the directory goes offline meanwhile.
    pub async fn flush(&self) -> Result<(), StorageError> {
        self.flush_soon();
        self.wait_durable(self.log_end()).await
    }

    pub(crate) fn lane(&self) -> &Lane {
        &self.shared.lane
    }

    pub(crate) fn append_gate(&self) -> &Gate {
        &self.shared.appends
    }

    pub(crate) fn structure_gate(&self) -> &Gate {
        &self.shared.structure
    }

    pub(crate) fn begin_flush(&self) -> FlushJob {
        self.shared.state.borrow_mut().begin_flush()
    }

    /// Whether what waits may go through the journal.
    pub(crate) fn fits_journal(&self, limits: &JournalLimits) -> bool {
        let state = self.shared.state.borrow();
        let may = self.shared.is_home && self.shared.topic_id.get().is_some();
        may && !state.closed && state.fits_journal(limits)
    }

    pub(crate) fn begin_journaled(&self, limits: &JournalLimits) -> Option<JournalJob> {
        if !self.fits_journal(limits) {
            return None;
        }
        let topic_id = self.shared.topic_id.get()?;
        let mut state = self.shared.state.borrow_mut();
        state.begin_journaled(topic_id, limits)
    }

    pub(crate) fn set_topic_id(&self, topic_id: Uuid) {
        self.shared.topic_id.set(Some(topic_id));
    }

    /// Finds the topic's id out, so that the journal can tell this log from others of its name.
    pub(crate) async fn learn_topic_id(&self) {
        if !self.shared.is_home || self.shared.topic_id.get().is_some() {
            return;
        }
        let engine = self.engine();
        // A log whose id cannot be read goes without the journal.
        if let Ok(id) = Self::topic_id(engine.core(), engine.dir(), self.partition()).await {
            self.set_topic_id(id);
        }
    }

    pub(crate) fn complete_flush(&self, reached: &FlushReached) {
        let (moved, end, sealing) = {
            let mut state = self.shared.state.borrow_mut();
            let moved = state.complete_flush(reached);
            let sealing: Vec<Rc<Segment>> = state
                .segments
                .values()
                .rev()
                .take_while(|segment| segment.stage.get() != Stage::Sealed)
                .filter(|segment| {
                    segment.stage.get() == Stage::Sealing
                        && segment.flushed.get() == segment.len.get()
                })
                .cloned()
                .collect();
            (moved, state.durable.offset, sealing)
        };
        for segment in sealing {
            self.seal_in_background(segment);
        }
        if moved {
            self.shared.durable.notify();
            if let Some(listener) = self.listener() {
                listener.handle_durable(end);
            }
        }
    }

    pub(crate) fn handle_offline(&self, error: &StorageError) {
        self.shared.durable.notify();
        if let Some(listener) = self.listener() {
            listener.handle_offline(error);
        }
    }

    pub(crate) fn handle_roll(&self, base: Offset) {
        if let Some(listener) = self.listener() {
            listener.handle_roll(base);
        }
    }

    /// Tells everyone who waits that nothing more will come.
    pub(crate) fn close_now(&self) {
        self.shared.closing.set(true);
        self.shared.state.borrow_mut().closed = true;
        self.shared.debt.release();
        self.shared.durable.notify();
        self.engine().unregister(self.partition());
    }

    /// Makes a delayed flush, gives back the memory of an idle log.
    pub(crate) fn maintain(&self, now: Duration, idle_after: Duration) {
        let due = {
            let state = self.shared.state.borrow();
            match (state.config.flush, state.unflushed_since) {
                (FlushPolicy::Later { after, .. }, Some(since)) => {
                    now.saturating_sub(since) >= after
                }
                _ => false,
            }
        };
        if due {
            self.flush_soon();
        }
        if now.saturating_sub(self.shared.state.borrow().appended_last) >= idle_after {
            self.evict_all();
        }
    }

    /// What is to be remembered of this log between two starts.
    #[must_use]
    pub fn checkpoint(&self) -> LogCheckpoint {
        let state = self.shared.state.borrow();
        // A segment that is not yet cut to size has to be read again after a crash.
        let unsealed = state
            .segments
            .values()
            .find(|segment| segment.stage.get() == Stage::Sealing);
        // Kafka's programs know nothing of the journal, so what only that has does not count.
        let settled = state.debt.settled().min(state.durable.offset);
        let recovery_point = unsealed.map_or(settled, |segment| segment.base);
        LogCheckpoint {
            recovery_point: recovery_point.min(settled),
            log_start: state.log_start,
            cleaned: state.standing.cleaned,
        }
    }
}

/// With a delayed flush, no more than this waits in memory.
const LATER_BYTES_MAX: u64 = 4 << 20;

/// See [`view_with_stamp`].
struct Stamped<'a> {
    view: BatchView<'a>,
    base_offset: Offset,
    offset_count: u32,
    max_timestamp: Timestamp,
}

fn stamp_in_place(target: &mut [u8], stamp: &Stamp) {
    if let Stamp::Leader {
        base_offset,
        leader_epoch,
        timestamps,
    } = stamp
    {
        batch::stamp(target, *base_offset, *leader_epoch);
        if let Some((timestamp_type, max)) = timestamps {
            batch::stamp_timestamps(target, *timestamp_type, *max);
        }
    }
}

/// What the appender needs of a batch that is stamped while it is copied.
fn view_with_stamp<'a>(batch: &'a [u8], stamp: &Stamp) -> Stamped<'a> {
    let whole = next_batch(batch).ok().flatten();
    #[expect(clippy::expect_used, reason = "callers validate before they append")]
    let (view, rest) = whole.expect("only whole batches are appended");
    assert!(rest.is_empty(), "one batch at a time");
    let (base_offset, max_timestamp) = match stamp {
        Stamp::AsIs => (view.base_offset(), view.max_timestamp()),
        Stamp::Leader {
            base_offset,
            timestamps,
            ..
        } => {
            let max = timestamps.map_or(view.max_timestamp(), |(_, max)| max);
            (*base_offset, max)
        }
    };
    let offset_count = u32::try_from(i64::from(view.last_offset_delta()) + 1).unwrap_or(0);
    Stamped {
        view,
        base_offset,
        offset_count,
        max_timestamp,
    }
}

/// Copies a batch that does not fit into one chunk.
fn append_in_pieces(
    tail: &mut crate::tail::Tail,
    active: &Rc<Segment>,
    view: &BatchView<'_>,
    stamp: &Stamp,
) {
    let position = active.len.get();
    if let Stamp::Leader {
        timestamps: Some(_),
        ..
    } = stamp
    {
        // The checksum changes with the timestamps, and is computed over one piece of memory.
        let mut copy = view.bytes().to_vec();
        stamp_in_place(&mut copy, stamp);
        tail.append_across(active, position, &copy);
        return;
    }
    let mut header = [0; HEADER_BYTES];
    let source = view.bytes().first_chunk::<HEADER_BYTES>();
    header = source.map_or(header, |source| *source);
    stamp_in_place(&mut header, stamp);
    tail.append_across(active, position, &header);
    tail.append_across(active, position + HEADER_BYTES as u64, view.body());
}

fn note_in_indexes(active: &Rc<Segment>, position: u64, stamped: &Stamped<'_>, config: LogConfig) {
    let last = Offset(active.next_offset.get().0 - 1);
    let relative = active.relative(last);
    assert!(
        relative.is_some(),
        "a segment is rolled before its offsets overflow"
    );
    let batch = IndexedBatch {
        relative_last_offset: relative.unwrap_or(0),
        position: u32::try_from(position).unwrap_or(u32::MAX),
        len: stamped.view.len(),
        max_timestamp: stamped.max_timestamp,
    };
    let mut indexes = active.indexes.borrow_mut();
    assert!(
        indexes.is_some(),
        "the active segment's indexes are in memory"
    );
    if let Some(indexes) = indexes.as_mut() {
        indexes.append(&batch, config.index_interval_bytes);
    }
    if active.roll_from.get().is_none() {
        active.roll_from.set(Some(stamped.max_timestamp));
    }
}
