//! The range assignor: neighbouring partitions, the same ranges in topics of the same size.
//!
//! Members are ordered by their static names first and their ids then, so that static members keep
//! their ranges over restarts. Topics with as many partitions and the same subscribers are cut at
//! the same places, which is what joins of co-partitioned topics rely on.

use super::assignor::{Spec, by_member};
use super::partitions::Partitions;

/// Who gets what, in the order of the members.
pub(crate) fn assign(spec: &Spec<'_>) -> Vec<Partitions> {
    let mut order: Vec<usize> = (0..spec.members.len()).collect();
    order.sort_by_key(|place| {
        let member = spec.members.get(*place);
        member.map(|member| (member.instance.is_none(), member.instance, member.id))
    });
    let mut subscribers = vec![Vec::new(); spec.topics.len()];
    for place in order {
        let member = spec.members.get(place);
        for topic in member.into_iter().flat_map(|member| member.topics.iter()) {
            if let Some(of_topic) = subscribers.get_mut(*topic) {
                of_topic.push(place);
            }
        }
    }
    let holders: Vec<Vec<Option<usize>>> = spec
        .topics
        .iter()
        .zip(&subscribers)
        .map(|(topic, subscribers)| ranges(topic.partitions, subscribers))
        .collect();
    by_member(spec, &holders)
}

/// The holders of one topic's partitions.
fn ranges(partitions: usize, subscribers: &[usize]) -> Vec<Option<usize>> {
    let mut holders = Vec::with_capacity(partitions);
    let members = subscribers.len();
    for (place, member) in subscribers.iter().enumerate() {
        let extra = usize::from(place < partitions % members);
        holders.extend(std::iter::repeat_n(
            Some(*member),
            partitions / members + extra,
        ));
    }
    assert!(
        members == 0 || holders.len() == partitions,
        "the ranges cover the topic"
    );
    holders
}
