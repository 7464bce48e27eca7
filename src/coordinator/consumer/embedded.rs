//! The protocol that classic consumers embed in JoinGroup and SyncGroup: topics by name, in bytes
//! that begin with a version.
//!
//! Invariant: nothing is allocated beyond the size of the bytes that came in.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base::{PartitionIndex, Uuid};
use wire::record::consumer_protocol_assignment::{ConsumerProtocolAssignment, TopicPartition};
use wire::{Decode, Reader, encode_versioned};

use super::partitions::{Held, Partitions};
use crate::classic::decode_subscription;
use crate::{Opaque, TopicIdPartitions, Topics};

/// What a classic consumer says that it wants.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) topics: BTreeSet<String>,
    pub(super) owned: Vec<TopicIdPartitions>,
    pub(super) rack: Option<String>,
}

/// Reads a subscription; nothing when the bytes are none.
pub(super) fn read_subscription(bytes: &[u8], topics: &Topics) -> Option<Subscription> {
    let value = decode_subscription(bytes)?;
    let owned = value.owned_partitions.iter();
    let owned = owned.filter_map(|topic| {
        Some(TopicIdPartitions {
            id: topics.get(&topic.topic)?.id,
            partitions: topic
                .partitions
                .iter()
                .copied()
                .map(PartitionIndex)
                .collect(),
        })
    });
    let owned = owned.collect();
    Some(Subscription {
        topics: value.topics.into_iter().map(Cow::into_owned).collect(),
        owned,
        rack: value.rack_id.map(Cow::into_owned),
    })
}

/// Why an assignment cannot be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AssignmentFault {
    /// The bytes are none.
    Malformed,
    /// A client-side assignor keeps data of its own in it, which would be lost.
    UserData,
}

/// Reads an assignment; topics that no longer exist are left out.
pub(super) fn read_assignment(
    bytes: &[u8],
    topics: &Topics,
) -> Result<Partitions, AssignmentFault> {
    if bytes.is_empty() {
        return Ok(Partitions::default());
    }
    let (version, fields) = bytes
        .split_first_chunk::<2>()
        .ok_or(AssignmentFault::Malformed)?;
    let known = ConsumerProtocolAssignment::SCHEMA.versions;
    let version = i16::from_be_bytes(*version).min(known.max);
    let value = ConsumerProtocolAssignment::decode(&mut Reader::new(fields), version)
        .map_err(|_| AssignmentFault::Malformed)?;
    if value.user_data.is_some_and(|data| !data.is_empty()) {
        return Err(AssignmentFault::UserData);
    }
    let mut partitions = Partitions::default();
    for topic in &value.assigned_partitions {
        if let Some(image) = topics.get(&topic.topic) {
            for partition in &topic.partitions {
                partitions.insert(image.id, *partition);
            }
        }
    }
    Ok(partitions)
}

/// Writes what a member may use, in the version of its subscription.
#[expect(
    clippy::expect_used,
    reason = "names of topics are shorter than the format's longest text"
)]
pub(super) fn write_assignment(held: &Held, subscription: &[u8], topics: &Topics) -> Opaque {
    let known = ConsumerProtocolAssignment::SCHEMA.versions;
    let version = subscription.first_chunk::<2>().copied().unwrap_or_default();
    let version = i16::from_be_bytes(version).clamp(known.min, known.max);
    let mut by_name: Vec<TopicPartition<'_>> = held
        .topics()
        .filter_map(|(id, partitions)| named(topics, id, partitions.keys().copied()))
        .collect();
    by_name.sort_by(|left, right| left.topic.cmp(&right.topic));
    let value = ConsumerProtocolAssignment {
        assigned_partitions: by_name,
        user_data: None,
    };
    let bytes = encode_versioned(&value, version);
    bytes.expect("an assignment fits its format").into()
}

fn named<'t>(
    topics: &'t Topics,
    id: Uuid,
    partitions: impl Iterator<Item = i32>,
) -> Option<TopicPartition<'t>> {
    Some(TopicPartition {
        topic: Cow::Borrowed(topics.name(id)?),
        partitions: partitions.collect(),
    })
}
