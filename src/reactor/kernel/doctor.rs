//! Does this machine allow what forebay stands on, and how fast is its disk?

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};

use crate::core::{Core, OpenMode};
use crate::error::{IoError, IoErrorKind};
use crate::kernel::ring::Ring;

/// glommio's own requirement for the three rings of each executor.
const MEMLOCK_MIN: u64 = 512 << 10;
/// How many single-block flushes are timed.
const FLUSH_ROUNDS: usize = 64;
/// What the throughput measurement writes.
const WRITE_BYTES: usize = 64 << 20;
const WRITE_STEP: usize = 512 << 10;

/// What one check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Good,
    /// It works, with a drawback that the text names.
    Warning,
    /// forebay cannot run like this.
    Failed,
}

/// One line of the examination.
#[derive(Clone, Debug)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// The verdict.
    pub outcome: Outcome,
    /// What was found, and how it was tested.
    pub detail: String,
    /// How to mend it; empty where nothing needs mending.
    pub remedy: String,
}

impl Check {
    fn new(name: &'static str, outcome: Outcome, detail: String, remedy: &str) -> Self {
        Self {
            name,
            outcome,
            detail,
            remedy: remedy.to_owned(),
        }
    }
}

/// Fails with one message when anything that every core needs is missing.
pub(super) fn require() -> Result<(), String> {
    let mut message = String::new();
    for check in examine_kernel() {
        if check.outcome == Outcome::Failed {
            let _ = write!(
                message,
                "{}: {}. {}",
                check.name, check.detail, check.remedy
            );
        }
    }
    if message.is_empty() {
        Ok(())
    } else {
        Err(message)
    }
}

/// The checks that need neither a running core nor a directory.
#[must_use]
pub fn examine_kernel() -> Vec<Check> {
    vec![
        examine_release(),
        examine_ring(),
        examine_memlock(),
        examine_descriptors(),
    ]
}

fn examine_release() -> Check {
    let release = nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (outcome, remedy) = if version >= (6, 0) {
        (Outcome::Good, "")
    } else {
        (
            Outcome::Failed,
            "Run on Linux 6.0 or later: the file ring asks for a single issuer.",
        )
    };
    Check::new(
        "kernel",
        outcome,
        format!("Linux {release}, from uname"),
        remedy,
    )
}

fn examine_ring() -> Check {
    let name = "io_uring";
    let error = match Ring::build() {
        Ok(_ring) => {
            let detail = "io_uring_setup gave a ring with 256 entries".to_owned();
            return Check::new(name, Outcome::Good, detail, "");
        }
        Err(error) => error,
    };
    let remedy = match error.raw_os_error() {
        Some(libc::EPERM) => {
            "A container's seccomp profile or kernel.io_uring_disabled forbids it: run the \
             container with a profile that allows io_uring_setup, io_uring_enter and \
             io_uring_register (for Docker: --security-opt seccomp=unconfined), or set \
             sysctl kernel.io_uring_disabled=0."
        }
        Some(libc::ENOSYS | libc::EINVAL) => "Run on Linux 6.0 or later with CONFIG_IO_URING=y.",
        Some(libc::ENOMEM) => {
            "Raise the limit on locked memory: ulimit -l unlimited, systemd \
             LimitMEMLOCK=infinity, or docker run --ulimit memlock=-1."
        }
        _ => "See the error's own words.",
    };
    Check::new(
        name,
        Outcome::Failed,
        format!("io_uring_setup answered: {error}"),
        remedy,
    )
}

fn examine_memlock() -> Check {
    let name = "locked memory";
    let Ok((soft, _hard)) = getrlimit(Resource::RLIMIT_MEMLOCK) else {
        let detail = "getrlimit(RLIMIT_MEMLOCK) failed".to_owned();
        return Check::new(name, Outcome::Warning, detail, "");
    };
    let cores = super::start::available_cores() as u64;
    let needed = MEMLOCK_MIN * cores;
    let limit = if soft == libc::RLIM_INFINITY {
        "unlimited".to_owned()
    } else {
        format!("{} KiB", soft >> 10)
    };
    let detail = format!(
        "{limit}, from getrlimit; {cores} cores need {} KiB",
        needed >> 10
    );
    let remedy = "Raise it: ulimit -l unlimited, systemd LimitMEMLOCK=infinity, or docker run \
                  --ulimit memlock=-1; or run fewer cores with --set forebay.cores=1.";
    if soft < MEMLOCK_MIN {
        Check::new(name, Outcome::Failed, detail, remedy)
    } else if soft < needed {
        Check::new(name, Outcome::Warning, detail, remedy)
    } else {
        Check::new(name, Outcome::Good, detail, "")
    }
}

