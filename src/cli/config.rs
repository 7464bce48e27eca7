//! `forebay config`: what configuration keys mean, and which values a cluster's resources have.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use config::ConfigError;
use serde_json::json;

use super::failure::{Failure, Kind};
use super::session::{Cluster, with_client};
use super::{altering, output};

/// Explain configuration keys, show and change values
#[derive(Args, Debug)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What a key does, its type, default and limits
    Explain {
        /// The key, under Kafka's name
        key: String,
    },
    #[command(flatten)]
    Cluster(altering::Command),
}

pub(super) fn run(options: &Options, cluster: &Cluster) -> ExitCode {
    let json = cluster.json;
    match &options.command {
        Command::Explain { key } => match explain(key, json) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        },
        Command::Cluster(command) => {
            let command = command.clone();
            with_client(cluster, move |client| {
                let command = command.clone();
                async move { altering::run(&client, command, json).await }
            })
        }
    }
}

fn explain(name: &str, json: bool) -> Result<(), Failure> {
    let explanation = config::explain(name).map_err(|error| unknown(name, &error))?;
    if !json {
        return output::print(explanation.to_string().as_bytes()).map(|_| ());
    }
    for (family, key) in &explanation.keys {
        output::json(&json!({
            "key": key.name,
            "family": family.name(),
            "purpose": key.purpose,
            "type": key.kind.name(),
            "allowed": key.rule.to_string(),
            "default": key.default,
            "has_effect": key.status() == config::Status::Honoured,
        }))?;
    }
    Ok(())
}

fn unknown(name: &str, error: &ConfigError) -> Failure {
    let mend = match error {
        ConfigError::UnknownKey {
            nearest: Some(nearest),
            ..
        } => {
            format!("did you mean `forebay config explain {nearest}`?")
        }
        _ => "keys are Kafka's own; ours begin with forebay.".to_owned(),
    };
    let why = "no broker, topic or group configuration has it";
    Failure::new(Kind::General, format!("there is no key {name}"), why, mend)
}
