//! A whole node with clients over a network: idempotent producers and consumers on machines that
//! live, a node that is killed, cut off from power, stopped in order or given a failing disk, and
//! connections that are cut, blocked and delayed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use ::broker::NodeError;
use base::{ErrorCode, Offset, PartitionIndex, Random, TopicPartition};
use batch::BatchBuilder;
use client::{
    Address, Client, ClientError, Consumer, Delivery, FetchOptions, NewTopic, OffsetSpec, Options,
    Producer, ProducerOptions,
};
use reactor::sim::{DiskOperation, Faults, Node, NodeOptions, World};
use reactor::{Core, IoErrorKind};
use storage::{Planted, StorageError};

use crate::batches;
use crate::history::{History, Name};
use crate::node::{self, PORT, Process, Setup};
use crate::seeds::{each_seed, narrate};

pub(crate) const TOPIC: &str = "orders";
pub(crate) const PARTITIONS: i32 = 3;
pub(crate) const PRODUCERS: u32 = 2;
/// No batch is given up by its producer before this; the node is never away for so long.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// More than any run writes.
const DISK_BYTES: u64 = 4 << 30;
/// Longer than anything takes once nothing fails any more.
pub(crate) const CALM: Duration = Duration::from_secs(300);

/// What clients were promised, and what they are to do.
pub(crate) struct Outside {
    pub(crate) histories: Vec<History>,
    pub(crate) finishing: Cell<bool>,
    /// Producers that have nothing under way any more and will send nothing.
    finished: Cell<u32>,
    checked: Cell<bool>,
    /// Why the node gave up, where that was not the test's doing.
    mistake: RefCell<Option<String>>,
}

fn place(partition: i32) -> TopicPartition {
    TopicPartition {
        topic: TOPIC.to_owned(),
        partition: PartitionIndex(partition),
    }
}

/// Connects, and goes on trying until somebody answers.
pub(crate) async fn connect(core: &Core) -> Client {
    let addresses = [Address {
        host: "node-1".to_owned(),
        port: PORT,
    }];
    let options = Options {
        connect_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_secs(5),
        retry_time_max: PATIENCE,
        ..Options::default()
    };
    loop {
        match Client::connect(core, &addresses, options.clone()).await {
            Ok(client) => return client,
            Err(_) => core.sleep(Duration::from_millis(100)).await,
        }
    }
}

pub(crate) async fn create_topic(core: &Core) {
    let client = connect(core).await;
    let topic = NewTopic {
        name: TOPIC.to_owned(),
        partitions: Some(PARTITIONS),
        replication_factor: Some(1),
        configs: vec![("segment.bytes".to_owned(), "1048576".to_owned())],
    };
    loop {
        match client.create_topic(&topic, false).await {
            Ok(_) => return,
            Err(ClientError::Refused {
                code: ErrorCode::TopicAlreadyExists,
                ..
            }) => return,
            Err(_) => core.sleep(Duration::from_millis(100)).await,
        }
    }
}

/// A batch that was handed to the producer.
struct Sent {
    partition: usize,
    place: u32,
    count: u32,
    delivery: Delivery,
}

/// Notes what the producer was told of its oldest batch.
async fn settle_oldest(outside: &Outside, producer: u32, window: &mut VecDeque<Sent>) {
    let Some(sent) = window.pop_front() else {
        return;
    };
    let produced = sent.delivery.outcome().await;
    let produced = produced.unwrap_or_else(|error| panic!("producer {producer}: {error}"));
    let history = &outside.histories[sent.partition];
    for index in 0..sent.count {
        let name = Name {
            producer,
            place: sent.place + index,
        };
        if produced.base_offset < Offset(0) {
            // A retry that the node knew for one, of a batch that it remembers no more.
            history.note_kept(name);
        } else {
            history.note_acked(produced.base_offset.plus(index.into()), name);
        }
    }
}

