//! The uniform assignor for members that want different topics.
//!
//! Members keep what they should hold so far; free partitions go to the least loaded subscriber,
//! topics with few subscribers first; then partitions move from the most to the least loaded
//! subscriber of a topic as long as that makes the two more alike. Each move makes the sum of the
//! squares of the loads smaller, so this ends, and when it ends no single move could help.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::assignor::{Spec, by_member};
use super::partitions::Partitions;

/// Passes over all topics; each ends with fewer imbalances, real groups need two or three.
const PASSES_MAX: usize = 64;

/// Who holds what while the work goes on.
struct Board {
    holders: Vec<Vec<Option<usize>>>,
    loads: Vec<usize>,
}

impl Board {
    fn load(&self, member: usize) -> usize {
        self.loads.get(member).copied().unwrap_or(usize::MAX)
    }

    fn change(&mut self, topic: usize, partition: usize, member: usize) {
        let slots = self.holders.get_mut(topic);
        let Some(slot) = slots.and_then(|slots| slots.get_mut(partition)) else {
            return;
        };
        if let Some(load) = slot.and_then(|before| self.loads.get_mut(before)) {
            *load -= 1;
        }
        *slot = Some(member);
        if let Some(load) = self.loads.get_mut(member) {
            *load += 1;
        }
    }
}

/// Who gets what, in the order of the members.
pub(crate) fn assign(spec: &Spec<'_>) -> Vec<Partitions> {
    let subscribers = spec.subscribers();
    let mut board = Board {
        holders: spec.holders(),
        loads: vec![0; spec.members.len()],
    };
    for member in board.holders.iter().flatten().flatten() {
        if let Some(load) = board.loads.get_mut(*member) {
            *load += 1;
        }
    }
    let mut order: Vec<usize> = (0..spec.topics.len()).collect();
    order.sort_by_key(|topic| (subscribers.get(*topic).map(Vec::len), *topic));
    for topic in &order {
        if let Some(subscribers) = subscribers.get(*topic) {
            hand_out(&mut board, *topic, subscribers);
        }
    }
    for _ in 0..PASSES_MAX {
        let mut moved = false;
        for (topic, subscribers) in subscribers.iter().enumerate() {
            moved |= balance(&mut board, topic, subscribers);
        }
        if !moved {
            break;
        }
    }
    by_member(spec, &board.holders)
}

/// Gives the free partitions of a topic to its least loaded subscribers.
fn hand_out(board: &mut Board, topic: usize, subscribers: &[usize]) {
    let slots = board.holders.get(topic).map_or(&[][..], Vec::as_slice);
    let free: Vec<usize> = slots
        .iter()
        .enumerate()
        .filter(|(_, holder)| holder.is_none())
        .map(|(partition, _)| partition)
        .collect();
    if free.is_empty() {
        return;
    }
    let loads = subscribers.iter();
    let mut heap: BinaryHeap<Reverse<(usize, usize)>> = loads
        .map(|member| Reverse((board.load(*member), *member)))
        .collect();
    for partition in free {
        let Some(mut least) = heap.peek_mut() else {
            return;
        };
        let Reverse((load, member)) = *least;
        *least = Reverse((load + 1, member));
        board.change(topic, partition, member);
    }
}

/// Moves partitions of one topic between its subscribers; tells whether any moved.
fn balance(board: &mut Board, topic: usize, subscribers: &[usize]) -> bool {
    let slots = board.holders.get(topic).map_or(&[][..], Vec::as_slice);
    let most = slots
        .iter()
        .flatten()
        .map(|member| board.load(*member))
        .max();
    let least = subscribers.iter().map(|member| board.load(*member)).min();
    let is_even = most.zip(least).is_none_or(|(most, least)| most < least + 2);
    if is_even {
        return false;
    }
    let mut held: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (partition, holder) in slots.iter().enumerate() {
        if let Some(holder) = holder {
            held.entry(*holder).or_default().push(partition);
        }
    }
    let loads = subscribers.iter();
    let mut by_load: BTreeSet<(usize, usize)> =
        loads.map(|member| (board.load(*member), *member)).collect();
    let holders = held.keys();
    let mut givers: BTreeSet<(usize, usize)> = holders
        .map(|member| (board.load(*member), *member))
        .collect();
    let mut moved = false;
    while let (Some(most), Some(least)) = (givers.last().copied(), by_load.first().copied()) {
        if most.0 < least.0 + 2 {
            break;
        }
        let Some(partition) = held.get_mut(&most.1).and_then(Vec::pop) else {
            // It has given all that it had of this topic, and can only receive from now on.
            givers.remove(&most);
            continue;
        };
        for place in [most, least] {
            givers.remove(&place);
            by_load.remove(&place);
        }
        board.change(topic, partition, least.1);
        held.entry(least.1).or_default().push(partition);
        moved = true;
        for place in [(most.0 - 1, most.1), (least.0 + 1, least.1)] {
            by_load.insert(place);
            givers.insert(place);
        }
    }
    moved
}
