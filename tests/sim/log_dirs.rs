//! A node with two log directories, one of which fails or stalls, and partitions that move between
//! them while the node dies: what is acknowledged is there in the end, once, wherever it lies.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::{ErrorCode, NodeId, PartitionIndex, Random};
use batch::BatchBuilder;
use client::{Client, Producer, ProducerOptions};
use reactor::Core;
use reactor::sim::NodeOptions;
use storage::Planted;

use crate::batches;
use crate::broker::{CALM, PARTITIONS, Scene, TOPIC, connect};
use crate::seeds::each_seed;

pub(crate) const DIRS: [&str; 2] = ["/disks/one", "/disks/two"];
const LOG_DIRS: &str = "/disks/one,/disks/two";
pub(crate) const NODE: NodeId = NodeId(1);

/// Moves partitions to and fro for as long as it is wanted; how many moves were begun.
async fn shuffle(core: Core, moves: Rc<Cell<u64>>, finishing: impl Fn() -> bool) {
    let mut random = Random::new(core.entropy());
    let client = connect(&core).await;
    while !finishing() {
        let dir = DIRS[usize::try_from(random.below(2)).unwrap()];
        let index = i32::try_from(random.below(u64::try_from(PARTITIONS).unwrap())).unwrap();
        // It learns where the node is.
        let _ = client.refresh(None, false).await;
        if let Ok(begun) = client.move_to_log_dir(NODE, dir, TOPIC, &[index]).await {
            let taken = begun.iter().filter(|(_, code)| *code == ErrorCode::None);
            moves.set(moves.get() + taken.count() as u64);
        }
        core.sleep(Duration::from_micros(random.below(200_000)))
            .await;
    }
}

/// Fails or stalls the second directory, which has no metadata log, or the whole machine.
fn trouble(scene: &Scene, kind: u64) {
    let dir = Path::new(DIRS[1]);
    match kind {
        0 => scene.world.fail_dir(scene.node, dir),
        1 => scene
            .world
            .stall_dir(scene.node, dir, Duration::from_secs(10)),
        _ => {}
    }
}

fn run(seed: u64) -> (u64, (u64, u64), u64) {
    let mut scene = Scene::new(seed, Planted::default());
    scene.setup.log_dirs = LOG_DIRS;
    scene.start_clients();
    let movers = scene.world.add_node(NodeOptions::numbered(3));
    let moves = Rc::new(Cell::new(0));
    let (counted, outside) = (Rc::clone(&moves), Rc::clone(&scene.outside));
    scene.world.start(movers, 1, move |core| {
        let (counted, outside) = (Rc::clone(&counted), Rc::clone(&outside));
        async move { shuffle(core, counted, || outside.finishing.get()).await }
    });
    for _ in 0..2 + scene.random.below(4) {
        scene.start_node();
        scene.run_a_while();
        let kind = scene.random.below(4);
        trouble(&scene, kind);
        scene.run_a_while();
        scene.expect_no_mistake();
        if scene.random.chance(1, 4) {
            scene.world.kill(scene.node);
        } else {
            scene.world.power_cut(scene.node);
        }
        // The disk is back for the next start, or the one after it.
        if scene.random.chance(2, 3) {
            scene.world.heal_dirs(scene.node);
        }
    }
    scene.world.heal_dirs(scene.node);
    scene.settle();
    (scene.world.trace_hash(), scene.promised(), moves.get())
}

/// The story: an operator moves partitions between disks of a node whose second disk fails and
/// stalls and whose power fails. Whatever was acknowledged is there once all works again.
#[test]
fn moves_and_failing_directories_lose_nothing() {
    let sums = Cell::new((0, 0, 0));
    each_seed("moves_and_failing_directories_lose_nothing", 6, |seed| {
        let (hash, (acked, fetched), moves) = run(seed);
        let before = sums.get();
        sums.set((before.0 + acked, before.1 + fetched, before.2 + moves));
        hash
    });
    let (acked, fetched, moves) = sums.get();
    println!("{acked} records acknowledged, {fetched} fetched, {moves} moves begun");
    assert!(
        acked > 0 && fetched > 0 && moves > 0,
        "the runs did nothing"
    );
}

/// What a scene with one client tells the test.
#[derive(Default)]
struct Told {
    done: Cell<bool>,
    slowest: Cell<Duration>,
    leaders: RefCell<Vec<Option<NodeId>>>,
}

async fn write(core: &Core, producer: &Producer, index: i32, place: u32) -> bool {
    let mut random = Random::new(u64::from(place));
    let mut builder = BatchBuilder::new(batches::options(-1, place, &mut random));
    batches::fill(&mut builder, 0, place, 1, core.wall());
    let index = PartitionIndex(index);
    let delivery = producer.deliver(TOPIC, index, &mut builder).await;
    match delivery {
        Ok(delivery) => delivery.outcome().await.is_ok(),
        Err(_) => false,
    }
}

async fn producer(client: &Client) -> Producer {
    let options = ProducerOptions {
        delivery_time_max: Duration::from_secs(3_600),
        ..ProducerOptions::default()
    };
    Producer::new(client, options).await.unwrap()
}

/// A node with two directories and a topic whose partitions 0 and 2 lie in the first.
pub(crate) fn quiet_scene(seed: u64) -> Scene {
    let mut scene = Scene::new(seed, Planted::default());
    scene.world.set_faults(reactor::sim::Faults::none());
    scene.setup.log_dirs = LOG_DIRS;
    scene.start_node();
    scene
}

