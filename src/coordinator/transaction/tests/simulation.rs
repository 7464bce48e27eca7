//! Producers that crash, hang and repeat themselves; requests that come late; markers that get
//! lost; a coordinator that is reloaded; clocks that jump.
//!
//! Story: a transaction is committed whole or not at all, and as its producer was told; no request
//! of an earlier transaction ends a later one (what Jepsen found in level one); nothing hangs in
//! the end; what is live equals the fold of the log. `SEED=17` replays one run, `SEEDS=5000` runs
//! many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::{ErrorCode, ProducerEpoch, ProducerId, Random, TopicPartition};

use super::client::{Client, Promises};
use super::partitions::{Number, Partitions};
use super::watch::Watch;
use super::world::{Output, World, config, idle};
use crate::tests::seeds;
use crate::transaction::{
    Answer, Ask, MarkerOutcome, MarkerReport, Markers, Planted, PlantedBug, TransactionLevel,
    records,
};
use crate::{Caller, Refusal};

const EVENTS: usize = 600;
const DAY_MS: i64 = 86_400_000;

/// Something that happens at its time.
enum Event {
    /// A client does what is next.
    Wake(usize, u64),
    /// A request arrives; nobody waits for the answer to a late copy.
    Request(usize, u64, Ask, bool),
    /// An answer arrives.
    Answer(usize, u64, Answer),
    /// The log is durable up to this length.
    Flushed(usize),
    /// A marker reaches its partition, in this life of the coordinator.
    Marker(usize, Markers, TopicPartition),
    /// Word of it comes back.
    Report(usize, MarkerReport),
}

/// Answers and markers that wait for records to be durable.
enum Held {
    Answer(Caller, Answer),
    Markers(Markers),
}

struct Run {
    random: Random,
    world: World,
    clients: Vec<Client>,
    partitions: Partitions,
    promises: Promises,
    /// The transactions that their clients wished to commit.
    wished: BTreeSet<Number>,
    watch: Watch,
    events: BTreeMap<(Duration, u64), Event>,
    count: u64,
    numbers: Number,
    callers: BTreeMap<Caller, (usize, u64)>,
    held: Vec<(usize, Held)>,
    durable: usize,
    life: usize,
}

impl Run {
    fn new(seed: u64, planted: Planted) -> Self {
        let mut random = Random::salted(seed, 60);
        let mut config = config();
        config.transaction_version = [0, 1, 2, 2, 2][usize::try_from(random.below(5)).unwrap()];
        config.timeout_check_interval = Duration::from_millis(500);
        config.expiration_check_interval = Duration::from_secs(2);
        let offers_two = config.transaction_version >= 2;
        let mut world = World::new(config, planted);
        let mut clients = Vec::new();
        for index in 0..1 + random.below(3) {
            let is_two = offers_two && random.chance(2, 3);
            let level = match is_two {
                true => TransactionLevel::Two,
                false => TransactionLevel::One,
            };
            let client = Client::new(index, level);
            if random.chance(1, 3) {
                let epoch = i16::MAX - i16::try_from(random.below(8)).unwrap() - 1;
                let producer_id = ProducerId(i64::try_from(index).unwrap());
                let durable = idle(producer_id, ProducerEpoch(epoch));
                let version = world.config.transaction_version;
                let record = records::encode(client.id(), Some(&durable), version);
                world.log.push(record);
            }
            clients.push(client);
        }
        let output = world.restart(world.log.len());
        assert!(output.markers.is_empty(), "nothing is open yet");
        let mut run = Self {
            random,
            clients,
            partitions: Partitions::default(),
            promises: Promises::new(),
            wished: BTreeSet::new(),
            watch: Watch::default(),
            events: BTreeMap::new(),
            count: 0,
            numbers: 0,
            callers: BTreeMap::new(),
            held: Vec::new(),
            durable: world.log.len(),
            life: 0,
            world,
        };
        run.watch.reloaded(&run.world.log, run.world.log.len());
        run.watch.reloads = 0;
        run
    }

    fn after(&mut self, delay_ms: u64, event: Event) {
        self.count += 1;
        let at = self.world.now.since_start + Duration::from_millis(delay_ms);
        self.events.insert((at, self.count), event);
    }

    fn run(&mut self) {
        for index in 0..self.clients.len() {
            self.after(0, Event::Wake(index, 0));
        }
        for _ in 0..EVENTS {
            self.one(true);
        }
        self.drain();
    }

    fn one(&mut self, has_mishaps: bool) -> bool {
        let Some(((at, _), event)) = self.events.pop_first() else {
            return false;
        };
        let time = at.saturating_sub(self.world.now.since_start);
        let output = self.world.pass(time);
        self.took(output);
        self.happen(event, has_mishaps);
        if has_mishaps && self.random.chance(1, 50) {
            self.mishap();
        }
        true
    }

