//! Where administrators' connections arrive, and what one of them may cost.
//!
//! An address that cannot be listened on does not keep the node from serving: records matter more
//! than figures about them, and with the default address two nodes on one machine would otherwise
//! refuse to start together. It is said loudly instead.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use broker::Broker;
use config::Address;
use reactor::{Bytes, Core, First, IoError, Listener, Pool, Signal, Socket, first};

use crate::http::{Answer, Code, HEAD_BYTES_MAX, Head, parse};
use crate::routes;

/// The most connections at one time; who scrapes has one.
const CONNECTIONS_MAX: usize = 16;
/// How long a head may take to arrive.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a page may take to be made and to leave.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// After a failed accept (no free descriptors, mostly) the listener pauses for this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listeners of a node for administrators; they close when this is dropped.
pub struct Admin {
    state: Rc<State>,
}

struct State {
    broker: Broker,
    /// Memory for heads, apart from that of clients.
    heads: Pool,
    open: Cell<usize>,
    stopped: Cell<bool>,
    stopping: Signal,
}

impl Admin {
    /// Listens at all of `addresses` where that is possible; the answer tells where.
    pub async fn start(broker: &Broker, addresses: &[Address]) -> (Self, Vec<SocketAddr>) {
        let state = Rc::new(State {
            broker: broker.clone(),
            heads: Pool::new(CONNECTIONS_MAX * HEAD_BYTES_MAX),
            open: Cell::new(0),
            stopped: Cell::new(false),
            stopping: Signal::new(),
        });
        let mut listening = Vec::new();
        for address in addresses {
            match listen(broker.core(), address).await {
                Ok(listener) => {
                    listening.push(listener.local());
                    let state = Rc::clone(&state);
                    broker.core().spawn(async move {
                        state.accept_for_ever(listener).await;
                    });
                }
                Err(error) => tracing::warn!(
                    %address,
                    %error,
                    "no metrics there: the node serves without; give forebay.admin.listeners \
                     another address, or none"
                ),
            }
        }
        (Self { state }, listening)
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.state.stopped.set(true);
        self.state.stopping.notify();
    }
}

async fn listen(core: &Core, address: &Address) -> Result<Listener, IoError> {
    let found = core.resolve(&address.host, address.port).await?;
    let mut refused = None;
    for address in found {
        match core.listen_alone(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or(IoError {
        operation: "resolve",
        subject: address.to_string(),
        kind: reactor::IoErrorKind::NotFound,
        detail: "the name has no address".to_owned(),
    }))
}

/// One open connection; dropping it counts down.
struct Held(Rc<State>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

impl State {
    async fn accept_for_ever(self: Rc<Self>, listener: Listener) {
        let core = self.broker.core().clone();
        loop {
            let stopping = self.stopping.wait();
            if self.stopped.get() {
                return;
            }
            match first(listener.accept(), stopping).await {
                First::Left(Ok(socket)) => self.welcome(socket),
                First::Left(Err(error)) => {
                    tracing::debug!(%error, "no administrator's connection accepted");
                    core.sleep(ACCEPT_PAUSE).await;
                }
                First::Right(()) => {}
            }
        }
    }

    fn welcome(self: &Rc<Self>, socket: Socket) {
        if self.open.get() >= CONNECTIONS_MAX {
            socket.close();
            return;
        }
        self.open.set(self.open.get() + 1);
        let held = Held(Rc::clone(self));
        let core = self.broker.core().clone();
        self.broker.core().spawn(async move {
            let core = &core;
            let head = first(read_head(&held.0, &socket), core.sleep(HEAD_TIME_MAX)).await;
            if let First::Left(Some(head)) = head {
                let answering = Box::pin(answer(&held.0.broker, &socket, head));
                // Who does not take the page in time loses it.
                first(answering, core.sleep(ANSWER_TIME_MAX)).await;
            }
            socket.close();
        });
    }
}

/// Reads until the head is whole or refused; nothing when the peer ends before.
async fn read_head(state: &State, socket: &Socket) -> Option<Head> {
    let mut buffer = state.heads.try_take(HEAD_BYTES_MAX)?;
    loop {
        match parse(buffer.as_slice()) {
            Head::Partial if buffer.len() >= HEAD_BYTES_MAX => {
                return Some(Head::Refused(Code::HeadTooLarge));
            }
            Head::Partial => {}
            head => return Some(head),
        }
        let room = HEAD_BYTES_MAX - buffer.len();
        match socket.read(&mut buffer, room).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

async fn answer(broker: &Broker, socket: &Socket, head: Head) {
    let (answer, is_head_only) = match head {
        Head::Whole(request) => {
            let is_head_only = request.method == "HEAD";
            (routes::answer(broker, &request).await, is_head_only)
        }
        Head::Refused(code) => (Answer::refusal(code), false),
        Head::Partial => return,
    };
    let bytes = Bytes::from(answer.into_bytes(is_head_only));
    if let Err(error) = socket.write(&[bytes]).await {
        tracing::debug!(peer = %socket.peer(), %error, "page not delivered");
    }
}
