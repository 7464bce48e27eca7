//! Damage that no crash explains: it is reported, or repaired where the log itself tells better.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{NodeId, Offset, PartitionIndex, Random, TopicPartition, Uuid};
use reactor::Core;
use reactor::sim::{DiskOperation, Node, NodeOptions, World};

use super::model::{DIR, Model, append, check_read, open, open_found, partition, read_all};
use crate::{DataDir, Engine, Log, LogCheckpoint, LogConfig, Planted, StorageError};

const LIMIT: Duration = Duration::from_secs(3600);

fn file(name: &str) -> PathBuf {
    Path::new(DIR).join(partition().to_string()).join(name)
}

/// A log of several segments, checkpointed up to its end; then the process ends without order.
fn written(seed: u64) -> (World, Node, Model) {
    println!("seed {seed}");
    let mut world = World::new(seed);
    let node = world.add_node(NodeOptions::numbered(1));
    let model = world.run_process(node, LIMIT, move |core| async move {
        let mut random = Random::new(seed);
        let opened = open(&core, config(), Planted::default()).await.unwrap();
        let mut model = Model::default();
        for _ in 0..60 {
            let clock = 1_000 + model.end();
            let (sent, batch) = model.random_batch(&mut random, 6_000, clock);
            append(&opened.log, &sent, &batch).await.unwrap();
            model.batches.push(batch);
        }
        opened.log.flush().await.unwrap();
        core.sleep(Duration::from_secs(1)).await;
        let points = opened.engine.checkpoints();
        assert!(
            points
                .values()
                .all(|point| point.recovery_point == Offset(model.end()))
        );
        opened.dir.write_checkpoints(&points).await.unwrap();
        model
    });
    (world, node, model.expect("the process ends"))
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 50_000,
        ..LogConfig::default()
    }
}

fn reopen(world: &World, node: Node) -> Result<Vec<u8>, StorageError> {
    let read = world.run_process(node, LIMIT, |core| async move {
        let opened = open(&core, config(), Planted::default()).await?;
        read_all(&opened.log).await
    });
    read.expect("recovery ends")
}

/// The story: a bit flips in the active segment, below what was known to be on the device. A torn
/// tail looks the same to who does not remember; here it must be an error, and nothing is cut.
#[test]
fn a_flipped_bit_below_the_recovery_point_is_reported() {
    for seed in 1..=10 {
        let (world, node, model) = written(seed);
        let last = last_segment(&world, node, &model);
        let path = file(&format!("{last:020}.log"));
        let before = world.peek(node, &path).unwrap();
        let at = Random::new(seed)
            .below(before.len().min(200) as u64)
            .max(70);
        let flipped = before[usize::try_from(at).unwrap()] ^ 4;
        assert!(world.decay(node, &path, at, &[flipped]));
        match reopen(&world, node) {
            Err(StorageError::Corrupt {
                path: found,
                position,
                ..
            }) => {
                assert_eq!(found, path);
                assert!(position <= at);
            }
            other => panic!("seed {seed}: {:?}", other.map(|bytes| bytes.len())),
        }
        let after = world.peek(node, &path).unwrap();
        assert_eq!(after.len(), before.len(), "nothing is cut");
    }
}

/// The story: the damaged log cannot be opened, and the process goes on and stops in order, with what
/// it knows of the logs written down, which is nothing of this one. To the next process the damage
/// must still be damage, not a torn tail that may be cut.
#[test]
fn damage_stays_damage_however_often_the_process_starts() {
    let (world, node, model) = written(1);
    let last = last_segment(&world, node, &model);
    let path = file(&format!("{last:020}.log"));
    let before = world.peek(node, &path).unwrap();
    assert!(world.decay(node, &path, 80, &[before[80] ^ 4]));
    for life in 0..3 {
        let ended = world.run_process(node, LIMIT, |core| async move {
            let dir = DataDir::open(&core, Path::new(DIR), NodeId(1), "a-cluster");
            let dir = dir.await.unwrap();
            let opened = open_in(&core, &dir).await;
            assert!(matches!(opened, Err(StorageError::Corrupt { .. })));
            let nothing = BTreeMap::new();
            dir.write_checkpoints(&nothing).await.unwrap();
            if life > 0 {
                dir.close_in_order(&nothing).await.unwrap();
            }
        });
        assert_eq!(ended, Some(()));
        assert_eq!(world.peek(node, &path).unwrap().len(), before.len());
    }
}

async fn open_in(core: &Core, dir: &DataDir) -> Result<(), StorageError> {
    let engine = Engine::start(core, dir.path(), Planted::default());
    let [found] = dir.logs() else {
        panic!("one log was made");
    };
    assert!(found.recovery_point > Offset(0), "it stays written down");
    let opened = open_found(&engine, dir, found, config()).await;
    engine.stop();
    opened.map(|_| ())
}

