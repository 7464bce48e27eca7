//! Which CRC-32C implementation for record batches?
//!
//! `crc32fast` computes another polynomial and is no candidate. Invariant: all candidates agree on
//! the checksum before any is timed.

use std::hint::black_box;
use std::io;
use std::time::Instant;

use crc_fast::CrcAlgorithm::Crc32Iscsi;

use crate::Options;
use crate::measure::{Figures, GIB, Report, Variant, interleave};
use crate::memory::Pages;

const BYTES_PER_ROUND: usize = 64 << 20;

pub(crate) fn run(options: &Options) -> io::Result<Report> {
    let pages = Pages::touched(1 << 20)?;
    let bytes = pages.as_slice();
    let fast = |bytes: &[u8]| crc_fast::checksum(Crc32Iscsi, bytes) as u32;
    if crc32c::crc32c(bytes) != fast(bytes) {
        return Err(io::Error::other("the candidates disagree"));
    }
    let mut variants = Vec::new();
    for kib in [1, 16, 1024] {
        let part = bytes.get(..kib * 1024).unwrap_or(bytes);
        variants.push(Variant::new(format!("crc32c {kib} KiB"), move || {
            Ok(time(part, crc32c::crc32c))
        }));
        variants.push(Variant::new(format!("crc-fast {kib} KiB"), move || {
            Ok(time(part, fast))
        }));
    }
    interleave(options, variants)
}

fn time(bytes: &[u8], checksum: impl Fn(&[u8]) -> u32) -> Figures {
    let times = BYTES_PER_ROUND / bytes.len();
    let started = Instant::now();
    for _ in 0..times {
        black_box(checksum(black_box(bytes)));
    }
    let seconds = started.elapsed().as_secs_f64();
    let gib = (times * bytes.len()) as f64 / GIB;
    vec![
        ("GiB_per_s", gib / seconds),
        ("core_s_per_GiB", seconds / gib),
    ]
}