async fn produce(core: Core, outside: Rc<Outside>, producer: u32) {
    let mut random = Random::new(core.entropy());
    let client = connect(&core).await;
    let options = ProducerOptions {
        delivery_time_max: PATIENCE,
        ..ProducerOptions::default()
    };
    let sender = loop {
        match Producer::new(&client, options.clone()).await {
            Ok(sender) => break sender,
            Err(_) => core.sleep(Duration::from_millis(100)).await,
        }
    };
    let window_max = 1 + usize::try_from(random.below(20)).unwrap();
    let pause_us_max = 1 + random.below(50_000);
    let mut window = VecDeque::new();
    let mut next_places = vec![0_u32; outside.histories.len()];
    while !outside.finishing.get() {
        let partition = usize::try_from(random.below(next_places.len() as u64)).unwrap();
        let count = 1 + u32::try_from(random.below(10)).unwrap();
        let at = next_places[partition];
        next_places[partition] += count;
        outside.histories[partition].note_sent(producer, at + count);
        // The client fills in who sends and the sequence number.
        let mut builder = BatchBuilder::new(batches::options(-1, at, &mut random));
        batches::fill(&mut builder, producer, at, count, core.wall());
        let index = PartitionIndex(i32::try_from(partition).unwrap());
        let delivery = sender
            .deliver(TOPIC, index, &mut builder)
            .await
            .expect("it compresses");
        window.push_back(Sent {
            partition,
            place: at,
            count,
            delivery,
        });
        if window.len() > window_max {
            settle_oldest(&outside, producer, &mut window).await;
        }
        if random.chance(1, 2) {
            core.sleep(Duration::from_micros(random.below(pause_us_max)))
                .await;
        }
    }
    while !window.is_empty() {
        settle_oldest(&outside, producer, &mut window).await;
    }
    outside.finished.set(outside.finished.get() + 1);
}

/// Reads along from the beginning, and begins again now and then.
async fn consume(core: Core, outside: Rc<Outside>) {
    let mut random = Random::new(core.entropy());
    let client = connect(&core).await;
    loop {
        let positions = (0..PARTITIONS)
            .map(|index| (place(index), Offset(0)))
            .collect();
        let consumer = match Consumer::start(&client, &positions, FetchOptions::default()).await {
            Ok(consumer) => consumer,
            Err(_) => {
                core.sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        for _ in 0..10 + random.below(200) {
            let Ok(fetched) = consumer.next().await else {
                break;
            };
            let partition = usize::try_from(fetched.partition.get()).unwrap();
            for (offset, name) in batches::read(&fetched.records) {
                assert!(
                    offset < fetched.high_watermark,
                    "read above the high watermark"
                );
                outside.histories[partition].note_fetched(offset, name);
            }
        }
        core.sleep(Duration::from_micros(random.below(100_000)))
            .await;
    }
}

/// Reads everything there is and holds it against what was promised.
async fn check(core: Core, outside: Rc<Outside>) {
    let client = connect(&core).await;
    for index in 0..PARTITIONS {
        let at = place(index);
        let end = client.offset(TOPIC, at.partition, OffsetSpec::Latest).await;
        let end = end.expect("the end is known").expect("the end is known");
        let positions = BTreeMap::from([(at, Offset(0))]);
        let consumer = Consumer::start(&client, &positions, FetchOptions::default()).await;
        let consumer = consumer.expect("the partition has a leader");
        let mut log: Vec<(Offset, Name)> = Vec::new();
        while log.last().map_or(Offset(0), |(offset, _)| offset.plus(1)) < end {
            let fetched = consumer.next().await.expect("nothing fails any more");
            let next = log.last().map_or(Offset(0), |(offset, _)| offset.plus(1));
            let found = batches::read(&fetched.records);
            log.extend(found.into_iter().filter(|(offset, _)| *offset >= next));
        }
        outside.histories[usize::try_from(index).unwrap()].check(&log);
    }
    outside.checked.set(true);
}

/// True when the disk failed or was full, which some runs make it do.
fn is_disk_fault(error: &NodeError) -> bool {
    fn inner(error: &StorageError) -> bool {
        match error {
            StorageError::Io(error) => {
                matches!(error.kind, IoErrorKind::Device | IoErrorKind::NoSpace)
            }
            StorageError::Offline { cause, .. } => inner(cause),
            _ => false,
        }
    }
    matches!(error, NodeError::Storage(error) if inner(error))
        || ["Input/output error", "No space left on device"]
            .iter()
            .any(|words| error.to_string().contains(words))
}

/// What goes wrong by itself; failing disks are planned, one failure at a time.
pub(crate) fn faults(seed: u64) -> Faults {
    Faults {
        read_error_per_million: 0,
        write_error_per_million: 0,
        flush_error_per_million: 0,
        ..Faults::swarm(seed)
    }
}

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) node: Node,
    pub(crate) clients: Node,
    pub(crate) setup: Setup,
    pub(crate) outside: Rc<Outside>,
    pub(crate) process: Rc<Process>,
    pub(crate) random: Random,
}