/// Waits until the topic is there and both directories have some of it.
pub(crate) async fn spread(core: &Core) -> Client {
    let client = connect(core).await;
    crate::broker::create_topic(core).await;
    loop {
        let _ = client.refresh(None, false).await;
        if let Ok(dirs) = client.log_dirs(NODE).await {
            let count = |place: usize| dirs[place].topics.get(TOPIC).map_or(0, |t| t.len());
            assert_eq!(dirs.len(), 2);
            assert_eq!((count(0), count(1)), (2, 1), "Kafka's choice");
            return client;
        }
        core.sleep(Duration::from_millis(10)).await;
    }
}

/// The story: a disk stalls for ten seconds. What lies on the other one goes on as if nothing were.
#[test]
fn a_stalled_directory_holds_up_no_other() {
    each_seed("a_stalled_directory_holds_up_no_other", 4, |seed| {
        let mut scene = quiet_scene(seed);
        let told = Rc::new(Told::default());
        let noted = Rc::clone(&told);
        let clients = scene.world.add_node(NodeOptions::numbered(3));
        let stalled = Rc::new(Cell::new(false));
        let is_stalled = Rc::clone(&stalled);
        scene.world.start(clients, 1, move |core| {
            let (told, is_stalled) = (Rc::clone(&noted), Rc::clone(&is_stalled));
            async move {
                let client = spread(&core).await;
                let fast = producer(&client).await;
                // Answers come in order, so what stalls has a connection of its own.
                let slow = producer(&connect(&core).await).await;
                assert!(write(&core, &fast, 0, 0).await);
                assert!(write(&core, &slow, 1, 0).await);
                is_stalled.set(true);
                core.sleep(Duration::from_millis(10)).await;
                let waiting = core.clone();
                core.spawn(async move {
                    for place in 1..50 {
                        assert!(write(&waiting, &slow, 1, place).await);
                    }
                });
                for place in 1..300 {
                    let begun = core.now();
                    assert!(write(&core, &fast, 0, place).await);
                    let took = core.now() - begun;
                    told.slowest.set(told.slowest.get().max(took));
                    core.sleep(Duration::from_millis(20)).await;
                }
                told.done.set(true);
            }
        });
        let begun = scene.world.run_until(|| stalled.get(), CALM);
        assert!(begun, "the topic cannot be written");
        let dir = Path::new(DIRS[1]);
        scene
            .world
            .stall_dir(scene.node, dir, Duration::from_secs(10));
        let done = scene.world.run_until(|| told.done.get(), CALM);
        scene.expect_no_mistake();
        assert!(
            done && told.slowest.get() < Duration::from_secs(1),
            "{:?}",
            told.slowest
        );
        scene.world.trace_hash()
    });
}

/// The story: a disk fails for good while both are written to. Its partition has no leader any
/// more, the other ones go on; after a restart with the disk back everything is served again.
#[test]
fn a_failed_directory_takes_only_its_own_partitions() {
    each_seed(
        "a_failed_directory_takes_only_its_own_partitions",
        4,
        |seed| {
            let mut scene = quiet_scene(seed);
            let told = Rc::new(Told::default());
            let noted = Rc::clone(&told);
            let failing = Rc::new(Cell::new(false));
            let is_failing = Rc::clone(&failing);
            let clients = scene.world.add_node(NodeOptions::numbered(3));
            scene.world.start(clients, 1, move |core| {
                let (told, is_failing) = (Rc::clone(&noted), Rc::clone(&is_failing));
                async move {
                    let client = spread(&core).await;
                    let good = producer(&client).await;
                    let bad = producer(&connect(&core).await).await;
                    assert!(write(&core, &good, 0, 0).await && write(&core, &bad, 1, 0).await);
                    is_failing.set(true);
                    core.sleep(Duration::from_millis(10)).await;
                    let retrying = core.clone();
                    core.spawn(async move {
                        // Acknowledged when the disk is back.
                        assert!(write(&retrying, &bad, 1, 1).await);
                    });
                    for place in 1..50 {
                        assert!(write(&core, &good, 0, place).await);
                        core.sleep(Duration::from_millis(20)).await;
                    }
                    client.refresh(None, false).await.unwrap();
                    *told.leaders.borrow_mut() = leaders(&client);
                    let dirs = client.log_dirs(NODE).await.unwrap();
                    assert_eq!(dirs[0].error, None);
                    assert_eq!(dirs[1].error, Some("KAFKA_STORAGE_ERROR"));
                    told.done.set(true);
                    loop {
                        core.sleep(Duration::from_millis(100)).await;
                        if client.refresh(None, false).await.is_ok() {
                            *told.leaders.borrow_mut() = leaders(&client);
                        }
                    }
                }
            });
            assert!(scene.world.run_until(|| failing.get(), CALM));
            scene.world.fail_dir(scene.node, Path::new(DIRS[1]));
            assert!(scene.world.run_until(|| told.done.get(), CALM));
            scene.expect_no_mistake();
            assert_eq!(*told.leaders.borrow(), [Some(NODE), None, Some(NODE)]);
            restart(&mut scene);
            let all_led = || told.leaders.borrow().iter().all(Option::is_some);
            // The disk is not back yet.
            scene.world.run_for(Duration::from_secs(5));
            assert!(!all_led());
            scene.world.heal_dirs(scene.node);
            restart(&mut scene);
            assert!(scene.world.run_until(all_led, CALM));
            scene.expect_no_mistake();
            scene.world.trace_hash()
        },
    );
}

pub(crate) fn restart(scene: &mut Scene) {
    scene.world.power_cut(scene.node);
    scene.start_node();
}

fn leaders(client: &Client) -> Vec<Option<NodeId>> {
    let image = client.image();
    let topic = image.topics.get(TOPIC);
    let partitions = topic
        .into_iter()
        .flat_map(|topic| topic.partitions.values());
    partitions
        .map(|partition| Some(partition.leader).filter(|leader| leader.0 >= 0))
        .collect()
}
