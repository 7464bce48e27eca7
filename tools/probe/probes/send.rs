//! What sending costs on loopback: copying, SEND_ZC, sendfile, and reads followed by sends.
//!
//! The peer discards without copying, so the process's CPU time is the sender's side; what SEND_ZC
//! copies after all is counted too. Invariant: a SEND_ZC buffer is not touched before its
//! notification came (it never changes here).

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::time::Instant;

use io_uring::{IoUring, opcode, types};

use crate::Options;
use crate::disk::{Extents, Scratch};
use crate::measure::{Figures, GIB, Report, Stopwatch, Variant, interleave, percentile};
use crate::memory::Pages;
use crate::ring::{self, Setup};
use crate::{sockets, sys};

const TOTAL: usize = 256 << 20;
const FILE: usize = 64 << 20;
const MIB: usize = 1 << 20;

/// From memory: `send` against SEND_ZC.
pub(crate) fn zero_copy(options: &Options) -> io::Result<Report> {
    let pages = Pages::touched(MIB)?;
    let mut variants = Vec::new();
    for kib in [4, 16, 64, 1024] {
        let bytes = pages.as_slice().get(..kib * 1024).unwrap_or(&[]);
        variants.push(Variant::new(format!("send {kib} KiB"), move || {
            measure(|stream| {
                for _ in 0..TOTAL / bytes.len() {
                    (&*stream).write_all(bytes)?;
                }
                Ok(0.0)
            })
        }));
        for (name, zero_copy) in [("own ring send", false), ("own ring SEND_ZC", true)] {
            variants.push(Variant::new(format!("{name} {kib} KiB"), move || {
                measure(|stream| through_ring(stream, bytes, zero_copy))
            }));
        }
    }
    interleave(options, variants)
}

/// From a file: sendfile against reads followed by sends, 1 MiB at a time.
pub(crate) fn from_file(options: &Options) -> io::Result<Report> {
    let scratch = Scratch::create(&options.dir)?;
    let direct = scratch.direct_file("sealed", FILE as u64, Extents::Written)?;
    let cached = File::open(scratch.path("sealed"))?;
    let mut pages = Pages::touched(MIB)?;
    let fresh = sys::is_cached(&cached, 0)?;
    let mut warm = Pages::touched(MIB)?;
    for position in (0..FILE).step_by(MIB) {
        cached.read_exact_at(warm.as_mut_slice(), position as u64)?;
    }
    let (direct, cached) = (&direct, &cached);
    let variants = vec![
        Variant::new("cached after O_DIRECT write? (1 = yes)", move || {
            Ok(vec![("cached", f64::from(u8::from(fresh)))])
        }),
        Variant::new("sendfile, page cache warm", move || {
            measure(|stream| {
                for position in positions() {
                    sys::send_file(stream, cached, position, MIB)?;
                }
                Ok(0.0)
            })
        }),
        Variant::new("buffered pread + send", move || {
            measure(|stream| {
                for position in positions() {
                    cached.read_exact_at(warm.as_mut_slice(), position as u64)?;
                    (&*stream).write_all(warm.as_slice())?;
                }
                Ok(0.0)
            })
        }),
        Variant::new("O_DIRECT pread + send", move || {
            measure(|stream| {
                for position in positions() {
                    direct.read_exact_at(pages.as_mut_slice(), position as u64)?;
                    (&*stream).write_all(pages.as_slice())?;
                }
                Ok(0.0)
            })
        }),
    ];
    interleave(options, variants)
}

