//! The door for tests: machines, their processes, and what befalls them.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::{CoreId, Random};

use super::core::SimCore;
use super::disk::Disk;
use super::executor::Process;
use super::faults::{DiskOperation, Faults};
use super::timeline::nanoseconds;
use super::trace::Kind;
use super::universe::{Machine, Power, Universe};
use crate::{Core, Pool};

/// One machine of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node(usize);

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The name that other machines resolve.
    pub name: String,
    /// Its address.
    pub ip: IpAddr,
    /// What its disk holds.
    pub disk_bytes: u64,
    /// Each core's budget for what connections have in flight.
    pub frames_bytes_max: usize,
    /// Each core's budget for the logs' tail chunks.
    pub chunks_bytes_max: usize,
}

impl NodeOptions {
    /// The `number`th ordinary machine: a disk of 4 GiB, 64 MiB of each kind of memory a core.
    #[must_use]
    pub fn numbered(number: u8) -> Self {
        Self {
            name: format!("node-{number}"),
            ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)),
            disk_bytes: 4 << 30,
            frames_bytes_max: 64 << 20,
            chunks_bytes_max: 64 << 20,
        }
    }
}

/// Machines on one thread, with a seed and virtual time. Dropping it ends everything in it.
pub struct World {
    universe: Rc<Universe>,
    options: Vec<NodeOptions>,
}

