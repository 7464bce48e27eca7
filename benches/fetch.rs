//! What does a fetch of 1 MiB cost, from the hot tail and from a sealed segment, to the socket?
//!
//! The hot tail is sent from the memory it was written from, a sealed segment by sendfile from a
//! warm page cache, and the first time after the log was opened its batches are verified before.
//! What the first time costs more is what verifying costs (kernel-note 016). The ratio of the
//! others says whether consumers that lag behind a little and those that lag
//! behind a lot cost the same: beyond 2 in either direction the slower way deserves a look. The
//! reading end is a thread that throws everything away.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench: a panic is its failure, and criterion generates what has no documents"
)]

#[path = "support/batches.rs"]
mod batches;
#[path = "support/cores.rs"]
mod cores;

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use base::{LeaderEpoch, Offset, PartitionIndex, TopicPartition, Uuid};
use batch::{BatchView, Codec};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reactor::{Core, Socket};
use storage::{
    BatchShape, Engine, Log, LogConfig, OpenLog, Piece, Planted, ReadRequest, RecoveryVisitor,
    Stamp,
};

const VALUE_BYTES: usize = 1024;
const RECORDS: u32 = 64;
const FETCH_BYTES: usize = 1 << 20;
const SEGMENT_BYTES: u32 = 8 << 20;
/// Two sealed segments, and an active one with a tail in memory.
const LOG_BYTES: usize = 20 << 20;

#[derive(Clone, Copy)]
enum Where {
    Hot,
    Sealed,
    Unverified,
}

fn fetches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fetch/1-MiB");
    group
        .sample_size(10)
        .throughput(Throughput::Bytes(FETCH_BYTES as u64));
    for (name, place) in [
        ("hot", Where::Hot),
        ("sealed", Where::Sealed),
        ("sealed-first-time", Where::Unverified),
    ] {
        group.bench_function(name, |bench| bench.iter_custom(|count| fetch(count, place)));
    }
    group.finish();
}

/// The time for `count` fetches.
fn fetch(count: u64, place: Where) -> Duration {
    let folder = cores::folder("fetch");
    let sink = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let address = sink.local_addr().expect("it is bound");
    let drain = std::thread::spawn(move || {
        let (mut stream, _) = sink.accept().expect("the bench connects");
        let mut bytes = vec![0; 256 << 10];
        while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
    });
    let took = cores::measure(1, {
        let folder = folder.clone();
        move |core| {
            let folder = folder.clone();
            async move {
                let socket = core.connect(address).await.expect("it listens");
                let took = run(&core, &folder, &socket, (count, place)).await;
                socket.close();
                took
            }
        }
    });
    drain.join().expect("it only reads");
    let _ = std::fs::remove_dir_all(&folder);
    took
}

async fn run(core: &Core, folder: &Path, socket: &Socket, load: (u64, Where)) -> Duration {
    let (mut left, place) = load;
    let engine = Engine::start(core, folder, Planted::default());
    let mut log = fill(&engine).await;
    let mut took = Duration::ZERO;
    while left > 0 {
        let (from, step, round) = match place {
            Where::Hot => {
                let back = (FETCH_BYTES / VALUE_BYTES) as i64;
                (log.log_end().0 - back, 0, left)
            }
            Where::Sealed => (log.log_start().0, 0, left),
            // Seven fetches of each eight lie within one sealed segment.
            Where::Unverified => (log.log_start().0, 1000, left.min(7)),
        };
        if let Where::Unverified = place {
            log = reopen(&engine, log).await;
        }
        let begin = core.now();
        for number in 0..round {
            fetch_once(&log, socket, Offset(from + step * number as i64)).await;
        }
        took += core.now() - begin;
        left -= round;
    }
    engine.stop();
    took
}

async fn fetch_once(log: &Log, socket: &Socket, offset: Offset) {
    let request = ReadRequest {
        offset,
        bytes_max: FETCH_BYTES,
        at_least_one: true,
        upper_bound: log.log_end(),
    };
    let result = log.read(&request).await.expect("it is there");
    assert!(result.len > 0, "there is something to send");
    for piece in result.pieces {
        match piece {
            Piece::Memory(bytes) => socket.write(&[bytes]).await,
            Piece::File {
                file,
                position,
                len,
            } => match file.range(position, len).await {
                Ok(range) => socket.send_file(&range).await,
                Err(error) => Err(error),
            },
        }
        .expect("the other end reads");
    }
}

/// Closes the log and opens it again, so that nothing of it is known to be intact.
async fn reopen(engine: &Engine, log: Log) -> Log {
    let open = OpenLog {
        partition: log.partition().clone(),
        config: config(),
        recovery_point: log.log_end(),
        log_start: log.log_start(),
        clean: true,
    };
    log.write_snapshot(log.log_end(), b"").await.expect("room");
    log.close().await.expect("the device works");
    drop(log);
    let opened = Log::open(engine, &open, &mut NoProducers).await;
    opened.expect("it was closed in order").0
}

struct NoProducers;

impl RecoveryVisitor for NoProducers {
    fn load_snapshot(&mut self, _: Offset, _: &[u8]) -> bool {
        true
    }
    fn replay(&mut self, _: &BatchView<'_>) {}
    fn progress(&mut self, _: u64, _: u64) {}
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: SEGMENT_BYTES,
        ..LogConfig::default()
    }
}

async fn fill(engine: &Engine) -> Log {
    let partition = TopicPartition {
        topic: "bench".to_owned(),
        partition: PartitionIndex(0),
    };
    let log = Log::create(engine, partition, Uuid(1), config(), None)
        .await
        .expect("it is new");
    let batch = batches::batch(Codec::None, VALUE_BYTES, RECORDS as usize);
    let shape = BatchShape {
        len: batch.len(),
        offset_count: RECORDS,
        max_timestamp: batches::NOW,
    };
    for _ in 0..LOG_BYTES / batch.len() {
        let reservation = log.reserve(shape).await.expect("there is room");
        let stamp = Stamp::Leader {
            base_offset: log.log_end(),
            leader_epoch: LeaderEpoch(0),
            timestamps: None,
        };
        log.append(&batch, &stamp, reservation);
    }
    log.wait_durable(log.log_end())
        .await
        .expect("the device works");
    log
}

criterion_group!(benches, fetches);
criterion_main!(benches);
