//! What a broker checks before it appends a producer's batch, in the order in which Kafka does,
//! so that a batch with several faults is refused for the same one.
//!
//! Invariants: a batch that passes can be stamped and appended as it is; nothing is appended of
//! one that does not.

use crate::codec::{Codec, Inflater};
use crate::error::{BatchError, RecordFault, Refusal, RefusalReason, Refusals};
use crate::layout::{HEADER_BYTES, TimestampType};
use crate::scratch::Scratch;
use crate::source::{SliceSource, StreamSource};
use crate::view::{BatchView, ProducerBatch, next_batch};
use crate::walk::{Next, RecordShape, walk};
use base::{Offset, Timestamp};

/// Who sends the batch, which decides what it may contain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// A produce request.
    #[default]
    Client,
    /// A coordinator on this node: it may write control batches and need not number them.
    Coordinator,
}

/// What a topic takes; each field is the topic configuration that it is named after.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Who sends the batch.
    pub origin: Origin,
    /// The broker's clock.
    pub now: Timestamp,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms` (KIP-937).
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms` (KIP-937).
    pub timestamp_after_max_ms: i64,
    /// Whether `cleanup.policy` includes `compact`, which makes keys compulsory.
    pub compacted: bool,
    /// `max.message.bytes`: the largest batch, as it arrives.
    pub batch_bytes_max: usize,
    /// `max.decompressed.message.bytes`: the largest single record in a compressed batch.
    pub record_bytes_max: u64,
    /// The most that all records of a compressed batch may come to; bounds the time that one
    /// batch can take, which Kafka does not.
    pub decompressed_bytes_max: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            origin: Origin::Client,
            now: Timestamp(0),
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            compacted: false,
            batch_bytes_max: 1_048_588,
            record_bytes_max: 2_147_483_639,
            decompressed_bytes_max: 1 << 30,
        }
    }
}

/// What validation learnt of the one batch in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validated {
    /// How many bytes the batch takes; a torn batch behind it is not part of the request.
    pub len: usize,
    /// How many records it has, at least one for a client's batch.
    pub record_count: u32,
    /// The codec it is compressed with.
    pub codec: Codec,
    /// The producer that numbers its batches, if this one does.
    pub producer: Option<ProducerBatch>,
    /// Whether it belongs to a transaction.
    pub is_transactional: bool,
    /// Whether it is a control batch.
    pub is_control: bool,
    /// The greatest timestamp that its records will have in the log.
    pub max_timestamp: Timestamp,
    /// Whether the header must say something else about timestamps than it does: then
    /// [`crate::stamp_timestamps`] with the topic's type and `max_timestamp` is due.
    pub needs_timestamps: bool,
}

/// Checks the records of one partition in a produce request.
///
/// # Errors
/// Says why the topic does not take them.
pub fn validate(
    records: &[u8],
    rules: &Rules,
    scratch: &mut Scratch,
) -> Result<Validated, BatchError> {
    let view = only_batch(records)?;
    if rules.origin == Origin::Client && view.base_offset() != Offset(0) {
        let base_offset = view.base_offset();
        return Err(BatchError::BaseOffset { base_offset });
    }
    if view.len() > rules.batch_bytes_max {
        return Err(BatchError::TooLarge {
            bytes: view.len(),
            bytes_max: rules.batch_bytes_max,
        });
    }
    view.verify_checksum()?;
    let codec = view.codec()?;
    let record_count = check_header(&view, rules.origin)?;
    let max_timestamp = check_records(&view, rules, scratch)?;
    let attributes = view.attributes();
    assert!(
        view.len() <= records.len(),
        "the batch lies inside the request"
    );
    Ok(Validated {
        len: view.len(),
        record_count,
        codec,
        producer: view.producer(),
        is_transactional: attributes.is_transactional(),
        is_control: attributes.is_control(),
        max_timestamp,
        needs_timestamps: attributes.timestamp_type() != rules.timestamp_type
            || view.max_timestamp() != max_timestamp,
    })
}

/// The one batch that a produce request may have per partition (since its version 3). Kafka
/// passes over a torn one behind it, and so do we.
fn only_batch(records: &[u8]) -> Result<BatchView<'_>, BatchError> {
    let (view, rest) = match next_batch(records) {
        Ok(None) | Err(BatchError::Truncated { .. }) => return Err(BatchError::NoBatch),
        Ok(Some(first)) => first,
        Err(error) => return Err(error),
    };
    match next_batch(rest) {
        Ok(None) | Err(BatchError::Truncated { .. }) => Ok(view),
        Ok(Some(_)) => Err(BatchError::SeveralBatches),
        Err(error) => Err(error),
    }
}

