//! The story: many more logs than memory has chunks for, all of them appended to at the same time,
//! some with batches that take many chunks, some producers going away while they wait. Everybody
//! gets on in the end, and what is read is what was appended.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::{NodeId, PartitionIndex, Random, TopicPartition, Uuid};
use reactor::sim::{Faults, NodeOptions, World};
use reactor::{First, first};

use super::model::{DIR, Model, append, read_all};
use super::seeds;
use crate::{DataDir, Engine, JournalLimits, Log, LogConfig, Planted};

const LOGS: usize = 120;
const BATCHES: usize = 12;
const LIMIT: Duration = Duration::from_secs(3600);

#[test]
fn many_logs_share_little_memory() {
    for seed in seeds(1..=12) {
        println!("seed {seed}");
        let mut world = World::new(seed);
        world.set_faults(Faults::slow(seed));
        let mut options = NodeOptions::numbered(1);
        // 64 blocks for 120 logs.
        options.chunks_bytes_max = 256 << 10;
        let node = world.add_node(options);
        let appended = world.run_process(node, LIMIT, move |core| live(core, seed));
        let appended = appended.expect("nobody waits for ever");
        assert!(appended > LOGS * BATCHES / 2, "only {appended} batches");
    }
}

async fn live(core: reactor::Core, seed: u64) -> usize {
    let mut random = Random::new(seed);
    let path = Path::new(DIR);
    let dir = DataDir::open(&core, path, NodeId(1), "a-cluster");
    let dir = dir.await.unwrap();
    let engine = Engine::start(&core, dir.path(), Planted::default());
    if random.chance(1, 2) {
        engine.set_journal_limits(JournalLimits::OFF);
    }
    let (busy, appended) = (Rc::new(Cell::new(LOGS)), Rc::new(Cell::new(0)));
    let logs = Rc::new(RefCell::new(Vec::new()));
    for number in 0..LOGS {
        let partition = TopicPartition {
            topic: "crowd".to_owned(),
            partition: PartitionIndex(i32::try_from(number).unwrap()),
        };
        let config = LogConfig {
            segment_bytes: 200_000,
            ..LogConfig::default()
        };
        let log = Log::create(&engine, partition, Uuid(77), config, None);
        let log = log.await.unwrap();
        let (busy, appended) = (Rc::clone(&busy), Rc::clone(&appended));
        let logs = Rc::clone(&logs);
        let random = Random::salted(seed, number as u64);
        core.spawn(async move {
            let model = fill(&log, random).await;
            appended.set(appended.get() + model.batches.len());
            logs.borrow_mut().push((log, model));
            busy.set(busy.get() - 1);
        });
    }
    while busy.get() > 0 {
        core.sleep(Duration::from_millis(10)).await;
        let used = engine.chunks().used();
        assert!(used <= engine.chunks().limit(), "{used} bytes are lent");
    }
    for (log, model) in logs.take() {
        log.flush().await.unwrap();
        assert_eq!(read_all(&log).await.unwrap(), model.bytes_from(0, i64::MAX));
        log.close().await.unwrap();
    }
    engine.stop();
    appended.get()
}

async fn fill(log: &Log, mut random: Random) -> Model {
    let core = log.engine().core().clone();
    let mut model = Model::default();
    for step in 0..BATCHES {
        // Half of the budget is the most that one batch may take.
        let size = if random.chance(1, 8) { 90_000 } else { 900 };
        let (sent, batch) = model.random_batch(&mut random, size, step as i64);
        let patience = Duration::from_micros(random.below(20_000));
        if random.chance(1, 6) {
            let append = append(log, &sent, &batch);
            match first(append, core.sleep(patience)).await {
                First::Left(done) => done.unwrap(),
                First::Right(()) => continue,
            }
        } else {
            append(log, &sent, &batch).await.unwrap();
        }
        model.batches.push(batch);
        if random.chance(1, 3) {
            core.sleep(patience).await;
        }
    }
    model
}
