//! `forebay txn`: list, describe and abort transactions, and find those that hang.
//!
//! Invariant: nothing is fenced whose coordinator says that no transaction of it is open.

use std::process::ExitCode;

use base::Timestamp;
use clap::{Args, Subcommand};
use client::{Client, ClientError, OPEN_STATES, TransactionDescription, TransactionFilter};
use serde_json::{Value, json};

use super::failure::{Failure, Kind};
use super::output;
use super::session::{Cluster, with_client};
use super::table::Table;
use super::txn_hanging::{self, Hanging};

/// Kafka's words for the states of a transactional id.
const STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
];
/// The state in which a transaction is open and nobody has decided how it ends.
const ONGOING: &str = "Ongoing";

/// List, describe and abort transactions, and find those that hang
#[derive(Args, Debug)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// List transactional ids with their producers and states
    List(List),
    /// Show what transactional ids' producers have open, since when and where
    Describe(Named),
    /// Abort a transactional id's open transaction and fence its producer
    Abort(Abort),
    /// Find open transactions that no coordinator will ever end, and end them
    ///
    /// Such a transaction has been open in a partition for longer than any may be, while the
    /// coordinator knows nothing of it there. Until it is aborted, readers of committed records
    /// stay in front of it and compaction does too.
    Hanging(Hanging),
}

#[derive(Args, Clone, Debug)]
struct List {
    /// Only those in this state, such as Ongoing or PrepareCommit; may be repeated
    #[arg(long = "state", value_parser = state)]
    states: Vec<String>,
    /// Only that of this producer; may be repeated
    #[arg(long = "producer-id", value_name = "ID")]
    producer_ids: Vec<i64>,
    /// Only those with a transaction that was started longer ago, as in 90s, 15m or 2h; without
    /// --state only if it is still open
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    longer_than: Option<i64>,
    /// Only those whose whole id matches this expression, in the syntax of RE2
    #[arg(long, value_name = "REGEX")]
    pattern: Option<String>,
}

impl List {
    fn filter(&self) -> TransactionFilter {
        let mut states = self.states.clone();
        // Kafka counts from the last start, also where that transaction is over or there was none.
        if self.longer_than.is_some() && states.is_empty() {
            states.extend(OPEN_STATES.map(ToOwned::to_owned));
        }
        TransactionFilter {
            states,
            producer_ids: self.producer_ids.clone(),
            started_ms_min: self.longer_than,
            pattern: self.pattern.clone(),
        }
    }
}

