//! One partition on one core: what `replica` decides, done with a `storage` log.
//!
//! Vocabulary: a batch is *admitted* when it has its offsets, *durable* when the device has it,
//! and *acknowledged* when it lies below the high watermark; a *watcher* waits for the high
//! watermark or the log start to move.
//!
//! Invariants:
//! - Admission and the copy into the log happen in one breath, so offsets never have gaps.
//! - Appends are admitted in the order in which they were begun.
//! - Nobody reads at or above the high watermark, nor, committed records only, at or above the
//!   last stable offset.
//! - A leader's epoch is on the device before the first batch of it is.
//!
//! Start reading at `partition.rs`, then `append.rs` and `fetch.rs`.

mod append;
mod compaction;
mod error;
mod fetch;
mod history;
mod moving;
mod offsets;
mod open;
mod partition;
mod planted;
mod producers;
mod retention;
mod transactions;
mod turns;
mod watch;

pub use append::{AppendOutcome, AppendRequest, Appender};
pub use error::{AppendError, DeleteRecordsError, FetchError};
pub use fetch::{FetchRequest, Fetched, Isolation, Portion};
pub use moving::Held;
pub use offsets::{ListTarget, Listed};
pub use open::OpenPartition;
pub use partition::Partition;
pub use producers::ActiveProducer;
pub use turns::ProducerTurn;
pub use watch::any;

#[cfg(test)]
mod tests;
