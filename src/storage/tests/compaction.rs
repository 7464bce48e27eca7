//! Compaction against a naive model: random keys, tombstones, codecs and producers, little memory
//! for keys, and power cuts at any moment.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::{NodeId, Offset, ProducerEpoch, ProducerId, Random, Timestamp, Uuid};
use batch::{BatchBuilder, BatchOptions, Batches, Codec, Compression, Scratch, records};
use reactor::sim::{Faults, Node, NodeOptions, World};

use super::model::{EPOCH, ModelBatch, Opened, Seen, append, open, read_all};
use super::seeds;
use crate::{
    CompactionLimits, CompactionNeed, CompactionReport, CompactionRules, DataDir, Engine,
    FutureLog, LastOfProducer, Log, LogConfig, OpenLog, Planted, RetentionLimits, StorageError,
};

/// A record as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    time: i64,
}

/// All that was ever appended, by offset.
#[derive(Clone, Debug, Default)]
struct Keyed {
    records: BTreeMap<i64, Sent>,
    producers: BTreeMap<ProducerId, LastOfProducer>,
    end: i64,
    acked: i64,
    /// Up to here compaction may have left records out.
    cleaned: i64,
    /// The log's start: told, and asked for.
    told: i64,
    asked: i64,
}

impl Keyed {
    fn random_batch(&self, random: &mut Random, keys: u64, bytes_max: u64) -> (Vec<u8>, Self) {
        let mut after = self.clone();
        let mut options = BatchOptions {
            compression: Compression {
                codec: Codec::ALL[usize::try_from(random.below(5)).unwrap()],
                level: None,
            },
            ..BatchOptions::default()
        };
        if random.chance(1, 2) {
            options.producer_id = ProducerId(i64::try_from(random.below(4)).unwrap());
            options.producer_epoch = ProducerEpoch(0);
            options.base_sequence = i32::try_from(self.end % 1_000_000).unwrap();
        }
        let mut builder = BatchBuilder::new(options);
        let count = 1 + random.below(8);
        for index in 0..count {
            let key = format!("key-{}", random.below(keys)).into_bytes();
            let mut value = vec![0; usize::try_from(random.below(bytes_max)).unwrap()];
            random.fill(&mut value);
            let value = (!random.chance(1, 6)).then_some(value);
            let offset = self.end + i64::try_from(index).unwrap();
            let time = 1_000 + offset - i64::try_from(random.below(20)).unwrap();
            builder.append(Timestamp(time), Some(&key), value.as_deref(), &[]);
            after.records.insert(offset, Sent { key, value, time });
        }
        let mut sent = Vec::new();
        builder.build(&mut sent).unwrap();
        after.end += i64::try_from(count).unwrap();
        if options.producer_id > ProducerId::NONE {
            let last = LastOfProducer {
                offset: Some(Offset(after.end - 1)),
                epoch: ProducerEpoch(0),
            };
            after.producers.insert(options.producer_id, last);
        }
        (sent, after)
    }

    /// The offset of the last record of each key below `end`.
    fn last_of_keys(&self, end: i64) -> BTreeMap<&[u8], i64> {
        let below = self.records.range(..end);
        below
            .map(|(offset, sent)| (sent.key.as_slice(), *offset))
            .collect()
    }
}

/// Reads the log: its records, and the last sequence number of each producer.
async fn survivors(log: &Log) -> Result<BTreeMap<i64, Sent>, StorageError> {
    let bytes = read_all(log).await?;
    let (mut found, mut scratch) = (BTreeMap::new(), Scratch::new());
    for view in Batches::new(&bytes) {
        let view = view.unwrap();
        assert_eq!(view.leader_epoch(), EPOCH);
        let mut max = i64::MIN;
        for record in records(&view, &mut scratch, usize::MAX).unwrap() {
            let record = record.unwrap();
            assert!(record.offset <= view.last_offset());
            max = max.max(record.timestamp.0);
            let sent = Sent {
                key: record.key.unwrap().to_vec(),
                value: record.value.map(<[u8]>::to_vec),
                time: record.timestamp.0,
            };
            assert!(
                found.insert(record.offset.0, sent).is_none(),
                "an offset comes once"
            );
        }
        assert!(view.record_count() == 0 || max == view.max_timestamp().0);
    }
    Ok(found)
}

