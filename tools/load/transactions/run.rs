//! Many transactional producers at work, or left with their transactions open.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use base::PartitionIndex;
use clap::Args;
use client::{Address, Client, ClientError};
use reactor::Core;

use super::producer::{Producer, Target};
use crate::options::Options;
use crate::running::Running;
use crate::tally::{Tally, Window};
use crate::worker::{client_options, prepare};

/// Kafka's default of `transaction.timeout.ms`, and its greatest.
const TIMEOUT: Duration = Duration::from_secs(60);
const TIMEOUT_MAX: Duration = Duration::from_secs(900);

/// What to do in transactions.
#[derive(Args, Clone, Debug)]
pub(crate) struct TransactionsOptions {
    /// Producers, each with one transaction at a time; dealt out to the connections
    #[arg(long, default_value_t = 16)]
    pub(crate) producers: usize,
    /// Records of each transaction in each of its partitions, in one batch each
    #[arg(long, default_value_t = 100)]
    pub(crate) records: u32,
    /// Partitions that each transaction writes to
    #[arg(long, default_value_t = 1)]
    pub(crate) spread: usize,
    /// Of so many transactions one is aborted; none when zero
    #[arg(long, default_value_t = 0)]
    pub(crate) abort_every: u64,
}

/// How many transactions to leave open.
#[derive(Args, Clone, Debug)]
pub(crate) struct OpenOptions {
    /// Transactional ids, each with an open transaction of one record
    #[arg(long, default_value_t = 10_000)]
    pub(crate) ids: usize,
}

/// One transaction after the other with each producer, until the window ends.
///
/// # Errors
/// When the load cannot begin.
pub(crate) async fn transact(
    core: &Core,
    addresses: &[Address],
    options: &Options,
    asked: &TransactionsOptions,
) -> Result<Tally, String> {
    let begin = core.now() + options.warm_up();
    let window = Window {
        begin,
        end: begin + options.measured(),
    };
    let tally = Rc::new(RefCell::new(Tally::new()?));
    let work = |client: Client, place: Place| {
        let (options, asked, tally) = (options.clone(), asked.clone(), Rc::clone(&tally));
        async move {
            let ended = repeat(&client, &options, &asked, (&place, window), &tally).await;
            if let Err(error) = ended {
                let reason = format!("{}: {}", error.what(), error.why());
                tally.borrow_mut().fail(&reason, 0);
            }
        }
    };
    let dealt = deal(core, addresses, options, (asked.producers, asked.spread));
    let running = Running::default();
    for (client, place) in dealt.await.map_err(|error| error.to_string())? {
        running.spawn(core, work(client, place));
    }
    running.all_ended().await;
    let mut tally = tally.borrow().clone();
    tally.produced.elapsed = options.measured();
    tally.consumed.elapsed = options.measured();
    Ok(tally)
}

/// One producer's transactions. What is produced tells of the ends, what is consumed of the whole
/// transactions.
async fn repeat(
    client: &Client,
    options: &Options,
    asked: &TransactionsOptions,
    (place, window): (&Place, Window),
    tally: &RefCell<Tally>,
) -> Result<(), ClientError> {
    let core = client.core();
    let named = (place.name.clone(), TIMEOUT);
    let mut producer = Producer::begin(client, options, named).await?;
    let mut turn = 0;
    while core.now() < window.end {
        turn += 1;
        let begun = core.now();
        producer.write(&place.targets, asked.records).await?;
        let written = core.now();
        let is_abort = asked.abort_every > 0 && turn % asked.abort_every == 0;
        producer.end(!is_abort).await?;
        let now = core.now();
        if window.contains(now) {
            let records = u64::from(asked.records) * place.targets.len() as u64;
            let bytes = records * options.record_bytes as u64;
            let mut tally = tally.borrow_mut();
            tally.produced.count(1, bytes);
            tally.produced.record(now.saturating_sub(written));
            tally.consumed.count(records, bytes);
            tally.consumed.record(now.saturating_sub(begun));
        }
    }
    let retries = u32::try_from(producer.retries).unwrap_or(u32::MAX);
    tally.borrow_mut().add_figure("retries", f64::from(retries));
    Ok(())
}

