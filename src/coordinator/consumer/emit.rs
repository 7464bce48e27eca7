//! Writes the records of consumer groups; each is applied to the group as it is written.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use wire::ConsumerOffsetsKey as Key;
use wire::record::{
    consumer_offsets_consumer_group_current_member_assignment as current,
    consumer_offsets_consumer_group_member_metadata as member,
    consumer_offsets_consumer_group_metadata as metadata,
    consumer_offsets_consumer_group_partition_metadata as partition_metadata,
    consumer_offsets_consumer_group_regular_expression as regex,
    consumer_offsets_consumer_group_target_assignment_member as target,
    consumer_offsets_consumer_group_target_assignment_metadata as target_metadata,
};

use super::member::{MemberAssignment, MemberMetadata};
use super::partitions::{Held, Partitions};
use super::state::Resolved;
use crate::context::Context;
use crate::group::Group;

/// All these records are written in the only version they have.
const VERSION: i16 = 0;

/// The group's epoch, and what its topics were like then.
pub(super) fn epoch(ctx: &mut Context<'_>, group: &mut Group, epoch: i32, metadata_hash: i64) {
    let id = Arc::clone(&group.id);
    let key = metadata::ConsumerGroupMetadataKey {
        group_id: Cow::Borrowed(&id),
    };
    let value = metadata::ConsumerGroupMetadataValue {
        epoch,
        metadata_hash,
    };
    ctx.emit(group, &Key::from(key), Some((&value, VERSION)));
}

/// What a member says of itself.
pub(super) fn member(
    ctx: &mut Context<'_>,
    group: &mut Group,
    id: &str,
    metadata: &MemberMetadata,
) {
    let classic = metadata.classic.as_ref();
    let value = member::ConsumerGroupMemberMetadataValue {
        instance_id: metadata.instance.as_deref().map(Cow::Borrowed),
        rack_id: metadata.rack.as_deref().map(Cow::Borrowed),
        client_id: Cow::Borrowed(&metadata.client_id),
        client_host: Cow::Borrowed(&metadata.client_host),
        subscribed_topic_names: borrowed(&metadata.topic_names),
        subscribed_topic_regex: Some(Cow::Borrowed(&metadata.topic_regex)),
        rebalance_timeout_ms: metadata.rebalance_timeout_ms,
        server_assignor: metadata.assignor.as_deref().map(Cow::Borrowed),
        classic_member_metadata: classic.map(|classic| member::ClassicMemberMetadata {
            session_timeout_ms: classic.session_timeout_ms,
            supported_protocols: classic
                .protocols
                .iter()
                .map(|protocol| member::ClassicProtocol {
                    name: Cow::Borrowed(&protocol.name),
                    metadata: Cow::Borrowed(&protocol.metadata),
                })
                .collect(),
        }),
    };
    let group_id = Arc::clone(&group.id);
    let key = member::ConsumerGroupMemberMetadataKey {
        group_id: Cow::Borrowed(&group_id),
        member_id: Cow::Borrowed(id),
    };
    ctx.emit(group, &Key::from(key), Some((&value, VERSION)));
}

/// What a member shall hold.
pub(super) fn target(ctx: &mut Context<'_>, group: &mut Group, id: &str, partitions: &Partitions) {
    let topics = partitions.topics();
    let value = target::ConsumerGroupTargetAssignmentMemberValue {
        topic_partitions: topics
            .map(|(topic_id, partitions)| target::TopicPartition {
                topic_id,
                partitions: partitions.iter().copied().collect(),
            })
            .collect(),
    };
    let group_id = Arc::clone(&group.id);
    let key = target::ConsumerGroupTargetAssignmentMemberKey {
        group_id: Cow::Borrowed(&group_id),
        member_id: Cow::Borrowed(id),
    };
    ctx.emit(group, &Key::from(key), Some((&value, VERSION)));
}

/// The targets of this epoch are all written; `made_at` is zero when the next may follow at once.
pub(super) fn target_epoch(ctx: &mut Context<'_>, group: &mut Group, epoch: i32, made_at: i64) {
    let id = Arc::clone(&group.id);
    let key = target_metadata::ConsumerGroupTargetAssignmentMetadataKey {
        group_id: Cow::Borrowed(&id),
    };
    let value = target_metadata::ConsumerGroupTargetAssignmentMetadataValue {
        assignment_epoch: epoch,
        assignment_timestamp: made_at,
    };
    ctx.emit(group, &Key::from(key), Some((&value, VERSION)));
}

/// Where a member is.
pub(super) fn current(
    ctx: &mut Context<'_>,
    group: &mut Group,
    id: &str,
    assignment: &MemberAssignment,
) {
    let value = current::ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: assignment.epoch,
        previous_member_epoch: assignment.previous_epoch,
        state: assignment.state.number(),
        assigned_partitions: held(&assignment.assigned),
        partitions_pending_revocation: held(&assignment.revoking),
    };
    let group_id = Arc::clone(&group.id);
    let key = current::ConsumerGroupCurrentMemberAssignmentKey {
        group_id: Cow::Borrowed(&group_id),
        member_id: Cow::Borrowed(id),
    };
    ctx.emit(group, &Key::from(key), Some((&value, VERSION)));
}