/// What is wrong with the log, if anything.
async fn check(log: &Log, model: &Keyed) -> Result<Option<String>, StorageError> {
    let start = log.log_start().0;
    let found = survivors(log).await?;
    for (offset, sent) in &found {
        if model.records.get(offset) != Some(sent) {
            return Ok(Some(format!("{offset} is another record than was sent")));
        }
    }
    let (end, cleaned) = (log.log_end().0, model.cleaned);
    for (offset, sent) in model.records.range(start..end) {
        if *offset >= cleaned && !found.contains_key(offset) {
            return Ok(Some(format!("{offset} was never compacted and is missing")));
        }
        if sent.value.is_none() || found.contains_key(offset) {
            continue;
        }
        // A later record of the same key must have been there to take its place.
        let later = model.records.range(offset + 1..end);
        if !later.clone().any(|(_, later)| later.key == sent.key) {
            return Ok(Some(format!("{offset}, the last of its key, is missing")));
        }
    }
    Ok(None)
}

fn rules(model: &Keyed, now: i64, random: &mut Random) -> CompactionRules {
    CompactionRules {
        now: Timestamp(now),
        bound: Offset(i64::MAX),
        min_lag_ms: 0,
        max_lag_ms: u64::MAX,
        min_dirty_ratio: 0.0,
        delete_retention_ms: if random.chance(1, 2) { 0 } else { 10_000 },
        producers: model.producers.clone(),
        limits: CompactionLimits {
            keys_bytes: if random.chance(1, 2) { 1 << 20 } else { 2_000 },
            keys_load_percent: 90,
            buffer_bytes: 32 << 10,
            bytes_per_second: u64::MAX,
            batch_bytes_max: 1 << 24,
        },
    }
}

async fn compact(
    log: &Log,
    rules: &CompactionRules,
) -> Result<Option<(CompactionNeed, CompactionReport)>, StorageError> {
    let mut rules = rules.clone();
    rules.bound = log.durable_end();
    match log.compaction_need(&rules).await? {
        Some(need) => Ok(Some((need, log.compact(&rules, &need).await?))),
        None => Ok(None),
    }
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 15_000,
        file_delete_delay: Duration::from_millis(5),
        ..LogConfig::default()
    }
}

fn world(seed: u64) -> (World, Node) {
    let mut world = World::new(seed);
    let mut options = NodeOptions::numbered(1);
    options.chunks_bytes_max = 1 << 20;
    let node = world.add_node(options);
    (world, node)
}

fn shape(before: &Keyed, after: &Keyed) -> ModelBatch {
    ModelBatch {
        base: before.end,
        next: after.end,
        bytes: Vec::new(),
        times: Vec::new(),
    }
}

/// The story: records of few keys come, and the log is compacted now and then; afterwards exactly
/// those are left that Kafka's rules leave. In the end all tombstones are past their time and go.
#[test]
fn what_stays_is_what_kafkas_rules_leave() {
    for seed in seeds(1..=20) {
        let (world, node) = world(seed);
        let done = world.run_process(node, Duration::from_secs(36_000), move |core| async move {
            let mut random = Random::salted(seed, 5);
            let opened = open(&core, config(), Planted::default()).await.unwrap();
            let log = &opened.log;
            let mut model = Keyed::default();
            let keys = 1 + random.below(60);
            for round in 0..6_i64 {
                for _ in 0..random.below(80) {
                    let (sent, after) = model.random_batch(&mut random, keys, 1_000);
                    append(log, &sent, &shape(&model, &after)).await.unwrap();
                    model = after;
                }
                log.flush().await.unwrap();
                core.sleep(Duration::from_millis(100)).await;
                let mut rules = rules(&model, 1_000_000 * (round + 1), &mut random);
                rules.delete_retention_ms = 10_000;
                while let Some((need, report)) = compact(log, &rules).await.unwrap() {
                    assert!(report.end > need.first_dirty && report.end <= need.end);
                    assert_eq!(report.is_partial, report.end < need.end);
                    model.cleaned = report.end.0;
                    let wrong = check(log, &model).await.unwrap();
                    assert_eq!(wrong, None, "seed {seed}");
                }
                let last = model.last_of_keys(model.cleaned);
                let found = survivors(log).await.unwrap();
                for (offset, sent) in found.range(..model.cleaned) {
                    assert_eq!(
                        last[sent.key.as_slice()],
                        *offset,
                        "only the last of a key stays"
                    );
                }
            }
            // Something new in each round but the last made the tombstones' time come; those of
            // the last rounds are still within theirs.
            exact(log, &model).await;
            last_sequences(log, &model).await;
        });
        assert!(done.is_some(), "seed {seed}");
    }
}

