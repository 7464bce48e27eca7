//! `forebay group`: list, describe, reset and delete consumer groups.
//!
//! Invariant: nothing is changed before everything that will be changed is known to be possible.

use std::collections::BTreeMap;
use std::process::ExitCode;

use base::{Offset, TopicPartition};
use clap::{Args, Subcommand};
use client::{Client, Committed, GroupDescription, GroupMember, OffsetSpec};
use serde_json::{Value, json};

use super::admin::Admin;
use super::failure::{Failure, Kind};
use super::group_reset::{self, Reset};
use super::group_watch::{self, Shown};
use super::output;
use super::session::{Cluster, with_client};
use super::table::Table;

/// List, describe, reset and delete consumer groups
#[derive(Args, Debug)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// List groups with their kind and state
    List(List),
    /// Show what a group has committed, how far behind it is, and who reads what
    Describe(Watched),
    /// Show why a group was rebalanced lately, oldest first
    Timeline(Watched),
    /// Show a group's members and their partitions
    Members(Named),
    /// Set where a group without members goes on
    Reset(Reset),
    /// Delete groups without members, with their offsets
    Delete(Delete),
}

#[derive(Args, Clone, Debug)]
struct List {
    /// Only groups in this state, such as Stable or Empty; may be repeated
    #[arg(long = "state")]
    states: Vec<String>,
    /// Only groups of this kind, such as classic or consumer; may be repeated
    #[arg(long = "kind")]
    kinds: Vec<String>,
}

#[derive(Args, Clone, Debug)]
struct Named {
    /// Its id
    group: String,
}

#[derive(Args, Clone, Debug)]
struct Watched {
    #[command(flatten)]
    group: Named,
    #[command(flatten)]
    admin: Admin,
}

#[derive(Args, Clone, Debug)]
struct Delete {
    /// Their ids
    #[arg(required = true)]
    groups: Vec<String>,
    /// Only the offsets of this topic; the group stays
    #[arg(long)]
    topic: Option<String>,
}

pub(super) fn run(options: &Options, cluster: &Cluster) -> ExitCode {
    let (command, json) = (options.command.clone(), cluster.json);
    // Where they cannot be read, the client says so.
    let brokers = cluster.addresses().unwrap_or_default();
    with_client(cluster, move |client| {
        let (command, brokers) = (command.clone(), brokers.clone());
        async move {
            match command {
                Command::List(options) => list(&client, &options, json).await,
                Command::Describe(options) => {
                    let group = &options.group.group;
                    let shown = group_watch::shown(&client, &options.admin, &brokers, group);
                    let shown = shown.await?;
                    describe(&client, group, &shown, json).await
                }
                Command::Timeline(options) => {
                    let group = &options.group.group;
                    group_watch::timeline(&client, &options.admin, &brokers, group, json).await
                }
                Command::Members(options) => members(&client, &options.group, json).await,
                Command::Reset(options) => group_reset::run(&client, &options, json).await,
                Command::Delete(options) => delete(&client, &options, json).await,
            }
        }
    })
}

async fn list(client: &Client, options: &List, json: bool) -> Result<(), Failure> {
    let groups = client.list_groups().await?;
    let is_among = |wanted: &[String], value: &str| {
        wanted.is_empty() || wanted.iter().any(|one| one.eq_ignore_ascii_case(value))
    };
    let groups = groups.into_iter().filter(|group| {
        is_among(&options.states, &group.state) && is_among(&options.kinds, &group.kind)
    });
    let mut table = Table::new(&["group", "kind", "protocol", "state", "coordinator"]);
    let mut count = 0;
    for group in groups {
        count += 1;
        if json {
            output::json(&json!({
                "group": group.group,
                "kind": group.kind,
                "protocol_type": group.protocol_type,
                "state": group.state,
                "coordinator": group.coordinator.0,
            }))?;
        } else {
            let coordinator = group.coordinator.to_string();
            table.row([
                group.group,
                group.kind,
                group.protocol_type,
                group.state,
                coordinator,
            ]);
        }
    }
    if json {
        return Ok(());
    }
    if count == 0 {
        eprintln!("no groups");
        return Ok(());
    }
    output::print(table.render().as_bytes()).map(|_| ())
}

/// A partition that a group has committed or reads.
struct Line<'d> {
    committed: Option<Committed>,
    end: Option<Offset>,
    member: Option<&'d GroupMember>,
}

impl Line<'_> {
    fn lag(&self) -> Option<i64> {
        let committed = self.committed.as_ref()?;
        Some((self.end?.0 - committed.offset.0).max(0))
    }
}

async fn describe(client: &Client, group: &str, shown: &Shown, json: bool) -> Result<(), Failure> {
    let description = known(client, group).await?;
    let lines = lines(client, group, &description).await?;
    if json {
        let described = described(group, &description, &lines, shown);
        return output::json(&described).map(|_| ());
    }
    let mut text = head(group, &description);
    text.push_str(&shown.remarks());
    let columns = [
        "topic",
        "partition",
        "committed",
        "end",
        "lag",
        "lag-seconds",
        "status",
        "member",
    ];
    let mut table = Table::new(&columns);
    let number = |value: Option<i64>| value.map_or("-".to_owned(), |value| value.to_string());
    for (partition, line) in &lines {
        table.row([
            partition.topic.clone(),
            partition.partition.to_string(),
            number(line.committed.as_ref().map(|committed| committed.offset.0)),
            number(line.end.map(|offset| offset.0)),
            number(line.lag()),
            shown.seconds(partition),
            shown.status(partition),
            line.member.map_or("-".to_owned(), who),
        ]);
    }
    if lines.is_empty() {
        text.push_str("nothing committed\n");
    } else {
        text.push_str(&table.render());
    }
    output::print(text.as_bytes()).map(|_| ())
}

