//! A partition that lets go of records: retention by size and time, DeleteRecords, compaction,
//! rolls, and moves between two log directories, while producers write, consumers read and the
//! power fails.
//!
//! What `broker` does for a partition is done here for one, with everything small and in a hurry;
//! the metadata log, which says where the partition lies, is a cell that survives.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::{LeaderEpoch, NodeId, Offset, PartitionIndex, Random, TopicPartition, Uuid};
use config::{BrokerConfig, Inputs, TopicConfig};
use partition::{DeleteRecordsError, FetchError, OpenPartition, Partition};
use reactor::sim::{DiskOperation, Faults, Node, NodeOptions, World};
use reactor::{Core, Pool};
use storage::{CompactionLimits, DataDir, Engine, FoundLog, Planted, StorageError};

use crate::keyed::Page;
use crate::ledger::{Ledger, Promised, Rules};
use crate::node::journal_limits;
use crate::partition::{CALM, DISK_BYTES, Pending, is_disk_fault};
use crate::seeds::{each_seed, narrate};

mod clients;

use clients::{consume, fetch, produce};

const DIRS: [&str; 2] = ["/disks/one", "/disks/two"];
const PRODUCERS: u32 = 3;
const CONSUMERS: u32 = 2;
const TOPIC_ID: Uuid = Uuid(7);

/// What a producer remembers; it lives outside of the node and survives it.
#[derive(Default)]
struct Producer {
    next_place: u32,
    pending: VecDeque<Pending>,
}

/// What outlives the node's processes.
struct Outside {
    rules: Rules,
    config: TopicConfig,
    limits: CompactionLimits,
    ledger: Ledger,
    producers: Vec<RefCell<Producer>>,
    planted: Planted,
    /// In which directory the partition lies: its record in the metadata log.
    place: Cell<usize>,
    stopping: Cell<bool>,
    finishing: Cell<bool>,
    lives: Cell<u32>,
    done: Done,
}

/// How often the duties did something.
#[derive(Default)]
struct Done {
    compactions: Cell<u64>,
    moves: Cell<u64>,
}

fn add(count: &Cell<u64>, more: u64) {
    count.set(count.get() + more);
}

impl Outside {
    fn new(seed: u64, planted: Planted) -> Rc<Self> {
        let mut random = Random::salted(seed, 0xD071E5);
        let policy = random.below(3);
        let rules = Rules {
            keys: 5 + random.below(150),
            compacts: policy > 0,
            deletes: policy != 1,
            retention_ms: 50 + random.below(2_000),
            retention_bytes: 20_000 + random.below(200_000),
            delete_retention_ms: [0, 30, 300][usize::try_from(random.below(3)).unwrap()],
        };
        Rc::new(Self {
            rules,
            config: topic_config(&rules, &mut random),
            limits: CompactionLimits {
                keys_bytes: if random.chance(1, 2) { 1 << 20 } else { 1_000 },
                keys_load_percent: 90,
                buffer_bytes: 32 << 10,
                bytes_per_second: if random.chance(1, 2) {
                    u64::MAX
                } else {
                    2_000_000
                },
                batch_bytes_max: 1 << 24,
            },
            ledger: Ledger::new(rules),
            producers: (0..PRODUCERS).map(|_| RefCell::default()).collect(),
            planted,
            place: Cell::new(0),
            stopping: Cell::new(false),
            finishing: Cell::new(false),
            lives: Cell::new(0),
            done: Done::default(),
        })
    }

    fn is_settled(&self) -> bool {
        let mut producers = self.producers.iter();
        producers.all(|producer| producer.borrow().pending.is_empty())
    }
}

fn topic_config(rules: &Rules, random: &mut Random) -> TopicConfig {
    let inputs = Inputs {
        file: None,
        environment: &[],
        overrides: &[],
    };
    let broker = BrokerConfig::load(&inputs).expect("the defaults are valid");
    let config = TopicConfig::new(&broker.settings, &BTreeMap::new());
    let mut config = config.expect("the defaults are valid");
    config.cleanup_compact = rules.compacts;
    config.cleanup_delete = rules.deletes;
    config.retention_ms = Some(rules.retention_ms);
    config.retention_bytes = Some(rules.retention_bytes);
    config.delete_retention_ms = rules.delete_retention_ms;
    config.min_cleanable_dirty_ratio = if random.chance(1, 2) { 0.0 } else { 0.3 };
    config.segment_bytes = u32::try_from(22_000 + random.below(20_000)).unwrap();
    config.segment_ms = [100, 1_000, 1 << 40][usize::try_from(random.below(3)).unwrap()];
    config.index_interval_bytes = 1_000;
    config.file_delete_delay_ms = random.below(50);
    config
}

