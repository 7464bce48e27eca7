//! The story: many logs trickle on several cores, the journal takes it all, and the machine dies all
//! the time. Logs are cut, removed, made anew, left alone for whole lives and opened by another
//! core than the one before; halves of the journal are so small that they turn over all the time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::{NodeId, Offset, Random, TopicPartition, Uuid};
use reactor::Core;
use reactor::sim::{Faults, Node, NodeOptions, World};

use super::model::{DIR, Model, append, read_all, trickling};
use super::seeds;
use crate::{
    DataDir, Engine, FoundLog, JournalLimits, Log, LogCheckpoint, LogConfig, OpenLog, Planted,
    RecoveryVisitor, StorageError,
};

const LOGS: usize = 20;
const TOPIC: Uuid = Uuid(77);

/// What is known of one log outside of the node.
#[derive(Default)]
struct Known {
    model: Model,
    /// It is being removed, or was, and not made again.
    may_be_gone: bool,
    /// The recovery point that may be in the checkpoints: nothing is cut below it here.
    point: i64,
    /// Then checkpoints leave it out.
    is_being_cut: bool,
}

/// What a run did, so that a test can tell that it did something.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    frames: u64,
    restored: u64,
    write_backs: u64,
    cuts: u64,
    removals: u64,
    stops: u64,
}

#[derive(Default)]
struct Outside {
    logs: Vec<RefCell<Known>>,
    mistakes: RefCell<Vec<String>>,
    sums: RefCell<Sums>,
    /// What the directory had, once it is open.
    found: RefCell<Option<BTreeMap<TopicPartition, FoundLog>>>,
    was_clean: Cell<bool>,
    engines: RefCell<Vec<Engine>>,
    /// How many cores have opened what they found, and how many have closed it.
    cores_up: Cell<u16>,
    cores_down: Cell<u16>,
    /// The checkpoints name no log that is gone.
    is_checkpointed: Cell<bool>,
    /// What is known of the logs that were closed.
    closed: RefCell<BTreeMap<TopicPartition, LogCheckpoint>>,
    stopping: Cell<bool>,
    /// Every log is to be opened.
    opens_all: Cell<bool>,
}

impl Outside {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            logs: (0..LOGS).map(|_| RefCell::default()).collect(),
            ..Self::default()
        })
    }

    fn mistake(&self, text: String) {
        self.mistakes.borrow_mut().push(text);
    }

    /// Another process begins.
    fn forget_life(&self) {
        *self.found.borrow_mut() = None;
        self.engines.borrow_mut().clear();
        self.cores_up.set(0);
        self.cores_down.set(0);
        self.is_checkpointed.set(false);
        self.closed.borrow_mut().clear();
        self.stopping.set(false);
    }
}

struct Nobody;

impl RecoveryVisitor for Nobody {
    fn load_snapshot(&mut self, _: Offset, _: &[u8]) -> bool {
        true
    }
    fn replay(&mut self, _: &batch::BatchView<'_>) {}
    fn progress(&mut self, _: u64, _: u64) {}
}

/// A journal that is used at once and turns over all the time.
fn limits(random: &mut Random) -> JournalLimits {
    JournalLimits {
        lanes_min: usize::try_from(1 + random.below(4)).unwrap(),
        entry_bytes_max: 1 << (10 + random.below(3)),
        behind_bytes_max: 4_000 + random.below(10_000),
        file_bytes: (32 << 10) << random.below(3),
        age_max: Duration::from_millis(50 + random.below(3_000)),
    }
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 20_000,
        ..LogConfig::default()
    }
}

