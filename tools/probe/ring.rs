//! A small ring of our own for probes: submit what is queued, wait, reap.
//!
//! Invariant: the memory an operation points to outlives its completion; callers keep it in
//! buffers that they own across `submit_and_wait`.

use std::io;

use io_uring::{IoUring, squeue};

/// The set-up flags under comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// No flags: completions interrupt whatever the thread does.
    Plain,
    /// `COOP_TASKRUN`: completions wait for the thread's next system call, or for it to sleep.
    Cooperative,
    /// `SINGLE_ISSUER | DEFER_TASKRUN`: completions are processed only when we enter.
    Deferred,
}

/// Creates a ring with the given flags.
pub(crate) fn create(entries: u32, setup: Setup) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    match setup {
        Setup::Plain => &mut builder,
        Setup::Cooperative => builder.setup_coop_taskrun(),
        Setup::Deferred => builder.setup_single_issuer().setup_defer_taskrun(),
    };
    builder.build(entries)
}

/// Queues one operation; the ring must have room.
pub(crate) fn push(ring: &mut IoUring, entry: &squeue::Entry) -> io::Result<()> {
    // SAFETY: callers keep the memory that the entry points to alive until its completion.
    unsafe { ring.submission().push(entry) }.map_err(io::Error::other)
}

/// Takes all completions that are there; returns `(user data, result)` pairs.
pub(crate) fn reap(ring: &mut IoUring, into: &mut Vec<(u64, i32)>) {
    into.extend(
        ring.completion()
            .map(|done| (done.user_data(), done.result())),
    );
}
