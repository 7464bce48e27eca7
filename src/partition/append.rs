//! From a producer's bytes to an acknowledged batch.

use base::{Offset, Timestamp};
use batch::{BatchError, Codec, Compression, Origin, ProducerBatch, Rules, Validated};
use config::TimestampType as ConfiguredTimestampType;
use config::{CompressionType, TopicConfig};
use reactor::Bytes;
use replica::{Admission, VerificationGuard};
use storage::{BatchShape, Stamp, StorageError};

use crate::error::AppendError;
use crate::partition::Partition;

/// The most that the records of one compressed batch may come to.
const DECOMPRESSED_BYTES_MAX: u64 = 1 << 30;

/// A producer's batch.
pub struct AppendRequest {
    /// The records of one partition in a produce request.
    pub records: Bytes,
    /// Whether the producer waits for all in-sync replicas.
    pub acks_all: bool,
    /// Whether the request's version may carry zstd (KIP-110).
    pub zstd_allowed: bool,
    /// Who appends.
    pub appender: Appender,
}

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appender {
    /// A coordinator of this node, which need not number its batches.
    Coordinator,
    /// A producer; nobody is asked about its transactions.
    Producer,
    /// A producer about whose transaction the coordinator was asked (KIP-890), under the guard
    /// that [`Partition::begin_verification`] gave out, if it gave one.
    Verified(Option<VerificationGuard>),
}

/// What a producer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendOutcome {
    /// The offset of the batch's first record.
    pub base_offset: Offset,
    /// The broker's time of the append where the topic says so, else none.
    pub log_append_time: Timestamp,
    /// The first offset that can be read.
    pub log_start_offset: Offset,
}

impl Partition {
    /// Appends a batch; ends when it is acknowledged. Batches are admitted in the order in which
    /// the futures are first polled.
    ///
    /// # Errors
    /// When it was refused; or when it is not known to be durable, and may be found in the log.
    pub async fn append(self, request: AppendRequest) -> Result<AppendOutcome, AppendError> {
        let config = std::rc::Rc::clone(&self.shared.config.borrow());
        let now = self.shared.core.wall();
        if !self.shared.is_from_reserve {
            self.shared.log.engine().check_room()?;
        }
        let mut validated = self.validate(&request, &config, now)?;
        let recompressed = recompress(&request, &config, &mut validated)?;
        let reservation = match self.shared.log.reserve(shape(&validated)).await {
            Err(StorageError::Closed) => {
                return match self.successor_for(request.appender) {
                    Some(successor) => Box::pin(successor.append(request)).await,
                    None => Err(StorageError::Closed.into()),
                };
            }
            reserved => reserved?,
        };
        if self.is_closed() {
            return Err(StorageError::Closed.into());
        }
        let admitted = self.admit(&validated, &request)?;
        let appends_now = config.timestamp_type == ConfiguredTimestampType::LogAppendTime;
        let (base_offset, next_offset) = match admitted {
            Admission::Append {
                base_offset,
                leader_epoch,
            } => {
                let timestamps = validated
                    .needs_timestamps
                    .then_some((timestamp_type(&config), validated.max_timestamp));
                let stamp = Stamp::Leader {
                    base_offset,
                    leader_epoch,
                    timestamps,
                };
                let sent = request.records.get(..validated.len).unwrap_or(&[]);
                let bytes = recompressed.as_deref().unwrap_or(sent);
                let appended = self.shared.log.append(bytes, &stamp, reservation);
                assert_eq!(
                    appended.base_offset, base_offset,
                    "the log and the replica agree"
                );
                (appended.base_offset, appended.next_offset)
            }
            Admission::Duplicate(known) => {
                drop(reservation);
                (known.first_offset, known.last_offset.plus(1))
            }
        };
        // The request's memory goes back to its connection's budget before the wait.
        drop(request);
        self.acknowledge(next_offset).await?;
        Ok(AppendOutcome {
            base_offset,
            log_append_time: if appends_now { now } else { Timestamp::NONE },
            log_start_offset: self.log_start_offset(),
        })
    }

    fn admit(
        &self,
        validated: &Validated,
        request: &AppendRequest,
    ) -> Result<Admission, AppendError> {
        let mut replica = self.shared.replica.borrow_mut();
        Ok(match request.appender {
            Appender::Coordinator | Appender::Producer => {
                replica.handle_append(validated, request.acks_all)?
            }
            Appender::Verified(guard) => {
                replica.handle_verified_append(validated, request.acks_all, guard)?
            }
        })
    }

    /// Whether a coordinator's batch in this producer's transaction would be taken now.
    ///
    /// # Errors
    /// Why not.
    pub fn check_coordinator_append(&self, batch: &ProducerBatch) -> Result<(), AppendError> {
        let replica = self.shared.replica.borrow();
        let checked = replica.producers().check(batch, true);
        checked
            .map(|_| ())
            .map_err(|error| replica::AppendError::Producer(error).into())
    }