/// One core of one life.
async fn live(core: Core, outside: Rc<Outside>, cores: u16, planted: Planted) {
    let mut random = Random::new(core.entropy());
    let engine = Engine::start(&core, Path::new(DIR), planted);
    engine.set_journal_limits(limits(&mut random));
    outside.engines.borrow_mut().push(engine.clone());
    let dir = match core.id().0 {
        0 => match DataDir::open(&core, Path::new(DIR), NodeId(1), "a-cluster").await {
            Ok(dir) => Some(publish(dir, &outside)),
            Err(error) => return outside.mistake(format!("no start: {error}")),
        },
        _ => None,
    };
    while outside.found.borrow().is_none() {
        core.sleep(Duration::from_micros(100)).await;
    }
    let Some(open) = open_logs(&engine, &outside, cores, (&mut random, dir.as_ref())).await else {
        return;
    };
    let busy = Rc::new(Cell::new(open.len()));
    let logs = Rc::new(RefCell::new(BTreeMap::new()));
    for (number, log) in open {
        logs.borrow_mut().insert(number, log.clone());
        let (outside, busy, logs) = (Rc::clone(&outside), Rc::clone(&busy), Rc::clone(&logs));
        core.spawn(async move {
            if let Err(error) = trickle(&log, number, &outside, &logs).await {
                outside.mistake(format!("log {number}: {error}"));
            }
            busy.set(busy.get() - 1);
        });
    }
    if let Some(dir) = &dir {
        while !outside.stopping.get() {
            core.sleep(Duration::from_millis(20)).await;
            checkpoint(dir, &outside).await;
        }
    }
    while busy.get() > 0 || !outside.stopping.get() {
        core.sleep(Duration::from_millis(1)).await;
    }
    let logs: Vec<Log> = logs.borrow().values().cloned().collect();
    for log in logs {
        log.close().await.unwrap();
        let mut closed = outside.closed.borrow_mut();
        closed.insert(log.partition().clone(), log.checkpoint());
    }
    engine.stop();
    outside.cores_down.set(outside.cores_down.get() + 1);
    if let Some(dir) = dir {
        while outside.cores_down.get() < cores {
            core.sleep(Duration::from_millis(1)).await;
        }
        let closed = outside.closed.borrow().clone();
        dir.close_in_order(&closed).await.unwrap();
        outside.sums.borrow_mut().stops += 1;
    }
}

/// Tells the other cores what the directory has.
fn publish(dir: DataDir, outside: &Outside) -> DataDir {
    let report = dir.journal();
    assert!(report.damaged.is_empty(), "{report:?}");
    outside.sums.borrow_mut().restored += report.batches;
    outside.was_clean.set(dir.was_clean());
    let logs = dir.logs().iter();
    let found = logs
        .map(|log| (log.partition.clone(), log.clone()))
        .collect();
    *outside.found.borrow_mut() = Some(found);
    dir
}

/// As the broker writes checkpoints, of all cores' logs.
async fn checkpoint(dir: &DataDir, outside: &Outside) {
    let engines = outside.engines.borrow().clone();
    let logs = engines.iter().flat_map(Engine::logs);
    let names = dir.speak_of(logs.map(|log| log.partition().clone()));
    engines.iter().for_each(|engine| engine.note_spoken(&names));
    let points = engines.iter().flat_map(Engine::begin_checkpoints);
    let mut points: BTreeMap<_, _> = points.collect();
    points.retain(|log, point| {
        let log = usize::try_from(log.partition.0).unwrap();
        let mut known = outside.logs[log].borrow_mut();
        if !known.is_being_cut {
            known.point = known.point.max(point.recovery_point.0);
        }
        !known.is_being_cut
    });
    dir.write_checkpoints(&points).await.unwrap();
    let names = dir.spoken_of();
    engines
        .iter()
        .for_each(|engine| engine.end_checkpoints(&names));
}

/// Opens this core's logs, or some of them, and makes those that are not there.
async fn open_logs(
    engine: &Engine,
    outside: &Outside,
    cores: u16,
    (random, dir): (&mut Random, Option<&DataDir>),
) -> Option<Vec<(usize, Log)>> {
    let core = engine.core();
    let found = outside.found.borrow().clone()?;
    let own = |log: &usize| log % usize::from(cores) == usize::from(core.id().0);
    let leaves_out = random.chance(1, 2);
    let (mut open, mut missing) = (Vec::new(), Vec::new());
    for log in (0..LOGS).filter(own) {
        let Some(found) = found.get(&trickling(log)) else {
            missing.push(log);
            continue;
        };
        if !outside.opens_all.get() && leaves_out && random.chance(1, 5) {
            // Perhaps in a later life.
            continue;
        }
        match open_log(engine, outside, log, found).await {
            Ok(found) => open.push((log, found)),
            Err(error) => {
                outside.mistake(format!("log {log} is not opened: {error}"));
                return None;
            }
        }
    }
    outside.cores_up.set(outside.cores_up.get() + 1);
    while !outside.is_checkpointed.get() {
        if let Some(dir) = dir.filter(|_| outside.cores_up.get() == cores) {
            checkpoint(dir, outside).await;
            outside.is_checkpointed.set(true);
        }
        core.sleep(Duration::from_micros(100)).await;
    }
    for log in missing {
        {
            let mut known = outside.logs[log].borrow_mut();
            if known.model.acked > 0 && !known.may_be_gone {
                outside.mistake(format!("log {log} is gone"));
            }
            *known = Known::default();
        }
        let made = Log::create(engine, trickling(log), TOPIC, config(), None).await;
        open.push((log, made.unwrap()));
    }
    Some(open)
}

