//! `forebay produce`: lines of standard input, or of a file, to records of a topic.
//!
//! Invariant: the command ends with success only when every record was acknowledged as asked;
//! before it waits for more input, what it has read is acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use base::PartitionIndex;
use batch::{BatchBuilder, BatchOptions, Codec, Compression, Header};
use clap::{Args, ValueEnum};
use client::{Acks, Client, ClientError, Delivery, Producer, ProducerOptions, partition_of};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::failure::{Failure, Kind};
use super::input::{Input, Splitter};
use super::output;
use super::session::{Cluster, with_client};
use super::template::unescape;
use super::topic::{chosen_partitions, key_value};

/// How many batches may be unacknowledged before reading pauses.
const DELIVERIES_MAX: usize = 64;

/// Write lines of standard input, or of a file, to a topic
#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    /// The topic
    topic: String,
    /// The partition; by default the key decides as in Kafka's clients, else they take turns
    #[arg(long, short = 'p')]
    partition: Option<i32>,
    /// What separates key and value in a line; without it records have no key
    #[arg(long, short = 'k', value_name = "TEXT")]
    key_separator: Option<String>,
    /// What separates records
    #[arg(long, short = 'd', value_name = "TEXT", default_value = "\\n")]
    delimiter: String,
    /// A header for every record; may be repeated
    #[arg(long = "header", short = 'H', value_name = "KEY=VALUE", value_parser = key_value)]
    headers: Vec<(String, String)>,
    /// When the broker answers: never, when the leader has it, when all in-sync replicas have it
    #[arg(long, short = 'a', value_enum, default_value = "all")]
    acks: AcksChoice,
    /// How batches are compressed
    #[arg(long, short = 'z', value_enum, default_value = "none")]
    codec: CodecChoice,
    /// Let the broker drop what arrives twice; needs --acks all
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = true)]
    idempotent: bool,
    /// A file instead of standard input
    #[arg(long, short = 'f', value_name = "PATH")]
    file: Option<PathBuf>,
    /// Empty values become null (a deletion in compacted topics)
    #[arg(long)]
    null_values: bool,
    /// How large a batch may grow before compression
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 10)]
    batch_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AcksChoice {
    #[value(name = "0")]
    None,
    #[value(name = "1")]
    Leader,
    #[value(name = "all", alias = "-1")]
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CodecChoice {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl AcksChoice {
    const fn acks(self) -> Acks {
        match self {
            Self::None => Acks::None,
            Self::Leader => Acks::Leader,
            Self::All => Acks::All,
        }
    }
}

impl CodecChoice {
    fn compression(self) -> Compression {
        let codec = match self {
            Self::None => Codec::None,
            Self::Gzip => Codec::Gzip,
            Self::Snappy => Codec::Snappy,
            Self::Lz4 => Codec::Lz4,
            Self::Zstd => Codec::Zstd,
        };
        Compression {
            codec,
            ..Compression::default()
        }
    }
}

pub(super) fn run(options: &Options, cluster: &Cluster) -> ExitCode {
    let (options, json) = (options.clone(), cluster.json);
    with_client(cluster, move |client| {
        let options = options.clone();
        async move { produce(client, options, json).await }
    })
}

async fn produce(client: Client, options: Options, json: bool) -> Result<(), Failure> {
    let topic = client.topic(&options.topic, true).await?;
    let wanted: Vec<i32> = options.partition.into_iter().collect();
    let partitions = chosen_partitions(&topic, &wanted)?;
    let mut input = Input::open(client.core(), options.file.as_ref()).await?;
    let producer = open_producer(&client, &options).await?;
    let mut feed = Feed::new(&client, producer, &options, partitions)?;
    let progress = progress_bar(&input);
    if options.file.is_none() && std::io::stdin().is_terminal() {
        eprintln!("reading lines from the terminal; Ctrl-D ends");
    }
    let mut splitter = Splitter::new(bytes_of(&options.delimiter, "--delimiter")?);
    loop {
        let (bytes, pauses) = input.next().await?;
        splitter.feed(&bytes, |record| {
            feed.add(record);
            Ok(())
        })?;
        if let (true, Some(rest)) = (bytes.is_empty(), splitter.unfinished()) {
            feed.add(rest);
        }
        progress.inc(bytes.len() as u64);
        feed.send(pauses || bytes.is_empty()).await?;
        if bytes.is_empty() {
            break;
        }
    }
    progress.finish_and_clear();
    report(&feed, json)
}

async fn open_producer(client: &Client, options: &Options) -> Result<Producer, Failure> {
    let acks = options.acks.acks();
    let producer_options = ProducerOptions {
        acks,
        is_idempotent: options.idempotent && acks == Acks::All,
        delivery_time_max: client.options().retry_time_max + client.options().request_timeout,
        ..ProducerOptions::default()
    };
    match Producer::new(client, producer_options.clone()).await {
        // Brokers before 0.11 give no producer ids; they can only be written to as in their time.
        Err(ClientError::NoCommonVersion { .. }) => {
            let plain = ProducerOptions {
                is_idempotent: false,
                ..producer_options
            };
            Ok(Producer::new(client, plain).await?)
        }
        opened => Ok(opened?),
    }
}

/// Records on their way into batches, and batches on their way to the broker.
struct Feed {
    producer: Producer,
    client: Client,
    topic: String,
    partitions: Vec<PartitionIndex>,
    is_partition_fixed: bool,
    /// Whose turn it is among the partitions, for records without a key.
    turn: usize,
    key_separator: Option<Vec<u8>>,
    null_values: bool,
    headers: Vec<(String, String)>,
    batch_bytes: usize,
    compression: Compression,
    open: BTreeMap<PartitionIndex, BatchBuilder>,
    full: VecDeque<(PartitionIndex, BatchBuilder)>,
    deliveries: VecDeque<(u32, Delivery)>,
    acknowledged: u64,
}

impl Feed {
    fn new(
        client: &Client,
        producer: Producer,
        options: &Options,
        partitions: Vec<PartitionIndex>,
    ) -> Result<Self, Failure> {
        let separator = options.key_separator.as_deref();
        Ok(Self {
            producer,
            client: client.clone(),
            topic: options.topic.clone(),
            partitions,
            is_partition_fixed: options.partition.is_some(),
            turn: 0,
            key_separator: separator
                .map(|text| bytes_of(text, "--key-separator"))
                .transpose()?,
            null_values: options.null_values,
            headers: options.headers.clone(),
            batch_bytes: options
                .batch_bytes
                .clamp(1, BatchBuilder::PLAIN_BYTES_MAX / 2),
            compression: options.codec.compression(),
            open: BTreeMap::new(),
            full: VecDeque::new(),
            deliveries: VecDeque::new(),
            acknowledged: 0,
        })
    }

    /// Puts one record into its partition's batch.
    fn add(&mut self, record: &[u8]) {
        let (key, value) = self.split(record);
        let value = if self.null_values && value.is_empty() {
            None
        } else {
            Some(value)
        };
        let partition = self.partition_for(key);
        let headers: Vec<Header<'_>> = self
            .headers
            .iter()
            .map(|(key, value)| Header {
                key: key.as_bytes(),
                value: Some(value.as_bytes()),
            })
            .collect();
        let timestamp = self.client.core().wall();
        let added = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        let options = BatchOptions {
            compression: self.compression,
            ..BatchOptions::default()
        };
        let fresh = || BatchBuilder::new(options);
        let builder = self.open.entry(partition).or_insert_with(fresh);
        if builder.record_count() > 0 && builder.plain_bytes() + added > self.batch_bytes {
            self.full
                .push_back((partition, std::mem::replace(builder, fresh())));
            self.turn = self.turn.wrapping_add(1);
        }
        builder.append(timestamp, key, value, &headers);
    }

    fn split<'record>(&self, record: &'record [u8]) -> (Option<&'record [u8]>, &'record [u8]) {
        let Some(separator) = &self.key_separator else {
            return (None, record);
        };
        let at = record
            .windows(separator.len())
            .position(|window| window == separator);
        let Some((key, rest)) = at.and_then(|at| record.split_at_checked(at)) else {
            return (None, record);
        };
        (Some(key), rest.get(separator.len()..).unwrap_or_default())
    }

    fn partition_for(&self, key: Option<&[u8]>) -> PartitionIndex {
        let count = self.partitions.len();
        let turn = self.partitions.get(self.turn % count.max(1)).copied();
        let in_turn = turn.unwrap_or(PartitionIndex(0));
        match (key, u32::try_from(count)) {
            (Some(key), Ok(count)) if !self.is_partition_fixed => partition_of(key, count),
            _ => in_turn,
        }
    }

    /// Sends what is full, and everything when the input pauses; then waits for all of it.
    async fn send(&mut self, everything: bool) -> Result<(), Failure> {
        if everything {
            let open = std::mem::take(&mut self.open);
            self.full.extend(open);
            self.turn = self.turn.wrapping_add(1);
        }
        while let Some((partition, mut builder)) = self.full.pop_front() {
            let count = builder.record_count();
            let delivery = self
                .producer
                .deliver(&self.topic, partition, &mut builder)
                .await?;
            self.deliveries.push_back((count, delivery));
            self.settle(DELIVERIES_MAX).await?;
        }
        self.settle(if everything { 0 } else { DELIVERIES_MAX })
            .await
    }

    /// Waits until at most `left` batches are unacknowledged.
    async fn settle(&mut self, left: usize) -> Result<(), Failure> {
        while self.deliveries.len() > left {
            let Some((count, delivery)) = self.deliveries.pop_front() else {
                break;
            };
            delivery
                .outcome()
                .await
                .map_err(|error| self.broken(&error))?;
            self.acknowledged += u64::from(count);
        }
        Ok(())
    }

    fn broken(&self, error: &ClientError) -> Failure {
        let attempt = format!(
            "cannot write to topic {} ({} records were acknowledged before)",
            self.topic, self.acknowledged
        );
        Failure::during(attempt, error)
    }
}

fn bytes_of(text: &str, option: &str) -> Result<Vec<u8>, Failure> {
    match unescape(text) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        Ok(_) => Err(bad_text(option, "it is empty")),
        Err(why) => Err(bad_text(option, &why)),
    }
}

