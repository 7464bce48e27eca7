//! Aborted transactions are known exactly, in Kafka's format, whatever happens to the log.
//!
//! Story: a reader of committed records that is not told of an aborted transaction sees it; one
//! that is told of too many waits for markers that are not there and misses what was committed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::{Offset, ProducerEpoch, ProducerId, Random, Timestamp};
use batch::{BatchBuilder, BatchOptions, EndMarker};
use reactor::sim::{Faults, Node, NodeOptions, World};

use super::model::{DIR, Model, ModelBatch, append, open, partition};
use super::seeds;
use crate::aborted::ENTRIES_MAX;
use crate::aborted_file::decode;
use crate::layout;
use crate::{
    AbortedTransaction, CompactionLimits, CompactionRules, LastOfProducer, Log, LogConfig, Planted,
    StorageError,
};

/// An index that Kafka 4.3.1 wrote.
const KAFKA: &str = "0000000000000000000000000000000000020000000000000003000000000000000400000000000000000001 \
     0000000000000005000000000000000600000000000000040000000000000000000000000000000000040000 \
     0000000000070000000000000008000000000000000000000000000000000008000000000000000900000000 \
     0000000a";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|digit| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn transaction(id: i64, first: i64, last: i64, stable: i64) -> AbortedTransaction {
    AbortedTransaction {
        producer_id: ProducerId(id),
        first_offset: Offset(first),
        last_offset: Offset(last),
        last_stable_offset: Offset(stable),
    }
}

#[test]
fn files_are_kafkas_and_damaged_ones_are_noticed() {
    let file = bytes(KAFKA);
    let found = decode(&file, Offset(0)).unwrap();
    let expected = [
        transaction(0, 2, 3, 4),
        transaction(1, 5, 6, 4),
        transaction(0, 4, 7, 8),
        transaction(0, 8, 9, 10),
    ];
    assert_eq!(found, expected);
    let entries = expected.iter().flat_map(|one| {
        layout::aborted_entry([
            one.producer_id.0,
            one.first_offset.0,
            one.last_offset.0,
            one.last_stable_offset.0,
        ])
    });
    assert_eq!(entries.collect::<Vec<u8>>(), file);
    for cut in (0..file.len()).filter(|cut| cut % 34 != 0) {
        assert_eq!(decode(&file[..cut], Offset(0)), None, "cut at {cut}");
    }
    assert_eq!(decode(&file, Offset(4)), None, "of another segment");
    for at in [0, 1, 2, 10, 18, 26] {
        let mut damaged = file.clone();
        damaged[at] = 0x80;
        assert_eq!(decode(&damaged, Offset(0)), None, "byte {at}");
    }
}

/// A control batch that ends a transaction of producer 4.
fn abort(epoch: i16) -> Vec<u8> {
    let marker = EndMarker {
        producer_id: ProducerId(4),
        producer_epoch: ProducerEpoch(epoch),
        coordinator_epoch: 0,
        is_abort: true,
        timestamp: Timestamp(6),
    };
    marker.batch()
}

async fn told(log: &Log, from: i64, to: i64) -> Vec<i64> {
    let found = log.aborted_in(Offset(from), Offset(to)).await.unwrap();
    found.iter().map(|one| one.last_offset.0).collect()
}

/// The story: a log is closed while the snapshot of a roll is on its way, and the power fails. The
/// snapshot that is there must not stand before a file that is not.
#[test]
fn a_snapshot_stands_behind_what_was_aborted() {
    for seed in 1..=20 {
        let (world, node) = world(seed);
        world.set_faults(Faults::slow(seed));
        let is_written = Rc::new(Cell::new(false));
        let done = Rc::clone(&is_written);
        world.start(node, 1, move |core| {
            let done = Rc::clone(&done);
            async move {
                let opened = open(&core, LogConfig::default(), Planted::default()).await;
                let log = opened.unwrap().log;
                for _ in 0..10 {
                    append_one(&log, &abort(0)).await;
                }
                log.flush().await.unwrap();
                for aborted in decode(&bytes(KAFKA), Offset(0)).unwrap() {
                    log.note_aborted(aborted);
                }
                let (end, rolled) = (log.log_end(), log.clone());
                core.spawn(async move {
                    // The end of the process comes before its own.
                    let _ = rolled.write_snapshot(end, b"producers").await;
                });
                core.yield_now().await;
                log.write_snapshot(end, b"producers").await.unwrap();
                done.set(true);
                core.sleep(Duration::from_secs(3600)).await;
            }
        });
        assert!(world.run_until(|| is_written.get(), Duration::from_secs(60)));
        world.power_cut(node);
        let done = world.run_process(node, Duration::from_secs(3600), |core| async move {
            let opened = open(&core, LogConfig::default(), Planted::default()).await;
            let opened = opened.unwrap();
            assert!(opened.report.snapshot.is_some());
            assert_eq!(told(&opened.log, 0, 10).await, [3, 6, 7, 9]);
        });
        assert!(done.is_some(), "seed {seed}");
    }
}

