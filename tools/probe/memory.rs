//! Page-aligned memory, as direct I/O and the fault measurements need it.
//!
//! Invariant: a mapping is private, anonymous, and unmapped exactly once, on drop.

use std::io;
use std::ptr::NonNull;

/// Anonymous pages of our own.
pub(crate) struct Pages {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone, and moving it moves only the pointer.
unsafe impl Send for Pages {}

impl Pages {
    /// Maps `len` bytes; nothing is touched yet, so the first write to each page faults.
    pub(crate) fn map(len: usize) -> io::Result<Pages> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing of ours.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at zero"))?;
        Ok(Pages { start, len })
    }

    /// Maps `len` bytes and writes every page.
    pub(crate) fn touched(len: usize) -> io::Result<Pages> {
        let mut pages = Pages::map(len)?;
        for (index, byte) in pages.as_mut_slice().iter_mut().enumerate() {
            *byte = (index % 251) as u8;
        }
        Ok(pages)
    }

    /// Tells the kernel how the mapping will be used.
    pub(crate) fn advise(&self, advice: libc::c_int) -> io::Result<()> {
        // SAFETY: the range is exactly our mapping.
        let result = unsafe { libc::madvise(self.start.as_ptr().cast(), self.len, advice) };
        crate::sys::check(i64::from(result)).map(|_| ())
    }

    /// The whole mapping.
    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: the mapping is readable, `len` long, zero-initialised and borrowed with `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The whole mapping, writable.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the range is exactly our mapping and nothing refers to it any longer.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
