//! Partitions move between log directories of this node (KIP-113, KIP-858).
//!
//! The way of a move, on the core that owns the partition: a copy is filled a slice at a time
//! while the partition serves; then the partition is held, the rest follows, the copy gets the
//! log's name and is opened; the controller writes down the new directory; the copy serves.
//!
//! Invariants: the record in the metadata log is the one moment at which the partition has moved.
//! Before it a crash leaves the old log as the one that counts, after it the new one, and the next
//! start removes the other. While a partition is held nothing waits for it that the controller
//! waits for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base::{PartitionIndex, Uuid};
use metadata::decide;
use partition::{Held, Partition};
use reactor::{First, Signal, first};
use storage::{Engine, FutureLog, Log, StorageError};

use crate::broker::Broker;
use crate::hosted::{Hosting, Unavailable};
use crate::ownership::PartitionId;

/// How much is copied before the core's other tasks run.
const SLICE_BYTES: usize = 1 << 20;
/// How much of a copy waits in memory before it must be on the device.
const UNFLUSHED_BYTES_MAX: u64 = 4 << 20;

/// Why a partition does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveRefusal {
    /// No directory of that name.
    NoDirectory,
    /// The directory, or the one where the partition lies, is offline.
    Offline,
    /// No such partition.
    Unknown,
    /// Its log is not here, or not yet.
    NotHere,
    /// The topic's name is so long that the copy's name would be too long.
    NameTooLong,
}

/// The moves of one core.
#[derive(Default)]
pub(crate) struct Moves {
    moving: RefCell<BTreeMap<PartitionId, Rc<Move>>>,
}

/// One move.
struct Move {
    place: usize,
    cancelled: Cell<bool>,
    /// True while the partition is held.
    held: Cell<bool>,
    /// Notified when its topic is gone.
    gone: Signal,
    /// Notified when nothing of the move is left.
    ended: Signal,
    copy: RefCell<Option<Log>>,
}

impl Moves {
    fn get(&self, id: PartitionId) -> Option<Rc<Move>> {
        self.moving.borrow().get(&id).cloned()
    }

    /// True while nobody may wait for the partition.
    pub(crate) fn is_held(&self, id: PartitionId) -> bool {
        self.get(id).is_some_and(|one| one.held.get())
    }

    /// The copies under way: partition, directory's place, copy.
    pub(crate) fn copies(&self) -> Vec<(PartitionId, usize, Log)> {
        let moving = self.moving.borrow();
        let copies = moving.iter().filter_map(|(id, one)| {
            let copy = one.copy.borrow().clone()?;
            Some((*id, one.place, copy))
        });
        copies.collect()
    }

    /// Gives a move up whose topic is gone; returns when nothing of it is left.
    pub(crate) async fn end(&self, id: PartitionId) {
        if let Some(one) = self.get(id) {
            let ended = one.ended.wait();
            one.cancelled.set(true);
            one.gone.notify();
            ended.await;
        }
    }
}

