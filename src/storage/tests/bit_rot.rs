//! Bits that flip in complete segments: found by whoever reads, and by the scrub when nobody does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Offset, Random};
use batch::next_batch;
use reactor::Core;
use reactor::sim::{Node, NodeOptions, World};

use super::model::{DIR, Model, ModelBatch, Opened, append, collect, open, partition};
use super::seeds;
use crate::{Damage, Log, LogConfig, Planted, ReadRequest, StorageError};

const LIMIT: Duration = Duration::from_secs(3600);
/// As much as a damaged length may hide: up to the next entry of the index.
const HIDDEN_BYTES_MAX: u64 = 20_000;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 50_000,
        file_delete_delay: Duration::ZERO,
        ..LogConfig::default()
    }
}

fn segment_file(base: i64) -> PathBuf {
    let dir = Path::new(DIR).join(partition().to_string());
    dir.join(format!("{base:020}.log"))
}

/// A log of several segments and a snapshot at its end, so that opening it reads the last only.
pub(super) fn written(seed: u64) -> (World, Node, Model) {
    println!("seed {seed}");
    let mut world = World::new(seed);
    let node = world.add_node(NodeOptions::numbered(1));
    let model = world.run_process(node, LIMIT, move |core| async move {
        let mut random = Random::new(seed);
        let opened = open(&core, config(), Planted::default()).await.unwrap();
        let mut model = Model::default();
        for _ in 0..80 {
            add(&opened.log, &mut model, &mut random).await;
        }
        opened.log.flush().await.unwrap();
        core.sleep(Duration::from_secs(1)).await;
        let end = opened.log.log_end();
        opened.log.write_snapshot(end, b"all").await.unwrap();
        opened.log.close().await.unwrap();
        let points = [(opened.log.partition().clone(), opened.log.checkpoint())].into();
        opened.dir.close_in_order(&points).await.unwrap();
        model
    });
    (world, node, model.expect("the process ends"))
}

async fn add(log: &Log, model: &mut Model, random: &mut Random) {
    let clock = 1_000 + model.end();
    let (sent, batch) = model.random_batch(random, 6_000, clock);
    append(log, &sent, &batch).await.unwrap();
    model.batches.push(batch);
}

/// The segments' base offsets and which batches they hold.
fn segments(world: &World, node: Node, model: &Model) -> Vec<(i64, Vec<ModelBatch>)> {
    let mut segments: Vec<(i64, Vec<ModelBatch>)> = Vec::new();
    for batch in &model.batches {
        if world.peek(node, &segment_file(batch.base)).is_some() {
            segments.push((batch.base, Vec::new()));
        }
        let (_, held) = segments
            .last_mut()
            .expect("the first batch begins a segment");
        held.push(batch.clone());
    }
    assert!(segments.len() > 3, "several segments");
    segments
}

/// Flips one bit in one of the sealed segments; the batch that it hit, and where in it.
fn flip(world: &World, node: Node, model: &Model, random: &mut Random) -> (ModelBatch, u64) {
    let segments = segments(world, node, model);
    let sealed = segments.len() as u64 - 1;
    let (base, held) = &segments[usize::try_from(random.below(sealed)).unwrap()];
    let hit = usize::try_from(random.below(held.len() as u64)).unwrap();
    let position: u64 = held
        .iter()
        .take(hit)
        .map(|one| one.bytes.len() as u64)
        .sum();
    let len = held[hit].bytes.len() as u64;
    // Half of them into the header, each field of which means something else.
    let span = if random.chance(1, 2) { 61 } else { len };
    let within = random.below(span);
    let at = position + within;
    let file = segment_file(*base);
    let before = world.peek(node, &file).unwrap()[usize::try_from(at).unwrap()];
    let bit = 1 << random.below(8);
    assert!(world.decay(node, &file, at, &[before ^ bit]));
    println!("bit {bit} of byte {within} of the batch at {position} of {base}");
    (held[hit].clone(), within)
}

/// One read; the batches that it gave.
async fn read(log: &Log, offset: i64, bytes_max: usize) -> Result<Vec<Vec<u8>>, StorageError> {
    let request = ReadRequest {
        offset: Offset(offset),
        bytes_max,
        at_least_one: true,
        upper_bound: log.log_end(),
    };
    let bytes = collect(&log.read(&request).await?).await?;
    let (mut rest, mut batches) = (bytes.as_slice(), Vec::new());
    while let Ok(Some((view, behind))) = next_batch(rest) {
        batches.push(view.bytes().to_vec());
        rest = behind;
    }
    assert!(!batches.is_empty(), "a read returns at least a batch");
    Ok(batches)
}

/// Whether `batches` are those of the model from `offset` on.
fn are_right(batches: &[Vec<u8>], model: &Model, offset: i64) -> bool {
    let mut expected = model.batches.iter().filter(|batch| batch.next > offset);
    batches
        .iter()
        .all(|batch| expected.next().is_some_and(|known| known.bytes == *batch))
}

