//! From an empty or used data directory to a node that serves, and back.
//!
//! Lifecycle: core 0 opens the data directory and the metadata log, lets the quorum elect this
//! node, registers it, and publishes the image; every core opens the partitions it owns. Now and
//! then what is durable is written down, so that a restart after a crash reads little. To stop:
//! partitions are closed, then the metadata log, and the directory is marked clean.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
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
use storage::{DataDir, Engine, LogCheckpoint, Planted, StorageError};

use crate::broker::{Broker, Shared};
use crate::client_metrics::ClientMetrics;
use crate::controller::{Controller, ControllerError};
use crate::errand::Errand;
use crate::groups::GroupHosts;
use crate::hosted::Hosted;
use crate::hosting::FoundLogs;
use crate::metadata_log::MetadataLog;
use crate::producer_ids::ProducerIds;
use crate::progress::Progress;

/// So many partitions of a core are closed side by side when the node stops; each waits for the
/// device several times.
const CLOSING_MAX: usize = 64;

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
            mesh: Mesh::new(usize::from(cores)),
            cores,
        }
    }

    /// How many cores it is for.
    #[must_use]
    pub fn cores(&self) -> u16 {
        self.cores
    }

    /// The data directory.
    ///
    /// # Errors
    /// When several are configured.
    fn data_dir(&self) -> Result<PathBuf, NodeError> {
        match self.config.storage.log_dirs.as_slice() {
            [one] => Ok(PathBuf::from(one)),
            several => Err(NodeError::Unsupported(format!(
                "log.dirs names {} directories; this release keeps its data in one, so name one",
                several.len()
            ))),
        }
    }
}

/// A running node, as core 0 holds it.
pub struct Node {
    broker: Broker,
    data_dir: Rc<DataDir>,
}

impl Broker {
    /// Starts this core's part: its engine, and its ear for errands. Nothing is served yet.
    ///
    /// # Errors
    /// When the configuration asks for what this release does not do.
    pub fn start(core: &Core, plan: &NodePlan) -> Result<Self, NodeError> {
        let engine = Engine::start(core, &plan.data_dir()?, plan.planted);
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
                engine,
                controller: RefCell::new(None),
                producer_ids: ProducerIds::default(),
                client_metrics: ClientMetrics::default(),
                groups: GroupHosts::default(),
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
        Ok(broker)
    }

    async fn run_errands(self, mut errands: Receiver<Errand>) {
        while let Some(errand) = errands.recv().await {
            errand(&self);
        }
    }

    /// Waits until this core has an image to serve.
    pub async fn wait_published(&self) {
        while self.image().offset() < base::Offset(0) {
            self.shared.image_changed.wait().await;
        }
    }

    /// What is to be remembered of this core's logs.
    fn checkpoints(&self) -> BTreeMap<TopicPartition, LogCheckpoint> {
        self.shared.engine.checkpoints()
    }

    /// Closes this core's partitions: what was appended is on the device, the active segments are
    /// cut to size, and what recovery would need to find out is written down. The coordinators of
    /// groups go first, since they write to partitions.
    async fn close_partitions(&self) {
        self.shared.stopping.set(true);
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
        let path = plan.data_dir()?;
        let data_dir = DataDir::open(&core, &path, broker.node_id(), &cluster_id).await?;
        let data_dir = Rc::new(data_dir);
        let found = FoundLogs {
            clean: data_dir.was_clean(),
            logs: data_dir
                .logs()
                .iter()
                .map(|log| (log.partition.clone(), log.clone()))
                .collect(),
        };
        broker.share_found(Arc::new(found)).await;
        let controller = start_controller(broker, &data_dir, &mut random).await?;
        *broker.shared.controller.borrow_mut() = Some(controller.clone());
        bootstrap(broker, &controller, plan).await?;
        register(broker, &controller, plan, &data_dir, &mut random).await?;
        let node = Self {
            broker: broker.clone(),
            data_dir,
        };
        node.remove_strays().await?;
        node.checkpoint_for_ever(Duration::from_millis(
            plan.config.storage.flush_checkpoint_interval_ms,
        ));
        Ok(node)
    }

