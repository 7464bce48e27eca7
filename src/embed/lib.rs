//! The log engine for other programs, without the Kafka server: `forebay::log`.
//!
//! A [`Store`] is a directory of *partitions*, each a sequence of records that are appended,
//! become *durable*, and are read by offset, by time, or as they come (a [`Tail`]). The files are
//! Kafka's, so a directory can be looked into with Kafka's own tools.
//!
//! Everything runs on a [`Core`] of [`run`]: futures are not `Send`, and a store lives on the core
//! that opened it. A program that wants several cores opens one store on each.
//!
//! Invariants, for whoever builds on it:
//! - An append takes the next offsets at once, in the order of the calls, and without gaps.
//! - What [`Partition::wait_durable`] has confirmed is on the device: no crash and no power cut
//!   takes it away, as long as the device keeps what it says it flushed.
//! - Readers and tails see nothing that is not durable, so nothing that they saw is taken back.
//! - What is read is what was appended: damage is an error that names the file, never a record.
//! - After a failed write or flush the store is offline: appends fail, reads go on, and opening it
//!   anew finds everything that was confirmed.
//! - One process at a time has a directory open.
//!
//! Start reading at `store.rs`, then `partition.rs` and `tail.rs`.

mod error;
mod partition;
mod record;
mod store;
mod tail;

pub use base::{Offset, PartitionIndex, Timestamp, TopicPartition};
pub use error::LogError;
pub use partition::Partition;
pub use reactor::{Buffer, Bytes, Core, IoError, Listener, Options, Socket, StartError, run};
pub use record::{NewRecord, Record};
pub use storage::{Appended, FlushPolicy, LogConfig, StorageError};
pub use store::{Store, one_core};
pub use tail::Tail;

#[cfg(test)]
mod tests;
