//! Tasks, and which of them runs next.
//!
//! All tasks of all cores of all machines live in one slab on one thread. A woken task joins the
//! ready list once; the next one to run is drawn from that list by the seed, so that every order
//! that real cores could show is shown by some seed. A dead process's tasks are taken out whole.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use base::Random;

use crate::core::Work;

/// The process on whose behalf a task, file or socket acts: one start of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Process {
    /// The machine's index in the world.
    pub(super) node: usize,
    /// Which start of the machine; a later start is another process.
    pub(super) incarnation: u32,
}

/// A task's place in the slab; the generation tells it from an earlier tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    slot: usize,
    generation: u32,
}

type Ready = Arc<Mutex<Vec<Place>>>;

/// Puts its task on the ready list, once until it has been polled.
#[derive(Debug)]
struct TaskWaker {
    place: Place,
    queued: AtomicBool,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            ready.push(self.place);
        }
    }
}

/// One spawned future and its owner.
pub(super) struct Task {
    /// The process that dies with it.
    pub(super) process: Process,
    /// The order of its spawning, for the trace.
    pub(super) name: u64,
    /// What it does.
    pub(super) future: Work,
    place: Place,
    waker: Arc<TaskWaker>,
}

impl Task {
    /// A waker for polling this task; from here on a wake-up queues it again.
    pub(super) fn start_poll(&self) -> Waker {
        self.waker.queued.store(false, Ordering::Relaxed);
        Waker::from(Arc::clone(&self.waker))
    }
}

#[derive(Default)]
struct Slot {
    generation: u32,
    task: Option<Task>,
}

/// The slab of tasks and the list of ready ones.
#[derive(Default)]
pub(super) struct Executor {
    slots: Vec<Slot>,
    free: Vec<usize>,
    ready: Ready,
    spawned: u64,
}

impl Executor {
    /// Adds a task; it is ready at once.
    pub(super) fn spawn(&mut self, process: Process, future: Work) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let ready = Arc::clone(&self.ready);
        let Some(entry) = self.slots.get_mut(slot) else {
            unreachable!("a free slot lies inside the slab");
        };
        assert!(entry.task.is_none(), "a free slot holds no task");
        let place = Place {
            slot,
            generation: entry.generation,
        };
        let waker = Arc::new(TaskWaker {
            place,
            queued: AtomicBool::new(false),
            ready,
        });
        waker.wake_by_ref();
        entry.task = Some(Task {
            process,
            name: self.spawned,
            future,
            place,
            waker,
        });
        self.spawned += 1;
    }

    /// Takes a ready task out of the slab, drawn by the seed; none when nothing is ready.
    pub(super) fn take_ready(&mut self, random: &mut Random) -> Option<Task> {
        loop {
            let place = {
                let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
                let count = u64::try_from(ready.len()).unwrap_or(u64::MAX);
                if count == 0 {
                    return None;
                }
                let index = if count == 1 { 0 } else { random.below(count) };
                ready.swap_remove(base::usize_from_u64(index))
            };
            let slot = self.slots.get_mut(place.slot)?;
            if slot.generation == place.generation
                && let Some(task) = slot.task.take()
            {
                return Some(task);
            }
        }
    }

    /// Puts a polled, unfinished task back.
    pub(super) fn put_back(&mut self, task: Task) {
        let place = task.place;
        let Some(slot) = self.slots.get_mut(place.slot) else {
            unreachable!("the slab never shrinks");
        };
        assert_eq!(slot.generation, place.generation, "a task keeps its slot");
        slot.task = Some(task);
    }

    /// Frees the slot of a task that was taken and will not come back.
    pub(super) fn retire(&mut self, task: &Task) {
        self.vacate(task.place.slot);
    }

    /// Takes out every task that `doomed` names, so that they can be dropped outside of any borrow.
    pub(super) fn take_all(&mut self, doomed: impl Fn(Process) -> bool) -> Vec<Task> {
        let mut taken = Vec::new();
        for slot in 0..self.slots.len() {
            let Some(entry) = self.slots.get_mut(slot) else {
                continue;
            };
            if entry.task.as_ref().is_some_and(|task| doomed(task.process)) {
                taken.extend(entry.task.take());
                self.vacate(slot);
            }
        }
        taken
    }

    fn vacate(&mut self, slot: usize) {
        if let Some(entry) = self.slots.get_mut(slot) {
            entry.generation = entry.generation.wrapping_add(1);
            entry.task = None;
            self.free.push(slot);
        }
    }
}
