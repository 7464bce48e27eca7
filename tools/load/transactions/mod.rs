//! Transactions as fast as possible, and transactional ids that are left open.
//!
//! Invariant: only what any Kafka broker serves is used, at the versions agreed on, and what a
//! broker asks to be sent again is, so that brokers can be compared.

mod producer;
mod run;

pub(crate) use run::{OpenOptions, TransactionsOptions, open, transact};