/// Begins a transaction of each id, and leaves them open for as long as is measured.
///
/// # Errors
/// When one cannot be begun.
pub(crate) async fn open(
    core: &Core,
    addresses: &[Address],
    options: &Options,
    asked: &OpenOptions,
) -> Result<Tally, String> {
    let tally = Rc::new(RefCell::new(Tally::new()?));
    let begin = core.now();
    let dealt = deal(core, addresses, options, (asked.ids, 1));
    let mut lanes: Vec<Vec<(Client, Place)>> = Vec::new();
    lanes.resize_with(options.in_flight.max(1), Vec::new);
    let dealt = dealt.await.map_err(|error| error.to_string())?;
    for (index, one) in dealt.into_iter().enumerate() {
        let place = index % lanes.len();
        if let Some(lane) = lanes.get_mut(place) {
            lane.push(one);
        }
    }
    let running = Running::default();
    for lane in lanes {
        let (options, tally) = (options.clone(), Rc::clone(&tally));
        running.spawn(core, async move {
            for (client, place) in lane {
                if let Err(error) = begin_one(&client, &options, place).await {
                    let reason = format!("{}: {}", error.what(), error.why());
                    tally.borrow_mut().fail(&reason, 1);
                    return;
                }
            }
        });
    }
    running.all_ended().await;
    let opened = core.now().saturating_sub(begin);
    core.sleep(options.measured()).await;
    let mut tally = tally.borrow().clone();
    tally.add_figure("open_seconds", opened.as_secs_f64());
    Ok(tally)
}

async fn begin_one(client: &Client, options: &Options, place: Place) -> Result<(), ClientError> {
    let named = (place.name, TIMEOUT_MAX);
    let mut producer = Producer::begin(client, options, named).await?;
    producer.write(&place.targets, 1).await
}

/// One producer's name and where it writes.
struct Place {
    name: String,
    targets: Vec<Target>,
}

/// This core's share of the producers, with the connections that they share.
async fn deal(
    core: &Core,
    addresses: &[Address],
    options: &Options,
    (producers, spread): (usize, usize),
) -> Result<Vec<(Client, Place)>, ClientError> {
    let mut dealt = Vec::new();
    for index in 0..options.connections {
        if index % options.cores != core.id().0 % options.cores {
            continue;
        }
        let client = Client::connect(core, addresses, client_options()).await?;
        let partitions = prepare(&client, options).await?;
        let topic_id = client.topic(&options.topic, false).await?.id;
        let share = (usize::from(index)..producers).step_by(usize::from(options.connections));
        for number in share {
            let targets = targets(&partitions, number, spread);
            let target = |partition| Target {
                topic: options.topic.clone(),
                topic_id,
                partition,
            };
            let place = Place {
                name: format!("{}-producer-{number}", options.topic),
                targets: targets.map(target).collect(),
            };
            dealt.push((client.clone(), place));
        }
    }
    Ok(dealt)
}

/// The partitions of producer `number`: so many in a row, and the next producer's behind them.
fn targets(
    partitions: &[PartitionIndex],
    number: usize,
    spread: usize,
) -> impl Iterator<Item = PartitionIndex> {
    let count = spread.clamp(1, partitions.len().max(1));
    let all = partitions.iter().copied().cycle();
    all.skip(number * count % partitions.len().max(1))
        .take(count)
}

#[cfg(test)]
mod tests {
    use super::targets;
    use base::PartitionIndex;

    /// Two batches to one partition in one transaction would be measured as one.
    #[test]
    fn a_transaction_writes_to_each_of_its_partitions_once() {
        let partitions: Vec<PartitionIndex> = (0..5).map(PartitionIndex).collect();
        for spread in 1..8 {
            let mut seen = std::collections::BTreeSet::new();
            for number in 0..5 {
                let found: Vec<_> = targets(&partitions, number, spread).collect();
                let distinct: std::collections::BTreeSet<_> = found.iter().copied().collect();
                assert_eq!(found.len(), spread.min(5));
                assert_eq!(distinct.len(), found.len());
                seen.extend(distinct);
            }
            assert_eq!(seen.len(), 5, "none is left out at {spread}");
        }
    }
}
