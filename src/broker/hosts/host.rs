//! One partition of an internal topic with its machine.
//!
//! Invariants: the machine is asked only while it is loaded and has not failed; a caller is
//! answered once or told that nobody here answers; batches of a machine that failed are all ended,
//! one way or the other, before its successor reads the log.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base::{ErrorCode, ProducerId, Timestamp};
use batch::Compression;
use coordinator::{Caller, Now, Refusal};
use partition::{AppendError, AppendRequest, Appender, Partition};
use reactor::{Bytes, Core, Replier, Reply, Signal, first, reply};

use super::load::{self, LoadError, Loaded};
use super::machine::{Machine, Said};
use super::marker::MarkerRequest;
use super::outbox::{BatchNumber, Outbox, Sending};
use super::turns::{Standing, Turns};
use crate::errand::Begun;

/// After a failure the log is read again when this is over.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);
/// Steps gather into batches of about this size.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// What all hosts of a core look at.
pub(crate) struct Surroundings<M: Machine> {
    /// What their machines look at.
    pub(crate) own: M::Surroundings,
    pub(crate) options: Cell<Options>,
    /// Whose log is read now.
    turns: Turns,
}

impl<M: Machine> Surroundings<M> {
    /// Surroundings in which nobody loads yet.
    pub(crate) fn new(own: M::Surroundings, options: Options) -> Self {
        Self {
            own,
            options: Cell::new(options),
            turns: Turns::default(),
        }
    }
}

/// How hosts read and write their logs.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) compression: Compression,
    /// How much of a log is read at a time.
    pub(crate) load_bytes: usize,
}

enum Stage<M> {
    Loading,
    Serving(Box<M>),
    /// It failed and will be loaded anew.
    Down,
    Ended,
}

/// What waits for records to be durable.
enum Held<M: Machine> {
    Answer(Caller, M::Answer),
    Errand(M::Errand),
    /// Somebody waits for the end of a transaction to be in the log.
    Marked(Replier<()>),
}

/// One host. Clones share it.
pub(crate) struct Host<M: Machine> {
    state: Rc<State<M>>,
}

impl<M: Machine> Clone for Host<M> {
    fn clone(&self) -> Self {
        Self {
            state: Rc::clone(&self.state),
        }
    }
}

struct State<M: Machine> {
    core: Core,
    partition: Partition,
    surroundings: Rc<Surroundings<M>>,
    /// Where this one stands in the queue of those that load.
    standing: Rc<Standing>,
    stage: RefCell<Stage<M>>,
    callers: RefCell<BTreeMap<Caller, Replier<M::Answer>>>,
    next_caller: Cell<u64>,
    outbox: RefCell<Outbox<Held<M>>>,
    /// Appends on their way, those of failed machines included.
    appending: Cell<usize>,
    /// Errands under way, those of failed machines included.
    errands: Cell<usize>,
    /// Until when the timekeeper sleeps.
    armed: Cell<Option<Duration>>,
    /// Notified when the timekeeper should look again.
    changed: Signal,
    /// Notified when an append or an errand ended.
    appended: Signal,
}

impl<M: Machine> Host<M> {
    /// A host of `partition`, which loads by itself; at once where there is nothing to load.
    pub(crate) fn start(
        core: &Core,
        partition: Partition,
        surroundings: &Rc<Surroundings<M>>,
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
                errands: Cell::new(0),
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

    fn machine(&self) -> M {
        M::begin(&self.state.surroundings.own, &self.state.partition)
    }

    /// What its machine looks at.
    pub(crate) fn surroundings(&self) -> &M::Surroundings {
        &self.state.surroundings.own
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
            self.wait_quiet().await;
            match self.load().await {
                Ok((machine, loaded)) if !self.has_ended() => {
                    self.report(loaded);
                    self.open(machine);
                }
                Ok(_) => return,
                Err(error) => {
                    let partition = self.state.partition.name();
                    tracing::error!(%partition, %error, "{} not loaded", M::NAME);
                    self.set_stage(Stage::Down);
                }
            }
        }
    }

