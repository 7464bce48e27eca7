//! ConsumerGroupDescribe: what is in a consumer group.

use base::{PartitionIndex, Uuid};

use super::member::Member;
use super::partitions::Partitions;
use super::{of, target};
use crate::context::Context;
use crate::group::Group;
use crate::{ConsumerAssignment, ConsumerDescription, ConsumerMemberDescription, Refusal, Topics};

/// What is in the group.
pub(crate) fn describe(ctx: &Context<'_>, group: &Group) -> Result<ConsumerDescription, Refusal> {
    let consumer = of(group);
    let members = consumer.members.iter();
    Ok(ConsumerDescription {
        state: consumer.state_name(),
        epoch: consumer.epoch,
        assignment_epoch: consumer.assignment_epoch,
        assignor: target::assignor_name(ctx.config, consumer),
        members: members
            .map(|(id, member)| describe_member(ctx.topics, id, member, consumer.target(id)))
            .collect(),
    })
}

fn describe_member(
    topics: &Topics,
    id: &str,
    member: &Member,
    target: Option<&Partitions>,
) -> ConsumerMemberDescription {
    let metadata = &member.metadata;
    let assigned = member.assignment.assigned.topics();
    let assigned = assigned.map(|(id, partitions)| (id, partitions.keys().copied().collect()));
    let target = target.into_iter().flat_map(Partitions::topics);
    let target = target.map(|(id, partitions)| (id, partitions.iter().copied().collect()));
    ConsumerMemberDescription {
        member: id.to_owned(),
        instance: metadata.instance.as_deref().map(str::to_owned),
        rack: metadata.rack.clone(),
        member_epoch: member.assignment.epoch,
        client_id: metadata.client_id.clone(),
        client_host: metadata.client_host.clone(),
        topic_names: metadata.topic_names.iter().cloned().collect(),
        topic_regex: Some(metadata.topic_regex.clone()).filter(|regex| !regex.is_empty()),
        assignment: named(topics, assigned),
        target: named(topics, target),
        is_classic: member.is_classic(),
    }
}

/// Topics that are gone have no name to show, and are left out.
fn named(
    topics: &Topics,
    partitions: impl Iterator<Item = (Uuid, Vec<i32>)>,
) -> Vec<ConsumerAssignment> {
    let named = partitions.filter_map(|(id, partitions)| {
        Some(ConsumerAssignment {
            id,
            name: topics.name(id)?.to_owned(),
            partitions: partitions.into_iter().map(PartitionIndex).collect(),
        })
    });
    named.collect()
}
