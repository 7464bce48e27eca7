//! `forebay topic`: create, list, describe, grow and delete topics.

use std::process::ExitCode;

use base::{ErrorCode, NodeId};
use clap::{Args, Subcommand};
use client::{Client, ClientError, ConfigEntry, NewTopic, OffsetSpec, Partition, Resource, Topic};
use serde_json::json;

use super::altering::{self, AlterTopic};
use super::failure::{Failure, Kind};
use super::output;
use super::session::{Cluster, with_client};
use super::table::Table;

/// Create, list, describe, change and delete topics
#[derive(Args, Debug)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Create a topic
    Create(Create),
    /// List topics with their partitions and replicas
    List(List),
    /// Show a topic's partitions, offsets and configuration
    Describe(Describe),
    /// Change a topic's configuration
    Alter(AlterTopic),
    /// Raise the number of a topic's partitions
    Grow(Grow),
    /// Delete topics with all their records
    Delete(Delete),
}

#[derive(Args, Clone, Debug)]
struct Create {
    /// Its name: letters, digits, dots, underscores and dashes
    name: String,
    /// How many partitions; the broker's num.partitions by default
    #[arg(long, short = 'p')]
    partitions: Option<i32>,
    /// How many replicas; the broker's default.replication.factor by default
    #[arg(long, short = 'r')]
    replication_factor: Option<i16>,
    /// Configuration that differs from the broker's; may be repeated
    #[arg(long = "config", short = 'c', value_name = "KEY=VALUE", value_parser = key_value)]
    configs: Vec<(String, String)>,
    /// Succeed also when the topic exists already
    #[arg(long)]
    if_not_exists: bool,
    /// Only check whether it could be created
    #[arg(long)]
    validate_only: bool,
}

#[derive(Args, Clone, Debug)]
struct List {
    /// Kafka's own topics too
    #[arg(long)]
    internal: bool,
}

#[derive(Args, Clone, Debug)]
struct Describe {
    /// Its name
    name: String,
    /// All configuration, not only what differs from the defaults
    #[arg(long)]
    all_configs: bool,
}

#[derive(Args, Clone, Debug)]
struct Grow {
    /// Its name
    name: String,
    /// How many partitions it will have
    #[arg(long, short = 'p')]
    partitions: i32,
}

#[derive(Args, Clone, Debug)]
struct Delete {
    /// Their names
    #[arg(required = true)]
    names: Vec<String>,
    /// Succeed also when a topic does not exist
    #[arg(long)]
    if_exists: bool,
}

pub(super) fn run(options: &Options, cluster: &Cluster) -> ExitCode {
    let (command, json) = (options.command.clone(), cluster.json);
    with_client(cluster, move |client| {
        let command = command.clone();
        async move {
            match command {
                Command::Create(options) => create(&client, &options, json).await,
                Command::List(options) => list(&client, &options, json).await,
                Command::Describe(options) => describe(&client, &options, json).await,
                Command::Alter(options) => altering::alter_topic(&client, options, json).await,
                Command::Grow(options) => grow(&client, &options, json).await,
                Command::Delete(options) => delete(&client, &options, json).await,
            }
        }
    })
}

/// `key=value` as people write it.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write key=value".to_owned()),
    }
}

async fn create(client: &Client, options: &Create, json: bool) -> Result<(), Failure> {
    let topic = NewTopic {
        name: options.name.clone(),
        partitions: options.partitions,
        replication_factor: options.replication_factor,
        configs: options.configs.clone(),
    };
    let (verb, created) = match client.create_topic(&topic, options.validate_only).await {
        Ok(_) if options.validate_only => ("could be created", false),
        Ok(_) => ("created", true),
        Err(error) if options.if_not_exists && has_code(&error, ErrorCode::TopicAlreadyExists) => {
            ("exists already", false)
        }
        Err(error) => {
            return Err(Failure::during(
                format!("cannot create topic {}", options.name),
                &error,
            ));
        }
    };
    if json {
        output::json(&json!({ "topic": options.name, "created": created })).map(|_| ())
    } else {
        output::line(&format!("topic {}: {verb}", options.name)).map(|_| ())
    }
}

async fn list(client: &Client, options: &List, json: bool) -> Result<(), Failure> {
    client.refresh(None, false).await?;
    let image = client.image().clone();
    let shown = image
        .topics
        .values()
        .filter(|topic| options.internal || !topic.is_internal);
    if json {
        for topic in shown {
            let value = json!({
                "topic": topic.name,
                "id": topic.id.to_string(),
                "partitions": topic.partitions.len(),
                "replication_factor": replication_factor(topic),
                "internal": topic.is_internal,
            });
            output::json(&value)?;
        }
        return Ok(());
    }
    let mut table = Table::new(&["topic", "partitions", "replicas"]);
    let mut count = 0;
    for topic in shown {
        count += 1;
        let (partitions, replicas) = (topic.partitions.len(), replication_factor(topic));
        table.row([
            topic.name.clone(),
            partitions.to_string(),
            replicas.to_string(),
        ]);
    }
    if count == 0 {
        eprintln!("no topics; `forebay topic create NAME` makes one");
        return Ok(());
    }
    output::print(table.render().as_bytes()).map(|_| ())
}

