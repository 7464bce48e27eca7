//! From an empty or used data directory to a node that serves, and back.
//!
//! Lifecycle: core 0 opens the data directory and the metadata log, lets the quorum elect this
//! node, registers it, and publishes the image; every core opens the partitions it owns. Now and
//! then what is durable is written down, so that a restart after a crash reads little. To stop:
//! partitions are closed, then the metadata log, and the directory is marked clean.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{CoreId, Random, TopicPartition, Uuid};
use config::{BrokerConfig, FeatureLevel};
use metadata::decide::{self, Registration};
use metadata::{Change, Endpoint, FEATURES, FeatureRange, Image};
use metrics::Sources;
use partition::Partition;
use quorum::{Options, Quorum, Recovered};
use reactor::{Core, Mesh, Receiver, Reply, Signal, reply};
use storage::{DataDir, Engine, JournalLimits, LogCheckpoint, Planted, StorageError};

use crate::broker::{Broker, Shared};
use crate::client_metrics::ClientMetrics;
use crate::controller::{Controller, ControllerError};
use crate::data_dirs::Opening;
use crate::dirs::{self, FoundDir, FoundLogs, Opened};
use crate::errand::Errand;
use crate::groups::GroupHosts;
use crate::hosted::Hosted;
use crate::metadata_log::MetadataLog;
use crate::moves::Moves;
use crate::producer_ids::ProducerIds;
use crate::progress::Progress;
use crate::transactions::TransactionHosts;

/// So many partitions of a core are closed side by side when the node stops; each waits for the
/// device several times, and shares its flushes with the others. Each holds a file open.
const CLOSING_MAX: usize = 512;

/// What every core needs to start.
#[derive(Clone)]
pub struct NodePlan {
    /// The node's configuration.
    pub config: Arc<BrokerConfig>,
    /// The cluster's id for an empty data directory; a random one where there is none.
    pub cluster_id: Option<String>,
    /// Feature levels for a new cluster; the newest that are served where there are none. Higher
    /// ones come down to those.
    pub features: Option<Vec<FeatureLevel>>,
    /// Which bug to run with, for tests of the tests.
    pub planted: Planted,
    /// When small flushes go through the journal.
    pub journal: JournalLimits,
    mesh: Mesh<Errand>,
    cores: u16,
}

/// Why a node does not start.
#[derive(Debug)]
pub enum NodeError {
    /// The data directory.
    Storage(StorageError),
    /// The metadata quorum or what it decided.
    Controller(ControllerError),
    /// The voter's past makes no sense.
    Quorum(String),
    /// The configuration asks for something that this release does not do.
    Unsupported(String),
}

