//! Judges histories: what clients of a log asked for and were told, by one definition of what a
//! log with transactions owes them.
//!
//! Vocabulary: an [`Operation`] is one call of one process with its answer; a [`History`] is all of
//! them; a *key* is a partition, a *value* what a record says, and no two sent records say the
//! same. A [`Recorder`] takes a history down while it happens, in simulations and on real brokers
//! alike.
//!
//! Start reading at `operation.rs`.

mod history;
mod operation;
mod recorder;

pub use history::{Fate, History, HistoryError, Life};
pub use operation::{
    Action, Isolation, Moment, Operation, Outcome, Polled, Process, Reached, Transaction, Value,
};
pub use recorder::{Recorder, Ticket};
