//! `forebay consume`: records of a topic to standard output.
//!
//! Invariants: records of one partition come in the order of their offsets; every batch's checksum
//! is verified before any of its records is shown; control records are not shown.

use std::collections::BTreeMap;
use std::process::ExitCode;

use base::{Offset, PartitionIndex, Timestamp, TopicPartition};
use batch::{Batches, Record, Scratch, TimestampType, records};
use clap::Args;
use client::{Client, ClientError, CommittedFilter, Consumer, FetchOptions, Fetched, OffsetSpec};
use serde_json::{Map, Value, json};

use super::failure::{Failure, Kind};
use super::output::{self, Printed};
use super::session::{Cluster, with_client};
use super::template::{TOKENS, Template};
use super::topic::chosen_partitions;

/// The most that one batch may grow to when it is decompressed.
const PLAIN_BYTES_MAX: usize = 256 << 20;
/// Output is handed over at least this often.
const OUT_BYTES: usize = 64 << 10;

/// Print a topic's records
#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    /// The topic
    pub(super) topic: String,
    /// Only these partitions; may be repeated
    #[arg(long = "partition", short = 'p')]
    partitions: Vec<i32>,
    /// Where to begin: beginning, end, an offset, -N for the last N of each partition, or
    /// @MS for the first record of that time (milliseconds since 1970)
    #[arg(
        long,
        short = 'o',
        default_value = "beginning",
        allow_hyphen_values = true,
        value_parser = Start::parse
    )]
    pub(super) offset: Start,
    /// Read as a member of this group, and commit what was printed; the offset above is for
    /// partitions of which the group has committed nothing
    #[arg(long, short = 'g', conflicts_with = "partitions")]
    pub(super) group: Option<String>,
    /// Stop after this many records
    #[arg(long, short = 'c', value_name = "N")]
    count: Option<u64>,
    /// Stop at the end that the partitions had when the command began
    #[arg(long, short = 'e')]
    pub(super) exit: bool,
    /// Leave out what a transaction wrote that was aborted, and wait for those that have not ended
    #[arg(long)]
    pub(super) committed: bool,
    /// How a record is printed; see below
    #[arg(long, short = 'f', value_name = "TEXT", value_parser = Template::parse_argument)]
    #[arg(long_help = TOKENS)]
    format: Option<Format>,
}

impl Options {
    /// How the records are fetched.
    pub(super) fn fetch(&self) -> FetchOptions {
        FetchOptions {
            is_read_committed: self.committed,
            ..FetchOptions::default()
        }
    }

    /// Where a partition ends for this reader.
    pub(super) fn end(&self) -> OffsetSpec {
        if self.committed {
            OffsetSpec::LatestStable
        } else {
            OffsetSpec::Latest
        }
    }
}

/// A format string that was parsed once to find its mistakes early.
#[derive(Clone, Debug)]
pub(super) struct Format(String);

/// Where to begin in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Beginning,
    End,
    At(i64),
    FromEnd(i64),
    Time(i64),
}

impl Start {
    fn parse(text: &str) -> Result<Self, String> {
        let number = |digits: &str| digits.parse::<u32>().map(i64::from).ok();
        let parsed = match text {
            "beginning" | "earliest" => Some(Self::Beginning),
            "end" | "latest" => Some(Self::End),
            _ => match (text.strip_prefix('-'), text.strip_prefix('@')) {
                (Some(back), _) => number(back).map(Self::FromEnd),
                (_, Some(time)) => time.parse().ok().map(Self::Time),
                _ => text.parse().ok().map(Self::At),
            },
        };
        parsed.ok_or_else(|| "write beginning, end, N, -N or @MILLISECONDS".to_owned())
    }

    pub(super) async fn resolve(
        self,
        client: &Client,
        topic: &str,
        partition: PartitionIndex,
        (begin, end): (Offset, Offset),
    ) -> Result<Offset, ClientError> {
        Ok(match self {
            Self::Beginning => begin,
            Self::End => end,
            Self::At(offset) => Offset(offset),
            Self::FromEnd(count) => Offset(end.0 - count).max(begin),
            Self::Time(time) => {
                let spec = OffsetSpec::At(Timestamp(time));
                client.offset(topic, partition, spec).await?.unwrap_or(end)
            }
        })
    }
}

