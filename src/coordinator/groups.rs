//! All groups of one partition of `__consumer_offsets`: who is asked, what is due.
//!
//! Invariants: an input touches the groups it names and no others, except ListGroups, a change of
//! topics, other settings, and the loading; a group of which nothing is known is not in the map,
//! has no timer and does not wait for expiry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::ProducerId;

use crate::context::Context;
use crate::dispatch::dispatch;
use crate::expiry::{self, Expiry};
use crate::group::{Group, Kind, group_of};
use crate::pending::Producers;
use crate::planted::Planted;
use crate::records::{self, ReplayError};
use crate::timers::Timers;
use crate::windows::Windows;
use crate::{Answer, Ask, Caller, GroupsConfig, LogEnds, Now, Step, Topics};
use crate::{commits, consumer};

/// After this many timers a tick ends, and another one follows at once.
const TIMERS_PER_TICK: usize = 1000;

/// All groups of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct Groups {
    pub(crate) config: GroupsConfig,
    topics: Option<Arc<Topics>>,
    pub(crate) groups: BTreeMap<Arc<str>, Group>,
    timers: Timers,
    expiry: Expiry,
    pub(crate) windows: Windows,
    producers: Producers,
    ends: Arc<LogEnds>,
    no_topics: Arc<Topics>,
    no_member: Arc<str>,
    planted: Planted,
}

impl Groups {
    /// No groups yet; records follow by [`Groups::replay`].
    #[must_use]
    pub fn new(config: GroupsConfig) -> Self {
        Self::with_bug(config, Planted::default())
    }

    /// As [`Groups::new`], with a bug for the simulation to find.
    #[must_use]
    pub fn with_bug(config: GroupsConfig, planted: Planted) -> Self {
        Self {
            config,
            topics: None,
            groups: BTreeMap::new(),
            timers: Timers::default(),
            expiry: Expiry::default(),
            windows: Windows::default(),
            producers: Producers::default(),
            ends: Arc::default(),
            no_topics: Arc::default(),
            no_member: Arc::from(""),
            planted,
        }
    }

    /// Other settings from now on. What has begun (a session, a delay) ends as it was begun.
    pub fn configure(&mut self, config: GroupsConfig) {
        let is_shorter = config.offsets_retention_ms < self.config.offsets_retention_ms;
        self.config = config;
        if is_shorter {
            for group in self.groups.values_mut() {
                self.expiry.unwatch(group);
                self.expiry.watch(group, self.config.offsets_retention_ms);
            }
        }
    }

    /// Applies one record of the log that is in no transaction.
    ///
    /// # Errors
    /// When the record does not follow its format.
    pub fn replay(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), ReplayError> {
        self.apply(key, value, None)
    }

    /// Applies one record of a batch that is part of this producer's transaction (KIP-98).
    ///
    /// # Errors
    /// When the record does not follow its format.
    pub fn replay_transactional(
        &mut self,
        producer: ProducerId,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), ReplayError> {
        self.apply(key, value, Some(producer))
    }

    fn apply(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        producer: Option<ProducerId>,
    ) -> Result<(), ReplayError> {
        let Some(key) = records::decode_key(key)? else {
            return Ok(());
        };
        let Some(id) = group_of(&key) else {
            return Ok(());
        };
        if let Some(group) = self.groups.get_mut(id) {
            group.replay(&key, value, producer)?;
            self.producers.note(producer, group);
            if group.is_void() {
                self.groups.remove(id);
            }
        } else if value.is_some() {
            let id: Arc<str> = id.into();
            let mut group = Group::new(Arc::clone(&id));
            group.replay(&key, value, producer)?;
            self.producers.note(producer, &group);
            if !group.is_void() {
                self.groups.insert(id, group);
            }
        }
        Ok(())
    }

