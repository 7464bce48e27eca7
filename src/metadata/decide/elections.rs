//! ElectLeaders: leadership goes back to the preferred replica, or to any that is left (KIP-460).
//!
//! Invariant: a preferred election never loses a record: only an active member of the ISR wins it.

use crate::change::{Change, PartitionChange};
use crate::image::Image;
use crate::refusal::Refusal;
use crate::topic::Partition;
use base::{ErrorCode, NodeId, PartitionIndex};

/// Who may win.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionKind {
    /// The first replica, when it is in sync.
    Preferred,
    /// Any active replica, in sync or not, where nobody leads.
    Unclean,
}

/// Decides one election; one that changes nothing is refused with ELECTION_NOT_NEEDED.
///
/// # Errors
/// No such partition, nothing to do, or nobody to elect.
pub fn elect_leader(
    image: &Image,
    topic: &str,
    index: PartitionIndex,
    kind: ElectionKind,
) -> Result<Change, Refusal> {
    let unknown = |what: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, what);
    let known = image
        .topic(topic)
        .ok_or_else(|| unknown(format!("No such topic as {topic}")))?;
    let partition = known
        .partition(index)
        .ok_or_else(|| unknown(format!("No such partition as {topic}-{index}")))?;
    let (leader, isr) = match kind {
        ElectionKind::Preferred => (preferred(image, partition)?, None),
        ElectionKind::Unclean => unclean(image, partition)?,
    };
    Ok(Change::PartitionChange(PartitionChange {
        topic: known.id,
        index,
        leader: Some(Some(leader)),
        recovering: isr.is_some().then_some(true),
        isr,
        ..PartitionChange::default()
    }))
}

fn not_needed() -> Refusal {
    let text = "Leader election not needed for topic partition.";
    Refusal::new(ErrorCode::ElectionNotNeeded, text)
}

fn preferred(image: &Image, partition: &Partition) -> Result<NodeId, Refusal> {
    let first = partition.replicas.first().copied();
    if first.is_some() && partition.leader == first {
        return Err(not_needed());
    }
    let wins = |id: &NodeId| image.can_lead(*id, partition) && partition.isr.contains(id);
    first.filter(wins).ok_or_else(|| {
        let text = "The preferred leader was not available.";
        Refusal::new(ErrorCode::PreferredLeaderNotAvailable, text)
    })
}

/// The winner, and the ISR of one that it begins with where it was not in sync.
fn unclean(image: &Image, partition: &Partition) -> Result<(NodeId, Option<Vec<NodeId>>), Refusal> {
    if partition.leader.is_some() {
        return Err(not_needed());
    }
    let active = |id: &&NodeId| image.can_lead(**id, partition);
    if let Some(clean) = partition.isr.iter().find(active) {
        return Ok((*clean, None));
    }
    let eligible = partition.eligible_leader_replicas.iter();
    let any = eligible.chain(&partition.replicas).find(active);
    any.map(|id| (*id, Some(vec![*id]))).ok_or_else(|| {
        let text = "Eligible topic partition leaders are not available.";
        Refusal::new(ErrorCode::EligibleLeadersNotAvailable, text)
    })
}
