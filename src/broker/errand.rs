//! Work that travels between cores: a closure out, its result back.
//!
//! Invariants: an errand is begun in the order in which it was sent, and runs up to its first wait
//! before the next one is looked at: appends of one connection keep their order by this. Once
//! begun it goes on to its end, whether or not anybody waits for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use base::CoreId;
use reactor::{Core, Replier, Reply, reply};

use crate::broker::Broker;
use crate::hosted::Unavailable;

/// One errand, run by the core it was sent to.
pub type Errand = Box<dyn FnOnce(&Broker) + Send>;

/// A future that was polled once already.
pub(crate) enum Begun<R> {
    /// It ended at once.
    Done(R),
    /// It waits for something.
    Waiting(Pin<Box<dyn Future<Output = R>>>),
}

impl<R: 'static> Begun<R> {
    /// Runs `work` up to its first wait.
    pub(crate) fn begin(work: impl Future<Output = R> + 'static) -> Self {
        let mut work = Box::pin(work);
        // Whatever it waits for is asked again when it is polled with a waker that wakes.
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Self::Done(value),
            Poll::Pending => Self::Waiting(work),
        }
    }

    /// Waits for the end.
    pub(crate) async fn end(self) -> R {
        match self {
            Self::Done(value) => value,
            Self::Waiting(work) => work.await,
        }
    }
}

impl Broker {
    /// Runs `work` on `core`, beginning now, and gives back what it results in.
    ///
    /// # Errors
    /// `Stopping` when that core does not answer any more.
    pub fn on_core<R, F, T>(
        &self,
        core: CoreId,
        work: F,
    ) -> impl Future<Output = Result<R, Unavailable>> + use<R, F, T>
    where
        R: Send + 'static,
        F: FnOnce(&Broker) -> T + Send + 'static,
        T: Future<Output = R> + 'static,
    {
        let answer = if core == self.core().id() {
            begin(self.core(), work(self))
        } else {
            Answer::Later(self.send_errand(core, work))
        };
        async move {
            match answer {
                Answer::Now(value) => Ok(value),
                Answer::Later(answer) => answer.await.map_err(|_gone| Unavailable::Stopping),
            }
        }
    }

    fn send_errand<R, F, T>(&self, core: CoreId, work: F) -> Reply<R>
    where
        R: Send + 'static,
        F: FnOnce(&Broker) -> T + Send + 'static,
        T: Future<Output = R> + 'static,
    {
        let (replier, answer) = reply();
        let errand: Errand =
            Box::new(move |broker: &Broker| run(broker.core(), work(broker), replier));
        // A core that is gone drops the errand and with it the replier, which the caller sees.
        let _ = self.send_to(core, errand);
        answer
    }
}

/// Begins `work` now and lets it go on as a task of its own: who waits for several errands waits
/// for one after the other, and one that stood still meanwhile could hold what another one needs.
fn begin<R: Send + 'static>(core: &Core, work: impl Future<Output = R> + 'static) -> Answer<R> {
    match Begun::begin(work) {
        Begun::Done(value) => Answer::Now(value),
        Begun::Waiting(work) => {
            let (replier, answer) = reply();
            go_on(core, work, replier);
            Answer::Later(answer)
        }
    }
}

/// Begins `work` now and lets it go on as a task of its own; `replier` tells what it results in.
pub(crate) fn run<R: Send + 'static>(
    core: &Core,
    work: impl Future<Output = R> + 'static,
    replier: Replier<R>,
) {
    match Begun::begin(work) {
        Begun::Done(value) => replier.send(value),
        Begun::Waiting(work) => go_on(core, work, replier),
    }
}

fn go_on<R: Send + 'static>(
    core: &Core,
    work: Pin<Box<dyn Future<Output = R>>>,
    replier: Replier<R>,
) {
    core.spawn(async move { replier.send(work.await) });
}

/// What an errand results in. Most reads end at once, and then take no memory for the way back.
enum Answer<R> {
    Now(R),
    Later(Reply<R>),
}

#[cfg(test)]
#[path = "tests/errand.rs"]
mod tests;