impl Scene {
    pub(crate) fn new(seed: u64, planted: Planted) -> Self {
        let mut world = World::new(seed);
        narrate(&world);
        let mut random = Random::salted(seed, 0xB40C);
        let node = world.add_node(NodeOptions::numbered(1));
        let clients = world.add_node(NodeOptions::numbered(2));
        world.set_faults(faults(seed));
        let outside = Rc::new(Outside {
            histories: (0..PARTITIONS).map(|_| History::default()).collect(),
            finishing: Cell::new(false),
            finished: Cell::new(0),
            checked: Cell::new(false),
            mistake: RefCell::default(),
        });
        let setup = Setup {
            cores: 1 + u16::try_from(random.below(3)).unwrap(),
            log_dirs: "/var/lib/forebay",
            settings: Vec::new(),
            planted,
        };
        let process = Rc::default();
        Self {
            world,
            node,
            clients,
            setup,
            outside,
            process,
            random,
        }
    }

    pub(crate) fn start_node(&mut self) {
        let outside = Rc::clone(&self.outside);
        self.process = node::start(&self.world, self.node, &self.setup, move |error| {
            if !is_disk_fault(error) {
                *outside.mistake.borrow_mut() = Some(error.to_string());
            }
        });
    }

    pub(crate) fn start_clients(&self) {
        let outside = Rc::clone(&self.outside);
        self.world.start(self.clients, 1, move |core| {
            let outside = Rc::clone(&outside);
            async move {
                create_topic(&core).await;
                for producer in 0..PRODUCERS {
                    core.spawn(produce(core.clone(), Rc::clone(&outside), producer));
                }
                consume(core, outside).await;
            }
        });
    }

    pub(crate) fn run_a_while(&mut self) {
        let us_max = [10_000, 200_000, 3_000_000][usize::try_from(self.random.below(3)).unwrap()];
        self.world
            .run_for(Duration::from_micros(self.random.below(us_max)));
    }

    pub(crate) fn expect_no_mistake(&self) {
        let mistake = self.outside.mistake.take();
        assert_eq!(mistake, None, "the node gave up");
    }

    /// Troubles the network, or the disk, or nothing.
    pub(crate) fn trouble(&mut self) {
        match self.random.below(6) {
            0 => self.world.cut_connections(self.node, self.clients),
            1 => {
                self.world.block(self.clients, self.node);
                self.run_a_while();
                self.world.unblock_all();
            }
            2 => {
                let kinds = [
                    DiskOperation::Read,
                    DiskOperation::Write,
                    DiskOperation::Flush,
                    DiskOperation::SyncDir,
                ];
                let kind = kinds[usize::try_from(self.random.below(4)).unwrap()];
                self.world
                    .plan_disk_error(self.node, kind, self.random.below(30));
            }
            4 => {
                self.world
                    .set_disk_bytes(self.node, self.random.below(8_000_000));
                self.run_a_while();
            }
            3 => {
                self.world.pause(self.node);
                self.run_a_while();
                self.world.resume(self.node);
            }
            _ => {}
        }
    }

    pub(crate) fn end_node(&mut self) {
        match self.random.below(6) {
            0 | 1 => self.world.kill(self.node),
            2 => self.stop(),
            _ => self.world.power_cut(self.node),
        }
        self.world.set_disk_bytes(self.node, DISK_BYTES);
    }

