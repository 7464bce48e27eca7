//! Checkpoints are by name, and names come back: whatever was written down of a log that is gone is
//! never held against the one that was made again under its name, nor what was written down of a
//! log's end that was cut against what came there since.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use base::{NodeId, Offset, PartitionIndex, Random, TopicPartition, Uuid};
use reactor::Core;
use reactor::sim::{Faults, Node, NodeOptions, World};

use super::model::{Model, Opened, Seen, append, open_at, open_found, partition, read_all};
use super::seeds;
use crate::layout;
use crate::{DataDir, Engine, FutureLog, Log, LogConfig, OpenLog, Planted, StorageError};

const ONE: &str = "/disks/one";
const TWO: &str = "/disks/two";
const LOGS: usize = 4;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 15_000,
        file_delete_delay: Duration::from_millis(10),
        ..LogConfig::default()
    }
}

fn name(log: usize) -> TopicPartition {
    TopicPartition {
        topic: "again".to_owned(),
        partition: PartitionIndex(i32::try_from(log).unwrap()),
    }
}

/// As the broker writes checkpoints.
async fn checkpoint(dir: &DataDir, engine: &Engine) -> Result<(), StorageError> {
    let names = engine.logs().into_iter();
    engine.note_spoken(&dir.speak_of(names.map(|log| log.partition().clone())));
    dir.write_checkpoints(&engine.begin_checkpoints()).await?;
    engine.end_checkpoints(&dir.spoken_of());
    Ok(())
}

/// What is known of one log outside of the node.
#[derive(Default)]
struct Known {
    model: Model,
    /// The greatest start that a caller was told, and that anyone asked for.
    told: i64,
    asked: i64,
    /// Its topic was deleted: what is left of it goes.
    is_gone: bool,
}

/// What a run did, so that a test can tell that it did something.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    made: u32,
    removed_unopened: u32,
    cuts: u32,
    checkpoints: u32,
    failed: u32,
}

#[derive(Default)]
struct Outside {
    /// By topic id.
    known: BTreeMap<u128, Known>,
    /// The ids of the logs that were promised.
    there: BTreeMap<usize, u128>,
    mistakes: Vec<String>,
    recovered: u32,
    sums: Sums,
}

type Shared = Rc<RefCell<Outside>>;

/// One life of the node.
struct Life {
    core: Core,
    dir: Rc<DataDir>,
    engine: Engine,
    shared: Shared,
    open: BTreeMap<usize, Log>,
}

async fn live(core: Core, shared: Shared, opens_all: bool) {
    let mut random = Random::new(core.entropy());
    let dir = match DataDir::open(&core, Path::new(ONE), NodeId(1), "a-cluster").await {
        Ok(dir) => Rc::new(dir),
        Err(error) => return shared.borrow_mut().mistakes.push(error.to_string()),
    };
    let engine = Engine::start(&core, dir.path(), Planted::default());
    engine.note_spoken(&dir.spoken_of());
    let mut life = Life {
        core: core.clone(),
        dir: Rc::clone(&dir),
        engine,
        shared: Rc::clone(&shared),
        open: BTreeMap::new(),
    };
    let pace = Random::new(core.entropy());
    core.spawn(checkpoint_for_ever(life.weakly(), pace));
    if let Err(mistake) = life.open_found(&mut random, opens_all).await {
        return shared.borrow_mut().mistakes.push(mistake);
    }
    shared.borrow_mut().recovered += 1;
    // The node ends, in whatever way: an error is the end of this life.
    while life.step(&mut random).await.is_ok() {
        core.sleep(Duration::from_micros(random.below(3_000))).await;
    }
}

async fn checkpoint_for_ever(life: Life, mut random: Random) {
    loop {
        let pause = Duration::from_micros(random.below(30_000));
        life.core.sleep(pause).await;
        let written = checkpoint(&life.dir, &life.engine).await;
        let sums = &mut life.shared.borrow_mut().sums;
        sums.checkpoints += 1;
        sums.failed += u32::from(written.is_err());
    }
}

impl Life {
    /// The same life for a task that opens nothing.
    fn weakly(&self) -> Self {
        Self {
            core: self.core.clone(),
            dir: Rc::clone(&self.dir),
            engine: self.engine.clone(),
            shared: Rc::clone(&self.shared),
            open: BTreeMap::new(),
        }
    }

