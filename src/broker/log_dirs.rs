//! What lies in this node's log directories, over all cores.

use base::{CoreId, TopicPartition};
use storage::StorageError;

use crate::broker::Broker;

/// One log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDir {
    /// Where it is.
    pub path: String,
    /// Why it cannot be worked with, once it cannot.
    pub offline: Option<StorageError>,
    /// The bytes of the volume that it lies on, where the system says.
    pub total_bytes: Option<u64>,
    /// How many of them this node may still use.
    pub usable_bytes: Option<u64>,
    /// The logs in it with their sizes in bytes, by name.
    pub logs: Vec<(TopicPartition, u64)>,
}

impl Broker {
    /// This node's log directories.
    pub async fn log_dirs(&self) -> Vec<LogDir> {
        let engine = &self.shared.engine;
        let mut asked = Vec::new();
        for core in 0..self.cores() {
            asked.push(self.on_core(CoreId(core), |broker| {
                let serving = broker.shared.hosted.serving().into_iter();
                let sizes = serving.map(|partition| (partition.name(), partition.log().size()));
                let sizes: Vec<_> = sizes.collect();
                std::future::ready((sizes, broker.shared.engine.offline()))
            }));
        }
        let mut logs = Vec::new();
        let mut offline = None;
        for sizes in asked {
            // A core that is gone has no logs.
            let (sizes, failed) = sizes.await.unwrap_or_default();
            logs.extend(sizes);
            offline = offline.or(failed);
        }
        logs.sort();
        let space = self.core().space(engine.dir()).await.ok();
        vec![LogDir {
            path: engine.dir().display().to_string(),
            offline,
            total_bytes: space.as_ref().map(|space| space.total),
            usable_bytes: space.as_ref().map(|space| space.free),
            logs,
        }]
    }

    /// Whether this node keeps logs in the directory at `path`, as it is named in `log.dirs`.
    #[must_use]
    pub fn has_log_dir(&self, path: &str) -> bool {
        self.shared.engine.dir().to_str() == Some(path)
    }
}
