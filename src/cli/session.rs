//! From parsed arguments to a command that talks to a cluster.
//!
//! Invariant: a command runs on one core with a client of its own, and its outcome reaches the
//! process as an exit code by one way only, this one.

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use client::{Address, Client, Options};
use reactor::{Core, mailbox};

use super::failure::{Failure, Kind};

/// The most that answers of brokers may take in memory at once.
const FRAMES_BYTES_MAX: usize = 512 << 20;
/// The command line writes no logs of its own.
const CHUNKS_BYTES_MAX: usize = 8 << 20;

/// What every command that talks to a cluster takes.
#[derive(Args, Clone, Debug)]
pub(super) struct Cluster {
    /// Brokers to begin with, as host:port with commas between them
    #[arg(
        long,
        short = 'b',
        global = true,
        env = "FOREBAY_BROKERS",
        default_value = "localhost:9092",
        value_name = "HOST:PORT,..",
        hide_env_values = true,
        help_heading = "Cluster"
    )]
    pub(super) brokers: String,

    /// How long any single request may take
    #[arg(
        long,
        global = true,
        default_value_t = 30_000,
        value_name = "MS",
        help_heading = "Cluster"
    )]
    pub(super) timeout_ms: u64,

    /// Print for programs: JSON, one value per result
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) json: bool,
}

impl Cluster {
    /// The brokers to begin with.
    pub(super) fn addresses(&self) -> Result<Vec<Address>, Failure> {
        Address::parse_list(&self.brokers).map_err(|error| {
            let what = "the list of brokers cannot be read";
            Failure::new(Kind::General, what, error.to_string(), "correct --brokers")
        })
    }

    /// How the client behaves: as by default, but no request and no retry takes longer than asked.
    fn options(&self) -> Options {
        let limit = Duration::from_millis(self.timeout_ms);
        let default = Options::default();
        Options {
            client_id: "forebay-cli".to_owned(),
            connect_timeout: default.connect_timeout.min(limit),
            request_timeout: limit,
            retry_time_max: default.retry_time_max.min(limit),
            ..default
        }
    }
}

/// Runs `command` on one core until it ends.
pub(super) fn with_core<F, T>(command: F) -> ExitCode
where
    F: Fn(Core) -> T + Send + Sync + 'static,
    T: Future<Output = Result<(), Failure>> + 'static,
{
    let (sender, mut receiver) = mailbox();
    let options = reactor::Options {
        cores: 1,
        frames_bytes_max: FRAMES_BYTES_MAX,
        chunks_bytes_max: CHUNKS_BYTES_MAX,
    };
    let ran = reactor::run(&options, move |core| {
        let outcome = command(core);
        let sender = sender.clone();
        async move {
            // The receiver lives until `run` has returned, so nothing can be lost here.
            let _ = sender.send(outcome.await);
        }
    });
    let outcome = match ran {
        Ok(()) => receiver.try_recv().unwrap_or(Ok(())),
        Err(error) => Err(Failure::from(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Connects to the cluster and runs `command` with the client.
pub(super) fn with_client<F, T>(cluster: &Cluster, command: F) -> ExitCode
where
    F: Fn(Client) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = Result<(), Failure>> + 'static,
{
    let addresses = match cluster.addresses() {
        Ok(addresses) => addresses,
        Err(failure) => return failure.report(),
    };
    let options = cluster.options();
    with_core(move |core| {
        let (addresses, options, command) = (addresses.clone(), options.clone(), command.clone());
        async move {
            let client = Client::connect(&core, &addresses, options).await?;
            command(client).await
        }
    })
}
