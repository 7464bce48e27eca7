//! What was appended is what is read, through rolls, evictions, restarts and cuts.

use std::time::Duration;

use base::{Offset, Random, Timestamp};
use reactor::first;
use reactor::sim::{Faults, NodeOptions, World};

use super::model::{Model, append, check_read, check_times, open, read_all};
use crate::{BatchShape, LogConfig, Planted};

const LIMIT: Duration = Duration::from_secs(3600);

fn small_segments(random: &mut Random) -> LogConfig {
    LogConfig {
        segment_bytes: u32::try_from(30_000 + random.below(200_000)).unwrap(),
        index_interval_bytes: u32::try_from(random.below(8_000)).unwrap(),
        ..LogConfig::default()
    }
}

fn world(seed: u64) -> (World, reactor::sim::Node) {
    println!("seed {seed}");
    let mut world = World::new(seed);
    let mut options = NodeOptions::numbered(1);
    // Little memory, so that hot tails are evicted and appends wait.
    options.chunks_bytes_max = 512 << 10;
    let node = world.add_node(options);
    (world, node)
}

/// The story: a producer appends for a while, readers read anywhere at any time, the node is
/// restarted in order, and again; nothing is ever missing, doubled or changed.
#[test]
fn random_batches_round_trip() {
    for seed in 1..=8 {
        let (world, node) = world(seed);
        let mut model = Model::default();
        for incarnation in 0..3 {
            let before = model.clone();
            model = world
                .run_process(node, LIMIT, move |core| async move {
                    let mut random = Random::salted(seed, incarnation);
                    let config = small_segments(&mut Random::new(seed));
                    live(&core, before, &mut random, config).await
                })
                .expect("the process ends in order");
        }
        assert!(model.batches.len() > 200);
    }
}

async fn live(
    core: &reactor::Core,
    mut model: Model,
    random: &mut Random,
    config: LogConfig,
) -> Model {
    let opened = open(core, config, Planted::default()).await.unwrap();
    let log = opened.log;
    assert_eq!(log.log_end(), Offset(model.end()));
    assert_eq!(
        opened.report.segments_scanned, 0,
        "nothing is read after a clean stop"
    );
    let mut clock = 1_000_000 + model.end() * 10;
    for step in 0..100 {
        let size = if random.chance(1, 20) { 60_000 } else { 4_000 };
        let (sent, batch) = model.random_batch(random, size, clock);
        append(&log, &sent, &batch).await.unwrap();
        model.batches.push(batch);
        clock += 30;
        if random.chance(1, 3) {
            log.wait_durable(Offset(model.end())).await.unwrap();
            check_read(&log, &model, random, model.end()).await;
        }
        if random.chance(1, 5) {
            let batch = random.below(model.batches.len() as u64);
            let bound = model.batches[usize::try_from(batch).unwrap()].next;
            log.wait_durable(Offset(bound)).await.unwrap();
            check_read(&log, &model, random, bound).await;
            check_times(&log, &model, random, clock, bound).await;
        }
        if step % 17 == 0 {
            core.sleep(Duration::from_secs(random.below(30))).await;
        }
    }
    assert_eq!(read_all(&log).await.unwrap(), model.bytes_from(0, i64::MAX));
    log.close().await.unwrap();
    opened
        .dir
        .close_in_order(&[(log.partition().clone(), log.checkpoint())].into())
        .await
        .unwrap();
    opened.engine.stop();
    model
}

