//! `forebay txn hanging`: open transactions that no coordinator will ever end (KIP-664).
//!
//! Invariants: a transaction is called hanging only if its partition still has it open after the
//! coordinator was asked; a marker is written only for such a one.

use std::collections::{BTreeMap, BTreeSet};

use base::{ErrorCode, NodeId, Timestamp, TopicPartition};
use clap::Args;
use client::{
    Client, ClientError, DescribedProducers, PartitionProducer, TransactionDescription,
    TransactionFilter,
};
use serde_json::json;

use super::failure::{Failure, Kind};
use super::output;
use super::table::Table;
use super::txn::{milliseconds, moment, since, span};

/// So many partitions are asked about at once, as Kafka's tool does.
const PARTITIONS_MAX: usize = 500;

#[derive(Args, Clone, Debug)]
pub(super) struct Hanging {
    /// Only partitions that this broker has, as it knows them; by default all, by their leaders
    #[arg(long, value_name = "ID")]
    pub(super) broker: Option<i32>,
    /// Only this topic's partitions; may be repeated
    #[arg(long = "topic", short = 't', value_name = "TOPIC")]
    pub(super) topics: Vec<String>,
    /// The longest that a transaction may last: the largest transaction.max.timeout.ms of brokers
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = milliseconds)]
    pub(super) max_transaction_timeout: i64,
    /// Abort what is found, by a marker in its partition
    #[arg(long)]
    pub(super) abort: bool,
}

/// A transaction that is open in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    place: TopicPartition,
    producer: PartitionProducer,
}

/// What the coordinators know of producers.
#[derive(Default)]
struct Coordinators {
    /// Transactional ids by their producers.
    ids: BTreeMap<i64, String>,
    /// Those ids that their coordinators could describe.
    descriptions: BTreeMap<String, TransactionDescription>,
}

pub(super) async fn run(client: &Client, options: &Hanging, json: bool) -> Result<(), Failure> {
    let node = options.broker.map(NodeId);
    let places = places(client, options).await?;
    let mut unsearched = Vec::new();
    let mut candidates = Vec::new();
    for places in places.chunks(PARTITIONS_MAX) {
        let described = client.describe_producers(places, node).await;
        let now = client.core().wall();
        let limit = options.max_transaction_timeout;
        candidates.extend(overdue(&described, now, limit));
        unsearched.extend(failures(described));
    }
    let known = coordinators(client, &candidates).await?;
    let found = hanging(candidates, &known);
    let again = asked_again(client, node, &found).await;
    let found = confirmed(found, &again);
    unsearched.extend(failures(again));
    show(&found, &known, client.core().wall(), json)?;
    if options.abort {
        for one in &found {
            abort(client, one, json).await?;
        }
    }
    match unsearched.first() {
        None => Ok(()),
        Some((place, error)) => {
            let count = unsearched.len();
            let attempt = format!("{count} partitions were not searched, such as {place}");
            Err(Failure::during(attempt, error))
        }
    }
}

/// The partitions to search.
async fn places(client: &Client, options: &Hanging) -> Result<Vec<TopicPartition>, Failure> {
    client.refresh(None, false).await?;
    let image = client.image();
    if let Some(id) = options.broker
        && !image.brokers.contains_key(&NodeId(id))
    {
        return Err(Failure::new(
            Kind::General,
            format!("there is no broker {id}"),
            "the cluster's metadata does not list it",
            "see `forebay cluster info` for the ids",
        ));
    }
    for name in &options.topics {
        if !image.topics.contains_key(name) {
            let subject = format!("topic {name}");
            return Err(ClientError::NotFound { subject }.into());
        }
    }
    let mut places = Vec::new();
    for topic in image.topics.values() {
        let is_wanted = options.topics.is_empty() || options.topics.contains(&topic.name);
        for partition in topic.partitions.values().filter(|_| is_wanted) {
            let mut replicas = partition.replicas.iter();
            if options
                .broker
                .is_none_or(|id| replicas.any(|replica| replica.0 == id))
            {
                places.push(TopicPartition {
                    topic: topic.name.clone(),
                    partition: partition.index,
                });
            }
        }
    }
    Ok(places)
}

/// Transactions that are open although their last batch is older than any of them may become.
fn overdue(described: &DescribedProducers, now: Timestamp, limit_ms: i64) -> Vec<Open> {
    let mut found = Vec::new();
    for (place, producers) in described {
        for producer in producers.iter().flatten() {
            let is_old = now.0.saturating_sub(producer.last_timestamp.0) > limit_ms;
            if producer.transaction_start.is_some() && is_old {
                let (place, producer) = (place.clone(), producer.clone());
                found.push(Open { place, producer });
            }
        }
    }
    found
}

