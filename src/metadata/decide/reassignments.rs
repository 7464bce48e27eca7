//! AlterPartitionReassignments: which brokers shall hold a partition (KIP-455).
//!
//! Replicas do not move yet: a target that names the brokers that hold the partition already is
//! done at once, anything else is refused.

use crate::decide::placement::validate_manual;
use crate::image::Image;
use crate::refusal::Refusal;
use crate::topic::Partition;
use base::{ErrorCode, NodeId, PartitionIndex};

/// Decides the reassignment of one partition to `target`, or, without a target, the end of the one
/// under way. `may_resize` says whether the number of replicas may change (KIP-860).
///
/// # Errors
/// No such partition, no such brokers, nothing to end, or a move that is not served.
pub fn reassign_partition(
    image: &Image,
    (topic, index): (&str, PartitionIndex),
    target: Option<&[NodeId]>,
    may_resize: bool,
) -> Result<(), Refusal> {
    let unknown = |what: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, what);
    let known = image
        .topic(topic)
        .ok_or_else(|| unknown(format!("Unable to find a topic named {topic}.")))?;
    let partition = known
        .partition(index)
        .ok_or_else(|| unknown(format!("Unable to find partition {topic}:{index}.")))?;
    let Some(target) = target else {
        let text = "No partition reassignment is in progress.";
        return Err(Refusal::new(ErrorCode::NoReassignmentInProgress, text));
    };
    validate_manual(image, target, None)?;
    check_same(partition, target, may_resize)
}

fn check_same(partition: &Partition, target: &[NodeId], may_resize: bool) -> Result<(), Refusal> {
    if partition.replicas == target {
        return Ok(());
    }
    if !may_resize && partition.replicas.len() != target.len() {
        let text = format!(
            "The replication factor is changed from {} to {}",
            partition.replicas.len(),
            target.len()
        );
        return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, text));
    }
    let text = "Replicas cannot be moved between brokers by this release.";
    Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, text))
}
