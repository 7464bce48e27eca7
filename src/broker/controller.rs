//! The controller: decisions, one after the other, ordered by the quorum and published to all
//! cores.
//!
//! The way of a decision: a pure function looks at the image and gives changes; they become one
//! record batch; the quorum commits it once it is on the device; the image takes it in; every core
//! gets the new image and opens or closes partitions accordingly; then the caller is answered.
//!
//! Invariants: a decision sees the effect of every decision before it; nobody is answered before
//! what was decided is durable and known on every core of this node.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use base::{CoreId, NodeId, Random, Timestamp};
use batch::{BatchBuilder, BatchOptions, Scratch, next_batch};
use metadata::{Change, Image, Refusal};
use quorum::{Entry, EntryKind, Index, ProposeError, Quorum};
use reactor::reply;
use storage::{Gate, StorageError};

use crate::broker::Broker;
use crate::hosted::Unavailable;
use crate::metadata_log::MetadataLog;
use crate::quorum_view::{QuorumView, Voter};

/// A snapshot is made when the log behind the last one has grown by this much; Kafka's
/// `metadata.log.max.record.bytes.between.snapshots`.
const SNAPSHOT_LOG_BYTES: u64 = 20 << 20;
/// The most that one batch of the metadata log decompresses to; we write it uncompressed.
const BATCH_PLAIN_BYTES_MAX: usize = 64 << 20;

/// Why a decision was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControllerError {
    /// The request as a whole is refused.
    Refused(Refusal),
    /// The quorum took no proposal.
    NotLeading(ProposeError),
    /// The metadata log cannot be written.
    Storage(StorageError),
    /// The node is stopping.
    Stopping,
}

impl fmt::Display for ControllerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(formatter),
            Self::NotLeading(error) => write!(formatter, "this controller cannot decide: {error}"),
            Self::Storage(error) => write!(formatter, "the metadata log: {error}"),
            Self::Stopping => formatter.write_str("the node is stopping"),
        }
    }
}

impl std::error::Error for ControllerError {}

impl From<StorageError> for ControllerError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// The controller of this node; it lives on core 0.
#[derive(Clone)]
pub(crate) struct Controller {
    state: Rc<State>,
}

struct State {
    /// One decision at a time.
    decisions: Gate,
    quorum: RefCell<Quorum>,
    log: MetadataLog,
    image: RefCell<Arc<Image>>,
    applied: Cell<Index>,
    random: RefCell<Random>,
}

impl Controller {
    pub(crate) fn new(quorum: Quorum, log: MetadataLog, image: Image, random: Random) -> Self {
        let applied = quorum.snapshot().index;
        Self {
            state: Rc::new(State {
                decisions: Gate::default(),
                quorum: RefCell::new(quorum),
                log,
                image: RefCell::new(Arc::new(image)),
                applied: Cell::new(applied),
                random: RefCell::new(random),
            }),
        }
    }

    /// The image with everything committed.
    pub(crate) fn image(&self) -> Arc<Image> {
        Arc::clone(&self.state.image.borrow())
    }

    /// How the quorum stands: this node is its only voter.
    pub(crate) fn view(&self) -> QuorumView {
        let quorum = self.state.quorum.borrow();
        let log_end = self.state.log.log_end();
        let voter = |id: &NodeId| Voter { id: *id, log_end };
        QuorumView {
            leader: quorum.leader(),
            epoch: quorum.epoch(),
            high_watermark: self.image().offset().plus(1),
            voters: quorum.voters().iter().map(voter).collect(),
        }
    }

    /// Does what the quorum wants done until it wants nothing: with one voter that elects this
    /// node and commits everything proposed.
    pub(crate) async fn pump(&self) -> Result<(), ControllerError> {
        loop {
            let ready = self.state.quorum.borrow_mut().poll_ready();
            let Some(ready) = ready else { return Ok(()) };
            assert!(
                ready.messages.is_empty() && ready.messages_after_persist.is_empty(),
                "a lone voter has nobody to write to"
            );
            if let Some(index) = ready.truncate_from {
                self.state.log.truncate_from(index).await?;
            }
            if !ready.entries.is_empty() {
                self.state.log.append(&ready.entries).await?;
            }
            // After the entries, never before: a state that promises more than the log holds
            // would be a voter that lost its log.
            if let Some(hard_state) = ready.hard_state {
                self.state.log.write_state(hard_state).await?;
            }
            self.state.quorum.borrow_mut().persisted(ready.number);
            for entry in &ready.committed {
                self.apply(entry)?;
            }
        }
    }

    fn apply(&self, entry: &Entry) -> Result<(), ControllerError> {
        assert!(
            entry.index > self.state.applied.get(),
            "entries are applied once, in order"
        );
        let last = self.state.log.last_offset(entry.index);
        let mut image = Arc::clone(&self.state.image.borrow());
        let changed = Arc::make_mut(&mut image);
        if entry.kind == EntryKind::Payload {
            apply_batch(changed, &entry.payload).map_err(|reason| {
                ControllerError::Storage(self.state.log.corrupt(entry.index, reason))
            })?;
        }
        changed.advance(last, entry.epoch);
        *self.state.image.borrow_mut() = image;
        self.state.applied.set(entry.index);
        Ok(())
    }