impl fmt::Display for NodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(error) => error.fmt(formatter),
            Self::Controller(error) => error.fmt(formatter),
            Self::Quorum(reason) => write!(formatter, "the metadata quorum: {reason}"),
            Self::Unsupported(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for NodeError {}

impl From<StorageError> for NodeError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<ControllerError> for NodeError {
    fn from(error: ControllerError) -> Self {
        Self::Controller(error)
    }
}

impl NodePlan {
    /// A plan for `cores` cores.
    #[must_use]
    pub fn new(config: Arc<BrokerConfig>, cores: u16) -> Self {
        assert!(cores > 0, "a node without cores");
        Self {
            config,
            cluster_id: None,
            features: None,
            planted: Planted::default(),
            journal: JournalLimits::default(),
            mesh: Mesh::new(usize::from(cores)),
            cores,
        }
    }

    /// How many cores it is for.
    #[must_use]
    pub fn cores(&self) -> u16 {
        self.cores
    }
}

/// A running node, as core 0 holds it.
pub struct Node {
    broker: Broker,
    /// In the order of the engines.
    data_dirs: Rc<Vec<Opened>>,
    cluster_id: String,
    failure: Rc<RefCell<Option<StorageError>>>,
    failed: Signal,
}

impl Broker {
    /// Starts this core's part: its engines, and its ear for errands. Nothing is served yet.
    #[must_use]
    pub fn start(core: &Core, plan: &NodePlan) -> Self {
        let paths = dirs::paths(&plan.config.storage);
        let engines = dirs::start_engines(core, &paths, plan.planted);
        for engine in &engines {
            engine.set_journal_limits(plan.journal);
        }
        let broker = Self {
            shared: Rc::new(Shared {
                core: core.clone(),
                node_id: plan.config.node.id,
                links: plan.mesh.senders(),
                config_at_start: Arc::clone(&plan.config),
                config: RefCell::new(Arc::clone(&plan.config)),
                found: RefCell::default(),
                image: RefCell::new(Arc::new(Image::new("-"))),
                image_changed: Signal::new(),
                hosted: Hosted::default(),
                engines,
                moves: Moves::default(),
                failures: RefCell::default(),
                failed: Signal::new(),
                controller: RefCell::new(None),
                producer_ids: ProducerIds::default(),
                client_metrics: ClientMetrics::default(),
                groups: GroupHosts::default(),
                transactions: TransactionHosts::default(),
                sources: Sources::default(),
                progress: Progress::default(),
                stopping: Cell::new(false),
            }),
        };
        let receiver = plan.mesh.take(core.id());
        let running = broker.clone();
        core.spawn(async move { running.run_errands(receiver).await });
        broker.start_duties();
        broker.start_scrub();
        broker.watch_engines();
        broker
    }

    async fn run_errands(self, mut errands: Receiver<Errand>) {
        while let Some(errand) = errands.recv().await {
            errand(&self);
        }
    }

    /// What is to be remembered of this core's logs, by directory.
    fn checkpoints(&self) -> Vec<Checkpoints> {
        let engines = self.shared.engines.iter();
        engines.map(Engine::checkpoints).collect()
    }

    /// Closes this core's partitions: what was appended is on the device, the active segments are
    /// cut to size, and what recovery would need to find out is written down. The coordinators of
    /// groups go first, since they write to partitions.
    async fn close_partitions(&self) {
        self.shared.stopping.set(true);
        self.shared.transactions.stop().await;
        self.shared.groups.stop().await;
        for partitions in self.shared.hosted.serving().chunks(CLOSING_MAX) {
            let closing: Vec<_> = partitions
                .iter()
                .map(|partition| self.close_in_background(partition.clone()))
                .collect();
            for closed in closing {
                // A task that panicked has taken its core with it.
                let _ = closed.await;
            }
        }
    }

    fn close_in_background(&self, partition: Partition) -> Reply<()> {
        let (done, closed) = reply();
        self.core().spawn(async move {
            if let Err(error) = partition.close().await {
                tracing::error!(partition = %partition.name(), %error, "not closed in order");
            }
            done.send(());
        });
        closed
    }
}

impl Node {
    /// Starts the node's shared parts on core 0; `broker` is this core's part.
    ///
    /// # Errors
    /// When the data directory is locked, damaged or another node's.
    pub async fn start(broker: &Broker, plan: &NodePlan) -> Result<Self, NodeError> {
        assert_eq!(
            broker.core().id(),
            CoreId(0),
            "the node's shared parts live on core 0"
        );
        let core = broker.core().clone();
        let mut random = Random::new(core.entropy());
        let cluster_id = plan
            .cluster_id
            .clone()
            .unwrap_or_else(|| Uuid::random(&mut random).to_string());
        let opening = Opening::new(broker, plan, cluster_id);
        let data_dirs = Rc::new(opening.open().await?);
        broker.share_found(&data_dirs).await;
        let metadata_dir = metadata_dir(&data_dirs, plan)?;
        let controller = start_controller(broker, &metadata_dir, &mut random).await?;
        *broker.shared.controller.borrow_mut() = Some(controller.clone());
        bootstrap(broker, &controller, plan).await?;
        let cluster_id = metadata_dir.identity().cluster_id.clone();
        register(broker, &controller, plan, &cluster_id, &mut random).await?;
        let node = Self {
            broker: broker.clone(),
            data_dirs,
            cluster_id,
            failure: Rc::default(),
            failed: Signal::new(),
        };
        node.remove_strays().await?;
        node.checkpoint_now().await;
        let interval = plan.config.storage.flush_checkpoint_interval_ms;
        node.checkpoint_for_ever(Duration::from_millis(interval));
        node.watch_dirs();
        node.go_on_with_moves().await;
        Ok(node)
    }

    /// The id of the cluster that the directories belong to.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Waits until the node cannot go on; why that is.
    pub async fn wait_failed(&self) -> NodeError {
        loop {
            let failed = self.failed.wait();
            if let Some(error) = &*self.failure.borrow() {
                return NodeError::Storage(error.clone());
            }
            failed.await;
        }
    }

    /// Sees to directories that fail, and to those that are to be cordoned.
    fn watch_dirs(&self) {
        let (broker, failure) = (self.broker.clone(), Rc::clone(&self.failure));
        let failed = self.failed.clone();
        self.broker.core().spawn(async move {
            let error = broker.handle_failures().await;
            *failure.borrow_mut() = Some(error);
            failed.notify();
        });
        let broker = self.broker.clone();
        self.broker.core().spawn(async move {
            while !broker.is_stopping() {
                let changed = broker.shared.image_changed.wait();
                broker.tell_cordoned().await;
                changed.await;
            }
        });
    }

    /// Begins the moves anew that were under way when the node stopped.
    async fn go_on_with_moves(&self) {
        let found = Arc::clone(&self.broker.shared.found.borrow());
        for (engine, dir) in self.broker.partition_engines().iter().zip(&found.dirs) {
            let path = engine.dir().display().to_string();
            for name in &dir.futures {
                let begun = self
                    .broker
                    .move_partition(&name.topic, name.partition, &path);
                if let Err(refusal) = begun.await {
                    tracing::info!(partition = %name, ?refusal, "its move is given up");
                }
            }
        }
    }

    /// Removes the directories of topics that were deleted while the node was away.
    async fn remove_strays(&self) -> Result<(), NodeError> {
        for data_dir in self.data_dirs.iter().flatten() {
            self.remove_strays_in(data_dir).await?;
        }
        Ok(())
    }

    async fn remove_strays_in(&self, data_dir: &DataDir) -> Result<(), NodeError> {
        let image = self.broker.image();
        let metadata = crate::metadata_log::partition();
        for found in data_dir.logs() {
            let name = &found.partition;
            let topic = image.topic(&name.topic);
            let known = topic.is_some_and(|topic| topic.partition(name.partition).is_some());
            if known || *name == metadata {
                continue;
            }
            tracing::info!(partition = %name, "removing what a deleted topic left");
            let path = data_dir.path().join(name.to_string());
            let removed = self.broker.core().remove_dir_all(&path).await;
            removed.map_err(StorageError::from)?;
        }
        Ok(())
    }

    /// What the start found out need not be found out again.
    async fn checkpoint_now(&self) {
        for (place, data_dir) in self.data_dirs.iter().enumerate() {
            let Ok(data_dir) = data_dir else {
                continue;
            };
            if let Err(error) = checkpoint(&self.broker, place, data_dir).await {
                tracing::warn!(%error, "checkpoints not written; a restart reads more");
            }
        }
    }

    /// One task per directory, so that a slow one holds up no other.
    fn checkpoint_for_ever(&self, interval: Duration) {
        for place in 0..self.data_dirs.len() {
            let (broker, data_dirs) = (self.broker.clone(), Rc::downgrade(&self.data_dirs));
            self.broker.core().spawn(async move {
                loop {
                    broker.core().sleep(interval).await;
                    let Some(data_dirs) = data_dirs.upgrade() else {
                        return;
                    };
                    let Some(Ok(data_dir)) = data_dirs.get(place) else {
                        return;
                    };
                    if broker.is_stopping() || !broker.engine_works(place) {
                        return;
                    }
                    if let Err(error) = checkpoint(&broker, place, data_dir).await {
                        tracing::warn!(%error, "checkpoints not written; a restart reads more");
                    }
                }
            });
        }
    }

    /// Stops in order: nothing is acknowledged any more, everything acknowledged is on the device
    /// and written down, and the directories that work are marked clean.
    ///
    /// # Errors
    /// When the device of the metadata log refuses, or no other works; then the next start recovers
    /// as after a crash.
    pub async fn stop(self) -> Result<(), NodeError> {
        let broker = &self.broker;
        let mut points: Vec<Checkpoints> = vec![Checkpoints::new(); self.data_dirs.len()];
        for core in 0..broker.cores() {
            let closed = broker.on_core(CoreId(core), |broker| {
                let broker = broker.clone();
                async move {
                    let points = broker.checkpoints();
                    broker.close_partitions().await;
                    let engines = broker.shared.engines.iter();
                    let offline: Vec<_> = engines.map(Engine::offline).collect();
                    (points, offline)
                }
            });
            let Ok((logs, offline)) = closed.await else {
                continue;
            };
            for (all, own) in points.iter_mut().zip(logs) {
                all.extend(own);
            }
            // A directory that failed while the node stopped is not a clean one on any core.
            for (engine, error) in broker.shared.engines.iter().zip(offline) {
                if let Some(error) = error {
                    engine.go_offline(error);
                }
            }
        }
        let mut engines = broker.partition_engines().iter();
        if engines.all(|engine| engine.offline().is_some())
            && let Some(error) = broker.partition_engines().first().and_then(Engine::offline)
        {
            return Err(error.into());
        }
        let controller = broker.shared.controller.borrow().clone();
        if let Some(controller) = controller {
            controller.stop().await?;
        }
        for (place, logs) in points.iter().enumerate() {
            let data_dir = self.data_dirs.get(place);
            let Some(Ok(data_dir)) = data_dir.filter(|_| broker.engine_works(place)) else {
                continue;
            };
            if self.is_in_use(place).await {
                let dir = data_dir.path().display();
                tracing::warn!(%dir, "a log is still open; the next start recovers it");
                data_dir.write_checkpoints(logs).await?;
                continue;
            }
            data_dir.close_in_order(logs).await?;
        }
        Ok(())
    }

    /// Whether a log of this directory is still open on some core, or owes its segments something:
    /// one that was only just opened may have been missed. No journal is used from here on.
    async fn is_in_use(&self, place: usize) -> bool {
        for core in 0..self.broker.cores() {
            let asked = self.broker.on_core(CoreId(core), move |broker| {
                let engine = broker.shared.engines.get(place);
                let is_in_use = engine.is_some_and(|engine| {
                    engine.stop();
                    engine.is_in_use()
                });
                std::future::ready(is_in_use)
            });
            // What became of the logs of a core that is gone nobody knows.
            if asked.await.unwrap_or(true) {
                return true;
            }
        }
        false
    }
}

impl Broker {
    /// Tells every core what the directories held and what their checkpoints speak of, before any
    /// log is made; those that could not be opened are offline.
    async fn share_found(&self, data_dirs: &[Opened]) {
        let dirs = data_dirs.iter().map(|opened| match opened {
            Ok(dir) => FoundDir::new(dir),
            Err(_) => FoundDir::default(),
        });
        let found = Arc::new(FoundLogs {
            dirs: dirs.collect(),
        });
        for core in 0..self.cores() {
            let found = Arc::clone(&found);
            let shared = self.on_core(CoreId(core), move |broker| {
                *broker.shared.found.borrow_mut() = found;
                std::future::ready(())
            });
            // A core that is gone opens no logs.
            let _ = shared.await;
        }
        for (place, opened) in data_dirs.iter().enumerate() {
            match opened {
                Ok(dir) => {
                    let names = dir.spoken_of();
                    on_engines(self, place, move |engine| engine.note_spoken(&names)).await;
                }
                Err(error) => {
                    tracing::error!(%error, "log directory offline; its partitions are");
                    self.take_offline(place, error).await;
                }
            }
        }
    }
}

/// What is to be remembered of the logs of one directory.
type Checkpoints = BTreeMap<TopicPartition, LogCheckpoint>;

/// Writes down what is durable on all cores in one directory.
async fn checkpoint(broker: &Broker, place: usize, dir: &DataDir) -> Result<(), StorageError> {
    let names = on_engines(broker, place, |engine| {
        let logs = engine.logs().into_iter();
        logs.map(|log| log.partition().clone()).collect()
    });
    let names: Vec<Vec<TopicPartition>> = names.await;
    let names = dir.speak_of(names.into_iter().flatten());
    // A log that is made from now on under one of these names knows that it is not meant.
    on_engines(broker, place, move |engine| engine.note_spoken(&names)).await;
    let points = on_engines(broker, place, Engine::begin_checkpoints).await;
    let points: Checkpoints = points.into_iter().flatten().collect();
    dir.write_checkpoints(&points).await?;
    let names = dir.spoken_of();
    on_engines(broker, place, move |engine| engine.end_checkpoints(&names)).await;
    Ok(())
}

/// Asks the engines of one directory, on all cores.
async fn on_engines<R: Default + Send + 'static>(
    broker: &Broker,
    place: usize,
    ask: impl Fn(&Engine) -> R + Clone + Send + 'static,
) -> Vec<R> {
    let mut answers = Vec::new();
    for core in 0..broker.cores() {
        let ask = ask.clone();
        let asked = broker.on_core(CoreId(core), move |broker| {
            let engine = broker.shared.engines.get(place);
            std::future::ready(engine.map(ask).unwrap_or_default())
        });
        answers.push(asked.await.unwrap_or_default());
    }
    answers
}

