//! Many logs made at once, and the power that fails meanwhile.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::{NodeId, Offset, PartitionIndex, Random, TopicPartition, Uuid};
use reactor::Core;
use reactor::sim::{Faults, NodeOptions, World};

use super::seeds;
use crate::{DataDir, Engine, Log, LogConfig, OpenLog, Planted, RecoveryVisitor};

const DIR: &str = "/data";
const LOGS: i32 = 40;
const EPOCHS: &str = "0\n1\n0 0\n";

fn name(index: i32) -> TopicPartition {
    TopicPartition {
        topic: "wide".to_owned(),
        partition: PartitionIndex(index),
    }
}

struct Nothing;

impl RecoveryVisitor for Nothing {
    fn load_snapshot(&mut self, _: Offset, _: &[u8]) -> bool {
        true
    }

    fn replay(&mut self, _: &batch::BatchView<'_>) {}

    fn progress(&mut self, _: u64, _: u64) {}
}

/// Makes all logs that are not there; notes those that were promised.
async fn make_all(core: Core, promised: Rc<RefCell<BTreeSet<i32>>>) {
    let Ok(dir) = DataDir::open(&core, Path::new(DIR), NodeId(1), "a-cluster").await else {
        return;
    };
    let engine = Engine::start(&core, dir.path(), Planted::default());
    let there: BTreeSet<_> = dir.logs().iter().map(|log| log.partition.clone()).collect();
    for index in (0..LOGS).filter(|index| !there.contains(&name(*index))) {
        let (engine, promised) = (engine.clone(), Rc::clone(&promised));
        core.spawn(async move {
            let (id, config) = (Uuid(9), LogConfig::default());
            let made = Log::create(&engine, name(index), id, config, Some(EPOCHS)).await;
            if made.is_ok() {
                promised.borrow_mut().insert(index);
            }
        });
    }
    // The directory's lock and the engine live until the power fails.
    core.sleep(Duration::from_secs(3_600)).await;
    drop((dir, engine));
}

/// What a start finds: every log that was promised, each whole, and nothing else.
async fn check(core: Core, promised: BTreeSet<i32>) -> Result<(), String> {
    let text = |error: crate::StorageError| error.to_string();
    let dir = DataDir::open(&core, Path::new(DIR), NodeId(1), "a-cluster").await;
    let dir = dir.map_err(text)?;
    let engine = Engine::start(&core, dir.path(), Planted::default());
    let mut found = BTreeSet::new();
    for log in dir.logs() {
        found.insert(log.partition.partition.0);
        let id = Log::topic_id(&core, dir.path(), &log.partition).await;
        if id.map_err(text)? != Uuid(9) {
            return Err(format!("{} is not whole", log.partition));
        }
        let open = OpenLog {
            partition: log.partition.clone(),
            config: LogConfig::default(),
            recovery_point: log.recovery_point,
            log_start: log.log_start,
            clean: dir.was_clean(),
        };
        let (log, _) = Log::open(&engine, &open, &mut Nothing)
            .await
            .map_err(text)?;
        if log.log_end() != Offset(0)
            || log.read_epochs().await.map_err(text)?.as_deref() != Some(EPOCHS)
        {
            return Err(format!("{} is not as it was made", open.partition));
        }
    }
    let lost: Vec<_> = promised.difference(&found).collect();
    if !lost.is_empty() {
        return Err(format!("promised and lost: {lost:?}"));
    }
    let entries = core.list(Path::new(DIR)).await;
    let entries = entries.map_err(|error| error.to_string())?;
    let dirs = entries.iter().filter(|entry| entry.is_dir).count();
    if dirs != found.len() {
        return Err(format!("{dirs} directories for {} logs", found.len()));
    }
    Ok(())
}

/// The story: a request makes many partitions and the power fails, again and again. What was
/// promised is there, what is there is whole, and what was half made goes without a trace.
#[test]
fn power_cuts_leave_whole_logs_or_none() {
    let mut promised_in_all = 0;
    for seed in seeds(1..=60) {
        println!("seed {seed}");
        let mut random = Random::salted(seed, 41);
        let mut world = World::new(seed);
        let node = world.add_node(NodeOptions::numbered(1));
        world.set_faults(Faults::slow(seed));
        let promised: Rc<RefCell<BTreeSet<i32>>> = Rc::default();
        for _ in 0..3 {
            let inner = Rc::clone(&promised);
            world.start(node, 1, move |core| make_all(core, Rc::clone(&inner)));
            world.run_for(Duration::from_micros(random.below(60_000)));
            if random.chance(1, 4) {
                world.kill(node);
            } else {
                world.power_cut(node);
            }
        }
        world.set_faults(Faults::none());
        let known = promised.borrow().clone();
        promised_in_all += known.len();
        let limit = Duration::from_secs(60);
        let outcome = world.run_process(node, limit, move |core| check(core, known));
        assert_eq!(outcome, Some(Ok(())), "seed {seed}");
    }
    println!("{promised_in_all} logs were promised");
    assert!(
        promised_in_all > 0,
        "nothing was ever promised, so nothing was proved"
    );
}
