//! Whole groups under everything that goes wrong: members crash, answers get lost, the node
//! restarts from its log, whole or compacted, clocks jump, topics come and go.
//!
//! Story: at each moment a partition is in the hands of one member, the machine tells what its log
//! tells, and when the trouble is over every partition is worked on.

use std::collections::BTreeSet;
use std::time::Duration;

use base::{ErrorCode, Random};

use super::world::{Consumer, World, check_covered, check_owners, config};
use crate::Planted;
use crate::planted::PlantedBug;

struct Simulation {
    random: Random,
    world: World,
    members: Vec<Consumer>,
    born: usize,
}

const TOPICS: [&str; 3] = ["orders", "orders-eu", "bills"];

impl Simulation {
    fn new(seed: u64, planted: Planted) -> Self {
        let mut random = Random::salted(seed, 11);
        let mut settings = config();
        if random.chance(1, 2) {
            settings.consumer.assignment_interval = Duration::from_secs(1);
        }
        let list = sizes(&mut random);
        let world = World::with_bug(settings, &list, planted);
        let mut simulation = Self {
            random,
            world,
            members: Vec::new(),
            born: 0,
        };
        for _ in 0..3 {
            simulation.add();
        }
        simulation
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(bound as u64)).unwrap()
    }

    fn add(&mut self) {
        self.born += 1;
        let id = format!("member-{}", self.born);
        let mut member = match self.random.below(5) {
            0 => Consumer::by_regex(&id, "orders.*"),
            1 => Consumer::fixed(&id, &format!("static-{}", self.random.below(3)), &TOPICS),
            2 => Consumer::new(&id, &["orders", "bills"]),
            _ => Consumer::new(&id, &TOPICS),
        };
        if self.random.chance(1, 6) {
            member.assignor = Some("range".to_owned());
        }
        self.members.push(member);
    }

    fn step(&mut self) {
        let place = self.below(self.members.len());
        match self.random.below(40) {
            0 if self.members.len() < 8 => self.add(),
            // A crash: what it worked on is in nobody's hands any more.
            1 => self.members[place].is_up = false,
            2 if self.members.len() > 2 => {
                let mut member = self.members.swap_remove(place);
                let gone = member.leave(&mut self.world, -1);
                assert!(gone.is_ok() || member.is_up || gone.is_err());
            }
            3 => self.restart_static(place),
            4 => self.world.restart(),
            5 => {
                self.world.compact();
                self.world.restart();
            }
            6 => {
                let jump = i64::try_from(self.random.below(200_000)).unwrap() - 100_000;
                self.world.now.wall.0 += jump;
            }
            7 => {
                let list = sizes(&mut self.random);
                self.world.set_topics(&list);
            }
            8..=10 => {
                let time = Duration::from_millis(self.random.below(30_000));
                self.world.pass(time);
            }
            11 => self.change_mind(place),
            12..=14 => self.beat_and_lose(place),
            _ => {
                self.beat(place);
                self.world.pass(Duration::from_millis(300));
            }
        }
        self.members.retain(|member| member.is_up);
        if self.members.is_empty() {
            self.add();
        }
    }

    fn restart_static(&mut self, place: usize) {
        if self.members[place].instance.is_none() || self.members[place].epoch == 0 {
            return;
        }
        let left = self.members[place].leave(&mut self.world, -2);
        self.born += 1;
        let member = &mut self.members[place];
        if left.is_err() {
            member.abandon();
        }
        member.id = format!("member-{}", self.born);
    }

    fn change_mind(&mut self, place: usize) {
        let regexes = ["orders.*", ".*", "(orders|bills)(-eu)?", ""];
        let regex = regexes[self.below(regexes.len())];
        let member = &mut self.members[place];
        member.regex = Some(regex.to_owned());
        member.topics = if regex.is_empty() {
            vec!["bills".to_owned()]
        } else {
            Vec::new()
        };
        member.repeat_all();
    }

    fn beat(&mut self, place: usize) {
        let member = &mut self.members[place];
        if let Err(refusal) = member.beat(&mut self.world) {
            match refusal.code {
                ErrorCode::FencedMemberEpoch
                | ErrorCode::UnknownMemberId
                | ErrorCode::FencedInstanceId => member.abandon(),
                // The group is gone, or somebody else has this static name.
                ErrorCode::GroupIdNotFound | ErrorCode::UnreleasedInstanceId => {
                    member.abandon();
                }
                other => panic!("a heartbeat was refused with {other}: {refusal}"),
            }
        }
    }

    /// The machine hears the heartbeat, and the member hears nothing.
    fn beat_and_lose(&mut self, place: usize) {
        let ask = self.members[place].ask();
        let _ = self.world.heartbeat(ask);
        self.members[place].repeat_all();
    }

    /// Members that the machine knows are the only ones whose commits it takes.
    fn check(&mut self) {
        if self.world.groups.timeline(super::world::GROUP).is_none() {
            return;
        }
        let described = self.world.describe();
        let known: BTreeSet<String> = described
            .members
            .into_iter()
            .map(|member| member.member)
            .collect();
        check_owners(
            self.members
                .iter()
                .filter(|member| known.contains(&member.id)),
        );
    }

    /// The trouble is over: everybody who is up gets on, everybody else is forgotten.
    fn heal(&mut self) {
        self.world
            .set_topics(&[("orders", 4), ("orders-eu", 3), ("bills", 5)]);
        self.members.push(Consumer::new("last", &TOPICS));
        for _ in 0..40 {
            for place in 0..self.members.len() {
                self.beat(place);
            }
            self.check();
            self.world.pass(Duration::from_secs(5));
        }
        assert_eq!(self.world.describe().state, "Stable");
        check_covered(&self.world, &self.members, &TOPICS);
    }
}

fn sizes(random: &mut Random) -> Vec<(&'static str, i32)> {
    let mut list = Vec::new();
    for topic in TOPICS {
        let partitions = i32::try_from(random.below(7)).unwrap();
        if partitions > 0 {
            list.push((topic, partitions));
        }
    }
    list
}

fn run(seed: u64, planted: Planted) {
    let mut simulation = Simulation::new(seed, planted);
    for _ in 0..150 {
        simulation.step();
        simulation.check();
    }
    simulation.heal();
}

/// `SEED=17` replays one run, `SEEDS=5000` does as many.
#[test]
fn every_partition_has_one_owner_whatever_happens() {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seeds = match (number("SEED"), number("SEEDS")) {
        (Some(one), _) => one..=one,
        (None, count) => 1..=count.unwrap_or(60),
    };
    for seed in seeds {
        println!("SEED={seed}");
        run(seed, Planted::default());
    }
}

/// A machine that gives partitions away too early is found out by the same check.
#[test]
fn a_planted_bug_is_found() {
    let found = (1..=60).any(|seed| {
        let planted = Planted(Some(PlantedBug::UnreleasedAssigned));
        std::panic::catch_unwind(|| run(seed, planted)).is_err()
    });
    assert!(found, "the simulation must find what it is for");
}
