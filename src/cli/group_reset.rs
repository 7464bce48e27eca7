//! `forebay group reset`: where a group without members goes on.
//!
//! Invariant: every new offset lies within its partition's log, whatever was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base::{Offset, PartitionIndex, Timestamp, TopicPartition};
use clap::Args;
use client::{Client, Committed, OffsetSpec};
use serde_json::json;

use super::failure::{Failure, Kind};
use super::output;
use super::table::Table;

/// The largest file of offsets that is read.
const FILE_BYTES_MAX: u64 = 64 << 20;

#[derive(Args, Clone, Debug)]
pub(super) struct Reset {
    /// The group's id
    group: String,
    /// These topics, or single partitions as TOPIC:0,1; by default all that the group has committed
    #[arg(long = "topic", short = 't', value_parser = Chosen::parse)]
    topics: Vec<Chosen>,
    /// Where to: beginning, end, an offset, +N or -N from where it is, @MS or an RFC 3339 time for
    /// the first record of that time, or how long ago, as in 90m or 2h
    #[arg(long, allow_hyphen_values = true, value_parser = Target::parse)]
    #[arg(required_unless_present = "from_file", conflicts_with = "from_file")]
    to: Option<Target>,
    /// Offsets from a file with lines of topic,partition,offset
    #[arg(long, value_name = "FILE", conflicts_with = "topics")]
    from_file: Option<PathBuf>,
    /// Only show what would be set
    #[arg(long)]
    dry_run: bool,
}

/// A topic, or some of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chosen {
    topic: String,
    partitions: Vec<i32>,
}

impl Chosen {
    fn parse(text: &str) -> Result<Self, String> {
        let (topic, indexes) = text.split_once(':').unwrap_or((text, ""));
        let indexes = indexes.split(',').filter(|index| !index.is_empty());
        let partitions: Result<_, _> = indexes.map(str::parse).collect();
        match partitions {
            Ok(partitions) if !topic.is_empty() => Ok(Self {
                topic: topic.to_owned(),
                partitions,
            }),
            _ => Err("write TOPIC or TOPIC:0,1,2".to_owned()),
        }
    }
}

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Beginning,
    End,
    At(i64),
    Shift(i64),
    Time(Timestamp),
    /// So many milliseconds ago.
    Ago(i64),
}

impl Target {
    fn parse(text: &str) -> Result<Self, String> {
        let time = |text: &str| {
            let time: jiff::Timestamp = text.parse().ok()?;
            Some(Self::Time(Timestamp(time.as_millisecond())))
        };
        let ago = |text: &str| {
            let ago: jiff::SignedDuration = text.parse().ok()?;
            i64::try_from(ago.as_millis()).ok().map(Self::Ago)
        };
        let number = |digits: &str| digits.parse::<u32>().ok().map(i64::from);
        let parsed = match text {
            "beginning" | "earliest" => Some(Self::Beginning),
            "end" | "latest" => Some(Self::End),
            _ => match text.split_at_checked(1) {
                Some(("+", count)) => number(count).map(Self::Shift),
                Some(("-", count)) => number(count).map(|count| Self::Shift(-count)),
                Some(("@", time)) => time.parse().ok().map(|time| Self::Time(Timestamp(time))),
                _ => text
                    .parse()
                    .ok()
                    .map(Self::At)
                    .or_else(|| time(text))
                    .or_else(|| ago(text)),
            },
        };
        parsed.ok_or_else(|| {
            "write beginning, end, N, +N, -N, @MILLISECONDS, 2026-01-31T12:00:00Z or 90m".to_owned()
        })
    }
}

/// What happens to one partition.
struct Change {
    before: Option<Offset>,
    after: Offset,
}

pub(super) async fn run(client: &Client, options: &Reset, json: bool) -> Result<(), Failure> {
    let committed = client.committed(&options.group).await?;
    let mut changes = BTreeMap::new();
    for (partition, target) in wanted(client, options, &committed).await? {
        let before = committed.get(&partition).map(|committed| committed.offset);
        let after = resolve(client, &partition, target, before).await?;
        changes.insert(partition, Change { before, after });
    }
    if changes.is_empty() {
        return Err(Failure::new(
            Kind::General,
            format!("nothing to reset in group {}", options.group),
            "it has committed nothing",
            "name topics with --topic",
        ));
    }
    if !options.dry_run {
        let offsets = changes.iter();
        let offsets = offsets.map(|(partition, change)| (partition.clone(), change.after));
        client
            .commit_offsets(&options.group, &offsets.collect())
            .await
            .map_err(|error| {
                Failure::during(format!("cannot reset group {}", options.group), &error)
            })?;
    }
    show(&options.group, &changes, options.dry_run, json)
}

/// Every partition that is to be reset, and where to.
async fn wanted(
    client: &Client,
    options: &Reset,
    committed: &BTreeMap<TopicPartition, Committed>,
) -> Result<Vec<(TopicPartition, Target)>, Failure> {
    if let Some(path) = &options.from_file {
        let file = client.core().open(path, reactor::OpenMode::ReadOnly);
        let file = file.await?;
        let len = file.len().await?.min(FILE_BYTES_MAX);
        let bytes = file.read_at(0, base::usize_from_u64(len)).await?;
        return read_lines(&String::from_utf8_lossy(&bytes));
    }
    let Some(target) = options.to else {
        return Ok(Vec::new());
    };
    if options.topics.is_empty() {
        let partitions = committed.keys().cloned();
        return Ok(partitions.map(|partition| (partition, target)).collect());
    }
    let mut found = BTreeSet::new();
    for chosen in &options.topics {
        let topic = client.topic(&chosen.topic, false).await?;
        for partition in super::topic::chosen_partitions(&topic, &chosen.partitions)? {
            found.insert(TopicPartition {
                topic: chosen.topic.clone(),
                partition,
            });
        }
    }
    Ok(found
        .into_iter()
        .map(|partition| (partition, target))
        .collect())
}