/// The story: producers hang up while their large batches wait for a new segment, and others go on
/// with small ones that fit into the old one. Then the power fails: nothing is missing.
#[test]
fn who_goes_away_while_a_segment_begins_harms_nobody() {
    for seed in 1..=10 {
        let (world, node) = world(seed);
        world.set_faults(Faults::slow(seed));
        let lived = world.run_process(node, LIMIT, move |core| async move {
            let mut random = Random::new(seed);
            let config = LogConfig {
                segment_bytes: 30_000,
                ..LogConfig::default()
            };
            let log = open(&core, config, Planted::default()).await.unwrap().log;
            let mut model = Model::default();
            for _ in 0..100 {
                if random.chance(1, 3) {
                    let shape = BatchShape {
                        len: 25_000,
                        offset_count: 1,
                        max_timestamp: Timestamp(1_000_000),
                    };
                    let patience = core.sleep(Duration::from_micros(random.below(500)));
                    drop(first(log.reserve(shape), patience).await);
                }
                let (sent, batch) = model.random_batch(&mut random, 1_000, 1_000_000);
                append(&log, &sent, &batch).await.unwrap();
                model.batches.push(batch);
            }
            log.flush().await.unwrap();
            model
        });
        let model = lived.expect("the process ends");
        world.power_cut(node);
        let done = world.run_process(node, LIMIT, move |core| async move {
            let opened = open(&core, LogConfig::default(), Planted::default()).await;
            let log = opened.unwrap().log;
            assert_eq!(log.log_end(), Offset(model.end()));
            assert_eq!(read_all(&log).await.unwrap(), model.bytes_from(0, i64::MAX));
        });
        assert_eq!(done, Some(()));
    }
}

/// The story: a follower learns that its end differs from the leader's, is cut, and goes on.
#[test]
fn a_cut_log_goes_on_from_the_cut() {
    for seed in 1..=20 {
        let (world, node) = world(seed);
        let done = world.run_process(node, LIMIT, move |core| async move {
            let mut random = Random::new(seed);
            let config = small_segments(&mut random);
            let log = open(&core, config, Planted::default()).await.unwrap().log;
            let mut model = Model::default();
            for _ in 0..6 {
                for _ in 0..random.below(60) {
                    let clock = 5_000 + model.end() * 7;
                    let (sent, batch) = model.random_batch(&mut random, 6_000, clock);
                    append(&log, &sent, &batch).await.unwrap();
                    model.batches.push(batch);
                }
                let cut =
                    i64::try_from(random.below(u64::try_from(model.end()).unwrap() + 1)).unwrap();
                let end = log.truncate_to(Offset(cut)).await.unwrap();
                model.batches.retain(|batch| batch.next <= cut);
                assert_eq!(end, Offset(model.end()));
                assert_eq!(read_all(&log).await.unwrap(), model.bytes_from(0, i64::MAX));
            }
            true
        });
        assert_eq!(done, Some(true));
    }
}

/// The story: a consumer catches up through an active segment that no longer fits in memory; the
/// log is cut in its middle and goes on differently; nothing read ahead before is shown again.
#[test]
fn what_was_read_ahead_before_a_cut_is_not_shown_after_it() {
    for seed in 1..=2 {
        let (world, node) = world(seed);
        let done = world.run_process(node, LIMIT, move |core| async move {
            let mut random = Random::new(seed);
            let opened = open(&core, LogConfig::default(), Planted::default());
            let log = opened.await.unwrap().log;
            let mut model = Model::default();
            for round in 0..2 {
                let mut bytes = model.bytes_from(0, i64::MAX).len();
                while bytes < 5 << 20 {
                    let bytes_max = if random.chance(1, 30) {
                        200_000
                    } else {
                        90_000
                    };
                    let (sent, batch) = model.random_batch(&mut random, bytes_max, 1_000 + round);
                    append(&log, &sent, &batch).await.unwrap();
                    bytes += batch.bytes.len();
                    model.batches.push(batch);
                }
                log.flush().await.unwrap();
                assert_eq!(read_all(&log).await.unwrap(), model.bytes_from(0, i64::MAX));
                for _ in 0..30 {
                    check_read(&log, &model, &mut random, model.end()).await;
                }
                let batch = random.below(model.batches.len() as u64);
                let cut = model.batches[usize::try_from(batch).unwrap()].base;
                log.truncate_to(Offset(cut)).await.unwrap();
                model.batches.retain(|batch| batch.next <= cut);
            }
            true
        });
        assert_eq!(done, Some(true));
    }
}