    /// Opens the logs that are there, or some of them.
    async fn open_found(&mut self, random: &mut Random, opens_all: bool) -> Result<(), String> {
        let mut there = BTreeMap::new();
        for found in self.dir.logs() {
            let log = usize::try_from(found.partition.partition.0).unwrap();
            let id = Log::topic_id(&self.core, self.dir.path(), &found.partition).await;
            let id = id.map_err(|error| error.to_string())?.0;
            if self.is_gone(id) {
                let removed = self.take_away(log).await;
                removed.map_err(|error| error.to_string())?;
                continue;
            }
            there.insert(log, id);
            if opens_all || random.chance(2, 3) {
                let opened = open_found(&self.engine, &self.dir, found, config()).await;
                let (opened, _) = opened.map_err(|error| format!("log {log}: {error}"))?;
                self.compare(&opened, id).await?;
                self.open.insert(log, opened);
            }
        }
        let mut outside = self.shared.borrow_mut();
        for (log, id) in &outside.there {
            if there.get(log) != Some(id) {
                return Err(format!("log {log}: {id} was promised"));
            }
        }
        outside.there = there;
        Ok(())
    }

    /// What is there is what was appended to this very log, with all that was acknowledged.
    async fn compare(&self, log: &Log, id: u128) -> Result<(), String> {
        let (start, end) = (log.log_start().0, log.log_end().0);
        let bytes = read_all(log).await.map_err(|error| error.to_string())?;
        let mut outside = self.shared.borrow_mut();
        let name = log.partition().clone();
        let Some(known) = outside.known.get_mut(&id) else {
            return Err(format!("{name}: {id} was never made"));
        };
        let (told, asked, acked) = (known.told, known.asked, known.model.acked);
        if start < told || start > asked || end < acked {
            return Err(format!(
                "{name}: from {start} to {end}, told {told}, asked {asked}, acknowledged {acked}"
            ));
        }
        if bytes != known.model.bytes_from(start, end) {
            return Err(format!("{name}: other bytes from {start} to {end}"));
        }
        (known.told, known.asked, known.model.log_start) = (start, start, start);
        known.model.batches.retain(|batch| batch.next <= end);
        known.model.acked = end;
        Ok(())
    }

    /// One thing happens to one of the logs.
    async fn step(&mut self, random: &mut Random) -> Result<(), StorageError> {
        let log = usize::try_from(random.below(LOGS as u64)).unwrap();
        let there = self.shared.borrow().there.get(&log).copied();
        let Some(id) = there else {
            return self.make(log).await;
        };
        let Some(opened) = self.open.get(&log).cloned() else {
            if random.chance(1, 4) {
                self.note_gone(log, id);
                self.take_away(log).await?;
                self.shared.borrow_mut().sums.removed_unopened += 1;
            }
            return Ok(());
        };
        match random.below(12) {
            0 => {
                self.note_gone(log, id);
                self.open.remove(&log);
                opened.remove().await
            }
            1 => self.shrink(&opened, id, random).await,
            2 => self.cut(&opened, id, random).await,
            _ => self.grow(&opened, id, random).await,
        }
    }

    fn is_gone(&self, id: u128) -> bool {
        let outside = self.shared.borrow();
        outside.known.get(&id).is_none_or(|known| known.is_gone)
    }

    fn note_gone(&self, log: usize, id: u128) {
        let outside = &mut *self.shared.borrow_mut();
        outside.there.remove(&log);
        outside.known.get_mut(&id).unwrap().is_gone = true;
    }

    /// Removes what a deleted topic left and nobody has opened, as the broker does.
    async fn take_away(&self, log: usize) -> Result<(), StorageError> {
        let place = self.dir.path().join(name(log).to_string());
        self.core.remove_dir_all(&place).await?;
        Ok(self.core.sync_dir(self.dir.path()).await?)
    }

    async fn make(&mut self, log: usize) -> Result<(), StorageError> {
        let id = u128::from(self.core.entropy());
        self.shared.borrow_mut().known.insert(id, Known::default());
        let made = Log::create(&self.engine, name(log), Uuid(id), config(), None).await?;
        self.open.insert(log, made.clone());
        let outside = &mut *self.shared.borrow_mut();
        outside.there.insert(log, id);
        outside.sums.made += 1;
        Ok(())
    }

