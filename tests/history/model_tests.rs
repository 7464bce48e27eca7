//! A log with transactions and groups, small enough to be right by inspection, with clients that
//! crash, lose answers, seek, rebalance and abort: every history of it is one that is allowed.
//!
//! A call takes effect at one moment between its begin and its end, and clients take turns at
//! random, so calls of different clients overlap. Markers come late and one partition at a time.

use std::collections::BTreeMap;

use base::{Offset, PartitionIndex, Random, TopicPartition};

use crate::{
    Action, History, Isolation, Outcome, Polled, Process, Reached, Recorder, Ticket, Transaction,
    Value,
};

const GROUP: &str = "workers";
const INPUTS: [i32; 2] = [0, 1];
const POLLED_MAX: u64 = 4;

fn key(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition {
        topic: topic.to_owned(),
        partition: PartitionIndex(partition),
    }
}

/// What lies at one offset.
#[derive(Clone, Copy)]
enum Entry {
    Record(Value, Option<Transaction>),
    Marker(Transaction),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Writes without transactions.
    Plain,
    /// Writes in transactions.
    Transactional,
    /// Reads, seeks and is assigned anew.
    Reader(Isolation),
    /// Consumes, transforms and produces.
    Worker,
}

struct Client {
    role: Role,
    process: Process,
    transaction: Option<Transaction>,
    /// Where it reads on.
    places: BTreeMap<TopicPartition, i64>,
    /// What its transaction has consumed so far: the next offset per partition.
    consumed: BTreeMap<TopicPartition, i64>,
    /// It lost a partition since its transaction began, so its group takes no offset from it.
    is_fenced: bool,
    /// What its transaction still has to do, the last first.
    plan: Vec<Step>,
    pending: Option<Pending>,
}

#[derive(Clone)]
enum Step {
    Send(TopicPartition, Vec<Value>),
    Poll(Isolation, Vec<TopicPartition>),
    Commit(Vec<(TopicPartition, i64)>),
    End(bool),
    Resume(TopicPartition),
}

struct Pending {
    ticket: Ticket,
    step: Step,
    told: Option<Told>,
}

/// What a call that took effect has to tell.
enum Told {
    Offset(Option<i64>),
    Records(Vec<Polled>, Vec<Reached>),
    Outcome(Outcome),
}

/// See the head of this file.
pub(crate) struct Model {
    random: Random,
    recorder: Recorder,
    logs: BTreeMap<TopicPartition, Vec<Entry>>,
    /// True when committed.
    decided: BTreeMap<Transaction, bool>,
    /// Partitions that still lack the marker of a decided transaction.
    markers: Vec<(Transaction, Option<TopicPartition>)>,
    /// Offsets that wait for their transaction, in the order of their coming.
    staged: Vec<(Transaction, TopicPartition, i64)>,
    group: BTreeMap<TopicPartition, i64>,
    owners: BTreeMap<TopicPartition, usize>,
    clients: Vec<Client>,
}