/// The same for programs.
fn described(
    group: &str,
    description: &GroupDescription,
    lines: &BTreeMap<TopicPartition, Line<'_>>,
    shown: &Shown,
) -> Value {
    let line = |(partition, line): (&TopicPartition, &Line<'_>)| {
        json!({
            "topic": partition.topic,
            "partition": partition.partition.0,
            "committed": line.committed.as_ref().map(|committed| committed.offset.0),
            "metadata": line.committed.as_ref().map(|committed| &committed.metadata),
            "end": line.end.map(|offset| offset.0),
            "lag": line.lag(),
            "lag_ms": shown.lag_ms(partition),
            "status": shown.of(partition, "status"),
            "remark": shown.of(partition, "remark"),
            "member": line.member.map(|member| &member.id),
            "host": line.member.map(|member| &member.host),
            "client": line.member.map(|member| &member.client_id),
        })
    };
    json!({
        "group": group,
        "kind": description.kind,
        "state": description.state,
        "assignor": description.assignor,
        "epoch": description.epoch,
        "members": description.members.len(),
        "lag": lines.values().filter_map(Line::lag).sum::<i64>(),
        "status": shown.status,
        "partitions": lines.iter().map(line).collect::<Vec<_>>(),
    })
}

fn head(group: &str, description: &GroupDescription) -> String {
    let or_none = |word: &str| if word.is_empty() { "none" } else { word }.to_owned();
    format!(
        "group {group}  {}  {}  assignor {}  members {}\n\n",
        description.kind,
        description.state,
        or_none(&description.assignor),
        description.members.len()
    )
}

fn who(member: &GroupMember) -> String {
    let name = member.instance.as_deref().unwrap_or(&member.id);
    format!("{name} ({} {})", member.client_id, member.host)
}

/// The group, if there is one: a coordinator describes any name as a dead group.
pub(super) async fn known(client: &Client, group: &str) -> Result<GroupDescription, Failure> {
    let description = client.describe_group(group).await?;
    if description.state != "Dead" {
        return Ok(description);
    }
    Err(Failure::new(
        Kind::Refused,
        format!("there is no group {group}"),
        "its coordinator knows no members and no offsets of it",
        "see `forebay group list`",
    ))
}

async fn lines<'d>(
    client: &Client,
    group: &str,
    description: &'d GroupDescription,
) -> Result<BTreeMap<TopicPartition, Line<'d>>, Failure> {
    let committed = client.committed(group).await?;
    let mut lines: BTreeMap<TopicPartition, Line<'d>> = BTreeMap::new();
    for (partition, committed) in committed {
        let line = Line {
            committed: Some(committed),
            end: None,
            member: None,
        };
        lines.insert(partition, line);
    }
    for member in &description.members {
        for partition in &member.assignment {
            let line = lines.entry(partition.clone()).or_insert(Line {
                committed: None,
                end: None,
                member: None,
            });
            line.member = Some(member);
        }
    }
    for (partition, line) in &mut lines {
        // A topic that is gone meanwhile has no end; what was committed is still worth showing.
        line.end = client
            .offset(&partition.topic, partition.partition, OffsetSpec::Latest)
            .await
            .unwrap_or_default();
    }
    Ok(lines)
}

async fn members(client: &Client, group: &str, json: bool) -> Result<(), Failure> {
    let description = known(client, group).await?;
    if json {
        for member in &description.members {
            let partitions = member.assignment.iter().map(ToString::to_string);
            output::json(&json!({
                "member": member.id,
                "instance": member.instance,
                "client": member.client_id,
                "host": member.host,
                "partitions": partitions.collect::<Vec<_>>(),
            }))?;
        }
        return Ok(());
    }
    let mut text = head(group, &description);
    let columns = ["member", "instance", "client", "host", "partitions"];
    let mut table = Table::new(&columns);
    for member in &description.members {
        let partitions: Vec<String> = member.assignment.iter().map(ToString::to_string).collect();
        table.row([
            member.id.clone(),
            member.instance.clone().unwrap_or_else(|| "-".to_owned()),
            member.client_id.clone(),
            member.host.clone(),
            if partitions.is_empty() {
                "-".to_owned()
            } else {
                partitions.join(",")
            },
        ]);
    }
    text.push_str(&table.render());
    output::print(text.as_bytes()).map(|_| ())
}

async fn delete(client: &Client, options: &Delete, json: bool) -> Result<(), Failure> {
    for group in &options.groups {
        let attempt = |error| Failure::during(format!("cannot delete from group {group}"), &error);
        match &options.topic {
            Some(topic) => {
                let committed = client.committed(group).await.map_err(attempt)?;
                let of_topic = |partition: &TopicPartition| &partition.topic == topic;
                let gone: Vec<_> = committed.into_keys().filter(of_topic).collect();
                client.delete_offsets(group, &gone).await.map_err(attempt)?;
                report(
                    group,
                    json,
                    &format!("{} offsets of {topic} deleted", gone.len()),
                )?;
            }
            None => {
                client.delete_group(group).await.map_err(attempt)?;
                report(group, json, "deleted")?;
            }
        }
    }
    Ok(())
}

fn report(group: &str, json: bool, done: &str) -> Result<(), Failure> {
    if json {
        output::json(&json!({ "group": group, "done": done })).map(|_| ())
    } else {
        output::line(&format!("group {group}: {done}")).map(|_| ())
    }
}