    async fn grow(&self, log: &Log, id: u128, random: &mut Random) -> Result<(), StorageError> {
        for _ in 0..=random.below(4) {
            let outside = &self.shared;
            let (sent, batch) = outside.borrow().known[&id]
                .model
                .random_batch(random, 4_000, 1_000);
            append(log, &sent, &batch).await?;
            let mut outside = outside.borrow_mut();
            outside
                .known
                .get_mut(&id)
                .unwrap()
                .model
                .batches
                .push(batch);
        }
        log.flush().await?;
        let model = &mut self.shared.borrow_mut().known;
        let model = &mut model.get_mut(&id).unwrap().model;
        model.acked = model.end();
        Ok(())
    }

    async fn shrink(&self, log: &Log, id: u128, random: &mut Random) -> Result<(), StorageError> {
        let span = u64::try_from(log.log_end().0 - log.log_start().0).unwrap();
        let by = i64::try_from(random.below(span + 1)).unwrap();
        let to = log.log_start().plus(by);
        let note = |change: fn(&mut Known, i64)| {
            let known = &mut self.shared.borrow_mut().known;
            change(known.get_mut(&id).unwrap(), to.0);
        };
        note(|known, to| known.asked = to);
        log.advance_log_start(to).await?;
        note(|known, to| known.told = to);
        Ok(())
    }
}

impl Life {
    /// The log's end goes, as where another leader knows better.
    async fn cut(&self, log: &Log, id: u128, random: &mut Random) -> Result<(), StorageError> {
        let span = u64::try_from(log.log_end().0 - log.log_start().0).unwrap();
        let to = log
            .log_start()
            .plus(i64::try_from(random.below(span + 1)).unwrap());
        let change = |change: &dyn Fn(&mut Known)| {
            let known = &mut self.shared.borrow_mut().known;
            change(known.get_mut(&id).unwrap());
        };
        change(&|known| {
            // The batch that holds it goes in one piece.
            let kept = known
                .model
                .batches
                .iter()
                .filter(|batch| batch.next <= to.0);
            let end = kept.map(|batch| batch.next).max().unwrap_or(0);
            known.model.acked = known.model.acked.min(end);
            known.told = known.told.min(end);
        });
        let end = log.truncate_to(to).await?.0;
        change(&|known| {
            known.model.batches.retain(|batch| batch.next <= end);
            known.model.log_start = known.model.log_start.min(end);
            known.model.acked = end;
        });
        self.shared.borrow_mut().sums.cuts += 1;
        assert_eq!(log.log_end().0, self.shared.borrow().known[&id].model.end());
        Ok(())
    }
}

fn run(seed: u64) -> (Vec<String>, Sums) {
    let mut random = Random::salted(seed, 91);
    let mut world = World::new(seed);
    let node = world.add_node(NodeOptions::numbered(1));
    world.set_faults(Faults::slow(seed));
    let shared = Shared::default();
    let wait = |random: &mut Random, micros| {
        world.run_for(Duration::from_micros(random.below(micros)));
    };
    for _ in 0..6 {
        let inner = Rc::clone(&shared);
        world.start(node, 1, move |core| live(core, Rc::clone(&inner), false));
        let before = shared.borrow().recovered;
        wait(&mut random, 200_000);
        if shared.borrow().recovered > before && random.chance(1, 2) {
            let files = [layout::RECOVERY_POINTS_FILE, layout::LOG_STARTS_FILE];
            let file = files[usize::try_from(random.below(2)).unwrap()];
            world.fail_dir(node, &Path::new(ONE).join(file));
            wait(&mut random, 150_000);
            if random.chance(1, 2) {
                world.heal_dirs(node);
                wait(&mut random, 50_000);
            }
        }
        if random.chance(1, 2) {
            world.kill(node);
        } else {
            world.power_cut(node);
        }
        world.heal_dirs(node);
    }
    world.set_faults(Faults::none());
    let before = shared.borrow().recovered;
    let inner = Rc::clone(&shared);
    world.start(node, 1, move |core| live(core, Rc::clone(&inner), true));
    let is_done = || {
        let outside = shared.borrow();
        outside.recovered > before || !outside.mistakes.is_empty()
    };
    let is_done = world.run_until(is_done, Duration::from_secs(60));
    drop(world);
    let Outside {
        mut mistakes, sums, ..
    } = shared.take();
    if !is_done {
        mistakes.push("recovery does not end".to_owned());
    }
    (mistakes, sums)
}