impl Broker {
    /// Begins to move a partition to the directory at `path`, as it is named in `log.dirs`; one
    /// that is on its way elsewhere goes there instead.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn move_partition(
        &self,
        topic: &str,
        index: PartitionIndex,
        path: &str,
    ) -> Result<(), MoveRefusal> {
        let mut engines = self.partition_engines().iter();
        let place = engines
            .position(|engine| engine.dir().to_str() == Some(path))
            .ok_or(MoveRefusal::NoDirectory)?;
        let image = self.image();
        let topic = image.topic(topic);
        let known = topic.filter(|topic| topic.partition(index).is_some());
        let Some(known) = known else {
            return Err(match self.engine_works(place) {
                true => MoveRefusal::Unknown,
                false => MoveRefusal::Offline,
            });
        };
        let id = PartitionId {
            topic: known.id,
            index,
        };
        let begun = self.on_core(id.owner(self.cores()), move |broker| {
            std::future::ready(broker.begin_move(id, place))
        });
        begun.await.unwrap_or(Err(MoveRefusal::NotHere))
    }

    pub(crate) fn engine_works(&self, place: usize) -> bool {
        let engine = self.shared.engines.get(place);
        engine.is_some_and(|engine| engine.offline().is_none())
    }

    fn begin_move(&self, id: PartitionId, place: usize) -> Result<(), MoveRefusal> {
        if !self.engine_works(place) {
            return Err(MoveRefusal::Offline);
        }
        let partition = self.shared.hosted.find(id).map_err(|why| match why {
            Unavailable::Offline => MoveRefusal::Offline,
            _ => MoveRefusal::NotHere,
        })?;
        if !partition.log().may_have_future() {
            return Err(MoveRefusal::NameTooLong);
        }
        if let Some(known) = self.shared.moves.get(id) {
            if known.place == place && !known.cancelled.get() {
                return Ok(());
            }
            if known.held.get() {
                // It arrives at this moment; whoever asks again finds it there.
                return Err(MoveRefusal::NotHere);
            }
            known.cancelled.set(true);
        }
        if self.place_of(partition.log().engine()) == Some(place) {
            return Ok(());
        }
        let one = Rc::new(Move {
            place,
            cancelled: Cell::new(false),
            held: Cell::new(false),
            gone: Signal::new(),
            ended: Signal::new(),
            copy: RefCell::default(),
        });
        let mut moving = self.shared.moves.moving.borrow_mut();
        let before = moving.insert(id, Rc::clone(&one));
        let broker = self.clone();
        self.core().spawn(async move {
            // An earlier move goes out of the way; its task holds on to it until its very end.
            while before
                .as_ref()
                .is_some_and(|before| Rc::strong_count(before) > 1)
            {
                broker.core().sleep(Duration::from_millis(1)).await;
            }
            broker.run_move(id, partition, one).await;
        });
        Ok(())
    }

    async fn run_move(&self, id: PartitionId, partition: Partition, one: Rc<Move>) {
        let name = partition.name();
        let moved = self.copy_and_switch(id, &partition, &one).await;
        let to = self.shared.engines.get(one.place).map(Engine::dir);
        let to = to.unwrap_or(std::path::Path::new("")).display();
        match moved {
            Ok(true) => tracing::info!(partition = %name, %to, "moved to another log directory"),
            Ok(false) => tracing::info!(partition = %name, %to, "stays in its log directory"),
            Err(error) => {
                for engine in &self.shared.engines {
                    if matches!(&error, StorageError::Io(io)
                        if std::path::Path::new(&io.subject).starts_with(engine.dir()))
                    {
                        engine.judge(&error);
                    }
                }
                tracing::error!(
                    partition = %name, %to, %error,
                    "not moved; it stays in its log directory"
                );
            }
        }
        one.held.set(false);
        self.catch_up_with_image(id).await;
        {
            let mut moving = self.shared.moves.moving.borrow_mut();
            if moving.get(&id).is_some_and(|known| Rc::ptr_eq(known, &one)) {
                moving.remove(&id);
            }
        }
        one.copy.borrow_mut().take();
        one.ended.notify();
    }

    /// What an image said of the partition while it was held.
    async fn catch_up_with_image(&self, id: PartitionId) {
        let image = self.image();
        let (Some(described), Ok(partition)) = (
            image.partition(id.topic, id.index),
            self.shared.hosted.find(id),
        ) else {
            return;
        };
        let leads = described.leader == Some(self.node_id());
        if leads
            && described.leader_epoch > partition.leader_epoch()
            && let Err(error) = partition.lead(described.leader_epoch).await
        {
            tracing::error!(partition = %partition.name(), %error, "partition cannot lead");
        }
    }

    fn is_over(&self, id: PartitionId, one: &Move) -> bool {
        one.cancelled.get() || self.is_stopping() || self.shared.hosted.find(id).is_err()
    }

    async fn copy_and_switch(
        &self,
        id: PartitionId,
        partition: &Partition,
        one: &Move,
    ) -> Result<bool, StorageError> {
        let Some(engine) = self.shared.engines.get(one.place) else {
            return Ok(false);
        };
        let mut future = partition.begin_copy(engine, id.topic).await?;
        *one.copy.borrow_mut() = Some(future.log().clone());
        match self.fill(id, one, &mut future).await {
            Ok(true) => {}
            Ok(false) => {
                future.abandon().await;
                return Ok(false);
            }
            Err(error) => {
                future.abandon().await;
                return Err(error);
            }
        }
        let held = match partition.hold().await {
            Ok(held) => held,
            Err(error) => {
                future.abandon().await;
                return Err(error);
            }
        };
        one.held.set(true);
        if self.is_over(id, one) {
            future.abandon().await;
            return Ok(false);
        }
        let opened = partition.open_copy(&held, future, id.topic).await?;
        self.switch(id, partition, one, (held, opened)).await
    }

    /// Copies until little is left; false when the move is over.
    async fn fill(
        &self,
        id: PartitionId,
        one: &Move,
        future: &mut FutureLog,
    ) -> Result<bool, StorageError> {
        let begun = self.core().now();
        let (mut copied, mut unflushed) = (0_u64, 0);
        loop {
            if self.is_over(id, one) {
                return Ok(false);
            }
            let bytes = future.copy(SLICE_BYTES).await?;
            if bytes == 0 {
                return Ok(true);
            }
            copied += bytes;
            unflushed += bytes;
            if unflushed >= UNFLUSHED_BYTES_MAX {
                future.log().flush().await?;
                unflushed = 0;
            }
            let rate = self.config().storage.move_bytes_per_second / u64::from(self.cores());
            let due_ms = u128::from(copied) * 1000 / u128::from(rate.max(1));
            let due = Duration::from_millis(u64::try_from(due_ms).unwrap_or(u64::MAX));
            let ahead = due.saturating_sub(self.core().now().saturating_sub(begun));
            if ahead.is_zero() {
                self.core().yield_now().await;
            } else {
                // Not longer than this, so that a move that is over ends.
                self.core().sleep(ahead.min(Duration::from_secs(1))).await;
            }
        }
    }

    /// Lets the controller write down where the partition lies now, and serves it from there.
    async fn switch(
        &self,
        id: PartitionId,
        partition: &Partition,
        one: &Move,
        (held, opened): (Held, Partition),
    ) -> Result<bool, StorageError> {
        let accepted = match self.directories_of(partition, &opened) {
            Some((from, to)) if !self.is_over(id, one) => {
                let gone = one.gone.wait();
                let decided = self.decide_move(id, from, to);
                match first(decided, gone).await {
                    First::Left(accepted) => accepted,
                    // The decision, when its turn comes, finds no partition.
                    First::Right(()) => false,
                }
            }
            _ => false,
        };
        let is_here = self.shared.hosted.ids().contains(&id);
        if !accepted || !is_here {
            drop(held);
            opened.remove().await?;
            return Ok(false);
        }
        opened.configure_as(partition);
        let works = opened.log().engine().offline().is_none();
        self.end_host(id);
        partition.hand_over(held, works.then_some(&opened)).await;
        if !self.shared.hosted.ids().contains(&id) {
            // Its topic was deleted in that moment.
            partition.remove_left().await?;
            opened.remove().await?;
            return Ok(false);
        }
        if works {
            self.shared.hosted.set(id, Hosting::Serving(opened.clone()));
        } else {
            self.shared.hosted.set(id, Hosting::Offline);
            opened.abandon();
        }
        // One may have been started meanwhile, on what is no more.
        self.end_host(id);
        if let Err(error) = partition.remove_left().await {
            let partition = partition.name();
            tracing::warn!(%partition, %error, "its old log is removed at the next start");
        }
        self.start_hosts(&self.image());
        Ok(works)
    }

    /// The ids of the directories of two partitions.
    fn directories_of(&self, from: &Partition, to: &Partition) -> Option<(Uuid, Uuid)> {
        let found = self.shared.found.borrow();
        let id = |partition: &Partition| {
            let place = self.place_of(partition.log().engine())?;
            found.dirs.get(place)?.id
        };
        Some((id(from)?, id(to)?))
    }

    async fn decide_move(&self, id: PartitionId, from: Uuid, to: Uuid) -> bool {
        let node = self.node_id();
        let decided = self.decide(move |image, _random| {
            let lies_there = image
                .partition(id.topic, id.index)
                .is_some_and(|partition| partition.directory_on(node) == Some(from));
            let broker = image.broker(node);
            let both_work = broker.is_some_and(|one| one.has_online(from) && one.has_online(to));
            if !lies_there || !both_work {
                return (Vec::new(), false);
            }
            let assigned = [(id.topic, id.index, to)];
            (decide::assign_directories(image, node, &assigned), true)
        });
        match decided.await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the controller did not write down the move");
                false
            }
        }
    }
}
