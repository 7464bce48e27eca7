//! Getting rid of files without anybody noticing.
//!
//! A segment that is no longer part of its log is renamed, as Kafka does, and lies for
//! `file.delete.delay.ms` in case somebody still reads it. Then it is cut a piece at a time, with a
//! rest after each, and only the empty file is removed: removing a gigabyte at once keeps the file
//! system's journal busy for tens of milliseconds, during which no flush ends.
//!
//! Invariant: what was renamed belongs to no log; a crash leaves it to the next start.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::TopicPartition;
use reactor::{Core, IoErrorKind, OpenMode, Signal, first};

use crate::engine::Engine;
use crate::error::StorageError;
use crate::layout;

/// How much a file is cut at a time.
const STEP_BYTES: u64 = 32 << 20;
/// A directory with no more than so many files goes at once, if they are small together.
const FILES_AT_ONCE_MAX: usize = 64;
/// How long the device rests after each step.
const STEP_REST: Duration = Duration::from_millis(10);

/// The files of one core that wait for their end.
#[derive(Default)]
pub(crate) struct Discarded {
    /// By the time at which they are due, in the order of their coming.
    files: RefCell<BTreeMap<(Duration, u64), PathBuf>>,
    count: Cell<u64>,
    running: Cell<bool>,
    /// Directories of logs that are gone, and whether a task removes them.
    dirs: RefCell<VecDeque<PathBuf>>,
    removing: Cell<bool>,
    /// Notified when a file came or all are due at once.
    came: Signal,
}

impl Engine {
    /// Removes `path` in the background once `delay` has passed.
    pub(crate) fn discard(&self, path: PathBuf, delay: Duration) {
        let discarded = self.discarded();
        let number = discarded.count.get();
        discarded.count.set(number + 1);
        let due = self.core().now().saturating_add(delay);
        discarded.files.borrow_mut().insert((due, number), path);
        discarded.came.notify();
        if !discarded.running.replace(true) {
            self.core().spawn(drain(self.clone()));
        }
    }

    /// Removes a directory that belongs to no log, whose name says so, in the background: one
    /// after the other, since there may be thousands and others want to get at their files too.
    pub(crate) fn remove_dir_in_background(&self, dir: PathBuf) {
        let discarded = self.discarded();
        discarded.dirs.borrow_mut().push_back(dir);
        if !discarded.removing.replace(true) {
            self.core().spawn(drain_dirs(self.clone()));
        }
    }

    /// Removes the log of `partition` in this directory, which another one has taken the place
    /// of. Its name is gone when this returns; its bytes go in the background.
    ///
    /// # Errors
    /// When the device refuses.
    pub async fn remove_duplicate(&self, partition: &TopicPartition) -> Result<(), StorageError> {
        let tag = self.core().entropy();
        let place = self.dir().join(partition.to_string());
        let away = self.dir().join(layout::deleted_dir_name(partition, tag));
        self.core().rename(&place, &away).await?;
        self.core().sync_dir(self.dir()).await?;
        self.remove_dir_in_background(away);
        Ok(())
    }

    /// Lets nothing wait any more: the room is needed.
    pub fn discard_at_once(&self) {
        let discarded = self.discarded();
        let waiting = std::mem::take(&mut *discarded.files.borrow_mut());
        let now = self.core().now();
        let due = waiting.into_iter();
        let due = due.map(|((due, number), path)| ((due.min(now), number), path));
        discarded.files.borrow_mut().extend(due);
        discarded.came.notify();
    }
}

/// Removes directories until none is left, or the engine works no more.
async fn drain_dirs(engine: Engine) {
    let discarded = engine.discarded();
    while !engine.is_stopped() && engine.offline().is_none() {
        let next = discarded.dirs.borrow_mut().pop_front();
        let Some(dir) = next else {
            break;
        };
        // What is left is removed at the next start.
        drop(remove_dir_slowly(engine.core(), &dir).await);
    }
    discarded.removing.set(false);
}

/// Removes files as they become due; ends when none is left.
async fn drain(engine: Engine) {
    let core = engine.core().clone();
    loop {
        let came = engine.discarded().came.wait();
        let next = engine
            .discarded()
            .files
            .borrow_mut()
            .first_entry()
            .map(|entry| *entry.key());
        let Some(key) = next else {
            engine.discarded().running.set(false);
            return;
        };
        if engine.is_stopped() || engine.offline().is_some() {
            // The next start finds what is left by its name.
            engine.discarded().running.set(false);
            return;
        }
        let wait = key.0.saturating_sub(core.now());
        if !wait.is_zero() {
            // Not longer than this, so that a stopped engine is not kept alive.
            first(core.sleep(wait.min(Duration::from_secs(1))), came).await;
            continue;
        }
        let path = engine.discarded().files.borrow_mut().remove(&key);
        if let Some(path) = path {
            // Whatever is the matter with it, it is no part of any log, and the next start tries
            // again.
            drop(remove_file_slowly(&core, &path).await);
        }
    }
}

/// Cuts a file piece by piece and removes what is left.
pub(crate) async fn remove_file_slowly(core: &Core, path: &Path) -> Result<(), StorageError> {
    let file = match core.open(path, OpenMode::Existing).await {
        Err(error) if error.kind == IoErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut len = file.len().await?;
    while len > STEP_BYTES {
        len -= STEP_BYTES;
        file.truncate(len).await?;
        core.sleep(STEP_REST).await;
    }
    drop(file);
    core.remove_file(path).await?;
    Ok(())
}

/// Removes a directory a file at a time, and large files a piece at a time, unless it is small.
pub(crate) async fn remove_dir_slowly(core: &Core, dir: &Path) -> Result<(), StorageError> {
    let mut entries = core.list(dir).await?;
    let bytes: u64 = entries.iter().map(|entry| entry.len).sum();
    if bytes <= STEP_BYTES && entries.len() <= FILES_AT_ONCE_MAX {
        entries.clear();
    }
    for entry in entries {
        let path = dir.join(&entry.name);
        if entry.len > STEP_BYTES {
            remove_file_slowly(core, &path).await?;
        } else if !entry.is_dir {
            core.remove_file(&path).await?;
            core.yield_now().await;
        }
    }
    core.remove_dir_all(dir).await?;
    Ok(())
}
