//! The partitions that this core owns, and work done on them for any core.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use partition::Partition;
use storage::Engine;

use crate::ownership::PartitionId;

/// Why a partition cannot be worked on here and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// No such partition, or not any more.
    Unknown,
    /// Its log is being opened; ask again.
    Opening,
    /// Its log cannot be read or written; the reason is in the log of this node.
    Offline,
    /// The node is stopping.
    Stopping,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unknown => "this node has no such partition",
            Self::Opening => "the partition's log is being opened",
            Self::Offline => "the partition's log is offline",
            Self::Stopping => "the node is stopping",
        })
    }
}

impl std::error::Error for Unavailable {}

/// What this core has of a partition.
#[derive(Clone)]
pub(crate) enum Hosting {
    /// Its log is being opened.
    Opening,
    /// It serves.
    Serving(Partition),
    /// Its log could not be opened.
    Offline,
}

/// The partitions of one core.
#[derive(Default)]
pub(crate) struct Hosted {
    partitions: RefCell<BTreeMap<PartitionId, Hosting>>,
}

impl Hosted {
    /// The partition, if it serves.
    pub(crate) fn find(&self, id: PartitionId) -> Result<Partition, Unavailable> {
        match self.partitions.borrow().get(&id) {
            Some(Hosting::Serving(partition)) => Ok(partition.clone()),
            Some(Hosting::Opening) => Err(Unavailable::Opening),
            Some(Hosting::Offline) => Err(Unavailable::Offline),
            None => Err(Unavailable::Unknown),
        }
    }

    /// Sets what this core has of a partition.
    pub(crate) fn set(&self, id: PartitionId, hosting: Hosting) {
        self.partitions.borrow_mut().insert(id, hosting);
    }

    /// Forgets a partition; returns what there was.
    pub(crate) fn remove(&self, id: PartitionId) -> Option<Hosting> {
        self.partitions.borrow_mut().remove(&id)
    }

    /// The ids of all partitions here, serving or not.
    pub(crate) fn ids(&self) -> Vec<PartitionId> {
        self.partitions.borrow().keys().copied().collect()
    }

    /// How many partitions there are in each state, by its name.
    pub(crate) fn states(&self) -> [(&'static str, usize); 3] {
        let (mut serving, mut opening, mut offline) = (0, 0, 0);
        for hosting in self.partitions.borrow().values() {
            match hosting {
                Hosting::Serving(_) => serving += 1,
                Hosting::Opening => opening += 1,
                Hosting::Offline => offline += 1,
            }
        }
        [
            ("serving", serving),
            ("opening", opening),
            ("offline", offline),
        ]
    }

    /// The partitions that serve from the directory of `engine`.
    pub(crate) fn serving_in(&self, engine: &Engine) -> Vec<Partition> {
        let mut serving = self.serving();
        serving.retain(|partition| partition.log().engine().dir() == engine.dir());
        serving
    }

    /// The partitions that serve.
    pub(crate) fn serving(&self) -> Vec<Partition> {
        let partitions = self.partitions.borrow();
        partitions
            .values()
            .filter_map(|hosting| match hosting {
                Hosting::Serving(partition) => Some(partition.clone()),
                Hosting::Opening | Hosting::Offline => None,
            })
            .collect()
    }
}
