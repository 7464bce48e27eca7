//! Histories as text: one operation is one line of JSON, so that a run can be kept, cut down with
//! a text editor and judged again.
//!
//! A line, with the parts that its call has (partitions as Kafka names their folders):
//! `{"process":3,"invoked":17,"returned":18,"outcome":"ok","transaction":2,` and one of
//! `"send":{"key":"a-0","values":[5,6],"told":11}}`,
//! `"poll":{"isolation":"committed","records":[["a-0",11,5]],"reached":[["a-0",13,true]]}}`,
//! `"commit_offsets":{"group":"g","offsets":[["a-0",12]]}}`, `"end":"commit"}` or `"abort"`,
//! `"assign":["a-0"]}`, `"subscribe":["a"]}`, `"rebalanced":["a-0"]}`, `"seek":["a-0",5]}`,
//! `"resume":{"group":"g","key":"a-0","told":12}}`.

use std::fmt;

use base::{Offset, PartitionIndex, TopicPartition};
use serde_json::{Map, Value as Json, json};

use crate::history::{History, HistoryError};
use crate::operation::{
    Action, Isolation, Moment, Operation, Outcome, Polled, Process, Reached, Transaction, Value,
};

/// Why a text is no history.
#[derive(Debug)]
pub enum LineError {
    /// A line, counted from one, that is no operation, and what about it.
    Line(usize, String),
    /// Each line is an operation, all of them together are no history.
    History(HistoryError),
}

impl fmt::Display for LineError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number, text) => write!(formatter, "line {number}: {text}"),
            Self::History(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for LineError {}

/// One operation as a line, without its end.
#[must_use]
pub fn line_of(operation: &Operation) -> String {
    let mut line = Map::new();
    line.insert("process".to_owned(), json!(operation.process.0));
    line.insert("invoked".to_owned(), json!(operation.invoked.0));
    if let Some(returned) = operation.returned {
        line.insert("returned".to_owned(), json!(returned.0));
    }
    let outcome = match operation.outcome {
        Outcome::Ok => "ok",
        Outcome::Failed => "failed",
        Outcome::Indefinite => "indefinite",
    };
    line.insert("outcome".to_owned(), json!(outcome));
    if let Some(transaction) = operation.transaction {
        line.insert("transaction".to_owned(), json!(transaction.0));
    }
    let (name, action) = action_to_json(&operation.action);
    line.insert(name.to_owned(), action);
    Json::Object(line).to_string()
}

fn action_to_json(action: &Action) -> (&'static str, Json) {
    match action {
        Action::Send {
            key,
            values,
            base_offset,
        } => {
            let values: Vec<u64> = values.iter().map(|value| value.0).collect();
            let told = base_offset.map(|offset| offset.0);
            let send = json!({ "key": key.to_string(), "values": values, "told": told });
            ("send", send)
        }
        Action::Poll {
            isolation,
            records,
            reached,
        } => {
            let isolation = match isolation {
                Isolation::ReadCommitted => "committed",
                Isolation::ReadUncommitted => "uncommitted",
            };
            let records = records
                .iter()
                .map(|record| json!([record.key.to_string(), record.offset.0, record.value.0]));
            let records: Vec<Json> = records.collect();
            let reached = reached
                .iter()
                .map(|reached| json!([reached.key.to_string(), reached.next.0, reached.is_end]));
            let reached: Vec<Json> = reached.collect();
            let poll = json!({ "isolation": isolation, "records": records, "reached": reached });
            ("poll", poll)
        }
        Action::CommitOffsets { group, offsets } => {
            let offsets = offsets
                .iter()
                .map(|(key, offset)| json!([key.to_string(), offset.0]));
            let offsets: Vec<Json> = offsets.collect();
            (
                "commit_offsets",
                json!({ "group": group, "offsets": offsets }),
            )
        }
        Action::End { commit } => ("end", json!(if *commit { "commit" } else { "abort" })),
        Action::Assign { keys } => ("assign", keys_to_json(keys)),
        Action::Subscribe { topics } => ("subscribe", json!(topics)),
        Action::Rebalanced { keys } => ("rebalanced", keys_to_json(keys)),
        Action::Seek { key, offset } => ("seek", json!([key.to_string(), offset.0])),
        Action::Resume { group, key, offset } => {
            let told = offset.map(|offset| offset.0);
            let resume = json!({ "group": group, "key": key.to_string(), "told": told });
            ("resume", resume)
        }
    }
}

fn keys_to_json(keys: &[TopicPartition]) -> Json {
    keys.iter().map(|key| json!(key.to_string())).collect()
}

/// The history of a whole text; empty lines are nothing.
///
/// # Errors
/// When a line is no operation, or all of them are no history.
pub fn parse_lines(text: &str) -> Result<History, LineError> {
    let mut operations = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if !line.trim().is_empty() {
            let operation = parse_line(line).map_err(|text| LineError::Line(number, text))?;
            operations.push(operation);
        }
    }
    History::new(operations).map_err(LineError::History)
}

