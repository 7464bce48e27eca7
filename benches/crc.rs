//! Which implementation of CRC-32C is the fastest at the sizes of real batches?
//!
//! Every batch is checked once when it arrives, so this is a part of every produce request.
//! `crc32c` is what the product uses; it uses one instruction of the processor on three streams.
//! Conclude that another one is worth a change only if it is more than twice as fast at 16 KiB:
//! at several GB/s the checksum is below a tenth of what a request costs.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench: a panic is its failure, and criterion generates what has no documents"
)]

use std::hint::black_box;

use base::Random;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const SIZES: [usize; 4] = [128, 1 << 10, 16 << 10, 1 << 20];

fn checksums(criterion: &mut Criterion) {
    let table = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    let mut group = criterion.benchmark_group("crc32c");
    for size in SIZES {
        let mut bytes = vec![0; size];
        Random::new(1).fill(&mut bytes);
        let expected = crc32c::crc32c(&bytes);
        assert_eq!(fast(&bytes), expected, "the same polynomial");
        assert_eq!(table.checksum(&bytes), expected, "the same polynomial");
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::new("crc32c", size), &bytes, |bench, bytes| {
            bench.iter(|| crc32c::crc32c(black_box(bytes)));
        });
        group.bench_with_input(
            BenchmarkId::new("crc-fast", size),
            &bytes,
            |bench, bytes| {
                bench.iter(|| fast(black_box(bytes)));
            },
        );
        group.bench_with_input(BenchmarkId::new("table", size), &bytes, |bench, bytes| {
            bench.iter(|| table.checksum(black_box(bytes)));
        });
    }
    group.finish();
}

fn fast(bytes: &[u8]) -> u32 {
    let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes);
    u32::try_from(checksum).expect("it has 32 bits")
}

criterion_group!(benches, checksums);
criterion_main!(benches);
