//! A device that answers EIO: to a read, to a write, to a flush, to the sync of a directory.

use std::time::Duration;

use base::{Offset, Random};
use reactor::IoErrorKind;
use reactor::sim::{DiskOperation, NodeOptions, World};

use super::bit_rot::written;
use super::model::{DIR, Model, append, check_read, open, partition, read_all};
use super::seeds;
use crate::{JournalLimits, LogConfig, Planted, StorageError};

const LIMIT: Duration = Duration::from_secs(3600);

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 30_000,
        ..LogConfig::default()
    }
}

/// The story: one sector cannot be read, this time. Who asked for it is told which file it was;
/// nothing else happens, and the next one who asks gets it.
#[test]
fn a_failed_read_fails_nobody_else() {
    let mut failed = 0;
    for seed in seeds(1..=60) {
        let (world, node, model) = written(seed);
        world.plan_disk_error(node, DiskOperation::Read, seed % 40);
        let done = world.run_process(node, LIMIT, move |core| async move {
            let mut random = Random::salted(seed, 9);
            let mut errors = Vec::new();
            let log = loop {
                match open(&core, config(), Planted::default()).await {
                    Ok(opened) => break opened.log,
                    Err(error) => errors.push(error),
                }
            };
            for _ in 0..20 {
                match read_all(&log).await {
                    Ok(bytes) => assert!(bytes == model.bytes_from(0, i64::MAX)),
                    Err(error) => errors.push(error),
                }
            }
            let report = log.scrub(u64::MAX).await;
            errors.extend(report.failures);
            assert_eq!((report.damages, log.engine().offline()), (0, None));
            let (sent, batch) = model.random_batch(&mut random, 3_000, 9_000);
            append(&log, &sent, &batch).await.unwrap();
            log.flush().await.unwrap();
            errors
        });
        let errors = done.expect("it ends");
        assert!(errors.len() <= 1, "seed {seed}: {errors:?}");
        for error in errors {
            let text = error.to_string();
            assert!(text.contains(DIR), "{text}");
            let StorageError::Io(error) = error else {
                panic!("{text}");
            };
            assert_eq!(error.kind, IoErrorKind::Device);
            failed += 1;
        }
    }
    assert!(
        failed > 20 || std::env::var_os("SEED").is_some(),
        "{failed}"
    );
}

/// The story: the device fails one write, flush or sync of a directory, and is well again at once.
/// Nothing is written any more all the same, since nobody knows what was lost; what was
/// acknowledged is there after a restart.
#[test]
fn after_a_failure_nothing_is_written_again() {
    let kinds = [
        DiskOperation::Write,
        DiskOperation::Flush,
        DiskOperation::SyncDir,
    ];
    for seed in seeds(1..=45) {
        println!("seed {seed}");
        let kind = kinds[usize::try_from(seed % 3).unwrap()];
        let mut world = World::new(seed);
        let node = world.add_node(NodeOptions::numbered(1));
        let prepared = world.run_process(node, LIMIT, |core| async move {
            open(&core, config(), Planted::default()).await.unwrap();
        });
        assert_eq!(prepared, Some(()));
        let before = match kind {
            DiskOperation::SyncDir => 4 + seed % 5,
            _ => 10 + seed,
        };
        world.plan_disk_error(node, kind, before);
        let acked = world.run_process(node, LIMIT, move |core| async move {
            let mut random = Random::new(seed);
            let opened = open(&core, config(), Planted::default()).await.unwrap();
            // Which operation fails is counted from here.
            opened.engine.set_journal_limits(JournalLimits::OFF);
            let (log, mut model) = (opened.log, Model::default());
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
            let text = error.to_string();
            assert!(
                text.contains("is offline since an operation on it failed"),
                "{text}"
            );
            assert!(text.contains("check the device, then restart"), "{text}");
            // What was under way with it comes to its end.
            core.sleep(Duration::from_secs(1)).await;
            let looked = files(&core).await;
            for _ in 0..20 {
                core.sleep(Duration::from_secs(5)).await;
                let (sent, batch) = model.random_batch(&mut random, 3_000, 1_000);
                assert!(append(&log, &sent, &batch).await.is_err());
                assert!(log.flush().await.is_err());
            }
            assert!(files(&core).await == looked, "something was written");
            if model.acked > 0 {
                check_read(&log, &model, &mut random, model.acked).await;
            }
            model
        });
        let model = acked.expect("it ends");
        world.power_cut(node);
        let done = world.run_process(node, LIMIT, move |core| async move {
            let log = open(&core, config(), Planted::default()).await.unwrap().log;
            assert!(log.log_end().0 >= model.acked, "{} is lost", model.acked);
            let bytes = read_all(&log).await.unwrap();
            assert!(bytes == model.bytes_from(0, log.log_end().0));
        });
        assert_eq!(done, Some(()));
    }
}

/// What all files of the log hold.
async fn files(core: &reactor::Core) -> Vec<(String, Vec<u8>)> {
    let dir = std::path::Path::new(DIR).join(partition().to_string());
    let mut files = Vec::new();
    for entry in core.list(&dir).await.unwrap() {
        let bytes = core.read_small(&dir.join(&entry.name)).await.unwrap();
        files.push((entry.name, bytes));
    }
    files
}
