//! One group: what kind it is, and what all kinds have in common.
//!
//! Lifecycle: a group exists while anything is known of it: records of a group, committed offsets,
//! or live members that no record tells of yet. A group without records and members is *simple*.

use std::sync::Arc;

use wire::ConsumerOffsetsKey;

use crate::ReplayError;
use crate::classic::{ClassicGroup, Scene};
use crate::consumer::{self, ConsumerGroup};
use crate::context::Context;
use crate::offsets::Offsets;
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
            timeline: Timeline::default(),
            watched: None,
        }
    }

    /// Applies one record about this group; the only place where durable state changes.
    pub(crate) fn replay(
        &mut self,
        key: &ConsumerOffsetsKey<'_>,
        value: Option<&[u8]>,
    ) -> Result<(), ReplayError> {
        match key {
            ConsumerOffsetsKey::LegacyOffsetCommit(key) => {
                self.offsets.replay(&key.topic, key.partition, value)
            }
            ConsumerOffsetsKey::OffsetCommit(key) => {
                self.offsets.replay(&key.topic, key.partition, value)
            }
            ConsumerOffsetsKey::GroupMetadata(_) => match &mut self.kind {
                Kind::Classic(classic) => classic.replay(value),
                Kind::Consumer(_) => consumer::replay_classic(self, value),
            },
            _ => consumer::replay(self, key, value),
        }
    }

    /// True when nothing is known of this group any more.
    pub(crate) fn is_void(&self) -> bool {
        let no_members = match &self.kind {
            Kind::Classic(classic) => classic.is_void(),
            // A consumer group goes by a record that turns it into a classic one.
            Kind::Consumer(_) => false,
        };
        no_members && self.offsets.is_empty()
    }

    /// True when the group is on record, and nobody and no offset needs it.
    pub(crate) fn is_removable(&self) -> bool {
        let is_deserted = match &self.kind {
            Kind::Classic(classic) => classic.is_deserted(),
            Kind::Consumer(consumer) => consumer::is_empty(consumer),
        };
        is_deserted && self.offsets.is_empty()
    }

    /// True when the log tells of this group.
    pub(crate) fn is_on_record(&self) -> bool {
        let has_record = match &self.kind {
            Kind::Classic(classic) => classic.image.is_some(),
            Kind::Consumer(_) => true,
        };
        has_record || !self.offsets.is_empty()
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
        is_same_kind && self.offsets == other.offsets
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