/// What a reader is told, whether it comes from memory, from a file or from both.
#[test]
fn readers_are_told_of_what_lies_in_their_range() {
    let (world, node) = world(8);
    let done = world.run_process(node, Duration::from_secs(3600), |core| async move {
        let config = LogConfig::default();
        for written in 0..=4 {
            let opened = open(&core, config, Planted::default()).await.unwrap();
            let log = &opened.log;
            log.truncate_to(Offset(0)).await.unwrap();
            for _ in 0..10 {
                append_one(log, &abort(0)).await;
            }
            for (number, aborted) in (0..).zip(decode(&bytes(KAFKA), Offset(0)).unwrap()) {
                if number == written {
                    let end = log.log_end();
                    log.write_snapshot(end, b"producers").await.unwrap();
                }
                log.note_aborted(aborted);
            }
            assert_eq!(told(log, 0, 10).await, [3, 6, 7, 9], "{written}");
            assert_eq!(told(log, 4, 10).await, [6, 7, 9]);
            assert_eq!(told(log, 4, 8).await, [6, 7]);
            assert_eq!(told(log, 0, 2).await, [0_i64; 0]);
            assert_eq!(told(log, 0, 3).await, [3]);
            assert_eq!(told(log, 7, 8).await, [7]);
            assert_eq!(told(log, 10, 20).await, [0_i64; 0]);
            log.truncate_to(Offset(7)).await.unwrap();
            assert_eq!(told(log, 0, 10).await, [3, 6], "{written}");
            log.close().await.unwrap();
            opened.engine.stop();
        }
    });
    assert!(done.is_some());
}

/// The story: an application aborts without end, into a segment that would take a gigabyte. Memory
/// and files stay small, and readers are told the same as if all were in memory.
#[test]
fn many_aborted_transactions_take_files_and_no_memory() {
    let count = i64::try_from(2 * ENTRIES_MAX + 3000).unwrap();
    let (world, node) = world(11);
    let done = world.run_process(node, Duration::from_secs(36000), move |core| async move {
        let seed = 11;
        let mut random = Random::new(seed);
        let opened = open(&core, LogConfig::default(), Planted::default()).await;
        let opened = opened.unwrap();
        let log = &opened.log;
        let abort = abort(0);
        let (mut all, mut segments) = (Vec::new(), 1);
        for marker in 0..count {
            append_one(log, &abort).await;
            if marker > 0 {
                let back = i64::try_from(random.below(marker.min(50).unsigned_abs())).unwrap();
                let aborted = transaction(4, marker - 1 - back, marker, marker + 1);
                log.note_aborted(aborted);
                all.push(aborted);
            }
            if log.segments().len() > segments {
                // As whoever keeps producers does when a segment begins.
                segments = log.segments().len();
                let end = log.log_end();
                log.write_snapshot(end, b"producers").await.unwrap();
                assert!(log.recent_aborted() < 10);
            }
            assert!(log.recent_aborted() <= ENTRIES_MAX);
        }
        assert_eq!(segments, 3, "a segment ends when it has enough of them");
        for round in 0..200 {
            let from = i64::try_from(random.below(count.unsigned_abs())).unwrap();
            let to = from + i64::try_from(random.below(5000)).unwrap() + 1;
            let found = log.aborted_in(Offset(from), Offset(to)).await.unwrap();
            // An entry that reaches the end is the last one that can matter.
            let until = all.iter().find(|one| one.last_stable_offset.0 >= to);
            let until = until.map_or(count, |one| one.last_offset.0);
            let is_told = |one: &&AbortedTransaction| {
                (from..=until).contains(&one.last_offset.0) && one.first_offset.0 < to
            };
            let expected: Vec<_> = all.iter().filter(is_told).copied().collect();
            assert_eq!(
                found, expected,
                "round {round} of seed {seed}: {from}..{to}"
            );
        }
        log.close().await.unwrap();
        opened.engine.stop();
        drop(opened);
        let opened = open(&core, LogConfig::default(), Planted::default()).await;
        let opened = opened.unwrap();
        let log = &opened.log;
        assert!(
            log.recent_aborted() < ENTRIES_MAX / 4,
            "files stay where they are"
        );
        let snapshot = opened.report.snapshot.unwrap();
        for aborted in all.iter().filter(|one| one.last_offset >= snapshot) {
            log.note_aborted(*aborted);
        }
        assert_eq!(log.aborted_in(Offset(0), Offset(count)).await.unwrap(), all);
        log.advance_log_start(Offset(count - 1)).await.unwrap();
        log.remove_below(Offset(count - 1)).await.unwrap();
        let left = log.aborted_in(Offset(count - 1), Offset(count)).await;
        assert_eq!(left.unwrap(), all[all.len() - 1..]);
        assert_eq!(log.aborted_count(Offset(0)), 0, "gone with its segment");
    });
    assert!(done.is_some());
}