    fn happen(&mut self, event: Event, is_live: bool) {
        match event {
            Event::Wake(index, life) if is_live && self.clients[index].life == life => {
                self.wake(index, life);
            }
            Event::Wake(..) => {}
            Event::Request(index, life, ask, is_late) => {
                self.watch.late += usize::from(is_late);
                let (caller, output) = self.world.ask(ask);
                let life = if is_late { u64::MAX } else { life };
                self.callers.insert(caller, (index, life));
                self.took(output);
            }
            Event::Answer(index, life, answer) => self.deliver(index, life, &answer),
            Event::Flushed(length) if length <= self.world.log.len() => self.flushed(length),
            Event::Flushed(_) => {}
            Event::Marker(life, markers, partition) => self.mark(life, &markers, partition),
            Event::Report(life, report) if life == self.life => {
                let output = self.world.mark(report);
                self.took(output);
            }
            Event::Report(..) => {}
        }
    }

    fn wake(&mut self, index: usize, life: u64) {
        let client = &mut self.clients[index];
        if let Some(ask) = client.next(&mut self.random, &mut self.numbers) {
            let is_two = client.level == TransactionLevel::Two;
            let is_init = matches!(ask, Ask::Init(_));
            if matches!(&ask, Ask::End(ask) if ask.is_commit) {
                self.wished.insert(client.number);
            }
            // Level two knows requests of an earlier transaction whenever they come; level one
            // cannot, nor does anybody know an old wish to begin.
            if is_two && !is_init && self.random.chance(1, 8) {
                let delay = 100 + self.random.below(4000);
                self.after(delay, Event::Request(index, life, ask.clone(), true));
            }
            let delay = self.random.below(20);
            self.after(delay, Event::Request(index, life, ask, false));
        }
        let pause = match self.random.chance(1, 25) {
            true => 15_000,
            false => 60,
        };
        let pause = 10 + self.random.below(pause);
        self.after(pause, Event::Wake(index, life));
    }

    fn deliver(&mut self, index: usize, life: u64, answer: &Answer) {
        let client = &mut self.clients[index];
        if client.life == life {
            let (random, promises) = (&mut self.random, &mut self.promises);
            client.hear(answer, random, &mut self.partitions, promises);
        }
    }

    /// A step's records are looked at, and what it led to is held until they are durable.
    fn took(&mut self, output: Output) {
        let wall_ms = self.world.now.wall.0;
        self.watch
            .logged(&self.world.log, &self.partitions, wall_ms);
        let length = self.world.log.len();
        for (caller, answer) in output.answers {
            self.held.push((length, Held::Answer(caller, answer)));
        }
        for markers in output.markers {
            self.held.push((length, Held::Markers(markers)));
        }
        if length > self.durable || !self.held.is_empty() {
            let delay = self.random.below(25);
            self.after(delay, Event::Flushed(length));
        }
    }

    fn flushed(&mut self, length: usize) {
        self.durable = self.durable.max(length);
        let held = std::mem::take(&mut self.held);
        for (length, one) in held {
            if length > self.durable {
                self.held.push((length, one));
                continue;
            }
            match one {
                Held::Answer(caller, answer) => self.release(caller, answer),
                Held::Markers(markers) => {
                    for partition in markers.partitions.clone() {
                        let delay = self.random.below(200);
                        let event = Event::Marker(self.life, markers.clone(), partition);
                        self.after(delay, event);
                    }
                }
            }
        }
    }

    fn release(&mut self, caller: Caller, answer: Answer) {
        let asked = self.callers.remove(&caller);
        let (index, life) = asked.expect("an answer goes to whoever asked, once");
        let name = match &answer {
            Answer::Init(Ok(who)) => Some((who.producer_id, who.producer_epoch)),
            Answer::End(Ok(who)) => Some((who.producer_id, who.producer_epoch)),
            _ => None,
        };
        self.watch.refused += usize::from(name.is_none());
        if let Some(name) = name.filter(|_| life != u64::MAX) {
            self.watch.named(name, (index, life));
        }
        let delay = self.random.below(30);
        self.after(delay, Event::Answer(index, life, answer));
    }

    fn mark(&mut self, life: usize, markers: &Markers, partition: TopicPartition) {
        let outcome = match self.random.chance(1, 6) {
            true => MarkerOutcome::Failed,
            false => MarkerOutcome::Written,
        };
        // What failed may have been written all the same.
        if outcome == MarkerOutcome::Written || self.random.chance(1, 2) {
            self.partitions.mark(&partition, markers);
        }
        let report = MarkerReport {
            ticket: markers.ticket,
            transactional_id: markers.transactional_id.clone(),
            partition,
            outcome,
        };
        if self.random.chance(1, 4) {
            let delay = self.random.below(3000);
            self.after(delay, Event::Report(life, report.clone()));
        }
        let delay = self.random.below(50);
        self.after(delay, Event::Report(life, report));
    }

