//! The partition itself: its parts, its leadership, its end.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use base::{LeaderEpoch, Offset, TopicPartition};
use config::TopicConfig;
use reactor::{Core, Signal};
use replica::{Effects, Replica};
use storage::{FlushPolicy, Gate, GateGuard, Log, LogConfig, LogListener, StorageError};

use crate::turns::Turns;

/// One partition on the core that owns it. Cheap to clone; clones share the partition.
#[derive(Clone)]
pub struct Partition {
    pub(crate) shared: Rc<Shared>,
}

pub(crate) struct Shared {
    /// For tasks of its own.
    this: Weak<Self>,
    pub(crate) core: Core,
    pub(crate) log: Log,
    pub(crate) replica: RefCell<Replica>,
    pub(crate) config: RefCell<Rc<TopicConfig>>,
    /// Notified when readers may see more, or less, or nothing ever again.
    pub(crate) changed: Signal,
    /// Held by whoever changes the epochs or the log's start, so that the epochs' file is written
    /// in the order of their changes.
    pub(crate) epochs: Gate,
    /// Whether the epochs' file lacks an epoch.
    epochs_unwritten: Cell<bool>,
    /// Held by whoever writes a producer snapshot.
    snapshots: Gate,
    /// Held by a client's transactional append until it is admitted.
    pub(crate) turns: Turns,
    /// Whether what is appended may use the room that is kept back on a full disk.
    pub(crate) is_from_reserve: bool,
    /// True once compaction met a batch that cannot be read.
    pub(crate) uncleanable: Cell<bool>,
    /// Who has taken this partition's place.
    pub(crate) successor: RefCell<Option<Partition>>,
    /// Nothing more is appended.
    closed: Cell<bool>,
    /// Nothing more becomes durable.
    ended: Cell<bool>,
}

/// The topics in which Kafka keeps what consumers and producers rely on: small, and compacted.
const RESERVED_TOPICS: [&str; 3] = [
    "__consumer_offsets",
    "__share_group_state",
    "__transaction_state",
];

/// What a topic's configuration means for its logs.
pub(crate) fn log_config(config: &TopicConfig) -> LogConfig {
    let flush = if config.acknowledges_from_device() {
        FlushPolicy::AtOnce
    } else {
        FlushPolicy::Later {
            messages: config.flush_messages,
            after: Duration::from_millis(config.flush_ms),
        }
    };
    // A record that must be compacted soon must not wait in the active segment (KIP-354).
    let segment_ms = if config.cleanup_compact {
        config.segment_ms.min(config.max_compaction_lag_ms)
    } else {
        config.segment_ms
    };
    LogConfig {
        segment_bytes: config.segment_bytes,
        segment_ms: i64::try_from(segment_ms).unwrap_or(i64::MAX),
        segment_jitter_ms: i64::try_from(config.segment_jitter_ms).unwrap_or(i64::MAX),
        index_interval_bytes: config.index_interval_bytes,
        segment_index_bytes: config.segment_index_bytes,
        flush,
        file_delete_delay: Duration::from_millis(config.file_delete_delay_ms),
    }
}

impl Partition {
    pub(crate) fn new(core: &Core, log: Log, replica: Replica, config: TopicConfig) -> Self {
        let partition = Self {
            shared: Rc::new_cyclic(|this| Shared {
                this: this.clone(),
                core: core.clone(),
                log: log.clone(),
                replica: RefCell::new(replica),
                config: RefCell::new(Rc::new(config)),
                changed: Signal::new(),
                epochs: Gate::default(),
                epochs_unwritten: Cell::new(false),
                snapshots: Gate::default(),
                turns: Turns::default(),
                is_from_reserve: RESERVED_TOPICS.contains(&log.partition().topic.as_str()),
                uncleanable: Cell::new(false),
                successor: RefCell::new(None),
                closed: Cell::new(false),
                ended: Cell::new(false),
            }),
        };
        log.set_listener(partition.shared.this.clone());
        partition
    }

    /// Topic and index.
    #[must_use]
    pub fn name(&self) -> TopicPartition {
        self.shared.log.partition().clone()
    }