impl Template {
    fn parse_argument(text: &str) -> Result<Format, String> {
        Self::parse(text).map(|_| Format(text.to_owned()))
    }
}

pub(super) fn run(options: &Options, cluster: &Cluster) -> ExitCode {
    if options.group.is_some() {
        return super::consume_group::run(options, cluster);
    }
    let (options, json) = (options.clone(), cluster.json);
    with_client(cluster, move |client| {
        let options = options.clone();
        async move { consume(client, options, json).await }
    })
}

async fn consume(client: Client, options: Options, json: bool) -> Result<(), Failure> {
    let topic = client.topic(&options.topic, false).await?;
    let partitions = chosen_partitions(&topic, &options.partitions)?;
    let mut starts = BTreeMap::new();
    let mut ends = BTreeMap::new();
    for partition in partitions {
        let begin = known_offset(&client, &topic.name, partition, OffsetSpec::Earliest).await?;
        let end = known_offset(&client, &topic.name, partition, options.end()).await?;
        let bounds = (begin, end);
        let start = options
            .offset
            .resolve(&client, &topic.name, partition, bounds)
            .await?;
        let place = TopicPartition {
            topic: topic.name.clone(),
            partition,
        };
        if options.exit && start >= end {
            continue;
        }
        starts.insert(place.clone(), start);
        ends.insert(place, end);
    }
    if starts.is_empty() || options.count == Some(0) {
        return Ok(());
    }
    let consumer = Consumer::start(&client, &starts, options.fetch()).await?;
    let printer = Printer::new(&options, json)?;
    let ends = if options.exit { Some(ends) } else { None };
    follow(&consumer, printer, ends).await
}

pub(super) async fn known_offset(
    client: &Client,
    topic: &str,
    partition: PartitionIndex,
    spec: OffsetSpec,
) -> Result<Offset, Failure> {
    Ok(client
        .offset(topic, partition, spec)
        .await?
        .unwrap_or(Offset(0)))
}

/// Prints what arrives until the count is reached, the ends are, or nobody reads any more.
async fn follow(
    consumer: &Consumer,
    mut printer: Printer,
    mut ends: Option<BTreeMap<TopicPartition, Offset>>,
) -> Result<(), Failure> {
    let mut scratch = Scratch::new();
    loop {
        let fetched = consumer
            .next()
            .await
            .map_err(|error| out_of_range(&error))?;
        let place = TopicPartition {
            topic: fetched.topic.clone(),
            partition: fetched.partition,
        };
        let end = ends.as_ref().and_then(|ends| ends.get(&place).copied());
        if ends.is_some() && end.is_none() {
            // Fetched before this partition's end was reached and it was removed.
            continue;
        }
        if !printer.print(&mut scratch, &fetched, end)? {
            return Ok(());
        }
        if let (Some(ends), Some(end)) = (&mut ends, end) {
            if fetched.next_offset() >= end {
                ends.remove(&place);
                consumer.remove(&place);
            }
            if ends.is_empty() {
                return Ok(());
            }
        }
    }
}

pub(super) fn out_of_range(error: &ClientError) -> Failure {
    if client::is_out_of_range(error) {
        Failure::during("cannot read from there", error)
    } else {
        Failure::from(error)
    }
}

/// Turns batches into output.
pub(super) struct Printer {
    template: Template,
    json: bool,
    left: Option<u64>,
    out: Vec<u8>,
    /// The offset behind the last record that was printed.
    next: Option<Offset>,
}

impl Printer {
    pub(super) fn new(options: &Options, json: bool) -> Result<Self, Failure> {
        let template = match &options.format {
            None => Template::values(),
            Some(Format(text)) => Template::parse(text).map_err(|why| {
                Failure::new(
                    Kind::General,
                    "the format cannot be used",
                    why,
                    "correct --format",
                )
            })?,
        };
        Ok(Self {
            template,
            json,
            left: options.count,
            out: Vec::new(),
            next: None,
        })
    }