    fn mishap(&mut self) {
        let index = usize::try_from(self.random.below(self.clients.len() as u64)).unwrap();
        match self.random.below(8) {
            0..=2 => {
                let life = self.clients[index].crash();
                let away = self.random.below(8000);
                self.after(away, Event::Wake(index, life));
            }
            3 | 4 => self.reload(),
            5 => {
                let days = i64::try_from(self.random.below(17)).unwrap() - 6;
                self.world.now.wall.0 += days * DAY_MS;
            }
            6 => {
                let id = self.clients[index].id().to_owned();
                let (caller, output) = self.world.ask(Ask::Abort(id));
                self.callers.insert(caller, (index, u64::MAX));
                self.took(output);
            }
            _ => {
                let pause = Duration::from_millis(self.random.below(20_000));
                let output = self.world.pass(pause);
                self.took(output);
            }
        }
    }

    /// The coordinator fails: what was not durable is gone, and so is every answer held back. Its
    /// markers on their way arrive or get lost before a successor is loaded.
    fn reload(&mut self) {
        self.held.clear();
        self.life += 1;
        for (key, event) in std::mem::take(&mut self.events) {
            match event {
                Event::Marker(_, markers, partition) => {
                    if self.random.chance(1, 2) {
                        self.partitions.mark(&partition, &markers);
                    }
                }
                Event::Flushed(_) | Event::Report(..) => {}
                event => {
                    self.events.insert(key, event);
                }
            }
        }
        let spare = self.world.log.len() - self.durable;
        let kept = self.durable + usize::try_from(self.random.below(spare as u64 + 1)).unwrap();
        self.watch.reloaded(&self.world.log, kept);
        self.durable = kept;
        let output = self.world.restart(kept);
        self.took(output);
        for (_, (index, life)) in std::mem::take(&mut self.callers) {
            let refusal = Refusal::from(ErrorCode::NotCoordinator);
            self.after(10, Event::Answer(index, life, Answer::End(Err(refusal))));
        }
    }

    /// Nobody asks any more: what is open is aborted in its time, and ids go in the end.
    fn drain(&mut self) {
        for _ in 0..200 {
            while self.one(false) {}
            let output = self.world.pass(Duration::from_secs(1));
            self.took(output);
        }
        while self.one(false) {}
        self.partitions.assert_closed();
        self.watch.assert_kept(&self.partitions, &self.promises);
        for (number, outcomes) in &self.partitions.outcomes {
            let is_committed = outcomes.contains(&true);
            let is_wished = self.wished.contains(number);
            assert!(
                !is_committed || is_wished,
                "nobody wished to commit {number}"
            );
        }
        // The clock may have been set back by weeks, so that use was in the future.
        self.world.now.wall.0 += 1000 * DAY_MS;
        let output = self.world.pass(Duration::from_secs(10));
        self.took(output);
        let left: usize = self.world.machine.counts().map(|(_, count)| count).sum();
        assert_eq!(
            left, 0,
            "{:#?} stays although nobody uses it",
            self.world.machine
        );
    }
}

fn run(seed: u64, planted: Planted) -> Result<Watch, String> {
    let outcome = std::panic::catch_unwind(|| {
        let mut run = Run::new(seed, planted);
        run.run();
        run.watch
    });
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.unwrap_or_default();
        let first = text.lines().next().unwrap_or_default();
        format!("seed {seed}: {first}")
    })
}

#[test]
fn whatever_happens_transactions_keep_their_promises() {
    let mut total = Watch::default();
    let mut count = 0;
    for seed in seeds(1..=150) {
        let watch = run(seed, Planted::default()).unwrap_or_else(|what| panic!("{what}"));
        total.add(&watch);
        count += 1;
    }
    println!("{count} seeds: {total}");
    if count >= 150 {
        total.assert_lively();
    }
}

#[test]
fn every_planted_bug_is_caught() {
    let bugs = [
        PlantedBug::LateEndAccepted,
        PlantedBug::LateReportCounted,
        PlantedBug::MarkersForgotten,
        PlantedBug::TimeoutWithoutFence,
        PlantedBug::CompleteTooEarly,
        PlantedBug::AddedWhileEnding,
        PlantedBug::EpochWrapped,
        PlantedBug::ExpiredWhileOpen,
    ];
    for bug in bugs {
        let caught = (1..=1000).find_map(|seed| run(seed, Planted(Some(bug))).err());
        println!("{bug:?}: {caught:?}");
        assert!(caught.is_some(), "{bug:?} is not caught by 1000 seeds");
    }
}
