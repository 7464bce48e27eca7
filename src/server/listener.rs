//! Where connections arrive, and what bounds them.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use broker::Broker;
use metrics::{Gauge, Source};
use reactor::{First, IoError, Listener, Signal, Socket, first};

use crate::connection;
use crate::context::{Connection, Context, CoreServer};
use crate::counters::{Counters, Reporter};
use crate::sessions::FetchSessions;
use crate::watch::{Connections, watch};

/// After a failed accept (no free descriptors, mostly) the listener pauses for this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one connection, and all of them together, may cost.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// The longest request, `socket.request.max.bytes`.
    pub request_bytes_max: usize,
    /// Bytes of unanswered requests per connection before it is read no further.
    pub in_flight_bytes_max: usize,
    /// How long a request may take to arrive once its first byte has.
    pub request_timeout: Duration,
    /// How long a connection may say nothing, `connections.max.idle.ms`.
    pub idle_max: Duration,
    /// Fetch sessions per core, `max.incremental.fetch.session.cache.slots` over the cores.
    pub fetch_sessions_max: usize,
}

/// What the servers of all cores share.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    connections: Gauge,
}

/// One core's server on one listener.
pub struct Server {
    state: Rc<CoreServer>,
    shared: Shared,
    connections: Rc<Connections>,
    stopping: Signal,
    stopped: Rc<std::cell::Cell<bool>>,
    /// Asked by whoever gathers metrics, as long as it is held here.
    reporter: Rc<dyn Source>,
}

impl Server {
    /// A server of `broker` for the listener called `listener_name`, which advertises
    /// `advertised` or, without it, the address each client dialled.
    #[must_use]
    pub fn new(
        broker: Broker,
        limits: ServerLimits,
        shared: Shared,
        listener_name: String,
        advertised: Option<(String, u16)>,
    ) -> Self {
        let sessions = RefCell::new(FetchSessions::new(limits.fetch_sessions_max));
        let state = Rc::new(CoreServer {
            broker,
            limits,
            counters: Counters::default(),
            sessions,
            listener_name,
            advertised,
        });
        let connections = Rc::default();
        let reporter: Rc<dyn Source> = Rc::new(Reporter {
            server: Rc::clone(&state),
            connections: Rc::clone(&connections),
        });
        state.broker.sources().add(&reporter);
        Self {
            state,
            shared,
            connections,
            stopping: Signal::new(),
            stopped: Rc::default(),
            reporter,
        }
    }

    /// Listens at `address` and serves what connects, until `stop`.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(&self, address: SocketAddr) -> Result<SocketAddr, IoError> {
        let core = self.state.broker.core().clone();
        let listener = core.listen(address).await?;
        let local = listener.local();
        let server = self.clone_handles();
        core.spawn(async move { server.accept_for_ever(listener).await });
        let watched = Rc::downgrade(&self.state);
        core.spawn(watch(watched, Rc::clone(&self.connections)));
        Ok(local)
    }

    fn clone_handles(&self) -> Self {
        Self {
            state: Rc::clone(&self.state),
            shared: self.shared.clone(),
            connections: Rc::clone(&self.connections),
            stopping: self.stopping.clone(),
            stopped: Rc::clone(&self.stopped),
            reporter: Rc::clone(&self.reporter),
        }
    }

    /// Accepts no more and closes what is open once `grace` is over; requests in flight are
    /// answered meanwhile.
    pub async fn stop(&self, grace: Duration) {
        let core = self.state.broker.core().clone();
        self.stopped.set(true);
        self.stopping.notify();
        let deadline = core.now() + grace;
        while self.has_unanswered() && core.now() < deadline {
            core.sleep(Duration::from_millis(5)).await;
        }
        self.connections.close_all();
        let counters = &self.state.counters;
        tracing::info!(
            core = %core.id(),
            accepted = counters.connections_accepted.get(),
            refused = counters.connections_refused.get(),
            requests = counters.requests.get(),
            requests_refused = counters.requests_refused.get(),
            open = self.connections.count(),
            "listener stopped"
        );
    }

    fn has_unanswered(&self) -> bool {
        self.connections.any_unanswered()
    }

    async fn accept_for_ever(&self, listener: Listener) {
        let core = self.state.broker.core().clone();
        loop {
            let accepted = first(listener.accept(), self.stopping.wait()).await;
            if self.stopped.get() {
                return;
            }
            match accepted {
                First::Left(Ok(socket)) => self.welcome(socket),
                First::Left(Err(error)) => {
                    tracing::warn!(%error, "no connection accepted; raise the limit on open files");
                    core.sleep(ACCEPT_PAUSE).await;
                }
                First::Right(()) => {}
            }
        }
    }

    fn welcome(&self, socket: Socket) {
        // Both numbers may change while the node runs.
        let config = self.state.broker.config();
        let connections_max = base::usize_from_u32(config.network.connections_max);
        let per_ip_max = base::usize_from_u32(config.network.connections_per_ip_max);
        let counters = &self.state.counters;
        let from_here = self.connections.count_from(socket.peer().ip());
        if from_here >= per_ip_max {
            counters.connections_refused.increment();
            socket.close();
            return;
        }
        let Some(counted) = self.shared.connections.try_hold(connections_max) else {
            counters.connections_refused.increment();
            socket.close();
            return;
        };
        counters.connections_accepted.increment();
        let core = self.state.broker.core().clone();
        let config = self.state.broker.config();
        let rules = config.access.as_ref();
        let connection = Connection::new(core.clone(), socket.clone(), counted, rules);
        let connection = Rc::new(connection);
        self.connections.add(&connection);
        let context = Context {
            server: Rc::clone(&self.state),
            connection,
        };
        core.spawn(connection::serve(context, socket));
    }
}
