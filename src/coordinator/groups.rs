//! All groups of one partition of `__consumer_offsets`: who is asked, what is due.
//!
//! Invariants: an input touches the groups it names and no others, except ListGroups, a change of
//! topics, and the loading; a group of which nothing is known is not in the map.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::ErrorCode;

use crate::context::Context;
use crate::group::{Group, group_of};
use crate::records::{self, ReplayError};
use crate::timers::Timers;
use crate::{Ask, Caller, GroupsConfig, Now, Refusal, Step, TimelineEvent, Topics};

/// All groups of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct Groups {
    config: GroupsConfig,
    topics: Arc<Topics>,
    groups: BTreeMap<Arc<str>, Group>,
    timers: Timers,
}

impl Groups {
    /// No groups yet; records follow by [`Groups::replay`].
    #[must_use]
    pub fn new(config: GroupsConfig) -> Self {
        Self {
            config,
            topics: Arc::default(),
            groups: BTreeMap::new(),
            timers: Timers::default(),
        }
    }

    /// Other settings from now on. What has begun (a session, a delay) ends as it was begun.
    pub fn configure(&mut self, config: GroupsConfig) {
        self.config = config;
    }

    /// Applies one record of the log.
    ///
    /// # Errors
    /// When the record does not follow its format.
    pub fn replay(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), ReplayError> {
        let Some(key) = records::decode_key(key)? else {
            return Ok(());
        };
        let Some(id) = group_of(&key) else {
            return Ok(());
        };
        if let Some(group) = self.groups.get_mut(id) {
            group.replay(&key, value)?;
            if group.is_void() {
                self.groups.remove(id);
            }
        } else if value.is_some() {
            let id: Arc<str> = id.into();
            let mut group = Group::new(Arc::clone(&id));
            group.replay(&key, value)?;
            if !group.is_void() {
                self.groups.insert(id, group);
            }
        }
        Ok(())
    }

    /// The log has been replayed: members get fresh sessions.
    pub fn loaded(&mut self, now: Now) -> Step {
        let _ = now;
        Step::default()
    }

    /// One question.
    pub fn handle(&mut self, now: Now, caller: Caller, ask: Ask) -> Step {
        let mut step = Step::default();
        let _context = Context {
            now,
            config: &self.config,
            topics: &self.topics,
            timers: &mut self.timers,
            step: &mut step,
        };
        let refusal = Refusal::from(ErrorCode::CoordinatorNotAvailable);
        step.answers.push((caller, ask.refused(refusal)));
        step
    }

    /// Does everything that is due.
    pub fn tick(&mut self, now: Now) -> Step {
        while self.timers.pop(now.since_start).is_some() {}
        Step::default()
    }

    /// When [`Groups::tick`] has something to do next, as a time since the start.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// The topics of the cluster changed.
    pub fn topics_changed(&mut self, now: Now, topics: Arc<Topics>) -> Step {
        let _ = now;
        self.topics = topics;
        Step::default()
    }

    /// What happened in a group lately, oldest first.
    #[must_use]
    pub fn timeline(&self, group: &str) -> Vec<TimelineEvent> {
        let group = self.groups.get(group);
        group.map_or_else(Vec::new, |group| group.timeline.events().cloned().collect())
    }
}
