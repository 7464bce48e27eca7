//! What does the log cost between a valid batch and its acknowledgement, on the real device?
//!
//! `one` waits for each batch, so it is the latency of one flush, which the device decides;
//! `grouped` has 64 batches under way, as pipelined producers do, so it is the throughput of the
//! append path. Their ratio says how much the flusher's grouping is worth: near 1, appends no
//! longer share flushes and something is broken. `memory` never waits for the device and is the
//! cost of the copy and the books alone.

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

use std::path::Path;
use std::time::Duration;

use base::{LeaderEpoch, PartitionIndex, TopicPartition, Uuid};
use batch::Codec;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reactor::Core;
use storage::{BatchShape, Engine, FlushPolicy, Log, LogConfig, Planted, Stamp};

const VALUE_BYTES: usize = 1024;
const RECORDS: u32 = 16;
const SEGMENT_BYTES: u32 = 256 << 20;

fn appends(criterion: &mut Criterion) {
    let bytes = batches::batch(Codec::None, VALUE_BYTES, RECORDS as usize).len();
    let mut group = criterion.benchmark_group("append/16-KiB-batches");
    group
        .sample_size(10)
        .throughput(Throughput::Bytes(bytes as u64));
    let later = FlushPolicy::Later {
        messages: u64::MAX,
        after: Duration::from_secs(3600),
    };
    let cases = [
        ("one", 1, FlushPolicy::AtOnce),
        ("grouped", 64, FlushPolicy::AtOnce),
        ("memory", u64::MAX, later),
    ];
    for (name, under_way, flush) in cases {
        group.bench_function(name, |bench| {
            bench.iter_custom(|count| append(count, under_way, flush));
        });
    }
    group.finish();
}

/// The time to append `count` batches and, after every `under_way` of them, wait for the device.
fn append(count: u64, under_way: u64, flush: FlushPolicy) -> Duration {
    let folder = cores::folder("append");
    let took = cores::measure(1, {
        let folder = folder.clone();
        move |core| {
            let folder = folder.clone();
            async move { run(&core, &folder, (count, under_way, flush)).await }
        }
    });
    let _ = std::fs::remove_dir_all(&folder);
    took
}

async fn run(core: &Core, folder: &Path, load: (u64, u64, FlushPolicy)) -> Duration {
    let (count, under_way, flush) = load;
    let engine = Engine::start(core, folder, Planted::default());
    let partition = TopicPartition {
        topic: "bench".to_owned(),
        partition: PartitionIndex(0),
    };
    let config = LogConfig {
        segment_bytes: SEGMENT_BYTES,
        flush,
        ..LogConfig::default()
    };
    let log = Log::create(&engine, partition, Uuid(1), config, None)
        .await
        .expect("it is new");
    let batch = batches::batch(Codec::None, VALUE_BYTES, RECORDS as usize);
    let begin = core.now();
    for number in 1..=count {
        append_one(&log, &batch).await;
        if number % under_way == 0 {
            log.wait_durable(log.log_end())
                .await
                .expect("the device works");
        }
    }
    let took = core.now() - begin;
    log.flush().await.expect("the device works");
    engine.stop();
    took
}

async fn append_one(log: &Log, batch: &[u8]) {
    let shape = BatchShape {
        len: batch.len(),
        offset_count: RECORDS,
        max_timestamp: batches::NOW,
    };
    let reservation = log.reserve(shape).await.expect("there is room");
    let stamp = Stamp::Leader {
        base_offset: log.log_end(),
        leader_epoch: LeaderEpoch(0),
        timestamps: None,
    };
    log.append(batch, &stamp, reservation);
}

criterion_group!(benches, appends);
criterion_main!(benches);
