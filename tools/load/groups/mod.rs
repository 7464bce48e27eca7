//! What groups are put through: commits as fast as possible, one more member, a restart.
//!
//! Invariant: a scenario uses what any Kafka broker serves, at the versions agreed on, and tries
//! again while a coordinator is loading or moves, so that brokers can be compared.

mod classic;
mod commits;
mod consumer;
mod lane;
mod member;
mod rebalance;
mod restart;

use clap::Subcommand;
use client::{Address, ClientError};
use reactor::Core;

use crate::options::Options;
use crate::tally::Tally;
use crate::transactions::{OpenOptions, TransactionsOptions, open, transact};
use commits::{CommitsOptions, FillOptions};
use rebalance::RebalanceOptions;
use restart::RestartOptions;

pub(crate) use restart::Start;

/// What to do with groups or transactions.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Scenario {
    /// Commit offsets of all --partitions at once, as simple consumers do, as often as possible
    Commits(CommitsOptions),
    /// Commit the offsets of many groups once, and tell how long it takes
    Fill(FillOptions),
    /// Let one more member join a group, and tell when every member has its new assignment
    Rebalance(RebalanceOptions),
    /// Start a broker that was filled before, and tell when it gives out committed offsets
    Restart(RestartOptions),
    /// Write records in transactions and commit them, as often as possible
    Transactions(TransactionsOptions),
    /// Begin transactions of many transactional ids, and leave them open for --duration
    Open(OpenOptions),
}

impl Scenario {
    /// What is wrong with the options, if anything.
    pub(crate) fn mistake(&self) -> Option<&'static str> {
        match self {
            Self::Commits(options) if options.groups == 0 => Some("--groups must be at least 1"),
            Self::Transactions(options) if options.producers == 0 || options.records == 0 => {
                Some("--producers and --records must be at least 1")
            }
            Self::Rebalance(options) if options.members == 0 || options.rounds == 0 => {
                Some("--members and --rounds must be at least 1")
            }
            _ => None,
        }
    }
}

/// Runs this core's share of a scenario. What is not load but one event happens on the first core.
///
/// # Errors
/// When the scenario cannot begin or come to its end; failures on the way are counted instead.
pub(crate) async fn run(
    core: &Core,
    addresses: &[Address],
    options: &Options,
    (scenario, start): (Scenario, Start),
) -> Result<Tally, String> {
    let is_first = core.id().0 == 0;
    let text = |error: ClientError| error.to_string();
    match scenario {
        Scenario::Commits(commits) => commits::commit(core, addresses, options, &commits).await,
        Scenario::Fill(fill) => commits::fill(core, addresses, options, &fill).await,
        Scenario::Transactions(asked) => transact(core, addresses, options, &asked).await,
        Scenario::Open(asked) => open(core, addresses, options, &asked).await,
        Scenario::Rebalance(rebalance) if is_first => {
            rebalance::run(core, addresses, options, &rebalance)
                .await
                .map_err(text)
        }
        Scenario::Restart(restart) if is_first => {
            restart::run(core, addresses, options, (&restart, start)).await
        }
        Scenario::Rebalance(_) | Scenario::Restart(_) => Tally::new(),
    }
}
