//! Transactions in a partition through crashes: who was aborted is known exactly, and readers of
//! committed records see neither what is open nor what was aborted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base::{Offset, ProducerEpoch, ProducerId, Random, Timestamp};
use batch::{BatchBuilder, BatchOptions, Batches, EndMarker};
use reactor::Bytes;
use reactor::sim::Faults;
use replica::{CompletedTransaction, ProducerStates};

use super::node::{Opened, log_bytes, start, topic, world};
use crate::{AppendError, AppendRequest, Partition};

/// What the producers know; they live on another machine.
#[derive(Default)]
struct Outside {
    lives: i32,
    /// Each producer's epoch and next sequence number.
    producers: BTreeMap<i64, (i16, i32)>,
    /// The transactions whose end was acknowledged: the marker's offset, and whether aborted.
    ended: BTreeMap<i64, bool>,
    mistakes: Vec<String>,
}

fn request(id: i64, epoch: i16, sequence: i32, len: usize) -> AppendRequest {
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(epoch),
        base_sequence: sequence,
        is_transactional: true,
        ..BatchOptions::default()
    });
    builder.append(Timestamp(1_000), None, Some(&vec![9; len]), &[]);
    let mut records = Vec::new();
    builder.build(&mut records).unwrap();
    AppendRequest {
        records: Bytes::from(records),
        acks_all: true,
        zstd_allowed: true,
        appender: crate::Appender::Producer,
    }
}

/// What the log itself says: its producers, and the transactions that ended in it.
async fn fold(partition: &Partition) -> (ProducerStates, Vec<CompletedTransaction>) {
    let bytes = log_bytes(partition).await;
    let mut states = ProducerStates::new(1000);
    let mut scratch = batch::Scratch::new();
    let mut ended = Vec::new();
    for view in Batches::new(&bytes) {
        let view = view.unwrap();
        ended.extend(states.replay(&view, &mut scratch).unwrap());
    }
    (states, ended)
}

/// Compares what the partition tells with what its log says.
async fn compare(opened: &Opened, outside: &Rc<RefCell<Outside>>) {
    let partition = &opened.partition;
    let (states, ended) = fold(partition).await;
    let end = partition.high_watermark();
    let unstable = states.transactions().first_unstable_offset(end);
    let mut mistakes = Vec::new();
    if partition.last_stable_offset() != unstable.unwrap_or(end) {
        mistakes.push(format!("stable up to {}", partition.last_stable_offset()));
    }
    let aborted = ended.iter().filter(|one| one.is_aborted);
    let aborted: Vec<_> = aborted
        .map(|one| (one.first_offset, one.last_offset))
        .collect();
    let told = partition
        .aborted_in(Offset(0), Offset(i64::MAX))
        .await
        .unwrap();
    let told: Vec<_> = told
        .iter()
        .map(|one| (one.first_offset, one.last_offset))
        .collect();
    if told != aborted {
        mistakes.push(format!("{told:?} are told, {aborted:?} were aborted"));
    }
    let mut outside = outside.borrow_mut();
    for (marker, is_aborted) in &outside.ended {
        let found = ended.iter().find(|one| one.last_offset.0 == *marker);
        if found.map(|one| one.is_aborted) != Some(*is_aborted) {
            mistakes.push(format!("the end at {marker} is {found:?}"));
        }
    }
    outside.mistakes.extend(mistakes);
    outside.lives += 1;
    // A producer that does not know what became of its last batch begins a new epoch.
    for (epoch, sequence) in outside.producers.values_mut() {
        (*epoch, *sequence) = (*epoch + 1, 0);
    }
}

async fn live(core: reactor::Core, outside: Rc<RefCell<Outside>>, seed: u64) {
    let mut random = Random::salted(seed, core.entropy());
    let mut config = topic(&[]);
    config.segment_bytes = 10_000;
    let epoch = outside.borrow().lives;
    let opened = match start(&core, &config, epoch).await {
        Ok(opened) => opened,
        Err(error) => {
            outside.borrow_mut().mistakes.push(error.to_string());
            return;
        }
    };
    compare(&opened, &outside).await;
    for count in 0_u32.. {
        core.sleep(Duration::from_millis(1)).await;
        if count > 40 && random.chance(1, 60) {
            opened.stop().await;
            return;
        }
        let id = i64::try_from(random.below(3)).unwrap();
        if work(&opened.partition, &outside, id, &mut random)
            .await
            .is_err()
        {
            return;
        }
        if random.chance(1, 20) {
            let points = opened.engine.checkpoints();
            if opened.dir.write_checkpoints(&points).await.is_err() {
                return;
            }
        }
    }
}

/// A batch of a producer's transaction, or its end.
async fn work(
    partition: &Partition,
    outside: &Rc<RefCell<Outside>>,
    id: i64,
    random: &mut Random,
) -> Result<(), AppendError> {
    let (epoch, sequence) = *outside.borrow_mut().producers.entry(id).or_default();
    if random.chance(2, 3) {
        let len = usize::try_from(random.below(900)).unwrap();
        let sent = partition.clone().append(request(id, epoch, sequence, len));
        sent.await?;
        outside
            .borrow_mut()
            .producers
            .insert(id, (epoch, sequence + 1));
        return Ok(());
    }
    let states = partition.active_producers();
    let is_open = states
        .iter()
        .any(|one| one.id.0 == id && one.transaction_start.is_some());
    let marker = EndMarker {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(epoch + 1),
        coordinator_epoch: 0,
        is_abort: random.chance(1, 2),
        timestamp: Timestamp(1_000),
    };
    let mut offset = partition.clone().append_marker(marker, 2).await?;
    {
        let mut outside = outside.borrow_mut();
        outside.producers.insert(id, (epoch + 1, 0));
        if is_open {
            outside.ended.insert(offset.0, marker.is_abort);
        }
    }
    if random.chance(1, 4) {
        // Whoever did not hear of it writes it again, which ends nothing.
        offset = partition.clone().append_marker(marker, 2).await?;
        assert!(offset < partition.high_watermark());
    }
    Ok(())
}

/// The story: three producers' transactions in one partition, segments of a few batches, power cuts
/// and orderly stops in between.
#[test]
fn ends_of_transactions_survive_crashes() {
    let mut total = 0;
    for seed in super::crashes::seeds(1..=20) {
        let mut random = Random::salted(seed, 8);
        let (world, node) = world(seed);
        world.set_faults(Faults::slow(seed));
        let outside = Rc::new(RefCell::new(Outside::default()));
        for _ in 0..6 {
            let inner = Rc::clone(&outside);
            world.start(node, 1, move |core| live(core, Rc::clone(&inner), seed));
            world.run_for(Duration::from_micros(random.below(600_000)));
            if random.chance(1, 3) {
                world.kill(node);
            } else {
                world.power_cut(node);
            }
        }
        world.set_faults(Faults::none());
        let before = outside.borrow().lives;
        let inner = Rc::clone(&outside);
        world.start(node, 1, move |core| live(core, Rc::clone(&inner), seed));
        let look = Rc::clone(&outside);
        let done = move || look.borrow().lives > before || !look.borrow().mistakes.is_empty();
        assert!(
            world.run_until(done, Duration::from_secs(60)),
            "seed {seed}"
        );
        drop(world);
        let outside = outside.borrow();
        assert!(
            outside.mistakes.is_empty(),
            "seed {seed}: {:?}",
            outside.mistakes
        );
        total += outside.ended.len();
    }
    println!("{total} transactions ended");
    assert!(total > 200, "a run in which nothing ends proves nothing");
}