/// The story: topics are deleted and made again all the time, opened or not; their ends are cut; the
/// checkpoints are written now and then, or only some of them, or none; and the machine dies.
#[test]
fn a_log_made_again_is_not_taken_for_the_old_one() {
    let mut all = Sums::default();
    for seed in seeds(1..=150) {
        let (mistakes, sums) = run(seed);
        assert!(mistakes.is_empty(), "seed {seed}: {mistakes:?}");
        all.made += sums.made;
        all.removed_unopened += sums.removed_unopened;
        all.cuts += sums.cuts;
        all.checkpoints += sums.checkpoints;
        all.failed += sums.failed;
    }
    println!("{all:?}");
    let did = [all.made, all.removed_unopened, all.cuts, all.failed];
    assert!(did.iter().all(|count| *count > 0), "{all:?}");
}

fn world(seed: u64) -> (World, Node) {
    let mut world = World::new(seed);
    let node = world.add_node(NodeOptions::numbered(1));
    (world, node)
}

async fn fill(log: &Log, model: &mut Model, random: &mut Random, count: u64) {
    for _ in 0..count {
        let (sent, batch) = model.random_batch(random, 3_000, 1_000);
        append(log, &sent, &batch).await.unwrap();
        model.batches.push(batch);
    }
    log.flush().await.unwrap();
}

/// The story: a topic is deleted in one directory and made again in another one, from where it moves
/// to where the old one was. There, nobody has written checkpoints since.
#[test]
fn a_log_that_moves_to_where_an_old_one_was_is_not_taken_for_it() {
    let limit = Duration::from_secs(600);
    for seed in seeds(1..=20) {
        let (world, node) = world(seed);
        let mut random = Random::salted(seed, 92);
        let done = world.run_process(node, limit, |core| async move {
            let old = open_at(&core, Path::new(TWO), config(), Planted::default()).await;
            let old = old.unwrap();
            fill(&old.log, &mut Model::default(), &mut random, 60).await;
            let start = Offset(Random::new(seed).next_u64().cast_signed().rem_euclid(50));
            old.log.advance_log_start(start).await.unwrap();
            checkpoint(&old.dir, &old.engine).await.unwrap();
        });
        assert!(done.is_some(), "seed {seed}");
        let model = world.run_process(node, limit, |core| move_there(core, seed));
        let model = model.unwrap_or_else(|| panic!("seed {seed}: the move does not end"));
        let done = world.run_process(node, limit, move |core| async move {
            let opened = open_at(&core, Path::new(TWO), config(), Planted::default()).await;
            let Opened {
                dir, engine, log, ..
            } = opened.unwrap();
            assert_eq!((log.log_start().0, log.log_end().0), (0, model.end()));
            let bytes = read_all(&log).await.unwrap();
            assert!(bytes == model.bytes_from(0, i64::MAX), "seed {seed}");
            checkpoint(&dir, &engine).await.unwrap();
            core.sleep(Duration::from_secs(1)).await;
        });
        assert!(done.is_some(), "seed {seed}");
        assert!(world.peek(node, &mark()).is_none(), "it is believed again");
    }
}

fn mark() -> PathBuf {
    let log = Path::new(TWO).join(partition().to_string());
    log.join(layout::FRESH_FILE)
}

async fn move_there(core: Core, seed: u64) -> Model {
    let mut random = Random::salted(seed, 93);
    let dir = DataDir::open(&core, Path::new(TWO), NodeId(1), "a-cluster").await;
    let dir = dir.unwrap();
    let to = Engine::start(&core, dir.path(), Planted::default());
    to.note_spoken(&dir.spoken_of());
    let old = dir.path().join(partition().to_string());
    core.remove_dir_all(&old).await.unwrap();
    core.sync_dir(dir.path()).await.unwrap();
    let from = open_at(&core, Path::new(ONE), config(), Planted::default()).await;
    let from = from.unwrap();
    let mut model = Model::default();
    let count = 1 + random.below(40);
    fill(&from.log, &mut model, &mut random, count).await;
    let future = FutureLog::begin(&to, &from.log, Uuid(78)).await.unwrap();
    let held = from.log.hold().await.unwrap();
    let found = future.finish(&held, "0\n0\n", b"").await.unwrap();
    from.log.give_up(held).await;
    from.log.remove_files().await.unwrap();
    let open = OpenLog {
        partition: found.partition.clone(),
        config: config(),
        recovery_point: found.recovery_point,
        log_start: found.log_start,
        clean: true,
    };
    let opened = Log::open(&to, &open, &mut Seen::default()).await;
    fill(&opened.unwrap().0, &mut model, &mut random, 2).await;
    model
}
