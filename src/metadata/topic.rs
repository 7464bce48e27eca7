//! Topics and their partitions.
//!
//! Invariants: partitions of a topic are numbered from zero without gaps; every topic is found by
//! its name and by its id. Names that collide once `.` and `_` are taken for the same character
//! would be confused by metrics, so they are found by that form too.

use base::{LeaderEpoch, NodeId, PartitionIndex, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who holds a partition and who leads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// Every broker that holds it; the first is preferred as leader.
    pub replicas: Vec<NodeId>,
    /// The log directory on each of `replicas`, in the same order (KIP-858).
    pub directories: Vec<Uuid>,
    /// Those that have everything acknowledged.
    pub isr: Vec<NodeId>,
    /// Those that a reassignment takes away.
    pub removing_replicas: Vec<NodeId>,
    /// Those that a reassignment brings.
    pub adding_replicas: Vec<NodeId>,
    /// Those outside the ISR that surely have everything acknowledged (KIP-966).
    pub eligible_leader_replicas: Vec<NodeId>,
    /// The last member of the ISR or ELR, when both are empty (KIP-966).
    pub last_known_leader: Vec<NodeId>,
    /// Who leads, if anybody.
    pub leader: Option<NodeId>,
    /// True while the leader was elected uncleanly and is still recovering (KIP-704).
    pub recovering: bool,
    /// The number of the leader's reign.
    pub leader_epoch: LeaderEpoch,
    /// Counts every change of this partition; guards against late changes (KIP-497).
    pub partition_epoch: i32,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id, never used again (KIP-516).
    pub id: Uuid,
    /// Its partitions, by index.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// The partition with this index.
    #[must_use]
    pub fn partition(&self, index: PartitionIndex) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index.get()).ok()?)
    }
}

/// All topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics {
    by_name: BTreeMap<Arc<str>, Arc<Topic>>,
    by_id: BTreeMap<Uuid, Arc<str>>,
    /// The names that contain a dot or an underscore, by their form with underscores only.
    by_blurred: BTreeMap<String, BTreeSet<Arc<str>>>,
}

impl Topics {
    /// The topic with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    /// The topic with this id.
    #[must_use]
    pub fn with_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.by_name.get(self.by_id.get(&id)?)
    }

    /// All topics, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    /// All topics whose names are not before `name`, for pages of a listing.
    pub fn iter_from<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Arc<Topic>> {
        let from = (std::ops::Bound::Included(name), std::ops::Bound::Unbounded);
        self.by_name.range::<str, _>(from).map(|(_, topic)| topic)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// A topic other than `name` itself whose name cannot be told from it once `.` and `_` are
    /// the same.
    #[must_use]
    pub fn colliding_with(&self, name: &str) -> Option<&str> {
        let mut others = self.by_blurred.get(&blur(name)?)?.iter();
        others.find(|other| &***other != name).map(|other| &**other)
    }

    /// Adds an empty topic; false when name or id are taken.
    pub(crate) fn insert(&mut self, name: &str, id: Uuid) -> bool {
        if self.by_name.contains_key(name) || self.by_id.contains_key(&id) {
            return false;
        }
        let name: Arc<str> = Arc::from(name);
        if let Some(blurred) = blur(&name) {
            let same = self.by_blurred.entry(blurred).or_default();
            same.insert(Arc::clone(&name));
        }
        self.by_id.insert(id, Arc::clone(&name));
        let topic = Topic {
            name: Arc::clone(&name),
            id,
            partitions: Vec::new(),
        };
        self.by_name.insert(name, Arc::new(topic));
        assert!(self.by_name.len() == self.by_id.len());
        true
    }

    /// Removes a topic and returns it.
    pub(crate) fn remove(&mut self, id: Uuid) -> Option<Arc<Topic>> {
        let name = self.by_id.remove(&id)?;
        if let Some(blurred) = blur(&name)
            && let Some(same) = self.by_blurred.get_mut(&blurred)
        {
            same.remove(&name);
            if same.is_empty() {
                self.by_blurred.remove(&blurred);
            }
        }
        let topic = self.by_name.remove(&name);
        assert!(self.by_name.len() == self.by_id.len());
        topic
    }

    /// The topic with this id, copied first if anybody else holds it.
    pub(crate) fn make_mut(&mut self, id: Uuid) -> Option<&mut Topic> {
        let name = self.by_id.get(&id)?;
        self.by_name.get_mut(name).map(Arc::make_mut)
    }
}

/// The name with underscores for dots, when it has either.
pub(crate) fn blur(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}
