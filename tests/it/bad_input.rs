//! Hostile, broken and slow clients cost themselves, not the node: its memory stays within the
//! budget it was given, and a healthy client beside them goes on.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use wire::api_versions::ApiVersionsRequest;
use wire::create_topics::CreateTopicsRequest;
use wire::fetch::FetchRequest;
use wire::init_producer_id::InitProducerIdRequest;
use wire::list_offsets::ListOffsetsRequest;
use wire::produce::ProduceRequest;
use wire::{Request, create_topics, list_offsets};

use crate::connection::Connection;
use crate::healthy::Healthy;
use crate::hostile::{self, Tormentor};
use crate::log;
use crate::records::Writer;
use crate::seed;
use crate::server::{self, Server};
use crate::topics::{self, Topic};

const MUTANTS: u64 = 10_000;
/// However busy the machine, a client has begun by then.
const PATIENCE: Duration = Duration::from_secs(60);
const CROWD: usize = 1_000;
const SETTINGS: [&str; 3] = [
    "forebay.cores=2",
    "forebay.memory.frames.bytes=67108864",
    "forebay.memory.chunks.bytes=67108864",
];
/// Two cores, each with the two budgets above.
const BUDGET_BYTES: u64 = (2 * (64 + 64)) << 20;
/// The program itself, its stacks, and what each of a thousand connections may hold beside frames.
const OVERHEAD_BYTES: u64 = (64 << 20) + CROWD as u64 * (16 << 10);
/// A rate is measured over so long.
const WINDOW: Duration = Duration::from_millis(300);
/// What a healthy client keeps of its rate beside any number of others.
const KEPT_MIN: f64 = 0.8;
/// The rate alone and beside the others is measured in turns, so often at least and at most. The
/// median of so many pairs stands still where one figure on a busy machine says nothing.
const PAIRS: usize = 5;
const PAIRS_MAX: usize = 25;

/// A server with a healthy client.
struct Scene {
    server: Server,
    healthy: Healthy,
}

impl Scene {
    fn set(name: &str) -> Option<Self> {
        let server = Server::own(name, &SETTINGS)?;
        let healthy = Healthy::start(server.address());
        let begin = Instant::now();
        while healthy.rate_over(WINDOW) == 0.0 {
            assert!(begin.elapsed() < PATIENCE, "the healthy client never began");
        }
        Some(Self { server, healthy })
    }

    /// Lets others come and go, and compares how the healthy client fares beside them and alone;
    /// `torment` brings them and says its rate meanwhile.
    fn compare(&mut self, what: &str, torment: impl Fn(&Self) -> f64) {
        let mut kept = Vec::new();
        let mut alone = 0.0;
        while kept.len() < PAIRS || (kept.len() < PAIRS_MAX && median(&mut kept) < KEPT_MIN) {
            alone = self.healthy.rate_over(WINDOW);
            kept.push(torment(self) / alone.max(1.0));
            self.server.connect();
        }
        let median = median(&mut kept);
        let peak = self.server.peak_bytes();
        println!(
            "{what}: healthy client at {median:.2} of its rate ({:.2} to {:.2} in {} pairs, \
             {alone:.0} records/s alone), {} MiB resident at most",
            kept[0],
            kept[kept.len() - 1],
            kept.len(),
            peak >> 20
        );
        assert!(median >= KEPT_MIN, "the healthy client was slowed down");
        self.check_memory();
    }

    /// Fails if the node has ended, or ever took more memory than it was given.
    fn check_memory(&mut self) {
        assert!(self.server.is_running());
        let peak = self.server.peak_bytes();
        assert!(
            peak < BUDGET_BYTES + OVERHEAD_BYTES,
            "{peak} bytes resident, the budget is {BUDGET_BYTES} and {OVERHEAD_BYTES}"
        );
    }

    fn finish(self) {
        self.healthy.finish();
        assert!(
            !self.server.log().contains("panicked"),
            "{}",
            self.server.log()
        );
    }
}

/// The middle one; they are in order afterwards.
fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Whatever bytes arrive, the process lives and answers the next client.
#[test]
fn mutated_frames_harm_nobody() {
    let _turn = server::turn();
    let mut random = seed::random("mutants");
    let Some(mut scene) = Scene::set("mutants") else {
        return;
    };
    let mut connection = scene.server.connect();
    let topic = topics::create(&mut connection, "mutants", 1);
    let corpus = corpus(&mut connection, &topic);
    let mut tormentor = Tormentor::new(scene.server.address());
    let begin = Instant::now();
    for _ in 0..MUTANTS {
        let frame = &corpus[random.below(corpus.len() as u64) as usize];
        tormentor.send(&hostile::mutate(frame, &mut random));
    }
    println!(
        "{MUTANTS} mutants of {} frames in {:?} over {} connections",
        corpus.len(),
        begin.elapsed(),
        tormentor.connections
    );
    assert!(
        scene.healthy.rate_over(10 * WINDOW) > 0.0,
        "the healthy client stood still"
    );
    scene.check_memory();
    // What the log took from mutants, if anything, is whole batches with right checksums.
    log::each_batch(&mut scene.server.connect(), (&topic, 0), 0, |_| ());
    scene.finish();
}