/// Lines of topic,partition,offset as Kafka's own tool exports them.
fn read_lines(text: &str) -> Result<Vec<(TopicPartition, Target)>, Failure> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let mut parts = line
            .rsplitn(3, ',')
            .map(|part| part.trim().trim_matches('"'));
        let (offset, index, topic) = (parts.next(), parts.next(), parts.next());
        let offset = offset.and_then(|offset| offset.parse().ok());
        let index = index.and_then(|index| index.parse().ok());
        let (Some(offset), Some(index), Some(topic)) = (offset, index, topic) else {
            return Err(Failure::new(
                Kind::Data,
                format!("line {number} cannot be read: {line}"),
                "it is not topic,partition,offset",
                "correct the file",
            ));
        };
        let partition = TopicPartition {
            topic: topic.to_owned(),
            partition: PartitionIndex(index),
        };
        found.push((partition, Target::At(offset)));
    }
    Ok(found)
}

async fn resolve(
    client: &Client,
    partition: &TopicPartition,
    target: Target,
    before: Option<Offset>,
) -> Result<Offset, Failure> {
    let ask = |spec| client.offset(&partition.topic, partition.partition, spec);
    let begin = ask(OffsetSpec::Earliest).await?.unwrap_or(Offset(0));
    let end = ask(OffsetSpec::Latest).await?.unwrap_or(begin);
    let offset = match target {
        Target::Beginning => begin,
        Target::End => end,
        Target::At(offset) => Offset(offset),
        Target::Shift(count) => match before {
            Some(before) => Offset(before.0.saturating_add(count)),
            None => {
                return Err(Failure::new(
                    Kind::General,
                    format!("{partition} cannot be shifted"),
                    "the group has committed nothing for it",
                    "choose beginning, end or an offset for this partition",
                ));
            }
        },
        Target::Time(time) => ask(OffsetSpec::At(time)).await?.unwrap_or(end),
        Target::Ago(millis) => {
            let now = client.core().wall().0;
            let time = Timestamp((now - millis).max(0));
            ask(OffsetSpec::At(time)).await?.unwrap_or(end)
        }
    };
    Ok(offset.clamp(begin, end))
}

fn show(
    group: &str,
    changes: &BTreeMap<TopicPartition, Change>,
    dry_run: bool,
    json: bool,
) -> Result<(), Failure> {
    if json {
        for (partition, change) in changes {
            output::json(&json!({
                "group": group,
                "topic": partition.topic,
                "partition": partition.partition.0,
                "before": change.before.map(|offset| offset.0),
                "after": change.after.0,
                "set": !dry_run,
            }))?;
        }
        return Ok(());
    }
    let mut table = Table::new(&["topic", "partition", "before", "after"]);
    for (partition, change) in changes {
        let before = change
            .before
            .map_or("-".to_owned(), |offset| offset.to_string());
        table.row([
            partition.topic.clone(),
            partition.partition.to_string(),
            before,
            change.after.to_string(),
        ]);
    }
    if dry_run {
        eprintln!("group {group}: would be set");
    }
    output::print(table.render().as_bytes()).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::{Chosen, Target, read_lines};
    use base::Timestamp;

    /// People write places in many ways; each means one thing, and what means nothing is said so.
    #[test]
    fn targets_are_read_as_people_write_them() {
        let parsed = |text: &str| Target::parse(text).ok();
        assert_eq!(parsed("earliest"), Some(Target::Beginning));
        assert_eq!(parsed("end"), Some(Target::End));
        assert_eq!(parsed("42"), Some(Target::At(42)));
        assert_eq!(parsed("+7"), Some(Target::Shift(7)));
        assert_eq!(parsed("-7"), Some(Target::Shift(-7)));
        assert_eq!(parsed("@1000"), Some(Target::Time(Timestamp(1000))));
        let time = Target::Time(Timestamp(1_000));
        assert_eq!(parsed("1970-01-01T00:00:01Z"), Some(time));
        assert_eq!(parsed("90m"), Some(Target::Ago(5_400_000)));
        for wrong in ["", "-", "+", "@", "soon", "--1"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    /// A topic alone means all of it.
    #[test]
    fn topics_may_name_partitions() {
        let all = Chosen::parse("a").unwrap();
        assert!(all.partitions.is_empty());
        assert_eq!(Chosen::parse("a:1,3").unwrap().partitions, [1, 3]);
        assert!(Chosen::parse("a:x").is_err());
        assert!(Chosen::parse(":1").is_err());
    }

    /// Kafka's tool exports with quotes; a line that cannot be read stops everything.
    #[test]
    fn files_hold_a_partition_a_line() {
        let read = read_lines("\"a\",0,5\n\nb,1,7\n").unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].0.topic, "a");
        assert_eq!(read[1].1, Target::At(7));
        assert!(read_lines("a,0\n").is_err());
    }
}