/// Asks all coordinators about the candidates' producers.
async fn coordinators(client: &Client, candidates: &[Open]) -> Result<Coordinators, Failure> {
    let mut known = Coordinators::default();
    let producers: BTreeSet<i64> = candidates
        .iter()
        .map(|open| open.producer.producer_id)
        .collect();
    if producers.is_empty() {
        return Ok(known);
    }
    let filter = TransactionFilter {
        producer_ids: producers.into_iter().collect(),
        ..TransactionFilter::default()
    };
    for listed in client.list_transactions(&filter).await? {
        match client.describe_transaction(&listed.id).await {
            Ok(described) => {
                known.descriptions.insert(listed.id.clone(), described);
            }
            // Forgotten since it was listed.
            Err(ClientError::Refused {
                code: ErrorCode::TransactionalIdNotFound,
                ..
            }) => {}
            Err(error) => return Err(error.into()),
        }
        known.ids.insert(listed.producer_id, listed.id);
    }
    Ok(known)
}

/// Those candidates of which no coordinator knows in their partitions.
fn hanging(mut candidates: Vec<Open>, known: &Coordinators) -> Vec<Open> {
    candidates.retain(|open| {
        let id = known.ids.get(&open.producer.producer_id);
        let described = id.and_then(|id| known.descriptions.get(id));
        // Whatever state it is in: while the partition is listed, a marker is still to be written.
        !described.is_some_and(|described| described.partitions.contains(&open.place))
    });
    candidates
}

/// Asks the partitions again: a transaction may have ended between the two questions.
async fn asked_again(client: &Client, node: Option<NodeId>, found: &[Open]) -> DescribedProducers {
    let places: BTreeSet<TopicPartition> = found.iter().map(|open| open.place.clone()).collect();
    let places: Vec<TopicPartition> = places.into_iter().collect();
    let mut described = DescribedProducers::new();
    for places in places.chunks(PARTITIONS_MAX) {
        described.extend(client.describe_producers(places, node).await);
    }
    described
}

/// The partitions that could not be asked, and why.
fn failures(described: DescribedProducers) -> impl Iterator<Item = (TopicPartition, ClientError)> {
    let failed = described.into_iter();
    failed.filter_map(|(place, found)| Some((place, found.err()?)))
}

fn confirmed(mut found: Vec<Open>, described: &DescribedProducers) -> Vec<Open> {
    found.retain(|open| match described.get(&open.place) {
        Some(Ok(producers)) => producers.contains(&open.producer),
        _ => false,
    });
    found
}

fn show(found: &[Open], known: &Coordinators, now: Timestamp, json: bool) -> Result<(), Failure> {
    let id_of = |open: &Open| known.ids.get(&open.producer.producer_id);
    if json {
        for open in found {
            let producer = &open.producer;
            output::json(&json!({
                "topic": open.place.topic,
                "partition": open.place.partition.0,
                "producer_id": producer.producer_id,
                "producer_epoch": producer.producer_epoch,
                "coordinator_epoch": producer.coordinator_epoch,
                "start_offset": producer.transaction_start.map(|offset| offset.0),
                "last_ms": producer.last_timestamp.0,
                "open_ms": since(producer.last_timestamp, now),
                "transactional_id": id_of(open),
            }))?;
        }
        return Ok(());
    }
    if found.is_empty() {
        eprintln!("no hanging transactions");
        return Ok(());
    }
    let columns = [
        "topic",
        "partition",
        "producer",
        "epoch",
        "coordinator epoch",
        "start offset",
        "last batch",
        "ago",
        "transactional id",
    ];
    let mut table = Table::new(&columns);
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for open in found {
        let producer = &open.producer;
        table.row([
            open.place.topic.clone(),
            open.place.partition.to_string(),
            producer.producer_id.to_string(),
            producer.producer_epoch.to_string(),
            or_dash(producer.coordinator_epoch.map(|epoch| epoch.to_string())),
            or_dash(
                producer
                    .transaction_start
                    .map(|offset| offset.0.to_string()),
            ),
            moment(producer.last_timestamp),
            span(since(producer.last_timestamp, now)),
            or_dash(id_of(open).cloned()),
        ]);
    }
    output::print(table.render().as_bytes()).map(|_| ())
}

async fn abort(client: &Client, open: &Open, json: bool) -> Result<(), Failure> {
    let (place, producer) = (&open.place, open.producer.producer_id);
    let written = client.write_abort_marker(place, &open.producer).await;
    written.map_err(|error| {
        let attempt = format!("cannot abort the transaction of producer {producer} in {place}");
        Failure::during(attempt, &error)
    })?;
    if json {
        let value = json!({
            "topic": place.topic,
            "partition": place.partition.0,
            "producer_id": producer,
            "done": "aborted",
        });
        return output::json(&value).map(|_| ());
    }
    let what = format!("transaction of producer {producer} in {place}");
    output::line(&format!("{what}: aborted")).map(|_| ())
}

