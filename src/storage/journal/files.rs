//! The two files of an engine's journal, filled in turn, and the writing back in between.
//!
//! Lifecycle: made when a crowd of logs first has something to flush; a half is *filled* until it is
//! full or old, then *drained*: every log with a debt in it is written back, a few dozen at a time;
//! then it is *free* for the next turn. Both are removed by an orderly stop or at the next start.
//!
//! Invariants: there are never more than two files of fixed size; a half that cannot be drained is
//! never filled again, and flushes go the direct way then, as they do while there is no room; the
//! end of a half is for voids alone, so that these wait for no log.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Duration;

use base::{BLOCK_SIZE, TopicPartition, usize_from_u64};
use reactor::{File, OpenMode, Pool, Signal};

use super::debt::Debt;
use super::frame::{FRAME_BYTES_MAX, FRAMES_FROM, FrameBuilder, HEADER_BYTES, Salt};
use super::rounds::{self, Item};
use crate::disk::DiskLevel;
use crate::engine::Engine;
use crate::error::StorageError;
use crate::flusher::join_all;
use crate::layout;
use crate::log::{Log, LogShared};
use crate::options::JournalLimits;
use crate::planted::planted;

/// How many logs are written back at the same time: enough for the flusher to take it for a crowd,
/// few enough to leave the device to those who wait for an answer.
const PAYERS: usize = 32;
/// A journal for which there was no room is tried again after so long.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// So much of a half is for voids alone.
const VOIDS_BYTES: usize = 4 * BLOCK_SIZE;
/// The longest name that a topic's directory allows.
const NAME_BYTES_MAX: usize = 255;

/// Whether the files are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not yet; not before this moment.
    Absent(Duration),
    /// They are being made.
    Beginning,
    Ready,
    /// Something is wrong with them: the direct way always works.
    Off,
}

/// Where a half is in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Free,
    Filled,
    Drained,
}

/// A log with entries in a half.
#[derive(Clone)]
struct Debtor {
    log: Weak<LogShared>,
    debt: Rc<Debt>,
}

/// One of the two files.
pub(super) struct Half {
    pub(super) file: File,
    pub(super) salt: Salt,
    turn: Cell<Turn>,
    pub(super) generation: Cell<u64>,
    /// Where the next frame goes.
    pub(super) end: Cell<u64>,
    /// How many frames this generation has.
    pub(super) frames: Cell<u64>,
    /// When the first of them came.
    since: Cell<Duration>,
    debtors: RefCell<Vec<Debtor>>,
}

/// See the module's head.
pub(crate) struct Journal {
    limits: Cell<JournalLimits>,
    stage: Cell<Stage>,
    halves: RefCell<Vec<Rc<Half>>>,
    /// Which half is filled.
    current: Cell<usize>,
    pub(super) queue: RefCell<VecDeque<Item>>,
    /// Logs that were taken away, and the last generation that may have something of each.
    left: RefCell<BTreeMap<TopicPartition, u64>>,
    /// True while a task writes frames.
    pub(super) running: Cell<bool>,
    /// Notified when a half is free, a void durable, or nothing can be written any more.
    pub(super) changed: Signal,
    /// The memory of the frame that is being written.
    pub(super) memory: Pool,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            limits: Cell::default(),
            stage: Cell::new(Stage::Absent(Duration::ZERO)),
            halves: RefCell::default(),
            current: Cell::new(0),
            queue: RefCell::default(),
            left: RefCell::default(),
            running: Cell::new(false),
            changed: Signal::new(),
            memory: Pool::new(2 * FRAME_BYTES_MAX),
        }
    }
}

impl Half {
    /// Whether the largest entry fits.
    fn has_room(&self, limits: &JournalLimits) -> bool {
        self.room(limits) >= largest_frame(limits)
    }

    fn left(&self, limits: &JournalLimits) -> usize {
        usize_from_u64(limits.file_bytes.saturating_sub(self.end.get()))
    }

    /// How long a frame may be that has more than voids.
    fn room(&self, limits: &JournalLimits) -> usize {
        let left = self.left(limits).saturating_sub(VOIDS_BYTES);
        left.min(FRAME_BYTES_MAX)
    }

