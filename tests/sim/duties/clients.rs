//! The producers and consumers of a partition that lets go of records.

use std::collections::VecDeque;
use std::rc::Rc;

use base::{Offset, Random, Timestamp};
use batch::BatchBuilder;
use partition::{
    AppendError, AppendRequest, Appender, FetchError, FetchRequest, Isolation, ListTarget,
    Partition,
};
use reactor::Bytes;

use super::Life;
use crate::batches;
use crate::history::Name;
use crate::keyed::{self, Page};
use crate::partition::{IN_FLIGHT_MAX, Pending, UnderWay, oldest};

/// Makes the producer's next batch.
fn next_batch(life: &Life, producer: u32, random: &mut Random) -> Pending {
    let outside = &life.outside;
    let mut state = outside.producers[producer as usize].borrow_mut();
    let place = state.next_place;
    let count = 1 + u32::try_from(random.below(5)).unwrap();
    let mut builder = BatchBuilder::new(batches::options(i64::from(producer) + 1, place, random));
    let now = life.core.wall();
    let mut names = Vec::new();
    for place in place..place + count {
        let name = Name { producer, place };
        let late = i64::try_from(random.below(40)).unwrap();
        let timestamp = Timestamp(now.0 - late);
        keyed::append(&mut builder, name, outside.rules.keys, timestamp);
        names.push((name, timestamp));
    }
    let mut bytes = Vec::new();
    builder.build(&mut bytes).expect("records compress");
    outside.ledger.note_sent(&names, bytes.len(), now);
    let pending = Pending {
        place,
        count,
        bytes: Bytes::from(bytes),
    };
    state.next_place += count;
    state.pending.push_back(pending.clone());
    pending
}

fn begin(partition: &Partition, pending: Pending) -> UnderWay {
    let request = AppendRequest {
        records: pending.bytes.clone(),
        acks_all: true,
        zstd_allowed: true,
        appender: Appender::Producer,
    };
    UnderWay {
        pending,
        append: Box::pin(partition.clone().append(request)),
        outcome: None,
    }
}

/// Sends again what was never acknowledged, then ever more, until the node ends.
pub(super) async fn produce(life: Rc<Life>, producer: u32) {
    let mut random = life.random();
    let outside = &life.outside;
    let pause_us_max = 1 + random.below(10_000);
    // A life that only waits shows as little as one that fills the disk.
    let mut batches_left = random.below(60);
    let pending = || {
        outside.producers[producer as usize]
            .borrow()
            .pending
            .clone()
    };
    let (mut partition, mut again) = (life.partition(), pending());
    let mut window = VecDeque::new();
    loop {
        while window.len() < IN_FLIGHT_MAX {
            let next = match again.pop_front() {
                Some(next) => next,
                None if outside.finishing.get() || batches_left == 0 => break,
                None => {
                    batches_left -= 1;
                    next_batch(&life, producer, &mut random)
                }
            };
            window.push_back(begin(&partition, next));
        }
        if window.is_empty() {
            return;
        }
        match oldest(&mut window).await {
            (acked, Ok(outcome)) => {
                let first = Name {
                    producer,
                    place: acked.place,
                };
                let base = outcome.base_offset;
                outside.ledger.note_acked(base, first, acked.count);
                let mut state = outside.producers[producer as usize].borrow_mut();
                let front = state.pending.pop_front();
                assert_eq!(front.map(|front| front.place), Some(acked.place));
            }
            (_, Err(AppendError::Storage(_))) => {
                window.clear();
                let Some(now) = life.again(&partition).await else {
                    return;
                };
                (partition, again) = (now, pending());
            }
            (pending, Err(error)) => panic!("{producer}/{} refused: {error}", pending.place),
        }
        if random.chance(1, 2) {
            life.pause(pause_us_max).await;
        }
    }
}

/// Reads along from wherever the log starts, and begins anew where its place was deleted.
pub(super) async fn consume(life: Rc<Life>) {
    let mut random = life.random();
    let mut partition = life.partition();
    let mut next = earliest(&life).await;
    loop {
        if random.chance(1, 10) {
            look_up(&life, &partition, &mut random).await;
        }
        if random.chance(1, 30) {
            next = match random.chance(1, 2) {
                true => earliest(&life).await,
                false => expect_gone(&life).await,
            }
            .or(next);
        }
        let from = next.unwrap_or(Offset(0));
        let before = life.ledger().start();
        match fetch(&life, &partition, from, 1 + random.below(50_000)).await {
            Ok((page, start)) => {
                let now = life.core.wall();
                life.ledger().note_start(start, before, now);
                note_present_start(&life, &partition);
                life.ledger().note_page(from, &page, now);
                next = Some(page.next.map_or(from, |behind| behind.max(from)));
            }
            Err(FetchError::OutOfRange) => {
                let start = earliest(&life).await;
                assert!(
                    start.is_none_or(|start| start > from),
                    "{from} is out of range, and the log starts at {start:?}"
                );
                next = start.or(next);
            }
            Err(FetchError::Storage(_)) => match life.again(&partition).await {
                Some(now) => partition = now,
                None => return,
            },
        }
        life.pause(5_000).await;
    }
}

/// What a consumer is given from `from` on, and where the log starts.
pub(super) async fn fetch(
    life: &Life,
    partition: &Partition,
    from: Offset,
    bytes_max: u64,
) -> Result<(Page, Offset), FetchError> {
    let request = FetchRequest {
        offset: from,
        bytes_max: usize::try_from(bytes_max).unwrap(),
        at_least_one: true,
        isolation: Isolation::ReadUncommitted,
    };
    let (bytes, fetched) = partition.fetch_in_memory(request).await?;
    let page = keyed::read(&bytes, life.outside.rules.keys);
    Ok((page, fetched.log_start_offset))
}

/// ListOffsets for the earliest.
async fn earliest(life: &Life) -> Option<Offset> {
    let (before, partition) = (life.ledger().start(), life.partition());
    let listed = partition.list_offset(ListTarget::Earliest, Isolation::ReadUncommitted);
    let start = listed.await.ok()??.offset;
    life.ledger().note_start(start, before, life.core.wall());
    Some(start)
}

/// The start may have moved while something was read.
fn note_present_start(life: &Life, partition: &Partition) {
    if !partition.is_closed() {
        let (start, before) = (partition.log_start_offset(), life.ledger().start());
        life.ledger().note_start(start, before, life.core.wall());
    }
}

/// ListOffsets for a time not long ago.
async fn look_up(life: &Life, partition: &Partition, random: &mut Random) {
    let ago = i64::try_from(random.below(500)).unwrap();
    let timestamp = Timestamp(life.core.wall().0 - ago);
    let end = partition.high_watermark();
    let target = ListTarget::Timestamp(timestamp);
    let listed = partition.list_offset(target, Isolation::ReadUncommitted);
    if let Ok(found) = listed.await
        && !partition.is_closed()
    {
        let found = found.map_or(end, |found| found.offset);
        let now = life.core.wall();
        note_present_start(life, partition);
        life.ledger().note_looked_up(timestamp, found, now);
    }
}

/// What is below the start that somebody was told cannot be fetched.
async fn expect_gone(life: &Life) -> Option<Offset> {
    let start = life.ledger().start();
    let below = start.plus(-1);
    if below >= Offset(0) {
        let fetched = fetch(life, &life.partition(), below, 1).await;
        assert!(fetched.is_err(), "{below} is back, below {start}");
    }
    Some(start)
}
