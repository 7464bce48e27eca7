//! A machine with its log and its clocks, and consumers that behave as the protocol says.
//!
//! After each step the records are folded into a second machine, which must tell the same as the
//! live one; and no partition may be in two members' acknowledged hands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base::{PartitionIndex, Timestamp, Uuid};
use config::Settings;

use crate::{
    Answer, Ask, Caller, ConsumerDescribeAsk, ConsumerDescription, ConsumerHeartbeatAnswer,
    ConsumerHeartbeatAsk, Groups, GroupsConfig, Now, Planted, Record, Refusal, Step,
    TopicIdPartitions, TopicImage, Topics,
};

pub(super) const GROUP: &str = "group";

pub(super) struct World {
    pub(super) groups: Groups,
    pub(super) config: GroupsConfig,
    pub(super) now: Now,
    pub(super) log: Vec<Record>,
    pub(super) topics: Arc<Topics>,
    folded: Groups,
    planted: Planted,
    caller: u64,
    /// Folding after every step is quadratic in the size of a group; storms do it at the end.
    pub(super) compares_each_step: bool,
}

/// The settings of a node with nothing configured, but targets made at once.
pub(super) fn config() -> GroupsConfig {
    let mut config = GroupsConfig::new(&Settings::default(), &BTreeMap::new());
    config.consumer.assignment_interval = Duration::ZERO;
    config
}

pub(super) fn topic_id(name: &str) -> Uuid {
    let bytes = name.bytes();
    Uuid(bytes.fold(1, |sum, byte| sum * 257 + u128::from(byte)))
}

pub(super) fn topics(list: &[(&str, i32)]) -> Arc<Topics> {
    let topics = list.iter().map(|(name, partitions)| {
        let image = TopicImage {
            id: topic_id(name),
            partitions: *partitions,
        };
        ((*name).to_owned(), image)
    });
    Arc::new(Topics::new(topics))
}

impl World {
    pub(super) fn new(config: GroupsConfig, list: &[(&str, i32)]) -> Self {
        Self::with_bug(config, list, Planted::default())
    }