    /// Whether a coordinator's batch would be taken for which the transaction's coordinator was
    /// asked under `guard`.
    ///
    /// # Errors
    /// Why not.
    pub fn check_verified_append(
        &self,
        batch: &ProducerBatch,
        guard: Option<VerificationGuard>,
    ) -> Result<(), AppendError> {
        let checked = self.shared.replica.borrow().check_verified(batch, guard);
        checked.map_err(|error| replica::AppendError::Producer(error).into())
    }

    /// Draws the guard under which a transactional batch may be appended, once the coordinator has
    /// said that this partition takes part; nothing where it need not be asked. `begins_at_zero`
    /// where the producer's epoch rises with each of its transactions.
    pub fn begin_verification(
        &self,
        batch: &ProducerBatch,
        begins_at_zero: bool,
    ) -> Option<VerificationGuard> {
        let now = self.shared.core.wall();
        let mut replica = self.shared.replica.borrow_mut();
        replica.handle_verification(batch, begins_at_zero, now)
    }

    fn validate(
        &self,
        request: &AppendRequest,
        config: &TopicConfig,
        now: Timestamp,
    ) -> Result<Validated, AppendError> {
        let rules = Rules {
            origin: match request.appender {
                Appender::Coordinator => Origin::Coordinator,
                Appender::Producer | Appender::Verified(_) => Origin::Client,
            },
            now,
            timestamp_type: timestamp_type(config),
            timestamp_before_max_ms: config.timestamp_before_ms_max,
            timestamp_after_max_ms: config.timestamp_after_ms_max,
            compacted: config.cleanup_compact,
            // A batch larger than a segment could never be rolled away.
            batch_bytes_max: base::usize_from_u32(
                config.max_message_bytes.min(config.segment_bytes),
            ),
            record_bytes_max: u64::from(config.max_decompressed_message_bytes),
            decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
        };
        let mut scratch = self.shared.log.engine().scratch();
        let validated = batch::validate(&request.records, &rules, &mut scratch)?;
        if validated.codec == Codec::Zstd && !request.zstd_allowed {
            return Err(AppendError::CodecTooNew);
        }
        Ok(validated)
    }

    /// Waits as long as the topic's acknowledgements do.
    pub(crate) async fn acknowledge(&self, end: Offset) -> Result<(), StorageError> {
        if self.shared.config.borrow().acknowledges_from_device() {
            return self.wait_acknowledged(end).await;
        }
        self.note_in_memory(end);
        Ok(())
    }

    /// Waits until everything below `end` is below the high watermark.
    pub(crate) async fn wait_acknowledged(&self, end: Offset) -> Result<(), StorageError> {
        while self.high_watermark() < end {
            let changed = self.shared.changed.wait();
            if let Some(error) = self.shared.log.engine().offline() {
                return Err(error);
            }
            if self.shared.has_ended() {
                return Err(StorageError::Closed);
            }
            changed.await;
        }
        Ok(())
    }

    /// With `forebay.ack.durability=memory` what was appended counts as durable at once.
    fn note_in_memory(&self, end: Offset) {
        let effects = self.shared.replica.borrow_mut().handle_durable(end);
        self.shared.tell(&effects);
    }
}

/// The batch in the topic's own codec, where `compression.type` is not the producer's choice and
/// the producer chose another one (KIP-390).
fn recompress(
    request: &AppendRequest,
    config: &TopicConfig,
    validated: &mut Validated,
) -> Result<Option<Vec<u8>>, AppendError> {
    let (codec, level) = match config.compression_type {
        CompressionType::Producer => return Ok(None),
        CompressionType::Uncompressed => (Codec::None, None),
        CompressionType::Gzip => {
            let level = config.compression_gzip_level;
            (Codec::Gzip, (level >= 1).then_some(level))
        }
        CompressionType::Snappy => (Codec::Snappy, None),
        CompressionType::Lz4 => (Codec::Lz4, Some(config.compression_lz4_level)),
        CompressionType::Zstd => (Codec::Zstd, Some(config.compression_zstd_level)),
    };
    if codec == validated.codec {
        return Ok(None);
    }
    let Some((view, _)) = batch::next_batch(&request.records)? else {
        return Err(BatchError::NoBatch.into());
    };
    let mut target = Vec::with_capacity(view.len());
    let compression = Compression { codec, level };
    let bytes_max = base::usize_from_u64(DECOMPRESSED_BYTES_MAX);
    batch::recompress(&view, compression, bytes_max, &mut target)?;
    validated.len = target.len();
    validated.codec = codec;
    Ok(Some(target))
}

fn shape(validated: &Validated) -> BatchShape {
    BatchShape {
        len: validated.len,
        offset_count: validated.record_count,
        max_timestamp: validated.max_timestamp,
    }
}

fn timestamp_type(config: &TopicConfig) -> batch::TimestampType {
    match config.timestamp_type {
        ConfiguredTimestampType::CreateTime => batch::TimestampType::CreateTime,
        ConfiguredTimestampType::LogAppendTime => batch::TimestampType::LogAppendTime,
    }
}
