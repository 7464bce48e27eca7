//! The log engine: partitions' batches on direct files, durable before they are acknowledged.
//!
//! Vocabulary: a *log* is one partition's sequence of batches; a *segment* is one file of it,
//! named after its first offset; the *active* segment is the last one, a *sealed* one never
//! changes again; a *chunk* is memory that mirrors a part of a file, and the *hot tail* is all
//! chunks of a log; a *flush* makes what was appended durable, in the log's own *lane*; the
//! *durable end* is the offset up to which a log is on the device; the *recovery point* is a
//! durable end that was written down; a *future log* is a copy on its way to another directory;
//! the *journal* has what many logs made durable together and their segments do not have yet.
//!
//! Invariants:
//! - Bytes on disk are Kafka's: batches, indexes, snapshots, checkpoints and their names.
//! - A batch's bytes are copied once, into the chunk from which they are written and read.
//! - What counts as durable is in the segments or in the journal; the recovery point, sealing,
//!   cutting and giving memory back go by the segments alone.
//! - After a failed write or flush the whole directory is offline; nothing is tried twice.
//! - An index is derived and never evidence; a fault below the recovery point is never cut away.
//! - No borrow of a log's state outlives an await.
//! - A log's start is durable before anything below it goes; what went never comes back.
//! - A sealed segment's bytes are verified before they are sent; damage is never sent, nor cut.
//!
//! Start reading at `log.rs`, then `flusher.rs`, `journal/mod.rs`, `reader.rs` and `recovery.rs`.

mod aborted;
mod aborted_file;
mod compaction;
mod counters;
mod creation;
mod damage;
mod data_dir;
mod disk;
mod engine;
mod error;
mod flusher;
mod fresh;
mod future;
mod gate;
mod history;
mod idle;
mod index;
mod journal;
mod layout;
mod lifecycle;
mod log;
mod memory;
mod options;
mod planted;
mod reader;
mod recovery;
mod removal;
mod retention;
mod roll;
mod scan;
mod scrub;
mod segment;
mod standing;
mod state;
mod tail;
mod times;
mod verify;
mod windows;

pub use aborted::AbortedTransaction;
pub use compaction::{
    CompactionLimits, CompactionNeed, CompactionReport, CompactionRules, LastOfProducer,
};
pub use counters::{Counters, DutyCounts};
pub use damage::Damage;
pub use data_dir::{DataDir, DirIdentity, FoundLog};
pub use disk::{DiskBounds, DiskLevel};
pub use engine::{Engine, LogCheckpoint};
pub use error::{Fault, StorageError};
pub use fresh::LogNames;
pub use future::{FutureLog, HeldLog};
pub use gate::{Enter, Gate, GateGuard};
pub use journal::JournalReport;
pub use lifecycle::SealedSegment;
pub use log::{Appended, BatchShape, Log, LogListener, Reservation, Stamp};
pub use options::{FlushPolicy, JournalLimits, LogConfig};
pub use planted::{Planted, PlantedBug};
pub use reader::{Piece, ReadRequest, ReadResult};
pub use recovery::{OpenLog, RecoveryReport, RecoveryVisitor, TornTail};
pub use retention::{RetentionEnd, RetentionLimits};
pub use scrub::ScrubReport;

#[cfg(test)]
mod tests;
