//! A log that moved to another directory is the log it was: bytes, offsets, start, and what is
//! known beside them; also when the power fails right after, and when its beginning went meanwhile.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::{NodeId, Offset, Random, Uuid};
use reactor::Core;
use reactor::sim::{Faults, NodeOptions, World};

use super::model::{Model, Opened, Seen, append, open_at, partition, read_all};
use super::seeds;
use crate::{DataDir, Engine, FutureLog, Log, LogConfig, OpenLog, Planted};

const ONE: &str = "/disks/one";
const TWO: &str = "/disks/two";
const EPOCHS: &str = "0\n1\n3 0\n";

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 20_000,
        ..LogConfig::default()
    }
}

async fn grow(log: &Log, model: &mut Model, random: &mut Random, count: u64) {
    for _ in 0..count {
        let (sent, batch) = model.random_batch(random, 3_000, 1_000);
        append(log, &sent, &batch).await.unwrap();
        model.batches.push(batch);
    }
    log.flush().await.unwrap();
    model.acked = model.end();
}

/// Lets go of some of the beginning, or of everything.
async fn shrink(log: &Log, model: &mut Model, random: &mut Random) {
    let span = u64::try_from(model.end() - log.log_start().0).unwrap();
    let keep_none = random.chance(1, 6);
    let by = if keep_none {
        log.roll_at(log.log_end()).await.unwrap();
        span
    } else {
        random.below(span + 1)
    };
    let start = Offset(log.log_start().0 + i64::try_from(by).unwrap());
    log.advance_log_start(start).await.unwrap();
    model.log_start = start.0;
}

/// What lies in the second directory is what the model says.
async fn compare(log: &Log, model: &Model) {
    assert_eq!(log.log_start().0, model.log_start);
    assert_eq!(log.log_end().0, model.end());
    let bytes = read_all(log).await.unwrap();
    assert_eq!(bytes, model.bytes_from(model.log_start, model.end()));
    assert_eq!(log.read_epochs().await.unwrap().as_deref(), Some(EPOCHS));
}

async fn move_log(core: Core, shared: Rc<RefCell<Option<Model>>>, seed: u64) {
    let mut random = Random::salted(seed, 0xF7);
    let mut model = Model::default();
    let from: Opened = open_at(&core, Path::new(ONE), config(), Planted::default())
        .await
        .unwrap();
    let count = random.below(40);
    grow(&from.log, &mut model, &mut random, count).await;
    if random.chance(1, 2) {
        shrink(&from.log, &mut model, &mut random).await;
    }
    let dir = DataDir::open(&core, Path::new(TWO), NodeId(1), "a-cluster").await;
    let dir = dir.unwrap();
    let to = Engine::start(&core, dir.path(), Planted::default());
    let mut future = FutureLog::begin(&to, &from.log, Uuid(77)).await.unwrap();
    for _ in 0..random.below(10) {
        let bytes_max = 1 + random.below(30_000);
        future
            .copy(usize::try_from(bytes_max).unwrap())
            .await
            .unwrap();
        grow(&from.log, &mut model, &mut random, 1).await;
        if random.chance(1, 5) {
            shrink(&from.log, &mut model, &mut random).await;
        }
    }
    let held = from.log.hold().await.unwrap();
    let found = future.finish(&held, EPOCHS, b"producers").await.unwrap();
    from.log.give_up(held).await;
    from.log.remove_files().await.unwrap();
    assert!(from.engine.offline().is_none() && to.offline().is_none());
    let open = OpenLog {
        partition: found.partition.clone(),
        config: config(),
        recovery_point: found.recovery_point,
        log_start: found.log_start,
        clean: true,
    };
    let mut seen = Seen::default();
    let (log, report) = Log::open(&to, &open, &mut seen).await.unwrap();
    assert_eq!(report.torn_tail, None);
    assert_eq!(seen.snapshot.unwrap().1, b"producers");
    compare(&log, &model).await;
    let more = random.below(5);
    grow(&log, &mut model, &mut random, more).await;
    compare(&log, &model).await;
    let left = core.list(Path::new(ONE)).await.unwrap();
    assert!(
        left.iter()
            .all(|entry| entry.name != partition().to_string())
    );
    *shared.borrow_mut() = Some(model);
}

#[test]
fn a_copy_is_the_log() {
    for seed in seeds(1..=60) {
        let mut world = World::new(seed);
        world.set_faults(Faults::slow(seed));
        let node = world.add_node(NodeOptions::numbered(1));
        let shared = Rc::new(RefCell::new(None));
        let told = Rc::clone(&shared);
        world.start(node, 1, move |core| move_log(core, Rc::clone(&told), seed));
        let done = world.run_until(|| shared.borrow().is_some(), Duration::from_secs(600));
        assert!(done, "seed {seed}: the move does not end");
        world.power_cut(node);
        let model = shared.borrow().clone().unwrap();
        let checked = Rc::new(RefCell::new(false));
        let noted = Rc::clone(&checked);
        world.start(node, 1, move |core| {
            let (noted, model) = (Rc::clone(&noted), model.clone());
            async move {
                let path = Path::new(TWO);
                let opened = open_at(&core, path, config(), Planted::default()).await;
                compare(&opened.unwrap().log, &model).await;
                *noted.borrow_mut() = true;
            }
        });
        let done = world.run_until(|| *checked.borrow(), Duration::from_secs(600));
        assert!(done, "seed {seed}: the log cannot be opened");
    }
}

/// The story: the power fails while a copy grows. The next start removes it, says whose it was,
/// and takes it for no log.
#[test]
fn a_copy_that_is_not_finished_is_removed() {
    for seed in seeds(1..=20) {
        let mut world = World::new(seed);
        let node = world.add_node(NodeOptions::numbered(1));
        let begun = Rc::new(RefCell::new(false));
        let noted = Rc::clone(&begun);
        world.start(node, 1, move |core| {
            let noted = Rc::clone(&noted);
            async move {
                let mut random = Random::new(seed);
                let mut model = Model::default();
                let path = Path::new(ONE);
                let from = open_at(&core, path, config(), Planted::default()).await;
                let from = from.unwrap();
                grow(&from.log, &mut model, &mut random, 20).await;
                let dir = DataDir::open(&core, Path::new(TWO), NodeId(1), "a-cluster").await;
                let dir = dir.unwrap();
                let to = Engine::start(&core, dir.path(), Planted::default());
                let mut future = FutureLog::begin(&to, &from.log, Uuid(77)).await.unwrap();
                future.copy(10_000).await.unwrap();
                *noted.borrow_mut() = true;
                core.sleep(Duration::from_secs(1)).await;
            }
        });
        assert!(world.run_until(|| *begun.borrow(), Duration::from_secs(60)));
        world.power_cut(node);
        let checked = Rc::new(RefCell::new(false));
        let noted = Rc::clone(&checked);
        world.start(node, 1, move |core| {
            let noted = Rc::clone(&noted);
            async move {
                let dir = DataDir::open(&core, Path::new(TWO), NodeId(1), "a-cluster").await;
                let dir = dir.unwrap();
                assert!(dir.logs().is_empty());
                assert_eq!(dir.futures(), [partition()]);
                let left = core.list(Path::new(TWO)).await.unwrap();
                assert!(left.iter().all(|entry| !entry.name.contains("orders")));
                *noted.borrow_mut() = true;
            }
        });
        assert!(world.run_until(|| *checked.borrow(), Duration::from_secs(60)));
    }
}
