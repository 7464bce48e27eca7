//! Whether offsets of a consumer group may be committed and fetched by whoever asks.

use base::{ErrorCode, Uuid};

use super::member::Member;
use super::state::ConsumerGroup;
use crate::commits::Committing;
use crate::{OffsetFetchAsk, Refusal, Topics};

/// Whether these offsets may be committed.
pub(crate) fn check_commit(
    group: &ConsumerGroup,
    topics: &Topics,
    ask: &Committing<'_>,
) -> Result<(), Refusal> {
    // Administrators and consumers without membership commit to groups that nobody is in.
    if ask.generation_or_epoch < 0 && group.members.is_empty() {
        return Ok(());
    }
    // Producers before KIP-447 say nothing of members.
    let is_silent =
        ask.generation_or_epoch == -1 && ask.member.is_empty() && ask.instance.is_none();
    if ask.is_transactional && is_silent {
        return Ok(());
    }
    let member = find(group, ask.member)?;
    if ask.is_legacy && !member.is_classic() {
        return Err(Refusal::new(
            ErrorCode::UnsupportedVersion,
            "OffsetCommit version 9 or above must be used by members using the consumer group \
             protocol",
        ));
    }
    let (received, known) = (ask.generation_or_epoch, member.assignment.epoch);
    if received == known {
        return Ok(());
    }
    if received > known {
        return Err(stale(
            member,
            &format!("{received} is newer than current member epoch {known}"),
        ));
    }
    // A member commits with the epoch it knew when it asked, and may have moved on meanwhile: that
    // is fine for partitions it has held since that epoch (KIP-1251).
    for topic in ask.topics {
        let id = if topic.id.is_zero() {
            topics.get(&topic.name).map_or(Uuid::ZERO, |topic| topic.id)
        } else {
            topic.id
        };
        for partition in &topic.partitions {
            let index = partition.partition.0;
            let assignment = &member.assignment;
            let held = assignment.assigned.epoch(id, index);
            let epoch = held.or_else(|| assignment.revoking.epoch(id, index));
            let place = format!("partition {}-{index}", topic.name);
            match epoch {
                None => {
                    let text = format!("{received} is old and {place} is not the member's");
                    return Err(stale(member, &text));
                }
                Some(epoch) if received < epoch => {
                    let text =
                        format!("{received} is older than assignment epoch {epoch} for {place}");
                    return Err(stale(member, &text));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

/// Whether offsets may be fetched by whoever asks.
pub(crate) fn check_fetch(group: &ConsumerGroup, ask: &OffsetFetchAsk) -> Result<(), Refusal> {
    if ask.member.is_none() && ask.member_epoch < 0 {
        return Ok(());
    }
    let member = find(group, ask.member.as_deref().unwrap_or_default())?;
    let (received, known) = (ask.member_epoch, member.assignment.epoch);
    if received == known {
        return Ok(());
    }
    Err(stale(
        member,
        &format!("{received} does not match the expected member epoch {known}"),
    ))
}

fn find<'g>(group: &'g ConsumerGroup, id: &str) -> Result<&'g Member, Refusal> {
    group.member(id).ok_or_else(|| {
        let text = format!("Member {id} is not a member of the group.");
        Refusal::new(ErrorCode::UnknownMemberId, text)
    })
}

/// Classic members know generations and their code only.
fn stale(member: &Member, what: &str) -> Refusal {
    if member.is_classic() {
        let text = format!("The received generation id {what}.");
        return Refusal::new(ErrorCode::IllegalGeneration, text);
    }
    let text = format!("The received member epoch {what}.");
    Refusal::new(ErrorCode::StaleMemberEpoch, text)
}
