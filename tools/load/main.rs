//! `forebay-load`: makes load over the Kafka protocol and measures what it does to a broker.
//!
//! The way of a record: `schedule.rs` says when it should leave, `sender.rs` puts it into a batch,
//! the `client` room carries it, `tally.rs` counts it, `report.rs` prints the sum. One worker runs
//! on each core of this process and shares nothing with the others. What groups are put through
//! instead lies in `groups/`, transactions in `transactions/`.

mod groups;
mod options;
mod payload;
mod receiver;
mod report;
mod running;
mod schedule;
mod sender;
mod spread;
mod tally;
mod transactions;
mod worker;

use std::process::ExitCode;

use clap::Parser;
use client::Address;
use reactor::mailbox;

use crate::options::Options;
use crate::tally::Tally;

/// The most that frames may take in memory on each core.
const FRAMES_BYTES_MAX: usize = 1 << 30;
/// This program writes no logs.
const CHUNKS_BYTES_MAX: usize = 8 << 20;

fn main() -> ExitCode {
    let options = Options::parse();
    match measure(&options) {
        Ok(tally) => {
            if options.json {
                println!("{}", report::json(&options, &tally));
            } else {
                print!("{}", report::text(&options, &tally));
            }
            if tally.errors.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs all workers and adds up what they measured.
fn measure(options: &Options) -> Result<Tally, String> {
    if let Some(mistake) = options.mistake() {
        return Err(mistake.to_owned());
    }
    let addresses = Address::parse_list(&options.brokers).map_err(|error| error.to_string())?;
    let (sender, mut receiver) = mailbox();
    let reactor_options = reactor::Options {
        cores: usize::from(options.cores),
        frames_bytes_max: FRAMES_BYTES_MAX,
        chunks_bytes_max: CHUNKS_BYTES_MAX,
    };
    let shared = options.clone();
    let start = groups::Start::prepare(options).map_err(|error| error.to_string())?;
    reactor::run(&reactor_options, move |core| {
        let (addresses, options, sender) = (addresses.clone(), shared.clone(), sender.clone());
        let start = start.clone();
        async move {
            let measured = match options.scenario.clone() {
                Some(scenario) => groups::run(&core, &addresses, &options, (scenario, start)).await,
                None => {
                    let mark = core.entropy();
                    worker::run(core, addresses, options, mark).await
                }
            };
            // The receiver lives until all workers have ended, so nothing can be lost here.
            let _ = sender.send(measured);
        }
    })
    .map_err(|error| error.to_string())?;
    let mut sum = Tally::new()?;
    while let Some(result) = receiver.try_recv() {
        sum.add(&result?)?;
    }
    Ok(sum)
}
