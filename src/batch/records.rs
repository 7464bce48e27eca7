//! The records of one batch, as the applications see them.
//!
//! Invariants: keys, values and headers borrow from the batch or from the scratch memory it was
//! decompressed into; headers keep their order and their duplicates (KIP-82); offsets rise and stay
//! within the batch.

use crate::codec::{Codec, Inflater, decompress};
use crate::error::{BatchError, RecordFault};
use crate::layout::TimestampType;
use crate::scratch::Scratch;
use crate::source::{SliceSource, Source, SourceError, StreamSource};
use crate::view::BatchView;
use crate::walk::{Next, RecordShape, walk};
use base::{Offset, Timestamp};

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the partition.
    pub offset: Offset,
    /// Its time, by the producer's clock or the broker's.
    pub timestamp: Timestamp,
    /// The key, or null.
    pub key: Option<&'a [u8]>,
    /// The value; null deletes the key in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: Headers<'a>,
}

/// The headers of one record, read anew by each iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    count: u32,
}

/// One header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key; meant to be UTF-8, which nobody on the way verifies.
    pub key: &'a [u8],
    /// The value, or null.
    pub value: Option<&'a [u8]>,
}

/// The records of one batch, in order.
pub struct Records<'a> {
    source: SliceSource<'a>,
    base_offset: i64,
    base_timestamp: i64,
    append_time: Option<i64>,
    deltas: Deltas,
    index: u32,
    count: u32,
}

/// The offsets that the next record may have, relative to the batch's. Compaction leaves gaps.
#[derive(Clone, Copy)]
struct Deltas {
    min: i32,
    max: i32,
}

impl Deltas {
    fn of(view: &BatchView<'_>) -> Self {
        Self {
            min: 0,
            max: view.last_offset_delta(),
        }
    }

    fn take(&mut self, found: i32) -> Result<i64, RecordFault> {
        if found < self.min || found > self.max {
            return Err(RecordFault::OffsetDelta { found });
        }
        self.min = found.saturating_add(1);
        Ok(i64::from(found))
    }
}

/// A record found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record's timestamp.
    pub timestamp: Timestamp,
    /// Its offset.
    pub offset: Offset,
}

/// The records of `view`, decompressed where necessary, unless that gives more than `bytes_max`
/// bytes.
///
/// # Errors
/// When the body cannot be decompressed or the record count is negative. The checksum is not
/// verified here.
pub fn records<'a>(
    view: &BatchView<'a>,
    scratch: &'a mut Scratch,
    bytes_max: usize,
) -> Result<Records<'a>, BatchError> {
    let body = match view.codec()? {
        Codec::None => view.body(),
        codec => {
            let plain = scratch.plain();
            decompress(codec, view.body(), bytes_max, plain)?;
            plain
        }
    };
    Ok(Records {
        source: SliceSource::new(body),
        base_offset: view.base_offset().0,
        base_timestamp: view.base_timestamp().0,
        append_time: append_time(view),
        deltas: Deltas::of(view),
        index: 0,
        count: record_count(view)?,
    })
}

/// The first record of `view` from offset `from` on that is not older than `timestamp`: how
/// ListOffsets answers for a time (KIP-79).
///
/// # Errors
/// When the records up to it cannot be read.
pub fn first_at_or_after(
    view: &BatchView<'_>,
    timestamp: Timestamp,
    from: Offset,
    scratch: &mut Scratch,
) -> Result<Option<TimestampOffset>, BatchError> {
    let mut found = None;
    visit_times(view, scratch, |record| {
        if record.timestamp >= timestamp && record.offset >= from {
            found = Some(record);
            return Next::Stop;
        }
        Next::Continue
    })?;
    assert!(found.is_none_or(|found| found.timestamp >= timestamp));
    Ok(found)
}

/// The first record of `view` among those with the greatest timestamp: how ListOffsets answers
/// for the latest time (KIP-734). All records of a batch stamped by the broker share that time.
///
/// # Errors
/// When the records cannot be read.
pub fn max_timestamp_record(
    view: &BatchView<'_>,
    scratch: &mut Scratch,
) -> Result<Option<TimestampOffset>, BatchError> {
    let mut found: Option<TimestampOffset> = None;
    visit_times(view, scratch, |record| {
        if found.is_none_or(|found| record.timestamp > found.timestamp) {
            found = Some(record);
        }
        Next::Continue
    })?;
    Ok(found)
}

