//! One core's part of this node: what every handler asks.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use base::{CoreId, NodeId, Uuid};
use config::BrokerConfig;
use metadata::Image;
use metrics::Sources;
use partition::Partition;
use reactor::{Core, Gone, Sender, Signal};
use storage::{Engine, StorageError};

use crate::client_metrics::ClientMetrics;
use crate::controller::Controller;
use crate::dirs::FoundLogs;
use crate::errand::Errand;
use crate::groups::GroupHosts;
use crate::hosted::{Hosted, Unavailable};
use crate::moves::Moves;
use crate::ownership::PartitionId;
use crate::producer_ids::ProducerIds;
use crate::progress::Progress;
use crate::transactions::TransactionHosts;

/// One core's part of this node. Cheap to clone; never leaves its core.
#[derive(Clone)]
pub struct Broker {
    pub(crate) shared: Rc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) core: Core,
    pub(crate) node_id: NodeId,
    pub(crate) links: Vec<Sender<Errand>>,
    /// As started; dynamic values are laid over it whenever the image changes them.
    pub(crate) config_at_start: Arc<BrokerConfig>,
    pub(crate) config: RefCell<Arc<BrokerConfig>>,
    /// What the data directories held when the node started.
    pub(crate) found: RefCell<Arc<FoundLogs>>,
    pub(crate) image: RefCell<Arc<Image>>,
    pub(crate) image_changed: Signal,
    pub(crate) hosted: Hosted,
    /// One per directory; see `dirs.rs`.
    pub(crate) engines: Vec<Engine>,
    pub(crate) moves: Moves,
    /// On core 0: directories that failed and were not seen to yet.
    pub(crate) failures: RefCell<Vec<(usize, StorageError)>>,
    pub(crate) failed: Signal,
    /// On core 0 alone.
    pub(crate) controller: RefCell<Option<Controller>>,
    pub(crate) producer_ids: ProducerIds,
    /// Filled on core 0 alone.
    pub(crate) client_metrics: ClientMetrics,
    pub(crate) groups: GroupHosts,
    pub(crate) transactions: TransactionHosts,
    /// Who on this core counts, beside the broker itself.
    pub(crate) sources: Sources,
    pub(crate) progress: Progress,
    pub(crate) stopping: Cell<bool>,
}

impl Broker {
    /// The core this part lives on.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.shared.core
    }

    /// This node's id.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.shared.node_id
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        self.shared.image.borrow().cluster_id().to_owned()
    }

    /// The node that decides on metadata; with one voter it is this one.
    #[must_use]
    pub fn controller_id(&self) -> Option<NodeId> {
        Some(self.shared.node_id)
    }

    /// The cluster as this core knows it.
    #[must_use]
    pub fn image(&self) -> Arc<Image> {
        Arc::clone(&self.shared.image.borrow())
    }

    /// The node's configuration with what was set while it ran.
    #[must_use]
    pub fn config(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.shared.config.borrow())
    }

    /// True once the node has begun to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.stopping.get()
    }

    /// How many cores this node runs on.
    #[must_use]
    pub fn cores(&self) -> u16 {
        u16::try_from(self.shared.links.len()).unwrap_or(u16::MAX)
    }

    pub(crate) fn send_to(&self, core: CoreId, errand: Errand) -> Result<(), Gone> {
        match self.shared.links.get(usize::from(core.0)) {
            Some(link) => link.send(errand),
            None => Err(Gone),
        }
    }

    /// Works on a partition on the core that owns it. The work begins at once, before anything
    /// that is asked later.
    ///
    /// # Errors
    /// When the partition does not serve here and now.
    pub fn on_partition<R, F, T>(
        &self,
        id: PartitionId,
        work: F,
    ) -> impl Future<Output = Result<R, Unavailable>> + use<R, F, T>
    where
        R: Send + 'static,
        F: FnOnce(Partition) -> T + Send + 'static,
        T: Future<Output = R> + 'static,
    {
        let answer = self.on_core(id.owner(self.cores()), move |broker| {
            let begun = broker.shared.hosted.find(id).map(work);
            async move {
                match begun {
                    Ok(work) => Ok(work.await),
                    Err(unavailable) => Err(unavailable),
                }
            }
        });
        async move { answer.await? }
    }

    /// The partition, if this core owns it and it serves.
    #[must_use]
    pub fn own_partition(&self, id: PartitionId) -> Option<Partition> {
        self.shared.hosted.find(id).ok()
    }

    /// The topic's id, by its name.
    #[must_use]
    pub fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.shared.image.borrow().topic(name).map(|topic| topic.id)
    }
}
