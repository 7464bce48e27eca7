//! `forebay completions`: the script that completes the command line in a shell.

use std::process::ExitCode;

use clap::{Args, CommandFactory};

use super::CommandLine;

/// Print a completion script for a shell
///
/// For bash: `forebay completions bash > /etc/bash_completion.d/forebay`
#[derive(Args, Debug)]
pub(super) struct Options {
    /// The shell that will read the script
    shell: clap_complete::Shell,
}

pub(super) fn run(options: &Options) -> ExitCode {
    let mut command = CommandLine::command();
    clap_complete::generate(
        options.shell,
        &mut command,
        "forebay",
        &mut std::io::stdout(),
    );
    ExitCode::SUCCESS
}
