//! One partition's bookkeeping, without any I/O: what may be appended, where, and how much of it
//! may be shown.
//!
//! Vocabulary: the *log end* is the offset of the next record; the *durable end* is the offset up
//! to which a replica's device has everything; the *high watermark* is the smallest durable end
//! among the in-sync replicas, below which consumers read; the *last stable offset* lies below
//! every open transaction, for those who read committed records only; an *epoch* is the reign of
//! one leader; a *producer's state* is what makes its retries harmless.
//!
//! Invariants: log start <= high watermark <= durable end <= log end on a leader; none of them
//! but the log start moves backwards between truncations; one append per producer, epoch and
//! sequence number.
//!
//! Start reading at `replica.rs`, then `producers.rs` and `epochs.rs`.

mod epochs;
mod planted;
mod producer;
mod producers;
mod replica;
mod snapshot;
mod transactions;
mod verification;

#[cfg(test)]
mod tests;

pub use epochs::{EpochEnd, EpochEntry, EpochsError, LeaderEpochs};
pub use planted::Planted;
#[cfg(feature = "planted")]
pub use planted::PlantedBug;
pub use producer::{AppendedBatch, Producer, ProducerError};
pub use producers::{Marker, ProducerStates, Verdict};
pub use replica::{Admission, AppendError, Effects, Replica, ReplicaStart, Role};
pub use snapshot::SnapshotError;
pub use transactions::{CompletedTransaction, Transactions};
pub use verification::VerificationGuard;
