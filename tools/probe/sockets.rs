//! Loopback connections with a peer thread that sends or swallows as fast as it can.
//!
//! Invariant: the peer thread ends when its side of the connection is closed or the bytes are sent.

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread::JoinHandle;

use crate::memory::Pages;
use crate::sys;

/// A connected pair over loopback.
pub(crate) fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    Ok((near, far))
}

/// Sends `total` bytes in pieces of 1 MiB from its own thread, then closes.
pub(crate) fn feed(mut stream: TcpStream, total: usize) -> JoinHandle<io::Result<()>> {
    std::thread::spawn(move || {
        let pages = Pages::touched(1 << 20)?;
        for _ in 0..total >> 20 {
            stream.write_all(pages.as_slice())?;
        }
        Ok(())
    })
}

/// Swallows everything without copying it, so that only the sender's side costs.
pub(crate) fn swallow(stream: TcpStream) -> JoinHandle<io::Result<()>> {
    std::thread::spawn(move || {
        loop {
            // SAFETY: with MSG_TRUNC a TCP receive discards the bytes and touches no buffer.
            let taken = unsafe {
                libc::recv(
                    stream.as_raw_fd(),
                    std::ptr::null_mut(),
                    4 << 20,
                    libc::MSG_TRUNC,
                )
            };
            if sys::check(taken as i64)? == 0 {
                return Ok(());
            }
        }
    })
}
