//! Compacting a partition's log: what the topic's configuration and the producers ask for.
//!
//! Invariants: nothing at or above the last stable offset is touched, nor a batch before a producer
//! snapshot behind it outlives a power cut; where a batch cannot be read, the log is left as it is
//! and not tried again before the next start, as in Kafka.

use std::rc::Rc;

use storage::{
    CompactionLimits, CompactionNeed, CompactionReport, CompactionRules, LastOfProducer,
    StorageError,
};

use crate::partition::Partition;

impl Partition {
    /// What there is to compact, where the topic is compacted and it is enough to begin.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn compaction_need(
        &self,
        limits: CompactionLimits,
    ) -> Result<Option<CompactionNeed>, StorageError> {
        let is_compacted = self.shared.config.borrow().cleanup_compact;
        if !is_compacted || self.is_closed() || self.shared.uncleanable.get() {
            return Ok(None);
        }
        let rules = self.compaction_rules(limits);
        self.shared.log.compaction_need(&rules).await
    }

    /// Compacts what `need` says; others go on meanwhile.
    ///
    /// # Errors
    /// When a batch cannot be read, or as the device answers.
    pub async fn compact(
        &self,
        need: &CompactionNeed,
        limits: CompactionLimits,
    ) -> Result<CompactionReport, StorageError> {
        self.remember_producers(need.end).await?;
        let rules = self.compaction_rules(limits);
        let done = self.shared.log.compact(&rules, need).await;
        if matches!(done, Err(StorageError::Corrupt { .. })) {
            self.shared.uncleanable.set(true);
        }
        done
    }

    fn compaction_rules(&self, limits: CompactionLimits) -> CompactionRules {
        let config = Rc::clone(&self.shared.config.borrow());
        let replica = self.shared.replica.borrow();
        let producers = replica.producers().iter().map(|(id, producer)| {
            let last = producer.batches().last();
            let last = LastOfProducer {
                offset: last.map(|batch| batch.last_offset),
                epoch: producer.epoch(),
            };
            (id, last)
        });
        CompactionRules {
            now: self.shared.core.wall(),
            bound: replica.last_stable_offset(),
            min_lag_ms: config.min_compaction_lag_ms,
            max_lag_ms: config.max_compaction_lag_ms,
            min_dirty_ratio: config.min_cleanable_dirty_ratio,
            delete_retention_ms: config.delete_retention_ms,
            producers: producers.collect(),
            limits,
        }
    }
}