fn metadata_dir(data_dirs: &[Opened], plan: &NodePlan) -> Result<Rc<DataDir>, NodeError> {
    match data_dirs.get(dirs::metadata_place(&plan.config.storage)) {
        Some(Ok(dir)) => Ok(Rc::clone(dir)),
        Some(Err(error)) => Err(error.clone().into()),
        None => Err(NodeError::Unsupported(
            "no directory for metadata".to_owned(),
        )),
    }
}

async fn start_controller(
    broker: &Broker,
    data_dir: &DataDir,
    random: &mut Random,
) -> Result<Controller, NodeError> {
    let node_id = broker.node_id();
    let found = MetadataLog::open(broker.metadata_engine(), data_dir, node_id).await?;
    let options = Options::new(node_id, vec![node_id], random.next_u64());
    let recovered = Recovered {
        state: found.state,
        entries: found.entries,
    };
    let quorum =
        Quorum::new(options, recovered).map_err(|error| NodeError::Quorum(error.to_string()))?;
    let random = Random::new(random.next_u64());
    let controller = Controller::new(quorum, found.log, found.image, random);
    controller.pump().await?;
    Ok(controller)
}

/// Gives a new cluster its feature levels, and takes those away that this release does not serve:
/// the cluster may have been made by a release or a choice that promised more.
async fn bootstrap(
    broker: &Broker,
    controller: &Controller,
    plan: &NodePlan,
) -> Result<(), NodeError> {
    let chosen = plan.features.clone();
    controller
        .decide(broker, move |image, _random| {
            let changes = if image.features().is_empty() {
                chosen.map_or_else(metadata::bootstrap_changes, |levels| {
                    feature_changes(&levels)
                })
            } else {
                Vec::new()
            };
            (changes, ())
        })
        .await?;
    let lowered = controller
        .decide(broker, move |image, _random| {
            let changes = decide::lower_unserved(image);
            (changes.clone(), changes)
        })
        .await?;
    for change in lowered {
        if let Change::FeatureLevel { name, level } = change {
            tracing::warn!(feature = %name, level, "lowered to the level that this release serves");
        }
    }
    Ok(())
}

