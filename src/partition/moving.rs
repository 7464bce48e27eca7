//! A partition goes to another directory of its node (KIP-113).
//!
//! Its log is copied while it serves; then it is held, the rest and what is known of epochs and
//! producers follow, and a new [`Partition`] is opened there as at a start, so that what serves
//! next is what the disk has. Who decides which of the two counts is not this room.
//!
//! Invariants: while a partition is held nothing in it changes; it goes on as it was when the move
//! is given up.

use base::{LeaderEpoch, Uuid};
use storage::{Engine, FutureLog, GateGuard, HeldLog, StorageError};

use crate::append::Appender;
use crate::open::OpenPartition;
use crate::partition::Partition;

/// A partition that takes nothing in while this is held; readers go on.
pub struct Held {
    log: HeldLog,
    _epochs: GateGuard,
}

impl Partition {
    /// Begins a copy of the partition's log in the directory of `engine`.
    ///
    /// # Errors
    /// When either directory refuses.
    pub async fn begin_copy(
        &self,
        engine: &Engine,
        topic_id: Uuid,
    ) -> Result<FutureLog, StorageError> {
        FutureLog::begin(engine, &self.shared.log, topic_id).await
    }

    /// Holds the partition.
    ///
    /// # Errors
    /// When it is closed or its directory is offline.
    pub async fn hold(&self) -> Result<Held, StorageError> {
        let log = self.shared.log.hold().await?;
        let epochs = self.shared.epochs.enter().await;
        Ok(Held {
            log,
            _epochs: epochs,
        })
    }

    /// Finishes a copy and opens it, leading in the same epoch as this one, which is held.
    ///
    /// # Errors
    /// When either directory refuses; this one is as it was.
    pub async fn open_copy(
        &self,
        held: &Held,
        future: FutureLog,
        topic_id: Uuid,
    ) -> Result<Self, StorageError> {
        let engine = future.log().engine().clone();
        let (epochs, producers, epoch) = {
            let replica = self.shared.replica.borrow();
            let (epochs, producers) = (replica.epochs().encode(), replica.producers().encode());
            (epochs, producers, replica.leader_epoch())
        };
        let found = future.finish(&held.log, &epochs, &producers).await?;
        let config = self.shared.config.borrow().as_ref().clone();
        let opened = Self::open(
            &engine,
            OpenPartition {
                name: self.name(),
                topic_id,
                config,
                found: Some(found),
                clean: true,
                leader_epoch: LeaderEpoch::UNKNOWN,
            },
        )
        .await?;
        if epoch >= LeaderEpoch(0) {
            opened.lead(epoch).await?;
        }
        Ok(opened)
    }

    /// Goes by the topic's configuration as `other` does.
    pub fn configure_as(&self, other: &Self) {
        let config = other.shared.config.borrow().as_ref().clone();
        self.configure(&config);
    }

    /// Ends the partition: another one takes its place. Producers that wait for it go on with
    /// `successor`, in their order and before anyone who comes later, so that nobody's first batch
    /// is refused and the second one taken; everybody else is told to ask again.
    pub async fn hand_over(&self, held: Held, successor: Option<&Self>) {
        self.shared.successor.replace(successor.cloned());
        self.abandon();
        self.shared.log.give_up(held.log).await;
    }

    /// Removes the files of a partition that another one has taken the place of.
    ///
    /// # Errors
    /// When they cannot be removed; the next start does it.
    pub async fn remove_left(&self) -> Result<(), StorageError> {
        self.shared.log.remove_files().await
    }

    /// Who goes on with a producer's batch that this partition cannot take any more. A coordinator
    /// begins anew there, and what was asked about a transaction is not known there.
    pub(crate) fn successor_for(&self, appender: Appender) -> Option<Self> {
        if appender != Appender::Producer {
            return None;
        }
        self.shared.successor.borrow().clone()
    }

    /// Ends the partition without touching its files, since they cannot be touched.
    pub fn abandon(&self) {
        self.end_now();
    }
}