fn name() -> TopicPartition {
    TopicPartition {
        topic: "orders".to_owned(),
        partition: PartitionIndex(0),
    }
}

/// One start of the node.
struct Life {
    core: Core,
    outside: Rc<Outside>,
    /// A directory that cannot be opened is done without, as long as the partition lies elsewhere.
    dirs: Vec<Option<DataDir>>,
    engines: Vec<Engine>,
    /// The partition that serves: another one once it has moved.
    serving: RefCell<Partition>,
    /// Whether a move is under way, or checkpoints are written.
    moving: Cell<bool>,
    checkpointing: Cell<bool>,
}

impl Life {
    fn partition(&self) -> Partition {
        self.serving.borrow().clone()
    }

    fn ledger(&self) -> &Ledger {
        &self.outside.ledger
    }

    fn random(&self) -> Random {
        Random::new(self.core.entropy())
    }

    async fn pause(&self, us_max: u64) {
        let us = self.core.entropy() % us_max;
        self.core.sleep(Duration::from_micros(us)).await;
    }

    fn engine(&self) -> &Engine {
        &self.engines[self.outside.place.get()]
    }

    fn is_over(&self) -> bool {
        self.outside.stopping.get() || self.engine().offline().is_some()
    }

    /// Who serves after `before` refused; nobody where its directory failed or the node stops.
    async fn again(&self, before: &Partition) -> Option<Partition> {
        loop {
            self.pause(2_000).await;
            if self.is_over() {
                return None;
            }
            let now = self.partition();
            if !now.is_closed() {
                return Some(now);
            }
            assert!(before.is_closed(), "nobody serves in between");
        }
    }
}

/// Retention, as the broker checks it.
async fn retain(life: Rc<Life>) {
    let mut random = life.random();
    let pause_us_max = 1_000 + random.below(100_000);
    loop {
        life.pause(pause_us_max).await;
        // Where it fails, the next check tries again.
        let _ = life.partition().retain().await;
    }
}

/// Somebody who asks to delete records now and then, and looks whether they are gone.
async fn delete(life: Rc<Life>) {
    let mut random = life.random();
    let pause_us_max = 5_000 + random.below(400_000);
    loop {
        life.pause(pause_us_max).await;
        let partition = life.partition();
        let (start, end) = (partition.log_start_offset(), partition.high_watermark());
        let span = u64::try_from(end.0 - start.0).unwrap();
        let (to, asked) = match random.below(8) {
            0 => (end, Offset(-1)),
            _ => {
                let by = random.below(span / 2 + 1);
                let to = start.plus(i64::try_from(by).unwrap());
                (to, to)
            }
        };
        let before = life.ledger().start();
        if life.outside.rules.deletes {
            life.ledger().note_asked(to);
        }
        match partition.delete_records(asked).await {
            Ok(told) => {
                assert!(told >= to, "asked for {to}, told {told}");
                life.ledger().note_start(told, before, life.core.wall());
            }
            Err(DeleteRecordsError::Policy) => assert!(!life.outside.rules.deletes),
            Err(DeleteRecordsError::Storage(_)) => {}
            Err(DeleteRecordsError::OutOfRange) => panic!("{to} is below the high watermark"),
        }
    }
}

/// Compaction, as the broker does it.
async fn clean(life: Rc<Life>) {
    let limits = life.outside.limits;
    let pause_us_max = 1_000 + life.core.entropy() % 100_000;
    loop {
        life.pause(pause_us_max).await;
        loop {
            let partition = life.partition();
            let Ok(Some(need)) = partition.compaction_need(limits).await else {
                break;
            };
            life.ledger().note_cleaning(need.end);
            match partition.compact(&need, limits).await {
                Ok(report) if report.end > need.first_dirty => {
                    add(&life.outside.done.compactions, 1)
                }
                Err(error @ StorageError::Corrupt { .. }) => panic!("compaction finds {error}"),
                _ => break,
            }
        }
    }
}

/// Moves the partition to and fro.
async fn shuffle(life: Rc<Life>) {
    let mut random = life.random();
    let pause_us_max = 10_000 + random.below(1_000_000);
    loop {
        life.pause(pause_us_max).await;
        if life.is_over() {
            return;
        }
        life.moving.set(true);
        let to = 1 - life.outside.place.get();
        if life.dirs[to].is_some() && life.engines[to].offline().is_none() {
            // Where it fails the partition stays.
            if let Err(error) = move_to(&life, to, &mut random).await {
                life.engines[to].judge(&error);
            }
        }
        life.moving.set(false);
    }
}

