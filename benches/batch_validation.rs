//! What does it cost to validate a batch as it arrives, per codec and size of record?
//!
//! Small records cost per record, large ones per byte: compare the two sizes without a codec to
//! see where the line lies. A compressed batch must be decompressed to be believed, so its ratio
//! to the uncompressed one is what a producer's compression costs the node. The throughput is
//! that of the records before compression.

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

use std::hint::black_box;

use batch::{Codec, Rules, Scratch, validate};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const BATCH_BYTES: usize = 64 << 10;
const VALUE_BYTES: [usize; 2] = [100, 1024];

fn validation(criterion: &mut Criterion) {
    let rules = Rules {
        now: batches::NOW,
        ..Rules::default()
    };
    let mut scratch = Scratch::new();
    for value_bytes in VALUE_BYTES {
        let count = BATCH_BYTES / value_bytes;
        let mut group = criterion.benchmark_group(format!("validate/{value_bytes}-byte-records"));
        group.throughput(Throughput::Bytes((count * value_bytes) as u64));
        for codec in Codec::ALL {
            let batch = batches::batch(codec, value_bytes, count);
            let id = BenchmarkId::from_parameter(codec.name());
            group.bench_with_input(id, &batch, |bench, batch| {
                bench.iter(|| {
                    let validated = validate(black_box(batch), &rules, &mut scratch);
                    validated.expect("it is a good batch").record_count
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, validation);
criterion_main!(benches);
