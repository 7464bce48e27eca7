//! What has to be durable by its name: directories made and synced, small files put in place.
//!
//! Whoever asks while another such call is under way waits, and goes with all others that wait.
//! A handful of changes flushes file by file. Many are made first and flushed together by one
//! call for their whole file system: ten thousand new logs are then a matter of a few flushes and
//! not of tens of thousands (kernel-note 017).
//!
//! Invariants: what is renamed was durable before; an answer is given when the directory that
//! holds the name is durable too; two changes of one path never mix.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::IoError;
use crate::kernel::core::{KernelCore, blocking};
use crate::{Replier, reply};

/// So many changes are made by one call: the helper thread does nothing else meanwhile.
const CHANGES_MAX: usize = 1024;
/// From so many on, one flush of the whole file system is quicker than one for each file and
/// directory, also where other programs have something to flush (kernel-note 017).
const WHOLESALE_MIN: usize = 32;

/// A change that is durable when it is answered.
#[derive(Debug)]
enum Change {
    /// Names inside `dir` have changed.
    SyncDir { dir: PathBuf },
    /// A file gets new content, all or nothing.
    Replace { path: PathBuf, bytes: Vec<u8> },
    /// A directory with these files gets a name, all or nothing.
    MakeDir {
        prepared: PathBuf,
        path: PathBuf,
        files: Vec<(String, Vec<u8>)>,
    },
}

/// A change and whoever waits for it.
type Waiting = (Change, Replier<io::Result<()>>);

/// The changes of one core that wait for the helper thread.
#[derive(Default)]
pub(crate) struct Changes {
    waiting: RefCell<VecDeque<Waiting>>,
    running: Cell<bool>,
}

impl KernelCore {
    pub(crate) async fn sync_dir(&self, path: &Path) -> Result<(), IoError> {
        let dir = path.to_path_buf();
        let done = self.change(Change::SyncDir { dir }).await;
        done.map_err(|error| IoError::from_system("sync directory", path.display(), &error))
    }

    pub(crate) async fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), IoError> {
        let change = Change::Replace {
            path: path.to_path_buf(),
            bytes: bytes.to_vec(),
        };
        let done = self.change(change).await;
        done.map_err(|error| IoError::from_system("replace", path.display(), &error))
    }

    pub(crate) async fn make_dir(
        &self,
        prepared: &Path,
        path: &Path,
        files: &[(&str, &[u8])],
    ) -> Result<(), IoError> {
        let files = files.iter();
        let change = Change::MakeDir {
            prepared: prepared.to_path_buf(),
            path: path.to_path_buf(),
            files: files
                .map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()))
                .collect(),
        };
        let done = self.change(change).await;
        done.map_err(|error| IoError::from_system("make directory", path.display(), &error))
    }

    async fn change(&self, change: Change) -> io::Result<()> {
        let (replier, done) = reply();
        self.changes
            .waiting
            .borrow_mut()
            .push_back((change, replier));
        if !self.changes.running.replace(true) {
            glommio::spawn_local(work_off(Rc::clone(&self.changes))).detach();
        }
        match done.await {
            Ok(done) => done,
            Err(_) => unreachable!("every change that was taken is answered"),
        }
    }
}

/// Makes changes, as many at a time as wait, until none is left.
async fn work_off(changes: Rc<Changes>) {
    loop {
        // Everyone who is ready now may still come along.
        glommio::executor().yield_now().await;
        let (batch, repliers) = take_batch(&mut changes.waiting.borrow_mut());
        if batch.is_empty() {
            changes.running.set(false);
            return;
        }
        let results = blocking(move || make(&batch)).await;
        assert!(
            results.len() == repliers.len(),
            "every change has its result"
        );
        for (replier, result) in repliers.into_iter().zip(results) {
            replier.send(result);
        }
    }
}

/// The changes that are made next. A path that is in already ends the batch: of two changes the
/// later one counts.
fn take_batch(waiting: &mut VecDeque<Waiting>) -> (Vec<Change>, Vec<Replier<io::Result<()>>>) {
    let (mut batch, mut repliers) = (Vec::new(), Vec::new());
    let mut paths = BTreeSet::new();
    while batch.len() < CHANGES_MAX
        && let Some((change, _)) = waiting.front()
    {
        if let Some(path) = change.path()
            && !paths.insert(path.to_path_buf())
        {
            break;
        }
        if let Some((change, replier)) = waiting.pop_front() {
            batch.push(change);
            repliers.push(replier);
        }
    }
    (batch, repliers)
}

impl Change {
    /// The path that gets another meaning.
    fn path(&self) -> Option<&Path> {
        match self {
            Self::SyncDir { .. } => None,
            Self::Replace { path, .. } | Self::MakeDir { path, .. } => Some(path),
        }
    }

    /// The directory that must be durable for this change to be.
    fn dir(&self) -> &Path {
        match self {
            Self::SyncDir { dir } => dir,
            Self::Replace { path, .. } | Self::MakeDir { path, .. } => parent(path),
        }
    }

    /// Writes what is to get a name, under another one.
    fn prepare(&self) -> io::Result<()> {
        match self {
            Self::SyncDir { .. } => Ok(()),
            Self::Replace { path, bytes } => fs::File::create(temporary(path))?.write_all(bytes),
            Self::MakeDir {
                prepared, files, ..
            } => {
                fs::create_dir(prepared)?;
                for (name, bytes) in files {
                    fs::File::create_new(prepared.join(name))?.write_all(bytes)?;
                }
                Ok(())
            }
        }
    }