    /// Lets `decide` look at the image; what it gives is committed and published before this
    /// returns.
    pub(crate) async fn decide<R>(
        &self,
        broker: &Broker,
        decide: impl FnOnce(&Image, &mut Random) -> (Vec<Change>, R),
    ) -> Result<R, ControllerError> {
        let _alone = self.state.decisions.enter().await;
        let (changes, result) = decide(&self.image(), &mut self.state.random.borrow_mut());
        if changes.is_empty() {
            return Ok(result);
        }
        let payload = encode(&changes, broker.core().wall());
        let proposed = self.state.quorum.borrow_mut().propose(payload);
        let proposal = proposed.map_err(ControllerError::NotLeading)?;
        self.pump().await?;
        assert!(
            self.state.applied.get() >= proposal.index,
            "a lone voter commits at once"
        );
        broker.publish(self.image()).await;
        self.snapshot_if_due().await?;
        Ok(result)
    }

    async fn snapshot_if_due(&self) -> Result<(), ControllerError> {
        if self.state.log.bytes_since_snapshot() < SNAPSHOT_LOG_BYTES {
            return Ok(());
        }
        let image = self.image();
        let index = self.state.applied.get();
        self.state.log.write_snapshot(&image, index).await?;
        let end = image.offset().plus(1);
        let mark = self.state.quorum.borrow_mut().compact(index, end);
        let hard_state = self.state.quorum.borrow().hard_state();
        self.state.log.finish_snapshot(mark, hard_state).await?;
        Ok(())
    }

    /// Nothing is decided any more; what is decided is durable.
    pub(crate) async fn stop(&self) -> Result<(), StorageError> {
        let _alone = self.state.decisions.enter().await;
        self.state.log.close().await
    }
}

impl Broker {
    /// Lets the controller decide, wherever it is: see [`Controller::decide`].
    pub(crate) fn decide<R, F>(
        &self,
        decide: F,
    ) -> impl Future<Output = Result<R, ControllerError>> + use<R, F>
    where
        R: Send + 'static,
        F: FnOnce(&Image, &mut Random) -> (Vec<Change>, R) + Send + 'static,
    {
        let answer = self.on_core(CoreId(0), move |broker| {
            let (replier, decided) = reply();
            let deciding = broker.clone();
            // A task of its own: a client that goes away must not stop a decision half-way.
            broker
                .core()
                .spawn(async move { replier.send(deciding.decide_here(decide).await) });
            async move { decided.await.unwrap_or(Err(ControllerError::Stopping)) }
        });
        async move {
            match answer.await {
                Ok(result) => result,
                Err(Unavailable::Stopping | Unavailable::Unknown) => Err(ControllerError::Stopping),
                Err(Unavailable::Opening | Unavailable::Offline) => Err(ControllerError::Stopping),
            }
        }
    }
}

impl Broker {
    async fn decide_here<R>(
        &self,
        decide: impl FnOnce(&Image, &mut Random) -> (Vec<Change>, R),
    ) -> Result<R, ControllerError> {
        if self.is_stopping() {
            return Err(ControllerError::Stopping);
        }
        let controller = self.shared.controller.borrow().clone();
        match controller {
            Some(controller) => controller.decide(self, decide).await,
            None => Err(ControllerError::Stopping),
        }
    }
}

/// The changes as one record batch, as Kafka's metadata log holds them.
pub(crate) fn encode(changes: &[Change], now: Timestamp) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for change in changes {
        match change.encode() {
            Ok(value) => builder.append(now, None, Some(&value), &[]),
            // Decisions check the lengths of what they take from outside.
            Err(error) => unreachable!("a decided change that no record can carry: {error}"),
        }
    }
    let mut bytes = Vec::new();
    match builder.build(&mut bytes) {
        Ok(()) => bytes,
        Err(error) => unreachable!("an uncompressed batch cannot fail to be built: {error}"),
    }
}

/// Applies the records of one committed batch.
pub(crate) fn apply_batch(image: &mut Image, bytes: &[u8]) -> Result<(), String> {
    let view = match next_batch(bytes) {
        Ok(Some((view, _))) => view,
        Ok(None) => return Err("an entry without a batch".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let mut scratch = Scratch::new();
    let records = batch::records(&view, &mut scratch, BATCH_PLAIN_BYTES_MAX)
        .map_err(|error| error.to_string())?;
    for record in records {
        let record = record.map_err(|error| error.to_string())?;
        let change = Change::decode(record.value.unwrap_or(&[])).map_err(|e| e.to_string())?;
        image.apply(&change).map_err(|error| error.to_string())?;
    }
    Ok(())
}
