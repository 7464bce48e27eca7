//! Transactions, as state machines over the records of `__transaction_state` (KIP-98, KIP-890).
//!
//! Vocabulary: a *transactional id* names a producer across its lives; *fencing* raises the epoch
//! so that an earlier life is refused; a transaction is *prepared* when its outcome is on record,
//! and *complete* when all its partitions have the *marker* that tells readers the outcome; in
//! `transaction.version` 2 each end raises the epoch, so that a request that comes late belongs
//! to no later transaction.
//!
//! The contract with the host is that of groups, with one addition: [`Markers`] of a step, like its
//! answers, leave when all records so far are durable. The host writes each marker and reports per
//! partition when that has ended, one way or the other. A successor is loaded when all markers of
//! a dropped machine have ended, too, and nobody reports them to it: it writes again what may be
//! missing, so writing a marker twice must change nothing.
//!
//! Invariants: durable state changes through [`Transactions::replay`]'s code alone; the outcome of
//! a transaction is decided once, by the record that prepares it; no partition is left without its
//! marker.
//!
//! Start reading at `transactions.rs`, then `state.rs` and `end.rs`.

mod ask;
mod begin;
mod context;
mod end;
mod expiry;
mod init;
mod listing;
mod markers;
mod planted;
mod records;
mod settings;
mod state;
mod step;
mod transactions;

pub use ask::{
    AddPartitionsAsk, Answer, Ask, EndAsk, Ended, InitAsk, Initialized, ListAsk, Listed,
    ListedTransaction, TransactionDescription, VerifyPartitionsAsk,
};
pub use planted::Planted;
#[cfg(any(test, feature = "planted"))]
pub use planted::PlantedBug;
pub use records::TransactionReplayError;
pub use settings::TransactionsConfig;
pub use state::{TransactionLevel, TransactionStatus};
pub use step::{MarkerOutcome, MarkerReport, Markers, Step, Ticket};
pub use transactions::Transactions;

#[cfg(test)]
mod tests;
