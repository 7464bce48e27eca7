//! What every assignment must be: valid, balanced, sticky; for groups of all shapes.

use std::collections::BTreeMap;
use std::rc::Rc;

use base::{Random, Uuid};

use crate::consumer::assignor::{Assignor, Spec, SpecMember, SpecTopic};
use crate::consumer::partitions::Partitions;

/// A group that owns what a [`Spec`] borrows.
#[derive(Clone, Default)]
struct Group {
    topics: Vec<SpecTopic>,
    members: BTreeMap<String, (Rc<[usize]>, Partitions)>,
}

impl Group {
    fn spec(&self) -> Spec<'_> {
        Spec {
            members: self
                .members
                .iter()
                .map(|(id, (topics, target))| SpecMember {
                    id,
                    instance: None,
                    topics: Rc::clone(topics),
                    target,
                })
                .collect(),
            topics: self.topics.clone(),
        }
    }

    /// Assigns, checks what every assignment must be, and takes it over; tells how many partitions
    /// went from one member that still wants them to another.
    fn assign(&mut self, assignor: Assignor, story: &str) -> usize {
        let assignment = assignor.assign(&self.spec());
        self.check_valid(&assignment, story);
        let mut moved = 0;
        let before: BTreeMap<(Uuid, i32), String> = self.held();
        for ((id, (_, target)), next) in self.members.iter_mut().zip(assignment) {
            for (topic, partition) in next.iter() {
                let had = before.get(&(topic, partition));
                moved += usize::from(had.is_some_and(|had| had != id));
            }
            *target = next;
        }
        moved
    }

    fn held(&self) -> BTreeMap<(Uuid, i32), String> {
        let members = self.members.iter();
        members
            .flat_map(|(id, (_, target))| target.iter().map(|partition| (partition, id.clone())))
            .collect()
    }

    fn check_valid(&self, assignment: &[Partitions], story: &str) {
        let mut seen = BTreeMap::new();
        for ((id, (topics, _)), partitions) in self.members.iter().zip(assignment) {
            for (topic, partition) in partitions.iter() {
                let place = self.topics.binary_search_by_key(&topic, |topic| topic.id);
                let place = place.unwrap_or_else(|_| panic!("{story}: a topic nobody named"));
                assert!(
                    topics.contains(&place),
                    "{story}: {id} did not ask for this topic"
                );
                let size = i32::try_from(self.topics[place].partitions).unwrap();
                assert!((0..size).contains(&partition), "{story}: no such partition");
                let other = seen.insert((place, partition), id);
                assert!(
                    other.is_none(),
                    "{story}: {other:?} and {id} share a partition"
                );
            }
        }
        for (place, topic) in self.topics.iter().enumerate() {
            let is_wanted = self
                .members
                .values()
                .any(|(topics, _)| topics.contains(&place));
            let given = seen.keys().filter(|(seen, _)| *seen == place).count();
            let expected = if is_wanted { topic.partitions } else { 0 };
            assert_eq!(
                given, expected,
                "{story}: all partitions of wanted topics are given"
            );
        }
    }

    /// No member has two partitions more than another that wants one of its topics.
    fn check_balanced(&self, story: &str) {
        let load = |target: &Partitions| target.iter().count();
        let mut least = vec![usize::MAX; self.topics.len()];
        for (topics, target) in self.members.values() {
            for place in topics.iter() {
                least[*place] = least[*place].min(load(target));
            }
        }
        for (id, (_, target)) in &self.members {
            let load = load(target);
            for (topic, _) in target.topics() {
                let place = self.topics.binary_search_by_key(&topic, |topic| topic.id);
                let least = least[place.unwrap()];
                assert!(load <= least + 1, "{story}: {load} of {id} against {least}");
            }
        }
    }
}

fn topics(random: &mut Random, topics_max: u64, partitions_max: u64) -> Vec<SpecTopic> {
    let count = 1 + random.below(topics_max);
    let mut ids: Vec<u128> = (0..count).map(|_| u128::from(random.next_u64())).collect();
    ids.sort_unstable();
    let sized = ids.into_iter().map(|id| SpecTopic {
        id: Uuid(id),
        partitions: usize::try_from(random.below(partitions_max + 1)).unwrap(),
    });
    sized.collect()
}

fn subscription(random: &mut Random, group: &Group, is_homogeneous: bool) -> Rc<[usize]> {
    let places = 0..group.topics.len();
    if is_homogeneous {
        return places.collect();
    }
    places.filter(|_| random.chance(2, 3)).collect()
}

