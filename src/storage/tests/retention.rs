//! What retention took never comes back, what it did not take stays, whatever the power does.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use base::{Offset, Random, Timestamp};
use reactor::sim::{Faults, Node, NodeOptions, World};

use super::model::{DIR, Model, append, open, read_all};
use super::seeds;
use crate::{Log, LogConfig, Planted, RetentionLimits, StorageError};

/// What survives the process: the model, where the log was told to start, what went wrong.
#[derive(Default)]
struct Outside {
    model: Model,
    /// The greatest start that a caller was told.
    told: i64,
    /// The greatest start that anyone asked for.
    asked: i64,
    mistakes: Vec<String>,
    recovered: u32,
}

type Shared = Rc<RefCell<Outside>>;

async fn live(core: reactor::Core, shared: Shared, seed: u64, planted: Planted) {
    let mut random = Random::salted(seed, core.entropy());
    let config = LogConfig {
        segment_bytes: 20_000,
        file_delete_delay: Duration::from_micros(random.below(50_000)),
        ..LogConfig::default()
    };
    let opened = match open(&core, config, planted).await {
        Ok(opened) => opened,
        Err(error) => {
            let mistake = format!("recovery refuses: {error}");
            shared.borrow_mut().mistakes.push(mistake);
            return;
        }
    };
    compare(&opened.log, &shared).await;
    shared.borrow_mut().recovered += 1;
    // The node ends, in whatever way: an error is the end of this life.
    let _ = work(&core, &opened, &shared, &mut random).await;
}

async fn work(
    core: &reactor::Core,
    opened: &super::model::Opened,
    shared: &Shared,
    random: &mut Random,
) -> Result<(), StorageError> {
    let log = &opened.log;
    loop {
        let (sent, batch) = shared.borrow().model.random_batch(random, 3_000, 1_000);
        append(log, &sent, &batch).await?;
        let end = batch.next;
        shared.borrow_mut().model.batches.push(batch);
        if random.chance(1, 3) {
            log.wait_durable(Offset(end)).await?;
            shared.borrow_mut().model.acked = end;
        }
        if random.chance(1, 10) {
            retire(log, shared, random).await?;
        }
        if random.chance(1, 30) {
            let points = opened.engine.checkpoints();
            opened.dir.write_checkpoints(&points).await?;
        }
        if random.chance(1, 4) {
            core.sleep(Duration::from_micros(random.below(10_000)))
                .await;
        }
    }
}

/// Takes something off the beginning, as retention or as a caller of DeleteRecords.
async fn retire(log: &Log, shared: &Shared, random: &mut Random) -> Result<(), StorageError> {
    let durable = log.durable_end();
    let to = if random.chance(1, 2) {
        let limits = RetentionLimits {
            ms: random.chance(1, 4).then_some(0),
            bytes: Some(random.below(100_000)),
        };
        let now = Timestamp(1_000_000);
        let Some(end) = log.retention_end(now, limits, durable).await? else {
            return Ok(());
        };
        if end.takes_active {
            log.roll_at(end.offset).await?;
        }
        end.offset
    } else {
        let span = u64::try_from(durable.0 - log.log_start().0).unwrap();
        log.log_start()
            .plus(i64::try_from(random.below(span + 1)).unwrap())
    };
    assert!(to <= durable, "nothing above the bound goes");
    {
        let mut outside = shared.borrow_mut();
        outside.asked = outside.asked.max(to.0);
    }
    let start = log.advance_log_start(to).await?;
    assert!(start >= to);
    shared.borrow_mut().told = start.0;
    let bytes = read_all(log).await?;
    let outside = shared.borrow();
    assert!(
        bytes == outside.model.bytes_from(start.0, i64::MAX),
        "what is kept is as it was"
    );
    Ok(())
}

/// Nothing below the told start is there, and from it on all that was acknowledged.
async fn compare(log: &Log, shared: &Shared) {
    let (start, end) = (log.log_start().0, log.log_end().0);
    let bytes = read_all(log).await;
    let mut outside = shared.borrow_mut();
    let (told, asked, acked) = (outside.told, outside.asked, outside.model.acked);
    if start < told || start > asked {
        let mistake = format!("told to start at {told}, asked for {asked}, starts at {start}");
        outside.mistakes.push(mistake);
    }
    if end < acked {
        let mistake = format!("acknowledged up to {acked}, recovered up to {end}");
        outside.mistakes.push(mistake);
    }
    match bytes {
        Ok(bytes) if bytes == outside.model.bytes_from(start, end) => {}
        Ok(_) => outside
            .mistakes
            .push(format!("other bytes from {start} to {end}")),
        Err(error) => outside.mistakes.push(error.to_string()),
    }
    outside.told = start;
    outside.asked = start;
    outside.model.log_start = start;
    outside.model.batches.retain(|batch| batch.next <= end);
    if outside.model.batches.is_empty() {
        outside.model.log_start = end;
    }
    outside.model.acked = end;
}

