//! A data directory: who it belongs to, what was known of its logs when the node last stopped.
//!
//! Lifecycle: opened once per process, on one core, under a lock; checkpointed now and then;
//! marked clean at the end of an orderly shutdown.
//!
//! Invariants: the clean mark is removed durably before anything else is touched, so it never
//! vouches for files that changed since, nor for a log that a crash left and nobody has opened since
//! then; what was written down of such a log stays written down, or its damage would look like a
//! torn tail at the next start; a directory that already has logs is never formatted; what the
//! journals have is in the logs' own files before anybody opens a log; every name that a checkpoint
//! on the device has, of a log that is there or not, is among those that it may speak of.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{NodeId, Offset, Random, TopicPartition, Uuid};
use reactor::{Core, DirLock, IoErrorKind};

use crate::engine::LogCheckpoint;
use crate::error::StorageError;
use crate::fresh::LogNames;
use crate::journal::{self, JournalReport};
use crate::layout;
use crate::removal::remove_dir_slowly;

/// The only version of `meta.properties` that KRaft nodes write.
const META_VERSION: &str = "1";

/// Whose directory it is: `meta.properties`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirIdentity {
    /// The cluster that the node belongs to.
    pub cluster_id: String,
    /// The node.
    pub node_id: NodeId,
    /// The directory itself (KIP-858).
    pub directory_id: Uuid,
}

/// A log that the directory has, and what was written down of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLog {
    /// Which partition's log it is.
    pub partition: TopicPartition,
    /// Everything below was on the device.
    pub recovery_point: Offset,
    /// The first offset that could be read.
    pub log_start: Offset,
    /// Up to where the in-sync replicas agreed.
    pub high_watermark: Offset,
}

impl FoundLog {
    fn checkpoint(&self) -> (TopicPartition, LogCheckpoint) {
        let point = LogCheckpoint {
            recovery_point: self.recovery_point,
            log_start: self.log_start,
            // Written for other people's tools alone, which clean again what is not mentioned.
            cleaned: Offset(0),
        };
        (self.partition.clone(), point)
    }
}

/// An open data directory.
pub struct DataDir {
    core: Core,
    path: PathBuf,
    identity: DirIdentity,
    clean: bool,
    logs: Vec<FoundLog>,
    /// What was written down of the logs that nobody has opened so far.
    unopened: RefCell<BTreeMap<TopicPartition, LogCheckpoint>>,
    /// The logs that the checkpoints on the device may speak of.
    spoken: RefCell<LogNames>,
    futures: Vec<TopicPartition>,
    journal: JournalReport,
    _lock: DirLock,
}

