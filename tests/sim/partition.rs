//! One partition on one core: producers append with idempotence and five batches under way, a
//! consumer reads along, and the machine is killed, cut off from power, stopped in order or given
//! a failing or full disk at any moment, also during the first start and during recovery.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use base::{LeaderEpoch, NodeId, Offset, PartitionIndex, Random, TopicPartition, Uuid};
use batch::BatchBuilder;
use config::{BrokerConfig, Inputs, TopicConfig};
use partition::{AppendOutcome, AppendRequest, Appender, OpenPartition, Partition};
use reactor::sim::{DiskOperation, Faults, Node, NodeOptions, World};
use reactor::{Bytes, Core, IoErrorKind, reply};
use storage::{DataDir, Engine, Piece, Planted, ReadRequest, StorageError};

use crate::batches;
use crate::history::{History, Name};
use crate::node::journal_limits;
use crate::seeds::{each_seed, narrate};

const DIR: &str = "/var/lib/forebay";
const PRODUCERS: u32 = 3;
/// Brokers remember this many batches of a producer.
pub(crate) const IN_FLIGHT_MAX: usize = 5;
/// More than any run writes.
pub(crate) const DISK_BYTES: u64 = 4 << 30;
/// Longer than a recovery takes on a machine without faults.
pub(crate) const CALM: Duration = Duration::from_secs(120);

/// A batch that was sent and not acknowledged.
#[derive(Clone)]
pub(crate) struct Pending {
    pub(crate) place: u32,
    pub(crate) count: u32,
    pub(crate) bytes: Bytes,
}

/// What a producer remembers; it lives outside of the node and survives it.
#[derive(Default)]
struct Producer {
    next_place: u32,
    pending: VecDeque<Pending>,
}

/// What outlives the node's processes.
struct Outside {
    history: History,
    producers: Vec<RefCell<Producer>>,
    planted: Planted,
    /// Set when a process is to stop in order.
    stopping: Cell<bool>,
    /// Set when producers are only to finish what they have begun.
    finishing: Cell<bool>,
    /// How many times the partition came up.
    lives: Cell<u32>,
}

impl Outside {
    fn new(planted: Planted) -> Rc<Self> {
        Rc::new(Self {
            history: History::default(),
            producers: (0..PRODUCERS).map(|_| RefCell::default()).collect(),
            planted,
            stopping: Cell::new(false),
            finishing: Cell::new(false),
            lives: Cell::new(0),
        })
    }

    fn is_settled(&self) -> bool {
        self.producers
            .iter()
            .all(|producer| producer.borrow().pending.is_empty())
    }
}

fn name() -> TopicPartition {
    TopicPartition {
        topic: "orders".to_owned(),
        partition: PartitionIndex(0),
    }
}

fn topic_config(random: &mut Random) -> TopicConfig {
    let inputs = Inputs {
        file: None,
        environment: &[],
        overrides: &[],
    };
    let broker = BrokerConfig::load(&inputs).expect("the defaults are valid");
    let mut config =
        TopicConfig::new(&broker.settings, &BTreeMap::new()).expect("the defaults are valid");
    // Small segments, so that a short run rolls many times.
    config.segment_bytes = u32::try_from(45_000 + random.below(100_000)).unwrap();
    config.index_interval_bytes = 1_000;
    config
}

/// Opens the data directory and the partition, and leads.
async fn open(
    core: &Core,
    outside: &Outside,
    random: &mut Random,
) -> Result<(DataDir, Engine, Partition), StorageError> {
    let dir = DataDir::open(core, Path::new(DIR), NodeId(1), "a-cluster").await?;
    let engine = Engine::start(core, Path::new(DIR), outside.planted);
    engine.set_journal_limits(journal_limits(core));
    let found = dir
        .logs()
        .iter()
        .find(|log| log.partition == name())
        .cloned();
    let epoch = LeaderEpoch(i32::try_from(outside.lives.get()).unwrap());
    let open = OpenPartition {
        name: name(),
        topic_id: Uuid::random(&mut Random::new(7)),
        config: topic_config(random),
        found,
        clean: dir.was_clean(),
        leader_epoch: epoch,
    };
    let partition = Partition::open(&engine, open).await?;
    partition.lead(epoch).await?;
    Ok((dir, engine, partition))
}

