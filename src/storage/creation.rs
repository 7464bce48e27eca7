//! Making a log where there is none.
//!
//! Invariant: a new log and its directory are durable before anything is appended, and there is
//! all of it or nothing: until it is whole its directory has a name that no start takes for a log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use base::{Offset, TopicPartition, Uuid};

use crate::engine::Engine;
use crate::error::StorageError;
use crate::layout::{self, FileKind};
use crate::log::Log;
use crate::options::LogConfig;
use crate::planted::planted;
use crate::roll::create_segment;
use crate::segment::Segment;
use crate::state::LogState;

impl Log {
    /// Makes a new, empty log; it and its directory are durable when this returns. Many logs that
    /// are made at the same time share their flushes. `epochs` is the text of its first leader
    /// epoch checkpoint, where it has a leader already.
    ///
    /// # Errors
    /// When the device refuses.
    pub async fn create(
        engine: &Engine,
        partition: TopicPartition,
        topic_id: Uuid,
        config: LogConfig,
        epochs: Option<&str>,
    ) -> Result<Self, StorageError> {
        engine.check_online()?;
        engine.void_left(&partition).await?;
        let dir = engine.dir().join(partition.to_string());
        let mut files: Vec<(&str, &[u8])> = Vec::new();
        if let Some(epochs) = epochs {
            files.push((layout::EPOCHS_FILE, epochs.as_bytes()));
        }
        let place = (partition, dir);
        create_at(engine, place, topic_id, (config, Offset(0)), files).await
    }
}

/// An empty log of `partition` in the directory `dir`, whose first record will have the offset
/// `base`; it and its directory, with `files` beside its own, are durable when this returns.
pub(crate) async fn create_at(
    engine: &Engine,
    (partition, dir): (TopicPartition, PathBuf),
    topic_id: Uuid,
    (config, base): (LogConfig, Offset),
    mut files: Vec<(&str, &[u8])>,
) -> Result<Log, StorageError> {
    let core = engine.core();
    if engine.fresh().note_made(&partition) {
        files.push((layout::FRESH_FILE, &[]));
    }
    let id = layout::encode_topic_id(topic_id);
    files.push((layout::PARTITION_FILE, id.as_bytes()));
    let segment_name = FileKind::Log.name(base);
    files.push((&segment_name, &[]));
    let name = layout::deleted_dir_name(&partition, core.entropy());
    core.make_dir(&engine.dir().join(name), &dir, &files)
        .await?;
    // Its file is opened when it is needed: many logs are made of which few are written to soon.
    let active = Rc::new(Segment::made(&dir, base));
    let segments = BTreeMap::from([(active.base, Rc::clone(&active))]);
    let state = LogState::new(config, segments, base, &active);
    let log = Log::new(engine, partition, dir, state);
    log.set_topic_id(topic_id);
    Ok(log)
}

/// An empty active segment, durable with its directory entry.
pub(crate) async fn begin_empty(
    engine: &Engine,
    dir: &Path,
    base: Offset,
) -> Result<Segment, StorageError> {
    let core = engine.core();
    let segment = create_segment(core, dir, base).await?;
    segment.file(core).await?.flush().await?;
    if !planted!(engine.planted(), SkipDirectorySync) {
        core.sync_dir(dir).await?;
    }
    segment.entry_pending.set(false);
    Ok(segment)
}