#[cfg(test)]
mod tests {
    use base::{NodeId, Offset, PartitionIndex, Timestamp, TopicPartition};
    use client::{ClientError, DescribedProducers, PartitionProducer, TransactionDescription};

    use super::{Coordinators, Open, confirmed, hanging, overdue};

    const LIMIT_MS: i64 = 900_000;
    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn place(index: i32) -> TopicPartition {
        TopicPartition {
            topic: "orders".to_owned(),
            partition: PartitionIndex(index),
        }
    }

    fn producer(start: Option<i64>, ago_ms: i64) -> PartitionProducer {
        PartitionProducer {
            producer_id: 7,
            producer_epoch: 2,
            coordinator_epoch: None,
            last_sequence: 0,
            last_timestamp: Timestamp(NOW.0 - ago_ms),
            transaction_start: start.map(Offset),
        }
    }

    fn open() -> Open {
        Open {
            place: place(0),
            producer: producer(Some(5), LIMIT_MS + 1),
        }
    }

    /// The coordinators' knowledge: of which producer, and with which partitions.
    fn known(id: Option<i64>, partitions: Option<&[i32]>, state: &str) -> Coordinators {
        let mut known = Coordinators::default();
        if let Some(id) = id {
            known.ids.insert(id, "payments".to_owned());
        }
        if let Some(partitions) = partitions {
            let described = TransactionDescription {
                id: "payments".to_owned(),
                coordinator: NodeId(1),
                state: state.to_owned(),
                producer_id: 7,
                producer_epoch: 2,
                timeout_ms: 60_000,
                started: None,
                partitions: partitions.iter().map(|index| place(*index)).collect(),
            };
            known.descriptions.insert("payments".to_owned(), described);
        }
        known
    }

    /// A slow but living transaction must never be taken for one that hangs: only one that is open
    /// and older than any may be is a candidate.
    #[test]
    fn only_what_is_open_for_too_long_is_a_candidate() {
        let cases = [
            ("open and too old", Some(5), LIMIT_MS + 1, true),
            ("open from offset zero", Some(0), LIMIT_MS + 1, true),
            ("open just as long as may be", Some(5), LIMIT_MS, false),
            ("open and young", Some(5), 0, false),
            ("a clock that is ahead", Some(5), -1_000, false),
            ("old and not open", None, LIMIT_MS + 1, false),
        ];
        for (story, start, ago_ms, expected) in cases {
            let mut described = DescribedProducers::new();
            described.insert(place(0), Ok(vec![producer(start, ago_ms)]));
            let found = overdue(&described, NOW, LIMIT_MS);
            assert_eq!(!found.is_empty(), expected, "{story}");
        }
    }

    /// A coordinator that lists the partition will end the transaction there, in whatever state it
    /// is; a marker of ours could make a commit into an abort.
    #[test]
    fn what_its_coordinator_knows_does_not_hang() {
        let cases = [
            ("nobody knows the producer", known(None, None, ""), true),
            (
                "another producer",
                known(Some(8), Some(&[0]), "Ongoing"),
                true,
            ),
            ("listed, then forgotten", known(Some(7), None, ""), true),
            ("nothing open", known(Some(7), Some(&[]), "Empty"), true),
            (
                "open elsewhere",
                known(Some(7), Some(&[1, 2]), "Ongoing"),
                true,
            ),
            ("open here", known(Some(7), Some(&[0]), "Ongoing"), false),
            (
                "among others",
                known(Some(7), Some(&[1, 0]), "Ongoing"),
                false,
            ),
            (
                "marker under way",
                known(Some(7), Some(&[0]), "PrepareCommit"),
                false,
            ),
        ];
        for (story, known, expected) in cases {
            let found = hanging(vec![open()], &known);
            assert_eq!(!found.is_empty(), expected, "{story}");
        }
    }

    /// Between the questions to partition and coordinator the transaction may have ended, and the
    /// next one of the same producer may have begun.
    #[test]
    fn what_has_ended_meanwhile_does_not_hang() {
        let unreachable = ClientError::NotFound {
            subject: "orders-0".to_owned(),
        };
        let mut newer = open().producer;
        newer.transaction_start = Some(Offset(9));
        let cases = [
            (
                "still the same",
                Some(Ok(vec![newer.clone(), open().producer])),
                true,
            ),
            ("ended", Some(Ok(vec![producer(None, 0)])), false),
            ("another one", Some(Ok(vec![newer])), false),
            ("cannot be asked", Some(Err(unreachable)), false),
            ("not answered", None, false),
        ];
        for (story, answer, expected) in cases {
            let mut described = DescribedProducers::new();
            described.extend(answer.map(|answer| (place(0), answer)));
            let found = confirmed(vec![open()], &described);
            assert_eq!(!found.is_empty(), expected, "{story}");
        }
    }
}
