//! Whose turn it is to load.
//!
//! A core that reads all its partitions of `__consumer_offsets` at once has none of them ready
//! before all are. So a few load at a time, and those first that somebody asks for.
//!
//! Invariant: at most [`LOADING_MAX`] turns are out; a turn is given back when it is dropped.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use reactor::Signal;

/// How many of a core's hosts load at a time: one is replayed while the other's log is read.
pub(super) const LOADING_MAX: usize = 2;

/// A place in the queue; those that were asked for stand before the others.
type Place = (Urgency, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    AskedFor,
    InTurn,
}

/// The turns of one core. Cheap to clone; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Turns {
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    out: Cell<usize>,
    next_ticket: Cell<u64>,
    waiting: RefCell<BTreeMap<Place, Rc<Standing>>>,
    changed: Signal,
}

/// Where somebody stands who waits, or will; kept by the host, so that it can be moved to the
/// front.
pub(super) struct Standing {
    place: Cell<Place>,
    is_waiting: Cell<bool>,
}

/// The right to load; given back when dropped.
pub(super) struct Turn {
    state: Rc<State>,
}

impl Turns {
    /// A place for one host.
    pub(super) fn stand(&self) -> Rc<Standing> {
        let ticket = self.state.next_ticket.get();
        self.state.next_ticket.set(ticket + 1);
        Rc::new(Standing {
            place: Cell::new((Urgency::InTurn, ticket)),
            is_waiting: Cell::new(false),
        })
    }

    /// Moves a host to the front until it has had its turn: somebody asks for it.
    pub(super) fn hurry(&self, standing: &Rc<Standing>) {
        let (urgency, ticket) = standing.place.get();
        if urgency == Urgency::AskedFor || !standing.is_waiting.get() {
            return;
        }
        let mut waiting = self.state.waiting.borrow_mut();
        waiting.remove(&standing.place.get());
        standing.place.set((Urgency::AskedFor, ticket));
        waiting.insert(standing.place.get(), Rc::clone(standing));
        drop(waiting);
        // A turn may be free already: the host that was the first has been woken for it, and will
        // find that it is not the first any more.
        self.state.changed.notify();
    }

    /// Waits for a turn.
    pub(super) async fn take(&self, standing: &Rc<Standing>) -> Turn {
        let _waiting = Waiting::begin(&self.state, standing);
        loop {
            let changed = self.state.changed.wait();
            let is_first = self.is_first(standing);
            if is_first && self.state.out.get() < LOADING_MAX {
                self.state.out.set(self.state.out.get() + 1);
                return Turn {
                    state: Rc::clone(&self.state),
                };
            }
            changed.await;
        }
    }

    fn is_first(&self, standing: &Standing) -> bool {
        let waiting = self.state.waiting.borrow();
        let first = waiting.keys().next();
        first == Some(&standing.place.get())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let out = self.state.out.get();
        assert!(out > 0, "a turn is given back once");
        self.state.out.set(out - 1);
        self.state.changed.notify();
    }
}

/// Stands in the queue; leaves it when dropped, with a turn or without.
struct Waiting<'a> {
    state: &'a State,
    standing: &'a Rc<Standing>,
}

impl<'a> Waiting<'a> {
    fn begin(state: &'a State, standing: &'a Rc<Standing>) -> Self {
        let mut waiting = state.waiting.borrow_mut();
        let replaced = waiting.insert(standing.place.get(), Rc::clone(standing));
        assert!(replaced.is_none(), "a host waits once at a time");
        standing.is_waiting.set(true);
        Self { state, standing }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let (_, ticket) = self.standing.place.get();
        let mut waiting = self.state.waiting.borrow_mut();
        waiting.remove(&self.standing.place.get());
        drop(waiting);
        self.standing.place.set((Urgency::InTurn, ticket));
        self.standing.is_waiting.set(false);
        // Whoever stands behind may be the first now.
        self.state.changed.notify();
    }
}
