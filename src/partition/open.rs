//! From files to a partition: recovery, producers, epochs.

use base::{LeaderEpoch, Offset, TopicPartition, Uuid};
use batch::BatchView;
use config::TopicConfig;
use replica::{LeaderEpochs, ProducerStates, Replica, ReplicaStart};
use storage::{
    AbortedTransaction, Engine, FoundLog, Log, OpenLog, RecoveryReport, RecoveryVisitor,
    StorageError,
};

use crate::partition::{Partition, log_config};
use crate::planted;
use crate::transactions::aborted;

/// Producers tracked per partition; past it the one unused longest is forgotten.
const PRODUCERS_MAX: usize = 100_000;

/// What is known of a partition before it is opened.
pub struct OpenPartition {
    /// Topic and index.
    pub name: TopicPartition,
    /// The topic's id.
    pub topic_id: Uuid,
    /// The topic's configuration.
    pub config: TopicConfig,
    /// What the data directory has of it; nothing for a new one.
    pub found: Option<FoundLog>,
    /// Whether the node stopped in order the last time.
    pub clean: bool,
    /// The epoch in which it is about to be led, or `UNKNOWN`: a new log is made with it, which
    /// saves the flushes of adding it.
    pub leader_epoch: LeaderEpoch,
}

/// Rebuilds producers while the log is read.
struct Visitor<'a> {
    engine: &'a Engine,
    name: TopicPartition,
    producers: ProducerStates,
    epochs: LeaderEpochs,
    /// Behind the snapshot; what was aborted below it is in the log's own files.
    aborted: Vec<AbortedTransaction>,
}

impl RecoveryVisitor for Visitor<'_> {
    fn load_snapshot(&mut self, offset: Offset, bytes: &[u8]) -> bool {
        match ProducerStates::decode(bytes, PRODUCERS_MAX) {
            Ok(producers) => {
                self.producers = producers;
                true
            }
            Err(error) => {
                tracing::warn!(partition = %self.name, %offset, %error, "snapshot passed over");
                false
            }
        }
    }

    fn replay(&mut self, batch: &BatchView<'_>) {
        if batch.leader_epoch() >= LeaderEpoch(0) {
            self.epochs
                .assign(batch.leader_epoch(), batch.base_offset());
        }
        match self.producers.replay(batch, &mut self.engine.scratch()) {
            Ok(ended) => self.aborted.extend(ended.and_then(aborted)),
            Err(error) => {
                // Its checksum is right, so somebody wrote it this way; no producer depends on it.
                let offset = batch.base_offset();
                tracing::warn!(partition = %self.name, %offset, %error, "marker passed over");
            }
        }
    }

    fn progress(&mut self, done_bytes: u64, all_bytes: u64) {
        tracing::info!(
            partition = %self.name,
            done_mib = done_bytes >> 20,
            all_mib = all_bytes >> 20,
            "recovering"
        );
    }
}

impl Partition {
    /// Opens a partition, or makes it where the directory has nothing of it. It follows nobody
    /// until it is told to lead.
    ///
    /// # Errors
    /// When its files are damaged below what was known to be durable, or the device refuses.
    pub async fn open(engine: &Engine, open: OpenPartition) -> Result<Self, StorageError> {
        let config = log_config(&open.config);
        let bug = planted::of_replica(engine.planted());
        let Some(found) = open.found else {
            let mut epochs = LeaderEpochs::new();
            if open.leader_epoch >= LeaderEpoch(0) {
                epochs.assign(open.leader_epoch, Offset(0));
            }
            let text = epochs.latest().map(|_| epochs.encode());
            let log = Log::create(engine, open.name, open.topic_id, config, text.as_deref());
            let log = log.await?;
            let start = ReplicaStart {
                log_start: Offset(0),
                log_end: Offset(0),
                high_watermark: Offset(0),
                epochs,
                producers: ProducerStates::new(PRODUCERS_MAX),
            };
            let replica = Replica::with_bug(start, bug);
            return Ok(Self::new(engine.core(), log, replica, open.config));
        };
        let mut visitor = Visitor {
            engine,
            name: open.name.clone(),
            producers: ProducerStates::new(PRODUCERS_MAX),
            epochs: LeaderEpochs::new(),
            aborted: Vec::new(),
        };
        let open_log = OpenLog {
            partition: open.name,
            config,
            recovery_point: found.recovery_point,
            log_start: found.log_start,
            clean: open.clean,
        };
        let (log, report) = Log::open(engine, &open_log, &mut visitor).await?;
        tell(&open_log.partition, &report);
        for aborted in visitor.aborted {
            log.note_aborted(aborted);
        }
        let epochs = read_epochs(&log, visitor.epochs).await?;
        let start = ReplicaStart {
            log_start: log.log_start(),
            log_end: log.log_end(),
            // Alone in sync, everything that recovery kept is agreed upon.
            high_watermark: log.log_end(),
            epochs,
            producers: visitor.producers,
        };
        let replica = Replica::with_bug(start, bug);
        Ok(Self::new(engine.core(), log, replica, open.config))
    }
}

/// The epochs as written down, cut where the log ends, with those that recovery saw behind them.
async fn read_epochs(log: &Log, seen: LeaderEpochs) -> Result<LeaderEpochs, StorageError> {
    let mut epochs = match log.read_epochs().await? {
        None => LeaderEpochs::new(),
        Some(text) => LeaderEpochs::decode(&text).map_err(|error| StorageError::Metadata {
            path: log.dir(),
            reason: format!("leader-epoch-checkpoint: {error}; delete it, it is made again"),
        })?,
    };
    epochs.truncate_from_end(log.log_end());
    for entry in seen.iter() {
        if epochs
            .latest()
            .is_none_or(|latest| latest.epoch < entry.epoch)
        {
            epochs.assign(entry.epoch, entry.start);
        }
    }
    // The process may have died between the log's new start and the epochs' file, and recovery
    // also sees what lies below that start.
    epochs.truncate_from_start(log.log_start());
    Ok(epochs)
}

fn tell(name: &TopicPartition, report: &RecoveryReport) {
    if let Some(tail) = &report.torn_tail {
        tracing::warn!(
            partition = %name,
            file = %tail.path.display(),
            position = tail.position,
            offset = %tail.offset,
            reason = %tail.fault,
            "cut a torn tail that was never acknowledged"
        );
    }
    if report.bytes_scanned > 0 {
        tracing::info!(
            partition = %name,
            segments = report.segments_scanned,
            mib = report.bytes_scanned >> 20,
            batches_replayed = report.batches_replayed,
            "recovered"
        );
    }
}
