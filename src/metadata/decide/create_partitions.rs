//! CreatePartitions: a topic grows; it never shrinks.
//!
//! Invariant: existing partitions are untouched.

use crate::change::Change;
use crate::decide::create_topics::all_inactive;
use crate::decide::directories::DirectoryLoads;
use crate::decide::placement::{new_partition, place, validate_manual};
use crate::image::Image;
use crate::refusal::Refusal;
use crate::topic::Topic;
use base::{ErrorCode, NodeId, PartitionIndex, Random};
use std::collections::BTreeSet;

/// One topic that shall grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPartitions {
    /// Its name.
    pub name: String,
    /// How many partitions it shall have in all.
    pub count: i32,
    /// Brokers of each new partition; nothing leaves the choice to the controller.
    pub assignments: Option<Vec<Vec<NodeId>>>,
}

/// Decides which topics grow. The outcomes list every requested name once.
#[must_use]
pub fn create_partitions(
    image: &Image,
    requested: &[NewPartitions],
    random: &mut Random,
) -> Vec<(String, Result<Vec<Change>, Refusal>)> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for topic in requested {
        if !seen.insert(topic.name.as_str()) {
            twice.insert(topic.name.as_str());
        }
    }
    let mut answered = BTreeSet::new();
    let mut outcomes = Vec::new();
    let mut loads = DirectoryLoads::default();
    for topic in requested {
        if !answered.insert(topic.name.as_str()) {
            continue;
        }
        let outcome = if twice.contains(topic.name.as_str()) {
            Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "Duplicate topic name.",
            ))
        } else {
            grow(image, topic, (random, &mut loads))
        };
        outcomes.push((topic.name.clone(), outcome));
    }
    outcomes
}

fn grow(
    image: &Image,
    requested: &NewPartitions,
    (random, loads): (&mut Random, &mut DirectoryLoads),
) -> Result<Vec<Change>, Refusal> {
    let topic = image.topic(&requested.name).ok_or_else(|| {
        let text = "This server does not host this topic-partition.";
        Refusal::new(ErrorCode::UnknownTopicOrPartition, text)
    })?;
    let additional = additional(topic, requested)?;
    let factor = topic.partitions.first().map_or(1, |p| p.replicas.len());
    let start = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let assignments = match &requested.assignments {
        None => {
            let factor = i16::try_from(factor).unwrap_or(i16::MAX);
            place(image, additional, factor, random)?
        }
        Some(assignments) => {
            if assignments.len() != additional {
                let text = format!(
                    "Attempted to add {additional} additional partition(s), but only {} \
                     assignment(s) were specified.",
                    assignments.len()
                );
                return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, text));
            }
            for replicas in assignments {
                validate_manual(image, replicas, Some(factor))?;
            }
            assignments.clone()
        }
    };
    let mut changes = Vec::new();
    for (index, replicas) in (start..).zip(assignments) {
        let partition = new_partition(image, replicas, loads).ok_or_else(|| {
            Refusal::new(ErrorCode::InvalidReplicaAssignment, all_inactive(index))
        })?;
        changes.push(Change::Partition {
            topic: topic.id,
            index: PartitionIndex(index),
            partition,
        });
    }
    assert!(changes.len() == additional);
    Ok(changes)
}

/// The most partitions that one request may add to a topic.
const ADDITIONAL_MAX: usize = 10_000;

fn additional(topic: &Topic, requested: &NewPartitions) -> Result<usize, Refusal> {
    let current = topic.partitions.len();
    let wanted = usize::try_from(requested.count).unwrap_or(0);
    let text = if wanted == current {
        format!("Topic already has {current} partition(s).")
    } else if wanted < current {
        format!(
            "The topic {} currently has {current} partition(s); {} would not be an increase.",
            topic.name, requested.count
        )
    } else if wanted - current > ADDITIONAL_MAX {
        format!("At most {ADDITIONAL_MAX} partitions can be added at once.")
    } else {
        return Ok(wanted - current);
    };
    Err(Refusal::new(ErrorCode::InvalidPartitions, text))
}
