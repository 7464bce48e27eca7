//! What lies in this node's log directories, over all cores.

use base::{CoreId, TopicPartition};
use storage::{Engine, StorageError};

use crate::broker::Broker;

/// One log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDir {
    /// Where it is.
    pub path: String,
    /// Why it cannot be worked with, once it cannot.
    pub offline: Option<StorageError>,
    /// Whether it gets no new partitions (KIP-1066).
    pub is_cordoned: bool,
    /// The bytes of the volume that it lies on, where the system says.
    pub total_bytes: Option<u64>,
    /// How many of them this node may still use.
    pub usable_bytes: Option<u64>,
    /// The logs in it, by name.
    pub logs: Vec<StoredLog>,
}

/// One log in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredLog {
    /// Which partition's.
    pub partition: TopicPartition,
    /// The bytes of its segments.
    pub bytes: u64,
    /// How many offsets a copy is behind the log that it will replace; none for a log that serves.
    pub copy_lag: Option<i64>,
}

/// What one core has in one directory.
type Held = (Option<StorageError>, Vec<StoredLog>);

impl Broker {
    /// This node's log directories that hold partitions.
    pub async fn log_dirs(&self) -> Vec<LogDir> {
        let mut asked = Vec::new();
        for core in 0..self.cores() {
            asked.push(self.on_core(CoreId(core), |broker| {
                std::future::ready(broker.logs_here())
            }));
        }
        let config = self.config();
        let cordoned = &config.storage.cordoned_log_dirs;
        let mut dirs = Vec::new();
        for engine in self.partition_engines() {
            let path = engine.dir().display().to_string();
            dirs.push(LogDir {
                offline: None,
                is_cordoned: cordoned.iter().any(|one| *one == path || one == "*"),
                total_bytes: None,
                usable_bytes: None,
                logs: Vec::new(),
                path,
            });
        }
        for held in asked {
            // A core that is gone has no logs.
            let held = held.await.unwrap_or_default();
            for (dir, (failed, logs)) in dirs.iter_mut().zip(held) {
                dir.logs.extend(logs);
                dir.offline = dir.offline.take().or(failed);
            }
        }
        for (dir, engine) in dirs.iter_mut().zip(self.partition_engines()) {
            dir.logs.sort();
            if dir.offline.is_none() {
                let space = self.core().space(engine.dir()).await.ok();
                dir.total_bytes = space.as_ref().map(|space| space.total);
                dir.usable_bytes = space.as_ref().map(|space| space.free);
            }
        }
        dirs
    }

    fn logs_here(&self) -> Vec<Held> {
        let engines = self.partition_engines();
        let mut held: Vec<Held> = engines
            .iter()
            .map(|engine: &Engine| (engine.offline(), Vec::new()))
            .collect();
        for partition in self.shared.hosted.serving() {
            let log = partition.log();
            let place = self.place_of(log.engine());
            if let Some((_, logs)) = place.and_then(|place| held.get_mut(place)) {
                logs.push(StoredLog {
                    partition: partition.name(),
                    bytes: log.size(),
                    copy_lag: None,
                });
            }
        }
        for (id, place, copy) in self.shared.moves.copies() {
            let Ok(partition) = self.shared.hosted.find(id) else {
                continue;
            };
            let lag = partition.log().log_end().0 - copy.log_end().0;
            if let Some((_, logs)) = held.get_mut(place) {
                logs.push(StoredLog {
                    partition: partition.name(),
                    bytes: copy.size(),
                    copy_lag: Some(lag.max(0)),
                });
            }
        }
        held
    }
}