    async fn load(&self) -> Result<(Box<M>, Loaded), LoadError> {
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
        let loaded = load::load(core, partition, piece_bytes, &mut *machine).await?;
        Ok((machine, loaded))
    }

    fn report(&self, loaded: Loaded) {
        tracing::info!(
            partition = %self.state.partition.name(),
            records = loaded.records,
            bytes = loaded.bytes,
            "{} loaded",
            M::NAME
        );
    }

    /// Lets a loaded machine serve.
    fn open(&self, machine: impl Into<Box<M>>) {
        let mut machine = machine.into();
        let now = self.now();
        let said = machine.open(now, &self.state.surroundings.own);
        self.set_stage(Stage::Serving(machine));
        for said in said {
            self.take(now, said);
        }
    }

    /// Changes the stage unless it is the last one.
    fn set_stage(&self, next: Stage<M>) {
        let mut stage = self.state.stage.borrow_mut();
        if !matches!(*stage, Stage::Ended) {
            *stage = next;
        }
    }

    fn has_ended(&self) -> bool {
        matches!(*self.state.stage.borrow(), Stage::Ended)
    }

    /// Gives the machine what it is asked; an answer at once where nobody can be asked.
    pub(crate) fn ask(&self, ask: M::Ask) -> Result<Reply<M::Answer>, Box<M::Answer>> {
        let caller = Caller(self.state.next_caller.get());
        self.state.next_caller.set(caller.0 + 1);
        let now = self.now();
        let (replier, answer) = reply();
        let said = match &mut *self.state.stage.borrow_mut() {
            Stage::Serving(machine) => {
                self.state.callers.borrow_mut().insert(caller, replier);
                machine.handle(now, caller, ask, self.surroundings())
            }
            Stage::Loading | Stage::Down => {
                self.state.surroundings.turns.hurry(&self.state.standing);
                return Err(Box::new(M::refused(&ask, loading())));
            }
            Stage::Ended => return Err(Box::new(M::refused(&ask, not_here()))),
        };
        self.take(now, said);
        Ok(answer)
    }

    /// Writes the end of a producer's transaction behind everything that the machine has said, and
    /// tells the machine of it; the answer comes when it is durable. Nothing when nobody serves.
    ///
    /// # Errors
    /// When the partition does not take the marker.
    pub(crate) fn mark(
        &self,
        marker: MarkerRequest,
        tell: impl FnOnce(&mut M, Now),
    ) -> Result<Option<Reply<()>>, AppendError> {
        let now = self.now();
        match &mut *self.state.stage.borrow_mut() {
            Stage::Serving(machine) => {
                let checked = marker.at(now.wall);
                let partition = &self.state.partition;
                partition.check_marker(checked, marker.transaction_version)?;
                tell(machine, now);
            }
            Stage::Loading | Stage::Down | Stage::Ended => return Ok(None),
        }
        let (replier, marked) = reply();
        let ready = {
            let mut outbox = self.state.outbox.borrow_mut();
            outbox.put_marker(marker);
            outbox.hold(Held::Marked(replier))
        };
        assert!(ready.is_none(), "it waits for the marker");
        self.pump();
        self.wake_timekeeper();
        Ok(Some(marked))
    }

    /// The end of a producer's transaction that is on its way into the log: what the machine says
    /// from now on comes behind it.
    pub(crate) fn end_of(&self, id: ProducerId) -> Option<MarkerRequest> {
        self.state.outbox.borrow().end_of(id)
    }

    /// True when it can be asked.
    pub(crate) fn is_serving(&self) -> bool {
        matches!(*self.state.stage.borrow(), Stage::Serving(_))
    }

    /// Runs an input that nobody waits for. A machine that is loaded later sees everything then.
    pub(crate) fn input(&self, input: impl FnOnce(&mut M, Now) -> Said<M>) {
        let now = self.now();
        let said = match &mut *self.state.stage.borrow_mut() {
            Stage::Serving(machine) => input(machine, now),
            Stage::Loading | Stage::Down | Stage::Ended => return,
        };
        self.take(now, said);
    }

