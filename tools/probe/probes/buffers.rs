//! What a fresh buffer costs beside a reused one, and whether huge pages help an arena.
//!
//! Every variant copies the same bytes into its buffer, as a receive would; the difference is
//! page faults. Invariant: fresh buffers are really unmapped between uses (`mmap`/`munmap`).

use std::hint::black_box;
use std::io;

use crate::Options;
use crate::measure::{Figures, GIB, Report, Stopwatch, Variant, interleave};
use crate::memory::Pages;

const MIB: usize = 1 << 20;
const BYTES_PER_ROUND: usize = 256 * MIB;

pub(crate) fn run(options: &Options) -> io::Result<Report> {
    let source = Pages::touched(MIB)?;
    let source = source.as_slice();
    let mut variants = Vec::new();
    for mib in [1, 13] {
        let mut reused = Pages::touched(mib * MIB)?;
        variants.push(Variant::new(format!("reused {mib} MiB"), move || {
            let times = BYTES_PER_ROUND / (mib * MIB);
            measure(times, mib, |_| {
                fill(&mut reused, source);
                Ok(())
            })
        }));
        variants.push(Variant::new(format!("fresh {mib} MiB"), move || {
            let times = BYTES_PER_ROUND / (mib * MIB);
            measure(times, mib, |_| {
                fill(&mut Pages::map(mib * MIB)?, source);
                Ok(())
            })
        }));
        variants.push(Variant::new(
            format!("fresh and zeroed {mib} MiB"),
            move || {
                let times = BYTES_PER_ROUND / (mib * MIB);
                measure(times, mib, |_| {
                    let mut pages = Pages::map(mib * MIB)?;
                    pages.as_mut_slice().fill(0);
                    fill(&mut pages, source);
                    Ok(())
                })
            },
        ));
    }
    for (name, advice) in [
        ("arena 64 MiB, small pages", libc::MADV_NOHUGEPAGE),
        ("arena 64 MiB, huge pages", libc::MADV_HUGEPAGE),
    ] {
        let mut arena = Pages::map(64 * MIB)?;
        arena.advise(advice)?;
        fill(&mut arena, source);
        variants.push(Variant::new(name, move || {
            measure(BYTES_PER_ROUND / (64 * MIB), 64, |_| {
                fill(&mut arena, source);
                Ok(())
            })
        }));
        variants.push(Variant::new(format!("first touch of {name}"), move || {
            measure(1, 64, |_| {
                let mut fresh = Pages::map(64 * MIB)?;
                fresh.advise(advice)?;
                fill(&mut fresh, source);
                Ok(())
            })
        }));
    }
    interleave(options, variants)
}

fn fill(pages: &mut Pages, source: &[u8]) {
    for part in pages.as_mut_slice().chunks_mut(source.len()) {
        let (bytes, _) = source.split_at(part.len());
        part.copy_from_slice(bytes);
    }
    black_box(pages.as_slice());
}

fn measure(
    times: usize,
    mib: usize,
    mut work: impl FnMut(usize) -> io::Result<()>,
) -> io::Result<Figures> {
    let watch = Stopwatch::start();
    for index in 0..times {
        work(index)?;
    }
    let lap = watch.lap();
    let gib = (times * mib * MIB) as f64 / GIB;
    Ok(vec![
        ("core_s_per_GiB", lap.thread / gib),
        ("GiB_per_s", gib / lap.wall),
    ])
}
