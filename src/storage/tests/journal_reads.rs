//! The story: a log was idle and gave its memory back; what comes now is in memory from the last
//! block on and in the journal, and its segment has nothing of it yet. Somebody reads it from an
//! offset where nobody has stopped before, or asks about its times: the way there leads through the
//! file, which ends too early.

use std::path::Path;
use std::time::Duration;

use base::{NodeId, Random, Uuid};
use reactor::Core;
use reactor::sim::{NodeOptions, World};

use super::model::{DIR, Model, append, check_read, check_times, partition, read_all};
use super::seeds;
use crate::{DataDir, Engine, JournalLimits, Log, LogConfig, Planted};

const LIMIT: Duration = Duration::from_secs(600);

async fn trickle(core: Core, seed: u64) {
    let random = &mut Random::new(seed);
    let dir = DataDir::open(&core, Path::new(DIR), NodeId(1), "a-cluster").await;
    let dir = dir.unwrap();
    let engine = Engine::start(&core, dir.path(), Planted::default());
    engine.set_journal_limits(JournalLimits {
        lanes_min: 1,
        age_max: Duration::from_secs(3600),
        ..JournalLimits::default()
    });
    let config = LogConfig::default();
    let log = Log::create(&engine, partition(), Uuid(77), config, None).await;
    let (log, mut model) = (log.unwrap(), Model::default());
    let mut clock = 1_000_000;
    for round in 0..6 {
        for _ in 0..1 + random.below(12) {
            let (sent, batch) = model.random_batch(random, 900, clock);
            append(&log, &sent, &batch).await.unwrap();
            model.batches.push(batch);
            log.flush().await.unwrap();
            clock += 30;
        }
        let settled = log.checkpoint().recovery_point;
        assert!(
            round == 0 || settled < log.durable_end(),
            "the journal alone has the last batch"
        );
        for _ in 0..20 {
            let of = usize::try_from(random.below(model.batches.len() as u64)).unwrap();
            let bound = model.batches[of].next;
            check_read(&log, &model, random, bound).await;
            check_times(&log, &model, random, clock, bound).await;
        }
        let all = model.bytes_from(0, model.end());
        assert_eq!(read_all(&log).await.unwrap(), all, "seed {seed}");
        // Paid, so that the memory can go; the journal is there from the first time on.
        log.write_back().await.unwrap();
        core.sleep(Duration::from_secs(15)).await;
        assert_eq!(log.memory(), 0, "an idle log needs no memory");
    }
    assert!(engine.counters().journal_frames.get() > 0);
}

#[test]
fn what_only_the_journal_has_is_read_from_anywhere() {
    for seed in seeds(1..=30) {
        let mut world = World::new(seed);
        let node = world.add_node(NodeOptions::numbered(1));
        let done = world.run_process(node, LIMIT, move |core| trickle(core, seed));
        assert_eq!(done, Some(()), "seed {seed}: it ends");
    }
}
