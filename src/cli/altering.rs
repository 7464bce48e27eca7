//! `forebay config get|set|unset|list` and `forebay topic alter`: configurations of a cluster.

use clap::{Args, Subcommand};
use client::{Client, ConfigChange, ConfigEntry, Resource};
use serde_json::json;

use super::failure::{Failure, Kind};
use super::output;
use super::table::Table;
use super::topic::key_value;

/// What is looked at or changed.
#[derive(Args, Clone, Debug)]
pub(super) struct Target {
    /// topic, broker, group or client-metrics
    kind: String,
    /// Its name; for brokers the id, or `all` for what counts for all of them
    name: String,
}

impl Target {
    fn resource(&self) -> Result<Resource, Failure> {
        let name = self.name.clone();
        match (self.kind.as_str(), name.as_str()) {
            ("topic", _) => Ok(Resource::Topic(name)),
            ("group", _) => Ok(Resource::Group(name)),
            ("client-metrics", _) => Ok(Resource::ClientMetrics(name)),
            ("broker", "all") => Ok(Resource::AllBrokers),
            ("broker", _) => name.parse().map(Resource::Broker).map_err(|_| {
                let why = format!("{name} is neither the id of a broker nor `all`");
                let mend = "see `forebay cluster info` for the ids";
                Failure::new(Kind::General, "there is no such broker", why, mend)
            }),
            (kind, _) => Err(Failure::new(
                Kind::General,
                format!("there are no resources of kind {kind}"),
                "kinds are topic, broker, group and client-metrics",
                "write for example `forebay config get topic NAME`",
            )),
        }
    }
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Show the values of a resource
    Get {
        #[command(flatten)]
        target: Target,
        /// Only these keys
        keys: Vec<String>,
        /// All keys, not only those that somebody set
        #[arg(long)]
        all: bool,
    },
    /// Set values of a resource
    Set {
        #[command(flatten)]
        target: Target,
        /// Keys with their values
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = key_value)]
        values: Vec<(String, String)>,
        /// Only check whether they could be set
        #[arg(long)]
        validate_only: bool,
    },
    /// Let keys of a resource fall back to their defaults
    Unset {
        #[command(flatten)]
        target: Target,
        /// The keys
        #[arg(required = true)]
        keys: Vec<String>,
        /// Only check whether it could be done
        #[arg(long)]
        validate_only: bool,
    },
    /// List what can be configured
    List {
        /// Only resources of this kind
        kind: Option<String>,
    },
}

/// Change a topic's configuration
#[derive(Args, Clone, Debug)]
pub(super) struct AlterTopic {
    /// Its name
    name: String,
    /// Set a value; may be repeated
    #[arg(long = "config", short = 'c', value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Let a key fall back to its default; may be repeated
    #[arg(long, value_name = "KEY")]
    delete: Vec<String>,
    /// Add elements to a list; may be repeated
    #[arg(long, value_name = "KEY=ELEMENTS", value_parser = key_value)]
    append: Vec<(String, String)>,
    /// Take elements out of a list; may be repeated
    #[arg(long, value_name = "KEY=ELEMENTS", value_parser = key_value)]
    subtract: Vec<(String, String)>,
    /// Only check whether it could be done
    #[arg(long)]
    validate_only: bool,
}

pub(super) async fn run(client: &Client, command: Command, json: bool) -> Result<(), Failure> {
    match command {
        Command::Get { target, keys, all } => {
            show(client, &target.resource()?, &keys, all, json).await
        }
        Command::Set {
            target,
            values,
            validate_only,
        } => {
            let set = |(key, value)| ConfigChange::Set(key, value);
            let changes = values.into_iter().map(set).collect();
            change(client, &target.resource()?, changes, validate_only, json).await
        }
        Command::Unset {
            target,
            keys,
            validate_only,
        } => {
            let changes = keys.into_iter().map(ConfigChange::Unset).collect();
            change(client, &target.resource()?, changes, validate_only, json).await
        }
        Command::List { kind } => list(client, kind.as_deref(), json).await,
    }
}

