//! Making a log where there is none.
//!
//! Invariant: a new log and its directory are durable before anything is appended.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use base::{Offset, TopicPartition, Uuid};

use crate::engine::Engine;
use crate::error::StorageError;
use crate::layout;
use crate::log::Log;
use crate::options::LogConfig;
use crate::planted::planted;
use crate::roll::create_segment;
use crate::segment::Segment;
use crate::state::LogState;

impl Log {
    /// Makes a new, empty log; it and its directory are durable when this returns.
    ///
    /// # Errors
    /// When the device refuses.
    pub async fn create(
        engine: &Engine,
        partition: TopicPartition,
        topic_id: Uuid,
        config: LogConfig,
    ) -> Result<Self, StorageError> {
        engine.check_online()?;
        let dir = engine.dir().join(partition.to_string());
        if engine.fresh().note_made(&partition) {
            let core = engine.core();
            core.create_dir_all(&dir).await?;
            // Durable with the directory's other files, before anything is appended.
            core.replace(&dir.join(layout::FRESH_FILE), &[]).await?;
        }
        let log = create_at(engine, (partition, dir), topic_id, config, Offset(0)).await?;
        // Many logs are made of which few are written to soon.
        let active = log.shared.state.borrow().active();
        active.close();
        Ok(log)
    }
}

/// An empty log of `partition` in the directory `dir`, whose first record will have the offset
/// `base`; it and its directory are durable when this returns.
pub(crate) async fn create_at(
    engine: &Engine,
    (partition, dir): (TopicPartition, PathBuf),
    topic_id: Uuid,
    config: LogConfig,
    base: Offset,
) -> Result<Log, StorageError> {
    let core = engine.core();
    core.create_dir_all(&dir).await?;
    let id = layout::encode_topic_id(topic_id);
    core.replace(&dir.join(layout::PARTITION_FILE), id.as_bytes())
        .await?;
    let active = Rc::new(begin_empty(engine, &dir, base).await?);
    core.sync_dir(engine.dir()).await?;
    let segments = BTreeMap::from([(active.base, Rc::clone(&active))]);
    let state = LogState::new(config, segments, base, &active);
    Ok(Log::new(engine, partition, dir, state))
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
