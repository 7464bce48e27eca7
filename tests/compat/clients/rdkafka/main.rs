//! librdkafka by the `rdkafka` crate: create, produce, consume by the contract of the README.
//!
//! Invariant: rebalances happen only while the one thread polls, so that what is told in a callback
//! is in order with the records.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

const KEYS: u64 = 40;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn say(event: &Value) {
    // `println!` writes whole lines, also into a pipe.
    println!("{event}");
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.set("reconnect.backoff.max.ms", "500");
    config
}

fn create(bootstrap: &str, topic: &str, partitions: i32) -> Outcome {
    let admin: AdminClient<DefaultClientContext> = config(bootstrap).create()?;
    let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for result in futures_executor::block_on(admin.create_topics([&topic], &AdminOptions::new()))? {
        result.map_err(|(name, code)| format!("{name} is not created: {code}"))?;
    }
    say(&json!({ "event": "created" }));
    Ok(())
}

/// Notes the records that were not delivered.
#[derive(Default)]
struct Deliveries {
    failures: Mutex<Vec<KafkaError>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let (Err((error, _)), Ok(mut failures)) = (result, self.failures.lock()) {
            failures.push(error.clone());
        }
    }
}

fn produce(bootstrap: &str, topic: &str) -> Outcome {
    let producer: ThreadedProducer<Deliveries> = config(bootstrap)
        .set("enable.idempotence", "true")
        .create_with_context(Deliveries::default())?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split(' ').skip(1);
        let mut next = || words.next().unwrap_or_default().parse::<u64>();
        let (first, count) = (next()?, next()?);
        for number in first..first + count {
            let (key, value) = (format!("key-{}", number % KEYS), number.to_string());
            let record = BaseRecord::to(topic).key(&key).payload(&value);
            producer.send(record).map_err(|(error, _)| error)?;
        }
        producer.flush(Duration::from_secs(90))?;
        let failures = producer
            .context()
            .failures
            .lock()
            .map_err(|error| error.to_string())?;
        if let Some(failure) = failures.first() {
            return Err(failure.clone().into());
        }
        say(&json!({ "event": "sent", "first": first, "count": count }));
    }
    Ok(())
}

/// What a member owns, and what it has read and not committed.
#[derive(Default)]
struct Progress {
    owns: BTreeSet<i32>,
    pending: BTreeMap<i32, i64>,
}

struct Context {
    topic: String,
    progress: Mutex<Progress>,
}

impl Context {
    fn with<R>(&self, work: impl FnOnce(&mut Progress) -> R) -> R {
        work(
            &mut self
                .progress
                .lock()
                .expect("nobody panics while holding it"),
        )
    }

    /// Commits what is pending; the answer of the broker is waited for.
    fn commit<C: Consumer<Context>>(&self, consumer: &C) -> Result<(), KafkaError> {
        let pending = self.with(|progress| std::mem::take(&mut progress.pending));
        if pending.is_empty() {
            return Ok(());
        }
        let mut offsets = TopicPartitionList::new();
        for (&partition, &offset) in &pending {
            offsets.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        }
        consumer.commit(&offsets, CommitMode::Sync)?;
        say(&json!({ "event": "committed", "offsets": pending }));
        Ok(())
    }

    fn say_owns(&self) {
        let owns = self.with(|progress| progress.owns.clone());
        say(&json!({ "event": "owns", "partitions": owns }));
    }
}

fn partitions(list: &TopicPartitionList) -> BTreeSet<i32> {
    list.elements()
        .iter()
        .map(|element| element.partition())
        .collect()
}

impl ClientContext for Context {}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Revoke(list) => {
                if consumer.assignment_lost() {
                    self.with(|progress| progress.pending.clear());
                } else {
                    self.commit(consumer)
                        .expect("commit before partitions are given away");
                }
                self.with(|progress| {
                    progress
                        .owns
                        .retain(|owned| !partitions(list).contains(owned))
                });
                self.say_owns();
            }
            Rebalance::Assign(list) => {
                self.with(|progress| progress.owns.append(&mut partitions(list)));
                self.say_owns();
            }
            Rebalance::Error(error) => eprintln!("rebalance: {error}"),
        }
    }
}

fn consume(bootstrap: &str, topic: &str, group: &str, protocol: &str) -> Outcome {
    let mut config = config(bootstrap);
    config.set("group.id", group);
    config.set("enable.auto.commit", "false");
    config.set("auto.offset.reset", "earliest");
    if protocol == "consumer" {
        config.set("group.protocol", "consumer");
    } else {
        let assignor = if protocol == "cooperative" {
            "cooperative-sticky"
        } else {
            "range"
        };
        config.set("partition.assignment.strategy", assignor);
        config.set("session.timeout.ms", "60000");
        config.set("heartbeat.interval.ms", "500");
    }
    let context = Context {
        topic: topic.to_owned(),
        progress: Mutex::default(),
    };
    let consumer: BaseConsumer<Context> = config.create_with_context(context)?;
    consumer.subscribe(&[topic])?;
    let (teller, commands) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = teller.send(line);
        }
    });
    loop {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                let text = |bytes: Option<&[u8]>| {
                    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
                };
                let (partition, offset) = (message.partition(), message.offset());
                say(&json!({
                    "event": "record", "partition": partition, "offset": offset,
                    "key": text(message.key()), "value": text(message.payload()),
                }));
                consumer
                    .context()
                    .with(|progress| progress.pending.insert(partition, offset + 1));
            }
            Some(Err(error)) => eprintln!("poll: {error}"),
            None => {}
        }
        let command = match commands.try_recv() {
            Ok(command) => command,
            Err(mpsc::TryRecvError::Empty) => continue,
            Err(mpsc::TryRecvError::Disconnected) => "leave".to_owned(),
        };
        consumer.context().commit(&consumer)?;
        if command == "leave" {
            // Leaving the group is part of the drop.
            return Ok(());
        }
        say(&json!({ "event": "done" }));
    }
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["create", bootstrap, topic, partitions] => create(bootstrap, topic, partitions.parse()?),
        ["produce", bootstrap, topic] => produce(bootstrap, topic),
        ["consume", bootstrap, topic, group, protocol] => {
            consume(bootstrap, topic, group, protocol)
        }
        _ => Err("create, produce or consume: see the README".into()),
    }
}
