//! Records of consumer groups: the fold of the log, and the only way in which a group changes.
//!
//! Invariant: every record is taken as it comes. Compaction drops what was overwritten and, later,
//! what was deleted, so a record may tell of a member whose other records are gone; only bytes that
//! do not follow their format are refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::Uuid;
use wire::record::{
    consumer_offsets_consumer_group_current_member_assignment as current,
    consumer_offsets_consumer_group_member_metadata as member,
    consumer_offsets_consumer_group_metadata as metadata,
    consumer_offsets_consumer_group_regular_expression as regex,
    consumer_offsets_consumer_group_target_assignment_member as target,
    consumer_offsets_consumer_group_target_assignment_metadata as target_metadata,
};
use wire::{ConsumerOffsetsKey as Key, Decode, decode_versioned};

use super::member::{ClassicMember, EPOCH_LEAVE, MemberAssignment, MemberMetadata, MemberState};
use super::partitions::{Held, Partitions};
use super::state::{ConsumerGroup, Resolved};
use crate::classic::ClassicGroup;
use crate::group::{Group, Kind};
use crate::{JoinProtocol, ReplayError};

/// Applies a record of kinds 3 to 8 and 16. A group of the other kind becomes a consumer group by
/// the first record that tells of one, and a classic one again by the tombstone of its metadata.
pub(crate) fn replay(
    group: &mut Group,
    key: &Key<'_>,
    value: Option<&[u8]>,
) -> Result<(), ReplayError> {
    if let (Key::ConsumerGroupMetadata(_), None) = (key, value) {
        if matches!(group.kind, Kind::Consumer(_)) {
            group.kind = Kind::Classic(ClassicGroup::default());
        }
        return Ok(());
    }
    if value.is_some() && matches!(group.kind, Kind::Classic(_)) {
        group.kind = Kind::Consumer(Box::default());
    }
    match &mut group.kind {
        Kind::Consumer(group) => apply(group, key, value),
        Kind::Classic(_) => Ok(()),
    }
}

/// Applies a record of kind 2 (classic group metadata) to a consumer group: a value is that of a
/// group that has gone back to the classic protocol, a tombstone that of one that has left it.
pub(crate) fn replay_classic(group: &mut Group, value: Option<&[u8]>) -> Result<(), ReplayError> {
    if value.is_none() {
        return Ok(());
    }
    let mut classic = ClassicGroup::default();
    classic.replay(value)?;
    group.kind = Kind::Classic(classic);
    Ok(())
}

fn apply(
    group: &mut ConsumerGroup,
    key: &Key<'_>,
    value: Option<&[u8]>,
) -> Result<(), ReplayError> {
    match key {
        Key::ConsumerGroupMetadata(_) => {
            if let Some(value) = decode::<metadata::ConsumerGroupMetadataValue>(value)? {
                group.epoch = value.epoch;
                group.metadata_hash = value.metadata_hash;
            }
        }
        Key::ConsumerGroupPartitionMetadata(_) => group.has_partition_metadata = value.is_some(),
        Key::ConsumerGroupMemberMetadata(key) => {
            match decode::<member::ConsumerGroupMemberMetadataValue<'_>>(value)? {
                Some(value) => group.set_metadata(&id(group, &key.member_id), read_member(value)),
                None => group.remove_member(&key.member_id),
            }
        }
        Key::ConsumerGroupTargetAssignmentMetadata(_) => {
            let value =
                decode::<target_metadata::ConsumerGroupTargetAssignmentMetadataValue>(value)?;
            let (epoch, at) = value.map_or((0, 0), |value| {
                (value.assignment_epoch, value.assignment_timestamp)
            });
            group.assignment_epoch = epoch;
            group.assigned_at = at;
        }
        Key::ConsumerGroupTargetAssignmentMember(key) => {
            match decode::<target::ConsumerGroupTargetAssignmentMemberValue>(value)? {
                Some(value) => {
                    let id = id(group, &key.member_id);
                    group.targets.insert(id, read_target(&value));
                }
                None => {
                    group.targets.remove(key.member_id.as_ref());
                }
            }
        }
        Key::ConsumerGroupCurrentMemberAssignment(key) => {
            let value = decode::<current::ConsumerGroupCurrentMemberAssignmentValue>(value)?;
            if let Some(value) = value {
                group.set_assignment(&id(group, &key.member_id), read_current(&value));
            } else if group.member(&key.member_id).is_some() {
                let gone = MemberAssignment {
                    epoch: EPOCH_LEAVE,
                    previous_epoch: EPOCH_LEAVE,
                    ..MemberAssignment::default()
                };
                group.set_assignment(&id(group, &key.member_id), gone);
            }
        }
        Key::ConsumerGroupRegularExpression(key) => {
            let value = decode::<regex::ConsumerGroupRegularExpressionValue<'_>>(value)?;
            let resolved = value.map(|value| Resolved {
                topics: value.topics.into_iter().map(Into::into).collect(),
                version: value.version,
                timestamp: value.timestamp,
            });
            group.set_resolved(&key.regular_expression, resolved);
        }
        _ => {}
    }
    Ok(())
}

