//! Opening a partition in the directory where it lies.
//!
//! Where the metadata says, if that directory works; where its log was found, if the metadata
//! says nothing, or names a directory that works and does not have it: then somebody moved it by
//! hand. Invariants: a partition whose directory is not there is not made anew somewhere else,
//! since the directory may come back; of two logs of one partition the one that the metadata
//! names counts, and the other one goes; a log with another topic's id goes.

use std::path::PathBuf;
use std::sync::Arc;

use base::{LeaderEpoch, TopicPartition, Uuid};
use config::TopicConfig;
use partition::{OpenPartition, Partition};
use reactor::IoErrorKind;
use storage::{Engine, FoundLog, Log, StorageError};

use crate::broker::Broker;
use crate::ownership::PartitionId;

/// Kafka's ids for directories that nobody has chosen yet, or that nobody told apart before.
const UNCHOSEN: [Uuid; 2] = [Uuid(0), Uuid(2)];

/// A directory by its place, and what it has of a partition.
type Home = (usize, Option<FoundLog>);

impl Broker {
    /// Opens a partition that lies in the directory `assigned`, and lets it lead.
    pub(crate) async fn open_partition(
        &self,
        id: PartitionId,
        name: &TopicPartition,
        config: &TopicConfig,
        (epoch, assigned): (LeaderEpoch, Uuid),
    ) -> Result<Partition, StorageError> {
        let (place, found) = self.home(id, name, assigned).await?;
        let Some(engine) = self.shared.engines.get(place) else {
            return Err(nowhere(name, assigned));
        };
        let dirs = Arc::clone(&self.shared.found.borrow());
        let open = OpenPartition {
            name: name.clone(),
            topic_id: id.topic,
            config: config.clone(),
            found,
            clean: dirs.dirs.get(place).is_some_and(|dir| dir.clean),
            leader_epoch: epoch,
        };
        let opened = Partition::open(engine, open).await;
        let partition = opened.inspect_err(|error| engine.judge(error))?;
        partition.lead(epoch).await?;
        Ok(partition)
    }

    async fn home(
        &self,
        id: PartitionId,
        name: &TopicPartition,
        assigned: Uuid,
    ) -> Result<Home, StorageError> {
        let found = Arc::clone(&self.shared.found.borrow());
        let mut holders: Vec<(usize, FoundLog)> = Vec::new();
        for (place, engine) in self.partition_engines().iter().enumerate() {
            let log = found.dirs.get(place).and_then(|dir| dir.logs.get(name));
            let Some(log) = log.filter(|_| engine.offline().is_none()) else {
                continue;
            };
            if self.is_log_of(engine, id, name).await? {
                holders.push((place, log.clone()));
            }
        }
        if let Some(place) = found.place(assigned) {
            if let Some(at) = holders.iter().position(|(holder, _)| *holder == place) {
                let (_, log) = holders.swap_remove(at);
                for (other, _) in holders {
                    self.remove_duplicate(other, name).await?;
                }
                return Ok((place, Some(log)));
            }
            let engine = self.shared.engines.get(place);
            if let Some(error) = engine.and_then(Engine::offline) {
                return Err(error);
            }
            return Ok(match holders.pop() {
                Some((holder, log)) => (holder, Some(log)),
                None => (place, None),
            });
        }
        // A directory that could not be opened may be the one.
        let is_chosen = !UNCHOSEN.contains(&assigned);
        if is_chosen && found.dirs.iter().any(|dir| dir.id.is_none()) {
            return Err(nowhere(name, assigned));
        }
        if let Some((holder, log)) = holders.pop() {
            return Ok((holder, Some(log)));
        }
        let mut engines = self.partition_engines().iter();
        match engines.position(|engine| engine.offline().is_none()) {
            Some(first) if !is_chosen => Ok((first, None)),
            _ => Err(nowhere(name, assigned)),
        }
    }

    /// Whether the log in this directory is the partition's; one of another topic is removed.
    async fn is_log_of(
        &self,
        engine: &Engine,
        id: PartitionId,
        name: &TopicPartition,
    ) -> Result<bool, StorageError> {
        let read = Log::topic_id(self.core(), engine.dir(), name).await;
        if read.inspect_err(|error| engine.judge(error))? == id.topic {
            return Ok(true);
        }
        tracing::info!(partition = %name, "removing what a deleted topic left");
        let stray = engine.dir().join(name.to_string());
        match self.core().remove_dir_all(&stray).await {
            Err(error) if error.kind != IoErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        self.core().sync_dir(engine.dir()).await?;
        Ok(false)
    }

    async fn remove_duplicate(
        &self,
        place: usize,
        name: &TopicPartition,
    ) -> Result<(), StorageError> {
        let Some(engine) = self.shared.engines.get(place) else {
            return Ok(());
        };
        let dir = engine.dir().display();
        tracing::info!(partition = %name, %dir, "removing a log that moved to another directory");
        engine.remove_duplicate(name).await
    }
}

fn nowhere(name: &TopicPartition, assigned: Uuid) -> StorageError {
    StorageError::Metadata {
        path: PathBuf::from(name.to_string()),
        reason: format!(
            "it lies in the log directory with directory.id {assigned}, which is none of those \
             that work; bring that back under log.dirs and restart, or delete the topic"
        ),
    }
}