fn world(seed: u64) -> (World, Node) {
    let mut world = World::new(seed);
    let mut options = NodeOptions::numbered(1);
    options.chunks_bytes_max = 512 << 10;
    let node = world.add_node(options);
    (world, node)
}

fn run(seed: u64, planted: Planted) -> Vec<String> {
    let mut random = Random::salted(seed, 77);
    let (world, node) = world(seed);
    world.set_faults(Faults::slow(seed));
    let shared = Shared::default();
    for _ in 0..5 {
        let inner = Rc::clone(&shared);
        world.start(node, 1, move |core| {
            live(core, Rc::clone(&inner), seed, planted)
        });
        let micros = match random.below(4) {
            0 => random.below(30_000),
            1 => random.below(300_000),
            _ => random.below(800_000),
        };
        world.run_for(Duration::from_micros(micros));
        if random.chance(1, 4) {
            world.kill(node);
        } else {
            world.power_cut(node);
        }
    }
    world.set_faults(Faults::none());
    let before = shared.borrow().recovered;
    let inner = Rc::clone(&shared);
    world.start(node, 1, move |core| {
        live(core, Rc::clone(&inner), seed, planted)
    });
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
    shared.take().mistakes
}

/// The story: segments go at the front while batches come at the end, and the power fails at any
/// moment, also between the files of one segment; the disk keeps any of the renames.
#[test]
fn power_cuts_bring_nothing_back() {
    for seed in seeds(1..=12) {
        let mistakes = run(seed, Planted::default());
        assert!(mistakes.is_empty(), "seed {seed}: {mistakes:?}");
    }
}

/// The story: somebody forgets to make the start durable before telling of it.
#[cfg(feature = "planted")]
#[test]
fn a_forgotten_start_is_caught() {
    let bug = crate::PlantedBug::ForgetLogStart;
    let caught = (1..=1_000).find(|seed| {
        let run = std::panic::catch_unwind(|| run(*seed, Planted(Some(bug))));
        run.map_or(true, |mistakes| !mistakes.is_empty())
    });
    println!("{bug:?} is caught by seed {caught:?}");
    assert!(caught.is_some(), "{bug:?} goes unnoticed");
}

/// The story: a topic keeps 100 KB and a day; old segments go, the rest stays, and files of removed
/// segments are gone from the disk once their delay is over, however large they are.
#[test]
fn old_segments_go_by_size_and_by_time() {
    let (world, node) = world(1);
    let done = world.run_process(node, Duration::from_secs(3600), |core| async move {
        let config = LogConfig {
            segment_bytes: 20_000,
            ..LogConfig::default()
        };
        let opened = open(&core, config, Planted::default()).await.unwrap();
        let log = &opened.log;
        let (mut model, mut random) = (Model::default(), Random::new(1));
        for step in 0..200 {
            let (sent, batch) = model.random_batch(&mut random, 4_000, step * 1_000);
            append(log, &sent, &batch).await.unwrap();
            model.batches.push(batch);
        }
        log.flush().await.unwrap();
        core.sleep(Duration::from_secs(1)).await;
        let limits = |ms, bytes| RetentionLimits { ms, bytes };
        let now = Timestamp(200_000);
        let end = log.log_end();
        let size = limits(None, Some(100_000));
        let kept = log.retention_end(now, size, end).await.unwrap().unwrap();
        assert!(!kept.takes_active);
        log.advance_log_start(kept.offset).await.unwrap();
        assert!((100_000..120_001).contains(&log.size()), "{}", log.size());
        assert_eq!(log.retention_end(now, size, end).await.unwrap(), None);
        let none = limits(Some(1_000_000), None);
        assert_eq!(log.retention_end(now, none, end).await.unwrap(), None);
        let day = limits(Some(20_000), None);
        let kept = log.retention_end(now, day, end).await.unwrap().unwrap();
        log.advance_log_start(kept.offset).await.unwrap();
        let oldest = model.first_at_or_after(0, i64::MAX);
        assert!(oldest.is_some() && log.log_start() > Offset(0) && !kept.takes_active);
        // Everything is old at last, the active segment too.
        let all = log
            .retention_end(Timestamp(900_000), day, end)
            .await
            .unwrap()
            .unwrap();
        assert!(all.takes_active && all.offset == end);
        log.roll_at(all.offset).await.unwrap();
        log.advance_log_start(all.offset).await.unwrap();
        assert_eq!((log.log_start(), log.size()), (end, 0));
        core.sleep(Duration::from_secs(100)).await;
        let left = core.list(&std::path::Path::new(DIR).join("orders-7")).await;
        let left: Vec<String> = left.unwrap().into_iter().map(|entry| entry.name).collect();
        assert!(
            left.iter().all(|name| !name.ends_with(".deleted")),
            "{left:?}"
        );
        assert_eq!(left.iter().filter(|name| name.ends_with(".log")).count(), 1);
    });
    assert!(done.is_some());
}
