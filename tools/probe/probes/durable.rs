//! Which way of making appends durable gives the most bytes per second and per CPU second?
//!
//! Lanes write batches to preallocated, written files through one ring; a batch is durable when its
//! writes and, unless they carried RWF_DSYNC, an fdatasync behind them have completed. Variants
//! differ in batch size, lanes per file, number of files, and in who waits for whom.
//! Invariant: a lane never starts a flush before the writes it is to cover have completed.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use io_uring::{IoUring, opcode, squeue, types};

use crate::Options;
use crate::disk::{Extents, Scratch};
use crate::measure::{Figures, GIB, Report, Stopwatch, Variant, interleave, percentile};
use crate::memory::Pages;
use crate::ring::{self, Setup};
use crate::sys;

const KIB: usize = 1024;
const RING_ENTRIES: u32 = 4096;
const SPAN: Duration = Duration::from_millis(250);

/// How a batch becomes durable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    /// Not at all: the ceiling.
    Never,
    /// Every write carries RWF_DSYNC.
    Dsync,
    /// One fdatasync when the last write of the batch has completed.
    After,
    /// The fdatasync is linked behind the batch's only write and submitted with it.
    Linked,
}

/// One variant.
#[derive(Clone, Copy)]
struct Plan {
    files: usize,
    lanes: usize,
    write: usize,
    writes: usize,
    sync: Sync,
    /// All lanes wait for each other: all writes, then all flushes, then the next round.
    lockstep: bool,
}

impl Plan {
    fn name(self) -> String {
        let sync = match self.sync {
            Sync::Never => "no sync",
            Sync::Dsync => "dsync",
            Sync::After => "then fdatasync",
            Sync::Linked => "linked fdatasync",
        };
        let (files, lanes, writes) = (self.files, self.lanes, self.writes);
        let step = if self.lockstep { " lockstep" } else { "" };
        let kib = self.write / KIB;
        format!("{files} files x{lanes}: {writes} x {kib} KiB {sync}{step}")
    }
}

/// One file: batch sizes and pipelining.
pub(crate) fn one_file(options: &Options) -> io::Result<Report> {
    let plan = |lanes, writes, kib: usize, sync| Plan {
        files: 1,
        lanes,
        write: kib * KIB,
        writes,
        sync,
        lockstep: false,
    };
    measure(
        options,
        &[
            plan(1, 1, 16, Sync::After),
            plan(1, 1, 16, Sync::Dsync),
            plan(4, 1, 16, Sync::Dsync),
            plan(1, 1, 64, Sync::After),
            plan(1, 1, 64, Sync::Linked),
            plan(1, 1, 64, Sync::Dsync),
            plan(4, 1, 64, Sync::Dsync),
            plan(1, 1, 256, Sync::After),
            plan(1, 1, 256, Sync::Dsync),
            plan(2, 1, 256, Sync::After),
            plan(2, 1, 256, Sync::Dsync),
            plan(4, 1, 256, Sync::Dsync),
            plan(1, 4, 64, Sync::After),
            plan(1, 16, 64, Sync::After),
            plan(1, 16, 64, Sync::Dsync),
            plan(1, 4, 256, Sync::After),
            plan(1, 4, 256, Sync::Dsync),
            plan(1, 1, 1024, Sync::After),
            plan(1, 16, 256, Sync::After),
            plan(1, 8, 512, Sync::After),
            plan(2, 4, 256, Sync::After),
            plan(2, 2, 512, Sync::After),
            plan(2, 4, 512, Sync::After),
            plan(4, 4, 256, Sync::After),
            plan(1, 1, 4096, Sync::After),
            plan(4, 4, 256, Sync::Never),
        ],
    )
}

/// Several files: who shares a device flush.
pub(crate) fn many_files(options: &Options) -> io::Result<Report> {
    let mut plans = Vec::new();
    for (files, kib) in [(6, 64), (6, 256), (100, 16), (100, 64)] {
        for (sync, lockstep) in [
            (Sync::After, true),
            (Sync::Dsync, true),
            (Sync::After, false),
            (Sync::Linked, false),
            (Sync::Dsync, false),
        ] {
            plans.push(Plan {
                files,
                lanes: 1,
                write: kib * KIB,
                writes: 1,
                sync,
                lockstep,
            });
        }
    }
    measure(options, &plans)
}

fn measure(options: &Options, plans: &[Plan]) -> io::Result<Report> {
    let scratch = Scratch::create(&options.dir)?;
    let pages = Pages::touched(4 * KIB * KIB)?;
    let count = plans.iter().map(|plan| plan.files).max().unwrap_or(1);
    let len = if count == 1 { 256 << 20 } else { 8 << 20 };
    let files: Vec<File> = (0..count)
        .map(|index| scratch.direct_file(&index.to_string(), len, Extents::Written))
        .collect::<io::Result<_>>()?;
    let variants = plans
        .iter()
        .map(|plan| {
            let (plan, files, pages) = (*plan, &files, &pages);
            Variant::new(plan.name(), move || {
                Engine::new(plan, files, pages, len)?.run()
            })
        })
        .collect();
    interleave(options, variants)
}

/// One writer of batches.
struct Lane {
    file: usize,
    position: u64,
    started: Instant,
    pending: usize,
    flushing: bool,
}

struct Engine<'a> {
    plan: Plan,
    ring: IoUring,
    files: &'a [File],
    pages: &'a Pages,
    lanes: Vec<Lane>,
    len: u64,
    latencies: Vec<f64>,
}

