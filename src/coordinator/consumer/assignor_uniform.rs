//! The uniform assignor for members that all want the same topics.
//!
//! Every member gets the same number of partitions, or one more. Members keep what they should
//! hold so far as long as that allows it, so no partition moves that need not.

use std::collections::VecDeque;

use super::assignor::{Spec, by_member};
use super::partitions::Partitions;

/// How many partitions a member may still get.
struct Quotas {
    /// Per member: what it has.
    held: Vec<usize>,
    /// What everybody gets.
    least: usize,
    /// How many members get one more than that.
    extras: usize,
}

impl Quotas {
    /// Whether this member may hold one more, which is noted.
    fn take(&mut self, member: usize) -> bool {
        let Some(held) = self.held.get_mut(member) else {
            return false;
        };
        if *held < self.least {
            *held += 1;
            return true;
        }
        if *held == self.least && self.extras > 0 {
            self.extras -= 1;
            *held += 1;
            return true;
        }
        false
    }
}

/// Who gets what, in the order of the members.
pub(crate) fn assign(spec: &Spec<'_>) -> Vec<Partitions> {
    let members = spec.members.len();
    let Some(first) = spec.members.first() else {
        return Vec::new();
    };
    let mut holders = spec.holders();
    let wanted = |topic: &usize| first.topics.binary_search(topic).is_ok();
    let sizes = (0..).zip(&spec.topics);
    let total: usize = sizes
        .filter(|(topic, _)| wanted(topic))
        .map(|(_, topic)| topic.partitions)
        .sum();
    let mut quotas = Quotas {
        held: vec![0; members],
        least: total / members,
        extras: total % members,
    };
    let mut free = Vec::new();
    for (topic, slots) in holders.iter_mut().enumerate() {
        if !wanted(&topic) {
            continue;
        }
        for (partition, slot) in slots.iter_mut().enumerate() {
            if !slot.is_some_and(|member| quotas.take(member)) {
                *slot = None;
                free.push((topic, partition));
            }
        }
    }
    hand_out(&mut holders, &free, &mut quotas);
    assert!(
        quotas.held.iter().sum::<usize>() == total,
        "every partition has gone to a member"
    );
    by_member(spec, &holders)
}

/// Gives the free partitions to the members in turn, so that a topic's partitions spread.
fn hand_out(holders: &mut [Vec<Option<usize>>], free: &[(usize, usize)], quotas: &mut Quotas) {
    let mut turn: VecDeque<usize> = (0..quotas.held.len()).collect();
    // Whoever has least comes first: a member that just joined fills up before anybody's extra.
    turn.make_contiguous()
        .sort_by_key(|member| quotas.held.get(*member).copied());
    for (topic, partition) in free {
        while let Some(member) = turn.pop_front() {
            if quotas.take(member) {
                let slot = holders.get_mut(*topic);
                if let Some(slot) = slot.and_then(|slots| slots.get_mut(*partition)) {
                    *slot = Some(member);
                }
                turn.push_back(member);
                break;
            }
        }
    }
}
