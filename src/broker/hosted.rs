//! The partitions that this core owns, and work done on them for any core.
//!
//! Invariant: work that waits for a partition's opening is begun in the order in which it came, and
//! before any that comes after the opening.

use std::cell::{Cell, RefCell};
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

/// How many bytes of batches may wait on one core for their partitions' openings; further ones are
/// refused, so that a long recovery does not take the memory of the partitions that serve.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// Begins what waited for a partition, or learns why it cannot.
type Opened = Box<dyn FnOnce(Result<Partition, Unavailable>)>;

/// What waits for the opening of one partition.
#[derive(Default)]
struct Waiting {
    bytes: usize,
    work: Vec<Opened>,
}

/// The partitions of one core.
#[derive(Default)]
pub(crate) struct Hosted {
    partitions: RefCell<BTreeMap<PartitionId, Hosting>>,
    waiting: RefCell<BTreeMap<PartitionId, Waiting>>,
    waiting_bytes: Cell<usize>,
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

    /// Whether there is room for work that holds `bytes` and waits for an opening.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.waiting_bytes.get() + bytes <= WAITING_BYTES_MAX
    }

    /// Calls `opened` when the partition, which is being opened, is open or will not be.
    pub(crate) fn wait(&self, id: PartitionId, bytes: usize, opened: Opened) {
        assert!(self.has_room(bytes), "more waits than may");
        self.waiting_bytes.set(self.waiting_bytes.get() + bytes);
        let mut waiting = self.waiting.borrow_mut();
        let waiting = waiting.entry(id).or_default();
        waiting.bytes += bytes;
        waiting.work.push(opened);
    }

    /// Sets what this core has of a partition. What waited for it begins now.
    pub(crate) fn set(&self, id: PartitionId, hosting: Hosting) {
        let is_opening = matches!(hosting, Hosting::Opening);
        self.partitions.borrow_mut().insert(id, hosting);
        if !is_opening {
            self.begin_waiting(id);
        }
    }

    /// Forgets a partition; returns what there was.
    pub(crate) fn remove(&self, id: PartitionId) -> Option<Hosting> {
        let removed = self.partitions.borrow_mut().remove(&id);
        self.begin_waiting(id);
        removed
    }

    fn begin_waiting(&self, id: PartitionId) {
        let Some(waiting) = self.waiting.borrow_mut().remove(&id) else {
            return;
        };
        self.waiting_bytes
            .set(self.waiting_bytes.get() - waiting.bytes);
        for opened in waiting.work {
            opened(self.find(id));
        }
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

#[cfg(test)]
#[path = "tests/hosted.rs"]
mod tests;
