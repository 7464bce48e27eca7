//! What every assignor is given, and which assignors there are.
//!
//! Invariants: topics and members are named by their places in the lists; each partition of a topic
//! that anybody subscribes to goes to exactly one of its subscribers.

use std::collections::BTreeSet;
use std::rc::Rc;

use base::Uuid;

use super::partitions::Partitions;
use super::{assignor_general, assignor_range, assignor_uniform};

/// A way of assigning, by the names of `group.consumer.assignors`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assignor {
    /// The same number of partitions for every member, moving as few as possible.
    Uniform,
    /// Neighbouring partitions for each member, the same ranges in all topics (co-partitioning).
    Range,
}

impl Assignor {
    /// The assignor of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "uniform" => Some(Self::Uniform),
            "range" => Some(Self::Range),
            _ => None,
        }
    }

    /// Who gets what, in the order of the members.
    pub(crate) fn assign(self, spec: &Spec<'_>) -> Vec<Partitions> {
        let assignment = match self {
            Self::Range => assignor_range::assign(spec),
            Self::Uniform if spec.is_homogeneous() => assignor_uniform::assign(spec),
            Self::Uniform => assignor_general::assign(spec),
        };
        assert!(
            assignment.len() == spec.members.len(),
            "every member gets something, if only nothing"
        );
        assignment
    }
}

/// One topic that somebody subscribes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpecTopic {
    pub(crate) id: Uuid,
    pub(crate) partitions: usize,
}

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct SpecMember<'a> {
    pub(crate) id: &'a str,
    pub(crate) instance: Option<&'a str>,
    /// The places of the topics it subscribes to, ascending; shared between like members.
    pub(crate) topics: Rc<[usize]>,
    /// What it should hold so far.
    pub(crate) target: &'a Partitions,
}

/// Members in the order of their ids, topics in the order of theirs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec<'a> {
    pub(crate) members: Vec<SpecMember<'a>>,
    pub(crate) topics: Vec<SpecTopic>,
}

impl Spec<'_> {
    /// True when all members subscribe to the same topics.
    pub(crate) fn is_homogeneous(&self) -> bool {
        let Some(first) = self.members.first() else {
            return true;
        };
        let mut others = self.members.iter();
        others.all(|member| {
            Rc::ptr_eq(&member.topics, &first.topics) || member.topics == first.topics
        })
    }

    /// Per topic the places of its subscribers, ascending.
    pub(crate) fn subscribers(&self) -> Vec<Vec<usize>> {
        let mut subscribers = vec![Vec::new(); self.topics.len()];
        for (place, member) in self.members.iter().enumerate() {
            for topic in member.topics.iter() {
                if let Some(of_topic) = subscribers.get_mut(*topic) {
                    of_topic.push(place);
                }
            }
        }
        subscribers
    }

    /// Who should hold each partition so far, per topic; only subscribers and existing partitions
    /// count, and only one member per partition.
    pub(crate) fn holders(&self) -> Vec<Vec<Option<usize>>> {
        let topics = self.topics.iter();
        let mut holders: Vec<Vec<Option<usize>>> =
            topics.map(|topic| vec![None; topic.partitions]).collect();
        for (place, member) in self.members.iter().enumerate() {
            for (id, partitions) in member.target.topics() {
                let Ok(topic) = self.topics.binary_search_by_key(&id, |topic| topic.id) else {
                    continue;
                };
                if member.topics.binary_search(&topic).is_ok() {
                    note_holder(holders.get_mut(topic), partitions, place);
                }
            }
        }
        holders
    }
}

fn note_holder(slots: Option<&mut Vec<Option<usize>>>, partitions: &BTreeSet<i32>, member: usize) {
    let Some(slots) = slots else { return };
    for partition in partitions {
        let slot = usize::try_from(*partition)
            .ok()
            .and_then(|partition| slots.get_mut(partition));
        if let Some(slot) = slot {
            slot.get_or_insert(member);
        }
    }
}

/// Turns "who holds each partition" into "what each member holds".
pub(crate) fn by_member(spec: &Spec<'_>, holders: &[Vec<Option<usize>>]) -> Vec<Partitions> {
    let mut assignment = vec![Partitions::default(); spec.members.len()];
    for (topic, slots) in spec.topics.iter().zip(holders) {
        for (partition, holder) in (0_i32..).zip(slots) {
            if let Some(target) = holder.and_then(|member| assignment.get_mut(member)) {
                target.insert(topic.id, partition);
            }
        }
    }
    assignment
}