pub(super) async fn alter_topic(
    client: &Client,
    options: AlterTopic,
    json: bool,
) -> Result<(), Failure> {
    let mut changes = Vec::new();
    let pairs = |pairs: Vec<(String, String)>, change: fn(String, String) -> ConfigChange| {
        let changes = pairs
            .into_iter()
            .map(move |(key, value)| change(key, value));
        changes.collect::<Vec<_>>()
    };
    changes.extend(pairs(options.set, ConfigChange::Set));
    changes.extend(options.delete.into_iter().map(ConfigChange::Unset));
    changes.extend(pairs(options.append, ConfigChange::Append));
    changes.extend(pairs(options.subtract, ConfigChange::Subtract));
    let resource = Resource::Topic(options.name);
    change(client, &resource, changes, options.validate_only, json).await
}

async fn change(
    client: &Client,
    resource: &Resource,
    changes: Vec<ConfigChange>,
    validate_only: bool,
    json: bool,
) -> Result<(), Failure> {
    let (kind, name) = (resource.kind(), resource.name());
    if changes.is_empty() {
        return Err(Failure::new(
            Kind::General,
            "there is nothing to change",
            "no key was named",
            "name one, such as --config retention.ms=86400000",
        ));
    }
    let done = client
        .alter_configs(resource, &changes, validate_only)
        .await;
    done.map_err(|error| Failure::during(format!("cannot change {kind} {name}"), &error))?;
    if json {
        let value = json!({ "kind": kind, "name": name, "changed": !validate_only });
        return output::json(&value).map(|_| ());
    }
    let verb = if validate_only {
        "could be changed"
    } else {
        "changed"
    };
    output::line(&format!("{kind} {name}: {verb}")).map(|_| ())
}

async fn show(
    client: &Client,
    resource: &Resource,
    keys: &[String],
    all: bool,
    json: bool,
) -> Result<(), Failure> {
    let configs = client.describe_configs(resource, false).await?;
    let unknown = keys
        .iter()
        .find(|key| !configs.iter().any(|entry| &entry.name == *key));
    if let Some(unknown) = unknown {
        let nearest = config::nearest(unknown, configs.iter().map(|entry| entry.name.as_str()));
        let mend = nearest.map_or_else(
            || "leave the key out to see what is set".to_owned(),
            |nearest| format!("did you mean {nearest}?"),
        );
        let what = format!(
            "{} {} has no key {unknown}",
            resource.kind(),
            resource.name()
        );
        return Err(Failure::new(
            Kind::Refused,
            what,
            "the broker does not list it",
            mend,
        ));
    }
    let is_set = |entry: &ConfigEntry| {
        !matches!(entry.source, "DEFAULT_CONFIG" | "STATIC_BROKER_CONFIG")
            || (entry.source == "STATIC_BROKER_CONFIG" && matches!(resource, Resource::Broker(_)))
    };
    let shown = configs.iter().filter(|entry| {
        if keys.is_empty() {
            all || is_set(entry)
        } else {
            keys.contains(&entry.name)
        }
    });
    if json {
        for entry in shown {
            output::json(&json!({
                "key": entry.name,
                "value": entry.value,
                "source": entry.source,
                "read_only": entry.is_read_only,
                "sensitive": entry.is_sensitive,
            }))?;
        }
        return Ok(());
    }
    let mut table = Table::new(&["key", "value", "source"]);
    let mut count = 0;
    for entry in shown {
        count += 1;
        let hidden = if entry.is_sensitive { "(hidden)" } else { "" };
        let value = entry.value.clone().unwrap_or_else(|| hidden.to_owned());
        table.row([entry.name.clone(), value, entry.source.to_owned()]);
    }
    if count == 0 {
        eprintln!("nothing is set; --all shows the defaults");
        return Ok(());
    }
    output::print(table.render().as_bytes()).map(|_| ())
}

async fn list(client: &Client, kind: Option<&str>, json: bool) -> Result<(), Failure> {
    let resources = client.config_resources(None).await?;
    let mut table = Table::new(&["kind", "name"]);
    let wanted = resources
        .iter()
        .filter(|resource| kind.is_none_or(|kind| kind == resource.kind()));
    for resource in wanted {
        if json {
            output::json(&json!({ "kind": resource.kind(), "name": resource.name() }))?;
        } else {
            table.row([resource.kind().to_owned(), resource.name()]);
        }
    }
    if json {
        return Ok(());
    }
    output::print(table.render().as_bytes()).map(|_| ())
}
