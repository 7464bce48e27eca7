//! A machine with its log and its clocks, checked after every step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{ProducerId, Timestamp, Uuid};
use config::Settings;

use super::model::{Batch, Model};
use crate::{
    Answer, Ask, Caller, Groups, GroupsConfig, Now, Planted, Record, Step, TopicImage, Topics,
};

/// 2026-11-21, noon.
const BIRTH: i64 = 1_795_262_400_000;

/// One machine, its log, and the fold of the log beside it.
pub(super) struct World {
    pub(super) groups: Groups,
    pub(super) log: Vec<Record>,
    /// For each entry of the log the kind of its batch.
    pub(super) batches: Vec<Batch>,
    pub(super) model: Model,
    /// How often somebody heard that an offset is not stable.
    pub(super) unstable: usize,
    pub(super) now: Now,
    pub(super) config: GroupsConfig,
    pub(super) planted: Planted,
    topics: Arc<Topics>,
    folded: Groups,
    /// Who waits for an answer.
    pub(super) waiting: BTreeMap<Caller, ()>,
    caller: u64,
}

/// The settings of a node with nothing configured.
pub(super) fn config() -> GroupsConfig {
    GroupsConfig::new(&Settings::default(), &BTreeMap::new())
}

/// An image of the given topics, each with its number of partitions.
pub(super) fn topics(list: &[(&str, i32)]) -> Arc<Topics> {
    let id = |name: &str| {
        let number = name
            .bytes()
            .fold(1_u128, |sum, byte| sum * 257 + u128::from(byte));
        Uuid(number)
    };
    let topics = list.iter().map(|(name, partitions)| {
        let image = TopicImage {
            id: id(name),
            partitions: *partitions,
        };
        ((*name).to_owned(), image)
    });
    Arc::new(Topics::new(topics))
}

impl World {
    pub(super) fn new(config: GroupsConfig, planted: Planted) -> Self {
        let mut world = Self {
            groups: Groups::with_bug(config.clone(), planted),
            log: Vec::new(),
            batches: Vec::new(),
            model: Model::default(),
            unstable: 0,
            now: Now {
                since_start: Duration::from_secs(1),
                wall: Timestamp(BIRTH),
            },
            folded: Groups::with_bug(config.clone(), planted),
            config,
            planted,
            topics: topics(&[("orders", 3), ("bills", 3)]),
            waiting: BTreeMap::new(),
            caller: 0,
        };
        let answers = world.begin();
        assert!(answers.is_empty(), "nobody asked yet");
        world
    }

    fn begin(&mut self) -> Vec<(Caller, Answer)> {
        let step = self
            .groups
            .topics_changed(self.now, Arc::clone(&self.topics));
        let mut answers = self.take(step);
        let step = self.groups.loaded(self.now);
        answers.extend(self.take(step));
        answers
    }

    /// Loads anew from the first `kept` records; whoever waited is forgotten.
    pub(super) fn restart(&mut self, kept: usize) -> Vec<(Caller, Answer)> {
        self.log.truncate(kept);
        self.batches.resize(self.log.len(), Batch::Ordinary);
        self.model = Model::default();
        self.waiting.clear();
        self.groups = Groups::with_bug(self.config.clone(), self.planted);
        self.folded = Groups::with_bug(self.config.clone(), self.planted);
        for (at, (record, batch)) in self.log.iter().zip(&self.batches).enumerate() {
            self.model.apply(at, record, *batch);
            replay(&mut self.groups, record, *batch);
            replay(&mut self.folded, record, *batch);
        }
        self.begin()
    }

    /// Puts the end of a producer's transaction into the log.
    pub(super) fn end(&mut self, producer: ProducerId, is_commit: bool) {
        let record = Record {
            key: Vec::new(),
            value: None,
        };
        self.put(record, Batch::End(producer, is_commit));
        self.groups.end_transaction(self.now, producer, is_commit);
        self.check();
    }

    fn put(&mut self, record: Record, batch: Batch) {
        replay(&mut self.folded, &record, batch);
        self.model.apply(self.log.len(), &record, batch);
        self.batches.resize(self.log.len(), Batch::Ordinary);
        self.log.push(record);
        self.batches.push(batch);
    }

    pub(super) fn ask(&mut self, ask: Ask) -> (Caller, Vec<(Caller, Answer)>) {
        self.caller += 1;
        let caller = Caller(self.caller);
        self.waiting.insert(caller, ());
        let step = self.groups.handle(self.now, caller, ask.clone());
        if let (Ask::OffsetFetch(ask), [(_, answer)]) = (&ask, step.answers.as_slice()) {
            self.unstable += self.model.check_fetch(ask, answer);
        }
        (caller, self.take(step))
    }

    pub(super) fn tick(&mut self) -> Vec<(Caller, Answer)> {
        let step = self.groups.tick(self.now);
        self.take(step)
    }

    /// Lets time pass, ticking whenever something is due.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<(Caller, Answer)> {
        let end = self.now.since_start + time;
        let mut answers = Vec::new();
        let mut idle = 0;
        while let Some(due) = self.groups.deadline().filter(|due| *due <= end) {
            idle = if due > self.now.since_start {
                0
            } else {
                idle + 1
            };
            assert!(idle < 10_000, "the machine does not come to rest");
            let step = due.saturating_sub(self.now.since_start);
            self.advance(step);
            answers.extend(self.tick());
        }
        let rest = end.saturating_sub(self.now.since_start);
        self.advance(rest);
        answers
    }

    fn advance(&mut self, time: Duration) {
        self.now.since_start += time;
        self.now.wall.0 += i64::try_from(time.as_millis()).unwrap();
    }

    pub(super) fn set_topics(&mut self, topics: Arc<Topics>) -> Vec<(Caller, Answer)> {
        self.topics = Arc::clone(&topics);
        let step = self.groups.topics_changed(self.now, topics);
        self.take(step)
    }

    /// What every step must leave true: its records were applied, and applying them to the fold of
    /// the log gives the same; nobody is answered who does not wait.
    fn take(&mut self, step: Step) -> Vec<(Caller, Answer)> {
        let batch = step.producer.map_or(Batch::Ordinary, |producer| {
            Batch::Transactional(producer.id)
        });
        for record in step.records {
            self.put(record, batch);
        }
        self.check();
        for (caller, _) in &step.answers {
            let was_waiting = self.waiting.remove(caller);
            assert!(was_waiting.is_some(), "{caller:?} is answered twice");
        }
        step.answers
    }

    fn check(&self) {
        assert!(
            self.groups.is_durably_equal(&self.folded),
            "live state differs from the fold of the log: {:#?}\n{:#?}",
            self.groups,
            self.folded
        );
        self.model.check(&self.groups);
    }
}

fn replay(groups: &mut Groups, record: &Record, batch: Batch) {
    let (key, value) = (&record.key, record.value.as_deref());
    match batch {
        Batch::Ordinary => groups.replay(key, value).unwrap(),
        Batch::Transactional(producer) => {
            groups.replay_transactional(producer, key, value).unwrap();
        }
        Batch::End(producer, is_commit) => groups.replay_end(producer, is_commit),
    }
}
