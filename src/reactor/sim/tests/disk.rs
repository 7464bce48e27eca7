//! Stories of disks that forget what nobody flushed.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::{BLOCK_SIZE, Random};

use super::{LIMIT, durable_file, one_machine, write};
use crate::sim::{DiskOperation, Faults};
use crate::{IoErrorKind, OpenMode};

const BLOCK: u64 = BLOCK_SIZE as u64;

/// A flushed block must outlive every power cut, whatever was written elsewhere since.
#[test]
fn flushed_data_survives_a_thousand_power_cuts() {
    for seed in 0..1_000 {
        let (world, node) = one_machine(seed);
        world.set_faults(Faults::slow(seed));
        let flushed = Rc::new(Cell::new(false));
        let told = Rc::clone(&flushed);
        world.start(node, 1, move |core| {
            let told = Rc::clone(&told);
            async move {
                let file = durable_file(&core, "/log", 2, b'a').await.unwrap();
                told.set(true);
                loop {
                    // Rewriting the second block must not endanger the first.
                    write(&core, &file, 1, 1, b'b').await.unwrap();
                }
            }
        });
        assert!(world.run_until(|| flushed.get(), LIMIT), "seed {seed}");
        world.run_for(Duration::from_micros(Random::new(seed).below(1_000)));
        world.power_cut(node);
        let bytes = world.peek(node, Path::new("/log")).unwrap();
        assert_eq!(bytes.len(), 2 * BLOCK_SIZE, "seed {seed}");
        assert!(
            bytes[..BLOCK_SIZE].iter().all(|byte| *byte == b'a'),
            "seed {seed}"
        );
        let rewritten = &bytes[BLOCK_SIZE..];
        assert!(
            rewritten.iter().all(|byte| matches!(byte, b'a' | b'b')),
            "seed {seed}"
        );
    }
}

/// Without a flush every outcome must occur, or a missing flush would go unnoticed.
#[test]
fn unflushed_sectors_are_old_new_or_torn() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..300 {
        let (world, node) = one_machine(seed);
        let written = world.run_process(node, LIMIT, |core| async move {
            let file = durable_file(&core, "/log", 1, b'o').await.unwrap();
            write(&core, &file, 0, 1, b'n').await.unwrap();
        });
        assert_eq!(written, Some(()));
        world.power_cut(node);
        let bytes = world.peek(node, Path::new("/log")).unwrap();
        for sector in bytes.chunks(512) {
            let new = sector.iter().filter(|byte| **byte == b'n').count();
            let turns = sector.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(turns <= 1, "a torn sector has one seam");
            outcomes.insert(match (new, sector[0]) {
                (0, _) => "old",
                (512, _) => "new",
                (_, b'n') => "torn, new first",
                _ => "torn, old first",
            });
        }
    }
    assert_eq!(outcomes.len(), 4, "only {outcomes:?}");
}

/// A process that dies leaves its writes in the kernel: the next one sees them, and yet they are
/// not durable until somebody flushes.
#[test]
fn kill_keeps_what_was_written_but_does_not_make_it_durable() {
    let mut lost = 0;
    for seed in 0..100 {
        let (world, node) = one_machine(seed);
        world.start(node, 1, |core| async move {
            let file = durable_file(&core, "/log", 1, b'o').await.unwrap();
            write(&core, &file, 0, 1, b'n').await.unwrap();
            std::future::pending::<()>().await;
        });
        world.run_for(Duration::from_secs(1));
        world.kill(node);
        assert_eq!(
            world.peek(node, Path::new("/log")).unwrap(),
            vec![b'n'; BLOCK_SIZE]
        );
        world.power_cut(node);
        lost += u32::from(world.peek(node, Path::new("/log")).unwrap() != vec![b'n'; BLOCK_SIZE]);
    }
    assert!(lost > 10, "unflushed bytes survived nearly always");
}

/// The size of a file is not its data: each may survive without the other.
#[test]
fn size_and_data_are_lost_independently() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..200 {
        let (world, node) = one_machine(seed);
        world.run_process(node, LIMIT, |core| async move {
            let file = durable_file(&core, "/log", 1, b'o').await.unwrap();
            write(&core, &file, 1, 1, b'n').await.unwrap();
            drop(file);
        });
        world.power_cut(node);
        let bytes = world.peek(node, Path::new("/log")).unwrap();
        let news = bytes.iter().filter(|byte| **byte == b'n').count();
        outcomes.insert((bytes.len() / BLOCK_SIZE, news > 0));
    }
    let expected = BTreeSet::from([(1, false), (2, false), (2, true)]);
    assert_eq!(outcomes, expected);
}