async fn open_log(
    engine: &Engine,
    outside: &Outside,
    log: usize,
    found: &FoundLog,
) -> Result<Log, StorageError> {
    let open = OpenLog {
        partition: found.partition.clone(),
        config: config(),
        recovery_point: found.recovery_point,
        log_start: found.log_start,
        clean: outside.was_clean.get(),
    };
    let (opened, _) = Log::open(engine, &open, &mut Nobody).await?;
    compare(&opened, outside, log).await;
    Ok(opened)
}

/// What is there begins with all that was acknowledged and is a prefix of what was appended.
async fn compare(opened: &Log, outside: &Outside, log: usize) {
    let end = opened.log_end().0;
    let bytes = read_all(opened).await.unwrap();
    let mut known = outside.logs[log].borrow_mut();
    let acked = known.model.acked;
    if end < acked {
        outside.mistake(format!("log {log}: acknowledged {acked}, there is {end}"));
    }
    if bytes != known.model.bytes_from(0, end) || end > known.model.end() {
        let expected = known.model.end();
        outside.mistake(format!("log {log}: other bytes below {end} of {expected}"));
    }
    known.model.batches.retain(|batch| batch.next <= end);
    known.model.acked = end;
    known.may_be_gone = false;
    known.is_being_cut = false;
}

/// Appends a little now and then, until the node stops.
async fn trickle(
    log: &Log,
    number: usize,
    outside: &Outside,
    logs: &RefCell<BTreeMap<usize, Log>>,
) -> Result<(), StorageError> {
    let core = log.engine().core().clone();
    let mut random = Random::new(core.entropy());
    let mut log = log.clone();
    let known = &outside.logs[number];
    let pause_us_max = 1 + random.below(5_000);
    while !outside.stopping.get() {
        core.sleep(Duration::from_micros(random.below(pause_us_max)))
            .await;
        match random.below(200) {
            0 => cut(&log, known, &mut random, outside).await?,
            1 => log = make_anew(&log, known, outside).await?,
            2 => log.rest(Duration::ZERO).await?,
            3 => log.maintain(core.now(), Duration::ZERO),
            4 => log.write_back().await?,
            _ => {}
        }
        logs.borrow_mut().insert(number, log.clone());
        let bytes_max = if random.chance(1, 40) { 15_000 } else { 400 };
        let (sent, batch) = known
            .borrow()
            .model
            .random_batch(&mut random, bytes_max, 1_000);
        append(&log, &sent, &batch).await?;
        let end = batch.next;
        known.borrow_mut().model.batches.push(batch);
        if random.chance(3, 4) {
            log.wait_durable(Offset(end)).await?;
            known.borrow_mut().model.acked = end;
        }
        let settled = log.checkpoint().recovery_point;
        assert!(
            settled <= log.durable_end(),
            "recovery begins where it must"
        );
    }
    log.flush().await?;
    known.borrow_mut().model.acked = log.durable_end().0;
    Ok(())
}

async fn cut(
    log: &Log,
    known: &RefCell<Known>,
    random: &mut Random,
    outside: &Outside,
) -> Result<(), StorageError> {
    let to = {
        let known = &mut *known.borrow_mut();
        let model = &mut known.model;
        let end = u64::try_from(model.end()).unwrap();
        let to = i64::try_from(end.saturating_sub(random.below(20))).unwrap();
        let point = model.batches.iter().map(|batch| batch.base);
        let point = point.filter(|base| *base >= known.point).min();
        let to = to.max(point.unwrap_or(model.end()));
        known.is_being_cut = true;
        let base = model.batches.iter().find(|batch| batch.next > to);
        // From here on until it is done either may be there.
        model.acked = model.acked.min(base.map_or(to, |batch| batch.base));
        to
    };
    let end = log.truncate_to(Offset(to)).await?.0;
    known.borrow_mut().is_being_cut = false;
    let model = &mut known.borrow_mut().model;
    model.batches.retain(|batch| batch.next <= end);
    assert_eq!(model.end(), end);
    model.acked = end;
    outside.sums.borrow_mut().cuts += 1;
    Ok(())
}

/// Removes the log, and makes another one of the same name and the same topic, as where a partition
/// moves to another directory and back.
async fn make_anew(
    log: &Log,
    known: &RefCell<Known>,
    outside: &Outside,
) -> Result<Log, StorageError> {
    known.borrow_mut().may_be_gone = true;
    known.borrow_mut().model.acked = 0;
    log.remove().await?;
    *known.borrow_mut() = Known {
        may_be_gone: true,
        ..Known::default()
    };
    let engine = log.engine();
    let made = Log::create(engine, log.partition().clone(), TOPIC, config(), None).await?;
    known.borrow_mut().may_be_gone = false;
    outside.sums.borrow_mut().removals += 1;
    Ok(made)
}