    /// How long the next frame may be.
    pub(super) fn frame_room(&self, limits: &JournalLimits) -> usize {
        if self.has_room(limits) {
            return self.room(limits);
        }
        self.left(limits).min(BLOCK_SIZE)
    }

    /// The oldest generation of which the file may have entries that count: before the first frame
    /// of a turn is durable, those of the half's turn before.
    fn oldest_generation(&self) -> u64 {
        let generation = self.generation.get();
        if self.frames.get() == 0 {
            generation.saturating_sub(2)
        } else {
            generation
        }
    }

    /// Notes a frame of `len` bytes, as far as it reaches in the file.
    pub(super) fn note_frame(&self, len: u64, now: Duration) {
        if self.frames.get() == 0 {
            self.since.set(now);
        }
        self.frames.set(self.frames.get() + 1);
        self.end.set(self.end.get() + len);
    }

    /// Notes that the next frame has something of `log`.
    pub(super) fn note_debtor(&self, log: &Log) {
        let debt = &log.shared.debt;
        if debt.enter(self.generation.get()) {
            self.debtors.borrow_mut().push(Debtor {
                log: Rc::downgrade(&log.shared),
                debt: Rc::clone(debt),
            });
        }
    }
}

/// The blocks of a frame with the largest entry alone.
fn largest_frame(limits: &JournalLimits) -> usize {
    let entry = FrameBuilder::entry_bytes(NAME_BYTES_MAX, limits.entry_bytes_max);
    (HEADER_BYTES + entry).next_multiple_of(BLOCK_SIZE)
}

impl Journal {
    pub(crate) fn limits(&self) -> JournalLimits {
        self.limits.get()
    }

    /// Counts where the files are not there yet; they stay as they were made.
    pub(crate) fn set_limits(&self, limits: JournalLimits) {
        assert!(
            limits.entry_bytes_max <= FRAME_BYTES_MAX / 2,
            "an entry fits a frame"
        );
        let least = usize_from_u64(FRAMES_FROM) + largest_frame(&limits) + VOIDS_BYTES;
        assert!(
            limits == JournalLimits::OFF || limits.file_bytes >= least as u64,
            "any entry fits a file"
        );
        if self.halves.borrow().is_empty() {
            self.limits.set(limits);
        }
    }

    /// The directory is offline: nobody is to wait any more.
    pub(crate) fn notify(&self) {
        self.changed.notify();
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.stage.get() == Stage::Ready
    }

    /// Makes the journal, or begins to fill the other half, where that is needed for flushes of a
    /// `crowd` of logs that want to be or are on their way; whether these can go with others.
    pub(crate) fn make_way(&self, engine: &Engine, crowd: usize) -> bool {
        let is_crowd = crowd >= self.limits.get().lanes_min;
        match self.stage.get() {
            Stage::Absent(after) if is_crowd && engine.core().now() >= after => {
                if engine.disk_level() == DiskLevel::Ample && !engine.is_stopped() {
                    self.stage.set(Stage::Beginning);
                    engine.core().spawn(begin(engine.clone()));
                }
                false
            }
            Stage::Ready if engine.is_stopped() => false,
            Stage::Ready => (is_crowd || self.running.get()) && self.place(engine).is_some(),
            _ => false,
        }
    }

    /// The half for the next frame, which has room for any entry.
    pub(super) fn place(&self, engine: &Engine) -> Option<Rc<Half>> {
        let half = self.half(self.current.get())?;
        let limits = self.limits.get();
        if half.turn.get() == Turn::Filled && half.has_room(&limits) {
            return Some(half);
        }
        self.turn_over(engine)
            .then(|| self.half(self.current.get()))?
    }

    /// The half for a frame that has voids alone.
    pub(super) fn place_for_voids(&self) -> Option<Rc<Half>> {
        let half = self.half(self.current.get())?;
        let has_room = half.left(&self.limits.get()) >= BLOCK_SIZE;
        (half.turn.get() == Turn::Filled && has_room).then_some(half)
    }

    /// Notes that a log was taken away, of which this generation may have something.
    pub(super) fn note_left(&self, partition: &TopicPartition, generation: u64) {
        let mut left = self.left.borrow_mut();
        left.retain(|_, generation| self.may_have(*generation));
        if self.may_have(generation) {
            left.insert(partition.clone(), generation);
        }
    }