fn feature_changes(levels: &[FeatureLevel]) -> Vec<Change> {
    levels
        .iter()
        .filter(|level| level.level > 0 && level.feature.name != "kraft.version")
        .map(|level| Change::FeatureLevel {
            name: level.feature.name.to_owned(),
            level: level.level,
        })
        .collect()
}

/// Registers this node anew and lets it lead.
async fn register(
    broker: &Broker,
    controller: &Controller,
    plan: &NodePlan,
    cluster_id: &str,
    random: &mut Random,
) -> Result<(), NodeError> {
    let features = FEATURES
        .iter()
        .map(|feature| {
            (
                feature.name.to_owned(),
                FeatureRange {
                    min: feature.min,
                    max: feature.max,
                },
            )
        })
        .collect();
    let registration = Registration {
        id: broker.node_id(),
        cluster_id: cluster_id.to_owned(),
        incarnation_id: Uuid::random(random),
        endpoints: endpoints(&plan.config),
        features,
        rack: plan.config.node.rack.clone(),
        log_dirs: broker.online_dirs(),
    };
    let id = registration.id;
    let outcome = controller
        .decide(broker, move |image, _random| {
            let epoch = image.offset().get() + 1;
            match decide::register_broker(image, registration, epoch) {
                Ok(changes) => (changes, Ok(())),
                Err(refusal) => (Vec::new(), Err(refusal)),
            }
        })
        .await?;
    outcome.map_err(ControllerError::Refused)?;
    // Before anything is led: who leads depends on where it lies.
    broker.tell_assignments().await?;
    let outcome = controller
        .decide(broker, move |image, _random| {
            match decide::unfence_broker(image, id) {
                Ok(changes) => (changes, Ok(())),
                Err(refusal) => (Vec::new(), Err(refusal)),
            }
        })
        .await?;
    outcome.map_err(ControllerError::Refused)?;
    Ok(())
}

fn endpoints(config: &BrokerConfig) -> Vec<Endpoint> {
    let listeners = config
        .network
        .listeners
        .iter()
        .filter(|listener| !listener.is_controller);
    listeners
        .map(|listener| {
            let advertised = config
                .network
                .advertised
                .iter()
                .find(|one| one.name == listener.name);
            let host = advertised.and_then(|one| one.host.clone());
            Endpoint {
                listener: listener.name.clone(),
                host: host.unwrap_or_else(|| listener.host.clone()),
                port: advertised.and_then(|one| one.port).unwrap_or(listener.port),
                security_protocol: listener.security_protocol.code(),
            }
        })
        .collect()
}
