//! Walking the records of a batch without looking into keys and values.
//!
//! Invariants: nothing is allocated; a record that passes here can be read by every client.

use crate::error::{BatchError, RecordFault};
use crate::source::{Source, SourceError};

/// What a walk learns of one record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordShape {
    pub(crate) index: u32,
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i32,
    pub(crate) has_key: bool,
}

/// Whether a walk goes on after a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    Stop,
}

/// Shows each of `count` records to `visit` and checks that nothing follows the last, unless
/// `visit` stops the walk.
///
/// `body_bytes_max` bounds one record: Kafka's `max.decompressed.message.bytes`.
pub(crate) fn walk<S: Source>(
    source: &mut S,
    count: u32,
    body_bytes_max: u64,
    mut visit: impl FnMut(RecordShape) -> Result<Next, RecordFault>,
) -> Result<(), BatchError> {
    for index in 0..count {
        let shape = match record(source, index, body_bytes_max) {
            Ok(shape) => shape,
            Err(SourceError::Fault(fault)) => return Err(BatchError::Record { index, fault }),
            Err(SourceError::Batch(error)) => return Err(*error),
        };
        match visit(shape) {
            Ok(Next::Continue) => {}
            Ok(Next::Stop) => return Ok(()),
            Err(fault) => return Err(BatchError::Record { index, fault }),
        }
    }
    match source.at_end() {
        Ok(true) => Ok(()),
        Ok(false) => Err(BatchError::TrailingBytes),
        Err(SourceError::Batch(error)) => Err(*error),
        Err(SourceError::Fault(fault)) => Err(BatchError::Record {
            index: count,
            fault,
        }),
    }
}

#[inline]
fn record<S: Source>(
    source: &mut S,
    index: u32,
    body_bytes_max: u64,
) -> Result<RecordShape, SourceError> {
    let length = source.varint()?;
    let Ok(length) = u64::try_from(length) else {
        return Err(RecordFault::NegativeLength.into());
    };
    if length > body_bytes_max {
        return Err(RecordFault::TooLarge { bytes: length }.into());
    }
    let end = source.position() + length;
    // The record's own attributes are unused in format version 2.
    source.skip(1)?;
    let timestamp_delta = source.varlong()?;
    let offset_delta = source.varint()?;
    let has_key = !source.skip_nullable()?;
    source.skip_nullable()?;
    headers(source)?;
    if source.position() != end {
        return Err(RecordFault::LengthMismatch.into());
    }
    Ok(RecordShape {
        index,
        timestamp_delta,
        offset_delta,
        has_key,
    })
}

#[inline]
fn headers<S: Source>(source: &mut S) -> Result<(), SourceError> {
    let count = source.varint()?;
    if count < 0 {
        return Err(RecordFault::NegativeHeaderCount.into());
    }
    for _ in 0..count {
        if source.skip_nullable()? {
            return Err(RecordFault::NullHeaderKey.into());
        }
        source.skip_nullable()?;
    }
    Ok(())
}