    fn half(&self, at: usize) -> Option<Rc<Half>> {
        self.halves.borrow().get(at).cloned()
    }

    /// Begins to fill the other half and to drain this one; false while the other is not free.
    fn turn_over(&self, engine: &Engine) -> bool {
        let (at, next) = (self.current.get(), 1 - self.current.get());
        let (Some(full), Some(empty)) = (self.half(at), self.half(next)) else {
            return false;
        };
        if empty.turn.get() != Turn::Free {
            return false;
        }
        assert!(full.turn.get() == Turn::Filled, "one half is filled");
        full.turn.set(Turn::Drained);
        empty.turn.set(Turn::Filled);
        empty.generation.set(full.generation.get() + 1);
        empty.end.set(FRAMES_FROM);
        empty.frames.set(0);
        self.current.set(next);
        engine.core().spawn(drain(engine.clone(), full));
        true
    }

    /// Sees to it that nothing stays in the journal for long.
    pub(crate) fn maintain(&self, engine: &Engine) {
        let Some(half) = self.half(self.current.get()) else {
            return;
        };
        let age = engine.core().now().saturating_sub(half.since.get());
        if half.frames.get() > 0 && age >= self.limits.get().age_max {
            self.turn_over(engine);
        }
    }

    /// Whether the files may have an entry of this generation or a later one; of none before the
    /// first.
    pub(super) fn may_have(&self, generation: u64) -> bool {
        let halves = self.halves.borrow();
        let oldest = halves.iter().map(|half| half.oldest_generation());
        let oldest = oldest.filter(|generation| *generation > 0).min();
        generation > 0 && oldest.is_some_and(|oldest| generation >= oldest)
    }

    /// The generation that is being filled; zero before there is anything in the files.
    pub(crate) fn generation(&self) -> u64 {
        let halves = self.halves.borrow();
        let generations = halves.iter().map(|half| half.generation.get());
        generations.max().filter(|_| self.has_frames()).unwrap_or(0)
    }

    /// Whether the segments of a log lack what the files have of it.
    fn is_owed(&self) -> bool {
        let halves = self.halves.borrow();
        let mut debtors = halves.iter().map(|half| half.debtors.borrow());
        debtors.any(|debtors| debtors.iter().any(|debtor| debtor.debt.is_owed()))
    }

    /// Whether there is anything in the files.
    pub(super) fn has_frames(&self) -> bool {
        let halves = self.halves.borrow();
        halves.iter().any(|half| half.frames.get() > 0)
    }
}

impl Engine {
    /// Sets from when on the journal is used, and how much it takes. To be called before the first
    /// log is opened.
    pub fn set_journal_limits(&self, limits: JournalLimits) {
        self.journal().set_limits(limits);
    }

    /// Whether a log is still open here, or its segments lack what the journal has: then the
    /// directory is not left in order. To be asked once the engine was stopped.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.journal().is_owed() || self.logs().iter().any(|log| log.shared.is_home)
    }

    /// Makes sure that no entry of `partition` that the journal has now ever comes back.
    ///
    /// # Errors
    /// When the directory goes offline meanwhile.
    pub(crate) async fn void_journal(
        &self,
        partition: &TopicPartition,
    ) -> Result<(), StorageError> {
        let journal = self.journal();
        if !journal.has_frames() || planted!(self.planted(), JournalNotVoided) {
            return Ok(());
        }
        let done = Rc::new(Cell::new(false));
        let item = Item::Void(partition.clone(), Rc::clone(&done));
        journal.queue.borrow_mut().push_back(item);
        rounds::start(self);
        loop {
            let changed = journal.changed.wait();
            if done.get() {
                return Ok(());
            }
            self.check_online()?;
            changed.await;
        }
    }
}

