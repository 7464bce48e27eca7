//! The state that the world and everything inside it share.
//!
//! Nothing here is borrowed while a task is polled or dropped: what tasks do calls back in here.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base::Random;

use super::disk::{Disk, Outcome, Refusal, Submitted};
use super::executor::{Executor, Process, Task};
use super::faults::{DiskOperation, Faults};
use super::network::Network;
use super::timeline::{Event, EventKey, Timeline, nanoseconds};
use super::trace::{Kind, Trace};
use crate::core::Work;

/// What a poll costs in virtual time, so that a task that only yields cannot stop the clock.
const POLL_COST_NS: u64 = 200;

/// Where the answer to a disk operation is left for the task that waits for it.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) result: RefCell<Option<Result<Outcome, Refusal>>>,
    pub(super) waker: RefCell<Option<Waker>>,
}

/// A disk operation under way.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) submitted: Submitted,
    pub(super) fails: bool,
    pub(super) answer: Rc<Answer>,
}

/// Whether a machine and its process live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    /// The process runs.
    Running,
    /// The machine is up, the process is not.
    Stopped,
    /// The machine is without power and answers nothing.
    Off,
}

/// One machine.
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) address: IpAddr,
    pub(super) power: Power,
    pub(super) incarnation: u32,
    pub(super) paused: bool,
    /// Ready tasks of a paused process.
    pub(super) parked: Vec<Task>,
    pub(super) wall_skew_ms: i64,
    pub(super) disk: Disk,
    pub(super) random: Random,
    pub(super) in_flight: BTreeMap<u64, InFlight>,
    pub(super) operations: u64,
    /// Operations told to fail: the kind, and how many of that kind go well before.
    pub(super) planned_errors: Vec<(DiskOperation, u64)>,
    /// Directories in which everything fails.
    pub(super) bad_dirs: Vec<PathBuf>,
    /// Directories in which nothing ends before a time.
    pub(super) stalled_dirs: Vec<(PathBuf, Duration)>,
}

/// See the head of this file.
pub(super) struct Universe {
    pub(super) seed: u64,
    pub(super) timeline: Timeline,
    pub(super) trace: Trace,
    pub(super) faults: RefCell<Faults>,
    pub(super) executor: RefCell<Executor>,
    pub(super) machines: RefCell<Vec<Machine>>,
    pub(super) network: RefCell<Network>,
    /// Draws of the scheduler; disks and network have streams of their own.
    random: RefCell<Random>,
    /// Processes that ended by themselves.
    pub(super) exits: RefCell<Vec<Process>>,
    /// Dead tasks and futures, to be dropped when no task is being polled.
    graveyard: RefCell<Vec<Work>>,
    polling: Cell<bool>,
    /// Who is told in words what happens.
    narrator: RefCell<Option<Narrator>>,
}

/// Takes a line about what happened.
pub(super) type Narrator = Box<dyn FnMut(&str)>;