    /// What a machine is looked at for, beside being asked.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&M) -> R) -> Option<R> {
        match &*self.state.stage.borrow() {
            Stage::Serving(machine) => Some(look(machine)),
            Stage::Loading | Stage::Down | Stage::Ended => None,
        }
    }

    /// Does what a machine said: records go on their way, answers and errands behind them.
    fn take(&self, now: Now, said: Said<M>) {
        let answers = said.answers.into_iter();
        let answers = answers.map(|(caller, answer)| Held::Answer(caller, answer));
        let errands = said.errands.into_iter().map(Held::Errand);
        let mut ready = Vec::new();
        {
            let mut outbox = self.state.outbox.borrow_mut();
            outbox.put(now.wall, &said.records, said.producer);
            for held in answers.chain(errands) {
                ready.extend(outbox.hold(held));
            }
        }
        self.release(ready);
        self.pump();
        self.wake_timekeeper();
    }

    fn release(&self, ready: Vec<Held<M>>) {
        for held in ready {
            match held {
                Held::Answer(caller, answer) => {
                    let replier = self.state.callers.borrow_mut().remove(&caller);
                    assert!(replier.is_some(), "a caller is answered once");
                    if let Some(replier) = replier {
                        replier.send(answer);
                    }
                }
                Held::Errand(errand) => {
                    self.state.errands.set(self.state.errands.get() + 1);
                    M::perform(self, errand);
                }
                Held::Marked(replier) => replier.send(()),
            }
        }
    }

    /// Sends batches on their way, as many as may be.
    fn pump(&self) {
        loop {
            let Some((number, sending)) = self.state.outbox.borrow_mut().next_batch() else {
                return;
            };
            // Begun here and now, so that batches lie in the log in the order of their numbers.
            let partition = self.state.partition.clone();
            let now = self.state.core.wall();
            let append = Begun::begin(append(partition, sending, now));
            self.state.appending.set(self.state.appending.get() + 1);
            let host = self.clone();
            self.state.core.spawn(async move {
                let result = append.end().await;
                host.state.appending.set(host.state.appending.get() - 1);
                host.handle_appended(number, result);
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
        tracing::error!(%partition, %error, "{} not written; their log is read again", M::NAME);
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

    /// An errand of this host has ended, whatever became of it.
    pub(crate) fn note_errand_ended(&self) {
        let errands = self.state.errands.get();
        assert!(errands > 0, "an errand ends once");
        self.state.errands.set(errands - 1);
        self.state.appended.notify();
    }

    /// Waits until nothing of an earlier machine is under way.
    async fn wait_quiet(&self) {
        while self.state.appending.get() + self.state.errands.get() > 0 {
            self.state.appended.wait().await;
        }
    }

    /// Runs the machine's timers until it serves no more.
    async fn keep_time(&self) {
        loop {
            let changed = self.state.changed.wait();
            let Some(deadline) = self.look(M::deadline) else {
                return;
            };
            self.state.armed.set(deadline);
            let now = self.state.core.now();
            match deadline {
                None => changed.await,
                Some(at) if at <= now => {
                    self.input(M::tick);
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
        let due = self.look(M::deadline).flatten();
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

async fn append(partition: Partition, sending: Sending, now: Timestamp) -> Result<(), AppendError> {
    match sending {
        Sending::Batch(bytes) => {
            let request = AppendRequest {
                records: Bytes::from(bytes),
                acks_all: true,
                zstd_allowed: true,
                appender: Appender::Coordinator,
            };
            partition.append(request).await.map(|_| ())
        }
        Sending::Marker(marker) => {
            let version = marker.transaction_version;
            partition
                .append_marker(marker.at(now), version)
                .await
                .map(|_| ())
        }
    }
}

/// The refusal of a host that has not read its log yet.
pub(crate) fn loading() -> Refusal {
    Refusal::new(
        ErrorCode::CoordinatorLoadInProgress,
        "The coordinator is reading its log; ask again.",
    )
}

/// The refusal of a node that does not coordinate what is asked about, or not any more.
pub(crate) fn not_here() -> Refusal {
    Refusal::new(
        ErrorCode::NotCoordinator,
        "This is not the coordinator, or not any more; look for it anew.",
    )
}
