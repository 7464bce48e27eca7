//! In which log directory of its broker a replica lies, and what follows when one fails (KIP-858).
//!
//! Invariants: a new replica goes where its broker has the fewest, never to a directory that is
//! cordoned (KIP-1066) or offline; a partition is led by nobody rather than by a replica whose
//! directory is offline; its in-sync set stays, since its last member alone has everything.

use crate::broker::Broker;
use crate::change::{BrokerChange, Change, PartitionChange};
use crate::decide::leadership::{broker_change, partitions};
use crate::image::Image;
use crate::refusal::Refusal;
use crate::topic::Partition;
use base::{NodeId, PartitionIndex, Uuid};
use std::collections::BTreeMap;

/// Kafka's id for "some directory that the broker shall choose".
const UNASSIGNED: Uuid = Uuid::ZERO;
/// Kafka's id for a directory that is gone.
const LOST: Uuid = Uuid(1);
/// Kafka's id for "wherever it lay before directories were told apart".
const MIGRATING: Uuid = Uuid(2);

/// A replica's new directory: topic, partition, directory.
pub type Assignment = (Uuid, PartitionIndex, Uuid);

/// How many replicas each directory has, counted when the first choice is to be made; each choice
/// counts for the next one.
#[derive(Default)]
pub(crate) struct DirectoryLoads {
    counts: Option<BTreeMap<Uuid, usize>>,
}

impl DirectoryLoads {
    /// The directory for one more replica on broker `id`.
    pub(crate) fn take(&mut self, image: &Image, id: NodeId) -> Uuid {
        let Some(broker) = image.broker(id) else {
            return UNASSIGNED;
        };
        let open: Vec<Uuid> = open_dirs(broker).collect();
        match open.as_slice() {
            [] => UNASSIGNED,
            [only] => *only,
            several => {
                let counts = self.counts.get_or_insert_with(|| count(image));
                let load = |dir: &&Uuid| counts.get(dir).copied().unwrap_or(0);
                // Of equals the one that is named first in log.dirs.
                let chosen = several.iter().min_by_key(load).copied();
                let chosen = chosen.unwrap_or(UNASSIGNED);
                *counts.entry(chosen).or_default() += 1;
                chosen
            }
        }
    }
}

fn open_dirs(broker: &Broker) -> impl Iterator<Item = Uuid> {
    let cordoned = broker.cordoned_log_dirs.as_deref().unwrap_or(&[]);
    let dirs = broker.log_dirs.iter();
    dirs.filter(|dir| !cordoned.contains(dir)).copied()
}

fn count(image: &Image) -> BTreeMap<Uuid, usize> {
    let mut counts = BTreeMap::new();
    for (_, _, partition) in partitions(image) {
        for dir in &partition.directories {
            *counts.entry(*dir).or_default() += 1;
        }
    }
    counts
}

/// True unless all of the broker's directories are cordoned.
pub(crate) fn takes_replicas(broker: &Broker) -> bool {
    broker.log_dirs.is_empty() || open_dirs(broker).next().is_some()
}

impl Broker {
    /// Whether what lies in directory `dir` can be worked with.
    #[must_use]
    pub fn has_online(&self, dir: Uuid) -> bool {
        match dir {
            UNASSIGNED | MIGRATING => true,
            LOST => false,
            // Brokers that know nothing of KIP-858 register none.
            dir => self.log_dirs.is_empty() || self.log_dirs.contains(&dir),
        }
    }
}

impl Partition {
    /// The directory in which broker `id` has its replica, if it has one.
    #[must_use]
    pub fn directory_on(&self, id: NodeId) -> Option<Uuid> {
        let place = self.replicas.iter().position(|replica| *replica == id)?;
        Some(self.directories.get(place).copied().unwrap_or(UNASSIGNED))
    }
}

impl Image {
    /// True when broker `id` may lead and has its replica of `partition` in a directory that can
    /// be worked with.
    #[must_use]
    pub fn can_lead(&self, id: NodeId, partition: &Partition) -> bool {
        let dir = partition.directory_on(id).unwrap_or(LOST);
        let online = |broker: &std::sync::Arc<Broker>| broker.is_active() && broker.has_online(dir);
        self.broker(id).is_some_and(online)
    }
}

/// A directory of broker `id` failed: `online` are those that are left. What lies in others is led
/// by somebody else, or by nobody.
///
/// # Errors
/// When the broker is not registered.
pub fn directories_failed(
    image: &Image,
    id: NodeId,
    online: Vec<Uuid>,
) -> Result<Vec<Change>, Refusal> {
    let mut broker = broker_change(image, id)?;
    let mut after = image.clone();
    broker.log_dirs = Some(online);
    let mut changes = vec![Change::Broker(broker)];
    let applied = after.apply_all(&changes);
    assert!(applied.is_ok(), "a decision contradicts its own image");
    for (topic, index, partition) in partitions(image) {
        if partition.leader != Some(id) || after.can_lead(id, partition) {
            continue;
        }
        let rest: Vec<NodeId> = partition.isr.iter().copied().filter(|m| *m != id).collect();
        let leader = rest.iter().copied().find(|m| after.can_lead(*m, partition));
        changes.push(Change::PartitionChange(PartitionChange {
            topic,
            index,
            leader: Some(leader),
            isr: (!rest.is_empty()).then_some(rest),
            ..PartitionChange::default()
        }));
    }
    Ok(changes)
}

/// Which directories of broker `id` shall get no new partitions; nothing when that is known.
///
/// # Errors
/// When the broker is not registered.
pub fn cordon(image: &Image, id: NodeId, cordoned: Vec<Uuid>) -> Result<Vec<Change>, Refusal> {
    let change = broker_change(image, id)?;
    let known = image
        .broker(id)
        .and_then(|b| b.cordoned_log_dirs.as_deref());
    if known.unwrap_or(&[]) == cordoned {
        return Ok(Vec::new());
    }
    Ok(vec![Change::Broker(BrokerChange {
        cordoned_log_dirs: Some(cordoned),
        ..change
    })])
}

/// Notes in which directories of broker `id` replicas lie (KIP-858's AssignReplicasToDirs): what
/// the image knows already, and partitions that are gone, are passed over.
#[must_use]
pub fn assign_directories(image: &Image, id: NodeId, assigned: &[Assignment]) -> Vec<Change> {
    let mut changes = Vec::new();
    for (topic, index, dir) in assigned {
        let Some(partition) = image.partition(*topic, *index) else {
            continue;
        };
        let Some(place) = partition.replicas.iter().position(|one| *one == id) else {
            continue;
        };
        if partition.directory_on(id) == Some(*dir) {
            continue;
        }
        let mut directories = partition.directories.clone();
        directories.resize(partition.replicas.len(), UNASSIGNED);
        if let Some(slot) = directories.get_mut(place) {
            *slot = *dir;
        }
        changes.push(Change::PartitionChange(PartitionChange {
            topic: *topic,
            index: *index,
            directories: Some(directories),
            ..PartitionChange::default()
        }));
    }
    changes
}
