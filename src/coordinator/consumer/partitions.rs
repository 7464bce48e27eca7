//! Sets of partitions by topic id.
//!
//! Invariant: no topic is listed without partitions, so that equal sets are equal values.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use base::{PartitionIndex, Uuid};

use crate::TopicIdPartitions;

/// Partitions, for example what a member shall hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Partitions {
    topics: BTreeMap<Uuid, BTreeSet<i32>>,
}

impl Partitions {
    pub(crate) fn insert(&mut self, topic: Uuid, partition: i32) {
        self.topics.entry(topic).or_default().insert(partition);
    }

    pub(crate) fn contains(&self, topic: Uuid, partition: i32) -> bool {
        let partitions = self.topics.get(&topic);
        partitions.is_some_and(|partitions| partitions.contains(&partition))
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = (Uuid, &BTreeSet<i32>)> {
        self.topics.iter().map(|(id, partitions)| (*id, partitions))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Uuid, i32)> {
        self.topics()
            .flat_map(|(id, partitions)| partitions.iter().map(move |partition| (id, *partition)))
    }
}

impl FromIterator<(Uuid, i32)> for Partitions {
    fn from_iter<T: IntoIterator<Item = (Uuid, i32)>>(pairs: T) -> Self {
        let mut partitions = Self::default();
        for (topic, partition) in pairs {
            partitions.insert(topic, partition);
        }
        partitions
    }
}

/// Partitions that a member holds, each with the member epoch at which it got it (KIP-1251).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    topics: BTreeMap<Uuid, BTreeMap<i32, i32>>,
}

impl Held {
    pub(crate) fn insert(&mut self, topic: Uuid, partition: i32, epoch: i32) {
        self.topics
            .entry(topic)
            .or_default()
            .insert(partition, epoch);
    }

    /// Moves all partitions of a topic elsewhere.
    pub(crate) fn move_topic(&mut self, topic: Uuid, target: &mut Self) {
        if let Some(partitions) = self.topics.remove(&topic) {
            match target.topics.entry(topic) {
                Entry::Vacant(entry) => {
                    entry.insert(partitions);
                }
                Entry::Occupied(mut entry) => entry.get_mut().extend(partitions),
            }
        }
    }

    pub(crate) fn contains(&self, topic: Uuid, partition: i32) -> bool {
        self.epoch(topic, partition).is_some()
    }

    /// The member epoch at which the member got this partition.
    pub(crate) fn epoch(&self, topic: Uuid, partition: i32) -> Option<i32> {
        self.topics.get(&topic)?.get(&partition).copied()
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = (Uuid, &BTreeMap<i32, i32>)> {
        self.topics.iter().map(|(id, partitions)| (*id, partitions))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Uuid, i32, i32)> {
        self.topics().flat_map(|(id, partitions)| {
            let pairs = partitions.iter();
            pairs.map(move |(partition, epoch)| (id, *partition, *epoch))
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// As a member reads it.
    pub(crate) fn to_answer(&self) -> Vec<TopicIdPartitions> {
        let topics = self.topics();
        topics
            .map(|(id, partitions)| TopicIdPartitions {
                id,
                partitions: partitions.keys().copied().map(PartitionIndex).collect(),
            })
            .collect()
    }

    /// True when everything that a member says it owns is among these partitions.
    pub(crate) fn covers(&self, owned: &[TopicIdPartitions]) -> bool {
        owned.iter().all(|topic| {
            let mut partitions = topic.partitions.iter();
            self.topics.contains_key(&topic.id)
                && partitions.all(|partition| self.contains(topic.id, partition.0))
        })
    }

    /// True when a member says it owns any of these partitions.
    pub(crate) fn touches(&self, owned: &[TopicIdPartitions]) -> bool {
        owned.iter().any(|topic| {
            let mut partitions = topic.partitions.iter();
            partitions.any(|partition| self.contains(topic.id, partition.0))
        })
    }
}

impl FromIterator<(Uuid, i32, i32)> for Held {
    fn from_iter<T: IntoIterator<Item = (Uuid, i32, i32)>>(triples: T) -> Self {
        let mut held = Self::default();
        for (topic, partition, epoch) in triples {
            held.insert(topic, partition, epoch);
        }
        held
    }
}
