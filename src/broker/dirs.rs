//! This node's log directories: what each held at the start, which partition lies where, and what
//! happens when one fails (KIP-112, KIP-858).
//!
//! Each core has one engine per directory, in the same order everywhere: that of `log.dirs`, and
//! behind them the directory of the metadata log where that is another one. Invariants: a directory
//! that failed on one core is offline on all of them; its partitions are, and nothing else is,
//! unless it holds the metadata log or no other is left, which ends the node.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use base::{CoreId, TopicPartition, Uuid};
use config::StorageConfig;
use metadata::decide::{self, Assignment};
use reactor::{Core, Pool};
use storage::{DataDir, Engine, FoundLog, Planted, StorageError};

use crate::broker::Broker;
use crate::hosted::Hosting;

/// A directory's share of a core's memory for logs is never less than this.
const CHUNKS_BYTES_MIN: usize = 4 << 20;

/// What one directory held when the node started.
#[derive(Debug, Default)]
pub(crate) struct FoundDir {
    /// Its id; nothing when it could not be opened.
    pub(crate) id: Option<Uuid>,
    pub(crate) clean: bool,
    pub(crate) logs: BTreeMap<TopicPartition, FoundLog>,
    /// The partitions that were being moved here.
    pub(crate) futures: Vec<TopicPartition>,
}

impl FoundDir {
    pub(crate) fn new(dir: &DataDir) -> Self {
        let logs = dir.logs().iter();
        Self {
            id: Some(dir.identity().directory_id),
            clean: dir.was_clean(),
            logs: logs
                .map(|log| (log.partition.clone(), log.clone()))
                .collect(),
            futures: dir.futures().to_vec(),
        }
    }
}

/// What the data directories held when the node started, in their order.
#[derive(Debug, Default)]
pub(crate) struct FoundLogs {
    pub(crate) dirs: Vec<FoundDir>,
}

impl FoundLogs {
    /// The place of the directory with this id.
    pub(crate) fn place(&self, id: Uuid) -> Option<usize> {
        self.dirs.iter().position(|dir| dir.id == Some(id))
    }
}

/// The directories of a node, in order.
pub(crate) fn paths(storage: &StorageConfig) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = storage.log_dirs.iter().map(PathBuf::from).collect();
    let metadata = PathBuf::from(&storage.metadata_log_dir);
    if !paths.contains(&metadata) {
        paths.push(metadata);
    }
    paths
}

/// The place of the directory of the metadata log among [`paths`].
pub(crate) fn metadata_place(storage: &StorageConfig) -> usize {
    let path = Path::new(&storage.metadata_log_dir);
    let place = paths(storage).iter().position(|one| one == path);
    assert!(place.is_some(), "the metadata log has a directory");
    place.unwrap_or(0)
}

/// One engine per directory; with several, each has its share of the core's memory, so that one
/// that stalls holds on to nothing of the others'.
pub(crate) fn start_engines(core: &Core, paths: &[PathBuf], planted: Planted) -> Vec<Engine> {
    if let [only] = paths {
        return vec![Engine::start(core, only, planted)];
    }
    let share = core.chunks().limit() / paths.len();
    let share = share.max(CHUNKS_BYTES_MIN);
    let counters = Rc::default();
    let engine = |path: &PathBuf| {
        let counted = (Rc::clone(&counters), planted);
        Engine::start_with(core, path, Pool::new(share), counted)
    };
    paths.iter().map(engine).collect()
}

impl Broker {
    /// The engine of the metadata log, which lives on core 0.
    pub(crate) fn metadata_engine(&self) -> &Engine {
        let place = metadata_place(&self.shared.config_at_start.storage);
        let engine = self.shared.engines.get(place);
        #[expect(clippy::expect_used, reason = "there is one engine per directory")]
        engine.expect("the metadata log has an engine")
    }

    /// The engines whose directories hold partitions, in the order of `log.dirs`.
    pub(crate) fn partition_engines(&self) -> &[Engine] {
        let count = self.shared.config_at_start.storage.log_dirs.len();
        self.shared.engines.get(..count).unwrap_or_default()
    }

    /// Why this core has no directory to go on with, once that is so.
    pub(crate) fn out_of_dirs(&self) -> Option<StorageError> {
        if let Some(error) = self.metadata_engine().offline() {
            return Some(error);
        }
        let errors = self.partition_engines().iter().map(Engine::offline);
        let errors: Option<Vec<StorageError>> = errors.collect();
        errors?.into_iter().next()
    }

    /// The ids of the directories that take partitions and work, in order.
    pub(crate) fn online_dirs(&self) -> Vec<Uuid> {
        let found = self.shared.found.borrow();
        let engines = self.partition_engines().iter();
        let online = engines.zip(&found.dirs).filter_map(|(engine, dir)| {
            let works = engine.offline().is_none();
            dir.id.filter(|_| works)
        });
        online.collect()
    }

