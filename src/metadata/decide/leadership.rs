//! Who leads when brokers come and go.
//!
//! Invariants: only an active member of the ISR whose directory works is ever elected; the ISR never becomes empty: the
//! last member stays in it when it is fenced, since it alone has everything acknowledged.

use crate::change::{BrokerChange, Change, PartitionChange};
use crate::image::Image;
use crate::refusal::Refusal;
use crate::topic::Partition;
use base::{ErrorCode, NodeId, PartitionIndex, Uuid};

/// A broker does not answer: it loses its leaderships and its place in every ISR but its last.
///
/// # Errors
/// When the broker is not registered.
pub fn fence_broker(image: &Image, id: NodeId) -> Result<Vec<Change>, Refusal> {
    let mut change = broker_change(image, id)?;
    change.fenced = Some(true);
    Ok(leaving(image, id, change))
}

/// A broker is about to stop: it loses the same, but stays reachable until it has handed over.
///
/// # Errors
/// When the broker is not registered.
pub fn begin_shutdown(image: &Image, id: NodeId) -> Result<Vec<Change>, Refusal> {
    let mut change = broker_change(image, id)?;
    change.in_controlled_shutdown = true;
    Ok(leaving(image, id, change))
}

/// A broker is ready: it may lead, and leads at once what nobody leads and it has in full.
///
/// # Errors
/// When the broker is not registered.
pub fn unfence_broker(image: &Image, id: NodeId) -> Result<Vec<Change>, Refusal> {
    let mut change = broker_change(image, id)?;
    change.fenced = Some(false);
    let mut changes = vec![Change::Broker(change)];
    for (topic, index, partition) in partitions(image) {
        let Some(dir) = partition.directory_on(id) else {
            continue;
        };
        let is_online = image.broker(id).is_some_and(|b| b.has_online(dir));
        if is_online && partition.leader.is_none() && partition.isr.contains(&id) {
            changes.push(Change::PartitionChange(PartitionChange {
                topic,
                index,
                leader: Some(Some(id)),
                ..PartitionChange::default()
            }));
        }
    }
    Ok(changes)
}

/// The reigns that end because a broker's process began anew: it leads again, in a new epoch,
/// what only it can lead, so that no epoch ever names two histories.
pub(crate) fn renew_reigns(image: &Image, id: NodeId) -> Vec<Change> {
    let mut changes = Vec::new();
    for (topic, index, partition) in partitions(image) {
        if partition.leader == Some(id) {
            let leader = partition
                .isr
                .iter()
                .copied()
                .find(|other| *other != id && image.can_lead(*other, partition));
            changes.push(Change::PartitionChange(PartitionChange {
                topic,
                index,
                leader: Some(leader),
                isr: without(partition, id),
                ..PartitionChange::default()
            }));
        } else if partition.isr.contains(&id) && partition.isr.len() > 1 {
            changes.push(Change::PartitionChange(PartitionChange {
                topic,
                index,
                isr: without(partition, id),
                ..PartitionChange::default()
            }));
        }
    }
    changes
}

fn leaving(image: &Image, id: NodeId, change: BrokerChange) -> Vec<Change> {
    let mut changes = vec![Change::Broker(change)];
    changes.extend(renew_reigns(image, id));
    changes
}

/// The ISR without a broker, when something remains and something changes.
fn without(partition: &Partition, id: NodeId) -> Option<Vec<NodeId>> {
    let rest: Vec<NodeId> = partition
        .isr
        .iter()
        .copied()
        .filter(|member| *member != id)
        .collect();
    (!rest.is_empty() && rest.len() < partition.isr.len()).then_some(rest)
}

pub(crate) fn broker_change(image: &Image, id: NodeId) -> Result<BrokerChange, Refusal> {
    let broker = image.broker(id).ok_or_else(|| {
        let text = format!("Broker {id} is not registered.");
        Refusal::new(ErrorCode::BrokerIdNotRegistered, text)
    })?;
    Ok(BrokerChange {
        id,
        epoch: broker.epoch,
        ..BrokerChange::default()
    })
}

pub(crate) fn partitions(
    image: &Image,
) -> impl Iterator<Item = (Uuid, PartitionIndex, &Partition)> {
    image.topics().iter().flat_map(|topic| {
        (0_i32..)
            .zip(&topic.partitions)
            .map(|(index, partition)| (topic.id, PartitionIndex(index), partition))
    })
}