/// A truncation that was flushed holds; bytes that it cut never come back.
#[test]
fn flushed_truncation_holds() {
    for seed in 0..200 {
        let (world, node) = one_machine(seed);
        world.run_process(node, LIMIT, |core| async move {
            let file = durable_file(&core, "/log", 4, b'o').await.unwrap();
            file.truncate(BLOCK).await.unwrap();
            file.flush().await.unwrap();
            file.allocate(4 * BLOCK).await.unwrap();
            let beyond = file.read_at(BLOCK, 3 * BLOCK_SIZE).await.unwrap();
            assert!(
                beyond.iter().all(|byte| *byte == 0),
                "cut bytes read as zeros"
            );
        });
        world.power_cut(node);
        let bytes = world.peek(node, Path::new("/log")).unwrap();
        assert!(
            bytes[BLOCK_SIZE..].iter().all(|byte| *byte == 0),
            "seed {seed}"
        );
        assert!(
            bytes[..BLOCK_SIZE].iter().all(|byte| *byte == b'o'),
            "seed {seed}"
        );
    }
}

/// A rename is kept or lost, whole; after a directory sync it is kept.
#[test]
fn renames_need_a_directory_sync() {
    for synced in [false, true] {
        let mut outcomes = BTreeSet::new();
        for seed in 0..200 {
            let (world, node) = one_machine(seed);
            world.run_process(node, LIMIT, move |core| async move {
                drop(durable_file(&core, "/old", 1, b'x').await.unwrap());
                core.rename(Path::new("/old"), Path::new("/new"))
                    .await
                    .unwrap();
                if synced {
                    core.sync_dir(Path::new("/")).await.unwrap();
                }
            });
            world.power_cut(node);
            let exists = |path| world.peek(node, Path::new(path)).is_some();
            outcomes.insert((exists("/old"), exists("/new")));
        }
        let kept = (false, true);
        let lost = (true, false);
        let expected = if synced {
            BTreeSet::from([kept])
        } else {
            BTreeSet::from([kept, lost])
        };
        assert_eq!(outcomes, expected, "synced: {synced}");
    }
}

/// A file that was flushed but whose name was not is gone; a removal that was not synced may
/// bring the file back with its content.
#[test]
fn names_of_new_and_removed_files_need_a_directory_sync() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..200 {
        let (world, node) = one_machine(seed);
        world.run_process(node, LIMIT, |core| async move {
            drop(durable_file(&core, "/removed", 1, b'r').await.unwrap());
            core.remove_file(Path::new("/removed")).await.unwrap();
            let created = core
                .open(Path::new("/created"), OpenMode::CreateNew)
                .await
                .unwrap();
            write(&core, &created, 0, 1, b'c').await.unwrap();
            created.flush().await.unwrap();
        });
        world.power_cut(node);
        let removed = world.peek(node, Path::new("/removed"));
        let created = world.peek(node, Path::new("/created"));
        if let Some(bytes) = &removed {
            assert_eq!(*bytes, vec![b'r'; BLOCK_SIZE], "it comes back as it was");
        }
        if let Some(bytes) = &created {
            assert_eq!(*bytes, vec![b'c'; BLOCK_SIZE], "its data was flushed");
        }
        outcomes.insert((removed.is_some(), created.is_some()));
    }
    assert_eq!(outcomes.len(), 4, "only {outcomes:?}");
}

/// `replace` is the one safe way to rewrite a small file: old or new, never anything else.
#[test]
fn replace_is_all_or_nothing() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..300 {
        let (world, node) = one_machine(seed);
        world.set_faults(Faults::slow(seed));
        let path = Path::new("/data/checkpoint");
        world.run_process(node, LIMIT, |core| async move {
            core.create_dir_all(Path::new("/data")).await.unwrap();
            core.sync_dir(Path::new("/")).await.unwrap();
            core.replace(path, b"old").await.unwrap();
        });
        assert_eq!(world.peek(node, path).unwrap(), b"old");
        let mut random = Random::new(seed);
        world.start(node, 1, move |core| async move {
            core.replace(path, &[b'n'; 3_000]).await.unwrap();
        });
        world.run_for(Duration::from_micros(random.below(20_000)));
        if random.chance(1, 2) {
            world.kill(node);
        }
        world.power_cut(node);
        let bytes = world.peek(node, path).expect("a replaced file exists");
        assert!(
            bytes == b"old" || bytes == vec![b'n'; 3_000],
            "seed {seed}: {bytes:?}"
        );
        outcomes.insert(bytes.len());
    }
    assert_eq!(outcomes.len(), 2);
}

/// The device's refusals come out of the calls they hit, and of no other.
#[test]
fn planned_errors_surface_once() {
    let (world, node) = one_machine(1);
    for operation in [
        DiskOperation::Write,
        DiskOperation::Flush,
        DiskOperation::Read,
    ] {
        world.power_cut(node);
        world.run_process(node, LIMIT, |core| async move {
            let file = core.open(Path::new("/log"), OpenMode::CreateNew).await;
            drop(file);
        });
        world.start(node, 1, move |core| async move {
            let file = core
                .open(Path::new("/log"), OpenMode::Existing)
                .await
                .unwrap();
            core.sleep(Duration::from_secs(1)).await;
            let write = write(&core, &file, 0, 1, b'x')
                .await
                .map_err(|error| error.kind);
            let flush = file.flush().await.map_err(|error| error.kind);
            let read = file
                .read_at(0, 1)
                .await
                .map(drop)
                .map_err(|error| error.kind);
            let failed = Err(IoErrorKind::Device);
            assert_eq!(write == failed, operation == DiskOperation::Write);
            assert_eq!(flush == failed, operation == DiskOperation::Flush);
            assert_eq!(read == failed, operation == DiskOperation::Read);
            assert_eq!(file.flush().await, Ok(()));
        });
        world.run_for(Duration::from_millis(500));
        world.plan_disk_error(node, operation, 0);
        assert!(world.run_until(|| !world.is_running(node), LIMIT));
    }
}

