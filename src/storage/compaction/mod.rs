//! Compaction: of the records of each key only the last stays (`cleanup.policy=compact`).
//!
//! A log has a *clean* part, which was compacted, and a *dirty* one behind it; the active segment
//! belongs to neither. A run reads the dirty part and remembers the last offset of each key,
//! then writes the segments of both parts again without what later records replace, group by
//! group, and puts each new file in the place of its group. Where the keys do not fit into the
//! memory allowed, the run covers only so much of the dirty part, and another one follows.
//!
//! Invariants: offsets never change; the last record of a key stays, and a tombstone at least
//! `delete.retention.ms` after it was first compacted (KIP-534); the last batch of each producer
//! and the last of the compacted part stay, if need be without records; nothing undecided is
//! touched; a crash leaves either the old segments or the new one.
//!
//! Start reading at `run.rs`, then `judge.rs` and `swap.rs`.

mod cleaned_file;
mod judge;
pub(crate) mod keys;
mod need;
mod outcomes;
mod pace;
mod run;
mod swap;

pub use need::CompactionNeed;
pub(crate) use pace::Pace;
pub use run::{CompactionLimits, CompactionReport, CompactionRules, LastOfProducer};
