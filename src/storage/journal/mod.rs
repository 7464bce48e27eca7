//! The journal: one file for what many logs have to make durable at the same time.
//!
//! A durable block in each of thousands of files costs twenty times what the same bytes cost in one
//! file (kernel-note 018). So the flusher, when many logs have little each, writes all of it as one
//! *frame* into the journal of the engine and acknowledges it; the segments get it later, several
//! appends at a time. Large writes go around the journal.
//!
//! Vocabulary: a *half* is one of the two files, filled in turn; its *generation* rises with each
//! turn; an *entry* is what one log had for the frame; a log's *debt* is what the journal has of it
//! and its segments do not; *writing back* pays it; a *void* says that all entries of a partition
//! before it count no more.
//!
//! Invariants:
//! - What the journal has of a log is in the log's memory until a segment's own flush has it.
//! - A half is filled again only when no log has a debt in it.
//! - Frames are durable in their order, one at a time.
//! - Only what follows directly on a segment's last intact batch is ever taken from the journal, so
//!   an entry that is out of date changes nothing.
//! - Whoever cuts a log voids its entries first; so does whoever makes a log, or lets a copy take
//!   its place, where one of the same name was before.
//! - The journals of a directory are gone before any of its logs is opened.

mod debt;
mod files;
pub(crate) mod frame;
mod journal_file;
mod replay;
mod restore;
mod rounds;

pub(crate) use debt::Debt;
pub(crate) use files::Journal;
pub use replay::JournalReport;
pub(crate) use replay::{remove_all, replay};
pub(crate) use rounds::enqueue;
