//! A directory of partitions, open on one core.
//!
//! Lifecycle: opened, used, closed. A store that is dropped without [`Store::close`] is opened
//! again as after a crash: nothing that was durable is missing, it only takes longer.
//!
//! Invariants: a partition is open once, whoever asks for it; what is durable is written down once
//! a minute, so that opening after a crash reads little.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::{Rc, Weak};
use std::time::Duration;

use base::{NodeId, PartitionIndex, Random, TopicPartition, Uuid};
use batch::BatchView;
use reactor::{Core, Options};
use storage::{
    DataDir, Engine, FoundLog, Gate, Log, LogConfig, OpenLog, Planted, RecoveryVisitor,
    StorageError,
};

use crate::error::LogError;
use crate::partition::Partition;

/// How often what is durable is written down.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);
/// How soon a task of the store notices that it was closed.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Kafka's limit for the name of a topic.
const TOPIC_BYTES_MAX: usize = 249;
/// The directory's owner; there is no cluster, so all are the same.
const NODE: NodeId = NodeId(0);

/// What [`reactor::run`] needs for a program with one core and modest memory.
#[must_use]
pub const fn one_core() -> Options {
    Options {
        cores: 1,
        frames_bytes_max: 32 << 20,
        chunks_bytes_max: 32 << 20,
    }
}

/// See the module's head. Cheap to clone; clones share the store.
#[derive(Clone)]
pub struct Store {
    shared: Rc<Shared>,
}

struct Shared {
    core: Core,
    dir: DataDir,
    engine: Engine,
    logs: RefCell<BTreeMap<TopicPartition, Log>>,
    /// One partition is opened at a time, so that none is opened twice.
    opening: Gate,
    closed: Cell<bool>,
}

/// There are no producers to be remembered; a snapshot only says up to where that is known.
struct NoProducers;

impl RecoveryVisitor for NoProducers {
    fn load_snapshot(&mut self, _: base::Offset, _: &[u8]) -> bool {
        true
    }
    fn replay(&mut self, _: &BatchView<'_>) {}
    fn progress(&mut self, _: u64, _: u64) {}
}

impl Store {
    /// Opens a directory, which is made where it does not exist.
    ///
    /// # Errors
    /// When another process has it open, it belongs to a Kafka node, or it cannot be read.
    pub async fn open(core: &Core, path: &Path) -> Result<Self, LogError> {
        let cluster = Uuid::random(&mut Random::new(core.entropy())).to_string();
        let dir = DataDir::open(core, path, NODE, &cluster).await?;
        let engine = Engine::start(core, path, Planted::default());
        engine.note_spoken(&dir.spoken_of());
        let store = Self {
            shared: Rc::new(Shared {
                core: core.clone(),
                dir,
                engine,
                logs: RefCell::default(),
                opening: Gate::default(),
                closed: Cell::new(false),
            }),
        };
        let watched = Rc::downgrade(&store.shared);
        core.spawn(checkpoint_for_ever(core.clone(), watched));
        Ok(store)
    }

    /// The partitions that the directory has.
    #[must_use]
    pub fn partitions(&self) -> Vec<TopicPartition> {
        let found = self
            .shared
            .dir
            .logs()
            .iter()
            .map(|log| log.partition.clone());
        let open = self.shared.logs.borrow();
        let mut all: Vec<_> = found.chain(open.keys().cloned()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The partition of that name, which is made where it does not exist. `config` counts from
    /// now on, also when others have it open.
    ///
    /// # Errors
    /// `Name` when none can have this name; `Storage` when its files cannot be read.
    pub async fn partition(
        &self,
        topic: &str,
        number: i32,
        config: LogConfig,
    ) -> Result<Partition, LogError> {
        let name = name(topic, number)?;
        let _alone = self.shared.opening.enter().await;
        if self.shared.closed.get() {
            return Err(StorageError::Closed.into());
        }
        let known = self.shared.logs.borrow().get(&name).cloned();
        let log = match known {
            Some(log) => {
                log.configure(config);
                log
            }
            None => self.open_log(&name, config).await?,
        };
        self.shared.logs.borrow_mut().insert(name, log.clone());
        Ok(Partition::new(&self.shared.core, log))
    }

    async fn open_log(&self, name: &TopicPartition, config: LogConfig) -> Result<Log, LogError> {
        let (engine, dir) = (&self.shared.engine, &self.shared.dir);
        let found = dir.logs().iter().find(|found| found.partition == *name);
        let Some(found) = found else {
            let id = Uuid::random(&mut Random::new(self.shared.core.entropy()));
            return Ok(Log::create(engine, name.clone(), id, config, None).await?);
        };
        let open = open_log(found, config, dir.was_clean());
        let (log, _) = Log::open(engine, &open, &mut NoProducers).await?;
        Ok(log)
    }

    /// Writes down what is durable, so that opening after a crash need not find out.
    ///
    /// # Errors
    /// When the device refuses.
    pub async fn checkpoint(&self) -> Result<(), LogError> {
        let logs: Vec<Log> = self.shared.logs.borrow().values().cloned().collect();
        for log in logs {
            log.write_snapshot(log.durable_end(), b"").await?;
        }
        let (engine, dir) = (&self.shared.engine, &self.shared.dir);
        let names = engine.logs().into_iter();
        engine.note_spoken(&dir.speak_of(names.map(|log| log.partition().clone())));
        dir.write_checkpoints(&engine.begin_checkpoints()).await?;
        engine.end_checkpoints(&dir.spoken_of());
        Ok(())
    }

    /// Makes everything durable and closes all partitions; the next opening reads next to
    /// nothing.
    ///
    /// # Errors
    /// When the device refuses; the next opening is as after a crash then.
    pub async fn close(&self) -> Result<(), LogError> {
        let _alone = self.shared.opening.enter().await;
        if self.shared.closed.replace(true) {
            return Ok(());
        }
        let logs = std::mem::take(&mut *self.shared.logs.borrow_mut());
        for log in logs.values() {
            log.flush().await?;
            log.write_snapshot(log.durable_end(), b"").await?;
        }
        let points = self.shared.engine.checkpoints();
        for log in logs.values() {
            log.close().await?;
        }
        self.shared.dir.close_in_order(&points).await?;
        self.shared.engine.stop();
        Ok(())
    }
}

fn open_log(found: &FoundLog, config: LogConfig, clean: bool) -> OpenLog {
    OpenLog {
        partition: found.partition.clone(),
        config,
        recovery_point: found.recovery_point,
        log_start: found.log_start,
        clean,
    }
}

/// A name becomes a directory's, so nothing else may pass.
fn name(topic: &str, number: i32) -> Result<TopicPartition, LogError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=TOPIC_BYTES_MAX).contains(&topic.len())
        && topic.bytes().all(allowed)
        && topic != "."
        && topic != "..";
    let name = TopicPartition {
        topic: topic.to_owned(),
        partition: PartitionIndex(number),
    };
    if is_name && number >= 0 {
        Ok(name)
    } else {
        let name = name.to_string();
        Err(LogError::Name { name })
    }
}

async fn checkpoint_for_ever(core: Core, watched: Weak<Shared>) {
    let mut written = core.now();
    loop {
        core.sleep(WATCH_INTERVAL).await;
        let Some(shared) = watched.upgrade() else {
            return;
        };
        if shared.closed.get() || shared.engine.offline().is_some() {
            return;
        }
        if core.now().saturating_sub(written) >= CHECKPOINT_INTERVAL {
            // A checkpoint that fails leaves the one before, and costs only time.
            drop(Store { shared }.checkpoint().await);
            written = core.now();
        }
    }
}