    /// Flushes what was prepared. An error of writing it that nobody has seen yet comes up here.
    fn flush(&self) -> io::Result<()> {
        match self {
            Self::SyncDir { .. } => Ok(()),
            Self::Replace { path, .. } => fs::File::open(temporary(path))?.sync_all(),
            Self::MakeDir {
                prepared, files, ..
            } => {
                for (name, _) in files {
                    fs::File::open(prepared.join(name))?.sync_all()?;
                }
                sync_dir(prepared)
            }
        }
    }

    /// Gives what is durable its name.
    fn put_in_place(&self) -> io::Result<()> {
        match self {
            Self::SyncDir { .. } => Ok(()),
            Self::Replace { path, .. } => fs::rename(temporary(path), path),
            Self::MakeDir { prepared, path, .. } => fs::rename(prepared, path),
        }
    }

    /// What could not be put in place is in nobody's way, and what is left is known by its name.
    fn clear_away(&self) {
        if let Self::MakeDir { prepared, .. } = self {
            drop(fs::remove_dir_all(prepared));
        }
    }

    fn has_content(&self) -> bool {
        !matches!(self, Self::SyncDir { .. })
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    PathBuf::from(temporary)
}

fn parent(path: &Path) -> &Path {
    let parent = path.parent();
    let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn sync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// Makes changes; what became of each, in their order.
fn make(changes: &[Change]) -> Vec<io::Result<()>> {
    let mut volumes = Volumes::default();
    let of: Vec<Option<u64>> = if changes.len() >= WHOLESALE_MIN {
        let dirs = changes.iter().map(Change::dir);
        dirs.map(|dir| volumes.find(dir)).collect()
    } else {
        vec![None; changes.len()]
    };
    let mut results: Vec<io::Result<()>> = changes.iter().map(Change::prepare).collect();
    let with_content = changes.iter().zip(&of).filter(|(one, _)| one.has_content());
    let flushed = volumes.flush_busy(with_content.filter_map(|(_, volume)| *volume));
    for ((change, volume), result) in changes.iter().zip(&of).zip(&mut results) {
        if result.is_ok() && change.has_content() {
            *result = match volume.and_then(|volume| flushed.get(&volume)) {
                Some(done) => copy(done),
                None => change.flush(),
            };
        }
        if result.is_ok() {
            *result = change.put_in_place();
        }
        if result.is_err() {
            change.clear_away();
        }
    }
    // Each directory once, however many names in it have changed.
    let mut dirs: BTreeMap<&Path, Option<u64>> = BTreeMap::new();
    for ((change, volume), _) in changes
        .iter()
        .zip(&of)
        .zip(&results)
        .filter(|(_, r)| r.is_ok())
    {
        dirs.insert(change.dir(), *volume);
    }
    let flushed = volumes.flush_busy(dirs.values().filter_map(|volume| *volume));
    let synced: BTreeMap<&Path, io::Result<()>> = dirs
        .into_iter()
        .map(|(dir, volume)| {
            let done = volume.and_then(|volume| flushed.get(&volume));
            (dir, done.map_or_else(|| sync_dir(dir), copy))
        })
        .collect();
    for (change, result) in changes.iter().zip(&mut results).filter(|(_, r)| r.is_ok()) {
        if let Some(done) = synced.get(change.dir()) {
            *result = copy(done);
        }
    }
    results
}

/// An outcome that concerns several changes.
fn copy(done: &io::Result<()>) -> io::Result<()> {
    match done {
        Ok(()) => Ok(()),
        Err(error) => Err(match error.raw_os_error() {
            Some(number) => io::Error::from_raw_os_error(number),
            None => io::Error::new(error.kind(), error.to_string()),
        }),
    }
}

/// The file systems whose flush as a whole makes all that was written before durable, files and
/// names: it ends with a flush of the device on these. Others promise less.
const WHOLESALE_KINDS: [i64; 3] = [
    0xEF53,      // ext4 and its forerunners
    0x5846_5342, // XFS
    0x9123_683E, // btrfs
];

/// The file systems that a batch of changes concerns, by device. Each is held open from before
/// the first write on, so that its flush tells of every error since (Linux 5.8).
#[derive(Default)]
struct Volumes {
    open: BTreeMap<u64, fs::File>,
    /// Devices with a file system that is not flushed as a whole.
    others: BTreeSet<u64>,
}

impl Volumes {
    /// The device of a directory, if it can be flushed as a whole. Where that cannot be found out,
    /// the change itself meets the error.
    fn find(&mut self, dir: &Path) -> Option<u64> {
        let device = fs::metadata(dir).ok()?.dev();
        if self.others.contains(&device) {
            return None;
        }
        if !self.open.contains_key(&device) {
            let opened = fs::File::open(dir).ok()?;
            let status = nix::sys::statfs::fstatfs(&opened).ok()?;
            if !WHOLESALE_KINDS.contains(&status.filesystem_type().0) {
                self.others.insert(device);
                return None;
            }
            self.open.insert(device, opened);
        }
        Some(device)
    }

    /// Flushes those devices that are named often enough; what became of it.
    fn flush_busy(&self, named: impl Iterator<Item = u64>) -> BTreeMap<u64, io::Result<()>> {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for device in named {
            *counts.entry(device).or_default() += 1;
        }
        let busy = counts
            .into_iter()
            .filter(|(_, count)| *count >= WHOLESALE_MIN);
        busy.filter_map(|(device, _)| {
            let volume = self.open.get(&device)?;
            Some((device, nix::unistd::syncfs(volume).map_err(io::Error::from)))
        })
        .collect()
    }
}
