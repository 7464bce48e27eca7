//! Hosts of coordinators: what a pure machine decides, done with one partition of an internal
//! topic. Which machine it is, groups' or another, is told by [`Machine`].
//!
//! Vocabulary: a *host* is one such partition with its machine; a *caller* is a request that waits
//! for its answer; what a machine says besides records is *held* until the records before it are
//! durable: answers, and *errands*, which are what it wants done elsewhere.
//!
//! Lifecycle of a host: when its turn comes its log is replayed into a machine; asks and timers
//! run the machine at once; records gather into batches, of which two are on their way at most;
//! what is held leaves in order. When an append fails the machine is dropped, all callers are told
//! to look again, and the log is replayed anew.
//!
//! Invariants:
//! - A step's records are in one batch, so a crash keeps all of them or none.
//! - Nothing held leaves before everything the machine had said until then is durable.
//! - A machine's successor begins when everything that it wanted done has ended.
//! - One machine per partition, on the core that owns the partition.
//!
//! Start reading at `machine.rs`, then `host.rs`.

mod home;
mod host;
mod load;
mod machine;
mod marker;
mod outbox;
mod set;
mod turns;
mod way;

pub(crate) use home::{InternalTopic, number};
pub(crate) use host::{Host, Options, Surroundings, loading, not_here};
pub(crate) use machine::{Machine, Said};
pub use marker::MarkerRequest;
pub(crate) use set::Hosts;

#[cfg(test)]
#[path = "../tests/hosts_home.rs"]
mod home_tests;

#[cfg(test)]
#[path = "../tests/hosts_outbox.rs"]
mod outbox_tests;

#[cfg(test)]
#[path = "../tests/hosts_turns.rs"]
mod turns_tests;
