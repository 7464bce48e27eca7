//! On which brokers new partitions lie, and whether a placement by hand is possible.
//!
//! Leaders are dealt out in turn over the racks and within each rack over its brokers, starting at
//! a random one; followers follow on the next racks first, so that as few replicas as possible share
//! one. Active brokers come before fenced ones, which only fill up.
//! Invariants: no broker twice in a partition; every partition has at least one active replica.

use crate::broker::Broker;
use crate::decide::directories::{DirectoryLoads, takes_replicas};
use crate::image::Image;
use crate::refusal::Refusal;
use crate::topic::Partition;
use base::{ErrorCode, LeaderEpoch, NodeId, Random};
use std::collections::BTreeMap;

/// Places `count` partitions of `factor` replicas each.
pub(crate) fn place(
    image: &Image,
    count: usize,
    factor: i16,
    random: &mut Random,
) -> Result<Vec<Vec<NodeId>>, Refusal> {
    let refuse = |text: String| {
        let text = format!("Unable to replicate the partition {factor} time(s): {text}");
        Err(Refusal::new(ErrorCode::InvalidReplicationFactor, text))
    };
    let Ok(factor) = usize::try_from(factor) else {
        return refuse("Invalid replication factor, which must be positive.".into());
    };
    let open = || image.brokers().filter(|broker| takes_replicas(broker));
    let registered = open().count();
    let usable = |broker: &&std::sync::Arc<Broker>| !broker.in_controlled_shutdown;
    let active = dealt(open().filter(|b| b.is_active()), random);
    let fenced = dealt(open().filter(usable).filter(|b| b.fenced), random);
    if active.is_empty() {
        return refuse("All brokers are currently fenced or in controlled shutdown.".into());
    }
    if factor > registered {
        return refuse(format!(
            "The target replication factor of {factor} cannot be reached because only \
             {registered} broker(s) are registered or some brokers have all their log directories \
             cordoned."
        ));
    }
    if factor > active.len() + fenced.len() {
        return refuse(format!(
            "The target replication factor of {factor} cannot be reached because only {} \
             broker(s) are not in controlled shutdown.",
            active.len() + fenced.len()
        ));
    }
    let assignments = (0..count).map(|place| {
        let turn = place % active.len();
        // After each full turn the followers move on by one, so that they do not always pair up.
        let round = place / active.len();
        let leaders = active.iter().cycle().skip(turn).take(1);
        let others = active.len().saturating_sub(1);
        let shift = if others == 0 { 0 } else { round % others };
        let rest = active.iter().cycle().skip(turn + 1).take(others);
        let followers = rest.clone().skip(shift).chain(rest.take(shift));
        leaders
            .chain(followers)
            .chain(&fenced)
            .take(factor)
            .copied()
            .collect()
    });
    Ok(assignments.collect())
}

/// Brokers in dealing order: one of each rack in turn, from a random beginning.
fn dealt<'a>(
    brokers: impl Iterator<Item = &'a std::sync::Arc<Broker>>,
    random: &mut Random,
) -> Vec<NodeId> {
    let mut racks: BTreeMap<Option<&str>, Vec<NodeId>> = BTreeMap::new();
    for broker in brokers {
        racks
            .entry(broker.rack.as_deref())
            .or_default()
            .push(broker.id);
    }
    let deepest = racks.values().map(Vec::len).max().unwrap_or(0);
    let mut order = Vec::new();
    for depth in 0..deepest {
        order.extend(racks.values().filter_map(|rack| rack.get(depth)));
    }
    if let Ok(bound @ 1..) = u64::try_from(order.len()) {
        order.rotate_left(base::usize_from_u64(random.below(bound)));
    }
    order
}

/// Checks a placement by hand; `factor` is that of the partitions before, if any.
pub(crate) fn validate_manual(
    image: &Image,
    replicas: &[NodeId],
    factor: Option<usize>,
) -> Result<(), Refusal> {
    let refuse = |text: String| Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, text));
    if replicas.is_empty() {
        return refuse("The manual partition assignment includes an empty replica list.".into());
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    let mut previous = None;
    for id in &sorted {
        if image.broker(*id).is_none() {
            return refuse(format!(
                "The manual partition assignment includes broker {id}, but no such broker is \
                 registered."
            ));
        }
        if previous == Some(*id) {
            return refuse(format!(
                "The manual partition assignment includes the broker {id} more than once."
            ));
        }
        previous = Some(*id);
    }
    match factor {
        Some(factor) if factor != sorted.len() => refuse(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this \
             is not consistent with previous partitions, which have {factor} replica(s).",
            sorted.len()
        )),
        _ => Ok(()),
    }
}

/// A new partition on these brokers: led by the first active one, in sync on all active ones, each
/// replica in the directory of its broker that has the fewest.
pub(crate) fn new_partition(
    image: &Image,
    replicas: Vec<NodeId>,
    loads: &mut DirectoryLoads,
) -> Option<Partition> {
    let active = |id: &&NodeId| image.is_active(**id);
    let isr: Vec<NodeId> = replicas.iter().filter(active).copied().collect();
    let leader = *isr.first()?;
    let directories = replicas.iter().map(|id| loads.take(image, *id));
    Some(Partition {
        directories: directories.collect(),
        isr,
        leader: Some(leader),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: 0,
        replicas,
        ..Partition::default()
    })
}
