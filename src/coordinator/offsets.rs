//! The committed offsets of one group: the fold of its records of kinds 0 and 1.
//!
//! No offset here waits for a transaction's end; those that do are in `pending.rs`.

use std::collections::BTreeMap;

use wire::record::consumer_offsets_offset_commit::OffsetCommitValue;

use crate::ReplayError;

/// The version in which offsets are written; the last that Burrow and KMinion read.
pub(crate) const VALUE_VERSION: i16 = 3;
/// The one version that can say when an offset expires; for clients that ask for it.
pub(crate) const EXPIRING_VALUE_VERSION: i16 = 1;

/// One committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: Box<str>,
    pub(crate) committed_at: i64,
    /// From commits that asked for a retention of their own; -1 for none.
    pub(crate) expires_at: i64,
}

impl Committed {
    /// Reads the value of a record.
    pub(crate) fn decode(value: &[u8]) -> Result<Self, ReplayError> {
        let (_, value): (_, OffsetCommitValue<'_>) = wire::decode_versioned(value)?;
        Ok(Self {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.as_ref().into(),
            committed_at: value.commit_timestamp,
            expires_at: value.expire_timestamp,
        })
    }
}

/// All committed offsets of one group, by topic and partition.
#[derive(Clone, Debug)]
pub(crate) struct Offsets {
    topics: BTreeMap<Box<str>, BTreeMap<i32, Committed>>,
    /// No commit is older; it need not be exact.
    oldest: i64,
    /// No own expiry is earlier; it need not be exact.
    earliest_expiry: i64,
}

impl Default for Offsets {
    fn default() -> Self {
        Self {
            topics: BTreeMap::new(),
            oldest: i64::MAX,
            earliest_expiry: i64::MAX,
        }
    }
}

impl PartialEq for Offsets {
    fn eq(&self, other: &Self) -> bool {
        self.topics == other.topics
    }
}

impl Offsets {
    /// Sets the offset of one partition.
    pub(crate) fn put(&mut self, topic: &str, partition: i32, committed: Committed) {
        self.oldest = self.oldest.min(committed.committed_at);
        if committed.expires_at >= 0 {
            self.earliest_expiry = self.earliest_expiry.min(committed.expires_at);
        }
        if let Some(partitions) = self.topics.get_mut(topic) {
            partitions.insert(partition, committed);
        } else {
            let partitions = BTreeMap::from([(partition, committed)]);
            self.topics.insert(topic.into(), partitions);
        }
    }

    /// Forgets the offset of one partition.
    pub(crate) fn remove(&mut self, topic: &str, partition: i32) {
        let Some(partitions) = self.topics.get_mut(topic) else {
            return;
        };
        partitions.remove(&partition);
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
        if self.topics.is_empty() {
            *self = Self::default();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Every topic with its partitions, in order.
    pub(crate) fn topics(&self) -> impl Iterator<Item = (&str, &BTreeMap<i32, Committed>)> {
        self.topics
            .iter()
            .map(|(name, partitions)| (name.as_ref(), partitions))
    }

    /// Every offset, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, i32, &Committed)> {
        self.topics().flat_map(|(topic, partitions)| {
            partitions
                .iter()
                .map(move |(partition, committed)| (topic, *partition, committed))
        })
    }

    /// The partitions of one topic.
    pub(crate) fn partitions(&self, topic: &str) -> impl Iterator<Item = i32> {
        let partitions = self.topics.get(topic).into_iter();
        partitions.flat_map(|partitions| partitions.keys().copied())
    }

    /// No offset expires before this.
    pub(crate) fn expiry_bound(&self, retention_ms: i64) -> i64 {
        let by_age = self.oldest.saturating_add(retention_ms);
        by_age.min(self.earliest_expiry)
    }

    pub(crate) fn earliest_expiry(&self) -> i64 {
        self.earliest_expiry
    }
}
