//! The command line: what can be asked of `forebay`, and who answers.
//!
//! Invariants: results go to standard output, everything else to standard error; every failure
//! says what happened, why, and how to mend it, and ends with a nonzero exit code.

mod completions;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A streaming storage node that speaks the Kafka protocol.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Completions(completions::Options),
}

/// Parses the arguments and runs the command that they name.
pub(crate) fn run() -> ExitCode {
    match CommandLine::parse().command {
        Command::Completions(options) => completions::run(&options),
    }
}
