//! One core's part of one data directory: its logs, their memory, and whether the
//! directory can still be written.
//!
//! Invariant: after the first failed write or flush nothing is written any more. Trying again
//! would prove nothing, since the kernel may have dropped what it could not write.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::time::Duration;

use base::{Offset, TopicPartition};
use batch::Scratch;
use reactor::{Core, IoErrorKind, Pool, Signal};

use crate::aborted_file::AbortedPieces;
use crate::counters::Counters;
use crate::damage::{Damage, Untold};
use crate::disk::Disk;
use crate::error::StorageError;
use crate::flusher::Crowd;
use crate::fresh::{FreshLogs, LogNames};
use crate::gate::Gate;
use crate::journal::Journal;
use crate::layout;
use crate::log::{Log, LogShared};
use crate::memory::Holders;
use crate::planted::Planted;
use crate::removal::Discarded;
use crate::windows::Windows;

/// How often idle logs are looked for and delayed flushes are made.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);
/// A log without an append for so long gives its memory back.
const IDLE_AFTER: Duration = Duration::from_secs(10);
/// How often logs are looked for that may rest.
const REST_INTERVAL: Duration = Duration::from_secs(10);
/// A log without an append for so long closes its files and gives back room on the disk.
const REST_AFTER: Duration = Duration::from_secs(60);

/// One core's part of one data directory. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Rc<EngineShared>,
}

pub(crate) struct EngineShared {
    core: Core,
    dir: PathBuf,
    /// The directory's share of the core's memory for logs: one that stalls holds on to its own
    /// share and to nothing else.
    chunks: Pool,
    logs: RefCell<BTreeMap<TopicPartition, Weak<LogShared>>>,
    fresh: FreshLogs,
    /// Notified when a flush has made memory evictable.
    flushed: Signal,
    /// One log at a time gathers memory beyond what is free, so that two never wait for each
    /// other's half.
    memory: Gate,
    holders: Holders,
    windows: Windows,
    aborted_pieces: AbortedPieces,
    scratch: RefCell<Scratch>,
    offline: RefCell<Option<StorageError>>,
    offline_signal: Signal,
    discarded: Discarded,
    disk: Disk,
    counters: Rc<Counters>,
    journal: Journal,
    /// Logs whose lanes wait to be sorted, and whether a task is about to do that.
    crowd: Crowd,
    untold: RefCell<Untold>,
    damage_found: Signal,
    planted: Planted,
    stopped: Cell<bool>,
}

/// What is to be remembered of one log between two starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCheckpoint {
    /// Everything below is on the device, in segments that are complete or in the active one.
    pub recovery_point: Offset,
    /// The first offset that can be read.
    pub log_start: Offset,
    /// Up to here the log was compacted.
    pub cleaned: Offset,
}

impl Engine {
    /// Takes charge of `dir` on this core, with all of the core's memory for logs, and starts its
    /// maintenance.
    #[must_use]
    pub fn start(core: &Core, dir: &Path, planted: Planted) -> Self {
        let counters = Rc::default();
        Self::start_with(core, dir, core.chunks().clone(), (counters, planted))
    }

    /// Takes charge of `dir` on this core with `chunks` for memory, and starts its maintenance;
    /// what it counts goes into `counters`, which engines of one core may share.
    #[must_use]
    pub fn start_with(
        core: &Core,
        dir: &Path,
        chunks: Pool,
        (counters, planted): (Rc<Counters>, Planted),
    ) -> Self {
        let engine = Self {
            shared: Rc::new(EngineShared {
                core: core.clone(),
                dir: dir.to_path_buf(),
                chunks,
                logs: RefCell::new(BTreeMap::new()),
                fresh: FreshLogs::default(),
                flushed: Signal::new(),
                memory: Gate::default(),
                windows: Windows::default(),
                aborted_pieces: AbortedPieces::default(),
                scratch: RefCell::default(),
                offline: RefCell::new(None),
                offline_signal: Signal::new(),
                holders: Holders::default(),
                discarded: Discarded::default(),
                disk: Disk::default(),
                counters,
                journal: Journal::default(),
                crowd: Crowd::default(),
                untold: RefCell::default(),
                damage_found: Signal::new(),
                planted,
                stopped: Cell::new(false),
            }),
        };
        core.spawn(maintain(core.clone(), Rc::downgrade(&engine.shared)));
        engine
    }