/// What survives the process.
#[derive(Default)]
struct Outside {
    model: Model,
    aborted: BTreeMap<i64, AbortedTransaction>,
    /// No recovery point that was written down is above.
    checkpoint: i64,
    mistakes: Vec<String>,
    recovered: u32,
    /// How many came from files rather than from the replay.
    kept: usize,
}

type Shared = Rc<RefCell<Outside>>;

async fn live(core: reactor::Core, shared: Shared, seed: u64) {
    let mut random = Random::salted(seed, core.entropy());
    let config = LogConfig {
        segment_bytes: 20_000,
        file_delete_delay: Duration::from_micros(random.below(50_000)),
        ..LogConfig::default()
    };
    let opened = match open(&core, config, Planted::default()).await {
        Ok(opened) => opened,
        Err(error) => {
            let mistake = format!("recovery refuses: {error}");
            shared.borrow_mut().mistakes.push(mistake);
            return;
        }
    };
    compare(&opened, &shared).await;
    // The node ends, in whatever way: an error is the end of this life.
    let _ = work(&core, &opened, &shared, &mut random).await;
}

/// Notes again what stands behind the snapshot, as whoever replays it does; then all is there.
async fn compare(opened: &super::model::Opened, shared: &Shared) {
    let log = &opened.log;
    let (start, end) = (log.log_start(), log.log_end());
    let snapshot = opened.report.snapshot.unwrap_or(start);
    let expected: Vec<_> = {
        let mut outside = shared.borrow_mut();
        outside.model.batches.retain(|batch| batch.next <= end.0);
        outside.model.log_start = start.0;
        if outside.model.batches.is_empty() {
            outside.model.log_start = end.0;
        }
        outside
            .aborted
            .retain(|last, _| (start.0..end.0).contains(last));
        outside.kept += outside.aborted.range(..snapshot.0).count();
        outside.aborted.values().copied().collect()
    };
    for aborted in expected.iter().filter(|one| one.last_offset >= snapshot) {
        log.note_aborted(*aborted);
    }
    let found = log.aborted_in(start, Offset(i64::MAX)).await;
    let mut outside = shared.borrow_mut();
    match found {
        Ok(found) if found == expected => {}
        Ok(found) => {
            let lacks = expected.iter().filter(|one| !found.contains(one)).count();
            let invents = found.iter().filter(|one| !expected.contains(one)).count();
            let mistake = format!(
                "{lacks} forgotten, {invents} made up, snapshot {snapshot}, end {end}, start {start}"
            );
            outside.mistakes.push(mistake);
        }
        Err(error) if opened.engine.offline().is_some() => drop(error),
        Err(error) => outside.mistakes.push(format!("not told: {error}")),
    }
    outside.recovered += 1;
}

async fn work(
    core: &reactor::Core,
    opened: &super::model::Opened,
    shared: &Shared,
    random: &mut Random,
) -> Result<(), StorageError> {
    let log = &opened.log;
    loop {
        let (sent, batch) = shared.borrow().model.random_batch(random, 3_000, 1_000);
        append(log, &sent, &batch).await?;
        let last = batch.next - 1;
        shared.borrow_mut().model.batches.push(batch);
        if last > 0 && random.chance(1, 3) {
            let first = i64::try_from(random.below(last.unsigned_abs())).unwrap();
            let aborted = transaction(4, first, last, last + 1);
            log.note_aborted(aborted);
            shared.borrow_mut().aborted.insert(last, aborted);
        }
        match random.below(40) {
            0..=3 => log.write_snapshot(log.log_end(), b"producers").await?,
            4 | 5 => cut(log, shared, random).await?,
            6 => {
                let end = log.durable_end().0.unsigned_abs();
                let start = i64::try_from(random.below(end + 1)).unwrap();
                log.advance_log_start(Offset(start)).await?;
            }
            7 => {
                let points = opened.engine.checkpoints();
                shared.borrow_mut().checkpoint = log.durable_end().0;
                opened.dir.write_checkpoints(&points).await?;
            }
            8..=20 => {
                core.sleep(Duration::from_micros(random.below(10_000)))
                    .await;
            }
            _ => {}
        }
    }
}

