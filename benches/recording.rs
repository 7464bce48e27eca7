//! What does it cost to count one request?
//!
//! A response that has left is counted by three counters and one histogram. A core answers some
//! 60,000 requests per second when it is as busy as it gets, so the whole of it must stay far
//! below 160 nanoseconds: that would be one hundredth of the core. Conclude that a finer histogram
//! or more counters are affordable only as long as this shows a tenth of that.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench: a panic is its failure, and criterion generates what has no documents"
)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use metrics::{Counter, Histogram};

fn recording(criterion: &mut Criterion) {
    let histogram = Histogram::default();
    let counters: [Counter; 3] = Default::default();
    let mut us = 1_u64;
    criterion.bench_function("recording/request", |bench| {
        bench.iter(|| {
            // Durations of all sizes, so that no branch is foretold.
            us = us.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            counters[0].increment();
            counters[1].add(black_box(16 << 10));
            counters[2].add(black_box(60));
            histogram.record(Duration::from_micros(black_box(us >> 44)));
        });
    });
    assert_eq!(histogram.reading().count(), counters[0].get());
}

criterion_group!(benches, recording);
criterion_main!(benches);
