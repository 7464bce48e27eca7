//! The only room that knows the kernel.
//!
//! A [`Core`] is one processor core's world: its tasks, its clock, its memory, its files and its
//! sockets. Code above this room is handed a `Core` and never asks where it runs, so the same
//! broker runs on the kernel and, with the `sim` feature, on a simulated machine with a seed,
//! virtual time, and disks that lose, tear and refuse.
//!
//! Vocabulary: a [`Buffer`] has one writer and any number of readers of what is written;
//! [`Bytes`] is such a reader's view, and may travel to other cores; a mailbox carries values
//! from core to core; a [`Signal`] wakes tasks of the same core.
//!
//! Invariants:
//! - Futures are not `Send`: what a core owns is touched by that core alone.
//! - Memory handed to the kernel is kept alive until the kernel has answered, even when the
//!   task that asked has gone.
//! - Bytes become visible through `Bytes` only after they were written, and never change after.
//!
//! Start reading at `core.rs`, then `buffer.rs`.

mod buffer;
mod core;
mod error;
mod file;
mod kernel;
mod mailbox;
mod mesh;
mod select;
mod signal;
#[cfg(feature = "sim")]
pub mod sim;
mod socket;

pub use buffer::{Blocks, Buffer, Bytes, Pool};
pub use core::{Core, DirLock, Entry, OpenMode, Space};
pub use error::{IoError, IoErrorKind};
pub use file::{File, FileRange};
pub use kernel::doctor::{Check, Outcome, examine_data_dir, examine_kernel};
pub use kernel::start::{
    Options, StartError, available_cores, on_terminate, read_before_start, run,
};
pub use mailbox::{Gone, Receiver, Replier, Reply, Sender, mailbox, reply};
pub use mesh::Mesh;
pub use select::{First, first};
pub use signal::Signal;
pub use socket::{Listener, Socket};