/// Every last value is there, and of the tombstones only last ones.
async fn exact(log: &Log, model: &Keyed) {
    let found = survivors(log).await.unwrap();
    for (key, offset) in model.last_of_keys(model.cleaned) {
        let is_value = model.records[&offset].value.is_some();
        assert!(found.contains_key(&offset) || !is_value, "{key:?} is lost");
    }
}

/// The last batch of each producer is there, with its sequence number, if need be without records.
async fn last_sequences(log: &Log, model: &Keyed) {
    let bytes = read_all(log).await.unwrap();
    let mut seen = BTreeMap::new();
    for view in Batches::new(&bytes) {
        let view = view.unwrap();
        seen.insert(view.producer_id(), view.last_offset());
    }
    for (id, last) in &model.producers {
        assert_eq!(seen.get(id).copied(), last.offset, "producer {id:?}");
    }
}

/// The story: a key is deleted; readers have `delete.retention.ms` to see it, counted from the
/// first compaction, then the tombstone goes too.
#[test]
fn tombstones_go_when_their_time_is_over() {
    let (world, node) = world(3);
    let done = world.run_process(node, Duration::from_secs(3600), |core| async move {
        let mut random = Random::new(3);
        let opened = open(&core, config(), Planted::default()).await.unwrap();
        let log = &opened.log;
        let mut model = Keyed::default();
        let mut tombstones = Vec::new();
        for now in [1_000_000, 1_005_000, 1_010_001] {
            for _ in 0..40 {
                let (sent, after) = model.random_batch(&mut random, 1_000_000, 1_000);
                append(log, &sent, &shape(&model, &after)).await.unwrap();
                model = after;
            }
            log.flush().await.unwrap();
            core.sleep(Duration::from_millis(100)).await;
            let mut rules = rules(&model, now, &mut random);
            (rules.delete_retention_ms, rules.limits.keys_bytes) = (10_000, 1 << 20);
            let (_, report) = compact(log, &rules).await.unwrap().unwrap();
            let found = survivors(log).await.unwrap();
            let first_round = found.range(..tombstones.first().map_or(report.end.0, |end| *end));
            let deleted = first_round.filter(|(_, sent)| sent.value.is_none()).count();
            assert_eq!(deleted > 0, now < 1_010_000, "at {now}");
            tombstones.push(report.end.0);
        }
    });
    assert!(done.is_some());
}

/// The story: the first records of a log were replaced long ago. It moves to another directory: its
/// start stays where it was, or whoever reads from there would be sent to the end. Meanwhile it is
/// not compacted, or the copy could have an old value and lack the tombstone.
#[test]
fn a_compacted_log_that_moves_keeps_its_start() {
    let (world, node) = world(9);
    let done = world.run_process(node, Duration::from_secs(3600), |core| async move {
        let mut random = Random::new(9);
        let opened = open(&core, config(), Planted::default()).await.unwrap();
        let log = &opened.log;
        let mut model = Keyed::default();
        for _ in 0..2 {
            for _ in 0..60 {
                let (sent, after) = model.random_batch(&mut random, 1, 1_000);
                append(log, &sent, &shape(&model, &after)).await.unwrap();
                model = after;
            }
            log.flush().await.unwrap();
            core.sleep(Duration::from_millis(100)).await;
            if log.standing().cleaned == Offset(0) {
                let rules = rules(&model, 1_000_000, &mut random);
                compact(log, &rules).await.unwrap().unwrap();
            }
        }
        let mut rules = rules(&model, 1_000_000, &mut random);
        rules.bound = log.durable_end();
        let found = survivors(log).await.unwrap();
        assert!(*found.keys().next().unwrap() > 0 && log.log_start() == Offset(0));
        let need = log.compaction_need(&rules).await.unwrap();
        assert!(need.is_some());

        let dir = DataDir::open(&core, Path::new("/disks/two"), NodeId(1), "a-cluster").await;
        let dir = dir.unwrap();
        let to = Engine::start(&core, dir.path(), Planted::default());
        let mut future = FutureLog::begin(&to, log, Uuid(77)).await.unwrap();
        while future.copy(10_000).await.unwrap() > 0 {}
        assert_eq!(log.compaction_need(&rules).await.unwrap(), None);
        assert_eq!(
            log.compact(&rules, &need.unwrap()).await,
            Err(StorageError::Closed)
        );
        let held = log.hold().await.unwrap();
        let moved = future.finish(&held, "0\n0\n", b"").await.unwrap();
        assert_eq!(moved.log_start, Offset(0));
        drop(held);
        assert_eq!(log.compaction_need(&rules).await.unwrap(), need);
        let open = OpenLog {
            partition: moved.partition.clone(),
            config: config(),
            recovery_point: moved.recovery_point,
            log_start: moved.log_start,
            clean: true,
        };
        let (copy, _) = Log::open(&to, &open, &mut Seen::default()).await.unwrap();
        assert_eq!(copy.log_start(), Offset(0));
        assert_eq!(survivors(&copy).await.unwrap(), found);
    });
    assert!(done.is_some());
}

