//! Nothing acknowledged is lost, whatever the power does.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use base::{Offset, Random};
use reactor::sim::{Faults, Node, NodeOptions, World};

use super::model::{Model, append, open, read_all};
use super::seeds;
use crate::{LogConfig, Planted};

/// What survives the process: the model, and what went wrong.
#[derive(Default)]
struct Outside {
    model: Model,
    mistakes: Vec<String>,
    recovered: u32,
}

type Shared = Rc<RefCell<Outside>>;

/// One life of the node: recovers, compares with what was acknowledged, appends until it dies.
async fn live(core: reactor::Core, shared: Shared, seed: u64, planted: Planted) {
    let mut random = Random::salted(seed, core.entropy());
    let config = LogConfig {
        segment_bytes: 60_000,
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
    let log = opened.log.clone();
    compare(&log, &shared).await;
    shared.borrow_mut().recovered += 1;
    loop {
        let (sent, batch) = {
            let outside = shared.borrow();
            let size = if random.chance(1, 20) { 40_000 } else { 3_000 };
            outside.model.random_batch(&mut random, size, 1_000)
        };
        if random.chance(1, 4) {
            core.sleep(Duration::from_micros(random.below(20_000)))
                .await;
        }
        if random.chance(1, 8) && log.rest(Duration::ZERO).await.is_err() {
            return;
        }
        if append(&log, &sent, &batch).await.is_err() {
            return;
        }
        let end = batch.next;
        shared.borrow_mut().model.batches.push(batch);
        if random.chance(1, 3) {
            if log.wait_durable(Offset(end)).await.is_err() {
                return;
            }
            shared.borrow_mut().model.acked = end;
        }
        if random.chance(1, 30) {
            let points = opened.engine.checkpoints();
            if opened.dir.write_checkpoints(&points).await.is_err() {
                return;
            }
        }
    }
}

/// What was recovered begins with all that was acknowledged and is a prefix of what was appended.
async fn compare(log: &crate::Log, shared: &Shared) {
    let end = log.log_end().0;
    let bytes = read_all(log).await;
    let mut outside = shared.borrow_mut();
    let acked = outside.model.acked;
    if end < acked {
        let mistake = format!("acknowledged up to {acked}, recovered up to {end}");
        outside.mistakes.push(mistake);
    }
    match bytes {
        Ok(bytes) if bytes == outside.model.bytes_from(0, end) => {}
        Ok(_) => outside.mistakes.push(format!("other bytes below {end}")),
        Err(error) => outside.mistakes.push(error.to_string()),
    }
    outside.model.batches.retain(|batch| batch.next <= end);
    outside.model.acked = end;
}

fn world(seed: u64) -> (World, Node) {
    let mut world = World::new(seed);
    let mut options = NodeOptions::numbered(1);
    options.chunks_bytes_max = 512 << 10;
    let node = world.add_node(options);
    (world, node)
}

/// Runs one seed of lives and power cuts; what went wrong.
fn run(seed: u64, planted: Planted) -> Vec<String> {
    let mut random = Random::salted(seed, 99);
    let (world, node) = world(seed);
    world.set_faults(Faults::slow(seed));
    let shared = Shared::default();
    for _ in 0..6 {
        let inner = Rc::clone(&shared);
        world.start(node, 1, move |core| {
            live(core, Rc::clone(&inner), seed, planted)
        });
        // Some lives end during the first start or during recovery.
        let micros = match random.below(4) {
            0 => random.below(3_000),
            1 => random.below(30_000),
            _ => random.below(300_000),
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

/// The story: the power fails at any moment, again and again, also during the very first start
/// and during recovery; the disk keeps any part of what was not flushed.
#[test]
fn power_cuts_lose_nothing_acknowledged() {
    for seed in seeds(1..=60) {
        println!("seed {seed}");
        let mistakes = run(seed, Planted::default());
        assert!(mistakes.is_empty(), "seed {seed}: {mistakes:?}");
    }
}

/// The story: somebody plants a bug, and the test above must notice within 1,000 seeds.
#[cfg(feature = "planted")]
#[test]
fn planted_bugs_are_caught() {
    use crate::PlantedBug;
    let bugs = [
        PlantedBug::AckBeforeFlush,
        PlantedBug::TrustIndexOverLog,
        PlantedBug::SkipDirectorySync,
    ];
    for bug in bugs {
        let caught = (1..=1_000).find(|seed| {
            let run = std::panic::catch_unwind(|| run(*seed, Planted(Some(bug))));
            run.map_or(true, |mistakes| !mistakes.is_empty())
        });
        println!("{bug:?} is caught by seed {caught:?}");
        assert!(caught.is_some(), "{bug:?} goes unnoticed");
    }
}
