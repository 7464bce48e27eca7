//! A whole node with transactional clients: they crash, are taken over while they live on, hang,
//! ask again, and have copies of their requests come late; the node is killed, cut off from power,
//! stopped or given a failing disk; transactions take too long, epochs are used up, and the
//! cleaner runs over what transactions wrote.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use base::{ErrorCode, Random};
use batch::{BatchBuilder, BatchOptions};
use client::{ClientError, NewTopic, OPEN_STATES, TransactionFilter};
use reactor::sim::Faults;
use reactor::{Core, Signal, first};
use storage::Planted;
use wire::find_coordinator::FindCoordinatorRequest;
use wire::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use wire::record::transaction_state_transaction_log::{TransactionLogKey, TransactionLogValue};
use wire::{Records, Request, TransactionStateKey, encode_versioned};

use crate::audience;
use crate::broker::{self, CALM, Scene, connect};
use crate::outcomes::{Figures, Outcomes};
use crate::seeds::each_seed;
use crate::transactor::{Client, Level, Transactor};
use crate::wires::{Wire, passes};

const PAUSE: Duration = Duration::from_millis(20);
/// Partitions of each internal topic.
const COORDINATORS: i32 = 2;
/// Producer ids of old ids, which the node's own count does not reach.
const OLD_IDS: i64 = 1_000_000;

/// What outlives the node.
struct Outside {
    outcomes: Rc<Outcomes>,
    clients: Vec<Client>,
    finishing: Cell<bool>,
    /// Lives that have not ended.
    living: Cell<usize>,
    finished: Cell<usize>,
    checked: Cell<bool>,
}

/// What the node is told, besides where its files are.
fn settings(random: &mut Random) -> Vec<String> {
    let roll_ms = 100 + random.below(2_000);
    let retention_ms = random.below(1_500);
    vec![
        format!("offsets.topic.num.partitions={COORDINATORS}"),
        format!("transaction.state.log.num.partitions={COORDINATORS}"),
        "transaction.abort.timed.out.transaction.cleanup.interval.ms=200".to_owned(),
        format!("log.roll.ms={roll_ms}"),
        "log.cleaner.backoff.ms=150".to_owned(),
        "log.cleaner.min.cleanable.ratio=0.01".to_owned(),
        format!("log.cleaner.delete.retention.ms={retention_ms}"),
    ]
}

fn clients(random: &mut Random) -> Vec<Client> {
    let count = 1 + usize::try_from(random.below(3)).unwrap();
    let client = |index| Client {
        index,
        level: if random.chance(2, 3) {
            Level::Two
        } else {
            Level::One
        },
        timeout_ms: 300 + i32::try_from(random.below(2_000)).unwrap(),
    };
    (0..count).map(client).collect()
}

/// Java's hash of a text.
pub(crate) fn java_hash(text: &str) -> i32 {
    let hash = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    text.encode_utf16().fold(0, hash)
}

/// Makes the topics, and has the coordinators found, which makes theirs.
async fn prepare(core: Core, outside: Rc<Outside>, old: Vec<(usize, i16)>) {
    let client = connect(&core).await;
    for (name, partitions, policy) in [("orders", 2, "delete"), ("totals", 1, "compact")] {
        let topic = NewTopic {
            name: name.to_owned(),
            partitions: Some(partitions),
            replication_factor: Some(1),
            configs: vec![("cleanup.policy".to_owned(), policy.to_owned())],
        };
        match client.create_topic(&topic, false).await {
            Ok(_)
            | Err(ClientError::Refused {
                code: ErrorCode::TopicAlreadyExists,
                ..
            }) => {}
            Err(error) => panic!("{name}: {error}"),
        }
    }
    let wire = Wire::named(&core, "__admin_client");
    for client in &outside.clients {
        find_coordinator(&core, &wire, (0, client.group())).await;
        find_coordinator(&core, &wire, (1, client.transactional_id())).await;
    }
    for (index, epoch) in old {
        write_old(&core, &wire, &outside.clients[index], epoch).await;
    }
}

async fn find_coordinator(core: &Core, wire: &Wire, (kind, key): (i8, String)) {
    let request = FindCoordinatorRequest {
        key_type: kind,
        coordinator_keys: vec![key.into()],
        ..Default::default()
    };
    loop {
        if let Ok(answer) = wire.ask(&request, 4).await {
            let response = answer.decode::<<FindCoordinatorRequest<'_> as Request>::Response<'_>>();
            let code = response.expect("an answer").coordinators[0].error_code;
            match ErrorCode::from_code(code) {
                ErrorCode::None => return,
                code => assert!(passes(code), "{code:?}"),
            }
        }
        core.sleep(PAUSE).await;
    }
}