impl World {
    /// An empty world; everything that happens in it follows from `seed` and from what the test
    /// does to it.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            universe: Rc::new(Universe::new(seed)),
            options: Vec::new(),
        }
    }

    /// Adds a machine; nothing runs on it yet, and its disk is empty.
    pub fn add_node(&mut self, options: NodeOptions) -> Node {
        let mut machines = self.universe.machines.borrow_mut();
        let node = machines.len();
        machines.push(Machine {
            name: options.name.clone(),
            address: options.ip,
            power: Power::Stopped,
            incarnation: 0,
            paused: false,
            parked: Vec::new(),
            wall_skew_ms: 0,
            disk: Disk::new(options.disk_bytes),
            random: Random::salted(self.universe.seed, 16 + node as u64),
            in_flight: std::collections::BTreeMap::new(),
            operations: 0,
            planned_errors: Vec::new(),
            bad_dirs: Vec::new(),
            stalled_dirs: Vec::new(),
        });
        drop(machines);
        self.options.push(options);
        Node(node)
    }

    /// Starts a process of `cores` cores; `main` makes each core's first task. The process ends
    /// when these tasks have ended, as on the kernel, or when it is killed.
    ///
    /// # Panics
    /// When the machine's process runs already.
    pub fn start<F>(&self, node: Node, cores: u16, mut main: impl FnMut(Core) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        let incarnation = self.universe.machine(node.0, |machine| {
            assert_ne!(
                machine.power,
                Power::Running,
                "a machine runs one process at a time"
            );
            machine.power = Power::Running;
            machine.incarnation += 1;
            machine.incarnation
        });
        let (Some(incarnation), Some(options)) = (incarnation, self.options.get(node.0)) else {
            unreachable!("a node belongs to the world that made it");
        };
        let process = Process {
            node: node.0,
            incarnation,
        };
        self.universe
            .record(Kind::Process, node.0 as u64, u64::from(incarnation));
        self.universe
            .tell(|| format!("node {}: start {incarnation}", node.0));
        let unfinished = Rc::new(Cell::new(cores));
        for id in 0..cores {
            let frames = Pool::new(options.frames_bytes_max);
            let chunks = Pool::new(options.chunks_bytes_max);
            let core = SimCore::new(&self.universe, process, CoreId(id), frames, chunks);
            let task = main(Core::from_sim(core));
            let unfinished = Rc::clone(&unfinished);
            let universe = Rc::downgrade(&self.universe);
            let supervised = async move {
                task.await;
                unfinished.set(unfinished.get() - 1);
                if unfinished.get() == 0
                    && let Some(universe) = universe.upgrade()
                {
                    universe.exits.borrow_mut().push(process);
                }
            };
            self.universe.spawn(process, Box::pin(supervised));
        }
    }

    /// Runs `main` as a process of one core until it ends, and gives back what it returned; none
    /// when it has not ended within `limit` of virtual time (it is killed then).
    pub fn run_process<T, F>(
        &self,
        node: Node,
        limit: Duration,
        main: impl FnOnce(Core) -> F,
    ) -> Option<T>
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        let result = Rc::new(RefCell::new(None));
        let mut main = Some(main);
        self.start(node, 1, |core| {
            let future = main.take().map(|main| main(core));
            let result = Rc::clone(&result);
            async move {
                if let Some(future) = future {
                    let value = future.await;
                    *result.borrow_mut() = Some(value);
                }
            }
        });
        if !self.run_until(|| !self.is_running(node), limit) {
            self.kill(node);
        }
        result.take()
    }

    /// True while the machine's process runs.
    #[must_use]
    pub fn is_running(&self, node: Node) -> bool {
        self.universe
            .machine(node.0, |machine| machine.power == Power::Running)
            .unwrap_or(false)
    }

    /// Does the next thing. False when there is nothing left to do.
    pub fn step(&self) -> bool {
        self.step_before(u64::MAX)
    }

    fn step_before(&self, deadline_ns: u64) -> bool {
        let stepped = self.universe.step(deadline_ns);
        let exits = std::mem::take(&mut *self.universe.exits.borrow_mut());
        for process in exits {
            if self.universe.lives(process) {
                self.end_process(process.node, Power::Stopped);
            }
        }
        stepped
    }

    /// Lets `duration` of virtual time pass.
    pub fn run_for(&self, duration: Duration) {
        let deadline_ns = self
            .universe
            .timeline
            .now_ns()
            .saturating_add(nanoseconds(duration));
        while self.step_before(deadline_ns) {}
        self.universe.timeline.advance_to(deadline_ns);
    }

    /// Runs until `done`, but at most for `limit` of virtual time. Says whether it is done.
    pub fn run_until(&self, done: impl Fn() -> bool, limit: Duration) -> bool {
        let deadline_ns = self
            .universe
            .timeline
            .now_ns()
            .saturating_add(nanoseconds(limit));
        loop {
            if done() {
                return true;
            }
            if !self.step_before(deadline_ns) {
                self.universe.timeline.advance_to(deadline_ns);
                return done();
            }
        }
    }

    /// The virtual time since the world began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.universe.timeline.now()
    }

    /// Ends the process as `kill -9` does: its tasks are dropped, its machine's caches survive.
    /// A no-op when none runs.
    pub fn kill(&self, node: Node) {
        if self.is_running(node) {
            self.end_process(node.0, Power::Stopped);
        } else {
            // Planned after the process had ended by itself: not for the next one.
            self.universe
                .machine(node.0, |machine| machine.planned_errors.clear());
        }
    }

    /// Cuts the machine's power: the process ends, and the disk keeps what was flushed and any
    /// part of the rest. `start` turns it on again.
    pub fn power_cut(&self, node: Node) {
        self.end_process(node.0, Power::Off);
    }

    fn end_process(&self, node: usize, power: Power) {
        self.universe
            .record(Kind::Process, node as u64, power as u64);
        self.universe.machine(node, |machine| {
            machine.power = power;
            machine.paused = false;
            machine.crash(power);
        });
        self.universe
            .network
            .borrow_mut()
            .process_gone(&self.universe, node, power);
        self.universe
            .end_tasks(node, |process| process.node == node);
    }

    /// Stops the process where it stands, as SIGSTOP does; time goes on without it.
    pub fn pause(&self, node: Node) {
        self.universe
            .machine(node.0, |machine| machine.paused = true);
    }

    /// Lets a paused process go on.
    pub fn resume(&self, node: Node) {
        self.universe.resume(node.0);
    }

    /// Exchanges what may go wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        *self.universe.faults.borrow_mut() = faults;
    }

    /// Makes one operation of the machine's process fail with EIO, after `before` others of its
    /// kind went well. Forgotten when the process ends.
    pub fn plan_disk_error(&self, node: Node, operation: DiskOperation, before: u64) {
        self.universe.machine(node.0, |machine| {
            machine.planned_errors.push((operation, before))
        });
    }

    /// Makes everything fail with EIO that is done in `dir` and below from now on, until it is
    /// healed; what is there stays.
    pub fn fail_dir(&self, node: Node, dir: &Path) {
        self.universe
            .machine(node.0, |machine| machine.bad_dirs.push(dir.to_owned()));
    }

    /// Makes nothing that is begun in `dir` and below from now on end before `duration` is over.
    pub fn stall_dir(&self, node: Node, dir: &Path, duration: Duration) {
        let until = self.universe.timeline.now() + duration;
        self.universe.machine(node.0, |machine| {
            machine.stalled_dirs.push((dir.to_owned(), until));
        });
    }

    /// Lets all directories of the machine work again.
    pub fn heal_dirs(&self, node: Node) {
        self.universe.machine(node.0, |machine| {
            machine.bad_dirs.clear();
            machine.stalled_dirs.clear();
        });
    }

    /// Changes what the machine's disk holds; what it holds already stays.
    pub fn set_disk_bytes(&self, node: Node, bytes: u64) {
        self.universe
            .machine(node.0, |machine| machine.disk.set_capacity(bytes));
    }

    /// Overwrites bytes of a file on the disk behind everybody's back. Says whether they exist.
    pub fn decay(&self, node: Node, path: &Path, position: u64, bytes: &[u8]) -> bool {
        let decayed = self
            .universe
            .machine(node.0, |machine| machine.disk.decay(path, position, bytes));
        decayed.unwrap_or(false)
    }

    /// A file's bytes as a process on the machine would read them now.
    #[must_use]
    pub fn peek(&self, node: Node, path: &Path) -> Option<Vec<u8>> {
        self.universe
            .machine(node.0, |machine| machine.disk.peek(path))
            .flatten()
    }

    /// Sets the machine's wall clock ahead or back.
    pub fn set_wall_skew_ms(&self, node: Node, skew_ms: i64) {
        self.universe
            .machine(node.0, |machine| machine.wall_skew_ms = skew_ms);
    }

    /// Lets nothing through from one machine to the other, which one way alone may do.
    pub fn block(&self, from: Node, to: Node) {
        self.universe
            .network
            .borrow_mut()
            .set_blocked(from.0, to.0, true);
    }

    /// Opens the way from one machine to the other again.
    pub fn unblock(&self, from: Node, to: Node) {
        self.universe
            .network
            .borrow_mut()
            .set_blocked(from.0, to.0, false);
    }

    /// Opens every way.
    pub fn unblock_all(&self) {
        self.universe.network.borrow_mut().unblock_all();
    }

    /// Resets every connection between two machines.
    pub fn cut_connections(&self, one: Node, other: Node) {
        self.universe
            .network
            .borrow_mut()
            .cut_between(&self.universe, one.0, other.0);
    }

    /// Ends one direction of every connection between two machines: nothing more gets from `from`
    /// to `to`, which sees the end of its input, while the other direction goes on.
    pub fn half_close_connections(&self, from: Node, to: Node) {
        self.universe
            .network
            .borrow_mut()
            .half_close_between(from.0, to.0);
    }

    /// Has every process start and end, disk operation and broken connection from now on told to
    /// `narrator`, a line each: for reading a failed seed's run.
    pub fn set_narrator(&self, narrator: impl FnMut(&str) + 'static) {
        self.universe.set_narrator(Box::new(narrator));
    }

    /// The fingerprint of everything that happened so far; equal for equal seeds and tests.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.universe.trace.hash()
    }

    /// How many things happened so far.
    #[must_use]
    pub fn trace_len(&self) -> u64 {
        self.universe.trace.entries()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Tasks hold the universe and the universe holds tasks: break the circle.
        for node in 0..self.options.len() {
            if self.is_running(Node(node)) {
                self.end_process(node, Power::Stopped);
            }
        }
        self.universe.timeline.clear();
    }
}