/// A member is gone: where it was, what it was to hold, what it said.
pub(super) fn member_gone(ctx: &mut Context<'_>, group: &mut Group, id: &str) {
    current_gone(ctx, group, id);
    target_gone(ctx, group, id);
    metadata_gone(ctx, group, id);
}

fn current_gone(ctx: &mut Context<'_>, group: &mut Group, id: &str) {
    let group_id = Arc::clone(&group.id);
    let key = current::ConsumerGroupCurrentMemberAssignmentKey {
        group_id: Cow::Borrowed(&group_id),
        member_id: Cow::Borrowed(id),
    };
    ctx.emit(group, &Key::from(key), None);
}

fn target_gone(ctx: &mut Context<'_>, group: &mut Group, id: &str) {
    let group_id = Arc::clone(&group.id);
    let key = target::ConsumerGroupTargetAssignmentMemberKey {
        group_id: Cow::Borrowed(&group_id),
        member_id: Cow::Borrowed(id),
    };
    ctx.emit(group, &Key::from(key), None);
}

fn metadata_gone(ctx: &mut Context<'_>, group: &mut Group, id: &str) {
    let group_id = Arc::clone(&group.id);
    let key = member::ConsumerGroupMemberMetadataKey {
        group_id: Cow::Borrowed(&group_id),
        member_id: Cow::Borrowed(id),
    };
    ctx.emit(group, &Key::from(key), None);
}

/// The topics' metadata that Kafka before 4.1 wrote is gone.
pub(super) fn partition_metadata_gone(ctx: &mut Context<'_>, group: &mut Group) {
    let id = Arc::clone(&group.id);
    let key = partition_metadata::ConsumerGroupPartitionMetadataKey {
        group_id: Cow::Borrowed(&id),
    };
    ctx.emit(group, &Key::from(key), None);
}

/// What an expression matches; nothing when nobody wants by it any more.
pub(super) fn resolved(
    ctx: &mut Context<'_>,
    group: &mut Group,
    expression: &str,
    resolved: Option<&Resolved>,
) {
    let value = resolved.map(|resolved| regex::ConsumerGroupRegularExpressionValue {
        topics: borrowed(&resolved.topics),
        version: resolved.version,
        timestamp: resolved.timestamp,
    });
    let id = Arc::clone(&group.id);
    let key = regex::ConsumerGroupRegularExpressionKey {
        group_id: Cow::Borrowed(&id),
        regular_expression: Cow::Borrowed(expression),
    };
    let value = value.as_ref();
    ctx.emit(
        group,
        &Key::from(key),
        value.map(|value| (value as _, VERSION)),
    );
}

/// The whole group is gone. Its members' places go first and its epoch last, so that a log cut
/// anywhere between still tells of a group whose members are known.
pub(super) fn group_gone(ctx: &mut Context<'_>, group: &mut Group) {
    let consumer = super::of(group);
    let members: Vec<Arc<str>> = consumer.members.keys().cloned().collect();
    let targets: Vec<Arc<str>> = consumer.targets.keys().cloned().collect();
    let expressions: Vec<String> = consumer.resolved.keys().cloned().collect();
    let has_partition_metadata = consumer.has_partition_metadata;
    for id in &members {
        current_gone(ctx, group, id);
    }
    for id in &targets {
        target_gone(ctx, group, id);
    }
    let id = Arc::clone(&group.id);
    let key = target_metadata::ConsumerGroupTargetAssignmentMetadataKey {
        group_id: Cow::Borrowed(&id),
    };
    ctx.emit(group, &Key::from(key), None);
    for id in &members {
        metadata_gone(ctx, group, id);
    }
    for expression in &expressions {
        resolved(ctx, group, expression, None);
    }
    if has_partition_metadata {
        partition_metadata_gone(ctx, group);
    }
    let key = metadata::ConsumerGroupMetadataKey {
        group_id: Cow::Borrowed(&id),
    };
    ctx.emit(group, &Key::from(key), None);
}

fn borrowed(names: &BTreeSet<String>) -> Vec<Cow<'_, str>> {
    names
        .iter()
        .map(|name| Cow::Borrowed(name.as_str()))
        .collect()
}

fn held(held: &Held) -> Vec<current::TopicPartitions> {
    let topics = held.topics();
    topics
        .map(|(topic_id, partitions)| current::TopicPartitions {
            topic_id,
            partitions: partitions.keys().copied().collect(),
            assignment_epochs: Some(partitions.values().copied().collect()),
        })
        .collect()
}
