//! Group coordinators on the partitions of `__consumer_offsets`, and the way to them from any core.
//!
//! Start reading at `hosts.rs`, then `machine.rs`; how a host runs its machine is told in
//! `broker/hosts`.

mod ends;
mod home;
mod hosts;
mod machine;
mod transactional;

pub(crate) use home::OFFSETS_TOPIC;
pub(crate) use hosts::GroupHosts;