/// A history that no one can object to.
pub(crate) fn history(seed: u64, turns: u64) -> History {
    let mut model = Model::new(seed);
    for _ in 0..turns {
        model.turn();
    }
    model.finish()
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut model = Self {
            random: Random::salted(seed, 1),
            recorder: Recorder::default(),
            logs: BTreeMap::new(),
            decided: BTreeMap::new(),
            markers: Vec::new(),
            staged: Vec::new(),
            group: BTreeMap::new(),
            owners: BTreeMap::new(),
            clients: Vec::new(),
        };
        for partition in INPUTS {
            model.logs.insert(key("in", partition), Vec::new());
            model.logs.insert(key("out", partition), Vec::new());
        }
        let roles = [
            Role::Plain,
            Role::Transactional,
            Role::Transactional,
            Role::Worker,
            Role::Worker,
            Role::Reader(Isolation::ReadCommitted),
            Role::Reader(Isolation::ReadCommitted),
            Role::Reader(Isolation::ReadUncommitted),
        ];
        for role in roles {
            model.add(role);
        }
        for partition in INPUTS {
            model.rebalance(partition);
        }
        model
    }

    fn add(&mut self, role: Role) {
        let process = self.recorder.new_process();
        self.clients.push(Client {
            role,
            process,
            transaction: None,
            places: BTreeMap::new(),
            consumed: BTreeMap::new(),
            is_fenced: false,
            plan: Vec::new(),
            pending: None,
        });
        self.start(self.clients.len() - 1);
    }

    /// What a client does first in its life.
    fn start(&mut self, who: usize) {
        if let Role::Reader(_) = self.clients[who].role {
            let keys: Vec<TopicPartition> = self.logs.keys().cloned().collect();
            let process = self.clients[who].process;
            self.recorder
                .note(process, Action::Assign { keys: keys.clone() });
            for key in keys {
                self.seek(who, key, 0);
            }
        }
    }

    fn seek(&mut self, who: usize, key: TopicPartition, offset: i64) {
        let process = self.clients[who].process;
        let action = Action::Seek {
            key: key.clone(),
            offset: Offset(offset),
        };
        self.recorder.note(process, action);
        self.clients[who].places.insert(key, offset);
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.random.below(count as u64)).unwrap()
    }

    fn turn(&mut self) {
        match self.random.below(200) {
            0..30 => self.write_marker(),
            30..32 => {
                let partition = INPUTS[self.pick(INPUTS.len())];
                self.rebalance(partition);
            }
            32..34 => {
                let who = self.pick(self.clients.len());
                self.crash(who);
            }
            _ => {
                let who = self.pick(self.clients.len());
                if self.clients[who].pending.is_some() {
                    self.answer(who);
                } else {
                    self.call(who);
                }
            }
        }
    }

    /// A worker loses a partition and another one gets it; what it polled of it and has not staged
    /// is refused from now on.
    fn rebalance(&mut self, partition: i32) {
        let workers: Vec<usize> = (0..self.clients.len())
            .filter(|who| self.clients[*who].role == Role::Worker)
            .collect();
        let now = workers[self.pick(workers.len())];
        let key = key("in", partition);
        let before = self.owners.insert(key.clone(), now);
        for who in before.into_iter().chain([now]) {
            let client = &mut self.clients[who];
            client.places.remove(&key);
            client.is_fenced |= !client.consumed.is_empty();
            // What it asked in the generation before, it asks again.
            client
                .pending
                .take_if(|pending| matches!(pending.step, Step::Resume(_)));
            let action = Action::Rebalanced {
                keys: vec![key.clone()],
            };
            self.recorder.note(self.clients[who].process, action);
        }
    }

    /// The process is gone; what it had under way may or may not have its effect. Another one
    /// takes its part, and its coordinator ends what it left open.
    fn crash(&mut self, who: usize) {
        if let Some(pending) = self.clients[who].pending.take()
            && pending.told.is_none()
            && self.random.chance(1, 2)
        {
            self.effect(who, &pending.step);
        }
        let process = self.recorder.new_process();
        let client = &mut self.clients[who];
        let open = client.transaction.take();
        client.process = process;
        client.places.clear();
        client.consumed.clear();
        client.is_fenced = false;
        client.plan.clear();
        self.decide(open, false);
        self.start(who);
    }

    fn decide(&mut self, transaction: Option<Transaction>, commit: bool) {
        let Some(transaction) = transaction else {
            return;
        };
        if self.decided.contains_key(&transaction) {
            return;
        }
        self.decided.insert(transaction, commit);
        for (key, log) in &self.logs {
            let is_in =
                |entry: &Entry| matches!(entry, Entry::Record(_, Some(of)) if *of == transaction);
            if log.iter().any(is_in) {
                self.markers.push((transaction, Some(key.clone())));
            }
        }
        self.markers.push((transaction, None));
    }

    fn write_marker(&mut self) {
        if self.markers.is_empty() {
            return;
        }
        let which = self.pick(self.markers.len());
        let (transaction, key) = self.markers.swap_remove(which);
        if let Some(key) = key {
            self.logs
                .get_mut(&key)
                .unwrap()
                .push(Entry::Marker(transaction));
            return;
        }
        let (ended, left) = std::mem::take(&mut self.staged)
            .into_iter()
            .partition(|(of, ..)| *of == transaction);
        self.staged = left;
        let ended: Vec<(Transaction, TopicPartition, i64)> = ended;
        if self.decided[&transaction] {
            self.group
                .extend(ended.into_iter().map(|(_, key, offset)| (key, offset)));
        }
    }

    /// Up to where readers of committed records may read.
    fn stable_end(&self, key: &TopicPartition) -> usize {
        let log = &self.logs[key];
        let is_open = |at: usize| {
            let Entry::Record(_, Some(transaction)) = log[at] else {
                return false;
            };
            let ends = |entry: &Entry| matches!(entry, Entry::Marker(of) if *of == transaction);
            !log[at..].iter().any(ends)
        };
        (0..log.len()).find(|at| is_open(*at)).unwrap_or(log.len())
    }

    fn call(&mut self, who: usize) {
        let Some(step) = self.next_step(who) else {
            return;
        };
        let action = match &step {
            Step::Send(key, values) => Action::Send {
                key: key.clone(),
                values: values.clone(),
                base_offset: None,
            },
            Step::Poll(isolation, _) => Action::Poll {
                isolation: *isolation,
                records: Vec::new(),
                reached: Vec::new(),
            },
            Step::Commit(offsets) => Action::CommitOffsets {
                group: GROUP.to_owned(),
                offsets: offsets
                    .iter()
                    .map(|(key, offset)| (key.clone(), Offset(*offset)))
                    .collect(),
            },
            Step::End(commit) => Action::End { commit: *commit },
            Step::Resume(key) => Action::Resume {
                group: GROUP.to_owned(),
                key: key.clone(),
                offset: None,
            },
        };
        let client = &self.clients[who];
        let transaction = match step {
            Step::Resume(_) => None,
            _ => client.transaction,
        };
        let ticket = self.recorder.invoke(client.process, transaction, action);
        let is_early = self.random.chance(1, 2);
        let told = if is_early {
            self.effect(who, &step)
        } else {
            None
        };
        self.clients[who].pending = Some(Pending { ticket, step, told });
    }

    fn next_step(&mut self, who: usize) -> Option<Step> {
        if let Some(step) = self.clients[who].plan.pop() {
            return Some(step);
        }
        match self.clients[who].role {
            Role::Plain => {
                let partition = INPUTS[self.pick(INPUTS.len())];
                Some(self.send(key("in", partition)))
            }
            Role::Transactional => {
                self.clients[who].transaction = Some(self.recorder.new_transaction());
                let mut plan = vec![Step::End(self.random.chance(3, 4))];
                for _ in 0..=self.random.below(3) {
                    let partition = INPUTS[self.pick(INPUTS.len())];
                    plan.push(self.send(key("in", partition)));
                }
                self.clients[who].plan = plan;
                None
            }
            Role::Reader(isolation) => self.read(who, isolation),
            Role::Worker => self.work(who),
        }
    }

    fn send(&mut self, key: TopicPartition) -> Step {
        let count = 1 + self.random.below(3);
        let values = (0..count).map(|_| self.recorder.new_value()).collect();
        Step::Send(key, values)
    }

    fn read(&mut self, who: usize, isolation: Isolation) -> Option<Step> {
        let keys: Vec<TopicPartition> = self.logs.keys().cloned().collect();
        let some = keys[self.pick(keys.len())].clone();
        match self.random.below(24) {
            0 => {
                let end = self.logs[&some].len() as u64;
                let offset = self.random.below(end + 1);
                self.seek(who, some, i64::try_from(offset).unwrap());
                None
            }
            1 => {
                // What it had it reads on, what is new it begins to read.
                let keys: Vec<TopicPartition> = keys
                    .into_iter()
                    .filter(|_| self.random.chance(2, 3))
                    .collect();
                let process = self.clients[who].process;
                self.recorder
                    .note(process, Action::Assign { keys: keys.clone() });
                let client = &mut self.clients[who];
                client.places.retain(|key, _| keys.contains(key));
                for key in keys {
                    self.clients[who].places.entry(key).or_insert(0);
                }
                None
            }
            _ => Some(Step::Poll(isolation, vec![some])),
        }
    }

    /// Where a worker is in its loop follows from what it has.
    fn work(&mut self, who: usize) -> Option<Step> {
        let own: Vec<TopicPartition> = self
            .owners
            .iter()
            .filter(|(_, owner)| **owner == who)
            .map(|(key, _)| key.clone())
            .collect();
        let client = &self.clients[who];
        if client.consumed.is_empty() {
            let lost = own.iter().find(|key| !client.places.contains_key(*key));
            if let Some(key) = lost {
                return Some(Step::Resume(key.clone()));
            }
            if client.transaction.is_none() {
                self.clients[who].transaction = Some(self.recorder.new_transaction());
            }
            return (!own.is_empty()).then_some(Step::Poll(Isolation::ReadCommitted, own));
        }
        let offsets = client.consumed.iter();
        let offsets = offsets
            .map(|(key, offset)| (key.clone(), *offset))
            .collect();
        let partition = INPUTS[self.pick(INPUTS.len())];
        let send = self.send(key("out", partition));
        let end = Step::End(self.random.chance(5, 6));
        self.clients[who].plan = vec![end, Step::Commit(offsets), send];
        None
    }

    /// What the call does to the log; nothing when it cannot be answered yet.
    fn effect(&mut self, who: usize, step: &Step) -> Option<Told> {
        let transaction = self.clients[who].transaction;
        // A coordinator that has ended a transaction takes nothing more for it.
        let is_ended = transaction.is_some_and(|of| self.decided.contains_key(&of));
        Some(match step {
            Step::Send(..) | Step::Commit(_) if is_ended || self.random.chance(1, 30) => {
                Told::Outcome(Outcome::Failed)
            }
            Step::Send(key, values) => {
                let log = self.logs.get_mut(key).unwrap();
                let base = log.len() as i64;
                log.extend(
                    values
                        .iter()
                        .map(|value| Entry::Record(*value, transaction)),
                );
                Told::Offset(Some(base))
            }
            Step::Poll(isolation, keys) => self.poll(who, *isolation, keys),
            Step::Commit(offsets) => {
                let is_owner = |(key, _): &(TopicPartition, i64)| self.owners[key] == who;
                if self.clients[who].is_fenced || !offsets.iter().all(is_owner) {
                    return Some(Told::Outcome(Outcome::Failed));
                }
                let of = transaction.unwrap();
                let staged = offsets
                    .iter()
                    .map(|(key, offset)| (of, key.clone(), *offset));
                self.staged.extend(staged);
                Told::Outcome(Outcome::Ok)
            }
            Step::End(commit) => {
                self.decide(transaction, *commit);
                Told::Outcome(Outcome::Ok)
            }
            Step::Resume(key) => {
                if self.staged.iter().any(|(_, staged, _)| staged == key) {
                    return None;
                }
                Told::Offset(self.group.get(key).copied())
            }
        })
    }

    fn poll(&mut self, who: usize, isolation: Isolation, keys: &[TopicPartition]) -> Told {
        let (mut records, mut reached) = (Vec::new(), Vec::new());
        for key in keys {
            let Some(mut next) = self.clients[who].places.get(key).copied() else {
                continue;
            };
            let log = &self.logs[key];
            let end = match isolation {
                Isolation::ReadCommitted => self.stable_end(key),
                Isolation::ReadUncommitted => log.len(),
            };
            let mut left = 1 + self.random.below(POLLED_MAX);
            while next < end as i64 && left > 0 {
                if let Entry::Record(value, transaction) = log[usize::try_from(next).unwrap()] {
                    let is_aborted =
                        transaction.is_some_and(|of| self.decided.get(&of) == Some(&false));
                    if isolation == Isolation::ReadUncommitted || !is_aborted {
                        records.push(Polled {
                            key: key.clone(),
                            offset: Offset(next),
                            value,
                        });
                        left -= 1;
                    }
                }
                next += 1;
            }
            if self.random.chance(1, 2) {
                reached.push(Reached {
                    key: key.clone(),
                    next: Offset(next),
                    is_end: next == log.len() as i64,
                });
            }
            self.clients[who].places.insert(key.clone(), next);
            if records.iter().any(|record| record.key == *key) {
                self.clients[who].consumed.insert(key.clone(), next);
            }
        }
        Told::Records(records, reached)
    }

    fn answer(&mut self, who: usize) {
        let Some(mut pending) = self.clients[who].pending.take() else {
            return;
        };
        // The answer of a write may be lost, also of one that has no effect.
        let is_write = matches!(
            pending.step,
            Step::Send(..) | Step::Commit(_) | Step::End(_)
        );
        if is_write && self.random.chance(1, 16) {
            self.recorder.answer(pending.ticket, Outcome::Indefinite);
            let is_end = matches!(pending.step, Step::End(_));
            self.give_up(who, is_end);
            return;
        }
        let Some(told) = pending
            .told
            .take()
            .or_else(|| self.effect(who, &pending.step))
        else {
            // A group with open transactions is asked again.
            self.clients[who].pending = Some(pending);
            return;
        };
        self.tell(who, pending, told);
    }

    fn tell(&mut self, who: usize, pending: Pending, told: Told) {
        match (pending.step, told) {
            (_, Told::Records(records, reached)) => {
                self.recorder.answer_poll(pending.ticket, records, reached);
            }
            (Step::Resume(key), Told::Offset(offset)) => {
                self.recorder
                    .answer_resume(pending.ticket, offset.map(Offset));
                match offset {
                    Some(offset) => {
                        self.clients[who].places.insert(key, offset);
                    }
                    None => self.seek(who, key, 0),
                }
            }
            (_, Told::Offset(offset)) => {
                // Sometimes a client is told that it is there, but not where.
                let told = offset.filter(|_| self.random.chance(9, 10));
                self.recorder.answer_send(pending.ticket, told.map(Offset));
            }
            (step, Told::Outcome(outcome)) => {
                self.recorder.answer(pending.ticket, outcome);
                match (step, outcome) {
                    (Step::End(commit), _) => {
                        let client = &mut self.clients[who];
                        client.transaction = None;
                        client.consumed.clear();
                        client.is_fenced = false;
                        if !commit {
                            // Back to where the group is.
                            client.places.retain(|_, _| client.role != Role::Worker);
                        }
                    }
                    (_, Outcome::Failed) => self.give_up(who, false),
                    _ => {}
                }
            }
        }
    }

    /// Aborts its transaction; a client that does not know its end begins a new life.
    fn give_up(&mut self, who: usize, is_end: bool) {
        if is_end {
            self.crash(who);
        } else if self.clients[who].transaction.is_some() {
            self.clients[who].plan = vec![Step::End(false)];
        }
    }

    /// Everybody ends, all markers are written, and two fresh readers read all of it.
    fn finish(mut self) -> History {
        for who in 0..self.clients.len() {
            self.crash(who);
        }
        while !self.markers.is_empty() {
            self.write_marker();
        }
        for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
            self.add(Role::Reader(isolation));
            let who = self.clients.len() - 1;
            let keys: Vec<TopicPartition> = self.logs.keys().cloned().collect();
            for key in keys {
                let end = self.logs[&key].len() as i64;
                while self.clients[who].places[&key] < end {
                    self.read_on(who, isolation, &key);
                }
                self.read_on(who, isolation, &key);
            }
        }
        self.recorder.finish().unwrap()
    }

    fn read_on(&mut self, who: usize, isolation: Isolation, key: &TopicPartition) {
        let action = Action::Poll {
            isolation,
            records: Vec::new(),
            reached: Vec::new(),
        };
        let process = self.clients[who].process;
        let ticket = self.recorder.invoke(process, None, action);
        let Told::Records(records, _) = self.poll(who, isolation, std::slice::from_ref(key)) else {
            panic!("a poll tells of records");
        };
        let next = self.clients[who].places[key];
        let reached = Reached {
            key: key.clone(),
            next: Offset(next),
            is_end: next == self.logs[key].len() as i64,
        };
        self.recorder.answer_poll(ticket, records, vec![reached]);
    }
}
