//! A machine with its log and its clocks, checked after every step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Timestamp, Uuid};
use config::Settings;

use crate::{
    Answer, Ask, Caller, Groups, GroupsConfig, Now, Planted, Record, Step, TopicImage, Topics,
};

/// 2026-11-21, noon.
const BIRTH: i64 = 1_795_262_400_000;

/// One machine, its log, and the fold of the log beside it.
pub(super) struct World {
    pub(super) groups: Groups,
    pub(super) log: Vec<Record>,
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
            now: Now {
                since_start: Duration::from_secs(1),
                wall: Timestamp(BIRTH),
            },
            folded: Groups::new(config.clone()),
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
        self.waiting.clear();
        self.groups = Groups::with_bug(self.config.clone(), self.planted);
        self.folded = Groups::new(self.config.clone());
        for record in &self.log {
            self.groups
                .replay(&record.key, record.value.as_deref())
                .unwrap();
            self.folded
                .replay(&record.key, record.value.as_deref())
                .unwrap();
        }
        self.begin()
    }

    pub(super) fn ask(&mut self, ask: Ask) -> (Caller, Vec<(Caller, Answer)>) {
        self.caller += 1;
        let caller = Caller(self.caller);
        self.waiting.insert(caller, ());
        let step = self.groups.handle(self.now, caller, ask);
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
        for record in step.records {
            self.folded
                .replay(&record.key, record.value.as_deref())
                .unwrap();
            self.log.push(record);
        }
        assert!(
            self.groups.is_durably_equal(&self.folded),
            "live state differs from the fold of the log: {:#?}\n{:#?}",
            self.groups,
            self.folded
        );
        for (caller, _) in &step.answers {
            let was_waiting = self.waiting.remove(caller);
            assert!(was_waiting.is_some(), "{caller:?} is answered twice");
        }
        step.answers
    }
}
