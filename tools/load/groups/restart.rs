//! A restart: from the start of a process to the first committed offsets that it gives out.
//!
//! Invariant: the clock starts when the shell is told to go on, not when it is made; and the
//! process may use all processors, although the cores here are bound to one each.

use std::io::Write as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use client::{Address, Client, ClientError};
use reactor::Core;

use super::Scenario;
use super::commits::group_name;
use crate::options::Options;
use crate::tally::Tally;
use crate::worker::client_options;

/// How often to try while nobody answers, or not with offsets.
const PAUSE: Duration = Duration::from_millis(2);
/// How long to try.
const PATIENCE: Duration = Duration::from_secs(300);

/// What to start and what to ask for.
#[derive(Args, Clone, Debug)]
pub(crate) struct RestartOptions {
    /// What starts the broker, for the shell; it goes on running afterwards
    #[arg(long)]
    pub(crate) start_command: String,
    /// Groups to ask for their offsets, one after the other, of those that were filled
    #[arg(long, default_value_t = 100)]
    pub(crate) groups: usize,
}

/// A shell that waits for a line before it starts the broker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    gate: Option<Arc<ChildStdin>>,
}

impl Start {
    /// Makes the shell if the scenario needs one. To be called on a thread that is bound to no
    /// processor, since what it starts inherits that.
    ///
    /// # Errors
    /// When there is no shell.
    pub(crate) fn prepare(options: &Options) -> Result<Self, std::io::Error> {
        let Some(Scenario::Restart(restart)) = &options.scenario else {
            return Ok(Self::default());
        };
        let mut shell = Command::new("sh")
            .args(["-c", "read -r line; eval \"$1\"", "sh"])
            .arg(&restart.start_command)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self {
            gate: shell.stdin.take().map(Arc::new),
        })
    }

    /// Lets the shell go on.
    fn go(&self) -> Result<(), String> {
        let gate = self.gate.as_ref().ok_or("there is no shell to go on")?;
        let mut gate: &ChildStdin = gate;
        gate.write_all(b"go\n").map_err(|error| error.to_string())
    }
}

/// Starts the process and asks until it answers for each group.
///
/// # Errors
/// When it does not within a long time, or gives out other offsets than were filled in.
pub(crate) async fn run(
    core: &Core,
    addresses: &[Address],
    options: &Options,
    (restart, start): (&RestartOptions, Start),
) -> Result<Tally, String> {
    let mut tally = Tally::new()?;
    let begin = core.now();
    start.go()?;
    let since = || core.now().saturating_sub(begin).as_secs_f64();
    let client = patiently(core, || {
        Client::connect(core, addresses, impatient_options())
    })
    .await?;
    tally.figures.push(("connected_seconds", since()));
    for index in 0..restart.groups.max(1) {
        let group = group_name(&options.topic, index);
        let found = patiently(core, || client.committed(&group)).await?;
        let expected = usize::from(options.partitions);
        if found.len() != expected {
            let found = found.len();
            return Err(format!(
                "{group} has {found} committed offsets; expected {expected}: fill the broker first"
            ));
        }
        if index == 0 {
            tally.figures.push(("first_offsets_seconds", since()));
        }
    }
    tally.figures.push(("all_groups_seconds", since()));
    Ok(tally)
}

/// Tries again and again while failures may pass.
async fn patiently<T, F>(core: &Core, attempt: impl Fn() -> F) -> Result<T, String>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let give_up = core.now() + PATIENCE;
    loop {
        match attempt().await {
            Err(error) if error.is_retriable() && core.now() < give_up => core.sleep(PAUSE).await,
            done => return done.map_err(|error| error.to_string()),
        }
    }
}

fn impatient_options() -> client::Options {
    client::Options {
        retry_pause: PAUSE,
        ..client_options()
    }
}