    /// Applies a control batch of the log, which ends this producer's transaction: what it committed
    /// becomes so, or is dropped. Nothing happens where nothing of the producer waits, as when the
    /// batch is written a second time. Epochs do not matter: a producer has one transaction at a
    /// time, and the batch that ends it may carry a later epoch than its records.
    pub fn replay_end(&mut self, producer: ProducerId, is_commit: bool) {
        for id in self.producers.take(producer) {
            self.end(&id, producer, is_commit);
        }
    }

    /// As [`Groups::replay_end`], for a control batch that the host puts into the log now, behind all
    /// records of the steps before.
    pub fn end_transaction(&mut self, now: Now, producer: ProducerId, is_commit: bool) {
        for id in self.producers.take(producer) {
            for (topic, partition, offset) in self.end(&id, producer, is_commit) {
                let end = self.ends.get(&topic, partition);
                let place = (&*topic, partition);
                self.windows.note(&id, place, offset, now.wall, end);
            }
            if let Some(group) = self.groups.get_mut(&id) {
                // Offsets count from when they were written, which may be long ago.
                self.expiry.unwatch(group);
                self.expiry.watch(group, self.config.offsets_retention_ms);
            }
        }
    }

    fn end(
        &mut self,
        id: &Arc<str>,
        producer: ProducerId,
        is_commit: bool,
    ) -> Vec<(Box<str>, i32, i64)> {
        let Some(group) = self.groups.get_mut(id) else {
            return Vec::new();
        };
        let committed = group.end_transaction(producer, is_commit, self.planted);
        if group.is_void() {
            self.expiry.unwatch(group);
            self.groups.remove(id);
        }
        committed
    }

    /// The log has been replayed: members get fresh sessions.
    pub fn loaded(&mut self, now: Now) -> Step {
        let interval = self.config.retention_check_interval;
        self.expiry.begin(now.since_start, interval);
        self.visit_all(now, |ctx, group| match group.scene(ctx) {
            Some(mut scene) => scene.restore(),
            None => consumer::loaded(ctx, group),
        })
    }

    /// One question.
    pub fn handle(&mut self, now: Now, caller: Caller, ask: Ask) -> Step {
        let mut step = Step::default();
        if let Ask::ListGroups(ask) = &ask {
            let answer = Answer::ListGroups(self.list(ask));
            step.answers.push((caller, answer));
            return step;
        }
        let id = ask.group().unwrap_or_default().to_owned();
        self.visit(&mut step, now, &id, |ctx, group, is_absent| {
            dispatch(ctx, group, caller, ask, is_absent);
        });
        step
    }

    /// Does everything that is due.
    pub fn tick(&mut self, now: Now) -> Step {
        let mut step = Step::default();
        for _ in 0..TIMERS_PER_TICK {
            let Some(key) = self.timers.pop(now.since_start) else {
                break;
            };
            self.visit(&mut step, now, &key.group, |ctx, group, _| {
                match group.scene(ctx) {
                    Some(mut scene) => scene.fired(&key),
                    None => consumer::timer(ctx, group, &key),
                }
            });
        }
        self.expire(now, &mut step);
        step
    }

    fn expire(&mut self, now: Now, step: &mut Step) {
        let interval = self.config.retention_check_interval;
        let due = self
            .expiry
            .take_due(now.since_start, now.wall.get(), interval);
        for id in due {
            let mut next = None;
            let mut is_enough = false;
            self.visit(step, now, &id, |ctx, group, _| {
                next = expiry::expire(ctx, group);
                is_enough = expiry::is_enough(ctx);
            });
            if let Some(group) = self.groups.get_mut(&id) {
                match next {
                    Some(bound) => self.expiry.set(group, bound),
                    None => self.expiry.unwatch(group),
                }
            }
            if is_enough {
                self.expiry.go_on(now.since_start);
                break;
            }
        }
    }