    pub(crate) fn from_shared(shared: Rc<EngineShared>) -> Self {
        Self { shared }
    }

    /// The core that this runs on.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.shared.core
    }

    /// The memory that the ends of this engine's logs may take.
    #[must_use]
    pub fn chunks(&self) -> &Pool {
        &self.shared.chunks
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Which bug is switched on, for tests of the tests.
    #[must_use]
    pub fn planted(&self) -> Planted {
        self.shared.planted
    }

    /// Why nothing can be written any more, once that is so.
    #[must_use]
    pub fn offline(&self) -> Option<StorageError> {
        self.shared.offline.borrow().clone()
    }

    /// Waits until the directory goes offline.
    pub async fn wait_offline(&self) -> StorageError {
        loop {
            if let Some(error) = self.offline() {
                return error;
            }
            self.shared.offline_signal.wait().await;
        }
    }

    /// # Errors
    /// When the directory is offline.
    pub(crate) fn check_online(&self) -> Result<(), StorageError> {
        match &*self.shared.offline.borrow() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Takes the directory offline where `error` says that its device failed.
    pub fn judge(&self, error: &StorageError) {
        if let StorageError::Io(io) = error
            && io.kind == IoErrorKind::Device
        {
            self.go_offline(error.clone());
        }
    }

    /// Takes the directory offline and tells everyone who waits for it; the first cause stands.
    pub fn go_offline(&self, cause: StorageError) {
        if self.shared.offline.borrow().is_some() {
            return;
        }
        let error = match cause {
            offline @ StorageError::Offline { .. } => offline,
            cause => StorageError::Offline {
                dir: self.shared.dir.clone(),
                cause: Box::new(cause),
            },
        };
        *self.shared.offline.borrow_mut() = Some(error.clone());
        for log in self.logs() {
            log.handle_offline(&error);
        }
        self.shared.flushed.notify();
        self.shared.journal.notify();
        self.shared.offline_signal.notify();
    }

    /// The open logs of this core.
    #[must_use]
    pub fn logs(&self) -> Vec<Log> {
        let logs = self.shared.logs.borrow();
        let alive = logs.values().filter_map(Weak::upgrade);
        alive.map(Log::from_shared).collect()
    }

    pub(crate) fn register(&self, log: &Rc<LogShared>) {
        let mut logs = self.shared.logs.borrow_mut();
        let before = logs.insert(log.partition().clone(), Rc::downgrade(log));
        assert!(
            before.is_none_or(|before| before.strong_count() == 0),
            "a log is open once"
        );
    }

    pub(crate) fn unregister(&self, partition: &TopicPartition) {
        self.shared.logs.borrow_mut().remove(partition);
        self.shared.fresh.forget(partition);
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.shared.disk
    }

    pub(crate) fn discarded(&self) -> &Discarded {
        &self.shared.discarded
    }

    /// What this core's logs did beside appending and reading.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Notes damage that was not known, for whoever tells of it.
    pub(crate) fn note_damage(&self, damage: &Damage) {
        self.shared.counters.damages.increment();
        self.shared.untold.borrow_mut().note(damage.clone());
        self.shared.damage_found.notify();
    }

    /// Waits for damage that was not told of yet; also how many there were beyond what is kept.
    pub async fn damage_found(&self) -> (Vec<Damage>, u64) {
        loop {
            let found = self.shared.damage_found.wait();
            if !self.shared.untold.borrow().is_empty() {
                return self.shared.untold.borrow_mut().take();
            }
            found.await;
        }
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    pub(crate) fn crowd(&self) -> &Crowd {
        &self.shared.crowd
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.shared.stopped.get()
    }

    pub(crate) fn note_flushed(&self) {
        self.shared.flushed.notify();
    }

    /// Memory for looking into batches, one for all logs of this core: it is large, and nobody
    /// waits for anything while it is in use.
    ///
    /// # Panics
    /// When it is in use.
    #[must_use]
    pub fn scratch(&self) -> RefMut<'_, Scratch> {
        self.shared.scratch.borrow_mut()
    }

    pub(crate) fn aborted_pieces(&self) -> &AbortedPieces {
        &self.shared.aborted_pieces
    }

    pub(crate) fn windows(&self) -> &Windows {
        &self.shared.windows
    }

    pub(crate) fn memory_gate(&self) -> &Gate {
        &self.shared.memory
    }

    pub(crate) fn holders(&self) -> &Holders {
        &self.shared.holders
    }

    /// Ends with the next flush that ends after this call, or when there will be none.
    pub(crate) fn flushed(&self) -> impl Future<Output = ()> + use<> {
        self.shared.flushed.wait()
    }

    /// What is to be written into the directory's checkpoints for this core's logs.
    #[must_use]
    pub fn checkpoints(&self) -> BTreeMap<TopicPartition, LogCheckpoint> {
        let logs = self.logs().into_iter();
        logs.map(|log| (log.partition().clone(), log.checkpoint()))
            .collect()
    }

    /// The checkpoints on the device may speak of these logs, of any core, and of no others: what
    /// the directory says. To be told to all cores before any log is made, and before they are asked
    /// for [`Engine::begin_checkpoints`].
    pub fn note_spoken(&self, names: &LogNames) {
        self.shared.fresh.note_spoken(names);
    }

    /// As [`Engine::checkpoints`], while logs are being made: of those that were noted alone. Once
    /// they are on the device, and only then, [`Engine::end_checkpoints`] is due.
    #[must_use]
    pub fn begin_checkpoints(&self) -> BTreeMap<TopicPartition, LogCheckpoint> {
        let fresh = &self.shared.fresh;
        let mut points = self.checkpoints();
        points.retain(|partition, _| fresh.is_spoken(partition));
        fresh.note_gathered(|log| points.contains_key(log));
        points
    }

    /// What [`Engine::begin_checkpoints`] gave last is on the device with that of all cores, and
    /// the checkpoints speak of `names` alone.
    pub fn end_checkpoints(&self, names: &LogNames) {
        self.note_spoken(names);
        let settled = self.shared.fresh.settle();
        for log in self.logs() {
            if settled.contains(log.partition()) {
                self.core().spawn(remove_mark(log));
            }
        }
    }

    /// Which logs the directory's checkpoints may be wrong about.
    pub(crate) fn fresh(&self) -> &FreshLogs {
        &self.shared.fresh
    }

    /// Lets logs rest that are idle.
    async fn let_rest(&self) {
        for log in self.logs() {
            match log.rest(REST_AFTER).await {
                Ok(()) => {}
                Err(error) if error.is_no_room() => {}
                Err(error) => return self.go_offline(error),
            }
        }
    }

    /// Ends the maintenance; logs must have been closed before.
    pub fn stop(&self) {
        self.shared.stopped.set(true);
    }
}

/// The checkpoints speak of this log now and of no earlier one.
async fn remove_mark(log: Log) {
    // Nobody cuts it or takes its directory away meanwhile, to which another one could come.
    let _alone = log.structure_gate().enter().await;
    let engine = log.engine();
    if log.check_open().is_ok() && !engine.fresh().is_marked(log.partition()) {
        let path = log.dir().join(layout::FRESH_FILE);
        // A file that stays costs the next start some time, nothing else.
        let _ = engine.core().remove_file(&path).await;
    }
}

/// Looks after this core's logs once in a while, until the engine is gone.
async fn maintain(core: Core, engine: Weak<EngineShared>) {
    let mut rested = core.now();
    loop {
        core.sleep(MAINTENANCE_INTERVAL).await;
        let Some(shared) = engine.upgrade() else {
            return;
        };
        if shared.stopped.get() || shared.offline.borrow().is_some() {
            return;
        }
        let engine = Engine::from_shared(shared);
        engine.refresh_disk().await;
        for log in engine.logs() {
            log.maintain(core.now(), IDLE_AFTER);
        }
        engine.journal().maintain(&engine);
        if core.now().saturating_sub(rested) >= REST_INTERVAL {
            rested = core.now();
            engine.holders().forget_gone();
            engine.let_rest().await;
        }
    }
}