async fn move_to(life: &Life, to: usize, random: &mut Random) -> Result<(), StorageError> {
    let partition = life.partition();
    let mut future = partition.begin_copy(&life.engines[to], TOPIC_ID).await?;
    let slice = 1 + random.below(20_000);
    let pause_us_max = [3_000, 50_000][usize::try_from(random.below(2)).unwrap()];
    loop {
        if life.outside.stopping.get() || random.chance(1, 200) {
            future.abandon().await;
            return Ok(());
        }
        match future.copy(usize::try_from(slice).unwrap()).await {
            Ok(0) => break,
            Ok(_) => life.pause(pause_us_max).await,
            Err(error) => {
                future.abandon().await;
                return Err(error);
            }
        }
    }
    let held = match partition.hold().await {
        Ok(held) => held,
        Err(error) => {
            future.abandon().await;
            return Err(error);
        }
    };
    let opened = partition.open_copy(&held, future, TOPIC_ID).await?;
    // The controller takes its time, before and after it has decided.
    life.pause(5_000).await;
    if random.chance(1, 10) || life.is_over() {
        drop(held);
        return opened.remove().await;
    }
    life.outside.place.set(to);
    life.pause(5_000).await;
    opened.configure_as(&partition);
    partition.hand_over(held, Some(&opened)).await;
    life.serving.replace(opened);
    add(&life.outside.done.moves, 1);
    // What is left is removed at the next start.
    let _ = partition.remove_left().await;
    Ok(())
}

/// Writes down now and then what is durable, until the node is to stop.
async fn checkpoint(life: Rc<Life>) {
    while !life.outside.stopping.get() {
        life.checkpointing.set(true);
        for (dir, engine) in life.dirs.iter().zip(&life.engines) {
            let Some(dir) = dir.as_ref().filter(|_| engine.offline().is_none()) else {
                continue;
            };
            let names = engine.logs().into_iter();
            let names = names.map(|log| log.partition().clone());
            engine.note_spoken(&dir.speak_of(names));
            match dir.write_checkpoints(&engine.begin_checkpoints()).await {
                Ok(()) => engine.end_checkpoints(&dir.spoken_of()),
                Err(error) => engine.judge(&error),
            }
        }
        life.checkpointing.set(false);
        life.pause(200_000).await;
    }
}

/// The log that counts and the directory where it is; the other directory's one goes, as where the
/// broker opens a partition.
async fn home(outside: &Outside, life: &[Option<DataDir>], engines: &[Engine]) -> Home {
    let found = |place: usize| {
        let logs = life[place].as_ref()?.logs().iter();
        logs.clone().find(|log| log.partition == name()).cloned()
    };
    let place = outside.place.get();
    match (found(place), found(1 - place)) {
        (Some(log), Some(_)) => {
            engines[1 - place].remove_duplicate(&name()).await?;
            Ok((place, Some(log)))
        }
        (Some(log), None) => Ok((place, Some(log))),
        (None, Some(log)) => Ok((1 - place, Some(log))),
        (None, None) => Ok((place, None)),
    }
}

type Home = Result<(usize, Option<FoundLog>), StorageError>;

/// Opens the directories and the partition, and leads.
async fn open(core: &Core, outside: &Rc<Outside>) -> Result<Life, StorageError> {
    let (mut dirs, mut engines) = (Vec::new(), Vec::new());
    for (place, path) in DIRS.iter().enumerate() {
        let path = Path::new(path);
        let opened = DataDir::open(core, path, NodeId(1), "a-cluster").await;
        let memory = Pool::new(core.chunks().limit() / DIRS.len());
        let counted = (Rc::default(), outside.planted);
        let engine = Engine::start_with(core, path, memory, counted);
        engine.set_journal_limits(journal_limits(core));
        if let Ok(dir) = &opened {
            engine.note_spoken(&dir.spoken_of());
        }
        engines.push(engine);
        dirs.push(match opened {
            Ok(dir) => Some(dir),
            Err(error) if is_disk_fault(&error) && place != outside.place.get() => None,
            Err(error) => return Err(error),
        });
    }
    let (place, found) = home(outside, &dirs, &engines).await?;
    outside.place.set(place);
    let clean = dirs[place].as_ref().is_some_and(DataDir::was_clean);
    let epoch = LeaderEpoch(i32::try_from(outside.lives.get()).unwrap());
    let open = OpenPartition {
        name: name(),
        topic_id: TOPIC_ID,
        config: outside.config.clone(),
        found,
        clean,
        leader_epoch: epoch,
    };
    let partition = Partition::open(&engines[place], open).await?;
    partition.lead(epoch).await?;
    Ok(Life {
        core: core.clone(),
        outside: Rc::clone(outside),
        dirs,
        engines,
        serving: RefCell::new(partition),
        moving: Cell::new(false),
        checkpointing: Cell::new(false),
    })
}