/// Goes through the log as a consumer would, and past what is damaged; what was not given.
async fn consume(log: &Log, model: &Model, random: &mut Random, damage: &Damage) -> Vec<i64> {
    let (mut offset, mut missing) = (0, Vec::new());
    while offset < model.end() {
        let bytes_max = usize::try_from(1 + random.below(30_000)).unwrap();
        match read(log, offset, bytes_max).await {
            Ok(batches) => {
                assert!(are_right(&batches, model, offset), "offset {offset}");
                let count = batches.len();
                let mut given = model.batches.iter().filter(|batch| batch.next > offset);
                offset = given.nth(count - 1).unwrap().next;
            }
            Err(StorageError::Corrupt { position, .. }) => {
                assert_eq!(position, damage.position);
                let lost = |batch: &&ModelBatch| {
                    batch.next > offset && batch.base < damage.resume_offset.0
                };
                missing.extend(model.batches.iter().filter(lost).map(|batch| batch.base));
                assert!(offset < damage.resume_offset.0, "consumers get on");
                offset = damage.resume_offset.0;
            }
            Err(other) => panic!("{other}"),
        }
    }
    missing
}

/// Reads everywhere until something is found to be wrong.
async fn find(log: &Log, model: &Model, random: &mut Random) -> Option<Damage> {
    let end = u64::try_from(model.end()).unwrap();
    for step in 0..2 * end {
        // From the beginning to the end, and in between anywhere.
        let offset = match step % 2 {
            0 => step / 2,
            _ => random.below(end),
        };
        let offset = i64::try_from(offset).unwrap();
        match read(log, offset, 10_000).await {
            Ok(batches) => assert!(are_right(&batches, model, offset), "offset {offset}"),
            Err(StorageError::Corrupt { .. }) => {
                let (found, omitted) = log.engine().damage_found().await;
                assert_eq!((found.len(), omitted), (1, 0), "{found:?}");
                return found.into_iter().next();
            }
            Err(other) => panic!("{other}"),
        }
    }
    None
}

async fn reopened(core: &Core, planted: Planted) -> Opened {
    open(core, config(), planted).await.unwrap()
}

fn check_found(damage: &Damage, hit: &ModelBatch) {
    assert_eq!(damage.offset.0, hit.base, "{damage}");
    assert!(damage.resume_offset.0 >= hit.next, "{damage}");
    assert!(damage.resume_position - damage.position <= HIDDEN_BYTES_MAX);
    let told = damage.to_string();
    let wanted = format!("is damaged from byte {}", damage.position);
    assert!(told.contains(&wanted) && told.contains(".log"), "{told}");
}

fn run(seed: u64, planted: Planted) {
    let (world, node, model) = written(seed);
    let mut random = Random::salted(seed, 5);
    let (hit, within) = flip(&world, node, &model, &mut random);
    let expected = model.clone();
    let done = world.run_process(node, LIMIT, move |core| async move {
        let log = reopened(&core, planted).await.log;
        let damage = find(&log, &expected, &mut random).await;
        let damage = damage.expect("a flipped bit does not go unnoticed");
        check_found(&damage, &hit);
        let missing = consume(&log, &expected, &mut random, &damage).await;
        assert!(missing.contains(&hit.base), "what is damaged is not served");
        let is_length = (8..12).contains(&within) || within == 16;
        assert!(missing.len() == 1 || is_length, "and nothing else is lost");
        // It is known now, and told once.
        assert_eq!(log.engine().counters().damages.get(), 1);
    });
    assert_eq!(done, Some(()));
    let bytes: usize = segments(&world, node, &model)
        .iter()
        .map(|(base, _)| world.peek(node, &segment_file(*base)).unwrap().len())
        .sum();
    let written: usize = model.batches.iter().map(|batch| batch.bytes.len()).sum();
    assert_eq!(bytes, written, "nothing is cut");
}

/// The story: a bit flips somewhere in a complete segment, be it in a record or in a header.
/// Consumers get every other batch, never a wrong one, and an error for what is damaged.
#[test]
fn a_flipped_bit_is_never_served_and_hides_nothing_else() {
    for seed in seeds(1..=60) {
        run(seed, Planted::default());
    }
}

/// The story: somebody sends sealed segments as they are, since a disk does not lie.
#[cfg(feature = "planted")]
#[test]
fn serving_what_nobody_looked_at_is_caught() {
    let bug = crate::PlantedBug::ServeUnverified;
    let caught = (1..=20).find(|seed| {
        let run = std::panic::catch_unwind(|| run(*seed, Planted(Some(bug))));
        run.is_err()
    });
    println!("{bug:?} is caught by seed {caught:?}");
    assert!(caught.is_some(), "{bug:?} goes unnoticed");
}