/// Writes down, as Kafka lets an administrator do it, that a transactional id has used up nearly
/// all of its epochs; its coordinator reads it when the node starts again.
async fn write_old(core: &Core, wire: &Wire, client: &Client, epoch: i16) {
    let id = client.transactional_id();
    let key = TransactionStateKey::TransactionLog(TransactionLogKey {
        transactional_id: id.as_str().into(),
    });
    let producer_id = OLD_IDS + i64::try_from(client.index).unwrap();
    let value = TransactionLogValue {
        producer_id,
        previous_producer_id: producer_id,
        next_producer_id: -1,
        producer_epoch: epoch,
        transaction_timeout_ms: client.timeout_ms,
        transaction_status: 0,
        transaction_partitions: None,
        transaction_last_update_timestamp_ms: core.wall().0,
        transaction_start_timestamp_ms: -1,
        ..Default::default()
    };
    let key = key.encode().expect("a key fits its format");
    let value = encode_versioned(&value, 1).expect("a value fits its format");
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(core.wall(), Some(&key), Some(&value), &[]);
    let mut bytes = Vec::new();
    builder.build(&mut bytes).expect("it needs no codec");
    let request = ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: 5_000,
        topic_data: vec![TopicProduceData {
            name: "__transaction_state".into(),
            partition_data: vec![PartitionProduceData {
                index: java_hash(&id).checked_abs().unwrap_or(0) % COORDINATORS,
                records: Records::Borrowed(&bytes),
            }],
            ..Default::default()
        }],
    };
    let answer = wire.ask(&request, 12).await.expect("nothing fails yet");
    let response = answer.decode::<<ProduceRequest<'_> as Request>::Response<'_>>();
    let response = response.expect("an answer");
    let code = response.responses[0].partition_responses[0].error_code;
    assert_eq!(ErrorCode::from_code(code), ErrorCode::None);
}

/// One transactional id: life after life, some of which go on when the next one has begun.
async fn supervise(core: Core, outside: Rc<Outside>, client: Client) {
    let mut random = Random::new(core.entropy());
    let mut life = 0;
    while !outside.finishing.get() {
        life += 1;
        let crash = Signal::new();
        core.spawn(live(
            core.clone(),
            Rc::clone(&outside),
            (client, life),
            crash.clone(),
        ));
        let patience = Duration::from_micros(random.below(4_000_000));
        let give_up = core.now() + patience;
        while core.now() < give_up && !outside.finishing.get() {
            core.sleep(PAUSE).await;
        }
        if random.chance(1, 2) && !outside.finishing.get() {
            crash.notify();
        }
    }
    while outside.living.get() > 0 {
        core.sleep(PAUSE).await;
    }
    let outcomes = Rc::clone(&outside.outcomes);
    Transactor::new(&core, outcomes, client, life + 1)
        .live_last()
        .await;
    outside.finished.set(outside.finished.get() + 1);
}

async fn live(core: Core, outside: Rc<Outside>, (client, life): (Client, u32), crash: Signal) {
    outside.living.set(outside.living.get() + 1);
    let transactor = Transactor::new(&core, Rc::clone(&outside.outcomes), client, life);
    let is_over = {
        let outside = Rc::clone(&outside);
        move || outside.finishing.get()
    };
    let crash = crash.wait();
    let living: std::pin::Pin<Box<dyn Future<Output = ()>>> = Box::pin(transactor.live(is_over));
    first(crash, living).await;
    outside.living.set(outside.living.get() - 1);
}

async fn begin_all(core: Core, outside: Rc<Outside>) {
    for client in outside.clients.clone() {
        core.spawn(supervise(core.clone(), Rc::clone(&outside), client));
    }
    for is_committed in [true, false] {
        let (outcomes, is_over) = (Rc::clone(&outside.outcomes), Rc::clone(&outside));
        let is_over = move || is_over.finishing.get();
        core.spawn(audience::read_along(
            core.clone(),
            outcomes,
            is_committed,
            is_over,
        ));
    }
    let clients = outside.clients.clone();
    audience::watch_offsets(core, Rc::clone(&outside.outcomes), clients).await;
}

/// Waits until no transaction is open and holds everything against what was told.
async fn check(core: Core, outside: Rc<Outside>) {
    let client = connect(&core).await;
    loop {
        let filter = TransactionFilter::default();
        let listed = client.list_transactions(&filter).await;
        let listed = listed.expect("nothing fails any more");
        assert_eq!(listed.len(), outside.clients.len(), "each id is known");
        if !listed
            .iter()
            .any(|one| OPEN_STATES.contains(&one.state.as_str()))
        {
            break;
        }
        core.sleep(PAUSE).await;
    }
    audience::check(core, Rc::clone(&outside.outcomes), outside.clients.clone()).await;
    outside.checked.set(true);
}

