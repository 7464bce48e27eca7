//! Coordinators of transactions on the partitions of `__transaction_state`, the way to them from any
//! core, and the markers that they have written.
//!
//! Start reading at `hosts.rs`, then `machine.rs` and `markers.rs`; how a host runs its machine is
//! told in `broker/hosts`.

mod appends;
mod home;
mod hosts;
mod machine;
mod markers;

pub use appends::{Custom, InTransaction};
pub(crate) use home::TRANSACTIONS_TOPIC;
pub(crate) use hosts::TransactionHosts;
pub use markers::MarkerFailure;