    /// The id of the cluster that the directory belongs to.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.data_dir.identity().cluster_id
    }

    /// Removes the directories of topics that were deleted while the node was away.
    async fn remove_strays(&self) -> Result<(), NodeError> {
        let image = self.broker.image();
        let metadata = crate::metadata_log::partition();
        for found in self.data_dir.logs() {
            let name = &found.partition;
            let topic = image.topic(&name.topic);
            let known = topic.is_some_and(|topic| topic.partition(name.partition).is_some());
            if known || *name == metadata {
                continue;
            }
            tracing::info!(partition = %name, "removing what a deleted topic left");
            let path = self.data_dir.path().join(name.to_string());
            let removed = self.broker.core().remove_dir_all(&path).await;
            removed.map_err(StorageError::from)?;
        }
        Ok(())
    }

    fn checkpoint_for_ever(&self, interval: Duration) {
        let (broker, data_dir) = (self.broker.clone(), Rc::downgrade(&self.data_dir));
        self.broker.core().spawn(async move {
            loop {
                broker.core().sleep(interval).await;
                let Some(data_dir) = data_dir.upgrade() else {
                    return;
                };
                if broker.is_stopping() {
                    return;
                }
                if let Err(error) = checkpoint(&broker, &data_dir).await {
                    tracing::warn!(%error, "checkpoints not written; a restart reads more");
                }
            }
        });
    }

    /// Stops in order: nothing is acknowledged any more, everything acknowledged is on the device
    /// and written down, and the directory is marked clean.
    ///
    /// # Errors
    /// When the device refuses; then the next start recovers as after a crash.
    pub async fn stop(self) -> Result<(), NodeError> {
        let broker = &self.broker;
        let mut points = BTreeMap::new();
        for core in 0..broker.cores() {
            let closed = broker.on_core(CoreId(core), |broker| {
                let broker = broker.clone();
                async move {
                    let points = broker.checkpoints();
                    broker.close_partitions().await;
                    (points, broker.shared.engine.offline())
                }
            });
            if let Ok((logs, offline)) = closed.await {
                if let Some(error) = offline {
                    return Err(error.into());
                }
                points.extend(logs);
            }
        }
        let controller = broker.shared.controller.borrow().clone();
        if let Some(controller) = controller {
            controller.stop().await?;
        }
        self.data_dir.write_checkpoints(&points).await?;
        self.data_dir.mark_clean().await?;
        Ok(())
    }
}

impl Broker {
    async fn share_found(&self, found: Arc<FoundLogs>) {
        for core in 0..self.cores() {
            let found = Arc::clone(&found);
            let shared = self.on_core(CoreId(core), move |broker| {
                *broker.shared.found.borrow_mut() = found;
                std::future::ready(())
            });
            // A core that is gone opens no logs.
            let _ = shared.await;
        }
    }
}

/// Writes down what is durable on all cores.
async fn checkpoint(broker: &Broker, data_dir: &DataDir) -> Result<(), StorageError> {
    let mut points = BTreeMap::new();
    for core in 0..broker.cores() {
        let logs = broker.on_core(CoreId(core), |broker| {
            std::future::ready(broker.checkpoints())
        });
        points.extend(logs.await.unwrap_or_default());
    }
    data_dir.write_checkpoints(&points).await
}

async fn start_controller(
    broker: &Broker,
    data_dir: &DataDir,
    random: &mut Random,
) -> Result<Controller, NodeError> {
    let node_id = broker.node_id();
    let found = MetadataLog::open(&broker.shared.engine, data_dir, node_id).await?;
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
    data_dir: &DataDir,
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
        cluster_id: data_dir.identity().cluster_id.clone(),
        incarnation_id: Uuid::random(random),
        endpoints: endpoints(&plan.config),
        features,
        rack: plan.config.node.rack.clone(),
        log_dirs: vec![data_dir.identity().directory_id],
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
