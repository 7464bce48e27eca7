//! Record batches of format version 2 (KIP-98): the unit in which records travel and rest, and in
//! `legacy` the message sets of old clients, converted from and to batches.
//!
//! Vocabulary: a *batch* is a header of 61 bytes and a *body*, the records one behind the other,
//! compressed as a whole or not; a *view* borrows one whole batch; *stamping* writes into a
//! producer's batch what only the broker knows; a *control batch* holds markers for the log
//! itself instead of an application's records.
//!
//! Invariants: bytes come from the network or a disk and are never trusted, so every reader
//! returns errors and allocates nothing that a header merely claims; big-endian order, the
//! header's layout and the codecs appear nowhere else in the product but in `wire`.
//!
//! Start reading at `view.rs`, then `validate.rs`.

mod builder;
mod codec;
mod control;
mod error;
mod filter;
mod layout;
pub mod legacy;
mod marker;
mod records;
mod scratch;
mod source;
mod stamp;
mod validate;
mod view;
mod walk;

#[cfg(test)]
mod tests;

pub use builder::{BatchBuilder, BatchOptions, recompress};
pub use codec::{Codec, CodecError, Compression, compress, decompress};
pub use control::ControlRecord;
pub use error::{BatchError, RecordFault, Refusal, RefusalReason, Refusals};
pub use filter::{empty, filter};
pub use layout::{Attributes, HEADER_BYTES, LENGTH_OVERHEAD, MAGIC, PREFIX_BYTES, TimestampType};
pub use marker::EndMarker;
pub use records::{
    Header, Headers, Record, Records, TimestampOffset, first_at_or_after, max_timestamp_record,
    records,
};
pub use scratch::Scratch;
pub use stamp::{stamp, stamp_log_append_time, stamp_timestamps};
pub use validate::{Origin, Rules, Validated, validate};
pub use view::{BatchView, Batches, ProducerBatch, batch_bytes, next_batch};