/// The story: a program opens one of its logs after a crash and stops in order. The other one was
/// not looked at, and may end in half a batch: nothing may vouch for it.
#[test]
fn a_log_that_nobody_opened_is_not_closed_in_order() {
    let mut world = World::new(2);
    let node = world.add_node(NodeOptions::numbered(1));
    let names = ["seen", "unseen"].map(|topic| TopicPartition {
        topic: topic.to_owned(),
        partition: PartitionIndex(0),
    });
    for (life, expected) in [(0, false), (1, false), (2, false), (3, true)] {
        let names = names.clone();
        let was_clean = world.run_process(node, LIMIT, |core| async move {
            let dir = DataDir::open(&core, Path::new(DIR), NodeId(1), "a-cluster");
            let dir = dir.await.unwrap();
            let engine = Engine::start(&core, dir.path(), Planted::default());
            if life == 0 {
                for name in names {
                    let log = Log::create(&engine, name, Uuid(7), config(), None).await;
                    log.unwrap();
                }
                // It dies.
                return dir.was_clean();
            }
            let mut points = BTreeMap::new();
            for found in dir.logs() {
                // One of them in the first life after the crash, both in the next one.
                if life > 1 || found.partition == names[0] {
                    let point = LogCheckpoint {
                        recovery_point: found.recovery_point,
                        log_start: found.log_start,
                        cleaned: Offset(0),
                    };
                    points.insert(found.partition.clone(), point);
                }
            }
            assert_eq!(points.len(), if life > 1 { 2 } else { 1 });
            engine.stop();
            dir.close_in_order(&points).await.unwrap();
            dir.was_clean()
        });
        assert_eq!(was_clean, Some(expected), "life {life}");
    }
}

fn last_segment(world: &World, node: Node, model: &Model) -> i64 {
    let exists = |base: i64| {
        world
            .peek(node, &file(&format!("{base:020}.log")))
            .is_some()
    };
    let bases = model.batches.iter().map(|batch| batch.base);
    bases.filter(|base| exists(*base)).max().unwrap()
}

/// The story: index files are lost, cut, filled with zeros or with lies; every read is right.
#[test]
fn indexes_that_lie_are_made_again() {
    for seed in 1..=20 {
        let (world, node, model) = written(seed);
        let mut random = Random::new(seed);
        for batch in &model.batches {
            for kind in ["index", "timeindex"] {
                let path = file(&format!("{:020}.{kind}", batch.base));
                let Some(bytes) = world.peek(node, &path) else {
                    continue;
                };
                let mut lies = bytes.clone();
                match random.below(3) {
                    0 => lies.fill(0),
                    1 => random.fill(&mut lies),
                    _ => {
                        // Plausible and wrong: positions that are not where batches begin.
                        for entry in lies.chunks_mut(8) {
                            let slot = entry.len() - 1;
                            entry[slot] = entry[slot].wrapping_add(1);
                        }
                    }
                }
                world.decay(node, &path, 0, &lies);
            }
        }
        let expected = model.clone();
        let done = world.run_process(node, LIMIT, move |core| async move {
            let log = open(&core, config(), Planted::default()).await.unwrap().log;
            for _ in 0..50 {
                check_read(&log, &expected, &mut random, expected.end()).await;
            }
            read_all(&log).await.unwrap() == expected.bytes_from(0, i64::MAX)
        });
        assert_eq!(done, Some(true));
    }
}

/// The story: the device fails one flush. Whoever waits is told, nothing is tried again, what was
/// durable can still be read.
#[test]
fn after_a_failed_flush_the_directory_is_offline() {
    for operation in [DiskOperation::Flush, DiskOperation::Write] {
        let mut world = World::new(3);
        let node = world.add_node(NodeOptions::numbered(1));
        world.plan_disk_error(node, operation, 40);
        let done = world.run_process(node, LIMIT, |core| async move {
            let mut random = Random::new(3);
            let log = open(&core, config(), Planted::default()).await.unwrap().log;
            let mut model = Model::default();
            let error = loop {
                let (sent, batch) = model.random_batch(&mut random, 3_000, 1_000);
                if let Err(error) = append(&log, &sent, &batch).await {
                    break error;
                }
                model.batches.push(batch);
                if let Err(error) = log.wait_durable(Offset(model.end())).await {
                    break error;
                }
                model.acked = model.end();
            };
            assert!(matches!(error, StorageError::Offline { .. }), "{error}");
            assert!(log.flush().await.is_err(), "offline is for good");
            assert!(log.engine().offline().is_some());
            check_read(&log, &model, &mut random, model.acked).await;
            model.acked > 0
        });
        assert_eq!(done, Some(true));
    }
}
