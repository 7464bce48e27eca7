//! Whole nodes on simulated machines: everything that was promised holds, whatever the seed does.
//!
//! `partition` runs one partition on one core, which is quick, so it gets the most seeds; `broker`
//! runs whole nodes with clients over a network. Both tell a `history` what was promised and hold
//! it against what is there after every crash. `duties` runs a partition that lets go of records,
//! and tells a `ledger`, which knows what may be gone. `log_dirs` and `committed` let directories
//! fail. `transactions` runs nodes with transactional clients (`transactor`), readers (`audience`)
//! and `outcomes`. `planted` proves that they would notice.
//!
//! `make sim N=5000` runs more seeds, `make sim SEED=17 ARGS=name` one again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "tests fail by panicking, and run once"
)]

mod audience;
mod batches;
mod broker;
mod committed;
mod duties;
mod history;
mod keyed;
mod ledger;
mod log_dirs;
mod node;
mod outcomes;
mod partition;
mod planted;
mod seeds;
mod transactions;
mod transactor;
mod wires;