/// The whole log, held against everything that was ever promised.
async fn check(life: &Life) -> Result<(), StorageError> {
    let partition = life.partition();
    let (start, end) = (partition.log_start_offset(), partition.high_watermark());
    let (ledger, now) = (life.ledger(), life.core.wall());
    ledger.note_start(start, ledger.start(), now);
    let (mut all, mut next) = (Page::default(), start);
    while next < end {
        let (page, _) = match fetch(life, &partition, next, 100_000).await {
            Ok(page) => page,
            Err(FetchError::Storage(error)) => return Err(error),
            Err(FetchError::OutOfRange) => panic!("{next} is out of range, from {start} to {end}"),
        };
        let records = page.records.into_iter();
        all.records
            .extend(records.filter(|seen| seen.offset >= next));
        next = page
            .next
            .expect("below the high watermark there are batches");
    }
    ledger.check(&all, (start, end), life.core.wall());
    Ok(())
}

/// One start of the node, until it is killed, told to stop, or the partition's disk fails.
async fn live(core: Core, outside: Rc<Outside>) -> Result<(), StorageError> {
    let life = Rc::new(open(&core, &outside).await?);
    check(&life).await?;
    outside.lives.set(outside.lives.get() + 1);
    for producer in 0..PRODUCERS {
        core.spawn(produce(Rc::clone(&life), producer));
    }
    for _ in 0..CONSUMERS {
        core.spawn(consume(Rc::clone(&life)));
    }
    core.spawn(retain(Rc::clone(&life)));
    core.spawn(delete(Rc::clone(&life)));
    core.spawn(clean(Rc::clone(&life)));
    core.spawn(shuffle(Rc::clone(&life)));
    core.spawn(checkpoint(Rc::clone(&life)));
    while !outside.stopping.get() {
        if let Some(error) = life.engine().offline() {
            return Err(error);
        }
        core.sleep(Duration::from_millis(1)).await;
    }
    while life.moving.get() || life.checkpointing.get() {
        core.sleep(Duration::from_millis(1)).await;
    }
    let points: Vec<_> = life.engines.iter().map(Engine::checkpoints).collect();
    life.partition().close().await?;
    for ((dir, engine), points) in life.dirs.iter().zip(&life.engines).zip(&points) {
        engine.stop();
        if let Some(dir) = dir.as_ref().filter(|_| engine.offline().is_none()) {
            dir.close_in_order(points).await?;
        }
    }
    Ok(())
}

struct Scene {
    world: World,
    node: Node,
    outside: Rc<Outside>,
    random: Random,
}

impl Scene {
    fn new(seed: u64, planted: Planted) -> Self {
        let mut world = World::new(seed);
        narrate(&world);
        let mut random = Random::salted(seed, 0xD171E5);
        let mut options = NodeOptions::numbered(1);
        options.chunks_bytes_max = 1 << (20 + random.below(3));
        let node = world.add_node(options);
        world.set_faults(Faults::slow(seed));
        let outside = Outside::new(seed, planted);
        Self {
            world,
            node,
            outside,
            random,
        }
    }

    fn start(&self) {
        let outside = Rc::clone(&self.outside);
        self.world.start(self.node, 1, move |core| {
            let outside = Rc::clone(&outside);
            async move {
                if let Err(error) = live(core, outside).await {
                    assert!(is_disk_fault(&error), "the node gave up: {error}");
                }
            }
        });
    }

    /// Runs a process for a while; sometimes so short that it does not even come up.
    fn run_a_while(&mut self) {
        let us_max = [5_000, 100_000, 600_000, 600_000];
        let us_max = us_max[usize::try_from(self.random.below(4)).unwrap()];
        self.world
            .run_for(Duration::from_micros(self.random.below(us_max)));
    }

