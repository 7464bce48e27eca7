//! One partition of `__consumer_offsets` with the machine of its groups.
//!
//! Invariants: the machine is asked only while it is loaded and has not failed; a caller is
//! answered once or told that nobody here answers; batches of a machine that failed are all ended,
//! one way or the other, before its successor reads the log.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::ErrorCode;
use batch::{Codec, Compression};
use config::Settings;
use coordinator::{Answer, Ask, Caller, Groups, GroupsConfig, LogEnds, Now, Refusal, Step, Topics};
use partition::{AppendError, AppendRequest, Partition};
use reactor::{Bytes, Core, Replier, Reply, Signal, first, reply};

use super::home::number;
use super::load::{self, LoadError, Loaded};
use super::outbox::{BatchNumber, Outbox};
use super::turns::{Standing, Turns};
use crate::errand::Begun;

/// After a failure the log is read again when this is over.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);
/// Steps gather into batches of about this size.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// What all hosts of a core look at.
pub(crate) struct Surroundings {
    pub(crate) config: RefCell<GroupsConfig>,
    pub(crate) topics: RefCell<Arc<Topics>>,
    pub(crate) ends: RefCell<Arc<LogEnds>>,
    pub(crate) options: Cell<Options>,
    /// Whose log is read now.
    pub(crate) turns: Turns,
}

/// How hosts read and write their logs.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    compression: Compression,
    load_bytes: usize,
}

impl Options {
    /// `offsets.topic.compression.codec` and `offsets.load.buffer.size`.
    pub(crate) fn new(settings: &Settings) -> Self {
        let codec = i16::try_from(number(settings, "offsets.topic.compression.codec"));
        let codec = codec.ok().and_then(Codec::from_id).unwrap_or(Codec::None);
        let load_bytes = number(settings, "offsets.load.buffer.size");
        Self {
            compression: Compression { codec, level: None },
            load_bytes: usize::try_from(load_bytes).unwrap_or(1),
        }
    }
}

enum Stage {
    Loading,
    Serving(Box<Groups>),
    /// It failed and will be loaded anew.
    Down,
    Ended,
}

/// One host. Cheap to clone; clones share it.
#[derive(Clone)]
pub(crate) struct GroupHost {
    state: Rc<State>,
}

struct State {
    core: Core,
    partition: Partition,
    surroundings: Rc<Surroundings>,
    /// Where this one stands in the queue of those that load.
    standing: Rc<Standing>,
    stage: RefCell<Stage>,
    callers: RefCell<BTreeMap<Caller, Replier<Answer>>>,
    next_caller: Cell<u64>,
    outbox: RefCell<Outbox>,
    /// Appends on their way, those of failed machines included.
    appending: Cell<usize>,
    /// Until when the timekeeper sleeps.
    armed: Cell<Option<Duration>>,
    /// Notified when the timekeeper should look again.
    changed: Signal,
    /// Notified when an append ended.
    appended: Signal,
}

impl GroupHost {
    /// A host of `partition`, which loads by itself; at once where there is nothing to load.
    pub(crate) fn start(
        core: &Core,
        partition: Partition,
        surroundings: &Rc<Surroundings>,
    ) -> Self {
        let compression = surroundings.options.get().compression;
        let outbox = Outbox::new(BatchNumber(1), compression, BATCH_BYTES_MAX);
        let host = Self {
            state: Rc::new(State {
                core: core.clone(),
                partition,
                surroundings: Rc::clone(surroundings),
                standing: surroundings.turns.stand(),
                stage: RefCell::new(Stage::Loading),
                callers: RefCell::default(),
                next_caller: Cell::new(0),
                outbox: RefCell::new(outbox),
                appending: Cell::new(0),
                armed: Cell::new(None),
                changed: Signal::new(),
                appended: Signal::new(),
            }),
        };
        if load::is_empty(&host.state.partition) {
            host.open(host.machine());
        }
        let running = host.clone();
        core.spawn(async move { running.run().await });
        host
    }

    fn machine(&self) -> Groups {
        Groups::new(self.state.surroundings.config.borrow().clone())
    }

    fn now(&self) -> Now {
        Now {
            since_start: self.state.core.now(),
            wall: self.state.core.wall(),
        }
    }

    /// The host's life: loading, keeping time, and again after a failure.
    async fn run(self) {
        loop {
            self.keep_time().await;
            if self.has_ended() {
                return;
            }
            self.wait_appended().await;
            match self.load().await {
                Ok((machine, loaded)) if !self.has_ended() => {
                    self.report(loaded);
                    self.open(machine);
                }
                Ok(_) => return,
                Err(error) => {
                    let partition = self.state.partition.name();
                    tracing::error!(%partition, %error, "groups not loaded");
                    self.set_stage(Stage::Down);
                }
            }
        }
    }