/// Bytes of the log from `offset` on that a consumer may see.
async fn read(
    partition: &Partition,
    offset: Offset,
    bytes_max: usize,
) -> Result<Vec<u8>, StorageError> {
    let request = ReadRequest {
        offset,
        bytes_max,
        at_least_one: true,
        upper_bound: partition.high_watermark(),
    };
    let mut bytes = Vec::new();
    for piece in partition.log().read(&request).await?.pieces {
        match piece {
            Piece::Memory(piece) => bytes.extend_from_slice(&piece),
            Piece::File {
                file,
                position,
                len,
            } => {
                let len = usize::try_from(len).unwrap();
                let piece = file.read_at(position, len).await?;
                assert_eq!(piece.len(), len, "a piece lies inside its file");
                bytes.extend_from_slice(&piece);
            }
        }
    }
    Ok(bytes)
}

/// The whole log, held against everything that was ever promised.
async fn check(partition: &Partition, outside: &Outside) -> Result<(), StorageError> {
    let mut log = Vec::new();
    let mut next = partition.log_start_offset();
    assert_eq!(next, Offset(0), "nothing removes records here");
    while next < partition.high_watermark() {
        let found = batches::read(&read(partition, next, 100_000).await?);
        let last = found
            .last()
            .expect("below the high watermark there are records")
            .0;
        log.extend(found.into_iter().filter(|(offset, _)| *offset >= next));
        next = last.plus(1);
    }
    outside.history.check(&log);
    Ok(())
}

pub(crate) type Outcome = Result<AppendOutcome, partition::AppendError>;

/// A batch on its way into the partition.
pub(crate) struct UnderWay {
    pub(crate) pending: Pending,
    pub(crate) append: Pin<Box<dyn Future<Output = Outcome>>>,
    pub(crate) outcome: Option<Outcome>,
}

