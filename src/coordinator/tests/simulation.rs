//! Members that crash, pause, leave and lag; a coordinator that is reloaded; clocks that jump.
//!
//! Story: whatever happens, a partition has one owner per generation; a committed offset never goes
//! back unless a client moves it; nothing of a transaction is told before its end, and nothing of an
//! aborted one after it; offsets in use do not expire; what is live equals the fold of the
//! log; and everybody who asks is answered once. `SEED=17` replays one run, `SEEDS=5000` runs many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::{ErrorCode, ProducerId, Random};

use super::member::Member;
use super::model::Batch;
use super::network::{Event, Network};
use super::seeds;
use super::watch::{Owner, Watch};
use super::world::{World, config};
use crate::{Answer, Ask, Caller, DeleteGroupAsk, Planted, PlantedBug, Refusal};

const GROUP: &str = "g";
const EVENTS: usize = 1500;
const DAY_MS: i64 = 86_400_000;

/// Who asked, and on whose behalf when it asked for an assignment.
type Asked = (usize, u64, Option<Owner>);

/// One run: the machine, its clients, and what is on the way between them.
struct Run {
    random: Random,
    world: World,
    members: Vec<Member>,
    network: Network,
    watch: Watch,
    /// Who asked: the client, in which of its lives, and for a sync its name and generation.
    callers: BTreeMap<Caller, Asked>,
    /// Answers that wait for records to be durable: how long the log must be for each.
    held: Vec<(usize, Caller, Answer)>,
    durable: usize,
    /// Ends of transactions that wait for being durable: how long the log must be for each.
    ends: Vec<(usize, ProducerId)>,
    /// Producers whose transactions were aborted; what they still send comes too late.
    fenced: BTreeSet<ProducerId>,
    producers: i64,
}

impl Run {
    fn new(seed: u64, planted: Planted) -> Self {
        let mut random = Random::salted(seed, 6);
        let mut config = config();
        config.retention_check_interval = Duration::from_secs(5);
        config.initial_rebalance_delay = Duration::from_millis(random.below(2) * 700);
        config.members_max = 3 + usize::try_from(random.below(6)).unwrap();
        let count = 2 + random.below(5);
        let members = (0..count).map(|index| Member::new(index, GROUP, &mut random));
        let members = members.collect();
        Self {
            members,
            world: World::new(config, planted),
            network: Network::default(),
            watch: Watch::default(),
            callers: BTreeMap::new(),
            held: Vec::new(),
            durable: 0,
            ends: Vec::new(),
            fenced: BTreeSet::new(),
            producers: 0,
            random,
        }
    }

    fn run(&mut self) {
        for index in 0..self.members.len() {
            self.network.after(0, Event::Wake(index, 0));
        }
        for _ in 0..EVENTS {
            self.one();
        }
        self.drain();
    }

    fn one(&mut self) {
        let Some((at, event)) = self.network.next() else {
            return;
        };
        let now = self.world.now.since_start;
        let answers = self.world.pass(at.saturating_sub(now));
        self.took(answers, None);
        match event {
            Event::Wake(index, life) => self.wake(index, life),
            Event::Request(index, life, ask) => self.request(index, life, ask),
            Event::Answer(index, life, answer) => self.deliver(index, life, answer),
            Event::End(producer, is_commit) => self.end(producer, is_commit),
            Event::Flushed(length) => self.flushed(length),
        }
        if self.random.chance(1, 40) {
            self.mishap();
        }
    }

    fn wake(&mut self, index: usize, life: u64) {
        let member = &mut self.members[index];
        if member.life != life {
            return;
        }
        let now = self.world.now.since_start;
        let wait = member.wake(now, &mut self.random, &mut self.network);
        self.network.after_from(now, wait, Event::Wake(index, life));
    }

    /// The coordinator of transactions has the end written.
    fn end(&mut self, producer: ProducerId, is_commit: bool) {
        if !is_commit {
            self.fenced.insert(producer);
        }
        self.world.end(producer, is_commit);
        self.ends.push((self.world.log.len(), producer));
        self.took(Vec::new(), None);
    }