#[derive(Args, Clone, Debug)]
struct Named {
    /// Their transactional ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

#[derive(Args, Clone, Debug)]
struct Abort {
    /// Its transactional id
    id: String,
}

/// A state in Kafka's spelling, however it is written; what is not known here is left to brokers.
fn state(text: &str) -> Result<String, String> {
    let known = STATES.iter().find(|known| known.eq_ignore_ascii_case(text));
    if text.is_empty() {
        return Err(format!("write one of {}", STATES.join(", ")));
    }
    Ok(known.map_or(text, |known| *known).to_owned())
}

/// A duration as people write it, in milliseconds.
pub(super) fn milliseconds(text: &str) -> Result<i64, String> {
    let read = || {
        let duration: jiff::SignedDuration = text.parse().ok()?;
        let ms = i64::try_from(duration.as_millis()).ok()?;
        (ms >= 0).then_some(ms)
    };
    read().ok_or_else(|| "write a number with its unit, such as 90s, 15m or 2h".to_owned())
}

pub(super) fn run(options: &Options, cluster: &Cluster) -> ExitCode {
    let (command, json) = (options.command.clone(), cluster.json);
    with_client(cluster, move |client| {
        let command = command.clone();
        async move {
            match command {
                Command::List(options) => list(&client, &options, json).await,
                Command::Describe(options) => describe(&client, &options.ids, json).await,
                Command::Abort(options) => abort(&client, &options.id, json).await,
                Command::Hanging(options) => txn_hanging::run(&client, &options, json).await,
            }
        }
    })
}

async fn list(client: &Client, options: &List, json: bool) -> Result<(), Failure> {
    let listed = client.list_transactions(&options.filter()).await;
    let listed = listed.map_err(|error| Failure::during("cannot list transactions", &error))?;
    if json {
        for one in &listed {
            output::json(&json!({
                "transactional_id": one.id,
                "coordinator": one.coordinator.0,
                "producer_id": one.producer_id,
                "state": one.state,
            }))?;
        }
        return Ok(());
    }
    if listed.is_empty() {
        eprintln!("no transactional ids");
        return Ok(());
    }
    let mut table = Table::new(&["transactional id", "coordinator", "producer", "state"]);
    for one in listed {
        table.row([
            one.id,
            one.coordinator.to_string(),
            one.producer_id.to_string(),
            one.state,
        ]);
    }
    output::print(table.render().as_bytes()).map(|_| ())
}

/// Shows all that can be shown before it fails for the rest.
async fn describe(client: &Client, ids: &[String], json: bool) -> Result<(), Failure> {
    let mut failed = None;
    let mut shown = 0;
    for id in ids {
        let described = match client.describe_transaction(id).await {
            Ok(described) => described,
            Err(error) => {
                let attempt = format!("cannot describe transactional id {id}");
                failed.get_or_insert(Failure::during(attempt, &error));
                continue;
            }
        };
        let now = client.core().wall();
        if json {
            output::json(&described_json(&described, now))?;
        } else {
            let gap = if shown > 0 { "\n" } else { "" };
            output::print(format!("{gap}{}", described_text(&described, now)).as_bytes())?;
        }
        shown += 1;
    }
    failed.map_or(Ok(()), Err)
}

fn described_json(described: &TransactionDescription, now: Timestamp) -> Value {
    let partition = |place: &base::TopicPartition| {
        json!({
            "topic": place.topic,
            "partition": place.partition.0,
        })
    };
    json!({
        "transactional_id": described.id,
        "coordinator": described.coordinator.0,
        "state": described.state,
        "producer_id": described.producer_id,
        "producer_epoch": described.producer_epoch,
        "timeout_ms": described.timeout_ms,
        "started_ms": described.started.map(|started| started.0),
        "open_ms": described.started.filter(|_| described.is_open()).map(|started| since(started, now)),
        "partitions": described.partitions.iter().map(partition).collect::<Vec<_>>(),
    })
}

fn described_text(described: &TransactionDescription, now: Timestamp) -> String {
    let mut text = format!(
        "transactional id {}  {}  coordinator {}\nproducer {} epoch {}  timeout {}  ",
        described.id,
        described.state,
        described.coordinator,
        described.producer_id,
        described.producer_epoch,
        span(i64::from(described.timeout_ms)),
    );
    text.push_str(&match described.started {
        Some(started) if described.is_open() => {
            let ago = span(since(started, now));
            format!("started {} ({ago} ago)\n", moment(started))
        }
        Some(started) => format!("nothing open, last started {}\n", moment(started)),
        None => "nothing open\n".to_owned(),
    });
    if !described.partitions.is_empty() {
        let mut table = Table::new(&["topic", "partition"]);
        for place in &described.partitions {
            table.row([place.topic.clone(), place.partition.to_string()]);
        }
        text.push('\n');
        text.push_str(&table.render());
    }
    text
}

async fn abort(client: &Client, id: &str, json: bool) -> Result<(), Failure> {
    let attempt = |error| Failure::during(format!("cannot abort transactional id {id}"), &error);
    match client.describe_transaction(id).await {
        Ok(described) if described.state != ONGOING => return Err(not_open(&described)),
        // Brokers from before KIP-664 cannot be asked, and end transactions all the same.
        Ok(_) | Err(ClientError::NoCommonVersion { .. }) => {}
        Err(error) => return Err(attempt(error)),
    }
    let (producer, epoch) = client.fence_producer(id).await.map_err(attempt)?;
    if json {
        let value = json!({
            "transactional_id": id,
            "producer_id": producer,
            "producer_epoch": epoch,
            "done": "aborted",
        });
        return output::json(&value).map(|_| ());
    }
    let done = "aborted, and its producer is fenced";
    output::line(&format!(
        "transactional id {id}: {done} (producer {producer} is at epoch {epoch})"
    ))
    .map(|_| ())
}

fn not_open(described: &TransactionDescription) -> Failure {
    let (id, state) = (&described.id, &described.state);
    let is_ending = state.starts_with("Prepare");
    let why = if is_ending {
        format!("it is in state {state}: how it ends is decided, and cannot be changed")
    } else {
        format!("it is in state {state}, and its producer would be fenced for nothing")
    };
    let mend = if is_ending {
        "wait; if it stays so, bring back the leaders of the partitions in `forebay txn describe`"
    } else {
        "see `forebay txn list --state Ongoing`; for partitions where one hangs nevertheless, \
         `forebay txn hanging`"
    };
    Failure::new(
        Kind::Refused,
        format!("transactional id {id} has no open transaction"),
        why,
        mend,
    )
}

/// Milliseconds since then; none of clocks that disagree.
pub(super) fn since(then: Timestamp, now: Timestamp) -> i64 {
    now.0.saturating_sub(then.0).max(0)
}

/// A time as people and programs read it.
pub(super) fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}

/// So many milliseconds as people read them: below a minute to the millisecond, else to the second.
pub(super) fn span(ms: i64) -> String {
    let exact = jiff::SignedDuration::from_millis(ms);
    let whole = jiff::SignedDuration::from_secs(exact.as_secs());
    format!("{:#}", if ms < 60_000 { exact } else { whole })
}

#[cfg(test)]
mod tests {
    use base::{NodeId, PartitionIndex, Timestamp, TopicPartition};
    use clap::Parser;
    use client::TransactionDescription;