fn examine_descriptors() -> Check {
    let name = "open files";
    let Ok((soft, _hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        let detail = "getrlimit(RLIMIT_NOFILE) failed".to_owned();
        return Check::new(name, Outcome::Warning, detail, "");
    };
    let detail = format!("{soft}, from getrlimit");
    if soft < 4096 {
        let remedy = "Raise it for more than a few partitions and clients: ulimit -n 65536, or \
                      systemd LimitNOFILE=65536.";
        Check::new(name, Outcome::Warning, detail, remedy)
    } else {
        Check::new(name, Outcome::Good, detail, "")
    }
}

/// Measures the directory that would hold the data, in a file that is removed afterwards.
pub async fn examine_data_dir(core: &Core, directory: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    match core.space(directory).await {
        Ok(space) => {
            let detail = format!(
                "{} of {} MiB free, from statvfs",
                space.free >> 20,
                space.total >> 20
            );
            let scarce = space.free < space.total / 10;
            let outcome = if scarce {
                Outcome::Warning
            } else {
                Outcome::Good
            };
            let remedy = if scarce {
                "Less than a tenth is free: make room."
            } else {
                ""
            };
            checks.push(Check::new("disk space", outcome, detail, remedy));
        }
        Err(error) => checks.push(failed("disk space", &error)),
    }
    let path = directory.join(".forebay-doctor");
    match measure(core, &path).await {
        Ok(measured) => checks.extend(measured),
        Err(error) => checks.push(failed("direct writes", &error)),
    }
    // The error of a file that was never made is the measurement's own.
    let _ = core.remove_file(&path).await;
    checks
}

fn failed(name: &'static str, error: &IoError) -> Check {
    let remedy = match error.kind {
        IoErrorKind::NotFound => "Create the directory, or name another with log.dirs.",
        IoErrorKind::NoSpace => "Make room on the file system.",
        _ => {
            "The data directory must be writable and on a file system with direct I/O, such as \
             ext4 or XFS (not tmpfs on an old kernel, nor a network share)."
        }
    };
    Check::new(name, Outcome::Failed, error.to_string(), remedy)
}

async fn measure(core: &Core, path: &Path) -> Result<Vec<Check>, IoError> {
    // A file left by an interrupted examination would be refused by `CreateNew`.
    let _ = core.remove_file(path).await;
    let file = core.open(path, OpenMode::CreateNew).await?;
    file.allocate(WRITE_BYTES as u64).await?;
    file.flush().await?;
    let mut buffer = core.chunks().take(WRITE_STEP).await;
    buffer.append_with(WRITE_STEP, |bytes| bytes.fill(0x5A));

    let started = core.now();
    let mut position = 0;
    while position < WRITE_BYTES {
        file.write_blocks(buffer.blocks(0..WRITE_STEP), position as u64)
            .await?;
        position += WRITE_STEP;
    }
    file.flush().await?;
    let elapsed = core
        .now()
        .saturating_sub(started)
        .max(Duration::from_micros(1));
    let mib_per_second = ((WRITE_BYTES as u128 * 1_000_000) >> 20) / elapsed.as_micros();

    let mut latencies = Vec::with_capacity(FLUSH_ROUNDS);
    for round in 0..FLUSH_ROUNDS {
        let begun = core.now();
        let at = (round * base::BLOCK_SIZE) as u64;
        file.write_blocks(buffer.blocks(0..base::BLOCK_SIZE), at)
            .await?;
        file.flush().await?;
        latencies.push(core.now().saturating_sub(begun));
    }
    latencies.sort_unstable();
    let median = latencies.get(FLUSH_ROUNDS / 2).copied().unwrap_or_default();
    let worst = latencies.last().copied().unwrap_or_default();
    Ok(vec![
        describe_flush(median, worst),
        describe_throughput(mib_per_second),
    ])
}

fn describe_flush(median: Duration, worst: Duration) -> Check {
    let detail = format!(
        "write of 4 KiB and fdatasync: median {} us, worst {} us of {FLUSH_ROUNDS}",
        median.as_micros(),
        worst.as_micros()
    );
    let slow = median > Duration::from_millis(10);
    let outcome = if slow {
        Outcome::Warning
    } else {
        Outcome::Good
    };
    let remedy = if slow {
        "Every acknowledgement waits for one of these: a disk with power-loss protection answers \
         in tens of microseconds."
    } else {
        ""
    };
    Check::new("flush latency", outcome, detail, remedy)
}

fn describe_throughput(mib_per_second: u128) -> Check {
    let detail = format!(
        "{mib_per_second} MiB/s: {} MiB in steps of {} KiB, O_DIRECT, one at a time, then flushed",
        WRITE_BYTES >> 20,
        WRITE_STEP >> 10
    );
    Check::new("direct writes", Outcome::Good, detail, "")
}