    /// The epoch of the present leader.
    #[must_use]
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.shared.replica.borrow().leader_epoch()
    }

    /// The first offset that can be read.
    #[must_use]
    pub fn log_start_offset(&self) -> Offset {
        self.shared.replica.borrow().log_start()
    }

    /// Up to where consumers read.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        self.shared.replica.borrow().high_watermark()
    }

    /// Up to where consumers of committed records read.
    #[must_use]
    pub fn last_stable_offset(&self) -> Offset {
        self.shared.replica.borrow().last_stable_offset()
    }

    /// The partition's log, for what concerns its files.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// Takes over a changed topic configuration; it counts from the next batch on.
    pub fn configure(&self, config: &TopicConfig) {
        self.shared.log.configure(log_config(config));
        *self.shared.config.borrow_mut() = Rc::new(config.clone());
    }

    /// Begins to lead in `epoch`. Its batches tell of it (KIP-101); the epochs' file does before a
    /// producer snapshot behind its start, since recovery reads batches from such a snapshot on.
    /// So a node with many partitions starts without a flush for each.
    ///
    /// # Errors
    /// When the log was closed or its directory went offline.
    pub async fn lead(&self, epoch: LeaderEpoch) -> Result<(), StorageError> {
        let _epochs = self.shared.epochs.enter().await;
        self.shared.log.check_open()?;
        let effects = {
            let mut replica = self.shared.replica.borrow_mut();
            replica.handle_lead(epoch, &[], 1)
        };
        if effects.persist_epochs {
            self.shared.epochs_unwritten.set(true);
        }
        self.shared.tell(&effects);
        Ok(())
    }

    /// Ends in order: everything appended is on the device, the producers' states are written
    /// down, the active segment has its true size.
    ///
    /// # Errors
    /// When the device refuses; a later start recovers then.
    pub async fn close(&self) -> Result<(), StorageError> {
        if self.shared.closed.replace(true) {
            return Ok(());
        }
        if let Err(error) = self.shared.log.flush().await {
            self.shared.end();
            return Err(error);
        }
        let (end, bytes) = {
            let replica = self.shared.replica.borrow();
            (replica.log_end(), replica.producers().encode())
        };
        // A log without a record has no producers.
        let written = match end {
            Offset(0) => Ok(()),
            end => self.shared.write_snapshot(end, &bytes).await,
        };
        let closed = self.shared.log.close().await;
        self.shared.end();
        written.and(closed)
    }

    /// Removes the partition's files; who waits for it is told that it is gone.
    ///
    /// # Errors
    /// When the files cannot be removed.
    pub async fn remove(&self) -> Result<(), StorageError> {
        self.shared.closed.set(true);
        self.shared.end();
        self.shared.log.remove().await
    }

    /// Sees to it that a producer snapshot at `end` or above outlives a power cut, before batches
    /// below `end` go. Without it a restart would not know all of a producer's last batches, and
    /// refuse one that comes again.
    pub(crate) async fn remember_producers(&self, end: Offset) -> Result<(), StorageError> {
        let log = &self.shared.log;
        let _alone = self.shared.snapshots.enter().await;
        if log.durable_snapshot() >= Some(end) {
            return Ok(());
        }
        let (now, bytes) = {
            let replica = self.shared.replica.borrow();
            (replica.log_end(), replica.producers().encode())
        };
        log.flush_soon();
        log.wait_durable(now).await?;
        self.shared.write_snapshot(now, &bytes).await
    }

    pub(crate) fn end_now(&self) {
        self.shared.closed.set(true);
        self.shared.end();
    }

    /// True once it is being closed or removed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.closed.get()
    }

    /// Forgets producers that were silent for `expiration_ms` (KIP-854); how many went.
    pub fn expire_producers(&self, expiration_ms: i64) -> usize {
        let now = self.shared.core.wall();
        self.shared
            .replica
            .borrow_mut()
            .handle_expiry(now, expiration_ms)
    }
}

impl Shared {
    /// Tells everyone who waits that nothing more will come.
    fn end(&self) {
        self.ended.set(true);
        self.changed.notify();
    }

    /// Writes the producers' states as of `offset`, and before them the epochs that begin below.
    async fn write_snapshot(&self, offset: Offset, bytes: &[u8]) -> Result<(), StorageError> {
        if self.epochs_unwritten.get() {
            let alone = self.epochs.enter().await;
            self.write_epochs(&alone).await?;
        }
        self.log.write_snapshot(offset, bytes).await
    }

    /// Writes the epochs as they are now, alone.
    pub(crate) async fn write_epochs(&self, _alone: &GateGuard) -> Result<(), StorageError> {
        let text = self.replica.borrow().epochs().encode();
        self.log.write_epochs(&text).await?;
        self.epochs_unwritten.set(false);
        Ok(())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    pub(crate) fn tell(&self, effects: &Effects) {
        if effects.high_watermark.is_some() || effects.last_stable_offset.is_some() {
            self.changed.notify();
        }
    }
}

impl LogListener for Shared {
    fn handle_durable(&self, end: Offset) {
        let effects = self.replica.borrow_mut().handle_durable(end);
        self.tell(&effects);
    }

    fn handle_roll(&self, base: Offset) {
        // At this moment the producers' states are exactly those as of `base`.
        let bytes = self.replica.borrow().producers().encode();
        let Some(shared) = self.this.upgrade() else {
            return;
        };
        self.core.spawn(async move {
            let _alone = shared.snapshots.enter().await;
            if let Err(error) = shared.write_snapshot(base, &bytes).await {
                tracing::warn!(
                    partition = %shared.log.partition(), %base, %error,
                    "producer snapshot not written; a restart reads more"
                );
            }
        });
    }

    fn handle_offline(&self, error: &StorageError) {
        tracing::error!(partition = %self.log.partition(), %error, "partition offline");
        self.changed.notify();
    }
}