    /// Begins very first starts and cuts each off at any step, before or after it serves.
    fn cut_first_starts(&mut self) {
        for _ in 0..1 + self.random.below(3) {
            self.start_node();
            let steps_max = [30, 300, 3_000][usize::try_from(self.random.below(3)).unwrap()];
            for _ in 0..self.random.below(steps_max) {
                self.world.step();
            }
            self.expect_no_mistake();
            if self.random.chance(1, 5) {
                self.world.kill(self.node);
            } else {
                self.world.power_cut(self.node);
            }
        }
    }

    /// Stops in order; in vain where the disk failed or the stop is cut short.
    fn stop(&mut self) {
        self.process.stopping.set(true);
        let limit = if self.random.chance(1, 3) {
            Duration::from_millis(20)
        } else {
            CALM
        };
        self.world
            .run_until(|| !self.world.is_running(self.node), limit);
        self.world.power_cut(self.node);
    }

    /// On a good day everything sent is acknowledged, and is there, also after an orderly stop.
    pub(crate) fn settle(&mut self) {
        self.world.set_faults(Faults::none());
        self.world.unblock_all();
        self.outside.finishing.set(true);
        self.start_node();
        let outside = Rc::clone(&self.outside);
        let done = || outside.finished.get() == PRODUCERS || outside.mistake.borrow().is_some();
        let done = self.world.run_until(done, CALM);
        self.expect_no_mistake();
        assert!(done, "not everything is acknowledged");
        self.process.stopping.set(true);
        let stopped = self
            .world
            .run_until(|| !self.world.is_running(self.node), CALM);
        self.expect_no_mistake();
        assert!(
            stopped && self.process.stopped.get(),
            "no end of an orderly stop"
        );
        self.world.power_cut(self.node);
        self.world.kill(self.clients);
        self.start_node();
        let outside = Rc::clone(&self.outside);
        self.world
            .start(self.clients, 1, |core| check(core, Rc::clone(&outside)));
        let checked = self.world.run_until(|| outside.checked.get(), CALM);
        self.expect_no_mistake();
        assert!(checked, "the log cannot be read");
    }

    pub(crate) fn promised(&self) -> (u64, u64) {
        let counts = self.outside.histories.iter().map(History::counts);
        counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    }
}

/// One seed: its trace, and how much was promised.
pub(crate) fn run(seed: u64, planted: Planted) -> (u64, (u64, u64)) {
    let mut scene = Scene::new(seed, planted);
    scene.start_clients();
    for _ in 0..2 + scene.random.below(5) {
        scene.start_node();
        scene.run_a_while();
        scene.trouble();
        scene.run_a_while();
        scene.expect_no_mistake();
        scene.end_node();
        scene.expect_no_mistake();
        if scene.random.chance(1, 2) {
            scene.run_a_while();
        }
    }
    scene.settle();
    (scene.world.trace_hash(), scene.promised())
}

/// The story: clients over a bad network and a node that dies again and again; in the end every
/// record is there once, where its producer was told, and the node serves.
#[test]
fn a_node_keeps_what_it_acknowledged() {
    let promised = Cell::new((0, 0));
    let seeds = each_seed("a_node_keeps_what_it_acknowledged", 8, |seed| {
        let (hash, (acked, fetched)) = run(seed, Planted::default());
        promised.set((promised.get().0 + acked, promised.get().1 + fetched));
        hash
    });
    let (acked, fetched) = promised.get();
    println!("{acked} records acknowledged, {fetched} fetched");
    let is_something = acked > 0 && fetched > 0;
    assert!(is_something || seeds == 1, "the runs did nothing");
}

/// One seed of first starts that never came to their end, and of one that did.
fn run_first_starts(seed: u64) -> u64 {
    let mut scene = Scene::new(seed, Planted::default());
    scene.cut_first_starts();
    scene.start_clients();
    scene.start_node();
    scene.run_a_while();
    scene.expect_no_mistake();
    scene.world.power_cut(scene.node);
    scene.settle();
    scene.world.trace_hash()
}

/// The story: somebody installs a node and the power fails before it has ever served; the next
/// start must neither refuse the half-made directory nor lose what is acknowledged from then on.
#[test]
fn a_first_start_may_be_cut_off_anywhere() {
    each_seed(
        "a_first_start_may_be_cut_off_anywhere",
        12,
        run_first_starts,
    );
}
