//! Sockets of a simulated process.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use super::core::SimCore;
use super::disk::Refusal;
use super::executor::Process;
use super::network::{Readable, Standing};
use super::universe::Universe;
use crate::{Buffer, Bytes, IoError};

impl SimCore {
    #[expect(
        clippy::unused_async,
        reason = "on this twin as on the kernel, listening may wait"
    )]
    pub(crate) async fn listen(&self, address: SocketAddr) -> Result<SimListener, IoError> {
        let universe = Rc::clone(self.universe());
        let process = self.process();
        let (number, local) = universe.network.borrow_mut().listen(process, address);
        Ok(SimListener {
            universe,
            process,
            number,
            local,
        })
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> Result<SimSocket, IoError> {
        let universe = self.universe();
        let process = self.process();
        let own = universe.machine(process.node, |machine| machine.address);
        let own = own.unwrap_or(address.ip());
        let number = universe
            .network
            .borrow_mut()
            .dial(universe, process, own, address);
        // From here on the socket's drop gives the connection up.
        let socket = SimSocket::new(universe, process, (number, 0), address);
        let standing = std::future::poll_fn(|context| {
            match universe
                .network
                .borrow_mut()
                .standing(number, 0, context.waker())
            {
                Standing::Connecting => Poll::Pending,
                standing => Poll::Ready(standing),
            }
        });
        match standing.await {
            Standing::Broken(refusal) => Err(io_error("connect", address, refusal)),
            _ => Ok(socket),
        }
    }
}

fn io_error(operation: &'static str, subject: SocketAddr, refusal: Refusal) -> IoError {
    IoError::new(operation, subject, refusal.kind, refusal.detail)
}

/// A socket that accepts connections.
pub(crate) struct SimListener {
    universe: Rc<Universe>,
    process: Process,
    number: u64,
    local: SocketAddr,
}

impl SimListener {
    pub(crate) async fn accept(&self) -> Result<SimSocket, IoError> {
        let number = std::future::poll_fn(|context| {
            let mut network = self.universe.network.borrow_mut();
            network
                .accept(self.number, context.waker())
                .map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        Ok(SimSocket::new(
            &self.universe,
            self.process,
            (number, 1),
            self.local,
        ))
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        if self.universe.lives(self.process) {
            let mut network = self.universe.network.borrow_mut();
            network.stop_listening(&self.universe, self.number);
        }
    }
}

/// One end of a connection.
pub(crate) struct SimSocket {
    universe: Rc<Universe>,
    process: Process,
    /// The connection's number and which end this is.
    place: (u64, usize),
    addresses: [SocketAddr; 2],
    closed: Cell<bool>,
}

impl SimSocket {
    fn new(
        universe: &Rc<Universe>,
        process: Process,
        place: (u64, usize),
        fallback: SocketAddr,
    ) -> Self {
        let addresses = universe.network.borrow_mut().addresses(place.0, place.1);
        Self {
            universe: Rc::clone(universe),
            process,
            place,
            addresses: addresses.unwrap_or([fallback, fallback]),
            closed: Cell::new(false),
        }
    }

    pub(crate) async fn read(&self, buffer: &mut Buffer, len_max: usize) -> Result<usize, IoError> {
        std::future::poll_fn(|context| {
            let mut network = self.universe.network.borrow_mut();
            match network.read(&self.universe, self.place, len_max, context.waker()) {
                Readable::Nothing => Poll::Pending,
                Readable::End => Poll::Ready(Ok(0)),
                Readable::Broken(refusal) => {
                    Poll::Ready(Err(io_error("read", self.peer(), refusal)))
                }
                Readable::Bytes(bytes) => {
                    buffer.append(&bytes);
                    Poll::Ready(Ok(bytes.len()))
                }
            }
        })
        .await
    }

    pub(crate) async fn write(&self, pieces: &[Bytes]) -> Result<(), IoError> {
        for piece in pieces {
            let mut rest: &[u8] = piece;
            while !rest.is_empty() {
                let written = std::future::poll_fn(|context| {
                    let mut network = self.universe.network.borrow_mut();
                    match network.write(&self.universe, self.place, rest, context.waker()) {
                        Ok(0) => Poll::Pending,
                        result => Poll::Ready(result),
                    }
                });
                let written = written.await;
                let written = written.map_err(|refusal| io_error("write", self.peer(), refusal))?;
                rest = rest.get(written..).unwrap_or(&[]);
            }
        }
        Ok(())
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.addresses[1]
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) fn close(&self) {
        if !self.closed.replace(true) && self.universe.lives(self.process) {
            let mut network = self.universe.network.borrow_mut();
            network.close(&self.universe, self.place.0, self.place.1);
        }
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        self.close();
        if self.universe.lives(self.process) {
            self.universe
                .network
                .borrow_mut()
                .release(self.place.0, self.place.1);
        }
    }
}