    async fn load(&self) -> Result<(Box<Groups>, Loaded), LoadError> {
        if !matches!(*self.state.stage.borrow(), Stage::Loading) {
            self.state.core.sleep(RELOAD_PAUSE).await;
            self.set_stage(Stage::Loading);
        }
        let _turn = self
            .state
            .surroundings
            .turns
            .take(&self.state.standing)
            .await;
        let mut machine = Box::new(self.machine());
        let piece_bytes = self.state.surroundings.options.get().load_bytes;
        let (core, partition) = (&self.state.core, &self.state.partition);
        let loaded = load::load(core, partition, piece_bytes, &mut machine).await?;
        Ok((machine, loaded))
    }

    fn report(&self, loaded: Loaded) {
        tracing::info!(
            partition = %self.state.partition.name(),
            records = loaded.records,
            bytes = loaded.bytes,
            "groups loaded"
        );
    }

    /// Lets a loaded machine serve.
    fn open(&self, machine: impl Into<Box<Groups>>) {
        let mut machine = machine.into();
        // Settings and topics may have changed while the log was read.
        machine.configure(self.state.surroundings.config.borrow().clone());
        let topics = Arc::clone(&self.state.surroundings.topics.borrow());
        let now = self.now();
        machine.ends_changed(Arc::clone(&self.state.surroundings.ends.borrow()));
        let learnt = machine.topics_changed(now, topics);
        let loaded = machine.loaded(now);
        self.set_stage(Stage::Serving(machine));
        self.take(now, learnt);
        self.take(now, loaded);
    }

    /// Changes the stage unless it is the last one.
    fn set_stage(&self, next: Stage) {
        let mut stage = self.state.stage.borrow_mut();
        if !matches!(*stage, Stage::Ended) {
            *stage = next;
        }
    }

    fn has_ended(&self) -> bool {
        matches!(*self.state.stage.borrow(), Stage::Ended)
    }

    /// Gives the machine what it is asked; an answer at once where nobody can be asked.
    pub(crate) fn ask(&self, ask: Ask) -> Result<Reply<Answer>, Box<Answer>> {
        let caller = Caller(self.state.next_caller.get());
        self.state.next_caller.set(caller.0 + 1);
        let now = self.now();
        let (replier, answer) = reply();
        let step = match &mut *self.state.stage.borrow_mut() {
            Stage::Serving(machine) => {
                self.state.callers.borrow_mut().insert(caller, replier);
                machine.handle(now, caller, ask)
            }
            Stage::Loading | Stage::Down => {
                self.state.surroundings.turns.hurry(&self.state.standing);
                return Err(Box::new(ask.refused(loading())));
            }
            Stage::Ended => return Err(Box::new(ask.refused(not_here()))),
        };
        self.take(now, step);
        Ok(answer)
    }

    /// True when it can be asked.
    pub(crate) fn is_serving(&self) -> bool {
        matches!(*self.state.stage.borrow(), Stage::Serving(_))
    }

    /// Runs an input that nobody waits for.
    fn input(&self, input: impl FnOnce(&mut Groups, Now) -> Step) {
        let now = self.now();
        let step = match &mut *self.state.stage.borrow_mut() {
            Stage::Serving(machine) => input(machine, now),
            // A machine that is loaded later sees everything then.
            Stage::Loading | Stage::Down | Stage::Ended => return,
        };
        self.take(now, step);
    }

    /// Tells the machine of the topics there are now.
    pub(crate) fn topics_changed(&self) {
        let topics = Arc::clone(&self.state.surroundings.topics.borrow());
        self.input(|machine, now| machine.topics_changed(now, topics));
    }

    /// Tells the machine how far logs reach now.
    pub(crate) fn ends_changed(&self) {
        if let Stage::Serving(machine) = &mut *self.state.stage.borrow_mut() {
            machine.ends_changed(Arc::clone(&self.state.surroundings.ends.borrow()));
        }
    }

    /// Tells the machine of the settings there are now.
    pub(crate) fn configure(&self) {
        let config = self.state.surroundings.config.borrow().clone();
        self.input(|machine, _now| {
            machine.configure(config);
            Step::default()
        });
    }

