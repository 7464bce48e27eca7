//! What a core does so that damage on its devices is found and told of.
//!
//! Invariants: one partition at a time and not faster than `forebay.scrub.bytes.per.second` allows
//! over all cores; a damaged place is logged once, and many at once are told of together, so that
//! a dying device does not fill the log.

use std::time::Duration;

use base::{Random, usize_from_u64};
use partition::Partition;
use reactor::First;
use storage::{Engine, ScrubReport};

use crate::broker::Broker;

/// How soon a change of the configuration or the end of the node is noticed.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// How many damages are logged one by one before a rest.
const TOLD_AT_ONCE: usize = 8;
/// How long the log rests between two reports of damage.
const TELL_INTERVAL: Duration = Duration::from_secs(5);

impl Broker {
    /// Begins this core's search for damage.
    pub(crate) fn start_scrub(&self) {
        for engine in &self.shared.engines {
            let (broker, dir) = (self.clone(), engine.clone());
            self.core()
                .spawn(async move { broker.tell_damage_for_ever(dir).await });
        }
        let broker = self.clone();
        self.core()
            .spawn(async move { broker.scrub_for_ever().await });
    }

    /// Tells people what readers and the scrub have found.
    async fn tell_damage_for_ever(self, dir: Engine) {
        loop {
            let found = dir.damage_found();
            let found = reactor::first(found, self.core().sleep(WATCH_INTERVAL)).await;
            if self.is_stopping() {
                return;
            }
            let First::Left((found, omitted)) = found else {
                continue;
            };
            let more = (found.len().saturating_sub(TOLD_AT_ONCE) as u64).saturating_add(omitted);
            for damage in found.iter().take(TOLD_AT_ONCE) {
                tracing::error!("{damage}");
            }
            if more > 0 {
                tracing::error!(
                    more,
                    "more damaged places were found; check the device, and count them in \
                     forebay_damages_found_total"
                );
            }
            self.core().sleep(TELL_INTERVAL).await;
        }
    }

    async fn scrub_for_ever(self) {
        // Not at once: a node that starts has other things to read.
        let mut due = self.core().now()
            + Duration::from_millis(self.config().storage.task_delay_ms).min(
                Duration::from_millis(self.config().storage.scrub.interval_ms),
            );
        loop {
            self.core().sleep(WATCH_INTERVAL).await;
            if self.is_stopping() {
                return;
            }
            let scrub = self.config().storage.scrub;
            if !scrub.is_enabled || self.core().now() < due {
                continue;
            }
            due = self.core().now() + Duration::from_millis(scrub.interval_ms);
            self.scrub_all().await;
        }
    }

    /// Reads all partitions, beginning anywhere: a node that is started again and again comes to
    /// all of them nevertheless.
    async fn scrub_all(&self) {
        let progress = &self.shared.progress;
        let mut partitions = self.shared.hosted.serving();
        if partitions.is_empty() {
            return;
        }
        let mut random = Random::new(self.core().entropy());
        let first = random.below(partitions.len() as u64);
        partitions.rotate_left(usize_from_u64(first));
        progress.scrub_left.set(partitions.len() as u64);
        for partition in partitions {
            let scrub = self.config().storage.scrub;
            if self.is_stopping() || !scrub.is_enabled {
                progress.scrub_left.set(0);
                return;
            }
            let rate = scrub.bytes_per_second / u64::from(self.cores());
            tell(&partition, &partition.log().scrub(rate).await);
            progress.scrub_left.set(progress.scrub_left.get() - 1);
            self.core().yield_now().await;
        }
        progress.scrubbed.set(Some(self.core().wall()));
    }
}

/// Tells what is not told of as damage.
fn tell(partition: &Partition, report: &ScrubReport) {
    if partition.is_closed() {
        return;
    }
    let partition = partition.name();
    for error in &report.failures {
        tracing::error!(
            %partition,
            %error,
            "a complete segment cannot be read; check the device"
        );
    }
    if report.indexes_rebuilt > 0 {
        let indexes = report.indexes_rebuilt;
        tracing::warn!(
            %partition,
            indexes,
            "indexes did not agree with their segments and were made again; check the device"
        );
    }
}
