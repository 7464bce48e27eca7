//! The same on the kernel, with real files.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{NodeId, Offset, PartitionIndex, Random, TopicPartition, Uuid};
use reactor::{Core, First, Options, first, reply, run};

use super::model::{Model, append, check_read, check_times, open_at, open_found, read_all};
use crate::{DataDir, Engine, FoundLog, JournalLimits, Log, LogConfig, Planted};

const OPTIONS: Options = Options {
    cores: 1,
    frames_bytes_max: 32 << 20,
    chunks_bytes_max: 32 << 20,
};

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1 << 20,
        ..LogConfig::default()
    }
}

/// The story: a producer and a reader on a real file system; the node is stopped in order, starts
/// again, is killed without order, starts again. `FOREBAY_KEEP=dir` leaves the files there.
#[test]
fn a_real_disk_keeps_a_log() {
    let keep = std::env::var_os("FOREBAY_KEEP").map(PathBuf::from);
    let name = format!("forebay-storage-{}", std::process::id());
    let path = keep
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(name));
    let shared = Arc::new(Mutex::new(Model::default()));
    for life in 0..3 {
        let (path, shared) = (path.clone(), Arc::clone(&shared));
        let body = move |core: Core| {
            let (path, shared) = (path.clone(), Arc::clone(&shared));
            async move {
                let before = shared.lock().unwrap().clone();
                let after = live(&core, &path, before, life).await;
                *shared.lock().unwrap() = after;
            }
        };
        run(&OPTIONS, body).expect("the core runs");
    }
    assert_eq!(shared.lock().unwrap().batches.len(), 450);
    if keep.is_none() {
        std::fs::remove_dir_all(&path).unwrap();
    }
}

async fn live(core: &Core, path: &Path, mut model: Model, life: u64) -> Model {
    let mut random = Random::new(life);
    let opened = open_at(core, path, config(), Planted::default())
        .await
        .unwrap();
    let log = opened.log;
    assert_eq!(log.log_end(), Offset(model.end()));
    // The second life begins after a clean stop, the third after none.
    assert_eq!(opened.report.segments_scanned > 0, life == 2);
    let mut clock = 1_000_000 + model.end() * 10;
    for _ in 0..150 {
        let (sent, batch) = model.random_batch(&mut random, 20_000, clock);
        append(&log, &sent, &batch).await.unwrap();
        model.batches.push(batch);
        clock += 30;
        if random.chance(1, 10) {
            log.wait_durable(Offset(model.end())).await.unwrap();
            check_read(&log, &model, &mut random, model.end()).await;
            check_times(&log, &model, &mut random, clock, model.end()).await;
        }
    }
    log.flush().await.unwrap();
    assert_eq!(read_all(&log).await.unwrap(), model.bytes_from(0, i64::MAX));
    if life != 1 {
        log.close().await.unwrap();
        let points = [(log.partition().clone(), log.checkpoint())].into();
        opened.dir.close_in_order(&points).await.unwrap();
    }
    opened.engine.stop();
    model
}

/// The least that a node may be given.
const SCARCE: Options = Options {
    cores: 1,
    frames_bytes_max: 4 << 20,
    chunks_bytes_max: 32 << 20,
};
const LOGS: i32 = 24;
/// Far more than it takes: who waits so long waits for ever.
const FOR_EVER: Duration = Duration::from_secs(120);

/// The story: many logs were written to when the machine died, the journal has something of each,
/// and the memory that reads are made into is scarce. The journal is given back to all of them, and
/// all are read, side by side; nobody keeps memory while he waits for more of it.
#[test]
fn many_logs_are_read_side_by_side_in_little_memory() {
    let name = format!("forebay-storage-scarce-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let written = path.clone();
    let write = move |core: Core| {
        let path = written.clone();
        async move { write_many(&core, &path).await }
    };
    run(&SCARCE, write).expect("the core runs");
    let all_read = Arc::new(Mutex::new(false));
    let (read, done) = (path.clone(), Arc::clone(&all_read));
    let read = move |core: Core| {
        let (path, done) = (read.clone(), Arc::clone(&done));
        async move {
            let reading = read_many(&core, &path);
            let guard = core.sleep(FOR_EVER);
            *done.lock().unwrap() = matches!(first(reading, guard).await, First::Left(()));
        }
    };
    run(&SCARCE, read).expect("the core runs");
    std::fs::remove_dir_all(&path).unwrap();
    assert!(*all_read.lock().unwrap(), "they wait for each other");
}

async fn write_many(core: &Core, path: &Path) {
    let dir = DataDir::open(core, path, NodeId(1), "a-cluster").await;
    let dir = dir.unwrap();
    let engine = Engine::start(core, dir.path(), Planted::default());
    engine.set_journal_limits(JournalLimits {
        lanes_min: 1,
        file_bytes: 1 << 20,
        ..JournalLimits::default()
    });
    let mut random = Random::new(1);
    let mut logs = Vec::new();
    for index in 0..LOGS {
        let name = TopicPartition {
            topic: "many".to_owned(),
            partition: PartitionIndex(index),
        };
        let log = Log::create(&engine, name, Uuid(77), LogConfig::default(), None).await;
        logs.push((log.unwrap(), Model::default()));
    }
    for bytes_max in [700_000, 1_900_000, 700_000, 1_900_000, 1_000, 1_000] {
        for (log, model) in &mut logs {
            let (sent, batch) = model.random_batch(&mut random, bytes_max, 1_000_000);
            append(log, &sent, &batch).await.unwrap();
            model.batches.push(batch);
            log.flush().await.unwrap();
        }
    }
    assert!(engine.counters().journal_frames.get() > 0);
}

async fn read_many(core: &Core, path: &Path) {
    let dir = DataDir::open(core, path, NodeId(1), "a-cluster").await;
    let dir = Rc::new(dir.unwrap());
    assert!(dir.journal().batches > 0, "the journal had something");
    let engine = Engine::start(core, dir.path(), Planted::default());
    let mut opening = Vec::new();
    let logs: Vec<FoundLog> = dir.logs().to_vec();
    for found in logs {
        let (engine, dir) = (engine.clone(), Rc::clone(&dir));
        let (done, opened) = reply();
        core.spawn(async move {
            let (log, _) = open_found(&engine, &dir, &found, LogConfig::default())
                .await
                .unwrap();
            done.send(log.log_end());
        });
        opening.push(opened);
    }
    assert_eq!(opening.len(), usize::try_from(LOGS).unwrap());
    for opened in opening {
        assert!(opened.await.unwrap() > Offset(0));
    }
    engine.stop();
}