struct Scene {
    world: World,
    node: Node,
    outside: Rc<Outside>,
    random: Random,
    planted: Planted,
}

impl Scene {
    fn new(seed: u64, planted: Planted) -> Self {
        let mut world = World::new(seed);
        let mut random = Random::salted(seed, 0x10_0041);
        let mut options = NodeOptions::numbered(1);
        // Scarce for some: then logs are written back before the journal asks for it.
        options.chunks_bytes_max = 512 << (10 + random.below(3));
        let node = world.add_node(options);
        world.set_faults(Faults::slow(seed));
        Self {
            world,
            node,
            outside: Outside::new(),
            random,
            planted,
        }
    }

    fn start(&mut self) {
        self.outside.forget_life();
        let cores = u16::try_from(1 + self.random.below(3)).unwrap();
        let (outside, planted) = (Rc::clone(&self.outside), self.planted);
        self.world.start(self.node, cores, move |core| {
            live(core, Rc::clone(&outside), cores, planted)
        });
    }

    fn run_a_life(&mut self) {
        self.start();
        let micros = match self.random.below(4) {
            0 => self.random.below(5_000),
            1 => self.random.below(50_000),
            _ => self.random.below(600_000),
        };
        self.world.run_for(Duration::from_micros(micros));
        match self.random.below(8) {
            0 => {
                self.outside.stopping.set(true);
                let node = self.node;
                let limit = [Duration::from_millis(30), Duration::from_secs(120)];
                let limit = limit[usize::try_from(self.random.below(2)).unwrap()];
                let _ended = self.world.run_until(|| !self.world.is_running(node), limit);
                self.count();
                self.world.power_cut(node);
            }
            1 | 2 => {
                self.count();
                self.world.kill(self.node);
            }
            _ => {
                self.count();
                self.world.power_cut(self.node);
            }
        }
    }

    fn count(&self) {
        let mut sums = self.outside.sums.borrow_mut();
        for engine in self.outside.engines.borrow().iter() {
            sums.frames += engine.counters().journal_frames.get();
            sums.write_backs += engine.counters().journal_write_backs.get();
        }
    }
}

/// One seed; what went wrong, and what was done.
fn run(seed: u64, planted: Planted) -> (Vec<String>, Sums) {
    let mut scene = Scene::new(seed, planted);
    for _ in 0..6 {
        scene.run_a_life();
    }
    scene.world.set_faults(Faults::none());
    scene.outside.opens_all.set(true);
    scene.start();
    let outside = Rc::clone(&scene.outside);
    let is_done = || outside.is_checkpointed.get();
    let has_mistake = || !outside.mistakes.borrow().is_empty();
    let limit = Duration::from_secs(120);
    if !scene.world.run_until(|| is_done() || has_mistake(), limit) {
        outside.mistake("the last start does not end".to_owned());
    }
    scene.world.power_cut(scene.node);
    let mistakes = outside.mistakes.take();
    let sums = *outside.sums.borrow();
    (mistakes, sums)
}

#[test]
fn what_trickles_through_the_journal_stays() {
    let mut all = Sums::default();
    let mut seeds_run = 0;
    for seed in seeds(1..=40) {
        let (mistakes, sums) = run(seed, Planted::default());
        assert!(mistakes.is_empty(), "seed {seed}: {mistakes:?}");
        all.frames += sums.frames;
        all.restored += sums.restored;
        all.write_backs += sums.write_backs;
        all.cuts += sums.cuts;
        all.removals += sums.removals;
        all.stops += sums.stops;
        seeds_run += 1;
    }
    println!("{seeds_run} seeds: {all:?}");
    let Sums {
        frames,
        restored,
        write_backs,
        cuts,
        removals,
        stops,
    } = all;
    let did_all = [frames, restored, write_backs, cuts, removals, stops]
        .iter()
        .all(|count| *count > 0);
    assert!(did_all || seeds_run == 1, "the runs did nothing");
}

/// The story: somebody plants a bug into the journal, and the test above must notice soon.
#[cfg(feature = "planted")]
#[test]
fn planted_bugs_of_the_journal_are_caught() {
    use crate::PlantedBug;
    let bugs = [
        PlantedBug::JournalAckEarly,
        PlantedBug::JournalFreedEarly,
        PlantedBug::JournalNotVoided,
    ];
    for bug in bugs {
        let caught = (1..=1_000).find(|seed| {
            let run = std::panic::catch_unwind(|| run(*seed, Planted(Some(bug))));
            run.map_or(true, |(mistakes, _)| !mistakes.is_empty())
        });
        println!("{bug:?} is caught by seed {caught:?}");
        assert!(caught.is_some(), "{bug:?} goes unnoticed");
    }
}
