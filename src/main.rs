//! The `forebay` program: one binary, one command line.
//!
//! Each command lives in one file under `cli/`; this file only hands over to them.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