    /// Makes something fail that the node may survive.
    fn trouble(&mut self) {
        let dir = Path::new(DIRS[usize::try_from(self.random.below(2)).unwrap()]);
        match self.random.below(8) {
            0 => self.world.fail_dir(self.node, dir),
            1 => self
                .world
                .stall_dir(self.node, dir, Duration::from_millis(300)),
            2 => {
                let kinds = [
                    DiskOperation::Write,
                    DiskOperation::Flush,
                    DiskOperation::SyncDir,
                    DiskOperation::Read,
                ];
                let kind = kinds[usize::try_from(self.random.below(4)).unwrap()];
                self.world
                    .plan_disk_error(self.node, kind, self.random.below(60));
            }
            3 => self
                .world
                .set_disk_bytes(self.node, self.random.below(2_000_000)),
            _ => return,
        }
        self.run_a_while();
    }

    /// Ends the running process, if it has not ended by itself, in one of all ways.
    fn end(&mut self) {
        match self.random.below(10) {
            0 | 1 => self.world.kill(self.node),
            2 => self.stop(),
            _ => self.world.power_cut(self.node),
        }
        self.world.set_disk_bytes(self.node, DISK_BYTES);
        if self.random.chance(3, 4) {
            self.world.heal_dirs(self.node);
        }
    }

    /// Stops in order, and sometimes crashes all the same before that is done.
    fn stop(&mut self) {
        self.outside.stopping.set(true);
        let limit = match self.random.below(3) {
            0 => Duration::from_millis(2),
            _ => CALM,
        };
        self.world
            .run_until(|| !self.world.is_running(self.node), limit);
        self.world.power_cut(self.node);
        self.outside.stopping.set(false);
    }

    /// On a good day what was sent is acknowledged, an orderly stop is one, and the next start
    /// finds everything that it should.
    fn settle(&mut self) {
        self.world.set_faults(Faults::none());
        self.world.heal_dirs(self.node);
        self.outside.finishing.set(true);
        self.start();
        let (world, node, outside) = (&self.world, self.node, &self.outside);
        assert!(
            world.run_until(|| outside.is_settled(), CALM),
            "not everything is acknowledged"
        );
        world.run_for(Duration::from_millis(500));
        outside.stopping.set(true);
        assert!(
            world.run_until(|| !world.is_running(node), CALM),
            "no end of an orderly stop"
        );
        outside.stopping.set(false);
        world.power_cut(node);
        let lives = outside.lives.get();
        self.start();
        let (world, outside) = (&self.world, &self.outside);
        assert!(
            world.run_until(|| outside.lives.get() > lives, CALM),
            "no start after a stop"
        );
    }
}

/// What a run did, so that a test can tell that it did something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    promised: Promised,
    compactions: u64,
    moves: u64,
}

impl Sums {
    fn plus(self, other: Self) -> Self {
        let (one, two) = (self.promised, other.promised);
        Self {
            promised: Promised {
                acked: one.acked + two.acked,
                fetched: one.fetched + two.fetched,
                deleted: one.deleted + two.deleted,
                compacted: one.compacted + two.compacted,
            },
            compactions: self.compactions + other.compactions,
            moves: self.moves + other.moves,
        }
    }
}

/// One seed: its trace, and what it did.
pub(crate) fn run(seed: u64, planted: Planted) -> (u64, Sums) {
    let mut scene = Scene::new(seed, planted);
    for _ in 0..4 + scene.random.below(5) {
        scene.start();
        scene.run_a_while();
        scene.trouble();
        scene.end();
    }
    scene.settle();
    let outside = &scene.outside;
    let sums = Sums {
        promised: outside.ledger.promised(),
        compactions: outside.done.compactions.get(),
        moves: outside.done.moves.get(),
    };
    (scene.world.trace_hash(), sums)
}

/// The story: a log loses its old records, its replaced ones and its place on the disk, and the
/// machine dies all the time. Only what may go is gone, and nothing comes back.
#[test]
fn a_log_lets_go_of_what_it_may_and_of_nothing_else() {
    let sums = Cell::new(Sums::default());
    let name = "a_log_lets_go_of_what_it_may_and_of_nothing_else";
    let seeds = each_seed(name, 30, |seed| {
        let (hash, more) = run(seed, Planted::default());
        sums.set(sums.get().plus(more));
        hash
    });
    let sums = sums.get();
    println!("{sums:?}");
    let Promised {
        acked,
        fetched,
        deleted,
        compacted,
    } = sums.promised;
    let did_all = [
        acked,
        fetched,
        deleted,
        compacted,
        sums.compactions,
        sums.moves,
    ]
    .iter()
    .all(|count| *count > 0);
    assert!(did_all || seeds == 1, "the runs did nothing");
}
