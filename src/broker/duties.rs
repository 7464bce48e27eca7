//! What a core does for its partitions when nobody asks: retention, and forgetting producers.
//!
//! Invariants: one partition at a time, so that the background never has more than one hand on the
//! device; a partition whose duty fails is told of and tried again, the others do not wait for it.

use std::time::Duration;

use base::Timestamp;

use crate::broker::Broker;

/// How often producers are looked at that may be forgotten: Kafka's
/// `producer.id.expiration.check.interval.ms`.
const EXPIRY_INTERVAL_MS: i64 = 600_000;

impl Broker {
    /// Begins this core's background work.
    pub(crate) fn start_duties(&self) {
        let broker = self.clone();
        self.core()
            .spawn(async move { broker.retain_for_ever().await });
    }

    async fn retain_for_ever(self) {
        let mut wait = self.config().storage.task_delay_ms;
        let mut expired = self.core().wall();
        loop {
            let interval = self.config().storage.retention_check_interval_ms;
            self.core()
                .sleep(Duration::from_millis(wait.min(interval)))
                .await;
            if self.is_stopping() {
                return;
            }
            wait = interval;
            self.retain_all().await;
            self.expire_producers(&mut expired);
        }
    }

    /// Looks at each partition once.
    async fn retain_all(&self) {
        for partition in self.shared.hosted.serving() {
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

    fn expire_producers(&self, expired: &mut Timestamp) {
        let now = self.core().wall();
        if now.0.saturating_sub(expired.0) < EXPIRY_INTERVAL_MS {
            return;
        }
        *expired = now;
        let expiration = self.config().storage.producer_id_expiration_ms;
        let expiration = i64::try_from(expiration).unwrap_or(i64::MAX);
        for partition in self.shared.hosted.serving() {
            partition.expire_producers(expiration);
        }
    }
}