#[derive(Default)]
struct Outside {
    model: Keyed,
    mistakes: Vec<String>,
    recovered: u32,
    compactions: u32,
}

type Shared = Rc<RefCell<Outside>>;

async fn live(core: reactor::Core, shared: Shared, seed: u64, planted: Planted) {
    let mut random = Random::salted(seed, core.entropy());
    let mut config = config();
    if random.chance(1, 2) {
        // Several of the other lives' segments become one.
        config.segment_bytes *= 4;
    }
    let opened = match open(&core, config, planted).await {
        Ok(opened) => opened,
        Err(error) => {
            let mistake = format!("recovery refuses: {error}");
            shared.borrow_mut().mistakes.push(mistake);
            return;
        }
    };
    if let Err(error) = compare(&opened.log, &shared).await {
        shared.borrow_mut().mistakes.push(error.to_string());
    }
    shared.borrow_mut().recovered += 1;
    let cleaning = clean_for_ever(core.clone(), opened.log.clone(), Rc::clone(&shared), seed);
    core.spawn(cleaning);
    // The node ends, in whatever way: an error is the end of this life.
    let _ = work(&core, &opened, &shared, &mut random).await;
}

async fn work(
    core: &reactor::Core,
    opened: &Opened,
    shared: &Shared,
    random: &mut Random,
) -> Result<(), StorageError> {
    let log = &opened.log;
    loop {
        let (sent, before, after) = {
            let outside = shared.borrow();
            let (sent, after) = outside.model.random_batch(random, 40, 1_500);
            (sent, outside.model.end, after)
        };
        let expected = ModelBatch {
            base: before,
            next: after.end,
            bytes: Vec::new(),
            times: Vec::new(),
        };
        append(log, &sent, &expected).await?;
        {
            let mut outside = shared.borrow_mut();
            let model = &mut outside.model;
            (model.records, model.producers) = (after.records, after.producers);
            model.end = after.end;
        }
        if random.chance(1, 4) {
            log.wait_durable(Offset(after.end)).await?;
            shared.borrow_mut().model.acked = after.end;
        }
        if random.chance(1, 60) {
            let limits = RetentionLimits {
                ms: None,
                bytes: Some(60_000),
            };
            let bound = log.durable_end();
            if let Some(to) = log.retention_end(Timestamp(1), limits, bound).await? {
                let asked = shared.borrow().model.asked.max(to.offset.0);
                shared.borrow_mut().model.asked = asked;
                let told = log.advance_log_start(to.offset).await?;
                shared.borrow_mut().model.told = told.0;
            }
        }
        if random.chance(1, 30) {
            let points = opened.engine.checkpoints();
            opened.dir.write_checkpoints(&points).await?;
        }
        core.sleep(Duration::from_micros(random.below(6_000))).await;
    }
}

async fn clean_for_ever(core: reactor::Core, log: Log, shared: Shared, seed: u64) {
    let mut random = Random::salted(seed, core.entropy());
    loop {
        core.sleep(Duration::from_micros(random.below(60_000)))
            .await;
        let rules = rules(&shared.borrow().model, 1_000_000, &mut random);
        // From now on records below the end may be missing.
        let end = log.durable_end().0;
        let before = shared.borrow().model.cleaned;
        shared.borrow_mut().model.cleaned = end.max(before);
        match compact(&log, &rules).await {
            Ok(Some(_)) => shared.borrow_mut().compactions += 1,
            Ok(None) => {}
            Err(StorageError::Corrupt { .. }) => {
                let mistake = "compaction finds a damaged segment".to_owned();
                shared.borrow_mut().mistakes.push(mistake);
                return;
            }
            Err(_) => return,
        }
    }
}

