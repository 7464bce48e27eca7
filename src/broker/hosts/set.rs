//! All hosts of one kind on one core.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use partition::Partition;
use reactor::Core;

use super::host::{Host, Surroundings};
use super::machine::Machine;
use crate::ownership::PartitionId;

/// The hosts of one core.
pub(crate) struct Hosts<M: Machine> {
    hosts: RefCell<BTreeMap<PartitionId, Host<M>>>,
    /// From the first image on.
    surroundings: OnceCell<Rc<Surroundings<M>>>,
}

impl<M: Machine> Default for Hosts<M> {
    fn default() -> Self {
        Self {
            hosts: RefCell::default(),
            surroundings: OnceCell::new(),
        }
    }
}

impl<M: Machine> Hosts<M> {
    /// The host of a partition.
    pub(crate) fn find(&self, id: PartitionId) -> Option<Host<M>> {
        self.hosts.borrow().get(&id).cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Host<M>> {
        self.hosts.borrow().values().cloned().collect()
    }

    /// What they look at; nothing before the first image.
    pub(crate) fn surroundings(&self) -> Option<&Rc<Surroundings<M>>> {
        self.surroundings.get()
    }

    /// Says once what they look at.
    pub(crate) fn surround(&self, surroundings: Surroundings<M>) {
        let first = self.surroundings.set(Rc::new(surroundings));
        assert!(first.is_ok(), "surroundings are set once");
    }

    /// Ends the hosts of partitions that are no more.
    pub(crate) fn retain(&self, exists: impl Fn(PartitionId) -> bool) {
        self.hosts.borrow_mut().retain(|id, host| {
            let exists = exists(*id);
            if !exists {
                host.end();
            }
            exists
        });
    }

    /// Starts a host for a partition that has none.
    pub(crate) fn start(&self, core: &Core, id: PartitionId, partition: Partition) {
        let Some(surroundings) = self.surroundings.get() else {
            return;
        };
        if self.find(id).is_none() {
            let host = Host::start(core, partition, surroundings);
            self.hosts.borrow_mut().insert(id, host);
        }
    }

    /// Ends all hosts in order: what their machines said is durable.
    pub(crate) async fn stop(&self) {
        for host in self.all() {
            host.stop().await;
        }
    }
}
