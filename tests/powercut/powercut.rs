//! A disk whose power can be cut.
//!
//! `forebay-powercut IMAGE MOUNTPOINT SEED` serves `MOUNTPOINT/disk`, whose bytes are those of
//! IMAGE. What is written stays in memory, as in a disk's own cache, and reaches IMAGE only when
//! the disk is flushed. Writing anything to `MOUNTPOINT/power` cuts the power: of the sectors that
//! were not flushed any subset is kept, as the seed decides, and from then on everything fails.
//! Reading it afterwards tells in two numbers how many sectors were lost, and of how many.
//! A loop device on `disk` carries a file system like any other device.
//!
//! Invariant: one request is served at a time, so a cut lies between two requests, never in one.

mod cache;

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use base::Random;
use cache::Cache;
use fuser::{
    FileAttr, FileType, Filesystem, MountOption, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow,
};

const ROOT: u64 = 1;
const DISK: u64 = 2;
const POWER: u64 = 3;
const NAMES: [(&str, u64); 2] = [("disk", DISK), ("power", POWER)];

/// Error numbers of Linux.
const ENOENT: i32 = 2;
const EIO: i32 = 5;
/// The page cache must not hold what the disk has lost: every request comes here.
const FOPEN_DIRECT_IO: u32 = 1;
/// Nothing about the files ever changes.
const TTL: Duration = Duration::from_secs(3600);
const SECTOR_BYTES: u64 = 512;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, mountpoint, seed] = arguments.as_slice() else {
        eprintln!("usage: forebay-powercut IMAGE MOUNTPOINT SEED");
        return ExitCode::from(2);
    };
    match serve(image, mountpoint, seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("forebay-powercut: {text}");
            ExitCode::FAILURE
        }
    }
}

fn serve(image: &str, mountpoint: &str, seed: &str) -> Result<(), String> {
    let seed = seed
        .parse()
        .map_err(|_| format!("the seed is a number, not {seed}"))?;
    let file = OpenOptions::new().read(true).write(true).open(image);
    let disk = file.and_then(|file| Disk::new(file, seed));
    let disk = disk.map_err(|error| format!("{image}: {error}"))?;
    let options = [MountOption::FSName("powercut".to_owned()), MountOption::RW];
    fuser::mount2(disk, mountpoint, &options).map_err(|error| format!("{mountpoint}: {error}"))
}

/// The disk, its switch, and the folder that they are in.
struct Disk {
    len: u64,
    cache: Cache,
    random: Random,
    is_cut: bool,
    /// What the cut took, as the switch tells it.
    report: String,
}

impl Disk {
    fn new(file: File, seed: u64) -> std::io::Result<Self> {
        Ok(Self {
            len: file.metadata()?.len(),
            cache: Cache::new(file),
            random: Random::new(seed),
            is_cut: false,
            report: String::new(),
        })
    }

    /// Ends the disk's life; what it says is how much of its cache survived.
    fn cut(&mut self) -> Result<(), i32> {
        if self.is_cut {
            return Ok(());
        }
        self.is_cut = true;
        // Nothing, half, or nearly all: each finds other mistakes.
        let kept_of_ten = match self.random.below(3) {
            0 => 0,
            1 => 5,
            _ => 9,
        };
        let (kept, all) = self
            .cache
            .keep_some(&mut self.random, kept_of_ten)
            .map_err(told)?;
        assert!(kept <= all, "more sectors kept than there were");
        self.report = format!("{} {all}\n", all - kept);
        Ok(())
    }

    fn check_power(&self) -> Result<(), i32> {
        if self.is_cut { Err(EIO) } else { Ok(()) }
    }

    fn read_disk(&self, position: i64, bytes: u32) -> Result<Vec<u8>, i32> {
        self.check_power()?;
        let position = u64::try_from(position).map_err(|_| EIO)?;
        let end = (position + u64::from(bytes)).min(self.len);
        self.cache.read(position..end).map_err(told)
    }

