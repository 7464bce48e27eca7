//! The system calls that probes make bare, each wrapped once.
//!
//! Invariant: every wrapper turns a failed call into an `io::Error`; none keeps a pointer.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Turns the kernel's "minus one and errno" into a result.
pub(crate) fn check(result: i64) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// User plus system time of the process or the thread, as `getrusage` counts it.
pub(crate) fn cpu_time(who: libc::c_int) -> Duration {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a live rusage; all zeroes are a valid one should the call fail.
    let usage = unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
    let micros = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    Duration::from_micros(u64::try_from(seconds * 1_000_000 + micros).unwrap_or(0))
}

/// A non-blocking eventfd with a count of zero.
pub(crate) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    check(i64::from(fd))?;
    // SAFETY: the descriptor was just created and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Resets an eventfd; nothing to read is not an error.
pub(crate) fn eventfd_drain(fd: RawFd) {
    let mut count = [0_u8; 8];
    // SAFETY: the buffer lives across the call and its length is passed.
    let _ = unsafe { libc::read(fd, count.as_mut_ptr().cast(), count.len()) };
}

/// Makes `target`, an open descriptor, refer to what `source` refers to.
pub(crate) fn replace_descriptor(source: RawFd, target: RawFd) -> io::Result<()> {
    // SAFETY: no pointers are passed; both descriptors are owned by the caller.
    let result = unsafe { libc::dup3(source, target, libc::O_CLOEXEC) };
    check(i64::from(result)).map(|_| ())
}

/// `fallocate` with the given mode.
pub(crate) fn fallocate(file: &File, mode: libc::c_int, len: u64) -> io::Result<()> {
    let len = libc::off_t::try_from(len).map_err(io::Error::other)?;
    // SAFETY: no pointers are passed.
    let result = unsafe { libc::fallocate(file.as_raw_fd(), mode, 0, len) };
    check(i64::from(result)).map(|_| ())
}

/// `syncfs` of the file system that holds `file`.
pub(crate) fn sync_file_system(file: &File) -> io::Result<()> {
    // SAFETY: no pointers are passed.
    let result = unsafe { libc::syncfs(file.as_raw_fd()) };
    check(i64::from(result)).map(|_| ())
}

/// Lets this process have at least so many files open.
pub(crate) fn raise_open_files(count: u64) -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a live rlimit.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    check(i64::from(result))?;
    if limit.rlim_cur >= count {
        return Ok(());
    }
    limit.rlim_cur = count;
    limit.rlim_max = limit.rlim_max.max(count);
    // SAFETY: the pointer is to a live rlimit.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    check(i64::from(result)).map(|_| ())
}

/// How often the workers of this process's rings ran, and for how many CPU seconds.
///
/// Read from the scheduler statistics of the `iou-wrk` threads, so only threads still alive count;
/// an idle worker lives for five seconds, which is longer than any round.
pub(crate) fn ring_workers() -> io::Result<(u64, f64)> {
    let (mut slices, mut nanos) = (0, 0_u64);
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let Ok(name) = std::fs::read_to_string(task.join("comm")) else {
            continue;
        };
        if !name.starts_with("iou-wrk") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(task.join("schedstat")) else {
            continue;
        };
        let mut fields = text
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0));
        nanos += fields.next().unwrap_or(0);
        slices += fields.nth(1).unwrap_or(0);
    }
    Ok((slices, nanos as f64 / 1e9))
}

/// What a thread returned, unless it panicked.
pub(crate) fn joined<T>(thread: std::thread::JoinHandle<T>) -> io::Result<T> {
    thread
        .join()
        .map_err(|_| io::Error::other("a thread of the probe panicked"))
}

/// An epoll instance that watches one descriptor for input.
pub(crate) struct Poller(OwnedFd);

impl Poller {
    /// Starts watching, level-triggered.
    pub(crate) fn watch(fd: RawFd) -> io::Result<Poller> {
        // SAFETY: no pointers are passed.
        let poller = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        check(i64::from(poller))?;
        // SAFETY: the descriptor was just created and nobody else owns it.
        let poller = unsafe { OwnedFd::from_raw_fd(poller) };
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: 0,
        };
        // SAFETY: the event lives across the call.
        let result =
            unsafe { libc::epoll_ctl(poller.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        check(i64::from(result))?;
        Ok(Poller(poller))
    }

    /// Blocks until there is input.
    pub(crate) fn wait(&self) -> io::Result<()> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: the kernel writes at most one event, and there is room for one.
        let ready = unsafe { libc::epoll_wait(self.0.as_raw_fd(), &raw mut event, 1, -1) };
        check(i64::from(ready)).map(|_| ())
    }
}

/// Sends a whole range of a file through a blocking socket.
pub(crate) fn send_file(
    socket: &std::net::TcpStream,
    file: &File,
    position: usize,
    len: usize,
) -> io::Result<()> {
    let mut offset = libc::off_t::try_from(position).map_err(io::Error::other)?;
    let mut left = len;
    while left > 0 {
        let (to, from) = (socket.as_raw_fd(), file.as_raw_fd());
        // SAFETY: the offset lives across the call.
        let sent = unsafe { libc::sendfile(to, from, &raw mut offset, left) };
        match check(sent as i64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            sent => left -= sent,
        }
    }
    Ok(())
}

/// Whether the byte at `position` can be read without waiting for the disk.
pub(crate) fn is_cached(file: &File, position: usize) -> io::Result<bool> {
    let mut byte = 0_u8;
    let vector = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let position = libc::off_t::try_from(position).map_err(io::Error::other)?;
    // SAFETY: the vector and the byte it points to live across the call.
    let read = unsafe {
        libc::preadv2(
            file.as_raw_fd(),
            &raw const vector,
            1,
            position,
            libc::RWF_NOWAIT,
        )
    };
    match check(read as i64) {
        Ok(read) => Ok(read == 1),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// `posix_fadvise` on a range.
pub(crate) fn advise(file: &File, position: usize, len: usize, advice: i32) -> io::Result<()> {
    let position = libc::off_t::try_from(position).map_err(io::Error::other)?;
    let len = libc::off_t::try_from(len).map_err(io::Error::other)?;
    // SAFETY: no pointers are passed.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), position, len, advice) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// `readahead` of a range.
pub(crate) fn read_ahead(file: &File, position: usize, len: usize) -> io::Result<()> {
    let position = libc::off64_t::try_from(position).map_err(io::Error::other)?;
    // SAFETY: no pointers are passed.
    let result = unsafe { libc::readahead(file.as_raw_fd(), position, len) };
    check(result as i64).map(|_| ())
}
