//! Offsets by time and place, and the ends of leaders' epochs.

use base::{LeaderEpoch, Offset, Timestamp};
use batch::Scratch;
use replica::EpochEnd;
use storage::StorageError;

use crate::fetch::Isolation;
use crate::partition::Partition;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListTarget {
    /// The end: where a consumer would read next.
    Latest,
    /// The first record.
    Earliest,
    /// The record with the greatest timestamp (KIP-734).
    MaxTimestamp,
    /// The first record on this node's own devices (KIP-405).
    EarliestLocal,
    /// The last record in remote storage (KIP-1005).
    LatestTiered,
    /// The first record that waits for its upload (KIP-1023).
    EarliestPendingUpload,
    /// The first record not older than this.
    Timestamp(Timestamp),
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The offset.
    pub offset: Offset,
    /// The record's timestamp; none where a place was asked for.
    pub timestamp: Timestamp,
    /// The epoch of the leader that wrote it, where known.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Partition {
    /// The offset at a place or time; nothing where there is no such record.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn list_offset(
        &self,
        target: ListTarget,
        isolation: Isolation,
    ) -> Result<Option<Listed>, StorageError> {
        let bound = match isolation {
            Isolation::ReadUncommitted => self.high_watermark(),
            Isolation::ReadCommitted => self.last_stable_offset(),
        };
        let mut scratch = Scratch::new();
        let found = match target {
            ListTarget::Latest => return Ok(Some(self.latest(bound))),
            ListTarget::Earliest | ListTarget::EarliestLocal => {
                return Ok(Some(self.at(self.log_start_offset(), Timestamp::NONE)));
            }
            // Nothing of this log is or will be in remote storage.
            ListTarget::LatestTiered | ListTarget::EarliestPendingUpload => return Ok(None),
            ListTarget::MaxTimestamp => self.log().max_timestamp(bound, &mut scratch).await?,
            ListTarget::Timestamp(timestamp) => {
                self.log()
                    .offset_for_timestamp(timestamp, bound, &mut scratch)
                    .await?
            }
        };
        Ok(found.map(|found| self.at(found.offset, found.timestamp)))
    }

    fn at(&self, offset: Offset, timestamp: Timestamp) -> Listed {
        let leader_epoch = self.shared.replica.borrow().epochs().epoch_for(offset);
        Listed {
            offset,
            timestamp,
            leader_epoch,
        }
    }

    /// The end, with the epoch of the leader that would write there.
    fn latest(&self, end: Offset) -> Listed {
        let replica = self.shared.replica.borrow();
        let leader_epoch = Some(replica.leader_epoch());
        Listed {
            offset: end,
            timestamp: Timestamp::NONE,
            leader_epoch,
        }
    }

    /// The end of an epoch, or of the greatest one before it (KIP-279).
    #[must_use]
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> Option<EpochEnd> {
        let replica = self.shared.replica.borrow();
        if epoch == replica.leader_epoch() {
            // The present leader's epoch ends where the log does, also before its first batch.
            return Some(EpochEnd {
                epoch,
                end: replica.log_end(),
            });
        }
        replica.epochs().end_offset_for(epoch, replica.log_end())
    }
}
