//! What every handler has at hand: the time, the settings, the topics, the timers, the step.
//!
//! Invariant: [`Context::emit`] and [`Context::emit_transactional`] are the only ways in which a live
//! step changes durable state, and they do so by replaying the very bytes that go to the log.

use std::sync::Arc;
use std::time::Duration;

use wire::{ConsumerOffsetsKey, Message};

use crate::group::Group;
use crate::pending::Producers;
use crate::planted::Planted;
use crate::records;
use crate::timers::{TimerKey, TimerKind, Timers};
use crate::windows::Windows;
use crate::{Answer, Caller, GroupsConfig, LogEnds, Now, Producer, Step, Topics};

/// The surroundings of one input to one group.
pub(crate) struct Context<'a> {
    pub(crate) now: Now,
    pub(crate) config: &'a GroupsConfig,
    pub(crate) topics: &'a Arc<Topics>,
    pub(crate) timers: &'a mut Timers,
    pub(crate) windows: &'a mut Windows,
    pub(crate) ends: &'a LogEnds,
    pub(crate) producers: &'a mut Producers,
    pub(crate) step: &'a mut Step,
    /// The empty name, which timers of a whole group carry in place of a member's.
    pub(crate) no_member: &'a Arc<str>,
    pub(crate) planted: Planted,
}

/// A value with the version to write it in.
pub(crate) type Value<'v> = (&'v dyn Message, i16);

impl Context<'_> {
    /// Puts a record into the step and applies it to the group; no value says "it is gone".
    pub(crate) fn emit(
        &mut self,
        group: &mut Group,
        key: &ConsumerOffsetsKey<'_>,
        value: Option<Value<'_>>,
    ) {
        assert_eq!(self.step.producer, None, "a step is of one kind");
        self.put(group, key, value);
    }

    /// As [`Context::emit`], inside a producer's transaction.
    pub(crate) fn emit_transactional(
        &mut self,
        group: &mut Group,
        producer: Producer,
        key: &ConsumerOffsetsKey<'_>,
        value: Value<'_>,
    ) {
        if self.step.records.is_empty() {
            self.step.producer = Some(producer);
        }
        assert_eq!(self.step.producer, Some(producer), "a step is of one kind");
        self.put(group, key, Some(value));
    }

    fn put(&mut self, group: &mut Group, key: &ConsumerOffsetsKey<'_>, value: Option<Value<'_>>) {
        let record = records::encode(key, value);
        let producer = self.step.producer.map(|producer| producer.id);
        let replayed = group.replay(key, record.value.as_deref(), producer);
        assert!(replayed.is_ok(), "what was just encoded can be replayed");
        self.producers.note(producer, group);
        self.step.records.push(record);
    }

    /// Answers a caller.
    pub(crate) fn answer(&mut self, caller: Caller, answer: Answer) {
        self.step.answers.push((caller, answer));
    }

    /// Sets a timer of a group or of one of its members (`member` empty for the group's own).
    pub(crate) fn set_timer(
        &mut self,
        group: &Group,
        member: &Arc<str>,
        kind: TimerKind,
        at: Duration,
    ) {
        self.timers.set(timer_key(group, member, kind), at);
    }

    /// Whether this timer is set.
    pub(crate) fn has_timer(&self, group: &Group, member: &Arc<str>, kind: TimerKind) -> bool {
        self.timers.contains(&timer_key(group, member, kind))
    }

    /// Takes a timer back.
    pub(crate) fn cancel_timer(&mut self, group: &Group, member: &Arc<str>, kind: TimerKind) {
        self.timers.cancel(&timer_key(group, member, kind));
    }
}

fn timer_key(group: &Group, member: &Arc<str>, kind: TimerKind) -> TimerKey {
    TimerKey {
        group: Arc::clone(&group.id),
        member: Arc::clone(member),
        kind,
    }
}
