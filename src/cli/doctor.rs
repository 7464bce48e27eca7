//! `forebay doctor`: can this machine run the node, and how fast is its disk?

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reactor::{Check, Outcome, examine_data_dir, examine_kernel};
use serde_json::json;

use super::failure::{Failure, Kind};
use super::output;
use super::session::with_core;
use super::table::Table;

/// Check what forebay needs from this machine, and measure the data directory
#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    /// The directory that holds or will hold the data
    #[arg(long, short = 'd', value_name = "DIR", default_value = ".")]
    data: PathBuf,
}

pub(super) fn run(options: &Options, json: bool) -> ExitCode {
    let checks = examine_kernel();
    if checks.iter().any(|check| check.outcome == Outcome::Failed) {
        // Without a ring there is no core to measure the directory with.
        return match report(&checks, json) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        };
    }
    let options = options.clone();
    with_core(move |core| {
        let (options, mut checks) = (options.clone(), checks.clone());
        async move {
            checks.extend(examine_data_dir(&core, &options.data).await);
            report(&checks, json)
        }
    })
}

fn report(checks: &[Check], json: bool) -> Result<(), Failure> {
    let mut table = Table::new(&["check", "result", "found"]);
    for check in checks {
        let verdict = verdict(check.outcome);
        if json {
            output::json(&json!({
                "check": check.name,
                "result": verdict,
                "found": check.detail,
                "how_to_mend": check.remedy,
            }))?;
        }
        table.row([
            check.name.to_owned(),
            verdict.to_owned(),
            check.detail.clone(),
        ]);
        if !check.remedy.is_empty() {
            table.row([String::new(), String::new(), format!("-> {}", check.remedy)]);
        }
    }
    if !json {
        output::print(table.render().as_bytes())?;
    }
    let failed: Vec<&str> = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Failed)
        .map(|check| check.name)
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::General,
        "forebay cannot run here",
        format!("failed: {}", failed.join(", ")),
        "follow the arrows in the table",
    ))
}

const fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Good => "good",
        Outcome::Warning => "warning",
        Outcome::Failed => "FAILED",
    }
}
