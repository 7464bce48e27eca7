//! Virtual time and what is due in it.
//!
//! Time moves only when the world moves it: a little for every poll, and in jumps to the next
//! event when no task is ready. Events of the same instant happen in the order they were planned.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Duration;

/// The place of an event: its instant, then the order in which it was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventKey {
    at_ns: u64,
    sequence: u64,
}

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Event {
    /// A sleeping task wakes.
    Wake(Waker),
    /// A disk operation of a node ends.
    Disk {
        /// The machine whose disk it is.
        node: usize,
        /// The operation's number on that disk.
        operation: u64,
    },
    /// The oldest segment on its way to one end of a connection arrives.
    Deliver {
        /// The connection's number.
        connection: u64,
        /// Which end receives.
        end: usize,
    },
    /// A request to connect reaches the other machine.
    Arrive {
        /// The connection's number.
        connection: u64,
    },
}

/// The clock and the agenda.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    now_ns: Cell<u64>,
    sequence: Cell<u64>,
    agenda: RefCell<BTreeMap<EventKey, Event>>,
}

impl Timeline {
    /// Nanoseconds since the world began.
    pub(super) const fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    /// Time since the world began.
    pub(super) const fn now(&self) -> Duration {
        Duration::from_nanos(self.now_ns.get())
    }

    /// Moves the clock to `at_ns`; it never moves back.
    pub(super) fn advance_to(&self, at_ns: u64) {
        self.now_ns.set(self.now_ns.get().max(at_ns));
    }

    /// Plans `event` for the instant `at_ns`, or for now if that has passed.
    pub(super) fn plan(&self, at_ns: u64, event: Event) -> EventKey {
        let sequence = self.sequence.get();
        self.sequence.set(sequence + 1);
        let at_ns = at_ns.max(self.now_ns.get());
        let key = EventKey { at_ns, sequence };
        self.agenda.borrow_mut().insert(key, event);
        key
    }

    /// Takes an event off the agenda; a no-op when it has happened.
    pub(super) fn cancel(&self, key: EventKey) {
        let cancelled = self.agenda.borrow_mut().remove(&key);
        drop(cancelled);
    }

    /// The instant of the next event.
    pub(super) fn next_at_ns(&self) -> Option<u64> {
        let agenda = self.agenda.borrow();
        agenda.first_key_value().map(|(key, _)| key.at_ns)
    }

    /// The next event if it is due.
    pub(super) fn take_due(&self) -> Option<Event> {
        let mut agenda = self.agenda.borrow_mut();
        let entry = agenda.first_entry()?;
        (entry.key().at_ns <= self.now_ns.get()).then(|| entry.remove())
    }

    /// Drops every planned event, as the world ends.
    pub(super) fn clear(&self) {
        let agenda = std::mem::take(&mut *self.agenda.borrow_mut());
        drop(agenda);
    }
}

/// A duration as nanoseconds; a simulation that lasts 584 years is cut short.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
