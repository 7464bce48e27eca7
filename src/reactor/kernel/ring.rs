//! This core's own ring for direct files.
//!
//! glommio's ring cannot write part of a buffer that goes on growing, nor share memory with
//! readers on other cores, so files have a ring of their own. Operations of one turn of the
//! executor are submitted together. A completion signals an eventfd; a read of that eventfd on
//! glommio's ring wakes the core if it sleeps (kernel-note 006).
//!
//! Invariant: what an operation points at is kept in `Operation::keep` until its completion was
//! reaped, also when the task that awaited it has gone.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::os::fd::{FromRawFd as _, IntoRawFd as _, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use io_uring::{IoUring, squeue};
use nix::sys::eventfd::{EfdFlags, EventFd};
use slab::Slab;

use crate::Signal;

/// Entries of the submission queue; a flush of more files submits in several calls.
const ENTRIES: u32 = 256;

struct Operation {
    result: Option<i32>,
    waker: Option<Waker>,
    /// True when nobody awaits the result any more.
    abandoned: bool,
    /// The memory and file that the kernel uses for this operation.
    #[expect(dead_code, reason = "held for what dropping it does")]
    keep: Box<dyn Any>,
}

/// See the module's head.
pub(crate) struct Ring {
    uring: RefCell<IoUring>,
    operations: RefCell<Slab<Operation>>,
    /// True while entries are queued that the kernel was not told of.
    queued: Cell<bool>,
    submit_soon: Signal,
}

impl Ring {
    /// Sets the ring up and starts its two tasks on the current executor.
    pub(super) fn start() -> io::Result<Rc<Self>> {
        let uring = Self::build()?;
        let event = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC)?;
        let event = OwnedFd::from(event);
        uring
            .submitter()
            .register_eventfd(std::os::fd::AsRawFd::as_raw_fd(&event))?;
        let ring = Rc::new(Self {
            uring: RefCell::new(uring),
            operations: RefCell::new(Slab::new()),
            queued: Cell::new(false),
            submit_soon: Signal::new(),
        });
        glommio::spawn_local(Rc::clone(&ring).reap_for_ever(event)).detach();
        glommio::spawn_local(Rc::clone(&ring).submit_for_ever()).detach();
        Ok(ring)
    }

    /// A ring with what this engine needs, also used to test whether the kernel allows one.
    pub(super) fn build() -> io::Result<IoUring> {
        IoUring::builder()
            .setup_single_issuer()
            .setup_coop_taskrun()
            .build(ENTRIES)
    }

    async fn submit_for_ever(self: Rc<Self>) {
        loop {
            let wait = self.submit_soon.wait();
            if self.queued.get() {
                self.submit();
            } else {
                wait.await;
            }
        }
    }

    async fn reap_for_ever(self: Rc<Self>, event: OwnedFd) {
        // SAFETY: the descriptor is open and its ownership passes to the file.
        let event = unsafe { glommio::io::BufferedFile::from_raw_fd(event.into_raw_fd()) };
        loop {
            if let Err(error) = event.read_at(0, 8).await {
                // Without its wake-ups this core would wait for ever on its next flush.
                panic!("the eventfd of the file ring cannot be read: {error}");
            }
            self.reap();
        }
    }

    fn submit(&self) {
        self.queued.set(false);
        if let Err(error) = self.uring.borrow().submit() {
            match error.raw_os_error() {
                Some(libc::EINTR | libc::EAGAIN | libc::EBUSY) => {
                    self.queued.set(true);
                    self.submit_soon.notify();
                }
                _ => panic!("the file ring refuses submissions: {error}"),
            }
        }
        // The kernel may take fewer than it was given, as when it is short of memory.
        if !self.uring.borrow_mut().submission().is_empty() {
            self.queued.set(true);
            self.submit_soon.notify();
        }
        self.reap();
    }

    fn reap(&self) {
        loop {
            let Some(completion) = self.uring.borrow_mut().completion().next() else {
                return;
            };
            let key = base::usize_from_u64(completion.user_data());
            let waker = {
                let mut operations = self.operations.borrow_mut();
                let operation = operations.get_mut(key);
                assert!(
                    operation.is_some(),
                    "a completion of an operation that never was"
                );
                let Some(operation) = operation else { return };
                if operation.abandoned {
                    operations.remove(key);
                    None
                } else {
                    operation.result = Some(completion.result());
                    operation.waker.take()
                }
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Queues `entry` and gives the future of its result, as the kernel returns it: negative for
    /// an error number.
    ///
    /// # Safety
    /// Everything the entry points at must be owned, directly or not, by `keep`.
    pub(super) unsafe fn operate(
        self: &Rc<Self>,
        entry: squeue::Entry,
        keep: Box<dyn Any>,
    ) -> InFlight {
        let operation = Operation {
            result: None,
            waker: None,
            abandoned: false,
            keep,
        };
        let key = self.operations.borrow_mut().insert(operation);
        let entry = entry.user_data(key as u64);
        loop {
            // SAFETY: `keep` owns what the entry points at by this function's contract, and is
            // dropped only after the completion was reaped.
            let pushed = unsafe { self.uring.borrow_mut().submission().push(&entry) };
            match pushed {
                Ok(()) => break,
                Err(_queue_full) => self.submit(),
            }
        }
        if !self.queued.replace(true) {
            self.submit_soon.notify();
        }
        InFlight {
            ring: Rc::clone(self),
            key,
        }
    }
}

/// An operation that the kernel may be working on.
pub(super) struct InFlight {
    ring: Rc<Ring>,
    key: usize,
}

impl Future for InFlight {
    type Output = i32;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<i32> {
        let mut operations = self.ring.operations.borrow_mut();
        let operation = operations.get_mut(self.key);
        assert!(
            operation.is_some(),
            "an operation is removed only when its future is dropped"
        );
        let Some(operation) = operation else {
            return Poll::Pending;
        };
        match operation.result {
            Some(result) => Poll::Ready(result),
            None => {
                operation.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let removed = {
            let mut operations = self.ring.operations.borrow_mut();
            match operations.get_mut(self.key) {
                Some(operation) if operation.result.is_none() => {
                    operation.abandoned = true;
                    None
                }
                _ => operations.try_remove(self.key),
            }
        };
        // Outside the borrow: what it kept may itself drop an operation.
        drop(removed);
    }
}