    /// The offset behind the last record that was printed of what `print` was given last; where
    /// all of it was printed, what lies behind it.
    pub(super) fn next_offset(&self, fetched: &Fetched, is_whole: bool) -> Offset {
        let behind = if is_whole {
            Some(fetched.next_offset())
        } else {
            None
        };
        behind.or(self.next).unwrap_or(fetched.offset)
    }

    /// Prints the records from the offset asked for up to `end`; false when nothing more is wanted.
    pub(super) fn print(
        &mut self,
        scratch: &mut Scratch,
        fetched: &Fetched,
        end: Option<Offset>,
    ) -> Result<bool, Failure> {
        self.next = None;
        let mut filter = CommittedFilter::new(&fetched.aborted);
        for batch in Batches::new(&fetched.records) {
            let damaged = |source| {
                let subject = format!("{}-{}", fetched.topic, fetched.partition);
                Failure::from(ClientError::Damaged { subject, source })
            };
            let batch = batch.map_err(damaged)?;
            batch.verify_checksum().map_err(damaged)?;
            if !filter.admits(&batch) {
                continue;
            }
            let log_append = batch.attributes().timestamp_type() == TimestampType::LogAppendTime;
            for record in records(&batch, scratch, PLAIN_BYTES_MAX).map_err(damaged)? {
                let record = record.map_err(damaged)?;
                let is_wanted =
                    record.offset >= fetched.offset && end.is_none_or(|end| record.offset < end);
                if is_wanted && !self.record(fetched, &record, log_append)? {
                    return Ok(false);
                }
            }
        }
        Ok(self.flush()? == Printed::All)
    }

    fn record(
        &mut self,
        fetched: &Fetched,
        record: &Record<'_>,
        log_append: bool,
    ) -> Result<bool, Failure> {
        let (topic, partition) = (fetched.topic.as_str(), fetched.partition.0);
        if self.json {
            let envelope = envelope(topic, partition, record, log_append);
            self.out.extend_from_slice(envelope.to_string().as_bytes());
            self.out.push(b'\n');
        } else {
            self.template.print(&mut self.out, topic, partition, record);
        }
        self.next = Some(record.offset.plus(1));
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                self.flush()?;
                return Ok(false);
            }
        }
        if self.out.len() >= OUT_BYTES {
            return Ok(self.flush()? == Printed::All);
        }
        Ok(true)
    }

    fn flush(&mut self) -> Result<Printed, Failure> {
        let printed = output::print(&self.out)?;
        self.out.clear();
        Ok(printed)
    }
}

/// A record for programs, under the names that kcat gives to the same things.
fn envelope(topic: &str, partition: i32, record: &Record<'_>, log_append: bool) -> Value {
    let mut object = Map::new();
    object.insert("topic".to_owned(), topic.into());
    object.insert("partition".to_owned(), partition.into());
    object.insert("offset".to_owned(), record.offset.0.into());
    let kind = if log_append { "logappend" } else { "create" };
    object.insert("tstype".to_owned(), kind.into());
    object.insert("ts".to_owned(), record.timestamp.0.into());
    if !record.headers.is_empty() {
        let header = |header: batch::Header<'_>| {
            let key = String::from_utf8_lossy(header.key);
            let value = header.value.map(String::from_utf8_lossy);
            [json!(key), json!(value)]
        };
        let headers: Vec<Value> = record.headers.iter().flat_map(header).collect();
        object.insert("headers".to_owned(), headers.into());
    }
    output::json_bytes(&mut object, "key", record.key);
    output::json_bytes(&mut object, "payload", record.value);
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::Start;

    /// What people write after `--offset` means what kcat's users expect.
    #[test]
    fn starts_are_understood() {
        assert_eq!(Start::parse("beginning"), Ok(Start::Beginning));
        assert_eq!(Start::parse("-5"), Ok(Start::FromEnd(5)));
        assert_eq!(Start::parse("17"), Ok(Start::At(17)));
        assert_eq!(Start::parse("@1000"), Ok(Start::Time(1000)));
        assert!(Start::parse("yesterday").is_err());
        assert!(Start::parse("--5").is_err());
    }
}