    /// Tells core 0 of each directory of this core that fails.
    pub(crate) fn watch_engines(&self) {
        for (place, engine) in self.shared.engines.iter().enumerate() {
            let (broker, engine) = (self.clone(), engine.clone());
            self.core().spawn(async move {
                let error = engine.wait_offline().await;
                let told = broker.on_core(CoreId(0), move |broker| {
                    broker.shared.failures.borrow_mut().push((place, error));
                    broker.shared.failed.notify();
                    std::future::ready(())
                });
                // Without core 0 there is no node.
                let _ = told.await;
            });
        }
    }

    /// Takes a directory offline on every core, with its partitions.
    pub(crate) async fn take_offline(&self, place: usize, error: &StorageError) {
        let mut asked = Vec::new();
        for core in 0..self.cores() {
            let error = error.clone();
            asked.push(self.on_core(CoreId(core), move |broker| {
                broker.take_offline_here(place, error);
                std::future::ready(())
            }));
        }
        for done in asked {
            // A core that is gone serves nothing.
            let _ = done.await;
        }
    }

    fn take_offline_here(&self, place: usize, error: StorageError) {
        let Some(engine) = self.shared.engines.get(place) else {
            return;
        };
        engine.go_offline(error);
        for id in self.shared.hosted.ids() {
            let Ok(partition) = self.shared.hosted.find(id) else {
                continue;
            };
            if partition.log().engine().dir() == engine.dir() {
                self.shared.hosted.set(id, Hosting::Offline);
                partition.abandon();
                self.end_host(id);
            }
        }
    }

    /// On core 0: sees to each directory that failed, until the node cannot go on; why that is.
    pub(crate) async fn handle_failures(&self) -> StorageError {
        loop {
            let waiting = self.shared.failed.wait();
            let failures = std::mem::take(&mut *self.shared.failures.borrow_mut());
            if failures.is_empty() {
                waiting.await;
                continue;
            }
            for (place, error) in failures {
                self.take_offline(place, &error).await;
                if self.out_of_dirs().is_some() {
                    tracing::error!(%error, "no more log directory to go on with");
                    return error;
                }
                tracing::error!(%error, "log directory offline; its partitions are");
            }
            self.tell_online_dirs().await;
        }
    }

    /// Lets the controller know which directories are left.
    async fn tell_online_dirs(&self) {
        let (id, online) = (self.node_id(), self.online_dirs());
        let decided = self.decide(move |image, _random| {
            let known = image.broker(id).map(|broker| broker.log_dirs.clone());
            if known.as_ref() == Some(&online) {
                return (Vec::new(), ());
            }
            (
                decide::directories_failed(image, id, online).unwrap_or_default(),
                (),
            )
        });
        if let Err(error) = decided.await {
            tracing::error!(%error, "failed log directories not made known");
        }
    }

    /// Lets the controller know which directories get no new partitions.
    pub(crate) async fn tell_cordoned(&self) {
        let config = self.config();
        let named = &config.storage.cordoned_log_dirs;
        let all = named.iter().any(|one| one == "*");
        let found = Arc::clone(&self.shared.found.borrow());
        let dirs = config.storage.log_dirs.iter().zip(&found.dirs);
        let cordoned = dirs
            .filter(|(path, _)| all || named.contains(path))
            .filter_map(|(_, dir)| dir.id)
            .collect();
        let id = self.node_id();
        let decided = self.decide(move |image, _random| {
            (decide::cordon(image, id, cordoned).unwrap_or_default(), ())
        });
        if let Err(error) = decided.await {
            tracing::warn!(%error, "cordoned log directories not made known");
        }
    }

    /// Lets the controller know where partitions lie that it believes elsewhere: a directory was
    /// added, or an operator moved them by hand.
    pub(crate) async fn tell_assignments(&self) -> Result<(), crate::ControllerError> {
        let mut assigned: Vec<Assignment> = Vec::new();
        for core in 0..self.cores() {
            let homes = self.on_core(CoreId(core), |broker| {
                std::future::ready(broker.homes_here())
            });
            assigned.extend(homes.await.unwrap_or_default());
        }
        let id = self.node_id();
        let decide = move |image: &metadata::Image, _random: &mut base::Random| {
            (decide::assign_directories(image, id, &assigned), ())
        };
        self.decide(decide).await
    }

    fn homes_here(&self) -> Vec<Assignment> {
        let found = self.shared.found.borrow();
        let ids = self.shared.hosted.ids().into_iter();
        let homes = ids.filter_map(|id| {
            let partition = self.shared.hosted.find(id).ok()?;
            let place = self.place_of(partition.log().engine())?;
            Some((id.topic, id.index, found.dirs.get(place)?.id?))
        });
        homes.collect()
    }

    /// The place of an engine's directory.
    pub(crate) fn place_of(&self, engine: &Engine) -> Option<usize> {
        let mut engines = self.shared.engines.iter();
        engines.position(|one| one.dir() == engine.dir())
    }
}

/// An open directory, or why it is not.
pub(crate) type Opened = Result<Rc<DataDir>, StorageError>;
