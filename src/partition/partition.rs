//! The partition itself: its parts, its leadership, its end.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use base::{LeaderEpoch, Offset, TopicPartition};
use batch::Scratch;
use config::TopicConfig;
use reactor::{Core, Signal};
use replica::{Effects, Replica};
use storage::{FlushPolicy, Log, LogConfig, LogListener, StorageError};

/// One partition on the core that owns it. Cheap to clone; clones share the partition.
#[derive(Clone)]
pub struct Partition {
    pub(crate) shared: Rc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) core: Core,
    pub(crate) log: Log,
    pub(crate) replica: RefCell<Replica>,
    pub(crate) config: RefCell<Rc<TopicConfig>>,
    pub(crate) scratch: RefCell<Scratch>,
    /// Notified when readers may see more, or less, or nothing ever again.
    pub(crate) changed: Signal,
    /// Nothing more is appended.
    closed: Cell<bool>,
    /// Nothing more becomes durable.
    ended: Cell<bool>,
}

/// What a topic's configuration means for its logs.
pub(crate) fn log_config(config: &TopicConfig) -> LogConfig {
    let flush = if config.acknowledges_from_device() {
        FlushPolicy::AtOnce
    } else {
        FlushPolicy::Later {
            messages: config.flush_messages,
            after: std::time::Duration::from_millis(config.flush_ms),
        }
    };
    LogConfig {
        segment_bytes: config.segment_bytes,
        segment_ms: i64::try_from(config.segment_ms).unwrap_or(i64::MAX),
        index_interval_bytes: config.index_interval_bytes,
        segment_index_bytes: config.segment_index_bytes,
        flush,
    }
}

impl Partition {
    pub(crate) fn new(core: &Core, log: Log, replica: Replica, config: TopicConfig) -> Self {
        let partition = Self {
            shared: Rc::new(Shared {
                core: core.clone(),
                log: log.clone(),
                replica: RefCell::new(replica),
                config: RefCell::new(Rc::new(config)),
                scratch: RefCell::new(Scratch::new()),
                changed: Signal::new(),
                closed: Cell::new(false),
                ended: Cell::new(false),
            }),
        };
        let listener: Rc<dyn LogListener> = Rc::clone(&partition.shared) as Rc<dyn LogListener>;
        let listener: Weak<dyn LogListener> = Rc::downgrade(&listener);
        log.set_listener(listener);
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

    /// Begins to lead in `epoch`; the epoch is on the device when this returns, before the first
    /// batch of it can be (KIP-101).
    ///
    /// # Errors
    /// When the device refuses.
    pub async fn lead(&self, epoch: LeaderEpoch) -> Result<(), StorageError> {
        // A batch that comes meanwhile would be of the new epoch before the device knows it.
        let _alone = self.shared.log.hold_appends().await;
        let (effects, text) = {
            let mut replica = self.shared.replica.borrow_mut();
            let effects = replica.handle_lead(epoch, &[], 1);
            (effects, replica.epochs().encode())
        };
        if effects.persist_epochs {
            self.shared.log.write_epochs(&text).await?;
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
        let written = self.shared.log.write_snapshot(end, &bytes).await;
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

    /// True once it is being closed or removed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.closed.get()
    }

    /// Forgets what is below `offset`, at the high watermark where that is -1 (KIP-107); the
    /// first offset that can be read from then on.
    ///
    /// # Errors
    /// `OutOfRange` above the high watermark.
    pub async fn delete_records(&self, offset: Offset) -> Result<Offset, StorageError> {
        let high_watermark = self.high_watermark();
        let to = if offset == Offset(-1) {
            high_watermark
        } else {
            offset
        };
        if to > high_watermark || to < Offset(0) {
            return Err(StorageError::OutOfRange {
                offset: to,
                log_start: self.log_start_offset(),
                log_end: high_watermark,
            });
        }
        let _alone = self.shared.log.hold_appends().await;
        let (effects, text) = {
            let mut replica = self.shared.replica.borrow_mut();
            let effects = replica.handle_log_start(to);
            (effects, replica.epochs().encode())
        };
        if effects.persist_epochs {
            self.shared.log.write_epochs(&text).await?;
        }
        self.shared
            .log
            .advance_log_start(self.log_start_offset())
            .await?;
        self.shared.changed.notify();
        Ok(self.log_start_offset())
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
        let log = self.log.clone();
        self.core.spawn(async move {
            if let Err(error) = log.write_snapshot(base, &bytes).await {
                tracing::warn!(
                    partition = %log.partition(), %base, %error,
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
