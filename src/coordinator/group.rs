//! One group: what kind it is, and what all kinds have in common.
//!
//! Lifecycle: a group exists while anything is known of it: records of a group, committed offsets,
//! or live members that no record tells of yet. A group without records and members is *simple*.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::ProducerId;
use wire::ConsumerOffsetsKey;

use crate::ReplayError;
use crate::classic::{ClassicGroup, Scene};
use crate::consumer::{self, ConsumerGroup};
use crate::context::Context;
use crate::offsets::{Committed, Offsets};
use crate::pending::Pending;
use crate::planted::{Planted, planted};
use crate::timeline::Timeline;

/// The protocol that a group speaks.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all groups are classic ones; boxing them would cost each an allocation"
)]
#[derive(Debug)]
pub(crate) enum Kind {
    /// JoinGroup and SyncGroup, or no members at all.
    Classic(ClassicGroup),
    /// KIP-848.
    Consumer(Box<ConsumerGroup>),
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) offsets: Offsets,
    /// Offsets that wait for their transactions to end.
    pub(crate) pending: Pending,
    pub(crate) timeline: Timeline,
    /// Under which bound the group waits for the expiry of its offsets.
    pub(crate) watched: Option<i64>,
}

impl Group {
    pub(crate) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            kind: Kind::Classic(ClassicGroup::default()),
            offsets: Offsets::default(),
            pending: Pending::default(),
            timeline: Timeline::default(),
            watched: None,
        }
    }

    /// Applies one record about this group. With [`Group::end_transaction`] the only place where
    /// durable state changes. `producer`: whose transaction the record is part of, if any.
    pub(crate) fn replay(
        &mut self,
        key: &ConsumerOffsetsKey<'_>,
        value: Option<&[u8]>,
        producer: Option<ProducerId>,
    ) -> Result<(), ReplayError> {
        match key {
            ConsumerOffsetsKey::LegacyOffsetCommit(key) => {
                self.replay_offset((&key.topic, key.partition), value, producer)
            }
            ConsumerOffsetsKey::OffsetCommit(key) => {
                self.replay_offset((&key.topic, key.partition), value, producer)
            }
            // Transactions are about offsets only; Kafka takes other records in at once too.
            ConsumerOffsetsKey::GroupMetadata(_) => match &mut self.kind {
                Kind::Classic(classic) => classic.replay(value),
                Kind::Consumer(_) => consumer::replay_classic(self, value),
            },
            _ => consumer::replay(self, key, value),
        }
    }

    fn replay_offset(
        &mut self,
        (topic, partition): (&str, i32),
        value: Option<&[u8]>,
        producer: Option<ProducerId>,
    ) -> Result<(), ReplayError> {
        let Some(value) = value else {
            self.offsets.remove(topic, partition);
            self.pending.forget(topic, partition);
            return Ok(());
        };
        let offset = Committed::decode(value)?;
        match producer {
            Some(producer) => self.pending.put(producer, topic, partition, offset),
            None => {
                self.pending.overtake(topic, partition);
                self.offsets.put(topic, partition, offset);
            }
        }
        Ok(())
    }

    /// Applies the end of a producer's transaction: its offsets are committed from now on, or gone.
    /// Given back are those that became the committed ones.
    pub(crate) fn end_transaction(
        &mut self,
        producer: ProducerId,
        is_commit: bool,
        planted: Planted,
    ) -> Vec<(Box<str>, i32, i64)> {
        let is_commit = is_commit || planted!(planted, AbortedKept);
        let committed = self.pending.end(producer, is_commit);
        let committed = committed.into_iter().map(|((topic, partition), offset)| {
            let position = offset.offset;
            self.offsets.put(&topic, partition, offset);
            (topic, partition, position)
        });
        committed.collect()
    }

    /// True when no offset is committed here, nor may become so by a transaction's end.
    pub(crate) fn has_no_offsets(&self) -> bool {
        self.offsets.is_empty() && self.pending.is_empty()
    }

    /// The partitions of one topic with an offset, committed or waiting, once and in order.
    pub(crate) fn partitions(&self, topic: &str) -> BTreeSet<i32> {
        let committed = self.offsets.partitions(topic);
        committed.chain(self.pending.partitions(topic)).collect()
    }

    /// Every partition with an offset, committed or waiting, once and in order.
    pub(crate) fn places(&self) -> BTreeSet<(&str, i32)> {
        let committed = self.offsets.iter();
        let committed = committed.map(|(topic, partition, _)| (topic, partition));
        committed.chain(self.pending.places()).collect()
    }

    /// True when nothing is known of this group any more.
    pub(crate) fn is_void(&self) -> bool {
        let no_members = match &self.kind {
            Kind::Classic(classic) => classic.is_void(),
            // A consumer group goes by a record that turns it into a classic one.
            Kind::Consumer(_) => false,
        };
        no_members && self.has_no_offsets()
    }

    /// True when the group is on record, and nobody and no offset needs it.
    pub(crate) fn is_removable(&self) -> bool {
        let is_deserted = match &self.kind {
            Kind::Classic(classic) => classic.is_deserted(),
            Kind::Consumer(consumer) => consumer::is_empty(consumer),
        };
        is_deserted && self.has_no_offsets()
    }

    /// True when the log tells of this group.
    pub(crate) fn is_on_record(&self) -> bool {
        let has_record = match &self.kind {
            Kind::Classic(classic) => classic.image.is_some(),
            Kind::Consumer(_) => true,
        };
        has_record || !self.has_no_offsets()
    }

    /// Whether the log says the same of both.
    pub(crate) fn is_durably_equal(&self, other: &Self) -> bool {
        let is_same_kind = match (&self.kind, &other.kind) {
            (Kind::Classic(left), Kind::Classic(right)) => left.image == right.image,
            (Kind::Consumer(left), Kind::Consumer(right)) => {
                consumer::is_durably_equal(left, right)
            }
            _ => false,
        };
        is_same_kind && self.offsets == other.offsets && self.pending == other.pending
    }

    /// The classic protocol's view of an input; nothing for a consumer group.
    pub(crate) fn scene<'s, 'c>(&'s mut self, ctx: &'s mut Context<'c>) -> Option<Scene<'s, 'c>> {
        match &mut self.kind {
            Kind::Classic(group) => Some(Scene {
                ctx,
                id: &self.id,
                group,
                timeline: &mut self.timeline,
            }),
            Kind::Consumer(_) => None,
        }
    }

    /// Kafka's names of the group's type and state.
    pub(crate) fn names(&self) -> (&'static str, &'static str) {
        match &self.kind {
            Kind::Classic(classic) => ("classic", classic.state.name()),
            Kind::Consumer(consumer) => ("consumer", consumer::state_name(consumer)),
        }
    }

    /// What the group is for, as lists tell it; empty for a simple group.
    pub(crate) fn protocol_type(&self) -> &str {
        match &self.kind {
            Kind::Classic(classic) => classic.protocol_type.as_deref().unwrap_or_default(),
            Kind::Consumer(_) => "consumer",
        }
    }
}

/// The id of the group that a record is about; nothing for records of share and streams groups,
/// which are left alone.
pub(crate) fn group_of<'k>(key: &'k ConsumerOffsetsKey<'_>) -> Option<&'k str> {
    use ConsumerOffsetsKey as Key;
    match key {
        Key::LegacyOffsetCommit(key) => Some(&key.group),
        Key::OffsetCommit(key) => Some(&key.group),
        Key::GroupMetadata(key) => Some(&key.group),
        Key::ConsumerGroupMetadata(key) => Some(&key.group_id),
        Key::ConsumerGroupPartitionMetadata(key) => Some(&key.group_id),
        Key::ConsumerGroupMemberMetadata(key) => Some(&key.group_id),
        Key::ConsumerGroupTargetAssignmentMetadata(key) => Some(&key.group_id),
        Key::ConsumerGroupTargetAssignmentMember(key) => Some(&key.group_id),
        Key::ConsumerGroupCurrentMemberAssignment(key) => Some(&key.group_id),
        Key::ConsumerGroupRegularExpression(key) => Some(&key.group_id),
        _ => None,
    }
}
