//! Letting go of a log's beginning: because it is old, because the log is large, because somebody
//! asks for it.
//!
//! Invariants: nothing at or above the high watermark goes; the new start is durable before anyone
//! can see it, and before the first file goes, so what went never comes back.

use base::Offset;
use storage::{RetentionLimits, StorageError};

use crate::error::DeleteRecordsError;
use crate::partition::Partition;

/// The offset that stands for the high watermark in DeleteRecords (KIP-107).
const HIGH_WATERMARK: Offset = Offset(-1);

impl Partition {
    /// Forgets what is below `offset`, at the high watermark where that is -1 (KIP-107); the
    /// first offset that can be read from then on.
    ///
    /// # Errors
    /// `OutOfRange` above the high watermark and below zero; `Policy` on a topic that is only
    /// compacted.
    pub async fn delete_records(&self, offset: Offset) -> Result<Offset, DeleteRecordsError> {
        let config = std::rc::Rc::clone(&self.shared.config.borrow());
        if config.cleanup_compact && !config.cleanup_delete {
            return Err(DeleteRecordsError::Policy);
        }
        let high_watermark = self.high_watermark();
        let to = if offset == HIGH_WATERMARK {
            high_watermark
        } else {
            offset
        };
        if to > high_watermark || to < Offset(0) {
            return Err(DeleteRecordsError::OutOfRange);
        }
        self.move_log_start(to).await?;
        self.remove_below_start().await?;
        Ok(self.log_start_offset())
    }

    /// Lets go of the segments that `retention.ms` and `retention.bytes` do not keep; how many
    /// went.
    ///
    /// # Errors
    /// When the device refuses; the next check tries again.
    pub async fn retain(&self) -> Result<usize, StorageError> {
        if self.is_closed() {
            return Ok(0);
        }
        let config = std::rc::Rc::clone(&self.shared.config.borrow());
        if config.cleanup_delete {
            let limits = RetentionLimits {
                ms: config.retention_ms,
                bytes: config.retention_bytes,
            };
            let (log, now) = (&self.shared.log, self.shared.core.wall());
            let end = log
                .retention_end(now, limits, self.high_watermark())
                .await?;
            if let Some(end) = end {
                if end.takes_active {
                    log.roll_at(end.offset).await?;
                }
                self.move_log_start(end.offset).await?;
            }
        }
        self.remove_below_start().await
    }

    async fn remove_below_start(&self) -> Result<usize, StorageError> {
        let Some(end) = self.shared.log.removable_end() else {
            return Ok(0);
        };
        match self.remember_producers(end).await {
            // What goes makes room; who kept it all would never have any again.
            Err(error) if error.is_no_room() => {
                let partition = self.shared.log.partition();
                tracing::warn!(%partition, %error, "producers not written down before records go");
            }
            other => other?,
        }
        self.shared.log.remove_below(end).await
    }

    async fn move_log_start(&self, to: Offset) -> Result<(), StorageError> {
        assert!(to <= self.high_watermark(), "only what is agreed upon goes");
        // Taken first, so that nobody is told of the old start while the log has the new one.
        let epochs = self.shared.epochs.enter().await;
        self.shared.log.note_log_start(to).await?;
        let effects = self.shared.replica.borrow_mut().handle_log_start(to);
        if effects.persist_epochs {
            self.shared.write_epochs(&epochs).await?;
        }
        self.shared.changed.notify();
        Ok(())
    }
}
