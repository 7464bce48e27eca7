//! The story: a node stops in order. A log that somebody opened late is still open, and its segment
//! lacks what the journal has: that is seen, and nothing more is appended to it. Where a log of
//! an earlier life was not opened in this one the directory is not marked clean, but the journals go
//! all the same: a release that knows nothing of them may come next.

use std::path::Path;
use std::time::Duration;

use base::{Random, Uuid};
use reactor::Core;
use reactor::sim::{NodeOptions, World};

use super::model::{DIR, Model, append, open_found, open_with, trickling};
use crate::{DataDir, Engine, JournalLimits, Log, LogConfig, StorageError};

const LIMIT: Duration = Duration::from_secs(600);

async fn open(core: &Core) -> (DataDir, Engine) {
    let limits = JournalLimits {
        lanes_min: 1,
        ..JournalLimits::default()
    };
    open_with(core, limits).await
}

/// Two batches, of which the second one goes into the journal.
async fn trickle(log: &Log, model: &mut Model) {
    for _ in 0..2 {
        let (sent, batch) = model.random_batch(&mut Random::new(5), 300, 1_000);
        append(log, &sent, &batch).await.unwrap();
        model.batches.push(batch);
        log.flush().await.unwrap();
        log.engine().core().sleep(Duration::from_secs(1)).await;
    }
}

async fn has_journals(core: &Core) -> bool {
    let left = core.list(Path::new(DIR)).await.unwrap();
    let mut names = left.iter().map(|entry| entry.name.as_str());
    names.any(|name| crate::layout::parse_journal_name(name).is_some())
}

#[test]
fn a_log_that_is_still_open_is_seen() {
    let mut world = World::new(1);
    let node = world.add_node(NodeOptions::numbered(1));
    let done = world.run_process(node, LIMIT, |core| async move {
        let (_dir, engine) = open(&core).await;
        let config = LogConfig::default();
        let log = Log::create(&engine, trickling(0), Uuid(77), config, None).await;
        let (log, mut model) = (log.unwrap(), Model::default());
        trickle(&log, &mut model).await;
        assert!(log.checkpoint().recovery_point < log.durable_end());
        engine.stop();
        assert!(engine.is_in_use(), "it is open and owes");
        let (sent, batch) = model.random_batch(&mut Random::new(5), 300, 1_000);
        let late = append(&log, &sent, &batch).await;
        assert!(matches!(late, Err(StorageError::Closed)), "{late:?}");
        assert!(engine.is_in_use(), "it is open");
    });
    assert_eq!(done, Some(()));
}

#[test]
fn a_log_that_was_dropped_with_a_debt_is_seen() {
    let mut world = World::new(1);
    let node = world.add_node(NodeOptions::numbered(1));
    let done = world.run_process(node, LIMIT, |core| async move {
        let (_dir, engine) = open(&core).await;
        let config = LogConfig::default();
        let log = Log::create(&engine, trickling(0), Uuid(77), config, None).await;
        let log = log.unwrap();
        trickle(&log, &mut Model::default()).await;
        drop(log);
        // Also once the half is being drained.
        for _ in 0..2 {
            assert!(engine.logs().is_empty(), "nobody has it any more");
            assert!(engine.is_in_use(), "the next start needs the journal");
            core.sleep(Duration::from_secs(60)).await;
        }
    });
    assert_eq!(done, Some(()));
}

#[test]
fn journals_go_although_a_log_was_not_opened() {
    let mut world = World::new(1);
    let node = world.add_node(NodeOptions::numbered(1));
    let done = world.run_process(node, LIMIT, |core| async move {
        let (_dir, engine) = open(&core).await;
        for log in 0..2 {
            let made = Log::create(
                &engine,
                trickling(log),
                Uuid(77),
                LogConfig::default(),
                None,
            );
            trickle(&made.await.unwrap(), &mut Model::default()).await;
        }
    });
    assert_eq!(done, Some(()));
    world.power_cut(node);
    let done = world.run_process(node, LIMIT, |core| async move {
        let (dir, engine) = open(&core).await;
        let found = dir.logs().first().unwrap();
        let config = LogConfig::default();
        let (log, _) = open_found(&engine, &dir, found, config).await.unwrap();
        let mut model = Model {
            log_start: log.log_end().0,
            ..Model::default()
        };
        trickle(&log, &mut model).await;
        assert!(has_journals(&core).await, "it went through the journal");
        log.close().await.unwrap();
        engine.stop();
        let points = [(log.partition().clone(), log.checkpoint())].into();
        dir.close_in_order(&points).await.unwrap();
        assert!(!has_journals(&core).await, "all is in the segments");
    });
    assert_eq!(done, Some(()));
    let clean = world.run_process(node, LIMIT, |core| async move {
        open(&core).await.0.was_clean()
    });
    assert_eq!(clean, Some(false), "the other log is still to be recovered");
}