/// What the header alone must satisfy; the number of records.
fn check_header(view: &BatchView<'_>, origin: Origin) -> Result<u32, BatchError> {
    let (record_count, last_offset_delta) = (view.record_count(), view.last_offset_delta());
    let wrong = BatchError::Count {
        record_count,
        last_offset_delta,
    };
    let Ok(count) = u32::try_from(record_count) else {
        return Err(wrong);
    };
    if origin == Origin::Coordinator {
        return Ok(count);
    }
    if count == 0 || u32::try_from(last_offset_delta) != Ok(count - 1) {
        return Err(wrong);
    }
    if view.attributes().is_control() {
        return Err(BatchError::ControlBatch);
    }
    if view.producer().is_some() && view.base_sequence() < 0 {
        return Err(BatchError::Sequence {
            producer_id: view.producer_id(),
            base_sequence: view.base_sequence(),
        });
    }
    Ok(count)
}

/// Walks the records; the greatest timestamp that they will have in the log.
fn check_records(
    view: &BatchView<'_>,
    rules: &Rules,
    scratch: &mut Scratch,
) -> Result<Timestamp, BatchError> {
    let count = u32::try_from(view.record_count()).unwrap_or(0);
    let mut check = RecordCheck::new(view, rules);
    let visit = |shape: RecordShape| {
        check_offset_delta(&shape)?;
        check.visit(&shape);
        Ok(Next::Continue)
    };
    match view.codec()? {
        Codec::None => {
            let mut source = SliceSource::new(view.body());
            walk(&mut source, count, u64::MAX, visit)?;
        }
        codec => {
            let inflater = Inflater::new(codec, view.body(), rules.decompressed_bytes_max)?;
            let mut source = StreamSource::new(inflater, &mut scratch.window);
            walk(&mut source, count, rules.record_bytes_max, visit)?;
        }
    }
    check.finish()
}

/// Kafka tolerates other deltas from uncompressed producers and renumbers compressed ones; no
/// producer sends them, and consumers would see offsets that were never given out.
#[inline]
fn check_offset_delta(shape: &RecordShape) -> Result<(), RecordFault> {
    if u32::try_from(shape.offset_delta) == Ok(shape.index) {
        return Ok(());
    }
    let found = shape.offset_delta;
    Err(RecordFault::OffsetDelta { found })
}

/// The topic's opinion of each record.
struct RecordCheck {
    base_timestamp: i64,
    /// The time of every record of a batch that claims to be stamped by a broker.
    claimed_append_time: Option<i64>,
    topic_type: TimestampType,
    now: Timestamp,
    earliest: Timestamp,
    latest: Timestamp,
    compacted: bool,
    max_timestamp: i64,
    refusals: Refusals,
}

impl RecordCheck {
    fn new(view: &BatchView<'_>, rules: &Rules) -> Self {
        assert!(view.len() >= HEADER_BYTES, "a view covers a whole batch");
        let claimed = view.attributes().timestamp_type() == TimestampType::LogAppendTime;
        Self {
            base_timestamp: view.base_timestamp().0,
            claimed_append_time: claimed.then(|| view.max_timestamp().0),
            topic_type: rules.timestamp_type,
            now: rules.now,
            earliest: Timestamp(rules.now.0.saturating_sub(rules.timestamp_before_max_ms)),
            latest: Timestamp(rules.now.0.saturating_add(rules.timestamp_after_max_ms)),
            compacted: rules.compacted,
            max_timestamp: Timestamp::NONE.0,
            refusals: Refusals::new(),
        }
    }

    #[inline]
    fn visit(&mut self, shape: &RecordShape) {
        let timestamp = match self.claimed_append_time {
            Some(claimed) => claimed,
            None => self.base_timestamp.wrapping_add(shape.timestamp_delta),
        };
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let reason = if self.compacted && !shape.has_key {
            RefusalReason::NoKey
        } else if self.topic_type == TimestampType::CreateTime && timestamp != Timestamp::NONE.0 {
            if (self.earliest.0..=self.latest.0).contains(&timestamp) {
                return;
            }
            RefusalReason::TimestampOutOfRange {
                timestamp: Timestamp(timestamp),
                earliest: self.earliest,
                latest: self.latest,
            }
        } else if self.claimed_append_time.is_some() {
            RefusalReason::LogAppendTimeFromProducer
        } else {
            return;
        };
        let index = shape.index;
        self.refusals.push(Refusal { index, reason });
    }

    fn finish(self) -> Result<Timestamp, BatchError> {
        if self.refusals.total > 0 {
            return Err(BatchError::Refused(self.refusals));
        }
        Ok(match self.topic_type {
            TimestampType::CreateTime => Timestamp(self.max_timestamp),
            TimestampType::LogAppendTime => self.now,
        })
    }
}
