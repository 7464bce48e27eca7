//! The story: what the journal has of a log is a turn old, and the half that has it was just begun
//! anew, without a frame so far: its file is as it was. Then the log is cut, or taken away and made
//! anew, or closed, opened again and cut, and the power goes: what was cut off stays away.

use std::time::Duration;

use base::{Offset, Random, Uuid};
use reactor::Core;
use reactor::sim::{NodeOptions, World};

use super::model::{Model, Seen, append, open_found, open_with, read_all, trickling};
use crate::{DataDir, Engine, JournalLimits, Log, LogConfig, OpenLog};

const LIMIT: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
enum Way {
    Cut,
    RemoveAndMake,
    CloseOpenAndCut,
}

async fn open(core: &Core) -> (DataDir, Engine) {
    let limits = JournalLimits {
        lanes_min: 1,
        age_max: Duration::from_secs(3),
        ..JournalLimits::default()
    };
    open_with(core, limits).await
}

async fn add(log: &Log, model: &mut Model, random: &mut Random) {
    let (sent, batch) = model.random_batch(random, 300, 1_000);
    append(log, &sent, &batch).await.unwrap();
    model.batches.push(batch);
    log.flush().await.unwrap();
}

/// The log's model, as it is to be found again.
async fn live(core: Core, way: Way, turns: u64) -> Model {
    let (_dir, engine) = open(&core).await;
    let config = LogConfig::default();
    let make = |log| Log::create(&engine, trickling(log), Uuid(77), config, None);
    let (mut log, other) = (make(0).await.unwrap(), make(1).await.unwrap());
    let (mut model, mut of_other) = (Model::default(), Model::default());
    let random = &mut Random::new(5);
    add(&other, &mut of_other, random).await;
    // The journal is being made.
    core.sleep(Duration::from_secs(1)).await;
    for _ in 0..3 {
        add(&log, &mut model, &mut Random::new(9)).await;
    }
    assert!(log.checkpoint().recovery_point < log.durable_end());
    for _ in 0..turns {
        // The half is old, and what it has is written back; the other one gets a frame.
        core.sleep(Duration::from_secs(8)).await;
        assert_eq!(log.checkpoint().recovery_point, log.durable_end());
        add(&other, &mut of_other, random).await;
    }
    core.sleep(Duration::from_secs(8)).await;
    let kept = match way {
        Way::Cut => 1,
        Way::RemoveAndMake => {
            log.remove().await.unwrap();
            log = make(0).await.unwrap();
            model = Model::default();
            add(&log, &mut model, &mut Random::new(9)).await;
            log.write_back().await.unwrap();
            return model;
        }
        Way::CloseOpenAndCut => {
            log.close().await.unwrap();
            let open = OpenLog {
                partition: trickling(0),
                config,
                recovery_point: log.checkpoint().recovery_point,
                log_start: Offset(0),
                clean: true,
            };
            let opened = Log::open(&engine, &open, &mut Seen::default()).await;
            (log, _) = opened.unwrap();
            2
        }
    };
    model.batches.truncate(kept);
    log.truncate_to(Offset(model.end())).await.unwrap();
    model
}

async fn check(core: Core, model: Model) {
    let (dir, engine) = open(&core).await;
    let found = dir
        .logs()
        .iter()
        .find(|found| found.partition == trickling(0));
    let config = LogConfig::default();
    let (log, _) = open_found(&engine, &dir, found.unwrap(), config)
        .await
        .unwrap();
    assert_eq!(log.log_end(), Offset(model.end()), "nothing comes back");
    let all = model.bytes_from(0, model.end());
    assert_eq!(read_all(&log).await.unwrap(), all);
}

#[test]
fn what_was_cut_off_stays_away_whatever_the_turn() {
    for way in [Way::Cut, Way::RemoveAndMake, Way::CloseOpenAndCut] {
        for turns in 0..4 {
            println!("{way:?} after {turns} turns");
            let mut world = World::new(turns);
            let node = world.add_node(NodeOptions::numbered(1));
            let model = world.run_process(node, LIMIT, move |core| live(core, way, turns));
            let model = model.expect("it ends");
            world.power_cut(node);
            let done = world.run_process(node, LIMIT, move |core| check(core, model));
            assert_eq!(done, Some(()));
        }
    }
}

/// The story: both halves are full, and one cannot be written back, since its log was dropped. A
/// log can be cut, taken away and made anew all the same.
#[test]
fn a_void_waits_for_no_log() {
    let mut world = World::new(1);
    let node = world.add_node(NodeOptions::numbered(1));
    let done = world.run_process(node, LIMIT, |core| async move {
        let (_dir, engine) = open(&core).await;
        engine.set_journal_limits(JournalLimits {
            lanes_min: 1,
            file_bytes: 64 << 10,
            ..JournalLimits::default()
        });
        let make = |log| {
            Log::create(
                &engine,
                trickling(log),
                Uuid(77),
                LogConfig::default(),
                None,
            )
        };
        let (dropped, log) = (make(0).await.unwrap(), make(1).await.unwrap());
        let random = &mut Random::new(5);
        let (mut of_dropped, mut model) = (Model::default(), Model::default());
        add(&dropped, &mut of_dropped, random).await;
        core.sleep(Duration::from_secs(1)).await;
        add(&dropped, &mut of_dropped, random).await;
        assert!(dropped.checkpoint().recovery_point < dropped.durable_end());
        drop(dropped);
        let frames = || engine.counters().journal_frames.get();
        let mut before = u64::MAX;
        while frames() != before {
            before = frames();
            for _ in 0..20 {
                add(&log, &mut model, random).await;
            }
        }
        model.batches.pop();
        log.truncate_to(Offset(model.end())).await.unwrap();
        log.remove().await.unwrap();
        let log = make(1).await.unwrap();
        add(&log, &mut Model::default(), random).await;
        assert_eq!(frames(), before + 2, "two voids");
    });
    assert_eq!(done, Some(()), "nobody waits for ever");
}