/// The scene with transactional clients in it.
struct Play {
    scene: Scene,
    outside: Rc<Outside>,
    seed: u64,
}

impl Play {
    fn new(seed: u64, planted: Planted) -> Self {
        let mut scene = Scene::new(seed, planted);
        let mut random = Random::salted(seed, 0x7A_C7);
        scene.setup.settings = settings(&mut random);
        let outside = Rc::new(Outside {
            outcomes: Rc::default(),
            clients: clients(&mut random),
            finishing: Cell::new(false),
            living: Cell::new(0),
            finished: Cell::new(0),
            checked: Cell::new(false),
        });
        Self {
            scene,
            outside,
            seed,
        }
    }

    /// On a good day the topics are made, and some clients' epochs are nearly used up.
    fn prepare(&mut self) {
        let scene = &mut self.scene;
        scene.world.set_faults(Faults::none());
        scene.start_node();
        let mut old = Vec::new();
        for client in &self.outside.clients {
            if scene.random.chance(1, 3) {
                let left = i16::try_from(scene.random.below(12)).unwrap();
                old.push((client.index, i16::MAX - 2 - left));
            }
        }
        let has_old = !old.is_empty();
        let outside = Rc::clone(&self.outside);
        let clients = scene.clients;
        let work = |core| prepare(core, outside, old);
        let prepared = scene.world.run_process(clients, CALM, work);
        scene.expect_no_mistake();
        assert!(prepared.is_some(), "no topics");
        if has_old || scene.random.chance(1, 2) {
            scene.world.power_cut(scene.node);
        } else {
            scene.world.kill(scene.node);
        }
        scene.world.set_faults(broker::faults(self.seed));
    }

    fn run_a_while(&mut self) {
        let random = &mut self.scene.random;
        let us_max = [100_000, 1_000_000, 4_000_000][usize::try_from(random.below(3)).unwrap()];
        let duration = Duration::from_micros(random.below(us_max));
        self.scene.world.run_for(duration);
    }

    fn troubled_times(&mut self) {
        for _ in 0..1 + self.scene.random.below(4) {
            self.scene.start_node();
            self.run_a_while();
            self.scene.trouble();
            self.run_a_while();
            self.scene.expect_no_mistake();
            self.scene.end_node();
            self.scene.expect_no_mistake();
            if self.scene.random.chance(1, 2) {
                self.scene.run_a_while();
            }
        }
    }

    /// On a good day everything ends; and it is as it was told, also after another start.
    fn settle(&mut self) {
        let scene = &mut self.scene;
        scene.world.set_faults(Faults::none());
        scene.world.unblock_all();
        scene.start_node();
        scene.world.run_for(Duration::from_secs(1));
        self.outside.finishing.set(true);
        let outside = Rc::clone(&self.outside);
        let done = || outside.finished.get() == outside.clients.len();
        let done = scene.world.run_until(done, CALM);
        scene.expect_no_mistake();
        assert!(done, "a client finds no end");
        scene.world.kill(scene.clients);
        if scene.random.chance(1, 2) {
            scene.process.stopping.set(true);
            let ended = || !scene.world.is_running(scene.node);
            assert!(scene.world.run_until(ended, CALM), "the node does not stop");
            scene.expect_no_mistake();
        }
        scene.world.power_cut(scene.node);
        scene.start_node();
        let work = |core| check(core, Rc::clone(&outside));
        scene.world.start(scene.clients, 1, work);
        let checked = || outside.checked.get();
        let checked = scene.world.run_until(checked, CALM);
        scene.expect_no_mistake();
        assert!(checked, "a transaction finds no end");
    }
}

/// One seed: its trace, and how much happened.
pub(crate) fn run(seed: u64, planted: Planted) -> (u64, Figures) {
    let mut play = Play::new(seed, planted);
    play.prepare();
    let outside = Rc::clone(&play.outside);
    let work = |core| begin_all(core, Rc::clone(&outside));
    play.scene.world.start(play.scene.clients, 1, work);
    play.troubled_times();
    play.settle();
    (
        play.scene.world.trace_hash(),
        play.outside.outcomes.figures(),
    )
}

/// The story: clients whose every step may fail, be repeated or come late, and a node that dies
/// again and again; in the end every transaction is there whole or not at all, as its client was
/// told, and nobody was shown anything else meanwhile.
#[test]
fn transactions_are_whole_whatever_happens() {
    let total = Cell::new(Figures::default());
    let seeds = each_seed("transactions_are_whole_whatever_happens", 8, |seed| {
        let (hash, figures) = run(seed, Planted::default());
        total.set(total.get().plus(&figures));
        hash
    });
    let total = total.get();
    println!("{seeds} seeds: {total:?}");
    assert!(seeds == 1 || total.is_lively(), "the runs did nothing");
}
