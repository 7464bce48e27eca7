//! Real processes over real sockets: the `forebay` program is started, asked, killed and
//! restarted, and what it acknowledged is compared with what it still has.
//!
//! Everything here uses the standard library's blocking sockets and threads on purpose, so that a
//! mistake of the reactor cannot hide itself on both sides of a connection.
//!
//! Knobs, all from the environment: `FOREBAY` is another binary to test (a release build);
//! `FOREBAY_IT_BOOTSTRAP=host:port` asks a broker that runs already, any Kafka broker, and skips
//! the tests that must start and kill processes; `KILLS` is the number of rounds of the kill test;
//! `SEED` replays a random test with the seed that it printed; `DRIP_SECONDS` is how long slow
//! clients drip; `MANY_GROUPS` is how many groups the test of very many makes; `POWERCUT` names the
//! disk of `power_cut.rs`; `TRANSACTIONS`, `NODE_KILLS` and `HISTORY` size and keep the history of
//! `exactly_once.rs`.
//!
//! Start reading at `server.rs`, then `connection.rs`, then any test.

#![allow(
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests: a panic is a failed test, and real clocks and threads are what is tested"
)]

mod access;
mod acks;
mod admin;
mod admin_port;
mod bad_groups;
mod bad_input;
mod bit_rot;
mod connection;
mod exactly_once;
mod exposition;
mod fetching;
mod groups;
mod healthy;
mod hostile;
mod idempotence;
mod kill;
mod ledger;
mod legacy;
mod limits;
mod line_log;
mod log;
mod log_dirs;
mod pipelining;
mod power_cut;
mod records;
mod restart;
mod retention;
mod scram;
mod seed;
mod server;
mod shutdown;
mod topics;
mod transactions;
mod txn_client;
mod versions;
