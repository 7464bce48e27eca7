//! What receiving costs on loopback: glommio's stream, a ring of our own, plain epoll.
//!
//! CPU is that of the receiving thread alone. Invariant: every variant receives the same bytes into
//! one reused buffer, and all of them arrive.

use std::io::{self, Read as _};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};

use futures_lite::AsyncReadExt;
use glommio::{LocalExecutorBuilder, Placement};
use io_uring::{opcode, types};

use crate::Options;
use crate::measure::{Figures, GIB, Lap, Report, Stopwatch, Variant, interleave};
use crate::memory::Pages;
use crate::ring::{self, Setup};
use crate::{sockets, sys};

const TOTAL: usize = 256 << 20;

pub(crate) fn run(options: &Options) -> io::Result<Report> {
    let mut variants = Vec::new();
    for kib in [16, 64, 256, 1024] {
        let len = kib * 1024;
        let mut add = |name: &str, receive: fn(TcpStream, usize) -> io::Result<Outcome>| {
            variants.push(Variant::new(format!("{name} {kib} KiB"), move || {
                let (near, far) = sockets::pair()?;
                let feeder = sockets::feed(far, TOTAL);
                let (lap, received, calls) = receive(near, len)?;
                sys::joined(feeder)??;
                if received != TOTAL {
                    return Err(io::Error::other("bytes are missing"));
                }
                Ok(figures(&lap, calls))
            }));
        };
        add("epoll + recv", epoll);
        add("own ring recv", own_ring);
        add("glommio stream", on_glommio);
    }
    interleave(options, variants)
}

type Outcome = (Lap, usize, usize);

fn figures(lap: &Lap, calls: usize) -> Figures {
    let gib = TOTAL as f64 / GIB;
    vec![
        ("receiver_core_s_per_GiB", lap.thread / gib),
        ("GiB_per_s", gib / lap.wall),
        ("KiB_per_read", TOTAL as f64 / 1024.0 / calls as f64),
    ]
}

fn epoll(mut stream: TcpStream, len: usize) -> io::Result<Outcome> {
    let mut pages = Pages::touched(len)?;
    stream.set_nonblocking(true)?;
    let poller = sys::Poller::watch(stream.as_raw_fd())?;
    let watch = Stopwatch::start();
    let (mut received, mut calls) = (0, 0);
    loop {
        match stream.read(pages.as_mut_slice()) {
            Ok(0) => return Ok((watch.lap(), received, calls)),
            Ok(read) => {
                received += read;
                calls += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => poller.wait()?,
            Err(error) => return Err(error),
        }
    }
}

fn own_ring(stream: TcpStream, len: usize) -> io::Result<Outcome> {
    let mut pages = Pages::touched(len)?;
    let mut ring = ring::create(8, Setup::Deferred)?;
    let fd = types::Fd(stream.as_raw_fd());
    let watch = Stopwatch::start();
    let (mut received, mut calls, mut done) = (0, 0, Vec::new());
    let span = u32::try_from(len).map_err(io::Error::other)?;
    loop {
        let entry = opcode::Recv::new(fd, pages.as_mut_slice().as_mut_ptr(), span).build();
        ring::push(&mut ring, &entry)?;
        ring.submit_and_wait(1)?;
        ring::reap(&mut ring, &mut done);
        for (_, result) in done.drain(..) {
            let read =
                usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))?;
            if read == 0 {
                return Ok((watch.lap(), received, calls));
            }
            received += read;
            calls += 1;
        }
    }
}

fn on_glommio(stream: TcpStream, len: usize) -> io::Result<Outcome> {
    let executor = LocalExecutorBuilder::new(Placement::Unbound).spawn(move || async move {
        // SAFETY: `into_raw_fd` gave the ownership up, the stream takes it.
        let mut stream = unsafe { glommio::net::TcpStream::from_raw_fd(stream.into_raw_fd()) };
        let mut pages = Pages::touched(len)?;
        let watch = Stopwatch::start();
        let (mut received, mut calls) = (0, 0);
        loop {
            let read = stream.read(pages.as_mut_slice()).await?;
            if read == 0 {
                return Ok((watch.lap(), received, calls));
            }
            received += read;
            calls += 1;
        }
    });
    let executor = executor.map_err(|error| io::Error::other(error.to_string()))?;
    executor
        .join()
        .map_err(|error| io::Error::other(error.to_string()))?
}
