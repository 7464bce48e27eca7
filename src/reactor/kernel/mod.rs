//! The kernel's twin: glommio runs the tasks and the sockets, a ring of our own runs the files.
//!
//! Start reading at `start.rs`, then `core.rs` and `ring.rs`.

pub(crate) mod core;
pub(crate) mod doctor;
pub(crate) mod durable;
pub(crate) mod file;
pub(crate) mod files;
pub(crate) mod ring;
pub(crate) mod socket;
pub(crate) mod start;
