//! One partition: records in, records out.
//!
//! Invariants: appends take their offsets in the order of the calls; nothing is read that is not
//! durable.

use base::{LeaderEpoch, Offset, Timestamp};
use batch::{BatchBuilder, BatchOptions, Rules, Scratch, next_batch, records, validate};
use reactor::{Bytes, Core};
use storage::{Appended, BatchShape, Log, ReadRequest, Stamp};

use crate::error::LogError;
use crate::record::{NewRecord, Record};
use crate::tail::Tail;

/// There is one leader, and it never changes.
const EPOCH: LeaderEpoch = LeaderEpoch(0);
/// The most that one batch may unpack to.
const PLAIN_BYTES_MAX: usize = 256 << 20;

/// See the module's head. Cheap to clone; clones share the partition.
#[derive(Clone)]
pub struct Partition {
    core: Core,
    log: Log,
}

impl Partition {
    pub(crate) fn new(core: &Core, log: Log) -> Self {
        Self {
            core: core.clone(),
            log,
        }
    }

    /// The first offset that can be read.
    #[must_use]
    pub fn start(&self) -> Offset {
        self.log.log_start()
    }

    /// The offset that the next record gets.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.log.log_end()
    }

    /// Up to where everything is on the device, and can be read.
    #[must_use]
    pub fn durable_end(&self) -> Offset {
        self.log.durable_end()
    }

    /// Appends records as one batch, which is durable as a whole or not at all. It is in the log
    /// when this returns, and on the device when [`Self::wait_durable`] says so of its end: many
    /// appends share a flush that way.
    ///
    /// # Errors
    /// `Empty`; `Storage` when the store is offline or closed, or has no memory for the batch.
    pub async fn append(&self, records: &[NewRecord<'_>]) -> Result<Appended, LogError> {
        if records.is_empty() {
            return Err(LogError::Empty);
        }
        let now = self.core.wall();
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for record in records {
            let timestamp = record.timestamp.unwrap_or(now);
            builder.append(timestamp, record.key, record.value, &[]);
        }
        let mut bytes = Vec::new();
        let built = builder.build(&mut bytes);
        built.map_err(|error| LogError::Batch(error.into()))?;
        self.append_batch(&bytes).await
    }

    /// Appends one record and waits until it is on the device; its offset.
    ///
    /// # Errors
    /// As those of [`Self::append`] and [`Self::wait_durable`].
    pub async fn append_durably(&self, record: NewRecord<'_>) -> Result<Offset, LogError> {
        let appended = self.append(&[record]).await?;
        self.wait_durable(appended.next_offset).await?;
        Ok(appended.base_offset)
    }

    /// Appends a batch in Kafka's format (version 2), as a producer makes it.
    ///
    /// # Errors
    /// `Batch` when it is none, with all that a Kafka broker would refuse; otherwise as
    /// [`Self::append`].
    pub async fn append_batch(&self, batch: &[u8]) -> Result<Appended, LogError> {
        let rules = Rules {
            now: self.core.wall(),
            timestamp_after_max_ms: i64::MAX,
            batch_bytes_max: usize::MAX,
            ..Rules::default()
        };
        let validated = validate(batch, &rules, &mut Scratch::new())?;
        let (batch, _) = batch
            .split_at_checked(validated.len)
            .unwrap_or((batch, &[]));
        let shape = BatchShape {
            len: batch.len(),
            offset_count: validated.record_count,
            max_timestamp: validated.max_timestamp,
        };
        let reservation = self.log.reserve(shape).await?;
        let stamp = Stamp::Leader {
            base_offset: self.log.log_end(),
            leader_epoch: EPOCH,
            timestamps: None,
        };
        Ok(self.log.append(batch, &stamp, reservation))
    }

    /// Waits until everything below `end` is on the device.
    ///
    /// # Errors
    /// When that will never be: the store went offline or was closed.
    pub async fn wait_durable(&self, end: Offset) -> Result<(), LogError> {
        Ok(self.log.wait_durable(end).await?)
    }

    /// The durable records from `from` on, about `bytes_max` bytes of them and at least one;
    /// none at the end.
    ///
    /// # Errors
    /// `Storage` when `from` is not in the log, or what is there is damaged.
    pub async fn read(&self, from: Offset, bytes_max: usize) -> Result<Vec<Record>, LogError> {
        let (found, _) = self.read_on(from, bytes_max).await?;
        Ok(found)
    }

    /// As [`Self::read`], and where to go on.
    pub(crate) async fn read_on(
        &self,
        from: Offset,
        bytes_max: usize,
    ) -> Result<(Vec<Record>, Offset), LogError> {
        let bytes = self.read_batches(from, bytes_max).await?;
        let (mut rest, mut found, mut next) = (&*bytes, Vec::new(), from);
        let mut scratch = Scratch::new();
        // The last batch may be cut; it comes whole when it is asked for.
        while let Ok(Some((view, behind))) = next_batch(rest) {
            (rest, next) = (behind, view.next_offset());
            if view.attributes().is_control() {
                continue;
            }
            for record in records(&view, &mut scratch, PLAIN_BYTES_MAX)? {
                let record = record?;
                if record.offset >= from {
                    found.push(Record {
                        offset: record.offset,
                        timestamp: record.timestamp,
                        key: record.key.map(<[u8]>::to_vec),
                        value: record.value.map(<[u8]>::to_vec),
                    });
                }
            }
        }
        Ok((found, next))
    }

    /// As [`Self::read`], but the batches as they are, the first of which may begin below `from`
    /// and the last of which may be cut.
    ///
    /// # Errors
    /// As those of [`Self::read`].
    pub async fn read_batches(&self, from: Offset, bytes_max: usize) -> Result<Bytes, LogError> {
        let request = ReadRequest {
            offset: from,
            bytes_max,
            at_least_one: true,
            upper_bound: self.durable_end(),
        };
        Ok(self.log.read(&request).await?.into_bytes().await?)
    }

    /// The first durable record whose time is `timestamp` or later.
    ///
    /// # Errors
    /// `Storage` when the log cannot be read.
    pub async fn first_at(&self, timestamp: Timestamp) -> Result<Option<Offset>, LogError> {
        let (bound, mut scratch) = (self.durable_end(), Scratch::new());
        let found = self
            .log
            .offset_for_timestamp(timestamp, bound, &mut scratch)
            .await?;
        Ok(found.map(|found| found.offset))
    }

    /// The records from `from` on, as they become durable.
    #[must_use]
    pub fn tail(&self, from: Offset) -> Tail {
        Tail::new(self.clone(), from)
    }

    /// Forgets everything below `offset`, durably; whole segments give their room back.
    ///
    /// # Errors
    /// `Storage` above the log's end, or when the device refuses.
    pub async fn forget_below(&self, offset: Offset) -> Result<(), LogError> {
        self.log.advance_log_start(offset).await?;
        Ok(())
    }
}