/// The story: nobody reads what was damaged; the scrub does, and tells of nothing else.
#[test]
fn the_scrub_finds_what_nobody_asks_for() {
    for seed in seeds(1..=30) {
        let (world, node, model) = written(seed);
        let mut random = Random::salted(seed, 6);
        let whole = world.run_process(node, LIMIT, |core| async move {
            let opened = reopened(&core, Planted::default()).await;
            let report = opened.log.scrub(u64::MAX).await;
            opened.log.close().await.unwrap();
            let points = [(opened.log.partition().clone(), opened.log.checkpoint())].into();
            opened.dir.close_in_order(&points).await.unwrap();
            report
        });
        let whole = whole.unwrap();
        let sealed = segments(&world, node, &model).len() as u64 - 1;
        assert_eq!((whole.segments, whole.damages), (sealed, 0));
        assert_eq!((whole.indexes_rebuilt, whole.failures.len()), (0, 0));
        let (hit, _) = flip(&world, node, &model, &mut random);
        let done = world.run_process(node, LIMIT, move |core| async move {
            let log = reopened(&core, Planted::default()).await.log;
            let report = log.scrub(u64::MAX).await;
            assert_eq!((report.damages, report.segments), (1, sealed));
            assert_eq!(report.bytes, whole.bytes);
            let (found, _) = log.engine().damage_found().await;
            let [damage] = found.as_slice() else {
                panic!("{found:?}");
            };
            check_found(damage, &hit);
            // Readers know of it too, without having looked.
            let error = read(&log, hit.base, 1).await.unwrap_err();
            assert!(matches!(error, StorageError::Corrupt { .. }));
        });
        assert_eq!(done, Some(()));
    }
}

/// The story: a plausible index points beside the batches. Readers notice when they come there;
/// the scrub notices before, and the file is as it was.
#[test]
fn the_scrub_mends_an_index_that_lies() {
    for seed in seeds(1..=20) {
        let (world, node, model) = written(seed);
        let mut random = Random::salted(seed, 7);
        let all = segments(&world, node, &model);
        let (base, _) = all[usize::try_from(random.below(all.len() as u64 - 1)).unwrap()];
        let index = segment_file(base).with_extension("index");
        let before = world.peek(node, &index).unwrap();
        let entries = before.len() as u64 / 8;
        let at = random.below(entries) * 8 + if random.chance(1, 2) { 3 } else { 7 };
        let byte = before[usize::try_from(at).unwrap()];
        assert!(world.decay(node, &index, at, &[byte.wrapping_sub(1)]));
        let done = world.run_process(node, LIMIT, |core| async move {
            let log = reopened(&core, Planted::default()).await.log;
            let report = log.scrub(u64::MAX).await;
            assert_eq!((report.damages, report.failures.len()), (0, 0));
            let again = log.scrub(u64::MAX).await;
            assert_eq!(again.indexes_rebuilt, 0, "it is mended");
            report.indexes_rebuilt
        });
        let after = world.peek(node, &index).unwrap();
        assert_eq!(after, before, "{done:?}");
        assert_eq!(done, Some(1));
    }
}

/// The story: while the scrub reads, retention takes segments away and cuts their files, the log
/// is cut at its end and goes on. None of that is damage.
#[test]
fn segments_that_go_under_the_scrub_are_no_damage() {
    for seed in seeds(1..=20) {
        let (world, node, mut model) = written(seed);
        let mut random = Random::salted(seed, 8);
        let done = world.run_process(node, LIMIT, move |core| async move {
            let log = reopened(&core, Planted::default()).await.log;
            let scrubbing = log.clone();
            core.spawn(async move {
                loop {
                    let report = scrubbing.scrub(1 << 20).await;
                    assert_eq!(report.failures, Vec::new());
                    scrubbing
                        .engine()
                        .core()
                        .sleep(Duration::from_millis(1))
                        .await;
                }
            });
            for _ in 0..120 {
                add(&log, &mut model, &mut random).await;
                log.flush().await.unwrap();
                if random.chance(1, 12) {
                    let span = u64::try_from(log.log_end().0 - log.log_start().0).unwrap();
                    let by = i64::try_from(random.below(span / 2 + 1)).unwrap();
                    log.advance_log_start(log.log_start().plus(by))
                        .await
                        .unwrap();
                }
                if random.chance(1, 15) {
                    let end = log.log_end().0 - i64::try_from(random.below(30)).unwrap();
                    let end = log
                        .truncate_to(Offset(end.max(log.log_start().0)))
                        .await
                        .unwrap();
                    model.batches.retain(|batch| batch.next <= end.0);
                }
                let rest = Duration::from_millis(random.below(20));
                core.sleep(rest).await;
            }
            let counts = log.engine().counters().counts();
            assert!(counts.scrub_segments > 5, "it got somewhere: {counts:?}");
            counts.damages
        });
        assert_eq!(done, Some(0));
    }
}