impl DataDir {
    /// Opens the directory, and makes it first where it does not exist or is empty: then it
    /// belongs to `node_id` of cluster `cluster_id_new`.
    ///
    /// # Errors
    /// When another process has it, it belongs to another node, or its files make no sense.
    pub async fn open(
        core: &Core,
        path: &Path,
        node_id: NodeId,
        cluster_id_new: &str,
    ) -> Result<Self, StorageError> {
        make_durable_dir(core, path).await?;
        let lock = core.lock_dir(path).await?;
        let clean = take_clean_mark(core, path).await?;
        if !clean {
            // A log's directory may have been made just before the process died.
            core.sync_dir(path).await?;
        }
        let (mut partitions, mut futures) = (Vec::new(), Vec::new());
        let entries = core.list(path).await?;
        for entry in entries.iter().filter(|entry| entry.is_dir) {
            let future = layout::parse_future_dir(&entry.name);
            if entry.name.ends_with(layout::DELETED_SUFFIX) || future.is_some() {
                futures.extend(future);
                remove_dir_slowly(core, &path.join(&entry.name)).await?;
            } else if let Some(partition) = layout::parse_log_dir(&entry.name) {
                partitions.push(partition);
            }
        }
        let identity = match read_identity(core, path).await? {
            Some(identity) => identity,
            None => format(core, path, node_id, cluster_id_new, &partitions).await?,
        };
        if identity.node_id != node_id {
            return Err(metadata(
                path.join(layout::META_FILE),
                format!(
                    "the directory belongs to node {}, but this node's node.id is {node_id}; \
                     correct node.id or choose another directory with log.dirs",
                    identity.node_id
                ),
            ));
        }
        let files = entries.iter().filter(|entry| !entry.is_dir);
        let files = files.map(|entry| entry.name.as_str());
        let journal = journal::replay(core, path, files).await?;
        let (logs, spoken) = found_logs(core, path, partitions).await?;
        Ok(Self {
            core: core.clone(),
            path: path.to_path_buf(),
            identity,
            clean,
            unopened: RefCell::new(logs.iter().map(FoundLog::checkpoint).collect()),
            spoken: RefCell::new(Arc::new(spoken)),
            logs,
            futures,
            journal,
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose it is.
    #[must_use]
    pub fn identity(&self) -> &DirIdentity {
        &self.identity
    }

    /// Whether the node stopped in order the last time.
    #[must_use]
    pub fn was_clean(&self) -> bool {
        self.clean
    }

    /// The logs that were there when it was opened.
    #[must_use]
    pub fn logs(&self) -> &[FoundLog] {
        &self.logs
    }

    /// The partitions that were being moved here; what there was of them is gone.
    #[must_use]
    pub fn futures(&self) -> &[TopicPartition] {
        &self.futures
    }

    /// What the journals had that the logs' own files had not.
    #[must_use]
    pub fn journal(&self) -> &JournalReport {
        &self.journal
    }

    /// Whose directory `path` is, as far as can be told without opening it; nothing for one that
    /// was never used or is not there.
    ///
    /// # Errors
    /// When it cannot be read or makes no sense.
    pub async fn identity_of(
        core: &Core,
        path: &Path,
    ) -> Result<Option<DirIdentity>, StorageError> {
        read_identity(core, path).await
    }

    /// The logs that the checkpoints on the device may speak of, whether they are there or not. A
    /// new log of such a name could be taken for the old one: its engine has to know.
    #[must_use]
    pub fn spoken_of(&self) -> LogNames {
        Arc::clone(&self.spoken.borrow())
    }

    /// Checkpoints of `logs` are about to be written: what those on the device may speak of until
    /// that has succeeded. Every engine has to know before it is asked for its checkpoints.
    pub fn speak_of(&self, logs: impl IntoIterator<Item = TopicPartition>) -> LogNames {
        let mut spoken = self.spoken.borrow_mut();
        Arc::make_mut(&mut spoken).extend(logs);
        Arc::clone(&spoken)
    }

    /// Writes down what is known of the logs of all cores; a later recovery starts there. Of a log
    /// that was found and has never been among `logs`, what was found stands.
    ///
    /// # Errors
    /// When the device refuses; the checkpoints before stand then.
    pub async fn write_checkpoints(
        &self,
        logs: &BTreeMap<TopicPartition, LogCheckpoint>,
    ) -> Result<(), StorageError> {
        let unopened = {
            let mut unopened = self.unopened.borrow_mut();
            unopened.retain(|log, _| !logs.contains_key(log));
            unopened.clone()
        };
        let names: BTreeSet<_> = logs.keys().chain(unopened.keys()).cloned().collect();
        self.speak_of(names.iter().cloned());
        let all = || logs.iter().chain(&unopened);
        let pick = |field: fn(&LogCheckpoint) -> Offset| {
            let offsets = all().map(|(log, point)| (log.clone(), field(point)));
            layout::encode_offsets(&offsets.collect())
        };
        let points = pick(|point| point.recovery_point);
        self.replace(layout::RECOVERY_POINTS_FILE, &points).await?;
        let starts = pick(|point| point.log_start);
        self.replace(layout::LOG_STARTS_FILE, &starts).await?;
        let cleaned = all().filter(|(_, point)| point.cleaned > Offset(0));
        let cleaned: BTreeMap<_, _> = cleaned
            .map(|(log, point)| (log.clone(), point.cleaned))
            .collect();
        self.replace(layout::CLEANED_FILE, &layout::encode_offsets(&cleaned))
            .await?;
        // Not before: a file that was not replaced has its old names.
        *self.spoken.borrow_mut() = Arc::new(names);
        Ok(())
    }

    /// Writes down the high watermarks of all cores' logs.
    ///
    /// # Errors
    /// When the device refuses; the ones before stand then.
    pub async fn write_high_watermarks(
        &self,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<(), StorageError> {
        let text = layout::encode_offsets(offsets);
        self.replace(layout::HIGH_WATERMARKS_FILE, &text).await
    }

    /// Writes down what is known of the logs, which were closed in order: nothing will be written any
    /// more, and no engine is in use. Unless a crash left a log that was not opened since, the
    /// directory is marked clean.
    ///
    /// # Errors
    /// When the device refuses; then the next start recovers as after a crash.
    pub async fn close_in_order(
        &self,
        logs: &BTreeMap<TopicPartition, LogCheckpoint>,
    ) -> Result<(), StorageError> {
        self.write_checkpoints(logs).await?;
        if !self.clean && self.has_unopened().await? {
            // Those have all that they had in their segments since the start.
            return journal::remove_all(&self.core, &self.path).await;
        }
        self.replace(
            layout::CLEAN_SHUTDOWN_FILE,
            "{\"version\":0,\"brokerEpoch\":-1}\n",
        )
        .await?;
        // All that they have is in the segments. A release that knows nothing of them may come next,
        // and after it one that would believe them.
        journal::remove_all(&self.core, &self.path).await
    }

    /// Whether a log that nobody has opened is still there.
    async fn has_unopened(&self) -> Result<bool, StorageError> {
        if self.unopened.borrow().is_empty() {
            return Ok(false);
        }
        let entries = self.core.list(&self.path).await?;
        let unopened = self.unopened.borrow();
        let mut there = entries
            .iter()
            .filter_map(|entry| layout::parse_log_dir(&entry.name));
        Ok(there.any(|log| unopened.contains_key(&log)))
    }

    async fn replace(&self, name: &str, text: &str) -> Result<(), StorageError> {
        let path = self.path.join(name);
        Ok(self.core.replace(&path, text.as_bytes()).await?)
    }
}

/// Makes a directory and what is missing above it.
///
/// All of it is durable when this returns. An earlier start may have made directories and died
/// before they were durable; until the directory has its identity, nobody can rely on them.
async fn make_durable_dir(core: &Core, path: &Path) -> Result<(), StorageError> {
    core.create_dir_all(path).await?;
    if read_text(core, &path.join(layout::META_FILE))
        .await?
        .is_some()
    {
        return Ok(());
    }
    for ancestor in path.ancestors().skip(1) {
        let named = if ancestor.as_os_str().is_empty() {
            Path::new(".")
        } else {
            ancestor
        };
        match core.sync_dir(named).await {
            // A directory that we may not even open is none that we have made.
            Err(error) if error.kind == IoErrorKind::Other => break,
            done => done?,
        }
    }
    Ok(())
}

/// Whether the last shutdown was clean; from here on it counts no more.
async fn take_clean_mark(core: &Core, path: &Path) -> Result<bool, StorageError> {
    let entries = core.list(path).await?;
    let is_marked = |name: &str| name == layout::CLEAN_SHUTDOWN_FILE;
    if !entries.iter().any(|entry| is_marked(&entry.name)) {
        return Ok(false);
    }
    // While the mark is there nobody reads them; without it half of one might be believed.
    journal::remove_all(core, path).await?;
    core.remove_file(&path.join(layout::CLEAN_SHUTDOWN_FILE))
        .await?;
    core.sync_dir(path).await?;
    Ok(true)
}

async fn read_identity(core: &Core, path: &Path) -> Result<Option<DirIdentity>, StorageError> {
    let path = path.join(layout::META_FILE);
    let Some(text) = read_text(core, &path).await? else {
        return Ok(None);
    };
    let mut values = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, value)) = line.split_once('=') {
            values.insert(key.trim(), value.trim());
        }
    }
    let identity = (|| {
        if *values.get("version")? != META_VERSION {
            return None;
        }
        Some(DirIdentity {
            cluster_id: (*values.get("cluster.id")?).to_owned(),
            node_id: NodeId(values.get("node.id")?.parse().ok()?),
            directory_id: values.get("directory.id")?.parse().ok()?,
        })
    })();
    match identity {
        Some(identity) => Ok(Some(identity)),
        None => Err(metadata(
            path,
            "not of version 1 with cluster.id, node.id and directory.id; restore it, or choose \
             an empty directory with log.dirs"
                .to_owned(),
        )),
    }
}

async fn format(
    core: &Core,
    path: &Path,
    node_id: NodeId,
    cluster_id: &str,
    partitions: &[TopicPartition],
) -> Result<DirIdentity, StorageError> {
    let file = path.join(layout::META_FILE);
    if !partitions.is_empty() {
        return Err(metadata(
            file,
            format!(
                "the file is missing, but the directory holds {} logs; restore it, or choose \
                 another directory with log.dirs",
                partitions.len()
            ),
        ));
    }
    assert!(!cluster_id.is_empty(), "a cluster has an id");
    let identity = DirIdentity {
        cluster_id: cluster_id.to_owned(),
        node_id,
        directory_id: Uuid::random(&mut Random::new(core.entropy())),
    };
    let text = format!(
        "version={META_VERSION}\ncluster.id={}\nnode.id={}\ndirectory.id={}\n",
        identity.cluster_id, identity.node_id, identity.directory_id
    );
    core.replace(&file, text.as_bytes()).await?;
    Ok(identity)
}

async fn found_logs(
    core: &Core,
    path: &Path,
    partitions: Vec<TopicPartition>,
) -> Result<(Vec<FoundLog>, BTreeSet<TopicPartition>), StorageError> {
    let recovery_points = read_offsets(core, path, layout::RECOVERY_POINTS_FILE).await?;
    let log_starts = read_offsets(core, path, layout::LOG_STARTS_FILE).await?;
    let high_watermarks = read_offsets(core, path, layout::HIGH_WATERMARKS_FILE).await?;
    let spoken = recovery_points.keys().chain(log_starts.keys());
    let spoken = spoken.cloned().collect();
    let logs = partitions.into_iter().map(|partition| {
        let offset = |offsets: &BTreeMap<TopicPartition, Offset>| {
            offsets.get(&partition).copied().unwrap_or_default()
        };
        FoundLog {
            recovery_point: offset(&recovery_points),
            log_start: offset(&log_starts),
            high_watermark: offset(&high_watermarks),
            partition,
        }
    });
    Ok((logs.collect(), spoken))
}

async fn read_offsets(
    core: &Core,
    path: &Path,
    name: &str,
) -> Result<BTreeMap<TopicPartition, Offset>, StorageError> {
    let path = path.join(name);
    let Some(text) = read_text(core, &path).await? else {
        return Ok(BTreeMap::new());
    };
    layout::decode_offsets(&text).map_err(|line| {
        let reason = format!(
            "line {line} is wrong; delete the file, and all logs are read in full at the next start"
        );
        metadata(path, reason)
    })
}

async fn read_text(core: &Core, path: &Path) -> Result<Option<String>, StorageError> {
    match core.read_small(path).await {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(metadata(path.to_path_buf(), "not text".to_owned())),
        },
        Err(error) if error.kind == IoErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn metadata(path: PathBuf, reason: String) -> StorageError {
    StorageError::Metadata { path, reason }
}