fn bad_text(option: &str, why: &str) -> Failure {
    Failure::new(
        Kind::General,
        format!("{option} cannot be used"),
        why,
        "write it as \\t or \\x1f",
    )
}

/// A bar for a file, a counter for a pipe; nothing where nobody looks or somebody types.
fn progress_bar(input: &Input) -> ProgressBar {
    if !std::io::stderr().is_terminal() || (input.len().is_none() && std::io::stdin().is_terminal())
    {
        return ProgressBar::hidden();
    }
    let (bar, style) = match input.len() {
        Some(len) => (
            ProgressBar::new(len),
            "{bar:40} {bytes}/{total_bytes} {bytes_per_sec}",
        ),
        None => (ProgressBar::no_length(), "{bytes} {bytes_per_sec}"),
    };
    bar.with_style(ProgressStyle::with_template(style).unwrap_or_else(|_| {
        // The template is a constant; a plain bar is as good.
        ProgressStyle::default_bar()
    }))
}

fn report(feed: &Feed, json: bool) -> Result<(), Failure> {
    if json {
        let summary = json!({ "topic": feed.topic, "records": feed.acknowledged });
        output::json(&summary)?;
    } else if std::io::stderr().is_terminal() {
        eprintln!("{} records written to {}", feed.acknowledged, feed.topic);
    }
    Ok(())
}
