//! `forebay cluster`, `forebay log` and `forebay features`: what operators look at and switch.

use std::process::ExitCode;

use base::NodeId;
use clap::{Args, Subcommand};
use client::{Client, FeatureWay, LogDir, QuorumInfo};
use serde_json::json;

use super::failure::Failure;
use super::output;
use super::session::{Cluster, with_client};
use super::table::Table;

/// Show the cluster, its brokers and its metadata quorum
#[derive(Args, Debug)]
pub(super) struct ClusterOptions {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum ClusterCommand {
    /// Show the cluster's id, brokers and quorum
    Info,
}

/// Show what lies in brokers' log directories
#[derive(Args, Debug)]
pub(super) struct LogOptions {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum LogCommand {
    /// Show directories with their volumes, topics and sizes
    Dirs {
        /// Only this broker's
        #[arg(long)]
        broker: Option<i32>,
        /// Only this topic, partition by partition
        #[arg(long)]
        topic: Option<String>,
    },
}

/// Show and change the levels that the cluster works at
#[derive(Args, Debug)]
pub(super) struct FeatureOptions {
    #[command(subcommand)]
    command: Option<FeatureCommand>,
}

#[derive(Clone, Debug, Subcommand)]
enum FeatureCommand {
    /// Raise levels
    Upgrade(Levels),
    /// Lower levels
    Downgrade {
        #[command(flatten)]
        levels: Levels,
        /// Also where something is lost
        #[arg(long = "unsafe")]
        is_unsafe: bool,
    },
}

#[derive(Args, Clone, Debug)]
struct Levels {
    /// Features with their levels
    #[arg(required = true, value_name = "NAME=LEVEL", value_parser = name_level)]
    levels: Vec<(String, i16)>,
    /// Only check whether it could be done
    #[arg(long)]
    validate_only: bool,
}

fn name_level(text: &str) -> Result<(String, i16), String> {
    let pair = text
        .split_once('=')
        .and_then(|(name, level)| Some((name.to_owned(), level.parse().ok()?)));
    pair.ok_or_else(|| "write name=level, such as group.version=1".to_owned())
}

pub(super) fn run_cluster(options: &ClusterOptions, cluster: &Cluster) -> ExitCode {
    let ClusterCommand::Info = options.command;
    let json = cluster.json;
    with_client(
        cluster,
        move |client| async move { info(&client, json).await },
    )
}

pub(super) fn run_log(options: &LogOptions, cluster: &Cluster) -> ExitCode {
    let LogCommand::Dirs { broker, topic } = options.command.clone();
    let json = cluster.json;
    with_client(cluster, move |client| {
        let topic = topic.clone();
        async move { dirs(&client, broker, topic.as_deref(), json).await }
    })
}

pub(super) fn run_features(options: &FeatureOptions, cluster: &Cluster) -> ExitCode {
    let (command, json) = (options.command.clone(), cluster.json);
    with_client(cluster, move |client| {
        let command = command.clone();
        async move {
            match command {
                None => features(&client, json).await,
                Some(FeatureCommand::Upgrade(levels)) => {
                    update(&client, &levels, FeatureWay::Upgrade, json).await
                }
                Some(FeatureCommand::Downgrade { levels, is_unsafe }) => {
                    let way = if is_unsafe {
                        FeatureWay::UnsafeDowngrade
                    } else {
                        FeatureWay::SafeDowngrade
                    };
                    update(&client, &levels, way, json).await
                }
            }
        }
    })
}

async fn info(client: &Client, json: bool) -> Result<(), Failure> {
    let info = client.describe_cluster().await?;
    // Clusters before KRaft have none, and the rest is worth showing.
    let quorum = client.describe_quorum().await.ok();
    if json {
        let nodes = info.nodes.iter().map(|node| {
            json!({
                "id": node.id.0,
                "address": node.address,
                "rack": node.rack,
                "fenced": node.is_fenced,
            })
        });
        let value = json!({
            "cluster": info.id,
            "controller": info.controller.0,
            "brokers": nodes.collect::<Vec<_>>(),
            "quorum": quorum.as_ref().map(quorum_json),
        });
        return output::json(&value).map(|_| ());
    }
    let mut text = format!("cluster {}  controller {}\n\n", info.id, info.controller);
    let mut table = Table::new(&["broker", "address", "rack", "state"]);
    for node in &info.nodes {
        let state = if node.is_fenced { "fenced" } else { "active" };
        table.row([
            node.id.to_string(),
            node.address.clone(),
            node.rack.clone().unwrap_or_else(|| "-".to_owned()),
            state.to_owned(),
        ]);
    }
    text.push_str(&table.render());
    if let Some(quorum) = quorum {
        text.push_str(&quorum_text(&quorum));
    }
    output::print(text.as_bytes()).map(|_| ())
}

fn quorum_json(quorum: &QuorumInfo) -> serde_json::Value {
    let replicas = |replicas: &[client::QuorumReplica]| {
        let replicas = replicas.iter().map(|one| {
            json!({
                "id": one.id.0,
                "directory": one.directory.to_string(),
                "log_end": one.log_end,
            })
        });
        replicas.collect::<Vec<_>>()
    };
    json!({
        "leader": quorum.leader.0,
        "epoch": quorum.epoch,
        "high_watermark": quorum.high_watermark,
        "voters": replicas(&quorum.voters),
        "observers": replicas(&quorum.observers),
    })
}

fn quorum_text(quorum: &QuorumInfo) -> String {
    let mut table = Table::new(&["metadata", "role", "log end", "lag"]);
    let voters = quorum.voters.iter().map(|one| (one, "voter"));
    let observers = quorum.observers.iter().map(|one| (one, "observer"));
    let end = quorum.voters.iter().map(|one| one.log_end).max();
    for (replica, role) in voters.chain(observers) {
        let role = if replica.id == quorum.leader {
            "leader"
        } else {
            role
        };
        table.row([
            replica.id.to_string(),
            role.to_owned(),
            replica.log_end.to_string(),
            (end.unwrap_or(0) - replica.log_end).to_string(),
        ]);
    }
    format!(
        "\nquorum: epoch {}, high watermark {}\n\n{}",
        quorum.epoch,
        quorum.high_watermark,
        table.render()
    )
}

async fn dirs(
    client: &Client,
    broker: Option<i32>,
    topic: Option<&str>,
    json: bool,
) -> Result<(), Failure> {
    client.refresh(Some(&[]), false).await?;
    let nodes: Vec<NodeId> = match broker {
        Some(id) => vec![NodeId(id)],
        None => client.image().brokers.keys().copied().collect(),
    };
    let mut all = Vec::new();
    for node in nodes {
        all.extend(client.log_dirs(node).await?);
    }
    for dir in &mut all {
        dir.topics
            .retain(|name, _| topic.is_none_or(|topic| topic == name));
        dir.arriving
            .retain(|(name, _, _)| topic.is_none_or(|topic| topic == name));
    }
    if json {
        for dir in &all {
            output::json(&dir_json(dir))?;
        }
        return Ok(());
    }
    let mut text = volumes(&all).render();
    text.push('\n');
    text.push_str(&sizes(&all, topic.is_some()).render());
    if all.iter().any(|dir| !dir.arriving.is_empty()) {
        text.push('\n');
        text.push_str(&arriving(&all).render());
    }
    output::print(text.as_bytes()).map(|_| ())
}

fn dir_json(dir: &LogDir) -> serde_json::Value {
    let topics = dir.topics.iter().map(|(name, partitions)| {
        let partitions = partitions.iter();
        let sizes = partitions.map(|(index, bytes)| json!({ "partition": index, "bytes": bytes }));
        json!({ "topic": name, "partitions": sizes.collect::<Vec<_>>() })
    });
    let arriving = dir
        .arriving
        .iter()
        .map(|(topic, index, lag)| json!({ "topic": topic, "partition": index, "lag": lag }));
    json!({
        "broker": dir.node.0,
        "path": dir.path,
        "error": dir.error,
        "total_bytes": dir.total_bytes,
        "usable_bytes": dir.usable_bytes,
        "topics": topics.collect::<Vec<_>>(),
        "arriving": arriving.collect::<Vec<_>>(),
    })
}

/// The partitions on their way to another directory.
fn arriving(all: &[LogDir]) -> Table {
    let mut table = Table::new(&[
        "moving topic",
        "partition",
        "broker",
        "to",
        "offsets missing",
    ]);
    for dir in all {
        for (topic, index, lag) in &dir.arriving {
            table.row([
                topic.clone(),
                index.to_string(),
                dir.node.to_string(),
                dir.path.clone(),
                lag.to_string(),
            ]);
        }
    }
    table
}

fn volumes(all: &[LogDir]) -> Table {
    let mut table = Table::new(&["broker", "directory", "logs", "volume", "usable", "state"]);
    for dir in all {
        let logs: i64 = dir.topics.values().flat_map(|sizes| sizes.values()).sum();
        let or_unknown = |bytes: Option<i64>| bytes.map_or("?".to_owned(), |b| b.to_string());
        table.row([
            dir.node.to_string(),
            dir.path.clone(),
            logs.to_string(),
            or_unknown(dir.total_bytes),
            or_unknown(dir.usable_bytes),
            dir.error.unwrap_or("ok").to_owned(),
        ]);
    }
    table
}

fn sizes(all: &[LogDir], by_partition: bool) -> Table {
    let mut table = Table::new(&["topic", "partition", "broker", "bytes", "directory"]);
    for dir in all {
        for (topic, sizes) in &dir.topics {
            if by_partition {
                for (index, bytes) in sizes {
                    let index = index.to_string();
                    table.row([
                        topic.clone(),
                        index,
                        dir.node.to_string(),
                        bytes.to_string(),
                        dir.path.clone(),
                    ]);
                }
            } else {
                let bytes: i64 = sizes.values().sum();
                let all = format!("all {}", sizes.len());
                table.row([
                    topic.clone(),
                    all,
                    dir.node.to_string(),
                    bytes.to_string(),
                    dir.path.clone(),
                ]);
            }
        }
    }
    table
}

async fn features(client: &Client, json: bool) -> Result<(), Failure> {
    let features = client.features().await?;
    if json {
        for feature in &features {
            output::json(&json!({
                "feature": feature.name,
                "level": feature.level,
                "min": feature.min,
                "max": feature.max,
            }))?;
        }
        return Ok(());
    }
    let mut table = Table::new(&["feature", "level", "supported", "release"]);
    for feature in &features {
        let release = if feature.name == config::METADATA_VERSION {
            config::metadata_version_name(feature.level).unwrap_or("-")
        } else {
            "-"
        };
        table.row([
            feature.name.clone(),
            feature.level.to_string(),
            format!("{}-{}", feature.min, feature.max),
            release.to_owned(),
        ]);
    }
    output::print(table.render().as_bytes()).map(|_| ())
}

async fn update(
    client: &Client,
    options: &Levels,
    way: FeatureWay,
    json: bool,
) -> Result<(), Failure> {
    let done = client
        .update_features(&options.levels, way, options.validate_only)
        .await;
    done.map_err(|error| Failure::during("cannot change the levels", &error))?;
    for (name, level) in &options.levels {
        let changed = !options.validate_only;
        if json {
            output::json(&json!({ "feature": name, "level": level, "changed": changed }))?;
        } else {
            let verb = if changed { "is at" } else { "could be at" };
            output::line(&format!("feature {name}: {verb} level {level}"))?;
        }
    }
    Ok(())
}
