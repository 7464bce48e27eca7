//! `forebay-probe`: measures one kernel or glommio fact per probe, on this machine, now.
//!
//! Usage: `forebay-probe <name> [--dir D] [--seconds S] [--only TEXT] [--json]`, or `forebay-probe list`.
//! Every probe compares variants that run interleaved, round after round, so that a neighbour's
//! load hits all of them alike; read the ratios and the CPU columns, not the absolute speeds.
//! The figures end up in `kernel-notes/`, each with the command line that produced it.
//!
//! Invariant: a probe leaves nothing behind in the directory it was given.

mod disk;
mod measure;
mod memory;
mod probes;
mod ring;
mod sockets;
mod sys;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What the command line asked for.
pub(crate) struct Options {
    /// Where probes of the disk put their files.
    dir: PathBuf,
    /// How long all rounds of all variants together may take.
    budget: Duration,
    /// Only variants whose name contains this.
    only: String,
    /// One JSON object per row instead of a table.
    json: bool,
}

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("forebay-probe: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<String>) -> Result<(), String> {
    let mut options = Options {
        dir: PathBuf::from("."),
        budget: Duration::from_secs(10),
        only: String::new(),
        json: false,
    };
    let mut name = None;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => options.json = true,
            "--only" => options.only = value_of("--only", arguments.next())?,
            "--dir" => options.dir = PathBuf::from(value_of("--dir", arguments.next())?),
            "--seconds" => {
                let text = value_of("--seconds", arguments.next())?;
                let seconds: f64 = text
                    .parse()
                    .map_err(|_| format!("--seconds wants a number, not '{text}'"))?;
                options.budget = Duration::try_from_secs_f64(seconds)
                    .map_err(|_| format!("--seconds {text} is out of range"))?;
            }
            flag if flag.starts_with('-') => return Err(format!("unknown option '{flag}'")),
            probe if name.is_none() => name = Some(probe.to_owned()),
            extra => return Err(format!("one probe at a time; '{extra}' is one too many")),
        }
    }
    let name = name.ok_or("which probe? `forebay-probe list` names them")?;
    if name == "list" {
        for probe in probes::ALL {
            println!("{:<14} {}", probe.name, probe.question);
        }
        return Ok(());
    }
    let probe = probes::ALL
        .iter()
        .find(|probe| probe.name == name)
        .ok_or_else(|| format!("no probe '{name}'; `forebay-probe list` names them"))?;
    let report = (probe.run)(&options).map_err(|error: io::Error| format!("{name}: {error}"))?;
    println!("{}", report.render(options.json));
    Ok(())
}

fn value_of(flag: &str, value: Option<String>) -> Result<String, String> {
    value.ok_or_else(|| format!("{flag} wants a value"))
}
