//! Values from core to core, and one answer back.
//!
//! Invariants: values of one sender arrive in the order they were sent; sending never waits. What
//! bounds a mailbox is what its senders may have in flight: every message is made from a frame
//! that is already counted against a connection's budget.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

struct Slot<T> {
    queue: VecDeque<T>,
    waker: Option<Waker>,
    senders: usize,
    receiver_gone: bool,
}

/// The sending end of a mailbox.
pub struct Sender<T> {
    shared: Arc<Mutex<Slot<T>>>,
}

/// The receiving end of a mailbox; it lives on one core.
pub struct Receiver<T> {
    shared: Arc<Mutex<Slot<T>>>,
}

/// The other end does not exist any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the other end of the mailbox is gone")
    }
}

impl std::error::Error for Gone {}

/// A mailbox: any number of senders on any core, one receiver.
#[must_use]
pub fn mailbox<T: Send>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(Slot {
        queue: VecDeque::new(),
        waker: None,
        senders: 1,
        receiver_gone: false,
    }));
    (
        Sender {
            shared: Arc::clone(&shared),
        },
        Receiver { shared },
    )
}

/// A panic on one core while it held the lock left the queue whole, since every critical section
/// is a single push or pop.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Send> Sender<T> {
    /// Puts `value` into the mailbox and wakes the receiver.
    ///
    /// # Errors
    /// [`Gone`] when the receiver was dropped; the value is dropped with it.
    pub fn send(&self, value: T) -> Result<(), Gone> {
        let waker = {
            let mut shared = lock(&self.shared);
            if shared.receiver_gone {
                return Err(Gone);
            }
            shared.queue.push_back(value);
            shared.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}

impl<T> Sender<T> {
    /// How many values wait for the receiver.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.shared).queue.len()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        lock(&self.shared).senders += 1;
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut shared = lock(&self.shared);
            shared.senders -= 1;
            if shared.senders > 0 {
                return;
            }
            shared.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T: Send> Receiver<T> {
    /// The next value; nothing once all senders are gone and the queue is empty.
    pub fn recv(&mut self) -> impl Future<Output = Option<T>> + '_ {
        std::future::poll_fn(|context| self.poll_recv(context))
    }

    /// The next value if one waits already.
    pub fn try_recv(&mut self) -> Option<T> {
        lock(&self.shared).queue.pop_front()
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut shared = lock(&self.shared);
        if let Some(value) = shared.queue.pop_front() {
            return Poll::Ready(Some(value));
        }
        if shared.senders == 0 {
            return Poll::Ready(None);
        }
        match &mut shared.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let abandoned = {
            let mut shared = lock(&self.shared);
            shared.receiver_gone = true;
            std::mem::take(&mut shared.queue)
        };
        // Outside the lock: dropping a message may drop a sender of this very mailbox.
        drop(abandoned);
    }
}

struct Answer<T> {
    value: Option<T>,
    waker: Option<Waker>,
    replier_gone: bool,
    /// Woken when nobody awaits the answer any more.
    replier_waker: Option<Waker>,
    reply_gone: bool,
}

/// The end that answers once.
pub struct Replier<T> {
    shared: Arc<Mutex<Answer<T>>>,
}

/// The end that awaits the one answer.
pub struct Reply<T> {
    shared: Arc<Mutex<Answer<T>>>,
}

/// A place for one answer, which may come from another core.
#[must_use]
pub fn reply<T: Send>() -> (Replier<T>, Reply<T>) {
    let shared = Arc::new(Mutex::new(Answer {
        value: None,
        waker: None,
        replier_gone: false,
        replier_waker: None,
        reply_gone: false,
    }));
    (
        Replier {
            shared: Arc::clone(&shared),
        },
        Reply { shared },
    )
}

impl<T: Send> Replier<T> {
    /// Gives the answer; it is dropped where nobody awaits it any more.
    pub fn send(self, value: T) {
        lock(&self.shared).value = Some(value);
        // Dropping the replier wakes the other end.
    }
}

impl<T: Send> Replier<T> {
    /// Ends when nobody awaits the answer any more, so that work for it can stop.
    pub fn abandoned(&self) -> impl Future<Output = ()> + use<T> {
        let shared = Arc::clone(&self.shared);
        std::future::poll_fn(move |context| {
            let mut shared = lock(&shared);
            if shared.reply_gone {
                return Poll::Ready(());
            }
            shared.replier_waker = Some(context.waker().clone());
            Poll::Pending
        })
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        let waker = {
            let mut shared = lock(&self.shared);
            shared.reply_gone = true;
            shared.replier_waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Replier<T> {
    fn drop(&mut self) {
        let waker = {
            let mut shared = lock(&self.shared);
            shared.replier_gone = true;
            shared.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T: Send> Future for Reply<T> {
    type Output = Result<T, Gone>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut shared = lock(&self.shared);
        if let Some(value) = shared.value.take() {
            return Poll::Ready(Ok(value));
        }
        if shared.replier_gone {
            return Poll::Ready(Err(Gone));
        }
        shared.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
