//! Conversations with the machine, as `conversations.rs` has them.

use std::time::Duration;

use base::{PartitionIndex, ProducerEpoch, ProducerId, TopicPartition};

use super::render;
use super::world::{Output, World, config};
use crate::tests::conversations::conversations;
use crate::transaction::{
    AddPartitionsAsk, Ask, EndAsk, InitAsk, ListAsk, MarkerOutcome, MarkerReport, Markers, Planted,
    TransactionLevel, VerifyPartitionsAsk, records,
};

fn option<'c>(line: &'c str, key: &str) -> Option<&'c str> {
    let mut words = line.split(' ').filter_map(|word| word.split_once('='));
    words.find(|(name, _)| *name == key).map(|(_, value)| value)
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is no number"))
}

fn who(text: &str) -> (ProducerId, ProducerEpoch) {
    let (id, epoch) = text.split_once('/').unwrap();
    (ProducerId(number(id)), ProducerEpoch(number(epoch)))
}

pub(super) fn partition(word: &str) -> TopicPartition {
    let (topic, index) = word.split_once(':').unwrap();
    TopicPartition {
        topic: topic.to_owned(),
        partition: PartitionIndex(number(index)),
    }
}

fn partitions(line: &str) -> Vec<TopicPartition> {
    let words = line.split(' ').filter(|word| word.contains(':'));
    words.map(partition).collect()
}

/// `verb id pid/epoch topic:partition ... [one] [legacy] [key=value]`
fn ask(line: &str) -> Option<Ask> {
    let words: Vec<&str> = line.split(' ').collect();
    let transactional_id = words.get(1).copied().unwrap_or_default().to_owned();
    let has = |word: &str| words.contains(&word);
    let (producer_id, producer_epoch) = match words.get(2) {
        Some(word) if word.contains('/') && !word.contains('=') => who(word),
        _ => (ProducerId::NONE, ProducerEpoch(-1)),
    };
    let level = match has("one") {
        true => TransactionLevel::One,
        false => TransactionLevel::Two,
    };
    let is_legacy = has("legacy");
    Some(match words[0] {
        "init" => Ask::Init(InitAsk {
            transactional_id,
            timeout_ms: option(line, "timeout").map_or(60_000, number),
            expected: option(line, "as").map(who),
            is_legacy,
        }),
        "add" => Ask::AddPartitions(AddPartitionsAsk {
            transactional_id,
            producer_id,
            producer_epoch,
            partitions: partitions(line),
            level,
            wait: Duration::from_millis(option(line, "wait").map_or(0, number)),
            is_legacy,
        }),
        "verify" => Ask::VerifyPartitions(VerifyPartitionsAsk {
            transactional_id,
            producer_id,
            producer_epoch,
            partitions: partitions(line),
        }),
        "commit" | "abort" => Ask::End(EndAsk {
            transactional_id,
            producer_id,
            producer_epoch,
            is_commit: words[0] == "commit",
            level,
            is_legacy,
        }),
        "kill" => Ask::Abort(transactional_id),
        "describe" => Ask::Describe(transactional_id),
        "list" => {
            let states = option(line, "state").into_iter();
            let states = states.flat_map(|list| list.split(','));
            let producers = option(line, "producer").into_iter();
            Ask::List(ListAsk {
                states: states.map(str::to_owned).collect(),
                producer_ids: producers.map(|id| ProducerId(number(id))).collect(),
                longer_than_ms: option(line, "longer").map_or(-1, number),
                pattern: option(line, "pattern").unwrap_or_default().to_owned(),
            })
        }
        _ => return None,
    })
}

/// `marked id [partitions] [gone|failed] [late]`: all partitions unless some are named; late ones
/// speak of the end before the last.
fn marked(line: &str, world: &mut World, sent: &[Markers]) -> Output {
    let id = line.split(' ').nth(1).unwrap();
    let mut all = sent.iter().rev();
    let mut all = all
        .by_ref()
        .filter(|markers| &*markers.transactional_id == id);
    let mut markers = all.next().unwrap();
    if line.ends_with(" late") {
        markers = all.find(|older| older.ticket != markers.ticket).unwrap();
    }
    let outcome = match line {
        _ if line.contains(" gone") => MarkerOutcome::Gone,
        _ if line.contains(" failed") => MarkerOutcome::Failed,
        _ => MarkerOutcome::Written,
    };
    let named = partitions(line);
    let mut output = Output::default();
    for partition in if named.is_empty() {
        &markers.partitions
    } else {
        &named
    } {
        // Unless late, word is of what was sent to the partition last.
        let is_last =
            |sent: &&Markers| &*sent.transactional_id == id && sent.partitions.contains(partition);
        let last = sent.iter().rev().find(is_last).unwrap();
        let is_late = line.ends_with(" late");
        let step = world.mark(MarkerReport {
            ticket: if is_late { markers.ticket } else { last.ticket },
            transactional_id: markers.transactional_id.clone(),
            partition: partition.clone(),
            outcome,
        });
        output.markers.extend(step.markers);
    }
    output
}

/// `load id pid/epoch`: the log has an idle producer.
fn load(line: &str, world: &mut World) -> Output {
    let words: Vec<&str> = line.split(' ').collect();
    let (producer_id, epoch) = who(words[2]);
    let durable = super::world::idle(producer_id, epoch);
    let record = records::encode(words[1], Some(&durable), 2);
    world.log.push(record);
    world.restart(world.log.len())
}

fn configure(line: &str, world: &mut World) {
    if let Some(level) = option(line, "version") {
        world.config.transaction_version = number(level);
    }
    if let Some(max) = option(line, "max") {
        world.config.timeout_ms_max = number(max);
    }
    if let Some(expiration) = option(line, "expiration") {
        world.config.id_expiration_ms = number(expiration);
    }
    world.machine.configure(world.config.clone());
}

/// Runs the commands of one conversation and writes what comes out.
fn run(text: &str) -> String {
    let mut world = World::new(config(), Planted::default());
    let mut sent: Vec<Markers> = Vec::new();
    let mut out = String::new();
    for line in text.lines() {
        let Some(line) = line.strip_prefix("> ") else {
            // Comments and blank lines stay; old answers are written anew.
            if line.starts_with('#') || line.is_empty() {
                out.push_str(line);
                out.push('\n');
            }
            continue;
        };
        out.push_str(&format!("> {line}\n"));
        let logged = world.log.len();
        let verb = line.split(' ').next().unwrap();
        let output = match verb {
            "pass" => world.pass(Duration::from_millis(number(&line[5..]))),
            "jump" => {
                world.now.wall.0 += number::<i64>(&line[5..]);
                Output::default()
            }
            "restart" => world.restart(logged),
            "load" => load(line, &mut world),
            "marked" => marked(line, &mut world, &sent),
            "config" => {
                configure(line, &mut world);
                Output::default()
            }
            _ => world.ask(ask(line).unwrap_or_else(|| panic!("{line}?"))).1,
        };
        for record in world.log.iter().skip(logged) {
            out.push_str(&format!("  log: {}\n", render::record(record)));
        }
        for markers in &output.markers {
            out.push_str(&format!("  markers: {}\n", render::markers(markers)));
        }
        for (_, answer) in &output.answers {
            out.push_str(&format!("  {}\n", render::answer(answer)));
        }
        sent.extend(output.markers);
    }
    out
}

conversations! {
    "transactions", run:
    committing_and_aborting
    ending_late
    epochs_that_run_out
    fencing
    listing_transactions
    markers_on_the_way
    the_first_level
    time_running_out
    who_may_join
}
