//! The command line: what can be asked of `forebay`, and who answers.
//!
//! Invariants: results go to standard output, everything else to standard error; every failure
//! says what happened, why, and how to mend it, and ends with a nonzero exit code.

mod acl;
mod admin;
mod altering;
mod completions;
mod config;
mod consume;
mod consume_group;
mod doctor;
mod failure;
mod group;
mod group_reset;
mod group_watch;
mod input;
mod operate;
mod output;
#[cfg(feature = "planted")]
mod planted;
mod produce;
mod serve;
mod session;
mod table;
mod telemetry;
mod template;
mod topic;
mod txn;
mod txn_hanging;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A streaming storage node that speaks the Kafka protocol.
///
/// All commands but serve, doctor and config explain work against any Kafka broker.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 arguments not understood, 3 no broker \
    answers, 4 the broker refuses, 5 input or output unusable."
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    cluster: session::Cluster,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Options),
    Topic(topic::Options),
    Produce(produce::Options),
    Consume(consume::Options),
    Group(group::Options),
    Acl(acl::Options),
    Txn(txn::Options),
    Cluster(operate::ClusterOptions),
    Log(operate::LogOptions),
    Features(operate::FeatureOptions),
    Doctor(doctor::Options),
    Config(config::Options),
    Completions(completions::Options),
}

/// Parses the arguments and runs the command that they name.
pub(crate) fn run() -> ExitCode {
    let CommandLine { command, cluster } = CommandLine::parse();
    match command {
        Command::Serve(options) => serve::run(&options),
        Command::Topic(options) => topic::run(&options, &cluster),
        Command::Produce(options) => produce::run(&options, &cluster),
        Command::Consume(options) => consume::run(&options, &cluster),
        Command::Group(options) => group::run(&options, &cluster),
        Command::Acl(options) => acl::run(&options, &cluster),
        Command::Txn(options) => txn::run(&options, &cluster),
        Command::Cluster(options) => operate::run_cluster(&options, &cluster),
        Command::Log(options) => operate::run_log(&options, &cluster),
        Command::Features(options) => operate::run_features(&options, &cluster),
        Command::Doctor(options) => doctor::run(&options, cluster.json),
        Command::Config(options) => config::run(&options, &cluster),
        Command::Completions(options) => completions::run(&options),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use config::{BrokerConfig, Inputs};

    use super::CommandLine;

    /// The variables that any command's arguments may come from.
    fn variables(command: &clap::Command, found: &mut Vec<String>) {
        let named = command.get_arguments().filter_map(clap::Arg::get_env);
        found.extend(named.map(|name| name.to_str().unwrap().to_owned()));
        for command in command.get_subcommands() {
            variables(command, found);
        }
    }

    /// The story: an operator has set in a shell which cluster the commands are meant for, and starts
    /// a node from it. A node takes a variable of ours that it does not know for a mistake.
    #[test]
    fn a_node_starts_beside_what_commands_read_from_the_environment() {
        let mut found = Vec::new();
        variables(&CommandLine::command(), &mut found);
        assert!(found.contains(&"FOREBAY_BROKERS".to_owned()), "{found:?}");
        for name in found {
            let environment = [(name.clone(), "node-1:9092".to_owned())];
            let inputs = Inputs {
                environment: &environment,
                ..Inputs::default()
            };
            let loaded = BrokerConfig::load(&inputs);
            assert!(loaded.is_ok(), "{name}: {:?}", loaded.err());
        }
    }
}