async fn compare(log: &Log, shared: &Shared) -> Result<(), StorageError> {
    let (start, end) = (log.log_start().0, log.log_end().0);
    let model = shared.borrow().model.clone();
    let wrong = check(log, &model).await?;
    let mut outside = shared.borrow_mut();
    outside.mistakes.extend(wrong);
    if end < model.acked {
        let mistake = format!("acknowledged up to {}, recovered up to {end}", model.acked);
        outside.mistakes.push(mistake);
    }
    if start < model.told || start > model.asked {
        let mistake = format!("told to start at {}, starts at {start}", model.told);
        outside.mistakes.push(mistake);
    }
    let model = &mut outside.model;
    model.records.split_off(&end);
    (model.end, model.acked) = (end, end);
    (model.told, model.asked) = (start, start);
    for last in model.producers.values_mut() {
        last.offset = last.offset.filter(|offset| offset.0 < end);
    }
    Ok(())
}

fn run(seed: u64, planted: Planted) -> (Vec<String>, u32) {
    let mut random = Random::salted(seed, 78);
    let (world, node) = world(seed);
    world.set_faults(Faults::slow(seed));
    let shared = Shared::default();
    let start = |shared: &Shared| {
        let inner = Rc::clone(shared);
        world.start(node, 1, move |core| {
            live(core, Rc::clone(&inner), seed, planted)
        });
    };
    let swaps = Rc::new(Cell::new(0_u32));
    let counted = Rc::clone(&swaps);
    world.set_narrator(move |line| {
        let is_swap = line.contains(".log.swap to ");
        counted.set(counted.get() + u32::from(is_swap));
    });
    for _ in 0..5 {
        start(&shared);
        let micros = match random.below(4) {
            0 => random.below(100_000),
            _ => 200_000 + random.below(1_000_000),
        };
        world.run_for(Duration::from_micros(micros));
        if random.chance(1, 2) {
            // Right when names change, which is soon over.
            let before = swaps.get();
            world.run_until(|| swaps.get() > before, Duration::from_secs(1));
            world.run_for(Duration::from_micros(random.below(1_000)));
        }
        if random.chance(1, 4) {
            world.kill(node);
        } else {
            world.power_cut(node);
        }
    }
    world.set_faults(Faults::none());
    let before = shared.borrow().recovered;
    start(&shared);
    let recovered = Rc::clone(&shared);
    let is_done = move || {
        let outside = recovered.borrow();
        outside.recovered > before || !outside.mistakes.is_empty()
    };
    if !world.run_until(is_done, Duration::from_secs(60)) {
        shared
            .borrow_mut()
            .mistakes
            .push("recovery does not end".to_owned());
    }
    drop(world);
    let outside = shared.take();
    (outside.mistakes, outside.compactions)
}

/// The story: the log is compacted all the time while batches come and segments go, and the power
/// fails at any moment, also between two names of one replacement.
#[test]
fn power_cuts_during_compaction_lose_no_key() {
    let mut compactions = 0;
    for seed in seeds(1..=12) {
        let (mistakes, count) = run(seed, Planted::default());
        assert!(mistakes.is_empty(), "seed {seed}: {mistakes:?}");
        compactions += count;
    }
    println!("{compactions} compactions came to their end");
    assert!(compactions > 0 || std::env::var_os("SEED").is_some());
}

/// The story: the process dies right when a finished file has got its name. The next one goes on from
/// there and takes the old segments away, and the power fails: what that leaves is one or the other.
#[test]
fn what_recovery_takes_away_is_not_missed_after_a_power_cut() {
    for seed in seeds(10..=20) {
        let mistakes = fail_twice(seed);
        assert!(mistakes.is_empty(), "seed {seed}: {mistakes:?}");
    }
}