/// The operation of one line.
///
/// # Errors
/// What about the line is not as the head of this file says.
pub fn parse_line(line: &str) -> Result<Operation, String> {
    let json: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let outcome = match text(field(&json, "outcome")?)? {
        "ok" => Outcome::Ok,
        "failed" => Outcome::Failed,
        "indefinite" => Outcome::Indefinite,
        other => return Err(format!("`{other}` is no outcome")),
    };
    Ok(Operation {
        process: Process(number(field(&json, "process")?)?),
        invoked: Moment(number(field(&json, "invoked")?)?),
        returned: optional(&json, "returned", number)?.map(Moment),
        outcome,
        transaction: optional(&json, "transaction", number)?.map(Transaction),
        action: parse_action(&json)?,
    })
}

fn parse_action(json: &Json) -> Result<Action, String> {
    let object = json.as_object().ok_or("a line is an object")?;
    let common = ["process", "invoked", "returned", "outcome", "transaction"];
    let mut actions = object
        .iter()
        .filter(|(name, _)| !common.contains(&name.as_str()));
    let (Some((name, action)), None) = (actions.next(), actions.next()) else {
        return Err("a line has exactly one action".to_owned());
    };
    Ok(match name.as_str() {
        "send" => Action::Send {
            key: key(field(action, "key")?)?,
            values: list(field(action, "values")?, |value| number(value).map(Value))?,
            base_offset: optional(action, "told", offset)?,
        },
        "poll" => parse_poll(action)?,
        "commit_offsets" => Action::CommitOffsets {
            group: text(field(action, "group")?)?.to_owned(),
            offsets: list(field(action, "offsets")?, place)?,
        },
        "end" => match text(action)? {
            "commit" => Action::End { commit: true },
            "abort" => Action::End { commit: false },
            other => return Err(format!("`{other}` is no end")),
        },
        "assign" => Action::Assign {
            keys: list(action, key)?,
        },
        "rebalanced" => Action::Rebalanced {
            keys: list(action, key)?,
        },
        "subscribe" => Action::Subscribe {
            topics: list(action, |topic| text(topic).map(str::to_owned))?,
        },
        "seek" => {
            let (key, offset) = place(action)?;
            Action::Seek { key, offset }
        }
        "resume" => Action::Resume {
            group: text(field(action, "group")?)?.to_owned(),
            key: key(field(action, "key")?)?,
            offset: optional(action, "told", offset)?,
        },
        other => return Err(format!("`{other}` is no action")),
    })
}

fn parse_poll(action: &Json) -> Result<Action, String> {
    let isolation = match text(field(action, "isolation")?)? {
        "committed" => Isolation::ReadCommitted,
        "uncommitted" => Isolation::ReadUncommitted,
        other => return Err(format!("`{other}` is no isolation")),
    };
    let records = list(field(action, "records")?, |record| {
        let (key, offset) = place(record)?;
        let value = record
            .get(2)
            .ok_or("a record is a key, an offset, a value")?;
        Ok(Polled {
            key,
            offset,
            value: Value(number(value)?),
        })
    })?;
    let reached = list(field(action, "reached")?, |reached| {
        let (key, next) = place(reached)?;
        let is_end = reached.get(2).and_then(Json::as_bool);
        Ok(Reached {
            key,
            next,
            is_end: is_end.ok_or("a reached place is a key, an offset, true or false")?,
        })
    })?;
    Ok(Action::Poll {
        isolation,
        records,
        reached,
    })
}

fn field<'json>(json: &'json Json, name: &str) -> Result<&'json Json, String> {
    json.get(name).ok_or_else(|| format!("`{name}` is missing"))
}

/// A field that may be missing or null.
fn optional<T>(
    json: &Json,
    name: &str,
    read: impl Fn(&Json) -> Result<T, String>,
) -> Result<Option<T>, String> {
    match json.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(found) => read(found).map(Some),
    }
}

fn list<T>(json: &Json, read: impl Fn(&Json) -> Result<T, String>) -> Result<Vec<T>, String> {
    let items = json
        .as_array()
        .ok_or_else(|| format!("{json} is no list"))?;
    items.iter().map(read).collect()
}

fn number(json: &Json) -> Result<u64, String> {
    json.as_u64()
        .ok_or_else(|| format!("{json} is no number from zero on"))
}

fn offset(json: &Json) -> Result<Offset, String> {
    let offset = json.as_i64().map(Offset);
    offset.ok_or_else(|| format!("{json} is no offset"))
}

fn text(json: &Json) -> Result<&str, String> {
    json.as_str().ok_or_else(|| format!("{json} is no text"))
}

/// A partition and an offset at the begin of a list.
fn place(json: &Json) -> Result<(TopicPartition, Offset), String> {
    let (Some(first), Some(second)) = (json.get(0), json.get(1)) else {
        return Err(format!(
            "{json} does not begin with a partition and an offset"
        ));
    };
    Ok((key(first)?, offset(second)?))
}

fn key(json: &Json) -> Result<TopicPartition, String> {
    let name = text(json)?;
    let parts = name.rsplit_once('-');
    let parts = parts.and_then(|(topic, partition)| Some((topic, partition.parse().ok()?)));
    let (topic, partition) = parts.ok_or_else(|| format!("`{name}` is no partition"))?;
    Ok(TopicPartition {
        topic: topic.to_owned(),
        partition: PartitionIndex(partition),
    })
}
