//! Many new directories with a few small files each: what does it take until all are durable?
//!
//! The files are those of a new partition. Either every file and directory is flushed for itself,
//! by one thread or by several, or the file system once for all; then each directory gets its name
//! by a rename, and the directory above is flushed once.
//! Invariant: a run ends only when all that it made is durable under its name.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::Options;
use crate::disk::Scratch;
use crate::measure::{Figures, Report, Stopwatch, Variant, interleave};
use crate::sys;

/// Two with content, one that is empty at first.
const FILES: [(&str, usize); 3] = [
    ("partition.metadata", 44),
    ("leader-epoch-checkpoint", 8),
    ("00000000000000000000.log", 0),
];

/// Runs the probe.
pub(crate) fn run(options: &Options) -> io::Result<Report> {
    let scratch = Scratch::create(&options.dir)?;
    let mut variants = Vec::new();
    for count in [8, 32, 128, 1_000] {
        for (name, threads) in [
            ("fsync each", 1),
            ("fsync each, 8 threads", 8),
            ("syncfs", 0),
        ] {
            let (scratch, mut run) = (&scratch, 0);
            variants.push(Variant::new(format!("{count} new, {name}"), move || {
                run += 1;
                let base = scratch.path(&format!("{count}-{threads}-{run}"));
                fs::create_dir(&base)?;
                // It stays until the end: making files soon after others were deleted is slow.
                make(&base, count, threads)
            }));
        }
    }
    interleave(options, variants)
}

/// Makes `count` directories in `base`; no threads means one flush for all.
fn make(base: &Path, count: usize, threads: usize) -> io::Result<Figures> {
    let names: Vec<(PathBuf, PathBuf)> = (0..count)
        .map(|index| {
            let place = base.join(index.to_string());
            (place.with_extension("new"), place)
        })
        .collect();
    let watch = Stopwatch::start();
    if threads == 0 {
        let above = File::open(base)?;
        names.iter().try_for_each(|(new, _)| prepare(new))?;
        sys::sync_file_system(&above)?;
    } else {
        flush_each(&names, threads)?;
    }
    names
        .iter()
        .try_for_each(|(new, place)| fs::rename(new, place))?;
    File::open(base)?.sync_all()?;
    let lap = watch.lap();
    let each = 1e6 / count as f64;
    Ok(vec![
        ("ms", lap.wall * 1e3),
        ("us_each", lap.wall * each),
        ("cpu_us_each", lap.process * each),
    ])
}

fn flush_each(names: &[(PathBuf, PathBuf)], threads: usize) -> io::Result<()> {
    std::thread::scope(|scope| {
        let share = names.len().div_ceil(threads);
        let workers: Vec<_> = names
            .chunks(share)
            .map(|share| {
                scope.spawn(|| {
                    share.iter().try_for_each(|(new, _)| {
                        prepare(new)?;
                        flush(new)
                    })
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| {
            let done = worker.join();
            done.unwrap_or_else(|_| Err(io::Error::other("a thread of the probe panicked")))
        })
    })
}

fn prepare(dir: &Path) -> io::Result<()> {
    fs::create_dir(dir)?;
    for (name, len) in FILES {
        File::create_new(dir.join(name))?.write_all(&vec![b'.'; len])?;
    }
    Ok(())
}

fn flush(dir: &Path) -> io::Result<()> {
    for (name, _) in FILES {
        File::open(dir.join(name))?.sync_all()?;
    }
    File::open(dir)?.sync_all()
}
