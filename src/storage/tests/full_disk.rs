//! A disk that fills up: nothing is lost, nothing goes offline, and all goes on when there is room.

use std::time::Duration;

use base::{Offset, Random};
use reactor::Core;
use reactor::sim::{NodeOptions, World};

use super::model::{Model, Opened, append, open, read_all};
use crate::{DiskBounds, DiskLevel, JournalLimits, LogConfig, Planted, StorageError};

const SECOND: Duration = Duration::from_secs(1);

/// The story: a log fills its disk of 3 MiB. Below the hard bound the engine says so; whoever
/// appends all the same waits for room without losing a byte. An operator deletes the beginning of
/// the log, and everything goes on by itself.
#[test]
fn a_full_disk_stops_appends_until_there_is_room() {
    for seed in 1..=10 {
        println!("seed {seed}");
        let mut world = World::new(seed);
        let mut options = NodeOptions::numbered(1);
        options.chunks_bytes_max = 1 << 20;
        options.disk_bytes = 3 << 20;
        let node = world.add_node(options);
        let done = world.run_process(node, Duration::from_secs(3600), move |core| {
            fill_and_make_room(seed, core)
        });
        assert!(done.is_some(), "seed {seed}");
    }
}

async fn fill_and_make_room(seed: u64, core: Core) {
    let mut random = Random::new(seed);
    let config = LogConfig {
        segment_bytes: 200_000,
        file_delete_delay: Duration::from_secs(60),
        ..LogConfig::default()
    };
    let opened = open(&core, config, Planted::default()).await.unwrap();
    let (engine, log) = (&opened.engine, &opened.log);
    // Its files would take a part of the room that differs from seed to seed.
    engine.set_journal_limits(JournalLimits::OFF);
    engine.set_disk_bounds(DiskBounds {
        soft_free: u64::MAX,
        hard_free: u64::MAX,
    });
    let mut model = Model::default();
    let acked = fill(&core, &opened, &mut model, &mut random).await;
    assert_eq!(engine.disk_level(), DiskLevel::Full);
    assert!(engine.offline().is_none() && acked > 0);
    // Reading goes on, and so does deleting.
    let read = read_all(log).await.unwrap();
    assert!(read.starts_with(&model.bytes_from(0, acked)));
    log.note_log_start(Offset(acked / 2)).await.unwrap();
    log.remove_below(Offset(acked / 2)).await.unwrap();
    core.sleep(10 * SECOND).await;
    engine.check_room().unwrap();
    model.log_start = log.log_start().0;
    for _ in 0..20 {
        let (sent, batch) = model.random_batch(&mut random, 10_000, 1_000);
        append(log, &sent, &batch).await.unwrap();
        model.batches.push(batch);
    }
    log.flush().await.unwrap();
    let from = model.log_start;
    assert_eq!(
        read_all(log).await.unwrap(),
        model.bytes_from(from, i64::MAX)
    );
}

/// Appends until nothing more gets durable; gives back the end of what is.
async fn fill(core: &Core, opened: &Opened, model: &mut Model, random: &mut Random) -> i64 {
    let (engine, log) = (&opened.engine, &opened.log);
    let assert_is_full = |error: &StorageError| {
        assert!(error.is_no_room(), "{error}");
        assert!(engine.offline().is_none());
    };
    let mut acked = 0;
    let mut refused = false;
    for _ in 0..2_000 {
        let (sent, batch) = model.random_batch(random, 10_000, 1_000);
        if let Err(error) = engine.check_room() {
            assert_is_full(&error);
            refused = true;
        }
        if let Err(error) = append(log, &sent, &batch).await {
            assert_is_full(&error);
            break;
        }
        let end = batch.next;
        model.batches.push(batch);
        let durable = log.wait_durable(Offset(end));
        match reactor::first(durable, core.sleep(3 * SECOND)).await {
            reactor::First::Left(done) => done.unwrap(),
            reactor::First::Right(()) => break,
        }
        acked = end;
        core.sleep(Duration::from_millis(20)).await;
    }
    core.sleep(2 * SECOND).await;
    assert!(refused, "the engine said that the disk was getting full");
    acked
}
