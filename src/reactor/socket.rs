//! Listening and connected sockets.

use std::net::SocketAddr;
use std::rc::Rc;

use crate::error::IoError;
use crate::file::{FileRange, RangeTwin};
use crate::kernel::socket::{KernelListener, KernelSocket};
use crate::{Buffer, Bytes};

#[cfg(feature = "sim")]
use crate::sim;

/// A place where connections arrive.
pub struct Listener {
    twin: ListenerTwin,
}

enum ListenerTwin {
    Kernel(KernelListener),
    #[cfg(feature = "sim")]
    Sim(sim::SimListener),
}

impl Listener {
    pub(crate) fn from_kernel(listener: KernelListener) -> Self {
        Self {
            twin: ListenerTwin::Kernel(listener),
        }
    }

    #[cfg(feature = "sim")]
    pub(crate) fn from_sim(listener: sim::SimListener) -> Self {
        Self {
            twin: ListenerTwin::Sim(listener),
        }
    }

    /// The next connection.
    ///
    /// # Errors
    /// Such as too many open files; the listener goes on listening.
    pub async fn accept(&self) -> Result<Socket, IoError> {
        match &self.twin {
            ListenerTwin::Kernel(listener) => Ok(Socket::from_kernel(listener.accept().await?)),
            #[cfg(feature = "sim")]
            ListenerTwin::Sim(listener) => Ok(Socket::from_sim(listener.accept().await?)),
        }
    }

    /// Where it listens, with the port the system chose if none was asked for.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        match &self.twin {
            ListenerTwin::Kernel(listener) => listener.local(),
            #[cfg(feature = "sim")]
            ListenerTwin::Sim(listener) => listener.local(),
        }
    }
}

/// A connection. Cheap to clone; one task may read while another writes.
#[derive(Clone)]
pub struct Socket {
    twin: Twin,
}

#[derive(Clone)]
enum Twin {
    Kernel(Rc<KernelSocket>),
    #[cfg(feature = "sim")]
    Sim(Rc<sim::SimSocket>),
}

/// Calls the same method on whichever twin this socket has.
macro_rules! on_twin {
    ($socket:expr, $inner:ident => $call:expr) => {
        match &$socket.twin {
            Twin::Kernel($inner) => $call,
            #[cfg(feature = "sim")]
            Twin::Sim($inner) => $call,
        }
    };
}

impl Socket {
    pub(crate) fn from_kernel(socket: KernelSocket) -> Self {
        Self {
            twin: Twin::Kernel(Rc::new(socket)),
        }
    }

    #[cfg(feature = "sim")]
    pub(crate) fn from_sim(socket: sim::SimSocket) -> Self {
        Self {
            twin: Twin::Sim(Rc::new(socket)),
        }
    }

    /// Appends what has arrived to `buffer`, at most `len_max` bytes and at least one; zero
    /// means that the peer will send no more.
    ///
    /// # Errors
    /// `Closed` when the connection was reset.
    ///
    /// # Panics
    /// When `len_max` is zero or the buffer has less room than that.
    pub async fn read(&self, buffer: &mut Buffer, len_max: usize) -> Result<usize, IoError> {
        assert!(len_max > 0 && len_max <= buffer.spare_len());
        on_twin!(self, socket => socket.read(buffer, len_max).await)
    }

    /// Sends all of `pieces` in order.
    ///
    /// # Errors
    /// `Closed` when the peer went away; it is not known then how much arrived.
    pub async fn write(&self, pieces: &[Bytes]) -> Result<(), IoError> {
        on_twin!(self, socket => socket.write(pieces).await)
    }

    /// Sends a part of a file, without a copy where the machine can.
    ///
    /// # Errors
    /// `Closed` when the peer went away; `Device` when the file could not be read.
    pub async fn send_file(&self, range: &FileRange) -> Result<(), IoError> {
        match (&self.twin, range.twin()) {
            (Twin::Kernel(socket), RangeTwin::Kernel { file, position }) => {
                socket.send_file(file, *position, range.len()).await
            }
            #[cfg(feature = "sim")]
            (Twin::Sim(socket), RangeTwin::Bytes(bytes)) => {
                socket.write(std::slice::from_ref(bytes)).await
            }
            #[cfg(feature = "sim")]
            _ => unreachable!("a simulated file on a kernel socket: the twins never mix"),
        }
    }

    /// The peer's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        on_twin!(self, socket => socket.peer())
    }

    /// The address the peer dialled.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        on_twin!(self, socket => socket.local())
    }

    /// Ends the connection both ways; tasks that read or write it see its end.
    pub fn close(&self) {
        on_twin!(self, socket => socket.close());
    }
}
