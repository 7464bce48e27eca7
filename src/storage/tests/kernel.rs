//! The same on the kernel, with real files.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base::{Offset, Random};
use reactor::{Core, Options, run};

use super::model::{Model, append, check_read, check_times, open_at, read_all};
use crate::{LogConfig, Planted};

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