impl Universe {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            timeline: Timeline::default(),
            trace: Trace::new(seed),
            faults: RefCell::new(Faults::none()),
            executor: RefCell::new(Executor::default()),
            machines: RefCell::new(Vec::new()),
            network: RefCell::new(Network::new(seed)),
            random: RefCell::new(Random::salted(seed, 1)),
            exits: RefCell::new(Vec::new()),
            graveyard: RefCell::new(Vec::new()),
            polling: Cell::new(false),
            narrator: RefCell::new(None),
        }
    }

    /// Mixes a happening into the trace.
    pub(super) fn record(&self, kind: Kind, subject: u64, detail: u64) {
        self.trace
            .record(kind, self.timeline.now_ns(), subject, detail);
    }

    /// Has everything from now on told to `narrator`.
    pub(super) fn set_narrator(&self, narrator: Narrator) {
        *self.narrator.borrow_mut() = Some(narrator);
    }

    /// Tells the narrator, if there is one, a line about what happens.
    pub(super) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(narrator) = &mut *self.narrator.borrow_mut() {
            narrator(&format!(
                "{:>14.6} {}",
                self.timeline.now().as_secs_f64(),
                line()
            ));
        }
    }

    /// True while `process` lives: it is its machine's latest and was not killed.
    pub(super) fn lives(&self, process: Process) -> bool {
        self.machine(process.node, |machine| {
            machine.power == Power::Running && machine.incarnation == process.incarnation
        })
        .unwrap_or(false)
    }

    /// Looks at one machine.
    pub(super) fn machine<R>(
        &self,
        node: usize,
        look: impl FnOnce(&mut Machine) -> R,
    ) -> Option<R> {
        self.machines.borrow_mut().get_mut(node).map(look)
    }

    /// Runs `future` as a task of `process`; a dead process's future is dropped instead.
    pub(super) fn spawn(&self, process: Process, future: Work) {
        if self.lives(process) {
            self.executor.borrow_mut().spawn(process, future);
        } else {
            self.bury(future);
        }
    }

    fn bury(&self, future: Work) {
        self.graveyard.borrow_mut().push(future);
    }

    /// Drops what the dead left behind.
    fn clear_graveyard(&self) {
        loop {
            let Some(future) = self.graveyard.borrow_mut().pop() else {
                return;
            };
            drop(future);
        }
    }

    /// Ends all tasks of the processes that `doomed` names.
    pub(super) fn end_tasks(&self, node: usize, doomed: impl Fn(Process) -> bool) {
        let parked = self
            .machine(node, |machine| std::mem::take(&mut machine.parked))
            .unwrap_or_default();
        for task in &parked {
            self.executor.borrow_mut().retire(task);
        }
        let tasks = self.executor.borrow_mut().take_all(doomed);
        for task in parked.into_iter().chain(tasks) {
            self.bury(task.future);
        }
        if !self.polling.get() {
            self.clear_graveyard();
        }
    }

    /// Does the next thing, but nothing later than `deadline_ns`: fires what is due, polls a ready
    /// task, or jumps to the next event. False when nothing is left to do until then.
    pub(super) fn step(self: &Rc<Self>, deadline_ns: u64) -> bool {
        if let Some(event) = self.timeline.take_due() {
            self.fire(event);
            return true;
        }
        if self.timeline.now_ns() >= deadline_ns {
            return false;
        }
        if self.poll_one() {
            return true;
        }
        match self.timeline.next_at_ns() {
            Some(at_ns) if at_ns <= deadline_ns => {
                self.timeline.advance_to(at_ns);
                true
            }
            _ => false,
        }
    }

    fn fire(self: &Rc<Self>, event: Event) {
        match event {
            Event::Wake(waker) => {
                self.record(Kind::Timer, 0, 0);
                waker.wake();
            }
            Event::Disk { node, operation } => self.complete_disk(node, operation),
            Event::Deliver { connection, end } => {
                self.network.borrow_mut().deliver(self, connection, end);
            }
            Event::Arrive { connection } => self.network.borrow_mut().arrive(self, connection),
        }
    }

    /// Polls one ready task. False when none is ready.
    fn poll_one(&self) -> bool {
        let task = {
            let mut random = self.random.borrow_mut();
            self.executor.borrow_mut().take_ready(&mut random)
        };
        let Some(mut task) = task else {
            return false;
        };
        if self
            .machine(task.process.node, |machine| machine.paused)
            .unwrap_or(false)
        {
            self.machine(task.process.node, |machine| machine.parked.push(task));
            return true;
        }
        self.record(Kind::Poll, task.process.node as u64, task.name);
        let waker = task.start_poll();
        self.polling.set(true);
        let state = task.future.as_mut().poll(&mut Context::from_waker(&waker));
        self.polling.set(false);
        self.charge_poll();
        let over = state.is_ready();
        if over || !self.lives(task.process) {
            self.executor.borrow_mut().retire(&task);
            drop(task);
        } else {
            self.executor.borrow_mut().put_back(task);
        }
        self.clear_graveyard();
        true
    }

    fn charge_poll(&self) {
        let hiccup = self.faults.borrow().hiccup(&mut self.random.borrow_mut());
        let cost_ns = POLL_COST_NS + nanoseconds(hiccup);
        self.timeline.advance_to(self.timeline.now_ns() + cost_ns);
    }

    /// Lets a paused process go on.
    pub(super) fn resume(&self, node: usize) {
        let parked = self.machine(node, |machine| {
            machine.paused = false;
            std::mem::take(&mut machine.parked)
        });
        for task in parked.unwrap_or_default() {
            // A parked task was taken while ready, so it must become ready again.
            let waker = task.start_poll();
            self.executor.borrow_mut().put_back(task);
            waker.wake();
        }
    }

    /// Wakes `waker` at `at_ns`.
    pub(super) fn wake_at(&self, at_ns: u64, waker: Waker) -> EventKey {
        self.timeline.plan(at_ns, Event::Wake(waker))
    }

    /// A future that ends when `duration` has passed.
    pub(super) fn sleep(self: &Rc<Self>, duration: Duration) -> Sleep {
        let until_ns = self.timeline.now_ns().saturating_add(nanoseconds(duration));
        Sleep {
            universe: Rc::clone(self),
            until_ns,
            planned: None,
        }
    }
}

/// See [`Universe::sleep`].
pub(super) struct Sleep {
    universe: Rc<Universe>,
    until_ns: u64,
    planned: Option<EventKey>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(planned) = self.planned.take() {
            self.universe.timeline.cancel(planned);
        }
        if self.universe.timeline.now_ns() >= self.until_ns {
            return Poll::Ready(());
        }
        let planned = self
            .universe
            .wake_at(self.until_ns, context.waker().clone());
        self.planned = Some(planned);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(planned) = self.planned.take() {
            self.universe.timeline.cancel(planned);
        }
    }
}