/// Cuts the log, as a follower does whose leader changed, but not below the last checkpoint.
async fn cut(log: &Log, shared: &Shared, random: &mut Random) -> Result<(), StorageError> {
    let least = log.log_start().0.max(shared.borrow().checkpoint);
    let back = i64::try_from(random.below(30)).unwrap();
    let to = Offset((log.log_end().0 - back).max(least));
    let end = log.truncate_to(to).await?.0;
    let mut outside = shared.borrow_mut();
    outside.aborted.retain(|last, _| *last < end);
    outside.model.batches.retain(|batch| batch.next <= end);
    Ok(())
}

fn world(seed: u64) -> (World, Node) {
    let mut world = World::new(seed);
    let mut options = NodeOptions::numbered(1);
    options.chunks_bytes_max = 512 << 10;
    let node = world.add_node(options);
    (world, node)
}

fn run(seed: u64) -> (Vec<String>, usize) {
    let mut random = Random::salted(seed, 78);
    let (world, node) = world(seed);
    world.set_faults(Faults::slow(seed));
    let shared = Shared::default();
    for _ in 0..6 {
        let inner = Rc::clone(&shared);
        world.start(node, 1, move |core| live(core, Rc::clone(&inner), seed));
        world.run_for(Duration::from_micros(random.below(600_000)));
        if random.chance(1, 4) {
            world.kill(node);
        } else {
            world.power_cut(node);
        }
    }
    world.set_faults(Faults::none());
    let before = shared.borrow().recovered;
    let inner = Rc::clone(&shared);
    world.start(node, 1, move |core| live(core, Rc::clone(&inner), seed));
    let look = Rc::clone(&shared);
    let is_done = move || look.borrow().recovered > before || !look.borrow().mistakes.is_empty();
    assert!(world.run_until(is_done, Duration::from_secs(60)));
    drop(world);
    let outside = shared.take();
    (outside.mistakes, outside.kept)
}

/// The story: transactions are aborted while segments begin, go and are cut off, snapshots are
/// taken, and the power fails at any moment.
#[test]
fn power_cuts_forget_none_and_make_none_up() {
    let mut total = 0;
    for seed in seeds(1..=25) {
        let (mistakes, kept) = run(seed);
        assert!(mistakes.is_empty(), "seed {seed}: {mistakes:?}");
        total += kept;
    }
    println!("{total} came from files");
    assert!(total > 25, "snapshots made files count");
}

fn rules(log: &Log, now: i64) -> CompactionRules {
    let last = LastOfProducer {
        offset: None,
        epoch: ProducerEpoch(9),
    };
    CompactionRules {
        now: Timestamp(now),
        bound: log.durable_end(),
        min_lag_ms: 0,
        max_lag_ms: u64::MAX,
        min_dirty_ratio: 0.0,
        delete_retention_ms: 1000,
        producers: BTreeMap::from([(ProducerId(4), last)]),
        limits: CompactionLimits {
            keys_bytes: 1 << 20,
            keys_load_percent: 90,
            buffer_bytes: 32 << 10,
            bytes_per_second: u64::MAX,
            batch_bytes_max: 1 << 24,
        },
    }
}

/// Appends a batch of one record with a key, of a transaction where `epoch` is given.
async fn put(log: &Log, key: &str, epoch: Option<i16>) {
    let mut options = BatchOptions::default();
    if let Some(epoch) = epoch {
        options.producer_id = ProducerId(4);
        options.producer_epoch = ProducerEpoch(epoch);
        options.base_sequence = 0;
        options.is_transactional = true;
    }
    let mut builder = BatchBuilder::new(options);
    let value = vec![7; 900];
    builder.append(Timestamp(5), Some(key.as_bytes()), Some(&value), &[]);
    let mut sent = Vec::new();
    builder.build(&mut sent).unwrap();
    append_one(log, &sent).await;
}

