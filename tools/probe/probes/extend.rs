//! What appends cost by the state of the blocks they land on.
//!
//! Extending writes change the file's size, unwritten extents are converted by the first write,
//! written ones are merely overwritten. A punt is a run of one of the ring's worker threads.
//! Invariant: each round starts from a new file, so no extent is met twice in its first state.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use io_uring::{opcode, types};

use crate::Options;
use crate::disk::{Extents, Scratch};
use crate::measure::{Figures, GIB, Report, Stopwatch, Variant, interleave, percentile};
use crate::memory::Pages;
use crate::ring::{self, Setup};
use crate::sys;

const KIB: usize = 1024;
const ALL: [(Extents, &str); 3] = [
    (Extents::None, "extending"),
    (Extents::Unwritten, "unwritten"),
    (Extents::Written, "written"),
];

/// Without durability: four writes in flight.
pub(crate) fn append(options: &Options) -> io::Result<Report> {
    measure(options, &[4, 16, 128, 512, 1024], 4, 0)
}

/// With RWF_DSYNC on every write: four writes in flight.
pub(crate) fn durable(options: &Options) -> io::Result<Report> {
    measure(options, &[4, 128], 4, libc::RWF_DSYNC)
}

fn measure(options: &Options, sizes: &[usize], depth: usize, flags: i32) -> io::Result<Report> {
    let scratch = Scratch::create(&options.dir)?;
    let pages = Pages::touched(1 << 20)?;
    let mut variants = Vec::new();
    for &kib in sizes {
        for (extents, name) in ALL {
            let (scratch, pages) = (&scratch, &pages);
            variants.push(Variant::new(
                format!("{name} {kib} KiB x{depth}"),
                move || {
                    let writes = (32 * KIB / kib).min(512);
                    let len = (writes * kib * KIB) as u64;
                    let file = scratch.direct_file("append", len, extents)?;
                    write_all(&file, pages, (kib * KIB, writes), depth, flags)
                },
            ));
        }
    }
    interleave(options, variants)
}

fn write_all(
    file: &std::fs::File,
    pages: &Pages,
    (size, writes): (usize, usize),
    depth: usize,
    flags: i32,
) -> io::Result<Figures> {
    let mut ring = ring::create(64, Setup::Deferred)?;
    let fd = types::Fd(file.as_raw_fd());
    let len = u32::try_from(size).map_err(io::Error::other)?;
    let workers = sys::ring_workers()?;
    let watch = Stopwatch::start();
    let (mut queued, mut latencies, mut done) = (0, Vec::new(), Vec::new());
    let mut started = vec![Instant::now(); writes];
    while latencies.len() < writes {
        while queued < writes && queued - latencies.len() < depth {
            let entry = opcode::Write::new(fd, pages.as_slice().as_ptr(), len)
                .offset((queued * size) as u64)
                .rw_flags(flags)
                .build()
                .user_data(queued as u64);
            started[queued] = Instant::now();
            ring::push(&mut ring, &entry)?;
            queued += 1;
        }
        ring.submit_and_wait(1)?;
        ring::reap(&mut ring, &mut done);
        for (index, result) in done.drain(..) {
            if result < 0 {
                return Err(io::Error::from_raw_os_error(-result));
            }
            latencies.push(started[index as usize].elapsed().as_secs_f64() * 1e6);
        }
    }
    let lap = watch.lap();
    let runs = sys::ring_workers()?.0.saturating_sub(workers.0);
    let gib = (writes * size) as f64 / GIB;
    Ok(vec![
        ("MiB_per_s", gib * 1024.0 / lap.wall),
        ("cpu_s_per_GiB", lap.process / gib),
        ("p50_us", percentile(latencies, 0.5)),
        ("worker_runs_per_write", runs as f64 / writes as f64),
    ])
}