    fn write_disk(&mut self, position: i64, bytes: &[u8]) -> Result<(), i32> {
        self.check_power()?;
        let position = u64::try_from(position).map_err(|_| EIO)?;
        self.cache.write(position, bytes).map_err(told)
    }

    fn attributes(&self, inode: u64) -> FileAttr {
        let size = if inode == DISK { self.len } else { 0 };
        FileAttr {
            ino: inode,
            size,
            blocks: size / SECTOR_BYTES,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if inode == ROOT {
                FileType::Directory
            } else {
                FileType::RegularFile
            },
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

/// Prints what went wrong with the image itself, since the kernel only passes on a number.
fn told(error: std::io::Error) -> i32 {
    eprintln!("forebay-powercut: the image: {error}");
    EIO
}

impl Filesystem for Disk {
    fn lookup(&mut self, _: &Request<'_>, _: u64, name: &OsStr, reply: ReplyEntry) {
        match NAMES.iter().find(|(known, _)| name == *known) {
            Some((_, inode)) => reply.entry(&TTL, &self.attributes(*inode), 0),
            None => reply.error(ENOENT),
        }
    }

    fn getattr(&mut self, _: &Request<'_>, inode: u64, _: Option<u64>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.attributes(inode));
    }

    fn setattr(
        &mut self,
        _: &Request<'_>,
        inode: u64,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        _size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<std::time::SystemTime>,
        _fh: Option<u64>,
        _crtime: Option<std::time::SystemTime>,
        _chgtime: Option<std::time::SystemTime>,
        _bkuptime: Option<std::time::SystemTime>,
        _flags: Option<u32>,
        reply: ReplyAttr,
    ) {
        // A shell truncates the switch before it writes to it; the disk keeps its size.
        reply.attr(&TTL, &self.attributes(inode));
    }

    fn open(&mut self, _: &Request<'_>, _: u64, _: i32, reply: ReplyOpen) {
        reply.opened(0, FOPEN_DIRECT_IO);
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        inode: u64,
        _fh: u64,
        position: i64,
        bytes: u32,
        _flags: i32,
        _lock: Option<u64>,
        reply: ReplyData,
    ) {
        if inode != DISK {
            let begin = usize::try_from(position).unwrap_or(usize::MAX);
            reply.data(self.report.as_bytes().get(begin..).unwrap_or(&[]));
            return;
        }
        match self.read_disk(position, bytes) {
            Ok(bytes) => reply.data(&bytes),
            Err(number) => reply.error(number),
        }
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        inode: u64,
        _fh: u64,
        position: i64,
        bytes: &[u8],
        _write_flags: u32,
        _flags: i32,
        _lock: Option<u64>,
        reply: ReplyWrite,
    ) {
        let done = match inode {
            POWER => self.cut(),
            _ => self.write_disk(position, bytes),
        };
        match done.and_then(|()| u32::try_from(bytes.len()).map_err(|_| EIO)) {
            Ok(written) => reply.written(written),
            Err(number) => reply.error(number),
        }
    }

    fn fsync(&mut self, _: &Request<'_>, inode: u64, _: u64, _: bool, reply: ReplyEmpty) {
        let flushed = match inode {
            DISK => self
                .check_power()
                .and_then(|()| self.cache.flush().map_err(told)),
            _ => Ok(()),
        };
        match flushed {
            Ok(()) => reply.ok(),
            Err(number) => reply.error(number),
        }
    }

    fn flush(&mut self, _: &Request<'_>, _: u64, _: u64, _: u64, reply: ReplyEmpty) {
        // Closing a device's file is not a promise that it was flushed.
        reply.ok();
    }

    fn readdir(&mut self, _: &Request<'_>, _: u64, _: u64, offset: i64, mut reply: ReplyDirectory) {
        for (index, (name, inode)) in (0_i64..).zip(NAMES) {
            if index >= offset && reply.add(inode, index + 1, FileType::RegularFile, name) {
                break;
            }
        }
        reply.ok();
    }
}