/// The story: old segments go from the front; what is left stays readable, after a restart too.
#[test]
fn the_front_goes_away() {
    let (world, node) = world(5);
    let start = world.run_process(node, LIMIT, |core| async move {
        let mut random = Random::new(5);
        let config = LogConfig {
            segment_bytes: 40_000,
            ..LogConfig::default()
        };
        let opened = open(&core, config, Planted::default()).await.unwrap();
        let log = opened.log;
        let mut model = Model::default();
        for _ in 0..100 {
            let (sent, batch) = model.random_batch(&mut random, 5_000, 1_000);
            append(&log, &sent, &batch).await.unwrap();
            model.batches.push(batch);
        }
        log.flush().await.unwrap();
        core.sleep(Duration::from_secs(1)).await;
        let sealed = log.sealed_segments().await.unwrap();
        assert!(sealed.len() > 3);
        let middle = Offset(sealed[2].next_offset.0 + 1);
        let size = log.size();
        assert_eq!(log.advance_log_start(middle).await.unwrap(), middle);
        assert!(log.size() < size);
        model.log_start = middle.0;
        check_read(&log, &model, &mut random, model.end()).await;
        assert!(
            log.advance_log_start(Offset(model.end() + 1))
                .await
                .is_err()
        );
        let points = [(log.partition().clone(), log.checkpoint())].into();
        opened.dir.write_checkpoints(&points).await.unwrap();
        middle
    });
    let found = world.run_process(node, LIMIT, |core| async move {
        let opened = open(&core, LogConfig::default(), Planted::default())
            .await
            .unwrap();
        opened.log.log_start()
    });
    assert_eq!(start, found);
}

/// The story: a topic is deleted; its directory goes, and a new one of the same name is empty.
#[test]
fn a_removed_log_leaves_nothing() {
    let (world, node) = world(6);
    let names = world.run_process(node, LIMIT, |core| async move {
        let mut random = Random::new(6);
        let opened = open(&core, LogConfig::default(), Planted::default())
            .await
            .unwrap();
        let mut model = Model::default();
        let (sent, batch) = model.random_batch(&mut random, 5_000, 1_000);
        append(&opened.log, &sent, &batch).await.unwrap();
        model.batches.push(batch);
        opened.log.remove().await.unwrap();
        assert!(opened.log.wait_durable(Offset(1_000)).await.is_err());
        // Its name is gone at once, its files soon.
        let is_its_name = |entry: &reactor::Entry| entry.name == opened.log.partition().to_string();
        let entries = core.list(opened.dir.path()).await.unwrap();
        assert!(!entries.iter().any(is_its_name));
        core.sleep(Duration::from_secs(1)).await;
        let entries = core.list(opened.dir.path()).await.unwrap();
        entries.into_iter().filter(|entry| entry.is_dir).count()
    });
    assert_eq!(names, Some(0));
}

/// The story: an idle log gives its memory back, and goes on where it stopped.
#[test]
fn an_idle_log_holds_no_memory() {
    let (world, node) = world(7);
    let done = world.run_process(node, LIMIT, |core| async move {
        let mut random = Random::new(7);
        let log = open(&core, LogConfig::default(), Planted::default())
            .await
            .unwrap()
            .log;
        let mut model = Model::default();
        for _ in 0..5 {
            let (sent, batch) = model.random_batch(&mut random, 5_000, 1_000);
            append(&log, &sent, &batch).await.unwrap();
            model.batches.push(batch);
            assert!(log.memory() > 0);
            core.sleep(Duration::from_secs(20)).await;
            assert_eq!(log.memory(), 0);
        }
        read_all(&log).await.unwrap() == model.bytes_from(0, i64::MAX)
    });
    assert_eq!(done, Some(true));
}
