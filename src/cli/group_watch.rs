//! What only a node itself knows of a group: its lag in time, how it gets on, and why it was
//! rebalanced.
//!
//! Invariant: all of it comes from the node's admin port; where there is none, a description shows
//! dashes and a timeline says what is missing.

use std::collections::BTreeMap;

use base::{PartitionIndex, TopicPartition};
use client::{Address, Client};
use serde_json::{Value, json};

use super::admin::{Admin, Answered, segment};
use super::failure::{Failure, Kind};
use super::output;
use super::table::Table;

/// What the node says of a group, beside what its coordinator answers.
#[derive(Default)]
pub(super) struct Shown {
    /// How the group gets on; nothing where nobody knows.
    pub(super) status: Option<String>,
    partitions: BTreeMap<TopicPartition, Value>,
}

impl Shown {
    fn new(page: &Value) -> Self {
        let partitions = page.get("partitions").and_then(Value::as_array);
        let partitions = partitions.into_iter().flatten().filter_map(|one| {
            let partition = one.get("partition")?.as_i64()?;
            let name = TopicPartition {
                topic: one.get("topic")?.as_str()?.to_owned(),
                partition: PartitionIndex(i32::try_from(partition).ok()?),
            };
            Some((name, one.clone()))
        });
        Self {
            status: text(page, "status"),
            partitions: partitions.collect(),
        }
    }

    /// The lag of a partition in time, in milliseconds.
    pub(super) fn lag_ms(&self, partition: &TopicPartition) -> Option<u64> {
        self.partitions.get(partition)?.get("lag_ms")?.as_u64()
    }

    /// The lag of a partition in seconds, as a cell.
    pub(super) fn seconds(&self, partition: &TopicPartition) -> String {
        let lag_ms = self.lag_ms(partition);
        lag_ms.map_or("-".to_owned(), |ms| {
            format!("{}.{}", ms / 1000, ms % 1000 / 100)
        })
    }

    /// How the group gets on with a partition, as a cell.
    pub(super) fn status(&self, partition: &TopicPartition) -> String {
        self.of(partition, "status").unwrap_or("-".to_owned())
    }

    /// What the node says of a partition under this name.
    pub(super) fn of(&self, partition: &TopicPartition, name: &str) -> Option<String> {
        text(self.partitions.get(partition)?, name)
    }

    /// What people should know beside the columns, a line each.
    pub(super) fn remarks(&self) -> String {
        let mut lines = String::new();
        if let Some(status) = &self.status {
            lines.push_str(&format!("status {status}\n"));
        }
        for (partition, one) in &self.partitions {
            if let Some(remark) = text(one, "remark") {
                lines.push_str(&format!("{partition}: {remark}\n"));
            }
        }
        if !lines.is_empty() {
            lines.push('\n');
        }
        lines
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    Some(value.get(name)?.as_str()?.to_owned())
}

/// What the node knows of a group; nothing of it where no admin port answers.
pub(super) async fn shown(
    client: &Client,
    admin: &Admin,
    brokers: &[Address],
    group: &str,
) -> Result<Shown, Failure> {
    let path = format!("/v1/groups/{}", segment(group));
    match admin.ask(client, brokers, &path).await? {
        Some(Answered::Page(page)) => Ok(Shown::new(&page)),
        // The coordinator will say the same, in the words of its own.
        Some(Answered::Missing(_)) | None => Ok(Shown::default()),
    }
}

/// Prints why a group was rebalanced lately.
pub(super) async fn timeline(
    client: &Client,
    admin: &Admin,
    brokers: &[Address],
    group: &str,
    json: bool,
) -> Result<(), Failure> {
    let path = format!("/v1/groups/{}/timeline", segment(group));
    let page = match admin.ask(client, brokers, &path).await? {
        Some(Answered::Page(page)) => page,
        Some(Answered::Missing(why)) => {
            let what = format!("nothing is known of the group {group}");
            return Err(Failure::new(
                Kind::Refused,
                what,
                why,
                "see `forebay group list`",
            ));
        }
        None => {
            return Err(Failure::new(
                Kind::Unreachable,
                "no admin port answers",
                "the Kafka protocol has no request for the timeline of a group, so a forebay \
                 node is asked over HTTP",
                "name its admin port with --admin (forebay.admin.listeners of the node)",
            ));
        }
    };
    let events = page.get("events").and_then(Value::as_array);
    let events = events.cloned().unwrap_or_default();
    if json {
        for event in &events {
            output::json(&json!(event))?;
        }
        return Ok(());
    }
    if events.is_empty() {
        eprintln!("nothing happened in the group {group} since its node started");
        return Ok(());
    }
    let mut table = Table::new(&["at", "generation", "cause", "subject", "reason"]);
    for event in &events {
        let or_dash = |name: &str| {
            let text = text(event, name).filter(|text| !text.is_empty());
            text.unwrap_or("-".to_owned())
        };
        let generation = event
            .get("generation")
            .map_or(0, |number| number.as_i64().unwrap_or_default());
        table.row([
            moment(event),
            generation.to_string(),
            or_dash("cause"),
            or_dash("subject"),
            or_dash("reason"),
        ]);
    }
    output::print(table.render().as_bytes()).map(|_| ())
}

fn moment(event: &Value) -> String {
    let ms = event.get("at_ms").and_then(Value::as_i64).unwrap_or(0);
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}
