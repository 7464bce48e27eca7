//! The simulated twin: many machines on one thread, with a seed instead of luck.
//!
//! A [`World`] holds machines. Each has a disk, an address and, while it runs, a process of one
//! or more cores; code gets a `Core` as it does on the kernel and cannot tell the difference.
//! The seed decides which ready task runs next, how long every operation takes and what fails.
//! Time is virtual: it jumps to the next event when no task is ready.
//!
//! What may go wrong, by zone:
//! - Disk: everything since the last flush of a file is lost, kept or torn in a power cut, sector
//!   by sector, its size apart from its data; names changed since the last directory sync are
//!   kept or lost. Reads, writes and flushes fail with EIO; a failed flush loses data for good.
//!   ENOSPC follows from the capacity. What a flush or sync covered is never damaged, except by
//!   [`World::decay`], which a test must ask for: the only good copy of a record is not put at
//!   risk by chance.
//! - Network: bytes arrive in order, after any delay, in any portions. Connections are reset,
//!   closed in one direction, go silent for ever; links between machines are blocked and opened.
//! - Process: killed (the kernel's caches survive), cut off from power (they do not), paused,
//!   slow. Tasks of a dead process are dropped and never polled again; dropping them has no
//!   effect on disk or network.
//! - Clock: each machine's wall clock may be wrong and may jump. The monotonic one is never wrong.
//! - Memory is not touched: corrupt memory is outside of what the product promises to survive.
//!
//! Start reading at `world.rs`, then `disk/content.rs`.

mod core;
mod disk;
mod executor;
mod faults;
mod files;
mod network;
mod sockets;
#[cfg(test)]
mod tests;
mod timeline;
mod trace;
mod universe;
mod world;

pub use self::faults::{DiskOperation, Faults};
pub use self::world::{Node, NodeOptions, World};

pub(crate) use self::core::SimCore;
pub(crate) use self::files::{SimDirLock, SimFile};
pub(crate) use self::sockets::{SimListener, SimSocket};