async fn describe(client: &Client, options: &Describe, json: bool) -> Result<(), Failure> {
    client.refresh(Some(&[&options.name]), false).await?;
    let topic = client.topic(&options.name, false).await?;
    let offsets = offsets(client, &topic).await?;
    let resource = Resource::Topic(options.name.clone());
    let configs = client.describe_configs(&resource, false).await?;
    let shown: Vec<&ConfigEntry> = configs
        .iter()
        .filter(|entry| options.all_configs || entry.source == "DYNAMIC_TOPIC_CONFIG")
        .collect();
    if json {
        return output::json(&description(&topic, &offsets, &shown)).map(|_| ());
    }
    let mut text = format!("topic {}  id {}\n\n", topic.name, topic.id);
    let head = [
        "partition",
        "leader",
        "epoch",
        "replicas",
        "in sync",
        "begin",
        "end",
    ];
    let mut table = Table::new(&head);
    for (partition, (begin, end)) in topic.partitions.values().zip(&offsets) {
        table.row([
            partition.index.to_string(),
            leader_name(partition),
            partition.leader_epoch.to_string(),
            nodes(&partition.replicas),
            nodes(&partition.in_sync),
            begin.map_or("?".to_owned(), |offset| offset.to_string()),
            end.map_or("?".to_owned(), |offset| offset.to_string()),
        ]);
    }
    text.push_str(&table.render());
    if !shown.is_empty() {
        let mut table = Table::new(&["configuration", "value", "source"]);
        for entry in shown {
            let value = entry.value.clone().unwrap_or_else(|| "(hidden)".to_owned());
            table.row([entry.name.clone(), value, entry.source.to_owned()]);
        }
        text.push('\n');
        text.push_str(&table.render());
    }
    output::print(text.as_bytes()).map(|_| ())
}

type Ends = (Option<i64>, Option<i64>);

/// First and last offset of each partition, in the order of their indexes; nothing for a
/// partition that has no leader, since the rest is still worth showing.
async fn offsets(client: &Client, topic: &Topic) -> Result<Vec<Ends>, Failure> {
    let mut all = Vec::new();
    for partition in topic.partitions.values() {
        if partition.leader.0 < 0 {
            all.push((None, None));
            continue;
        }
        let begin = client
            .offset(&topic.name, partition.index, OffsetSpec::Earliest)
            .await?;
        let end = client
            .offset(&topic.name, partition.index, OffsetSpec::Latest)
            .await?;
        all.push((begin.map(|offset| offset.0), end.map(|offset| offset.0)));
    }
    Ok(all)
}

fn description(topic: &Topic, offsets: &[Ends], configs: &[&ConfigEntry]) -> serde_json::Value {
    let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect::<Vec<_>>();
    let partition = |(partition, (begin, end)): (&Partition, &Ends)| {
        json!({
            "partition": partition.index.0,
            "leader": partition.leader.0,
            "leader_epoch": partition.leader_epoch.0,
            "replicas": ids(&partition.replicas),
            "in_sync": ids(&partition.in_sync),
            "begin": begin,
            "end": end,
        })
    };
    let config = |entry: &&ConfigEntry| json!({ "name": entry.name, "value": entry.value, "source": entry.source });
    json!({
        "topic": topic.name,
        "id": topic.id.to_string(),
        "internal": topic.is_internal,
        "partitions": topic.partitions.values().zip(offsets).map(partition).collect::<Vec<_>>(),
        "configs": configs.iter().map(config).collect::<Vec<_>>(),
    })
}

async fn grow(client: &Client, options: &Grow, json: bool) -> Result<(), Failure> {
    let (name, partitions) = (&options.name, options.partitions);
    client
        .create_partitions(name, partitions)
        .await
        .map_err(|error| Failure::during(format!("cannot grow topic {name}"), &error))?;
    if json {
        output::json(&json!({ "topic": name, "partitions": partitions })).map(|_| ())
    } else {
        output::line(&format!("topic {name}: {partitions} partitions")).map(|_| ())
    }
}

async fn delete(client: &Client, options: &Delete, json: bool) -> Result<(), Failure> {
    for name in &options.names {
        let deleted = match client.delete_topic(name).await {
            Ok(()) => true,
            Err(error)
                if options.if_exists && has_code(&error, ErrorCode::UnknownTopicOrPartition) =>
            {
                false
            }
            Err(error) => {
                return Err(Failure::during(
                    format!("cannot delete topic {name}"),
                    &error,
                ));
            }
        };
        if json {
            output::json(&json!({ "topic": name, "deleted": deleted }))?;
        } else {
            let verb = if deleted { "deleted" } else { "does not exist" };
            output::line(&format!("topic {name}: {verb}"))?;
        }
    }
    Ok(())
}

fn has_code(error: &ClientError, wanted: ErrorCode) -> bool {
    matches!(error, ClientError::Refused { code, .. } if *code == wanted)
}

fn replication_factor(topic: &Topic) -> usize {
    topic
        .partitions
        .values()
        .map(|partition| partition.replicas.len())
        .max()
        .unwrap_or(0)
}

fn leader_name(partition: &Partition) -> String {
    if partition.leader.0 < 0 {
        "none".to_owned()
    } else {
        partition.leader.to_string()
    }
}

fn nodes(ids: &[NodeId]) -> String {
    ids.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

/// The indexes of a topic's partitions, or the one that was asked for.
///
/// # Errors
/// When the topic has no such partition.
pub(super) fn chosen_partitions(
    topic: &Topic,
    wanted: &[i32],
) -> Result<Vec<base::PartitionIndex>, Failure> {
    if wanted.is_empty() {
        return Ok(topic.partitions.keys().copied().collect());
    }
    let has = |index: &i32| topic.partitions.contains_key(&base::PartitionIndex(*index));
    match wanted.iter().find(|index| !has(index)) {
        None => Ok(wanted.iter().copied().map(base::PartitionIndex).collect()),
        Some(missing) => Err(Failure::new(
            Kind::General,
            format!("topic {} has no partition {missing}", topic.name),
            format!(
                "it has {} partitions, numbered from 0",
                topic.partitions.len()
            ),
            format!(
                "choose another, or see `forebay topic describe {}`",
                topic.name
            ),
        )),
    }
}