    pub(super) fn with_bug(config: GroupsConfig, list: &[(&str, i32)], planted: Planted) -> Self {
        let mut world = Self {
            groups: Groups::with_bug(config.clone(), planted),
            folded: Groups::new(config.clone()),
            config,
            now: Now {
                since_start: Duration::from_secs(1),
                wall: Timestamp(1_795_262_400_000),
            },
            log: Vec::new(),
            topics: topics(list),
            planted,
            caller: 0,
            compares_each_step: true,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        let step = self
            .groups
            .topics_changed(self.now, Arc::clone(&self.topics));
        self.take(step);
        let step = self.groups.loaded(self.now);
        self.take(step);
    }

    /// The node goes down and comes up: all that is not in the log is lost.
    pub(super) fn restart(&mut self) {
        self.groups = Groups::with_bug(self.config.clone(), self.planted);
        self.folded = Groups::new(self.config.clone());
        for record in &self.log {
            let value = record.value.as_deref();
            self.groups.replay(&record.key, value).unwrap();
            self.folded.replay(&record.key, value).unwrap();
        }
        self.begin();
    }

    /// What the cleaner leaves: the latest record of each key, and no tombstones.
    pub(super) fn compact(&mut self) {
        let mut latest = BTreeMap::new();
        for (place, record) in self.log.iter().enumerate() {
            latest.insert(record.key.clone(), place);
        }
        let kept: BTreeSet<usize> = latest.into_values().collect();
        let mut place = 0;
        self.log.retain(|record| {
            place += 1;
            kept.contains(&(place - 1)) && record.value.is_some()
        });
    }

    pub(super) fn ask(&mut self, ask: Ask) -> Vec<(Caller, Answer)> {
        self.caller += 1;
        let step = self.groups.handle(self.now, Caller(self.caller), ask);
        self.take(step)
    }

    /// For asks that are answered at once, or by what is due at once.
    pub(super) fn answer(&mut self, ask: Ask) -> Answer {
        let mut answers = self.ask(ask);
        if answers.is_empty() {
            answers = self.pass(Duration::ZERO);
        }
        assert_eq!(answers.len(), 1, "one ask, one answer");
        answers.pop().unwrap().1
    }

    /// Lets time pass, doing what is due on the way.
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
            assert!(idle < 1000, "the machine comes to rest");
            self.advance(due.saturating_sub(self.now.since_start));
            let step = self.groups.tick(self.now);
            answers.extend(self.take(step));
        }
        self.advance(end.saturating_sub(self.now.since_start));
        answers
    }

    fn advance(&mut self, time: Duration) {
        self.now.since_start += time;
        self.now.wall.0 += i64::try_from(time.as_millis()).unwrap();
    }

    pub(super) fn set_topics(&mut self, list: &[(&str, i32)]) {
        self.topics = topics(list);
        let step = self
            .groups
            .topics_changed(self.now, Arc::clone(&self.topics));
        self.take(step);
    }

    fn take(&mut self, step: Step) -> Vec<(Caller, Answer)> {
        for record in step.records {
            let (key, value) = (&record.key, record.value.as_deref());
            let replayed = match step.producer {
                Some(producer) => self.folded.replay_transactional(producer.id, key, value),
                None => self.folded.replay(key, value),
            };
            replayed.unwrap();
            self.log.push(record);
        }
        if self.compares_each_step {
            self.compare();
        }
        step.answers
    }

    /// The live state is the fold of the log.
    pub(super) fn compare(&self) {
        let is_equal = self.groups.is_durably_equal(&self.folded);
        assert!(is_equal, "the machine tells what its log tells");
    }

    pub(super) fn heartbeat(
        &mut self,
        ask: ConsumerHeartbeatAsk,
    ) -> Result<ConsumerHeartbeatAnswer, Refusal> {
        match self.answer(Ask::ConsumerHeartbeat(ask)) {
            Answer::ConsumerHeartbeat(result) => result,
            other => panic!("a heartbeat was answered with {other:?}"),
        }
    }

    pub(super) fn describe(&mut self) -> ConsumerDescription {
        let group = GROUP.to_owned();
        match self.answer(Ask::ConsumerDescribe(ConsumerDescribeAsk { group })) {
            Answer::ConsumerDescribe(result) => result.unwrap(),
            other => panic!("a description was asked for and {other:?} came"),
        }
    }

    /// All members send heartbeats until nothing changes any more; tells after how many rounds.
    pub(super) fn settle(&mut self, members: &mut [Consumer]) -> usize {
        for round in 0..50 {
            let mut is_calm = true;
            for member in members.iter_mut().filter(|member| member.is_up) {
                is_calm &= !member.beat(self).unwrap();
            }
            if is_calm && self.describe().state != "Assigning" {
                return round;
            }
            self.pass(Duration::from_millis(1100));
        }
        panic!("the group does not come to rest");
    }
}

/// A consumer, as clients are.
#[derive(Clone, Debug)]
pub(super) struct Consumer {
    pub(super) id: String,
    pub(super) instance: Option<String>,
    pub(super) topics: Vec<String>,
    pub(super) regex: Option<String>,
    pub(super) assignor: Option<String>,
    pub(super) epoch: i32,
    /// What it works on.
    pub(super) owned: BTreeSet<(Uuid, i32)>,
    pub(super) is_up: bool,
    /// How often what it works on changed.
    pub(super) disturbed: usize,
    tells_all: bool,
}

