//! The refusals of this protocol, in one place with their texts.

use base::ErrorCode;

use crate::Refusal;
use crate::group::Group;

pub(super) fn invalid(message: &'static str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message)
}

pub(super) fn no_group(group: &Group) -> Refusal {
    let text = if group.is_void() {
        format!("Consumer group {} not found.", group.id)
    } else {
        format!("Group {} is not a consumer group.", group.id)
    };
    Refusal::new(ErrorCode::GroupIdNotFound, text)
}

pub(super) fn unknown_member(group: &Group, member: &str) -> Refusal {
    let text = format!("Member {member} is not a member of group {}.", group.id);
    Refusal::new(ErrorCode::UnknownMemberId, text)
}

pub(super) fn unknown_instance(instance: &str) -> Refusal {
    let text = format!("Instance id {instance} is unknown.");
    Refusal::new(ErrorCode::UnknownMemberId, text)
}

pub(super) fn fenced_instance(instance: &str, asking: &str, owner: &str) -> Refusal {
    let text =
        format!("Static member {asking} with instance id {instance} was fenced by member {owner}.");
    Refusal::new(ErrorCode::FencedInstanceId, text)
}

pub(super) fn unreleased_instance(instance: &str, asking: &str, owner: &str) -> Refusal {
    let text = format!(
        "Static member {asking} with instance id {instance} cannot join the group because the \
         instance id is owned by {owner} member."
    );
    Refusal::new(ErrorCode::UnreleasedInstanceId, text)
}

pub(super) fn fenced_epoch(received: i32, known: i32) -> Refusal {
    let order = if received > known {
        "greater"
    } else {
        "smaller"
    };
    let text = format!(
        "The consumer group member has a {order} member epoch ({received}) than the one known by \
         the group coordinator ({known}). The member must abandon all its partitions and rejoin."
    );
    Refusal::new(ErrorCode::FencedMemberEpoch, text)
}

pub(super) fn full(members_max: usize) -> Refusal {
    let text =
        format!("The consumer group has reached its maximum capacity of {members_max} members.");
    Refusal::new(ErrorCode::GroupMaxSizeReached, text)
}