    use super::{Command, described_text, milliseconds, not_open, span, state};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    fn parse(line: &str) -> Result<Command, String> {
        let words = std::iter::once("txn").chain(line.split_whitespace());
        let parsed = Line::try_parse_from(words);
        parsed
            .map(|line| line.command)
            .map_err(|error| error.to_string())
    }

    /// Filters add up; a typo in one must not silently list everything.
    #[test]
    fn a_listing_takes_each_filter() {
        let line =
            "list --state ongoing --state Dead --producer-id 5 --longer-than 15m --pattern a.*";
        let Command::List(list) = parse(line).unwrap() else {
            panic!("not a listing");
        };
        assert_eq!(list.states, ["Ongoing", "Dead"]);
        assert_eq!(list.producer_ids, [5]);
        assert_eq!(list.longer_than, Some(900_000));
        assert_eq!(list.pattern.as_deref(), Some("a.*"));
        assert_eq!(list.filter().states, ["Ongoing", "Dead"]);
        for wrong in [
            "list --longer-than 15",
            "list --producer-id x",
            "list orders",
            "list --state=",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    /// Brokers take an id that has been idle for hours for one with a long transaction; whoever
    /// asks for long ones means open ones.
    #[test]
    fn long_transactions_are_open_ones() {
        let filter = |line: &str| match parse(line).unwrap() {
            Command::List(list) => list.filter(),
            other => panic!("not a listing: {other:?}"),
        };
        assert_eq!(filter("list --longer-than 15m").states, client::OPEN_STATES);
        assert!(filter("list").states.is_empty());
    }

    /// What changes or shows single transactions needs their names; only one is aborted at a time.
    #[test]
    fn what_acts_on_ids_needs_them() {
        assert!(parse("describe a b").is_ok());
        assert!(parse("abort a").is_ok());
        for wrong in ["describe", "abort", "abort a b", "hanging a"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let Command::Hanging(hanging) = parse("hanging --broker 3 --topic a --topic b").unwrap()
        else {
            panic!("not a search");
        };
        assert_eq!(hanging.broker, Some(3));
        assert_eq!(hanging.topics, ["a", "b"]);
        assert_eq!(hanging.max_transaction_timeout, 900_000);
        assert!(!hanging.abort);
    }

    /// States are Kafka's, in any spelling; those of later releases pass.
    #[test]
    fn states_are_spelt_as_kafka_spells_them() {
        assert_eq!(state("preparecommit").unwrap(), "PrepareCommit");
        assert_eq!(state("Prepared").unwrap(), "Prepared");
        assert!(state("").is_err());
    }

    /// A duration without a unit is a mistake by a factor of sixty waiting to happen.
    #[test]
    fn durations_have_units() {
        assert_eq!(milliseconds("90s"), Ok(90_000));
        assert_eq!(milliseconds("2h 30m"), Ok(9_000_000));
        assert_eq!(milliseconds("0s"), Ok(0));
        for wrong in ["", "15", "-15m", "soon"] {
            assert!(milliseconds(wrong).is_err(), "{wrong}");
        }
        assert_eq!(span(63_500), "1m 3s");
        assert_eq!(span(1_500), "1s 500ms");
    }

    fn described(state: &str) -> TransactionDescription {
        TransactionDescription {
            id: "payments".to_owned(),
            coordinator: NodeId(1),
            state: state.to_owned(),
            producer_id: 7,
            producer_epoch: 2,
            timeout_ms: 60_000,
            started: Some(Timestamp(1_000)),
            partitions: vec![TopicPartition {
                topic: "orders".to_owned(),
                partition: PartitionIndex(3),
            }],
        }
    }

    /// The one who is woken at night reads since when, and where.
    #[test]
    fn a_description_says_since_when_and_where() {
        let text = described_text(&described("Ongoing"), Timestamp(64_000));
        assert_eq!(
            text,
            "transactional id payments  Ongoing  coordinator 1\n\
             producer 7 epoch 2  timeout 1m  started 1970-01-01T00:00:01Z (1m 3s ago)\n\n\
             topic   partition\norders          3\n"
        );
        let over = described_text(&described("CompleteCommit"), Timestamp(64_000));
        assert!(over.contains("nothing open, last started 1970"), "{over}");
        let mut idle = described("Empty");
        idle.started = None;
        idle.partitions.clear();
        let text = described_text(&idle, Timestamp(64_000));
        assert!(text.ends_with("timeout 1m  nothing open\n"), "{text}");
    }

    /// A producer whose transaction is over, or is about to be, is left alone.
    #[test]
    fn what_is_not_open_is_not_aborted() {
        let ending = not_open(&described("PrepareCommit")).to_string();
        assert!(ending.contains("how it ends is decided"), "{ending}");
        let over = not_open(&described("CompleteAbort")).to_string();
        assert!(over.contains("fenced for nothing"), "{over}");
    }
}