/// A file that nobody ever flushes does not fill the test's memory: its oldest changes are written
/// back, and only the newest stay in doubt.
#[test]
fn old_changes_are_written_back() {
    let (world, node) = one_machine(5);
    world.run_process(node, LIMIT, |core| async move {
        let file = durable_file(&core, "/log", 1, b'o').await.unwrap();
        for number in 0..5_000 {
            let fill = if number == 0 { b'1' } else { b'n' };
            write(&core, &file, number, 1, fill).await.unwrap();
        }
    });
    world.power_cut(node);
    let bytes = world.peek(node, Path::new("/log")).unwrap();
    assert!(bytes[..BLOCK_SIZE].iter().all(|byte| *byte == b'1'));
}

/// After a failed flush a second one succeeds and proves nothing: the first one's bytes may be
/// gone. Whoever retries loses acknowledged records.
#[test]
fn failed_flush_loses_data_that_a_retry_does_not_bring_back() {
    let mut lost = 0;
    for seed in 0..100 {
        let (world, node) = one_machine(seed);
        world.plan_disk_error(node, DiskOperation::Flush, 1);
        world.start(node, 1, |core| async move {
            let file = durable_file(&core, "/log", 1, b'o').await.unwrap();
            write(&core, &file, 0, 1, b'n').await.unwrap();
            assert!(file.flush().await.is_err());
            file.flush().await.unwrap();
        });
        assert!(world.run_until(|| !world.is_running(node), LIMIT));
        let before = world.peek(node, Path::new("/log")).unwrap();
        world.power_cut(node);
        assert_eq!(
            world.peek(node, Path::new("/log")).unwrap(),
            before,
            "what remained is durable"
        );
        lost += u32::from(before != vec![b'n'; BLOCK_SIZE]);
    }
    assert!(lost > 10, "a failed flush lost nothing in nearly all cases");
}

/// A full disk refuses to grow files and nothing else; removing files makes room again.
#[test]
fn full_disk_refuses_growth() {
    let (world, node) = one_machine(1);
    world.set_disk_bytes(node, 10 * BLOCK);
    let done = world.run_process(node, LIMIT, |core| async move {
        let file = durable_file(&core, "/log", 8, b'x').await.unwrap();
        assert_eq!(core.space(Path::new("/")).await.unwrap().free, 2 * BLOCK);
        let refused = file.allocate(11 * BLOCK).await.unwrap_err();
        assert_eq!(refused.kind, IoErrorKind::NoSpace);
        let refused = write(&core, &file, 8, 3, b'y').await.unwrap_err();
        assert_eq!(refused.kind, IoErrorKind::NoSpace);
        write(&core, &file, 0, 8, b'z').await.unwrap();
        core.remove_file(Path::new("/log")).await.unwrap();
        assert_eq!(
            core.space(Path::new("/")).await.unwrap().free,
            2 * BLOCK,
            "still open"
        );
        drop(file);
        assert_eq!(core.space(Path::new("/")).await.unwrap().free, 10 * BLOCK);
    });
    assert_eq!(done, Some(()));
}

/// The rules of names: what exists is not created, what does not is not found.
#[test]
fn names_follow_the_rules() {
    let (world, node) = one_machine(1);
    let done = world.run_process(node, LIMIT, |core| async move {
        let path = Path::new("/a/b/log");
        let missing = core
            .open(path, OpenMode::CreateNew)
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(missing.kind, IoErrorKind::NotFound);
        core.create_dir_all(Path::new("/a/b")).await.unwrap();
        core.create_dir_all(Path::new("/a/b")).await.unwrap();
        let file = core.open(path, OpenMode::CreateNew).await.unwrap();
        let exists = core
            .open(path, OpenMode::CreateNew)
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(exists.kind, IoErrorKind::AlreadyExists);
        write(&core, &file, 0, 1, b'x').await.unwrap();
        let short = file.read_at(BLOCK - 10, 100).await.unwrap();
        assert_eq!(&*short, [b'x'; 10]);
        let entries = core.list(Path::new("/a/b")).await.unwrap();
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| (&*entry.name, entry.len))
            .collect();
        assert_eq!(entries, [("log", BLOCK)]);
        let lock = core.lock_dir(Path::new("/a")).await.unwrap();
        let locked = core.lock_dir(Path::new("/a")).await.map(drop).unwrap_err();
        assert_eq!(locked.kind, IoErrorKind::Locked);
        drop(lock);
        drop(core.lock_dir(Path::new("/a")).await.unwrap());
        core.remove_dir_all(Path::new("/a")).await.unwrap();
        assert!(core.list(Path::new("/")).await.unwrap().is_empty());
    });
    assert_eq!(done, Some(()));
}