async fn append_one(log: &Log, sent: &[u8]) {
    let end = log.log_end().0;
    let shape = ModelBatch {
        base: end,
        next: end + 1,
        bytes: Vec::new(),
        times: Vec::new(),
    };
    append(log, sent, &shape).await.unwrap();
}

/// The story: a transaction in a compacted topic is aborted. Its records go first; while its
/// marker stays, so does its entry, and when the marker goes, the entry does: or readers would
/// leave out what its producer committed later.
#[test]
fn an_entry_goes_with_its_marker() {
    let (world, node) = world(9);
    let done = world.run_process(node, Duration::from_secs(3600), |core| async move {
        let config = LogConfig {
            segment_bytes: 5_000,
            file_delete_delay: Duration::from_millis(1),
            ..LogConfig::default()
        };
        let opened = open(&core, config, Planted::default()).await.unwrap();
        let log = &opened.log;
        put(log, "a", Some(1)).await;
        put(log, "b", None).await;
        append_one(log, &abort(2)).await;
        let aborted = transaction(4, 0, 2, 3);
        log.note_aborted(aborted);
        let all = async |log: &Log| log.aborted_in(Offset(0), Offset(i64::MAX)).await.unwrap();
        let mut is_there = Vec::new();
        for now in [10_000, 10_500, 12_000, 14_000] {
            for _ in 0..8 {
                put(log, "b", None).await;
            }
            log.flush().await.unwrap();
            log.write_snapshot(log.log_end(), b"producers")
                .await
                .unwrap();
            core.sleep(Duration::from_millis(100)).await;
            let rules = rules(log, now);
            if let Some(need) = log.compaction_need(&rules).await.unwrap() {
                log.compact(&rules, &need).await.unwrap();
            }
            is_there.push(all(log).await == [aborted]);
        }
        assert_eq!(is_there, [true, true, false, false]);
        let end = log.log_end();
        log.write_snapshot(end, b"producers").await.unwrap();
        log.close().await.unwrap();
        opened.engine.stop();
        drop(opened);
        let opened = open(&core, config, Planted::default()).await.unwrap();
        assert_eq!(opened.report.snapshot, Some(end));
        assert_eq!(all(&opened.log).await, []);
    });
    assert!(done.is_some());
}

/// The story: the process dies while the segments that were compacted have left and the new one has
/// not taken its name. What it lists of aborted transactions is there already, and a snapshot stands
/// behind it, so that nobody would make it again.
#[test]
fn an_entry_stays_when_its_segments_are_half_replaced() {
    let config = LogConfig {
        segment_bytes: 5_000,
        file_delete_delay: Duration::from_millis(1),
        ..LogConfig::default()
    };
    let aborted = transaction(4, 0, 2, 3);
    for seed in seeds(1..=20) {
        let (world, node) = world(seed);
        world.set_faults(Faults::slow(seed));
        world.start(node, 1, move |core| async move {
            let opened = open(&core, config, Planted::default()).await.unwrap();
            let log = &opened.log;
            put(log, "a", Some(1)).await;
            put(log, "b", None).await;
            append_one(log, &abort(2)).await;
            log.note_aborted(aborted);
            for _ in 0..8 {
                put(log, "b", None).await;
            }
            log.flush().await.unwrap();
            let end = log.log_end();
            log.write_snapshot(end, b"producers").await.unwrap();
            let rules = rules(log, 10_000);
            while log.compaction_need(&rules).await.unwrap().is_none() {
                // The first segments are still being completed.
                core.sleep(Duration::from_millis(1)).await;
            }
            let need = log.compaction_need(&rules).await.unwrap().unwrap();
            drop(log.compact(&rules, &need).await);
        });
        let log = Path::new(DIR).join(partition().to_string());
        let first = log.join("00000000000000000000.log");
        let swap = log.join("00000000000000000000.log.swap");
        let is_half_done =
            || world.peek(node, &first).is_none() && world.peek(node, &swap).is_some();
        assert!(world.run_until(is_half_done, Duration::from_secs(600)));
        world.kill(node);
        world.set_faults(Faults::none());
        let found = world.run_process(node, Duration::from_secs(3600), move |core| async move {
            let opened = open(&core, config, Planted::default()).await.unwrap();
            assert!(opened.report.snapshot.is_some());
            let log = &opened.log;
            log.aborted_in(Offset(0), Offset(i64::MAX)).await.unwrap()
        });
        assert_eq!(found, Some(vec![aborted]), "seed {seed}");
    }
}
