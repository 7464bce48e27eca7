//! A queue of one: whoever holds the gate is alone, the others wait in the order of their asking.
//!
//! Invariant: the gate is handed on to exactly one waiter; a waiter that went away meanwhile hands
//! it on itself.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// An asynchronous, fair mutual exclusion between the tasks of one core.
#[derive(Clone, Default)]
pub struct Gate {
    state: Rc<GateState>,
}

#[derive(Default)]
struct GateState {
    held: Cell<bool>,
    queue: RefCell<VecDeque<Rc<Place>>>,
}

#[derive(Default)]
struct Place {
    granted: Cell<bool>,
    gone: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// Held until dropped.
pub struct GateGuard {
    state: Rc<GateState>,
}

/// See [`Gate::enter`].
pub struct Enter {
    state: Rc<GateState>,
    place: Option<Rc<Place>>,
    done: bool,
}

impl Gate {
    /// The gate, when nobody holds it or waits for it.
    #[must_use]
    pub fn try_enter(&self) -> Option<GateGuard> {
        if self.state.held.replace(true) {
            return None;
        }
        assert!(
            self.state.queue.borrow().is_empty(),
            "a free gate has no queue"
        );
        Some(GateGuard {
            state: Rc::clone(&self.state),
        })
    }

    /// Waits for the gate; the place in the queue is taken now, not at the first poll.
    #[must_use]
    pub fn enter(&self) -> Enter {
        let place = if self.state.held.get() {
            let place = Rc::new(Place::default());
            self.state.queue.borrow_mut().push_back(Rc::clone(&place));
            Some(place)
        } else {
            self.state.held.set(true);
            None
        };
        Enter {
            state: Rc::clone(&self.state),
            place,
            done: false,
        }
    }
}

impl GateState {
    fn hand_on(&self) {
        assert!(self.held.get(), "only a held gate is handed on");
        loop {
            let next = self.queue.borrow_mut().pop_front();
            let Some(place) = next else {
                self.held.set(false);
                return;
            };
            if place.gone.get() {
                continue;
            }
            place.granted.set(true);
            let waker = place.waker.borrow_mut().take();
            if let Some(waker) = waker {
                waker.wake();
            }
            return;
        }
    }
}

impl Future for Enter {
    type Output = GateGuard;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<GateGuard> {
        assert!(!self.done, "the gate was entered already");
        if let Some(place) = &self.place
            && !place.granted.get()
        {
            *place.waker.borrow_mut() = Some(context.waker().clone());
            return Poll::Pending;
        }
        self.done = true;
        Poll::Ready(GateGuard {
            state: Rc::clone(&self.state),
        })
    }
}

impl Drop for Enter {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        match &self.place {
            Some(place) if !place.granted.get() => place.gone.set(true),
            _ => self.state.hand_on(),
        }
    }
}

impl Drop for GateGuard {
    fn drop(&mut self) {
        self.state.hand_on();
    }
}