fn fail_twice(seed: u64) -> Vec<String> {
    let mut random = Random::salted(seed, 79);
    let (world, node) = world(seed);
    let mut faults = Faults::none();
    faults.disk_latency_max = Duration::from_micros(20 + random.below(1_000));
    world.set_faults(faults);
    let shared = Shared::default();
    let start = |shared: &Shared| {
        let inner = Rc::clone(shared);
        world.start(node, 1, move |core| {
            live(core, Rc::clone(&inner), seed, Planted::default())
        });
    };
    let (finished, taken) = (Rc::new(Cell::new(0_u32)), Rc::new(Cell::new(0_u32)));
    let (names, gone) = (Rc::clone(&finished), Rc::clone(&taken));
    world.set_narrator(move |line| {
        names.set(names.get() + u32::from(line.contains(".log.cleaned to ")));
        gone.set(gone.get() + u32::from(line.contains(".log.deleted")));
    });
    let wait = |micros: u64| world.run_for(Duration::from_micros(micros));
    for _ in 0..4 {
        start(&shared);
        wait(100_000 + random.below(400_000));
        let before = finished.get();
        world.run_until(|| finished.get() > before, Duration::from_secs(1));
        wait(random.below(1_500));
        world.kill(node);
        start(&shared);
        let before = taken.get();
        world.run_until(|| taken.get() > before, Duration::from_millis(50));
        wait(random.below(3_000));
        world.power_cut(node);
    }
    world.set_faults(Faults::none());
    let before = shared.borrow().recovered;
    start(&shared);
    let is_done = || {
        let outside = shared.borrow();
        outside.recovered > before || !outside.mistakes.is_empty()
    };
    let is_done = world.run_until(is_done, Duration::from_secs(60));
    drop(world);
    let mut mistakes = shared.take().mistakes;
    if !is_done {
        mistakes.push("recovery does not end".to_owned());
    }
    mistakes
}

/// The story: somebody plants a bug into the cleaner, the swap or the roll.
#[cfg(feature = "planted")]
#[test]
fn planted_bugs_of_the_cleaner_are_caught() {
    use crate::PlantedBug;
    for bug in [
        PlantedBug::SwapWithoutFlush,
        PlantedBug::SwapWithoutMark,
        PlantedBug::SwapWithoutSync,
        PlantedBug::DropNewest,
        PlantedBug::SealWithoutFlush,
    ] {
        let caught = (1..=1_000).find(|seed| {
            let run = std::panic::catch_unwind(|| run(*seed, Planted(Some(bug))));
            run.map_or(true, |(mistakes, _)| !mistakes.is_empty())
        });
        println!("{bug:?} is caught by seed {caught:?}");
        assert!(caught.is_some(), "{bug:?} goes unnoticed");
    }
}

/// The story: the same on a real disk, where the new files are read by the kernel's own ways.
/// `FOREBAY_KEEP_COMPACTED=dir` leaves the files there, for Kafka's tools.
#[test]
fn a_real_disk_keeps_a_compacted_log() {
    let keep = std::env::var_os("FOREBAY_KEEP_COMPACTED").map(std::path::PathBuf::from);
    let name = format!("forebay-compacted-{}", std::process::id());
    let path = keep
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(name));
    let options = reactor::Options {
        cores: 1,
        frames_bytes_max: 32 << 20,
        chunks_bytes_max: 32 << 20,
    };
    let shared = path.clone();
    let body = move |core: reactor::Core| {
        let path = shared.clone();
        async move {
            let mut random = Random::new(8);
            let config = LogConfig {
                segment_bytes: 200_000,
                file_delete_delay: Duration::ZERO,
                ..LogConfig::default()
            };
            let opened = super::model::open_at(&core, &path, config, Planted::default())
                .await
                .unwrap();
            let log = &opened.log;
            let mut model = Keyed::default();
            for round in 1..4 {
                for _ in 0..200 {
                    let (sent, after) = model.random_batch(&mut random, 50, 2_000);
                    append(log, &sent, &shape(&model, &after)).await.unwrap();
                    model = after;
                }
                log.flush().await.unwrap();
                core.sleep(Duration::from_millis(200)).await;
                let mut rules = rules(&model, 1_000_000 * round, &mut random);
                rules.delete_retention_ms = 10_000_000;
                let before = log.size();
                while let Some((_, report)) = compact(log, &rules).await.unwrap() {
                    model.cleaned = report.end.0;
                }
                assert!(log.size() < before, "it got smaller");
                assert_eq!(check(log, &model).await.unwrap(), None);
            }
            log.close().await.unwrap();
            opened.engine.stop();
        }
    };
    reactor::run(&options, body).expect("the core runs");
    if keep.is_none() {
        std::fs::remove_dir_all(&path).unwrap();
    }
}