/// Members come and go, topics grow, and after each change the assignment must be valid and even,
/// and nothing may move that did not have to.
#[test]
fn uniform_assignments_are_valid_balanced_and_sticky() {
    for seed in 1..=400_u64 {
        let mut random = Random::salted(seed, 1);
        let is_homogeneous = seed % 2 == 0;
        let mut group = Group {
            topics: topics(&mut random, 8, 24),
            ..Group::default()
        };
        for round in 0..12_u64 {
            let story = format!("seed {seed}, round {round}");
            match random.below(4) {
                0 if group.members.len() > 1 => {
                    let place = usize::try_from(random.below(group.members.len() as u64)).unwrap();
                    let id = group.members.keys().nth(place).unwrap().clone();
                    group.members.remove(&id);
                }
                1 => {
                    let place = usize::try_from(random.below(group.topics.len() as u64)).unwrap();
                    group.topics[place].partitions += 3;
                }
                _ => {
                    let topics = subscription(&mut random, &group, is_homogeneous);
                    let id = format!("member-{:03}", random.below(1000));
                    group.members.insert(id, (topics, Partitions::default()));
                }
            }
            if group.members.is_empty() {
                continue;
            }
            group.assign(Assignor::Uniform, &story);
            group.check_balanced(&story);
            let moved = group.assign(Assignor::Uniform, &story);
            assert_eq!(moved, 0, "{story}: nothing moves when nothing changed");
        }
    }
}

/// One member more or less among many: only its own share moves.
#[test]
fn a_change_of_one_member_moves_one_share() {
    for (members, partitions) in [(10, 100), (10, 95), (200, 1000), (3, 2), (7, 50)] {
        let story = format!("{members} members, {partitions} partitions");
        let mut group = Group {
            topics: vec![SpecTopic {
                id: Uuid(1),
                partitions,
            }],
            ..Group::default()
        };
        let all: Rc<[usize]> = [0].into();
        for member in 0..members {
            let id = format!("member-{member:03}");
            group
                .members
                .insert(id, (Rc::clone(&all), Partitions::default()));
        }
        group.assign(Assignor::Uniform, &story);
        group
            .members
            .insert("new".to_owned(), (all, Partitions::default()));
        let moved = group.assign(Assignor::Uniform, &story);
        let share = partitions / (members + 1);
        assert!(
            moved <= share + 1,
            "{story}: {moved} moved for a share of {share}"
        );
        group.check_balanced(&story);
        group.members.remove("new");
        let moved = group.assign(Assignor::Uniform, &story);
        assert_eq!(moved, 0, "{story}: who remains keeps all it has");
    }
}

/// Kafka Streams' like joins need the same ranges in topics of one size.
#[test]
fn ranges_are_cut_at_the_same_places() {
    let mut group = Group {
        topics: (1..=3)
            .map(|id| SpecTopic {
                id: Uuid(id),
                partitions: 10,
            })
            .collect(),
        ..Group::default()
    };
    for member in ["a", "b", "c", "d"] {
        let all: Rc<[usize]> = [0, 1, 2].into();
        group
            .members
            .insert(member.to_owned(), (all, Partitions::default()));
    }
    group.assign(Assignor::Range, "ranges");
    for (id, expected) in [
        ("a", vec![0, 1, 2]),
        ("b", vec![3, 4, 5]),
        ("c", vec![6, 7]),
        ("d", vec![8, 9]),
    ] {
        let target = &group.members[id].1;
        let mut topics = 0;
        for (_, partitions) in target.topics() {
            let partitions: Vec<i32> = partitions.iter().copied().collect();
            assert_eq!(
                partitions, expected,
                "{id} has the same range in all topics"
            );
            topics += 1;
        }
        assert_eq!(topics, 3, "{id} has a range in all topics");
    }
    for seed in 1..=100_u64 {
        let mut random = Random::salted(seed, 2);
        let mut group = Group {
            topics: topics(&mut random, 6, 20),
            ..Group::default()
        };
        for member in 0..1 + random.below(9) {
            let topics = subscription(&mut random, &group, false);
            group
                .members
                .insert(format!("m{member}"), (topics, Partitions::default()));
        }
        group.assign(Assignor::Range, &format!("seed {seed}"));
    }
}

/// A group of 500 members on 10,000 partitions, all alike and all different: this ends in a blink,
/// and the work does not explode when a member joins.
#[test]
fn large_groups_are_assigned_in_a_blink() {
    for is_homogeneous in [true, false] {
        let mut random = Random::salted(5, 3);
        let mut group = Group {
            topics: (1..=100)
                .map(|id| SpecTopic {
                    id: Uuid(id),
                    partitions: 100,
                })
                .collect(),
            ..Group::default()
        };
        for member in 0..500 {
            let topics = subscription(&mut random, &group, is_homogeneous);
            let id = format!("member-{member:03}");
            group.members.insert(id, (topics, Partitions::default()));
        }
        group.assign(Assignor::Uniform, "large");
        group.check_balanced("large");
        let topics = subscription(&mut random, &group, is_homogeneous);
        group
            .members
            .insert("new".to_owned(), (topics, Partitions::default()));
        let moved = group.assign(Assignor::Uniform, "large");
        assert!(
            moved <= 60,
            "{moved} partitions moved for one new member's share of 20"
        );
        group.check_balanced("large");
    }
}
