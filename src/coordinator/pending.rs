//! Offsets that were committed inside transactions which have not ended yet (KIP-98), and which
//! groups they are in.
//!
//! Lifecycle: a record in a transactional batch puts an offset here, the batch that ends the
//! producer's transaction takes it out: into the committed ones, or away. Invariants: a producer
//! waits once at most for a partition; those that wait for one partition stand in the order of the
//! log, and the overtaken ones before the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::ProducerId;

use crate::group::Group;
use crate::offsets::Committed;

/// A partition by its topic's name and its index.
type Place = (Box<str>, i32);

/// One producer's offset for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    producer: ProducerId,
    /// Nothing when a later record of the log has been committed meanwhile: the end of this
    /// transaction changes nothing any more, but until then the partition is not stable.
    offset: Option<Committed>,
}

/// What of one group waits for transactions to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    topics: BTreeMap<Box<str>, BTreeMap<i32, Vec<Waiting>>>,
    producers: BTreeMap<ProducerId, BTreeSet<Place>>,
}

impl Pending {
    /// A transactional record: the producer's latest word on this partition.
    pub(crate) fn put(
        &mut self,
        producer: ProducerId,
        topic: &str,
        partition: i32,
        offset: Committed,
    ) {
        let partitions = self.topics.entry(topic.into()).or_default();
        let waiting = partitions.entry(partition).or_default();
        waiting.retain(|one| one.producer != producer);
        waiting.push(Waiting {
            producer,
            offset: Some(offset),
        });
        let places = self.producers.entry(producer).or_default();
        places.insert((topic.into(), partition));
    }

    /// An ordinary commit to this partition: whoever waits wrote before it.
    pub(crate) fn overtake(&mut self, topic: &str, partition: i32) {
        let partitions = self.topics.get_mut(topic);
        if let Some(waiting) = partitions.and_then(|partitions| partitions.get_mut(&partition)) {
            overtake(waiting);
        }
    }

    /// The offset of this partition is no more, and what waited for it neither.
    pub(crate) fn forget(&mut self, topic: &str, partition: i32) {
        for one in self.take_place(topic, partition) {
            let place = (topic.into(), partition);
            let Some(places) = self.producers.get_mut(&one.producer) else {
                continue;
            };
            places.remove(&place);
            if places.is_empty() {
                self.producers.remove(&one.producer);
            }
        }
    }

    fn take_place(&mut self, topic: &str, partition: i32) -> Vec<Waiting> {
        let Some(partitions) = self.topics.get_mut(topic) else {
            return Vec::new();
        };
        let waiting = partitions.remove(&partition).unwrap_or_default();
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
        waiting
    }

    /// The producer's transaction has ended: nothing of it waits any more. Given back is what it
    /// leaves behind when it is committed, which overtakes what others wrote before.
    pub(crate) fn end(&mut self, producer: ProducerId, is_commit: bool) -> Vec<(Place, Committed)> {
        let places = self.producers.remove(&producer).unwrap_or_default();
        let mut committed = Vec::new();
        for (topic, partition) in places {
            let mut waiting = self.take_place(&topic, partition);
            let at = waiting.iter().position(|one| one.producer == producer);
            assert!(at.is_some(), "a producer waits where it is said to wait");
            let at = at.unwrap_or_default();
            let ended = waiting.remove(at);
            if let Some(offset) = ended.offset.filter(|_| is_commit) {
                overtake(waiting.iter_mut().take(at));
                committed.push(((topic.clone(), partition), offset));
            }
            if !waiting.is_empty() {
                let partitions = self.topics.entry(topic).or_default();
                partitions.insert(partition, waiting);
            }
        }
        committed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Whether a transaction is open that may change the offset of this partition.
    pub(crate) fn contains(&self, topic: &str, partition: i32) -> bool {
        let partitions = self.topics.get(topic);
        partitions.is_some_and(|partitions| partitions.contains_key(&partition))
    }

    /// Whether anything of this producer waits.
    fn contains_producer(&self, producer: ProducerId) -> bool {
        self.producers.contains_key(&producer)
    }

    /// Every partition for which somebody waits, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&str, i32)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            let partitions = partitions.keys();
            partitions.map(move |partition| (topic.as_ref(), *partition))
        })
    }

    /// The partitions of one topic for which somebody waits.
    pub(crate) fn partitions(&self, topic: &str) -> impl Iterator<Item = i32> {
        let partitions = self.topics.get(topic).into_iter();
        partitions.flat_map(|partitions| partitions.keys().copied())
    }

    /// How many offsets wait, and about how many bytes of memory they take.
    pub(crate) fn size(&self) -> (usize, usize) {
        let waiting = self.topics.values().flat_map(BTreeMap::values).flatten();
        waiting.fold((0, 0), |(count, bytes), one| {
            let text = one.offset.as_ref();
            let text = text.map_or(0, |offset| offset.metadata.len());
            (count + 1, bytes + size_of_val(one) + text)
        })
    }
}

fn overtake<'w>(waiting: impl IntoIterator<Item = &'w mut Waiting>) {
    for one in waiting {
        one.offset = None;
    }
}

/// In which groups anything of a producer waits, so that the end of its transaction touches these
/// groups only. A group may be named in vain, when its offsets were deleted meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    groups: BTreeMap<ProducerId, BTreeSet<Arc<str>>>,
}

impl Producers {
    /// Notes what a record of this producer, if it is one's, has left in a group.
    pub(crate) fn note(&mut self, producer: Option<ProducerId>, group: &Group) {
        if let Some(producer) = producer
            && group.pending.contains_producer(producer)
        {
            let groups = self.groups.entry(producer).or_default();
            groups.insert(Arc::clone(&group.id));
        }
    }

    /// The groups of a producer whose transaction has ended.
    pub(crate) fn take(&mut self, producer: ProducerId) -> BTreeSet<Arc<str>> {
        self.groups.remove(&producer).unwrap_or_default()
    }
}
