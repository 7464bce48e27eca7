//! Everything that is due some day, in the order of its time.
//!
//! Invariant: a timer stands in both indexes or in none; setting it again replaces it, so there is
//! never more than one entry per key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKind {
    /// A member's session (both protocols), or a promised member id that was not used.
    Session,
    /// A classic group waits for members to join.
    Join,
    /// A classic group waits for members to sync.
    Sync,
    /// A consumer group's member must give partitions back, or a classic one in it must sync.
    Rebalance,
    /// A consumer group's assignment may be computed again.
    Assignment,
    /// A consumer group's regular expressions are resolved again.
    Regex,
    /// An open transaction is aborted.
    Transaction,
    /// Markers of a transaction are sent again.
    Markers,
    /// Who waits for a transaction to be complete has waited long enough.
    Waiting,
}

/// The name of a timer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    /// The group, or the transactional id.
    pub(crate) group: Arc<str>,
    /// Empty when the timer is the whole group's.
    pub(crate) member: Arc<str>,
    pub(crate) kind: TimerKind,
}

/// All timers of one machine.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Duration, TimerKey)>,
    times: BTreeMap<TimerKey, Duration>,
}

impl Timers {
    pub(crate) fn set(&mut self, key: TimerKey, at: Duration) {
        if let Some(before) = self.times.insert(key.clone(), at) {
            let entry = (before, key);
            self.due.remove(&entry);
            self.due.insert((at, entry.1));
        } else {
            self.due.insert((at, key));
        }
        assert!(self.due.len() == self.times.len(), "one entry per timer");
    }

    pub(crate) fn cancel(&mut self, key: &TimerKey) {
        if let Some((key, at)) = self.times.remove_entry(key) {
            let existed = self.due.remove(&(at, key));
            assert!(existed, "a timer stands in both indexes");
        }
    }

    pub(crate) fn contains(&self, key: &TimerKey) -> bool {
        self.times.contains_key(key)
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the earliest timer that is due.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<TimerKey> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        self.times.remove(&key);
        Some(key)
    }
}
