//! Records for and from clients that only know message sets, the formats before Kafka 0.11.
//!
//! Invariants: logs hold record batches alone; what is converted for one request is bounded,
//! whatever it claims; a reader is led past batches that hold nothing for it.

use base::{ErrorCode, Offset};
use batch::legacy::{MessageFormat, Reader, downgrade, message_format, upgrade};
use broker::{FetchRequest, Fetched, PartitionId, Portion};
use reactor::Bytes;

use crate::context::Context;
use crate::fault;

/// The most that one partition's message sets in a request may come to without compression.
const PLAIN_BYTES_MAX: usize = 128 << 20;
/// How much of a log is read for one answer, at least and at most; a larger batch comes alone.
const READ_BYTES_MIN: usize = 64 << 10;
const READ_BYTES_MAX: usize = 4 << 20;
/// How many reads in a row may find nothing but batches that are left out.
const READS_MAX: usize = 1000;

/// The records of a produce request before version 3 as a batch; batches stay as they are.
pub(crate) fn upgraded(records: Bytes) -> Result<Bytes, ErrorCode> {
    if message_format(&records).is_none() {
        return Ok(records);
    }
    match upgrade(&records, PLAIN_BYTES_MAX) {
        Ok(batch) => Ok(Bytes::from(batch)),
        Err(error) => {
            tracing::debug!(%error, "a message set was refused");
            Err(fault::of_batch(&error))
        }
    }
}

/// The format that a version of Fetch reads; none for those that read batches.
pub(crate) const fn format_of_fetch(version: i16) -> Option<MessageFormat> {
    match version {
        0 | 1 => Some(MessageFormat::Zero),
        2 | 3 => Some(MessageFormat::One),
        _ => None,
    }
}

/// Reads a partition for a consumer that takes messages of `format`.
pub(crate) async fn fetch(
    context: &Context,
    id: PartitionId,
    asked: FetchRequest,
    format: MessageFormat,
) -> Result<Fetched, ErrorCode> {
    let reader = Reader {
        format,
        from: asked.offset,
        bytes_max: asked.bytes_max,
        at_least_one: asked.at_least_one,
    };
    let mut offset = asked.offset;
    for _ in 1..READS_MAX {
        let (batches, fetched) = read(context, id, asked, offset).await?;
        let mut set = Vec::new();
        let done = downgrade(&batches, &reader, &mut set).map_err(|error| {
            tracing::warn!(%error, %offset, "batches cannot be made messages");
            fault::of_batch(&error)
        })?;
        let goes_on = set.is_empty() && !done.is_full && done.next_offset > offset;
        if batches.is_empty() || !goes_on {
            return Ok(with(fetched, set));
        }
        offset = done.next_offset;
    }
    let (_, fetched) = read(context, id, asked, offset).await?;
    Ok(with(fetched, Vec::new()))
}

async fn read(
    context: &Context,
    id: PartitionId,
    asked: FetchRequest,
    offset: Offset,
) -> Result<(Bytes, Fetched), ErrorCode> {
    let request = FetchRequest {
        offset,
        bytes_max: asked.bytes_max.clamp(READ_BYTES_MIN, READ_BYTES_MAX),
        // A batch that is cut cannot be converted.
        at_least_one: true,
        ..asked
    };
    let reading = context
        .broker()
        .on_partition(id, move |partition| async move {
            let read = partition.fetch_in_memory(request).await;
            read.map_err(|error| fault::of_fetch(&error))
        });
    reading
        .await
        .unwrap_or_else(|unavailable| Err(fault::of_unavailable(unavailable)))
}

fn with(fetched: Fetched, set: Vec<u8>) -> Fetched {
    let len = set.len() as u64;
    let portions = if set.is_empty() {
        Vec::new()
    } else {
        vec![Portion::Memory(Bytes::from(set))]
    };
    Fetched {
        portions,
        len,
        ..fetched
    }
}