impl<'a> Engine<'a> {
    fn new(plan: Plan, files: &'a [File], pages: &'a Pages, len: u64) -> io::Result<Engine<'a>> {
        let lanes = (0..plan.files * plan.lanes).map(|lane| Lane {
            file: lane % plan.files,
            position: 0,
            started: Instant::now(),
            pending: 0,
            flushing: false,
        });
        Ok(Engine {
            plan,
            ring: ring::create(RING_ENTRIES, Setup::Deferred)?,
            files,
            pages,
            lanes: lanes.collect(),
            len,
            latencies: Vec::new(),
        })
    }

    fn run(mut self) -> io::Result<Figures> {
        let workers = sys::ring_workers()?;
        let watch = Stopwatch::start();
        let deadline = Instant::now() + SPAN;
        let mut next = vec![0_u64; self.plan.files];
        if self.plan.lockstep {
            while Instant::now() < deadline {
                self.step_together(&mut next)?;
            }
        } else {
            self.step_alone(&mut next, deadline)?;
        }
        let lap = watch.lap();
        let runs = sys::ring_workers()?.0.saturating_sub(workers.0);
        let batches = self.latencies.len() as f64;
        let gib = batches * (self.plan.write * self.plan.writes) as f64 / GIB;
        Ok(vec![
            ("MiB_per_s", gib * 1024.0 / lap.wall),
            ("cpu_s_per_GiB", lap.process / gib),
            ("cpu_us_per_batch", lap.process * 1e6 / batches),
            ("p50_us", percentile(self.latencies.clone(), 0.5)),
            ("p99_us", percentile(self.latencies, 0.99)),
            ("worker_runs_per_batch", runs as f64 / batches),
        ])
    }

    fn step_together(&mut self, next: &mut [u64]) -> io::Result<()> {
        for lane in 0..self.lanes.len() {
            self.start(lane, next)?;
        }
        self.drain()?;
        if self.plan.sync == Sync::After {
            for lane in 0..self.lanes.len() {
                self.flush(lane)?;
            }
            self.drain()?;
        }
        for lane in &self.lanes {
            self.latencies
                .push(lane.started.elapsed().as_secs_f64() * 1e6);
        }
        Ok(())
    }

    /// Waits for everything that is in flight.
    fn drain(&mut self) -> io::Result<()> {
        let mut done = Vec::new();
        while self.lanes.iter().any(|lane| lane.pending > 0) {
            self.ring.submit_and_wait(1)?;
            ring::reap(&mut self.ring, &mut done);
            for (lane, result) in done.drain(..) {
                sys::check(i64::from(result))?;
                self.lanes[lane as usize].pending -= 1;
            }
        }
        Ok(())
    }

    fn step_alone(&mut self, next: &mut [u64], deadline: Instant) -> io::Result<()> {
        let mut done = Vec::new();
        for lane in 0..self.lanes.len() {
            self.start(lane, next)?;
        }
        while self.lanes.iter().any(|lane| lane.pending > 0) {
            self.ring.submit_and_wait(1)?;
            ring::reap(&mut self.ring, &mut done);
            for (index, result) in done.drain(..) {
                if result < 0 {
                    return Err(io::Error::from_raw_os_error(-result));
                }
                let index = index as usize;
                let lane = &mut self.lanes[index];
                lane.pending -= 1;
                if lane.pending > 0 {
                    continue;
                }
                if self.plan.sync == Sync::After && !lane.flushing {
                    self.flush(index)?;
                    continue;
                }
                self.latencies
                    .push(lane.started.elapsed().as_secs_f64() * 1e6);
                if Instant::now() < deadline {
                    self.start(index, next)?;
                }
            }
        }
        Ok(())
    }

    /// Queues the writes of the lane's next batch.
    fn start(&mut self, index: usize, next: &mut [u64]) -> io::Result<()> {
        let plan = self.plan;
        let lane = &mut self.lanes[index];
        let batch = (plan.write * plan.writes) as u64;
        if next[lane.file] + batch > self.len {
            next[lane.file] = 0;
        }
        lane.position = next[lane.file];
        next[lane.file] += batch;
        lane.started = Instant::now();
        lane.flushing = false;
        lane.pending = plan.writes;
        let fd = types::Fd(self.files[lane.file].as_raw_fd());
        for write in 0..plan.writes {
            let start = self.pages.as_slice().as_ptr();
            let len = u32::try_from(plan.write).map_err(io::Error::other)?;
            let flags = if plan.sync == Sync::Dsync {
                libc::RWF_DSYNC
            } else {
                0
            };
            let entry = opcode::Write::new(fd, start, len)
                .offset(lane.position + (write * plan.write) as u64)
                .rw_flags(flags)
                .build()
                .user_data(index as u64);
            if plan.sync == Sync::Linked {
                lane.pending += 1;
                ring::push(&mut self.ring, &entry.flags(squeue::Flags::IO_LINK))?;
                ring::push(&mut self.ring, &data_sync(fd, index))?;
            } else {
                ring::push(&mut self.ring, &entry)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, index: usize) -> io::Result<()> {
        let lane = &mut self.lanes[index];
        lane.pending = 1;
        lane.flushing = true;
        let fd = types::Fd(self.files[lane.file].as_raw_fd());
        ring::push(&mut self.ring, &data_sync(fd, index))
    }
}

fn data_sync(fd: types::Fd, lane: usize) -> squeue::Entry {
    opcode::Fsync::new(fd)
        .flags(types::FsyncFlags::DATASYNC)
        .build()
        .user_data(lane as u64)
}