fn decode<'a, T: Decode<'a>>(value: Option<&'a [u8]>) -> Result<Option<T>, ReplayError> {
    let decoded = value.map(decode_versioned).transpose()?;
    Ok(decoded.map(|(_, value)| value))
}

/// The id as it is known already, so that its text is kept once.
fn id(group: &ConsumerGroup, id: &str) -> Arc<str> {
    let known = group.members.get_key_value(id);
    known.map_or_else(|| id.into(), |(id, _)| Arc::clone(id))
}

fn read_member(value: member::ConsumerGroupMemberMetadataValue<'_>) -> MemberMetadata {
    let classic = value.classic_member_metadata.map(|classic| ClassicMember {
        session_timeout_ms: classic.session_timeout_ms,
        protocols: classic
            .supported_protocols
            .into_iter()
            .map(|protocol| JoinProtocol {
                name: protocol.name.into(),
                metadata: protocol.metadata.as_ref().into(),
            })
            .collect(),
    });
    let text = |text: std::borrow::Cow<'_, str>| text.into_owned();
    MemberMetadata {
        instance: value.instance_id.map(|instance| instance.as_ref().into()),
        rack: value.rack_id.map(text),
        client_id: value.client_id.into(),
        client_host: value.client_host.into(),
        topic_names: value.subscribed_topic_names.into_iter().map(text).collect(),
        topic_regex: value.subscribed_topic_regex.map(text).unwrap_or_default(),
        rebalance_timeout_ms: value.rebalance_timeout_ms,
        assignor: value.server_assignor.map(text),
        classic,
    }
}

fn read_target(value: &target::ConsumerGroupTargetAssignmentMemberValue) -> Partitions {
    let topics = value.topic_partitions.iter();
    topics
        .flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(|partition| (topic.topic_id, *partition))
        })
        .collect()
}

fn read_current(value: &current::ConsumerGroupCurrentMemberAssignmentValue) -> MemberAssignment {
    let held = |topics: &[current::TopicPartitions]| -> Held {
        let topics = topics.iter();
        topics
            .flat_map(|topic| read_epochs(topic, value.member_epoch))
            .collect()
    };
    MemberAssignment {
        epoch: value.member_epoch,
        previous_epoch: value.previous_member_epoch,
        state: MemberState::from_number(value.state),
        assigned: held(&value.assigned_partitions),
        revoking: held(&value.partitions_pending_revocation),
    }
}

/// Records without epochs per partition, from before KIP-1251, mean the member's.
fn read_epochs(topic: &current::TopicPartitions, epoch: i32) -> Vec<(Uuid, i32, i32)> {
    let epochs = topic.assignment_epochs.as_deref().unwrap_or_default();
    let has_epochs = epochs.len() == topic.partitions.len();
    let epochs = epochs
        .iter()
        .copied()
        .map(Some)
        .chain(std::iter::repeat(None));
    let pairs = topic.partitions.iter().zip(epochs);
    pairs
        .map(|(partition, of_its_own)| {
            let of_its_own = of_its_own.filter(|_| has_epochs);
            (topic.topic_id, *partition, of_its_own.unwrap_or(epoch))
        })
        .collect()
}

/// The names of a list, each once.
pub(super) fn names(list: &[String]) -> BTreeSet<String> {
    list.iter().cloned().collect()
}
