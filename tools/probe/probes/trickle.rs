//! Many partitions that each get a little now and then: how do all of them become durable?
//!
//! A tick writes one block to each of so many files, as each partition's tail does, and ends when
//! all of it is on the device. Either every file is flushed for itself, or the file system once
//! for all; or the records go one after the other into one journal, and the blocks are written
//! back once in a while, when each has grown by several ticks.
//! Invariant: a tick ends only when what it wrote is durable; the journal's write-back counts in
//! its time and CPU.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use io_uring::{IoUring, opcode, types};

use crate::Options;
use crate::disk::{Extents, Scratch};
use crate::measure::{Figures, Report, Stopwatch, Variant, interleave, percentile};
use crate::memory::Pages;
use crate::ring::{self, Setup};
use crate::sys;

const BLOCK: usize = 4096;
/// What one partition's tick comes to in a journal: a batch of one small record.
const RECORD: usize = 320;
/// One write to the journal passes at most this much to the kernel.
const JOURNAL_WRITE: usize = 512 << 10;
const JOURNAL_LEN: u64 = 256 << 20;
const FILE_LEN: u64 = 256 << 10;
/// Ticks of one run; a journal's blocks are written back at the end of it.
const TICKS: usize = 6;
const RING_ENTRIES: u32 = 16_384;

/// How a tick becomes durable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Each file's write, then each file's fdatasync, no file waiting for another.
    Each,
    /// Each file's write carries RWF_DSYNC.
    Dsync,
    /// All writes, then one syncfs.
    Together,
    /// One journal for all, and a write-back with one syncfs now and then.
    Journal,
}

/// What runs of one size share.
struct Field<'a> {
    files: &'a [File],
    journal: &'a File,
    dir: &'a File,
    pages: &'a Pages,
}

/// Runs the probe.
pub(crate) fn run(options: &Options) -> io::Result<Report> {
    sys::raise_open_files(20_000)?;
    let scratch = Scratch::create(&options.dir)?;
    let pages = Pages::touched(JOURNAL_WRITE)?;
    let journal = scratch.direct_file("journal", JOURNAL_LEN, Extents::Written)?;
    let dir = File::open(scratch.path("."))?;
    let files: Vec<File> = (0..10_000)
        .map(|index| small_file(&scratch, index))
        .collect::<io::Result<_>>()?;
    sys::sync_file_system(&dir)?;
    let mut variants = Vec::new();
    for count in [100, 1_000, 10_000] {
        for (way, name) in [
            (Way::Each, "fdatasync each"),
            (Way::Dsync, "dsync each"),
            (Way::Together, "one syncfs"),
            (Way::Journal, "journal"),
        ] {
            let field = Field {
                files: files.get(..count).unwrap_or(&[]),
                journal: &journal,
                dir: &dir,
                pages: &pages,
            };
            let mut run = 0;
            variants.push(Variant::new(format!("{count} files, {name}"), move || {
                run += 1;
                Ticks::new(&field, way, run)?.run()
            }));
        }
    }
    interleave(options, variants)
}

fn small_file(scratch: &Scratch, index: usize) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create_new(true);
    let options = options.custom_flags(libc::O_DIRECT);
    let file = options.open(scratch.path(&index.to_string()))?;
    sys::fallocate(&file, 0, FILE_LEN)?;
    Ok(file)
}

struct Ticks<'a> {
    field: &'a Field<'a>,
    way: Way,
    ring: IoUring,
    /// Where the files' blocks of this run lie.
    position: u64,
    journal_end: u64,
}

impl<'a> Ticks<'a> {
    fn new(field: &'a Field<'a>, way: Way, run: u64) -> io::Result<Ticks<'a>> {
        Ok(Ticks {
            field,
            way,
            ring: ring::create(RING_ENTRIES, Setup::Deferred)?,
            position: run * BLOCK as u64 % FILE_LEN,
            journal_end: 0,
        })
    }

    fn run(mut self) -> io::Result<Figures> {
        let watch = Stopwatch::start();
        let mut took = Vec::new();
        for _ in 0..TICKS {
            let begun = Instant::now();
            self.tick()?;
            took.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        if self.way == Way::Journal {
            self.write_files(0)?;
            sys::sync_file_system(self.field.dir)?;
        }
        let lap = watch.lap();
        let ticks = TICKS as f64;
        Ok(vec![
            ("ms_per_tick", lap.wall * 1e3 / ticks),
            ("p50_ms", percentile(took.clone(), 0.5)),
            ("max_ms", percentile(took, 1.0)),
            ("cpu_ms_per_tick", lap.process * 1e3 / ticks),
        ])
    }

    fn tick(&mut self) -> io::Result<()> {
        match self.way {
            Way::Each => self.write_and_flush_each(),
            Way::Dsync => self.write_files(libc::RWF_DSYNC),
            Way::Together => {
                self.write_files(0)?;
                sys::sync_file_system(self.field.dir)
            }
            Way::Journal => self.write_journal(),
        }
    }

    fn push_write(&mut self, file: &File, len: usize, at: u64, tag: (u64, i32)) -> io::Result<()> {
        let start = self.field.pages.as_slice().as_ptr();
        let len = u32::try_from(len).map_err(io::Error::other)?;
        let entry = opcode::Write::new(types::Fd(file.as_raw_fd()), start, len);
        let entry = entry.offset(at).rw_flags(tag.1).build();
        ring::push(&mut self.ring, &entry.user_data(tag.0))
    }

    fn write_files(&mut self, flags: i32) -> io::Result<()> {
        let field = self.field;
        for file in field.files {
            self.push_write(file, BLOCK, self.position, (0, flags))?;
        }
        self.drain(field.files.len(), |_, _| Ok(()))
    }

    fn write_and_flush_each(&mut self) -> io::Result<()> {
        let field = self.field;
        for (index, file) in field.files.iter().enumerate() {
            self.push_write(file, BLOCK, self.position, (index as u64, 0))?;
        }
        let flush_tag = field.files.len() as u64;
        self.drain(2 * field.files.len(), |ring, tag| {
            let Some(file) = field.files.get(tag as usize) else {
                return Ok(());
            };
            let entry = opcode::Fsync::new(types::Fd(file.as_raw_fd()));
            let entry = entry.flags(types::FsyncFlags::DATASYNC).build();
            ring::push(ring, &entry.user_data(flush_tag))
        })
    }

    fn write_journal(&mut self) -> io::Result<()> {
        let field = self.field;
        let mut left = (field.files.len() * RECORD).next_multiple_of(BLOCK);
        let mut writes = 0;
        while left > 0 {
            let len = left.min(JOURNAL_WRITE);
            if self.journal_end + len as u64 > JOURNAL_LEN {
                self.journal_end = 0;
            }
            self.push_write(field.journal, len, self.journal_end, (0, 0))?;
            self.journal_end += len as u64;
            left -= len;
            writes += 1;
        }
        self.drain(writes, |_, _| Ok(()))?;
        field.journal.sync_data()
    }

    /// Waits for so many completions and shows `then` the tag of each, which may queue more.
    fn drain(
        &mut self,
        mut pending: usize,
        mut then: impl FnMut(&mut IoUring, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut done = Vec::new();
        while pending > 0 {
            self.ring.submit_and_wait(1)?;
            ring::reap(&mut self.ring, &mut done);
            for (tag, result) in done.drain(..) {
                if result < 0 {
                    return Err(io::Error::from_raw_os_error(-result));
                }
                pending -= 1;
                then(&mut self.ring, tag)?;
            }
        }
        Ok(())
    }
}