    /// What a machine is looked at for, beside being asked.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Groups) -> R) -> Option<R> {
        match &*self.state.stage.borrow() {
            Stage::Serving(machine) => Some(look(machine)),
            Stage::Loading | Stage::Down | Stage::Ended => None,
        }
    }

    /// Does what a step says: records go on their way, answers behind them.
    fn take(&self, now: Now, step: Step) {
        let mut ready = Vec::new();
        {
            let mut outbox = self.state.outbox.borrow_mut();
            outbox.put(now.wall, &step.records);
            for (caller, answer) in step.answers {
                ready.extend(outbox.hold(caller, answer));
            }
        }
        self.release(ready);
        self.pump();
        self.wake_timekeeper();
    }

    fn release(&self, ready: Vec<(Caller, Answer)>) {
        for (caller, answer) in ready {
            let replier = self.state.callers.borrow_mut().remove(&caller);
            assert!(replier.is_some(), "a caller is answered once");
            if let Some(replier) = replier {
                replier.send(answer);
            }
        }
    }

    /// Sends batches on their way, as many as may be.
    fn pump(&self) {
        loop {
            let Some((number, bytes)) = self.state.outbox.borrow_mut().next_batch() else {
                return;
            };
            let request = AppendRequest {
                records: Bytes::from(bytes),
                acks_all: true,
                zstd_allowed: true,
            };
            // Begun here and now, so that batches lie in the log in the order of their numbers.
            let append = Begun::begin(self.state.partition.clone().append(request));
            self.state.appending.set(self.state.appending.get() + 1);
            let host = self.clone();
            self.state.core.spawn(async move {
                let result = append.end().await;
                host.state.appending.set(host.state.appending.get() - 1);
                host.handle_appended(number, result.map(|_| ()));
                host.state.appended.notify();
            });
        }
    }

    fn handle_appended(&self, number: BatchNumber, result: Result<(), AppendError>) {
        if !self.is_serving() {
            // Of a machine that failed before, or that was stopped without waiting.
            return;
        }
        match result {
            Ok(()) => {
                let ready = self.state.outbox.borrow_mut().durable(number);
                self.release(ready);
                self.pump();
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Gives the machine up: what it said is not what the log says.
    fn fail(&self, error: &AppendError) {
        let partition = self.state.partition.name();
        tracing::error!(%partition, %error, "groups not written; their log is read again");
        self.set_stage(Stage::Down);
        self.forget_callers();
        self.state.changed.notify();
    }

    /// Everybody who waits hears that nobody here answers.
    fn forget_callers(&self) {
        let next = self.state.outbox.borrow().number();
        let compression = self.state.surroundings.options.get().compression;
        *self.state.outbox.borrow_mut() = Outbox::new(next, compression, BATCH_BYTES_MAX);
        let callers = std::mem::take(&mut *self.state.callers.borrow_mut());
        drop(callers);
    }

    async fn wait_appended(&self) {
        while self.state.appending.get() > 0 {
            self.state.appended.wait().await;
        }
    }

    /// Runs the machine's timers until it serves no more.
    async fn keep_time(&self) {
        loop {
            let changed = self.state.changed.wait();
            let Some(deadline) = self.look(Groups::deadline) else {
                return;
            };
            self.state.armed.set(deadline);
            let now = self.state.core.now();
            match deadline {
                None => changed.await,
                Some(at) if at <= now => {
                    self.input(Groups::tick);
                    self.state.core.yield_now().await;
                }
                Some(at) => {
                    first(changed, self.state.core.sleep(at - now)).await;
                }
            }
        }
    }

    /// The timekeeper looks again when something is due earlier than it believes.
    fn wake_timekeeper(&self) {
        let due = self.look(Groups::deadline).flatten();
        let is_earlier = match (due, self.state.armed.get()) {
            (Some(due), Some(armed)) => due < armed,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if is_earlier {
            self.state.armed.set(due);
            self.state.changed.notify();
        }
    }

    /// Takes no more asks; ends when everything said is durable or cannot become so.
    pub(crate) async fn stop(&self) {
        loop {
            let appended = self.state.appended.wait();
            if !self.is_serving() || self.state.outbox.borrow().is_empty() {
                break;
            }
            appended.await;
        }
        self.end();
    }

    /// Ends at once, as when the partition is gone.
    pub(crate) fn end(&self) {
        self.set_stage(Stage::Ended);
        self.forget_callers();
        self.state.changed.notify();
    }
}

/// The refusal of a host that has not read its log yet.
pub(crate) fn loading() -> Refusal {
    Refusal::new(
        ErrorCode::CoordinatorLoadInProgress,
        "The coordinator is reading its groups; ask again.",
    )
}

/// The refusal of a node that does not coordinate the group, or not any more.
pub(crate) fn not_here() -> Refusal {
    Refusal::new(
        ErrorCode::NotCoordinator,
        "This is not the coordinator of the group, or not any more; look for it anew.",
    )
}
