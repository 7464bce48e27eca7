//! What administrators are shown over HTTP: metrics for Prometheus, the node's health, and how
//! groups get on. Nothing can be changed from here.
//!
//! Vocabulary: a *request* is one head, its body is never read; a *page* is what answers it.
//!
//! Invariants:
//! - Nothing here is on the way of a record: it runs on core 0 between that core's other tasks and
//!   asks other cores by errands.
//! - Whoever connects costs a bounded piece of memory of this room's own, for a bounded time; the
//!   memory of clients' requests is not touched, so a node that is overrun still tells of it.
//! - One request per connection: whoever asks every few seconds gains nothing from keeping it.
//!
//! Start reading at `routes.rs`, which is everything that can be asked, then `listener.rs`.

mod burrow;
mod clients;
mod groups;
mod http;
mod listener;
mod routes;

pub use listener::Admin;

#[cfg(test)]
mod tests;