    fn request(&mut self, index: usize, life: u64, ask: Ask) {
        if let Ask::TxnOffsetCommit(asked) = &ask
            && self.fenced.contains(&asked.producer.id)
        {
            // As the host does, which knows producers from the log.
            let answer = ask.refused(ErrorCode::InvalidProducerEpoch.into());
            return self.deliver(index, life, answer);
        }
        let before = self.world.groups.group_summaries().next();
        self.watch.asked(&ask, before.as_ref());
        let owner = match &ask {
            Ask::Sync(ask) => {
                let name = ask.instance.as_ref().unwrap_or(&ask.member);
                Some(Owner {
                    name: name.clone(),
                    removals: self.watch.removals,
                    generation: ask.generation,
                })
            }
            _ => None,
        };
        let (caller, answers) = self.world.ask(ask.clone());
        self.callers.insert(caller, (index, life, owner));
        self.took(answers, Some(&ask));
    }

    /// A step's records are looked at, and its answers held until these are durable.
    fn took(&mut self, answers: Vec<(Caller, Answer)>, ask: Option<&Ask>) {
        let members = self.world.groups.group_summaries().next();
        let members = members.map_or(0, |group| group.members);
        let wall = self.world.now.wall.get();
        let log = (&*self.world.log, &*self.world.batches);
        self.watch.logged(log, wall, ask, members);
        let length = self.world.log.len();
        for (caller, answer) in answers {
            self.held.push((length, caller, answer));
        }
        if length > self.durable || !self.held.is_empty() || !self.ends.is_empty() {
            let delay = self.random.below(30);
            let now = self.world.now.since_start;
            self.network.after_from(now, delay, Event::Flushed(length));
        }
    }

    fn flushed(&mut self, length: usize) {
        // A reload may have cut the log meanwhile.
        if length > self.world.log.len() {
            return;
        }
        self.durable = self.durable.max(length);
        let ends = std::mem::take(&mut self.ends);
        for (length, producer) in ends {
            if length <= self.durable {
                self.members.iter_mut().for_each(|one| one.ended(producer));
            } else {
                self.ends.push((length, producer));
            }
        }
        let held = std::mem::take(&mut self.held);
        let (free, held): (Vec<_>, Vec<_>) = held
            .into_iter()
            .partition(|(length, ..)| *length <= self.durable);
        self.held = held;
        for (_, caller, answer) in free {
            self.release(caller, answer);
        }
    }

    fn release(&mut self, caller: Caller, answer: Answer) {
        let asked = self.callers.remove(&caller);
        let (index, life, owner) = asked.expect("an answer goes to whoever asked, once");
        self.watch.released(owner, &answer);
        let now = self.world.now.since_start;
        let delay = self.random.below(40);
        self.network.send_answer(now, delay, (index, life), answer);
    }

    fn deliver(&mut self, index: usize, life: u64, answer: Answer) {
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        if member.life == life {
            let now = self.world.now.since_start;
            member.hear(now, answer, &mut self.random, &mut self.network);
        }
    }

    fn mishap(&mut self) {
        let index = usize::try_from(self.random.below(self.members.len() as u64)).unwrap();
        let now = self.world.now.since_start;
        match self.random.below(11) {
            0..=2 => {
                let timeout = self.random.below(15_000);
                let life = self.members[index].crash(now, timeout, &mut self.network);
                let away = self.random.below(20_000);
                self.network.after_from(now, away, Event::Wake(index, life));
            }
            3 | 4 => self.members[index].pause(now, &mut self.random),
            5 => self.members[index].leave(now, &mut self.random, &mut self.network),
            6 | 7 => self.reload(),
            8 => {
                let days = i64::try_from(self.random.below(17)).unwrap() - 6;
                self.world.now.wall.0 += days * DAY_MS;
            }
            9 => {
                self.producers += 1;
                let producer = ProducerId(1_000_000_000 + self.producers);
                let ask = Member::produce(GROUP, producer, &mut self.random);
                self.request(index, u64::MAX, ask);
                let (delay, is_commit) = (self.random.below(20_000), self.random.chance(1, 2));
                let event = Event::End(producer, is_commit);
                self.network.after_from(now, delay, event);
            }
            _ => {
                let ask = match self.random.below(3) {
                    0 => Ask::DeleteGroup(DeleteGroupAsk {
                        group: GROUP.to_owned(),
                    }),
                    _ => Member::reset(GROUP, &mut self.random),
                };
                self.request(index, u64::MAX, ask);
            }
        }
    }

