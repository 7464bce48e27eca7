//! Tests of the quorum: its bytes, one voter alone, hostile messages, and whole clusters.
#![allow(
    clippy::cast_possible_truncation,
    reason = "the numbers of a simulation are small"
)]

mod alone;
mod cluster;
mod codec;
mod offsets;
mod scenarios;