impl Consumer {
    pub(super) fn new(id: &str, topics: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            instance: None,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            regex: None,
            assignor: None,
            epoch: 0,
            owned: BTreeSet::new(),
            is_up: true,
            disturbed: 0,
            tells_all: true,
        }
    }

    pub(super) fn fixed(id: &str, instance: &str, topics: &[&str]) -> Self {
        let instance = Some(instance.to_owned());
        Self {
            instance,
            ..Self::new(id, topics)
        }
    }

    pub(super) fn by_regex(id: &str, regex: &str) -> Self {
        let regex = Some(regex.to_owned());
        Self {
            regex,
            ..Self::new(id, &[])
        }
    }

    pub(super) fn ask(&self) -> ConsumerHeartbeatAsk {
        let tells_all = self.tells_all || self.epoch == 0;
        ConsumerHeartbeatAsk {
            group: GROUP.to_owned(),
            member: self.id.clone(),
            member_epoch: self.epoch,
            instance: self.instance.clone(),
            rack: None,
            rebalance_timeout_ms: if tells_all { 10_000 } else { -1 },
            topic_names: tells_all.then(|| self.topics.clone()),
            topic_regex: self.regex.clone().filter(|_| tells_all),
            assignor: self.assignor.clone().filter(|_| tells_all),
            owned: Some(to_lists(&self.owned)),
            client_id: "client".to_owned(),
            client_host: "/10.0.0.1".to_owned(),
            fresh: Uuid(77),
        }
    }

    /// One heartbeat; tells whether anything changed.
    pub(super) fn beat(&mut self, world: &mut World) -> Result<bool, Refusal> {
        let answer = world.heartbeat(self.ask())?;
        Ok(self.hear(answer))
    }

    pub(super) fn hear(&mut self, answer: ConsumerHeartbeatAnswer) -> bool {
        let before = (self.epoch, self.owned.clone());
        self.tells_all = false;
        self.epoch = answer.member_epoch;
        self.id = answer.member;
        if let Some(assignment) = answer.assignment {
            let lists = assignment.iter();
            let assigned: BTreeSet<(Uuid, i32)> = lists
                .flat_map(|list| list.partitions.iter().map(|index| (list.id, index.0)))
                .collect();
            // What is to be given back is given back before the next heartbeat says so.
            self.owned = assigned;
        }
        let is_disturbed = before.1 != self.owned;
        self.disturbed += usize::from(is_disturbed);
        before != (self.epoch, self.owned.clone())
    }

    /// The consumer is told that it is no member any more: it lets go of everything.
    pub(super) fn abandon(&mut self) {
        self.owned.clear();
        self.epoch = 0;
        self.tells_all = true;
    }

    /// After an error or a lost answer a client says everything again.
    pub(super) fn repeat_all(&mut self) {
        self.tells_all = true;
    }

    pub(super) fn leave(&mut self, world: &mut World, epoch: i32) -> Result<i32, Refusal> {
        let mut ask = self.ask();
        ask.member_epoch = epoch;
        let answer = world.heartbeat(ask)?;
        self.abandon();
        Ok(answer.member_epoch)
    }
}

fn to_lists(partitions: &BTreeSet<(Uuid, i32)>) -> Vec<TopicIdPartitions> {
    let mut lists: BTreeMap<Uuid, Vec<PartitionIndex>> = BTreeMap::new();
    for (topic, partition) in partitions {
        lists
            .entry(*topic)
            .or_default()
            .push(PartitionIndex(*partition));
    }
    let lists = lists.into_iter();
    lists
        .map(|(id, partitions)| TopicIdPartitions { id, partitions })
        .collect()
}

/// No partition is worked on by two consumers.
pub(super) fn check_owners<'c>(members: impl IntoIterator<Item = &'c Consumer>) {
    let mut owners = BTreeMap::new();
    for member in members {
        for partition in &member.owned {
            let other = owners.insert(*partition, &member.id);
            assert!(
                other.is_none(),
                "{partition:?} is owned by {} and {}",
                other.unwrap(),
                member.id
            );
        }
    }
}

/// All partitions of the topics are worked on.
pub(super) fn check_covered(world: &World, members: &[Consumer], topics: &[&str]) {
    let owned: BTreeSet<(Uuid, i32)> = members
        .iter()
        .flat_map(|member| member.owned.clone())
        .collect();
    for topic in topics {
        let image = world.topics.get(topic).unwrap();
        for partition in 0..image.partitions {
            assert!(
                owned.contains(&(image.id, partition)),
                "{topic}-{partition} is worked on"
            );
        }
    }
}
