//! What a core does for its partitions when nobody asks: retention, compaction, and forgetting
//! producers.
//!
//! Invariants: one partition of a directory at a time, so that the background never has more than one hand on the
//! device; a partition whose duty fails is told of and tried again, the others do not wait for it.

use std::time::Duration;

use base::usize_from_u32;
use partition::Partition;
use storage::{CompactionLimits, CompactionNeed, DiskBounds, DiskLevel, Engine, StorageError};

use crate::broker::Broker;

/// How often retention is checked while there is little room.
const PRESSED_INTERVAL: Duration = Duration::from_secs(10);
/// How often the disk's room is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// The most that one batch may unpack to while it is compacted.
const COMPACTED_BATCH_BYTES_MAX: usize = 1 << 30;

impl Broker {
    /// Begins this core's background work.
    pub(crate) fn start_duties(&self) {
        let broker = self.clone();
        self.core()
            .spawn(async move { broker.tell_ends_for_ever().await });
        let broker = self.clone();
        self.core()
            .spawn(async move { broker.serve_transactions_for_ever().await });
        // Each directory has its own, so that a slow one holds up no other.
        for engine in self.partition_engines() {
            let (broker, dir) = (self.clone(), engine.clone());
            self.core()
                .spawn(async move { broker.retain_for_ever(dir).await });
            let (broker, dir) = (self.clone(), engine.clone());
            self.core()
                .spawn(async move { broker.compact_for_ever(dir).await });
        }
    }

    async fn retain_for_ever(self, dir: Engine) {
        let mut wait = Duration::from_millis(self.config().storage.task_delay_ms);
        let mut checked = self.core().now();
        let mut expired = self.core().now();
        let mut level = DiskLevel::Ample;
        loop {
            let interval = self.config().storage.retention_check_interval_ms;
            let interval = match self.watch_disk(&dir, &mut level) {
                DiskLevel::Ample => Duration::from_millis(interval),
                DiskLevel::Low | DiskLevel::Full => PRESSED_INTERVAL.min(wait),
            };
            self.expire_producers(&dir, &mut expired);
            wait = wait.min(interval);
            let left = (checked + wait).saturating_sub(self.core().now());
            if !left.is_zero() {
                self.core().sleep(left.min(WATCH_INTERVAL)).await;
                if self.is_stopping() {
                    return;
                }
                continue;
            }
            self.retain_all(&dir).await;
            let progress = &self.shared.progress;
            progress.retained.set(Some(self.core().wall()));
            checked = self.core().now();
            wait = Duration::from_millis(self.config().storage.retention_check_interval_ms);
        }
    }

    /// Tells the engine how much room is to be kept, and people when there is little.
    fn watch_disk(&self, engine: &Engine, known: &mut DiskLevel) -> DiskLevel {
        let storage = &self.config().storage;
        engine.set_disk_bounds(DiskBounds {
            soft_free: storage.disk_soft_free_bytes,
            hard_free: storage.disk_hard_free_bytes,
        });
        let level = engine.disk_level();
        let dir = engine.dir().display();
        let free_mib = engine.disk_free().unwrap_or(0) >> 20;
        match level {
            level if level == *known => {}
            DiskLevel::Ample => tracing::info!(%dir, free_mib, "the disk has room again"),
            DiskLevel::Low => tracing::warn!(
                %dir,
                free_mib,
                "the disk has less room than forebay.disk.soft.free.bytes; delete topics, keep \
                 less (retention.ms, retention.bytes) or make room"
            ),
            DiskLevel::Full => tracing::error!(
                %dir,
                free_mib,
                "the disk is full: producers are refused until there is more room than \
                 forebay.disk.hard.free.bytes"
            ),
        }
        *known = level;
        level
    }

    /// Looks at each partition once.
    async fn retain_all(&self, dir: &Engine) {
        for partition in self.shared.hosted.serving_in(dir) {
            if self.is_stopping() {
                return;
            }
            match partition.retain().await {
                Ok(0) => {}
                Ok(segments) => {
                    let log_start = partition.log_start_offset();
                    let partition = partition.name();
                    tracing::info!(%partition, segments, %log_start, "old segments removed");
                }
                Err(_) if partition.is_closed() => {}
                Err(error) => {
                    let partition = partition.name();
                    tracing::warn!(%partition, %error, "old segments not removed");
                }
            }
            self.core().yield_now().await;
        }
    }

