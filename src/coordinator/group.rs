//! One group: what kind it is, and what all kinds have in common.
//!
//! Lifecycle: a group exists while anything is known of it: records of a group, committed offsets,
//! or live members that no record tells of yet. A group without records and members is *simple*.

use std::sync::Arc;

use wire::ConsumerOffsetsKey;

use crate::ReplayError;
use crate::classic::ClassicGroup;
use crate::consumer::{self, ConsumerGroup};
use crate::offsets::Offsets;
use crate::timeline::Timeline;

/// The protocol that a group speaks.
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
}

impl Group {
    pub(crate) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            kind: Kind::Classic(ClassicGroup::default()),
            offsets: Offsets::default(),
            timeline: Timeline::default(),
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
