//! Sockets on the kernel: glommio's, with vectored writes and `sendfile` beside them.
//!
//! Reads and writes are tried at once and wait for readiness on glommio's ring only when the
//! kernel had nothing to give or no room to take.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures_lite::io::{AsyncRead as _, AsyncWrite as _};
use glommio::net::{TcpListener, TcpStream};

use crate::error::{IoError, IoErrorKind};
use crate::kernel::core::blocking;
use crate::kernel::file::CachedFile;
use crate::{Buffer, Bytes};

/// The kernel takes at most this many pieces in one vectored write (UIO_MAXIOV is 1024).
const PIECES_MAX: usize = 64;
/// One `sendfile` window: its pages are brought into the page cache before it is sent.
const WINDOW_LEN: u64 = 1 << 20;
/// What is copied through user space when a socket was full, to wait until it has room again.
const STEP_LEN: usize = 16 << 10;
/// While a window is warmed one byte of each such stretch is waited for.
const READ_AHEAD_STEP: u64 = 64 << 10;

/// See [`crate::Listener`].
pub(crate) struct KernelListener {
    listener: TcpListener,
    local: SocketAddr,
}

impl KernelListener {
    /// A listener whose port other cores may share, or not.
    pub(crate) fn bind(address: SocketAddr, is_shared: bool) -> Result<Self, IoError> {
        let bound = bind_address(address, is_shared)
            .map_err(|error| IoError::from_system("listen on", address, &error))?;
        // SAFETY: the descriptor is a listening socket whose ownership passes to the listener.
        let listener = unsafe { TcpListener::from_raw_fd(bound.into_raw_fd()) };
        let local = listener
            .local_addr()
            .map_err(|error| IoError::new("listen on", address, IoErrorKind::Other, error))?;
        Ok(Self { listener, local })
    }

    pub(crate) async fn accept(&self) -> Result<KernelSocket, IoError> {
        let stream = self
            .listener
            .accept()
            .await
            .map_err(|error| IoError::from_system("accept on", self.local, &error.into()))?;
        KernelSocket::new(stream, self.local)
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }
}