impl Engine {
    /// Makes sure that a log of `partition` can be made, where an earlier one was taken away that
    /// the journal may have something of.
    ///
    /// # Errors
    /// When the directory goes offline meanwhile.
    pub(crate) async fn void_left(&self, partition: &TopicPartition) -> Result<(), StorageError> {
        let journal = self.journal();
        let left = journal.left.borrow().get(partition).copied();
        if let Some(generation) = left {
            if journal.may_have(generation) {
                self.void_journal(partition).await?;
            }
            journal.left.borrow_mut().remove(partition);
        }
        Ok(())
    }
}

/// Makes both files.
async fn begin(engine: Engine) {
    let journal = engine.journal();
    match make_files(&engine).await {
        Ok(halves) => {
            if let Some(first) = halves.first() {
                first.turn.set(Turn::Filled);
                first.generation.set(1);
            }
            *journal.halves.borrow_mut() = halves;
            journal.stage.set(Stage::Ready);
        }
        Err(error) if error.is_no_room() => {
            let after = engine.core().now() + RETRY_AFTER;
            journal.stage.set(Stage::Absent(after));
        }
        Err(error) => {
            journal.stage.set(Stage::Off);
            engine.judge(&error);
        }
    }
}

async fn make_files(engine: &Engine) -> Result<Vec<Rc<Half>>, StorageError> {
    let core = engine.core();
    let names = (0..2).map(|half| layout::journal_name(core.id(), half));
    let paths: Vec<PathBuf> = names.map(|name| engine.dir().join(name)).collect();
    let mut halves = Vec::new();
    for path in &paths {
        // What is there already is not ours, and nobody has looked at it.
        let made = match core.open(path, OpenMode::CreateNew).await {
            Ok(file) => make_room(engine, file).await,
            Err(error) => Err(error.into()),
        };
        match made {
            Ok(half) => halves.push(Rc::new(half)),
            Err(error) => {
                if error.is_no_room() {
                    // It is not worth the room that others need.
                    for path in paths.iter().take(halves.len() + 1) {
                        drop(core.remove_file(path).await);
                    }
                }
                return Err(error);
            }
        }
    }
    // Before the first acknowledgement their names must be durable.
    core.sync_dir(engine.dir()).await?;
    Ok(halves)
}

async fn make_room(engine: &Engine, file: File) -> Result<Half, StorageError> {
    let (core, journal) = (engine.core(), engine.journal());
    let bytes = journal.limits().file_bytes;
    file.allocate(bytes).await?;
    let salt = Salt(core.entropy());
    let head = salt.head();
    let mut buffer = journal.memory.take(head.len()).await;
    buffer.append(&head);
    file.write_blocks(buffer.blocks(0..head.len()), 0).await?;
    file.flush().await?;
    engine.note_taken(bytes);
    Ok(Half {
        file,
        salt,
        turn: Cell::new(Turn::Free),
        generation: Cell::new(0),
        end: Cell::new(FRAMES_FROM),
        frames: Cell::new(0),
        since: Cell::new(Duration::ZERO),
        debtors: RefCell::default(),
    })
}

/// Writes back every log with a debt in `half`, and frees it.
async fn drain(engine: Engine, half: Rc<Half>) {
    let debtors = RefCell::new(VecDeque::from(half.debtors.borrow().clone()));
    if !planted!(engine.planted(), JournalFreedEarly) {
        let payers = (0..PAYERS).map(|_| pay(&engine, &debtors));
        let all_paid = join_all(payers).await.into_iter().all(|paid| paid);
        if !all_paid {
            // Its entries are needed at the next start.
            return;
        }
    }
    half.debtors.borrow_mut().clear();
    half.turn.set(Turn::Free);
    engine.journal().changed.notify();
}

/// Writes back one log after the other; false when one could not be.
async fn pay(engine: &Engine, debtors: &RefCell<VecDeque<Debtor>>) -> bool {
    let mut all_paid = true;
    loop {
        let next = debtors.borrow_mut().pop_front();
        let Some(Debtor { log, debt }) = next else {
            return all_paid;
        };
        if !debt.is_owed() {
            continue;
        }
        // A log that was dropped without being closed took its memory along: the next start needs
        // what the journal has.
        let Some(log) = log.upgrade().map(Log::from_shared) else {
            all_paid = false;
            continue;
        };
        if log.write_back().await.is_err() {
            return false;
        }
        engine.counters().journal_write_backs.increment();
    }
}