/// A frame's length is a claim: memory follows the bytes that arrive.
#[test]
fn frames_that_claim_too_much_cost_nothing() {
    let _turn = server::turn();
    let Some(mut scene) = Scene::set("claims") else {
        return;
    };
    // The most that a length can say, and just under the default of socket.request.max.bytes.
    for claimed in [i32::MAX, 104_857_600 - 1] {
        let bytes = hostile::boast(claimed, 1024);
        let what = format!("{CROWD} connections that claim {claimed} bytes");
        scene.compare(&what, |scene| {
            let mut crowd = hostile::crowd(scene.server.address(), CROWD);
            // A broker may close such a connection at once, so that writing to it fails.
            crowd.retain_mut(|stream| stream.write_all(&bytes).is_ok());
            scene.healthy.rate_over(WINDOW)
        });
    }
    scene.finish();
}

/// A client on a bad line, or one that wants to hold on to a place, does not slow the others.
#[test]
fn dripping_clients_do_not_slow_the_others() {
    let _turn = server::turn();
    let seconds = seed::knob("DRIP_SECONDS", 1);
    let Some(mut scene) = Scene::set("dripping") else {
        return;
    };
    let bytes = hostile::boast(1 << 20, 1024);
    let what = format!("{CROWD} connections that send a byte a second");
    scene.compare(&what, |scene| {
        let mut crowd = hostile::crowd(scene.server.address(), CROWD);
        let mut rates = 0.0;
        for byte in bytes.chunks(1).take(usize::try_from(seconds).unwrap()) {
            drip(&mut crowd, byte);
            rates += scene.healthy.rate_over(Duration::from_secs(1));
        }
        assert_eq!(
            crowd.len(),
            hostile::crowd_max(CROWD),
            "the broker closed some"
        );
        rates / seconds as f64
    });
    scene.finish();
}

/// One byte to each; those that the broker closed are dropped.
fn drip(crowd: &mut Vec<TcpStream>, byte: &[u8]) {
    crowd.retain_mut(|stream| stream.write_all(byte).is_ok());
}

/// Well-formed requests of every version of the main APIs, to be mutated.
fn corpus(connection: &mut Connection, topic: &Topic) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let batch = Writer::new(0, 200).batch(3).bytes;
    for version in connection.versions::<ProduceRequest<'_>>().iter() {
        let request = topics::produce_request(topic, 0, -1, version, &batch);
        frames.push(connection.prepare(version, &request).1);
    }
    for version in connection.versions::<FetchRequest<'_>>().iter() {
        let request = log::fetch_request(topic, 0, 0, version);
        frames.push(connection.prepare(version, &request).1);
    }
    // Old versions cannot say that they do not want a topic created.
    let mut metadata = topics::metadata_of(&topic.name);
    metadata.allow_auto_topic_creation = true;
    collect(connection, &metadata, &mut frames);
    collect(connection, &ApiVersionsRequest::default(), &mut frames);
    collect(connection, &InitProducerIdRequest::default(), &mut frames);
    collect(connection, &offsets_request(topic), &mut frames);
    // Its name is invalid, or mutants would fill the disk with topics.
    let created = create_topics::CreatableTopic {
        name: "not/a/name".into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![created],
        ..Default::default()
    };
    collect(connection, &request, &mut frames);
    frames
}

fn collect<R: Request>(connection: &mut Connection, request: &R, frames: &mut Vec<Vec<u8>>) {
    for version in connection.versions::<R>().iter() {
        frames.push(connection.prepare(version, request).1);
    }
}

fn offsets_request(topic: &Topic) -> ListOffsetsRequest<'_> {
    let partition = list_offsets::ListOffsetsPartition {
        timestamp: log::LATEST,
        current_leader_epoch: -1,
        max_num_offsets: 1,
        ..Default::default()
    };
    let topics = vec![list_offsets::ListOffsetsTopic {
        name: topic.name.as_str().into(),
        partitions: vec![partition],
    }];
    ListOffsetsRequest {
        replica_id: -1,
        topics,
        ..Default::default()
    }
}