/// A listening socket whose port other cores of this process may share. An address taken by another
/// process is refused even where that one set SO_REUSEPORT for another user.
fn bind_address(address: SocketAddr, is_shared: bool) -> io::Result<OwnedFd> {
    use nix::sys::socket as sys;
    let family = if address.is_ipv4() {
        sys::AddressFamily::Inet
    } else {
        sys::AddressFamily::Inet6
    };
    let socket = sys::socket(
        family,
        sys::SockType::Stream,
        sys::SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    sys::setsockopt(&socket, sys::sockopt::ReuseAddr, &true)?;
    sys::setsockopt(&socket, sys::sockopt::ReusePort, &is_shared)?;
    match address {
        SocketAddr::V4(address) => sys::bind(socket.as_raw_fd(), &sys::SockaddrIn::from(address))?,
        SocketAddr::V6(address) => sys::bind(socket.as_raw_fd(), &sys::SockaddrIn6::from(address))?,
    }
    sys::listen(&socket, sys::Backlog::MAXCONN)?;
    Ok(socket)
}

/// See [`crate::Socket`].
pub(crate) struct KernelSocket {
    stream: RefCell<TcpStream>,
    descriptor: RawFd,
    peer: SocketAddr,
    local: SocketAddr,
}

impl KernelSocket {
    fn new(stream: TcpStream, listening: SocketAddr) -> Result<Self, IoError> {
        let failed = |error: glommio::GlommioError<()>| {
            IoError::new("accept on", listening, IoErrorKind::Closed, error)
        };
        stream.set_nodelay(true).map_err(failed)?;
        let peer = stream.peer_addr().map_err(failed)?;
        let local = stream.local_addr().map_err(failed)?;
        let descriptor = stream.as_raw_fd();
        // `sendfile` has no flag of its own for this; glommio never relies on a blocking socket.
        set_nonblocking(descriptor)
            .map_err(|error| IoError::from_system("accept on", listening, &error))?;
        Ok(Self {
            stream: RefCell::new(stream),
            descriptor,
            peer,
            local,
        })
    }

    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, IoError> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| IoError::from_system("connect to", address, &error.into()))?;
        Self::new(stream, address)
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn close(&self) {
        // Tasks that wait on the socket wake with its end; an error says it has ended already.
        let _ = nix::sys::socket::shutdown(self.descriptor, nix::sys::socket::Shutdown::Both);
    }

    fn failed(&self, operation: &'static str, error: &io::Error) -> IoError {
        IoError::from_system(operation, self.peer, error)
    }

    pub(crate) async fn read(&self, buffer: &mut Buffer, len_max: usize) -> Result<usize, IoError> {
        let result = std::future::poll_fn(|context| {
            let mut stream = self.stream.borrow_mut();
            Pin::new(&mut *stream).poll_read(context, buffer.spare(len_max))
        })
        .await;
        let count = result.map_err(|error| self.failed("read from", &error))?;
        buffer.advance(count);
        Ok(count)
    }

    pub(crate) async fn write(&self, pieces: &[Bytes]) -> Result<(), IoError> {
        let mut index = 0;
        let mut skipped = 0;
        loop {
            // What is sent whole is passed over, with empty pieces.
            while pieces
                .get(index)
                .is_some_and(|piece| piece.len() <= skipped)
            {
                skipped -= pieces.get(index).map_or(0, |piece| piece.len());
                index += 1;
            }
            let Some(first) = pieces.get(index) else {
                assert_eq!(skipped, 0, "the kernel took more than it was given");
                return Ok(());
            };
            let sent = self.send_vectored(pieces.get(index..).unwrap_or(&[]), skipped);
            skipped += match sent {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.write_when_ready(first.get(skipped..).unwrap_or(&[]))
                        .await?
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => return Err(self.failed("write to", &error)),
            };
        }
    }

    /// One attempt, by a plain send: zero-copy sends on loopback copy all the same and cost more
    /// (kernel-note 010). Sends `pieces` without the first `skipped` bytes of the first one.
    fn send_vectored(&self, pieces: &[Bytes], skipped: usize) -> io::Result<usize> {
        use nix::sys::socket::{MsgFlags, SockaddrStorage, sendmsg};
        let mut slices: [IoSlice<'_>; PIECES_MAX] = [IoSlice::new(&[]); PIECES_MAX];
        let mut count = 0;
        for (slot, piece) in slices.iter_mut().zip(pieces) {
            let from = if count == 0 { skipped } else { 0 };
            *slot = IoSlice::new(piece.get(from..).unwrap_or(&[]));
            count += 1;
        }
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let slices = slices.get(..count).unwrap_or(&[]);
        Ok(sendmsg::<SockaddrStorage>(
            self.descriptor,
            slices,
            &[],
            flags,
            None,
        )?)
    }

    /// Waits until the socket takes some of `bytes`, and says how many it took.
    async fn write_when_ready(&self, bytes: &[u8]) -> Result<usize, IoError> {
        let result = std::future::poll_fn(|context| {
            let mut stream = self.stream.borrow_mut();
            match Pin::new(&mut *stream).poll_write(context, bytes) {
                Poll::Ready(result) => Poll::Ready(result),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        result.map_err(|error| self.failed("write to", &error))
    }

    pub(crate) async fn send_file(
        &self,
        file: &Arc<CachedFile>,
        position: u64,
        len: u64,
    ) -> Result<(), IoError> {
        let mut sent = 0;
        let mut warm = 0;
        while sent < len {
            if sent >= warm {
                warm = (sent + WINDOW_LEN).min(len);
                warm_pages(file, position + sent, warm - sent).await?;
            }
            let at = position + sent;
            sent += match send_cached(self.descriptor, &file.descriptor, at, warm - sent) {
                Ok(0) => {
                    let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Err(file.failed("send", &error));
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.step(file, at, warm - sent).await?
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => return Err(self.failed("send file to", &error)),
            };
        }
        Ok(())
    }

    /// Waits for room in the socket by sending a small part of the file through user space:
    /// glommio offers no other way to wait until a socket can be written.
    async fn step(&self, file: &CachedFile, position: u64, len: u64) -> Result<u64, IoError> {
        let mut bytes = vec![0_u8; STEP_LEN];
        let wanted = base::usize_from_u64(len).min(STEP_LEN);
        let target = bytes.get_mut(..wanted).unwrap_or(&mut []);
        let at = i64::try_from(position).unwrap_or(i64::MAX);
        let count = nix::sys::uio::pread(&file.descriptor, target, at)
            .map_err(|error| file.failed("read", &io::Error::from(error)))?;
        let taken = self
            .write_when_ready(bytes.get(..count).unwrap_or(&[]))
            .await?;
        Ok(taken as u64)
    }
}

fn set_nonblocking(descriptor: RawFd) -> io::Result<()> {
    // SAFETY: the call takes an open descriptor and numbers.
    let result = unsafe { libc::ioctl(descriptor, libc::FIONBIO, &raw const NONBLOCKING) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// What FIONBIO reads to switch waiting off.
static NONBLOCKING: libc::c_int = 1;

fn send_cached(socket: RawFd, file: &OwnedFd, position: u64, len: u64) -> io::Result<u64> {
    let mut offset = i64::try_from(position).unwrap_or(i64::MAX);
    // SAFETY: both descriptors are open and `offset` outlives the call. The socket is in
    // non-blocking mode, so the call waits for no peer.
    let count = unsafe {
        libc::sendfile(
            socket,
            file.as_raw_fd(),
            &raw mut offset,
            base::usize_from_u64(len),
        )
    };
    u64::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Brings a window of a file into the page cache on the helper thread, unless its ends are there
/// already: `sendfile` of a cold page would stall the whole core (kernel-note 012). What a
/// consumer who goes on will want is asked for meanwhile, and waited for by nobody.
pub(super) async fn warm_pages(
    file: &Arc<CachedFile>,
    position: u64,
    len: u64,
) -> Result<(), IoError> {
    assert!(len > 0);
    let last = position + len - 1;
    let present = file.is_present(position) && file.is_present(last);
    let ahead = file.claim_ahead(position + len);
    if present {
        if let Some((from, ahead)) = ahead.filter(|(from, _)| !file.is_present(*from)) {
            let owned = Arc::clone(file);
            glommio::spawn_local(blocking(move || owned.fill(from, ahead))).detach();
        }
        return Ok(());
    }
    let owned = Arc::clone(file);
    let done = blocking(move || {
        owned.fill(position, len);
        if let Some((from, ahead)) = ahead {
            owned.fill(from, ahead);
        }
        let mut byte = [0_u8; 1];
        let mut page = position;
        while page <= last {
            let at = i64::try_from(page).unwrap_or(i64::MAX);
            nix::sys::uio::pread(&owned.descriptor, &mut byte, at)?;
            page += READ_AHEAD_STEP;
        }
        let at = i64::try_from(last).unwrap_or(i64::MAX);
        nix::sys::uio::pread(&owned.descriptor, &mut byte, at)
    })
    .await;
    done.map(|_| ())
        .map_err(|error| file.failed("read", &io::Error::from(error)))
}
