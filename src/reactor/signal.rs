//! A wake-up between tasks of one core.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

/// Wakes every task that waits at the moment of `notify`. Nothing is remembered for tasks that
/// come later: a task checks its condition, takes `wait()`, and awaits it with no other await in
/// between.
#[derive(Clone, Default)]
pub struct Signal {
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    /// How often `notify` was called; a waiter is done when it differs from what it saw first.
    generation: Cell<u64>,
    waiters: RefCell<Slab<Waker>>,
}

impl Signal {
    /// A signal nobody waits for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes all current waiters.
    pub fn notify(&self) {
        self.state
            .generation
            .set(self.state.generation.get().wrapping_add(1));
        let woken: Vec<Waker> = self.state.waiters.borrow_mut().drain().collect();
        for waker in woken {
            waker.wake();
        }
    }

    /// A future that ends at the next `notify` after this call, not after its first poll.
    #[must_use]
    pub fn wait(&self) -> Wait {
        Wait {
            state: Rc::clone(&self.state),
            generation: self.state.generation.get(),
            place: None,
        }
    }
}

/// See [`Signal::wait`].
pub struct Wait {
    state: Rc<State>,
    generation: u64,
    /// Where this waiter's waker is kept; meaningless once the generation moved on.
    place: Option<usize>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.state.generation.get() != self.generation {
            self.place = None;
            return Poll::Ready(());
        }
        let place = {
            let mut waiters = self.state.waiters.borrow_mut();
            match self.place.and_then(|place| waiters.get_mut(place)) {
                Some(waker) => {
                    waker.clone_from(context.waker());
                    self.place
                }
                None => Some(waiters.insert(context.waker().clone())),
            }
        };
        self.place = place;
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.state.generation.get() != self.generation {
            return;
        }
        if let Some(place) = self.place {
            self.state.waiters.borrow_mut().try_remove(place);
        }
    }
}