/// Waits for the outcome of the oldest. All are polled in order, as a connection begins them.
pub(crate) async fn oldest(window: &mut VecDeque<UnderWay>) -> (Pending, Outcome) {
    std::future::poll_fn(|context| {
        for one in window.iter_mut().filter(|one| one.outcome.is_none()) {
            if let Poll::Ready(outcome) = one.append.as_mut().poll(context) {
                one.outcome = Some(outcome);
            }
        }
        match window.front() {
            Some(front) if front.outcome.is_none() => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
    let front = window.pop_front().expect("something is under way");
    (front.pending, front.outcome.expect("the oldest has ended"))
}

/// Makes the producer's next batch.
fn next_batch(core: &Core, outside: &Outside, producer: u32, random: &mut Random) -> Pending {
    let mut state = outside.producers[producer as usize].borrow_mut();
    let place = state.next_place;
    let count = 1 + u32::try_from(random.below(10)).unwrap();
    let mut builder = BatchBuilder::new(batches::options(i64::from(producer) + 1, place, random));
    batches::fill(&mut builder, producer, place, count, core.wall());
    let mut bytes = Vec::new();
    builder.build(&mut bytes).expect("records compress");
    let pending = Pending {
        place,
        count,
        bytes: Bytes::from(bytes),
    };
    state.next_place += count;
    state.pending.push_back(pending.clone());
    outside.history.note_sent(producer, state.next_place);
    pending
}

/// Sends again what was never acknowledged, then ever more, until the partition is gone.
async fn produce(core: Core, outside: Rc<Outside>, partition: Partition, producer: u32) {
    let mut random = Random::new(core.entropy());
    let pause_us_max = 1 + random.below(10_000);
    // A life that only waits shows as little as one that fills the disk.
    let mut batches_left = random.below(80);
    let mut again = outside.producers[producer as usize]
        .borrow()
        .pending
        .clone();
    let mut window = VecDeque::new();
    loop {
        while window.len() < IN_FLIGHT_MAX {
            let pending = match again.pop_front() {
                Some(pending) => pending,
                None if outside.finishing.get() || batches_left == 0 => break,
                None => {
                    batches_left -= 1;
                    next_batch(&core, &outside, producer, &mut random)
                }
            };
            let records = pending.bytes.clone();
            let request = AppendRequest {
                records,
                acks_all: true,
                zstd_allowed: true,
                appender: Appender::Producer,
            };
            let append = Box::pin(partition.clone().append(request));
            window.push_back(UnderWay {
                pending,
                append,
                outcome: None,
            });
        }
        if window.is_empty() {
            return;
        }
        match oldest(&mut window).await {
            (pending, Ok(outcome)) => {
                for index in 0..pending.count {
                    let name = Name {
                        producer,
                        place: pending.place + index,
                    };
                    outside
                        .history
                        .note_acked(outcome.base_offset.plus(index.into()), name);
                }
                let mut state = outside.producers[producer as usize].borrow_mut();
                let acked = state.pending.pop_front();
                assert_eq!(acked.map(|acked| acked.place), Some(pending.place));
            }
            (_, Err(partition::AppendError::Storage(_))) => return,
            (pending, Err(error)) => panic!("{producer}/{} refused: {error}", pending.place),
        }
        if random.chance(1, 2) {
            core.sleep(Duration::from_micros(random.below(pause_us_max)))
                .await;
        }
    }
}

/// Reads along, behind the producers or far behind.
async fn consume(core: Core, outside: Rc<Outside>, partition: Partition) {
    let mut random = Random::new(core.entropy());
    let high_watermark = partition.high_watermark().get().unsigned_abs();
    let start = random.below(high_watermark + 1);
    let mut next = Offset(i64::try_from(start).unwrap());
    loop {
        let bytes_max = usize::try_from(1 + random.below(100_000)).unwrap();
        let bytes = match read(&partition, next, bytes_max).await {
            Ok(bytes) => bytes,
            // No byte flips here.
            Err(error @ StorageError::Corrupt { .. }) => panic!("{next:?} cannot be read: {error}"),
            Err(_) => return,
        };
        for (offset, name) in batches::read(&bytes) {
            outside.history.note_fetched(offset, name);
            next = next.max(offset.plus(1));
        }
        if random.chance(1, 10) {
            // Another one begins anywhere, where nobody has read before.
            let end = partition.high_watermark().get().unsigned_abs();
            next = Offset(i64::try_from(random.below(end + 1)).unwrap());
        }
        core.sleep(Duration::from_micros(random.below(5_000))).await;
    }
}

/// Writes down now and then what is durable, until the node is to stop.
async fn checkpoint(core: Core, outside: Rc<Outside>, dir: Rc<DataDir>, engine: Engine) {
    while !outside.stopping.get() {
        if dir.write_checkpoints(&engine.checkpoints()).await.is_err() {
            return;
        }
        core.sleep(Duration::from_millis(20 + core.entropy() % 200))
            .await;
    }
}

/// One start of the node, until it is killed, told to stop, or its disk fails.
async fn live(core: Core, outside: Rc<Outside>) -> Result<(), StorageError> {
    let mut random = Random::new(core.entropy());
    let (dir, engine, partition) = open(&core, &outside, &mut random).await?;
    check(&partition, &outside).await?;
    outside.lives.set(outside.lives.get() + 1);
    let dir = Rc::new(dir);
    for producer in 0..PRODUCERS {
        core.spawn(produce(
            core.clone(),
            Rc::clone(&outside),
            partition.clone(),
            producer,
        ));
    }
    core.spawn(consume(
        core.clone(),
        Rc::clone(&outside),
        partition.clone(),
    ));
    let (done, checkpointed) = reply();
    let checkpoints = checkpoint(
        core.clone(),
        Rc::clone(&outside),
        Rc::clone(&dir),
        engine.clone(),
    );
    core.spawn(async move {
        checkpoints.await;
        done.send(());
    });
    while !outside.stopping.get() {
        if let Some(error) = engine.offline() {
            return Err(error);
        }
        core.sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(checkpointed.await, Ok(()));
    let points = engine.checkpoints();
    partition.close().await?;
    engine.stop();
    dir.close_in_order(&points).await
}

/// True when the disk failed, which some runs make it do; anything else is a mistake.
pub(crate) fn is_disk_fault(error: &StorageError) -> bool {
    match error {
        StorageError::Io(error) => {
            matches!(error.kind, IoErrorKind::Device | IoErrorKind::NoSpace)
        }
        StorageError::Offline { cause, .. } => is_disk_fault(cause),
        _ => false,
    }
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
        let mut random = Random::salted(seed, 0x0D15EA5E);
        let mut options = NodeOptions::numbered(1);
        options.chunks_bytes_max = 512 << (10 + random.below(4));
        let node = world.add_node(options);
        world.set_faults(Faults::slow(seed));
        Self {
            world,
            node,
            outside: Outside::new(planted),
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
        let us_max =
            [3_000, 30_000, 300_000, 300_000][usize::try_from(self.random.below(4)).unwrap()];
        self.world
            .run_for(Duration::from_micros(self.random.below(us_max)));
    }

    /// Ends the running process, if it has not ended by itself, in one of all ways.
    fn end(&mut self) {
        match self.random.below(10) {
            0 | 1 => self.world.kill(self.node),
            2 => self.stop(),
            4 => {
                // Full in the middle of the log, or before there is one; room is made later.
                self.world
                    .set_disk_bytes(self.node, self.random.below(2_000_000));
                self.run_a_while();
                if self.random.chance(1, 2) {
                    self.world.kill(self.node);
                } else {
                    self.world.power_cut(self.node);
                }
                self.world.set_disk_bytes(self.node, DISK_BYTES);
            }
            3 => {
                let kinds = [
                    DiskOperation::Write,
                    DiskOperation::Flush,
                    DiskOperation::SyncDir,
                    DiskOperation::Read,
                ];
                let kind = kinds[usize::try_from(self.random.below(4)).unwrap()];
                self.world
                    .plan_disk_error(self.node, kind, self.random.below(20));
                self.run_a_while();
                self.world.power_cut(self.node);
            }
            _ => self.world.power_cut(self.node),
        }
    }

    /// Stops in order, and sometimes crashes all the same before that is done.
    fn stop(&mut self) {
        self.outside.stopping.set(true);
        let limit = if self.random.chance(1, 3) {
            Duration::from_millis(2)
        } else {
            CALM
        };
        if !self
            .world
            .run_until(|| !self.world.is_running(self.node), limit)
        {
            self.world.power_cut(self.node);
        }
        self.outside.stopping.set(false);
    }

    /// Lets everything come to its end on a good day: what was sent is acknowledged, an orderly
    /// stop is one, and the next start finds everything.
    fn settle(&mut self) {
        self.world.set_faults(Faults::none());
        self.outside.finishing.set(true);
        self.start();
        let (world, node, outside) = (&self.world, self.node, &self.outside);
        assert!(
            world.run_until(|| outside.is_settled(), CALM),
            "not everything is acknowledged"
        );
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

/// One seed: its trace, and how much was promised.
pub(crate) fn run(seed: u64, planted: Planted) -> (u64, (u64, u64)) {
    let mut scene = Scene::new(seed, planted);
    for _ in 0..4 + scene.random.below(6) {
        scene.start();
        scene.run_a_while();
        scene.end();
    }
    scene.settle();
    (scene.world.trace_hash(), scene.outside.history.counts())
}

/// The story: whatever happens to the machine, what was acknowledged or shown to anyone stays, in
/// order, once.
#[test]
fn a_partition_keeps_what_it_acknowledged() {
    let promised = Cell::new((0, 0));
    let seeds = each_seed("a_partition_keeps_what_it_acknowledged", 40, |seed| {
        let (hash, (acked, fetched)) = run(seed, Planted::default());
        promised.set((promised.get().0 + acked, promised.get().1 + fetched));
        hash
    });
    let (acked, fetched) = promised.get();
    println!("{acked} records acknowledged, {fetched} fetched");
    let is_something = acked > 0 && fetched > 0;
    assert!(is_something || seeds == 1, "the runs did nothing");
}