    /// The coordinator dies: what was not durable is gone, and so is every answer held back.
    fn reload(&mut self) {
        self.held.clear();
        let lost: Vec<Asked> = std::mem::take(&mut self.callers).into_values().collect();
        self.network.lose_requests();
        let pause = Duration::from_millis(self.random.below(20_000));
        self.world.now.since_start += pause;
        let kept = self.durable;
        self.ends.clear();
        let now = self.world.now.since_start;
        for batch in self.world.batches.get(kept..).unwrap_or_default() {
            if let Batch::End(producer, is_commit) = *batch {
                // Nobody said that it is written, so it is sent again; by and by.
                let delay = self.random.below(5000);
                let event = Event::End(producer, is_commit);
                self.network.after_from(now, delay, event);
            }
        }
        let log = (&*self.world.log, &*self.world.batches);
        self.watch.reloaded(log, kept);
        let answers = self.world.restart(kept);
        self.took(answers, None);
        let now = self.world.now.since_start;
        for (index, life, _) in lost {
            let refusal = Refusal::from(ErrorCode::NotCoordinator);
            let answer = Answer::Heartbeat(Err(refusal));
            self.network.send_answer(now, 10, (index, life), answer);
        }
    }

    /// Nobody asks any more: everybody who waits is answered by what is due, and the group and its
    /// offsets go in the end.
    fn drain(&mut self) {
        for _ in 0..2 {
            let answers = self.world.pass(Duration::from_secs(4000));
            self.took(answers, None);
        }
        let open: Vec<ProducerId> = self.world.model.pending.keys().copied().collect();
        for producer in open {
            let is_commit = self.random.chance(1, 2);
            self.world.end(producer, is_commit);
            self.took(Vec::new(), None);
        }
        let waiting = &self.world.waiting;
        assert!(waiting.is_empty(), "{waiting:?} were never answered");
        // The clock may have been set back by weeks, so that commits are from the future.
        self.world.now.wall.0 += 1000 * DAY_MS;
        let answers = self.world.pass(Duration::from_secs(10));
        self.took(answers, None);
        let left = self.world.groups.group_summaries().next();
        assert!(left.is_none(), "{left:?} stays although nobody uses it");
    }
}

fn run(seed: u64, planted: Planted) -> Result<Watch, String> {
    let outcome = std::panic::catch_unwind(|| {
        let mut run = Run::new(seed, planted);
        run.run();
        run.watch.unstable = run.world.unstable;
        run.watch.overtaken = run.world.model.overtaken;
        run.watch
    });
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("seed {seed}: {}", text.unwrap_or_default())
    })
}

#[test]
fn whatever_happens_the_group_keeps_its_promises() {
    let mut total = Watch::default();
    let mut count = 0;
    for seed in seeds(1..=60) {
        let watch = run(seed, Planted::default()).unwrap_or_else(|what| panic!("{what}"));
        total.add(&watch);
        count += 1;
    }
    println!("{count} seeds: {total}");
    if count >= 60 {
        total.assert_lively();
    }
}

fn is_caught(bug: PlantedBug) {
    let caught = (1..=1000).find_map(|seed| run(seed, Planted(Some(bug))).err());
    println!("{bug:?}: {caught:?}");
    assert!(caught.is_some(), "{bug:?} is not caught by 1,000 seeds");
}

#[test]
fn a_stale_generation_that_is_accepted_is_caught() {
    is_caught(PlantedBug::StaleGenerationAccepted);
}

#[test]
fn an_offset_that_expires_in_use_is_caught() {
    is_caught(PlantedBug::ExpiredInUse);
}

#[test]
fn an_aborted_transaction_whose_offsets_stay_is_caught() {
    is_caught(PlantedBug::AbortedKept);
}

#[test]
fn an_offset_that_is_told_while_a_transaction_may_change_it_is_caught() {
    is_caught(PlantedBug::UnstableTold);
}