/// What it costs to ask whether a range is in the page cache, and to have it brought there.
pub(crate) fn page_cache(options: &Options) -> io::Result<Report> {
    let scratch = Scratch::create(&options.dir)?;
    scratch.direct_file("sealed", FILE as u64, Extents::Written)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_CLOEXEC)
        .open(scratch.path("sealed"))?;
    let file = &file;
    let timed = |name: &str, cold: bool, call: fn(&File, usize) -> io::Result<bool>| {
        Variant::new(name, move || {
            let (mut samples, mut yes) = (Vec::new(), 0);
            for position in (0..FILE).step_by(MIB) {
                sys::advise(file, position, MIB, libc::POSIX_FADV_DONTNEED)?;
                if !cold {
                    file.read_exact_at(&mut [0; 4096], position as u64)?;
                }
                let started = Instant::now();
                yes += usize::from(call(file, position)?);
                samples.push(started.elapsed().as_secs_f64() * 1e6);
            }
            let count = samples.len() as f64;
            Ok(vec![
                ("p50_us", percentile(samples.clone(), 0.5)),
                ("p99_us", percentile(samples, 0.99)),
                ("answered_yes", yes as f64 / count),
            ])
        })
    };
    let variants = vec![
        timed("RWF_NOWAIT read of 1 byte, cached", false, sys::is_cached),
        timed(
            "RWF_NOWAIT read of 1 byte, not cached",
            true,
            sys::is_cached,
        ),
        timed(
            "fadvise WILLNEED of 1 MiB, not cached",
            true,
            |file, position| {
                sys::advise(file, position, MIB, libc::POSIX_FADV_WILLNEED).map(|()| true)
            },
        ),
        timed("readahead of 1 MiB, not cached", true, |file, position| {
            sys::read_ahead(file, position, MIB).map(|()| true)
        }),
    ];
    interleave(options, variants)
}

fn positions() -> impl Iterator<Item = usize> {
    (0..TOTAL).step_by(MIB).map(|position| position % FILE)
}

fn measure(mut send: impl FnMut(&TcpStream) -> io::Result<f64>) -> io::Result<Figures> {
    let (near, far) = sockets::pair()?;
    let peer = sockets::swallow(far);
    let watch = Stopwatch::start();
    let copied = send(&near)?;
    near.shutdown(Shutdown::Write)?;
    sys::joined(peer)??;
    let lap = watch.lap();
    let gib = TOTAL as f64 / GIB;
    Ok(vec![
        ("core_s_per_GiB", lap.process / gib),
        ("sender_core_s_per_GiB", lap.thread / gib),
        ("GiB_per_s", gib / lap.wall),
        ("reported_copied", copied),
    ])
}

/// Sends with one request in flight; returns the share of notifications that admit a copy.
fn through_ring(stream: &TcpStream, bytes: &[u8], zero_copy: bool) -> io::Result<f64> {
    const REPORT_USAGE: u16 = 8;
    let mut ring: IoUring = ring::create(64, Setup::Deferred)?;
    let fd = types::Fd(stream.as_raw_fd());
    let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let (mut notices, mut copied, mut unnoticed) = (0_u32, 0_u32, 0_u32);
    let mut sent = 0;
    while sent < TOTAL || unnoticed > 0 {
        let mut waiting = sent < TOTAL;
        if waiting {
            let entry = if zero_copy {
                opcode::SendZc::new(fd, bytes.as_ptr(), len)
                    .flags(libc::MSG_WAITALL)
                    .zc_flags(REPORT_USAGE)
                    .build()
            } else {
                opcode::Send::new(fd, bytes.as_ptr(), len)
                    .flags(libc::MSG_WAITALL)
                    .build()
            };
            ring::push(&mut ring, &entry)?;
        }
        while waiting || (sent >= TOTAL && unnoticed > 0) {
            ring.submit_and_wait(1)?;
            for done in ring.completion() {
                if io_uring::cqueue::notif(done.flags()) {
                    notices += 1;
                    unnoticed -= 1;
                    copied += u32::from(done.result() < 0);
                    continue;
                }
                sent += sys::check(i64::from(done.result()))?;
                unnoticed += u32::from(io_uring::cqueue::more(done.flags()));
                waiting = false;
            }
        }
    }
    Ok(f64::from(copied) / f64::from(notices.max(1)))
}
