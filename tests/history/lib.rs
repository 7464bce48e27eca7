//! Judges histories: what clients of a log asked for and were told, by one definition of what a
//! log with transactions owes them.
//!
//! Vocabulary: an [`Operation`] is one call of one process with its answer; a [`History`] is all of
//! them; a *key* is a partition, a *value* what a record says, and no two sent records say the
//! same. A [`Recorder`] takes a history down while it happens, in simulations and on real brokers
//! alike; [`check`] says what is wrong with it, each [`Anomaly`] with who, what and where.
//!
//! What a workload must keep to, beside `operation.rs`: topics keep all their records (no
//! compaction, no retention), acknowledgements are asked of all replicas, producers are idempotent.
//!
//! Start reading at `operation.rs`, then `anomaly.rs`.

mod anomaly;
mod checker;
mod cycles;
mod groups;
mod history;
mod json;
mod missing;
mod operation;
mod readers;
mod recorder;
mod senders;
mod values;
mod versions;

pub use anomaly::{Anomaly, Call, Edge, Missing, Scope, Sighting, Writer};
pub use checker::{Counts, Verdict, check};
pub use history::{Fate, History, HistoryError, Life};
pub use json::{LineError, line_of, parse_line, parse_lines};
pub use operation::{
    Action, Isolation, Moment, Operation, Outcome, Polled, Process, Reached, Transaction, Value,
};
pub use recorder::{Recorder, Ticket};

#[cfg(test)]
mod bad_tests;
#[cfg(test)]
mod good_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod random_tests;
