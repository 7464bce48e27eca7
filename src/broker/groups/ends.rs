//! Telling coordinators how far the logs reach that their groups read.
//!
//! A commit is compared with the end as it was a moment ago, since asking another core for each
//! commit would cost more than the commit. So a lag is at worst too small by what arrives in
//! [`INTERVAL`], which errs on the side of not waking anybody.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::{PartitionIndex, Timestamp};

use crate::broker::Broker;

/// How often ends are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// Partitions that nobody committed to for so long are not looked at.
const SILENCE_MS_MAX: i64 = 600_000;
/// So many partitions are looked at in each interval; with more, the intervals are longer.
const PARTITIONS_PER_INTERVAL: usize = 4096;

impl Broker {
    /// Tells this core's coordinators for as long as the node runs.
    pub(crate) async fn tell_ends_for_ever(self) {
        let mut wait = INTERVAL;
        while !self.is_stopping() {
            self.core().sleep(wait).await;
            let recent = self.recently_committed();
            let intervals = recent.len().div_ceil(PARTITIONS_PER_INTERVAL).max(1);
            wait = INTERVAL * u32::try_from(intervals).unwrap_or(u32::MAX);
            if !recent.is_empty() {
                let ends = self.log_ends(recent).await;
                self.shared.groups.tell_ends(&Arc::new(ends));
            }
        }
    }

    fn recently_committed(&self) -> Vec<(String, PartitionIndex)> {
        let since = Timestamp(self.core().wall().get().saturating_sub(SILENCE_MS_MAX));
        let recent = self.look_at_hosts(|machine| {
            let recent: BTreeSet<_> = machine.committed_since(since).collect();
            let recent = recent.into_iter();
            recent
                .map(|(topic, partition)| (topic.to_owned(), partition))
                .collect()
        });
        let recent: BTreeSet<_> = recent.into_iter().collect();
        recent.into_iter().collect()
    }
}
