//! The host of group coordinators: what `coordinator` decides, done with the partitions of
//! `__consumer_offsets`.
//!
//! Vocabulary: a *host* is one such partition with the machine of its groups; a *caller* is a
//! request that waits for its answer; an answer is *held* until the records that it rests upon are
//! durable.
//!
//! Lifecycle of a host: when its turn comes its log is replayed into a machine; asks and timers run the machine at
//! once; records gather into batches, of which two are on their way at most; answers leave in
//! order. When an append fails the machine is dropped, all callers are told to look again, and
//! the log is replayed anew.
//!
//! Invariants:
//! - A step's records are in one batch, so a crash keeps all of them or none.
//! - No answer leaves before everything the machine had said until then is durable.
//! - One machine per partition, on the core that owns the partition.
//!
//! Start reading at `hosts.rs`, then `host.rs`.

mod ends;
mod home;
mod host;
mod hosts;
mod load;
mod outbox;
mod turns;

pub(crate) use home::OFFSETS_TOPIC;
pub(crate) use hosts::GroupHosts;

#[cfg(test)]
#[path = "../tests/groups_home.rs"]
mod home_tests;

#[cfg(test)]
#[path = "../tests/groups_outbox.rs"]
mod outbox_tests;

#[cfg(test)]
#[path = "../tests/groups_turns.rs"]
mod turns_tests;