    /// When [`Groups::tick`] has something to do next, as a time since the start.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let times = [self.timers.next(), self.expiry.next_check()];
        times.into_iter().flatten().min()
    }

    /// The topics of the cluster changed. What the first image lacks is not taken for deleted: it
    /// may be behind. Later, offsets of topics that vanish go with them.
    pub fn topics_changed(&mut self, now: Now, topics: Arc<Topics>) -> Step {
        let before = self.topics.replace(Arc::clone(&topics));
        let deleted = before.map_or_else(Vec::new, |before| {
            let is_gone = |name: &str, id| topics.get(name).is_none_or(|now| now.id != id);
            let gone = before
                .iter()
                .filter(|(name, topic)| is_gone(name, topic.id));
            gone.map(|(name, _)| name.to_owned()).collect()
        });
        self.visit_all(now, |ctx, group| {
            for topic in &deleted {
                for partition in group.partitions(topic) {
                    commits::forget(ctx, group, topic, partition);
                }
            }
            if matches!(group.kind, Kind::Consumer(_)) {
                consumer::topics_changed(ctx, group);
            }
        })
    }

    /// Up to where logs reach now; later commits are compared with it.
    pub fn ends_changed(&mut self, ends: Arc<LogEnds>) {
        self.ends = ends;
    }

    /// Does something to every group.
    fn visit_all(&mut self, now: Now, mut work: impl FnMut(&mut Context<'_>, &mut Group)) -> Step {
        let mut step = Step::default();
        let mut void = Vec::new();
        let topics = self.topics.as_ref().unwrap_or(&self.no_topics);
        for group in self.groups.values_mut() {
            let mut ctx = Context {
                now,
                config: &self.config,
                topics,
                timers: &mut self.timers,
                windows: &mut self.windows,
                producers: &mut self.producers,
                ends: &self.ends,
                step: &mut step,
                no_member: &self.no_member,
                planted: self.planted,
            };
            work(&mut ctx, group);
            if group.is_void() {
                self.expiry.unwatch(group);
                void.push(Arc::clone(&group.id));
            } else {
                self.expiry.watch(group, self.config.offsets_retention_ms);
            }
        }
        for id in void {
            self.groups.remove(&id);
        }
        step
    }

    /// Does something to one group, which comes into being for it and stays if something is known
    /// of it afterwards.
    fn visit(
        &mut self,
        step: &mut Step,
        now: Now,
        id: &str,
        work: impl FnOnce(&mut Context<'_>, &mut Group, bool),
    ) {
        let mut ctx = Context {
            now,
            config: &self.config,
            topics: self.topics.as_ref().unwrap_or(&self.no_topics),
            timers: &mut self.timers,
            windows: &mut self.windows,
            producers: &mut self.producers,
            ends: &self.ends,
            step,
            no_member: &self.no_member,
            planted: self.planted,
        };
        let retention_ms = self.config.offsets_retention_ms;
        if let Some(group) = self.groups.get_mut(id) {
            work(&mut ctx, group, false);
            if group.is_void() {
                self.expiry.unwatch(group);
                self.groups.remove(id);
            } else {
                self.expiry.watch(group, retention_ms);
            }
            return;
        }
        let mut group = Group::new(id.into());
        work(&mut ctx, &mut group, true);
        if !group.is_void() {
            self.expiry.watch(&mut group, retention_ms);
            self.groups.insert(Arc::clone(&group.id), group);
        }
    }

    /// Whether the log says the same of all groups here and in `other`; for tests that fold it.
    #[must_use]
    pub fn is_durably_equal(&self, other: &Self) -> bool {
        let durable = |groups: &Self| {
            let groups = groups.groups.values();
            groups.filter(|group| group.is_on_record()).count()
        };
        let is_same = |group: &Group| {
            let other = other.groups.get(&group.id);
            other.is_some_and(|other| group.is_durably_equal(other))
        };
        let mut recorded = self.groups.values().filter(|group| group.is_on_record());
        durable(self) == durable(other) && recorded.all(is_same)
    }
}
