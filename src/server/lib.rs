//! The Kafka protocol's front door: listeners, connections, and one handler file per API.
//!
//! Vocabulary: a *frame* is one request's bytes; an *answer* is what its handler gives back, at
//! once, later or never; a *part* is a run of the response: bytes in memory or a piece of a file.
//!
//! Invariants:
//! - Requests of one connection are dispatched in the order they arrived and answered in that
//!   order, but a later one does not wait for an earlier one's flush.
//! - A slow, silent or hostile client costs itself: its memory comes from a budget, its silence
//!   has a deadline, its mistakes end its own connection at most.
//! - Only here are error codes chosen, and only here are API versions known.
//!
//! Start reading at `table.rs`, which is the protocol on one screen, then `connection.rs`.

mod access;
mod answer;
mod connection;
mod context;
mod counters;
mod fault;
mod frame;
mod handlers;
mod legacy;
mod listener;
mod sessions;
mod table;
mod watch;

pub use listener::{Server, ServerLimits, Shared};
pub use table::{API_TABLE, ApiRow};