/// Shows the time and offset of each record, holding one window of a compressed batch at a time.
fn visit_times(
    view: &BatchView<'_>,
    scratch: &mut Scratch,
    mut visit: impl FnMut(TimestampOffset) -> Next,
) -> Result<(), BatchError> {
    let (base_offset, base_timestamp) = (view.base_offset().0, view.base_timestamp().0);
    let (append_time, count) = (append_time(view), record_count(view)?);
    let mut deltas = Deltas::of(view);
    let visit = |shape: RecordShape| {
        let timestamp = base_timestamp.wrapping_add(shape.timestamp_delta);
        Ok(visit(TimestampOffset {
            timestamp: Timestamp(append_time.unwrap_or(timestamp)),
            offset: Offset(base_offset.wrapping_add(deltas.take(shape.offset_delta)?)),
        }))
    };
    match view.codec()? {
        Codec::None => walk(&mut SliceSource::new(view.body()), count, u64::MAX, visit),
        codec => {
            let inflater = Inflater::new(codec, view.body(), u64::MAX)?;
            let mut source = StreamSource::new(inflater, &mut scratch.window);
            walk(&mut source, count, u64::MAX, visit)
        }
    }
}

/// The time that the broker gave to every record, where it did.
fn append_time(view: &BatchView<'_>) -> Option<i64> {
    let stamped = view.attributes().timestamp_type() == TimestampType::LogAppendTime;
    stamped.then(|| view.max_timestamp().0)
}

fn record_count(view: &BatchView<'_>) -> Result<u32, BatchError> {
    u32::try_from(view.record_count()).map_err(|_| BatchError::Count {
        record_count: view.record_count(),
        last_offset_delta: view.last_offset_delta(),
    })
}

impl<'a> Records<'a> {
    fn record(&mut self) -> Result<Record<'a>, SourceError> {
        let length = self.source.varint()?;
        let Ok(length) = usize::try_from(length) else {
            return Err(RecordFault::NegativeLength.into());
        };
        let mut fields = SliceSource::new(self.source.take(length)?);
        fields.skip(1)?;
        let timestamp_delta = fields.varlong()?;
        let offset_delta = self.deltas.take(fields.varint()?)?;
        let key = fields.take_nullable()?;
        let value = fields.take_nullable()?;
        let Ok(count) = u32::try_from(fields.varint()?) else {
            return Err(RecordFault::NegativeHeaderCount.into());
        };
        let headers = Headers {
            bytes: fields.rest(),
            count,
        };
        headers.check(&mut fields)?;
        let timestamp = self.base_timestamp.wrapping_add(timestamp_delta);
        Ok(Record {
            offset: Offset(self.base_offset.wrapping_add(offset_delta)),
            timestamp: Timestamp(self.append_time.unwrap_or(timestamp)),
            key,
            value,
            headers,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        assert!(self.index <= self.count, "no more records than claimed");
        if self.index == self.count {
            return None;
        }
        let index = self.index;
        match self.record() {
            Ok(record) => {
                self.index += 1;
                Some(Ok(record))
            }
            Err(error) => {
                self.index = self.count;
                Some(Err(match error {
                    SourceError::Fault(fault) => BatchError::Record { index, fault },
                    SourceError::Batch(error) => *error,
                }))
            }
        }
    }
}

impl<'a> Headers<'a> {
    /// How many headers the record has.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether the record has no header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The headers in their order.
    pub fn iter(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let mut source = SliceSource::new(self.bytes);
        (0..self.count).map_while(move |_| {
            let header = Self::header(&mut source);
            assert!(header.is_ok(), "the headers were checked with their record");
            header.ok()
        })
    }

    fn header(source: &mut SliceSource<'a>) -> Result<Header<'a>, SourceError> {
        let Some(key) = source.take_nullable()? else {
            return Err(RecordFault::NullHeaderKey.into());
        };
        let value = source.take_nullable()?;
        Ok(Header { key, value })
    }

    /// Reads the headers once, so that nobody meets a malformed one later.
    fn check(&self, source: &mut SliceSource<'a>) -> Result<(), SourceError> {
        for _ in 0..self.count {
            Self::header(source)?;
        }
        if source.rest().is_empty() {
            Ok(())
        } else {
            Err(RecordFault::LengthMismatch.into())
        }
    }
}