    async fn compact_for_ever(self, dir: Engine) {
        loop {
            let cleaner = self.config().storage.cleaner;
            let backoff = Duration::from_millis(cleaner.backoff_ms.max(1));
            self.core().sleep(backoff).await;
            while !self.is_stopping() && cleaner.is_enabled {
                let limits = self.compaction_limits();
                let Some((partition, need)) = self.filthiest(&dir, limits).await else {
                    break;
                };
                if !self.compact(&partition, &need, limits).await {
                    break;
                }
            }
            if self.is_stopping() {
                return;
            }
        }
    }

    /// What compaction of one directory may use on this core.
    fn compaction_limits(&self) -> CompactionLimits {
        let cleaner = self.config().storage.cleaner;
        let shares = u64::from(self.cores()) * self.partition_engines().len().max(1) as u64;
        CompactionLimits {
            keys_bytes: cleaner.keys_bytes / shares,
            keys_load_percent: cleaner.keys_load_percent,
            buffer_bytes: usize_from_u32(cleaner.buffer_bytes),
            bytes_per_second: cleaner.bytes_per_second / shares,
            batch_bytes_max: COMPACTED_BATCH_BYTES_MAX,
        }
    }

    /// The partition that is to be compacted next: one that is overdue, else the dirtiest.
    async fn filthiest(
        &self,
        dir: &Engine,
        limits: CompactionLimits,
    ) -> Option<(Partition, CompactionNeed)> {
        let mut best: Option<(Partition, CompactionNeed)> = None;
        let (mut dirty, mut ratio) = (0, 0.0_f64);
        for partition in self.shared.hosted.serving_in(dir) {
            let need = match partition.compaction_need(limits).await {
                Ok(Some(need)) => need,
                Ok(None) => continue,
                Err(error) => {
                    tell_uncompacted(&partition, &error);
                    continue;
                }
            };
            dirty += 1;
            ratio = ratio.max(need.dirty_ratio);
            let rank = |need: &CompactionNeed| (need.is_overdue, need.dirty_ratio);
            if best
                .as_ref()
                .is_none_or(|(_, known)| rank(&need) > rank(known))
            {
                best = Some((partition, need));
            }
        }
        let progress = &self.shared.progress;
        progress.partitions_dirty.set(dirty);
        progress.dirty_ratio_max.set(ratio);
        progress.compaction_looked.set(Some(self.core().wall()));
        best
    }

    /// One run; whether another one may follow at once.
    async fn compact(
        &self,
        partition: &Partition,
        need: &CompactionNeed,
        limits: CompactionLimits,
    ) -> bool {
        let begun = self.core().now();
        let report = match partition.compact(need, limits).await {
            Ok(report) => report,
            // It ends, or begins to move to another directory.
            Err(StorageError::Closed) => return false,
            Err(error) => {
                tell_uncompacted(partition, &error);
                return false;
            }
        };
        let partition = partition.name();
        if report.end <= need.first_dirty {
            tracing::warn!(
                %partition,
                "not compacted: the keys of one batch do not fit into the memory for keys; raise \
                 log.cleaner.dedupe.buffer.size"
            );
            return false;
        }
        let progress = &self.shared.progress;
        progress.compacted.set(Some(self.core().wall()));
        let took = self.core().now().saturating_sub(begun);
        tracing::info!(
            %partition,
            end = %report.end,
            keys = report.keys,
            records_dropped = report.records_dropped,
            bytes_read = report.bytes_read,
            bytes_written = report.bytes_written,
            segments_before = report.segments_before,
            segments_after = report.segments_after,
            ?took,
            "compacted"
        );
        true
    }

    /// Forgets idle producers when `producer.id.expiration.check.interval.ms` has passed.
    fn expire_producers(&self, dir: &Engine, expired: &mut Duration) {
        let storage = &self.config().storage;
        let interval = Duration::from_millis(storage.producer_id_expiration_check_interval_ms);
        let now = self.core().now();
        if now.saturating_sub(*expired) < interval {
            return;
        }
        *expired = now;
        let expiration = storage.producer_id_expiration_ms;
        let expiration = i64::try_from(expiration).unwrap_or(i64::MAX);
        for partition in self.shared.hosted.serving_in(dir) {
            partition.expire_producers(expiration);
        }
    }
}

fn tell_uncompacted(partition: &Partition, error: &StorageError) {
    if !partition.is_closed() {
        let partition = partition.name();
        tracing::warn!(%partition, %error, "not compacted");
    }
}
