//! What a handler may look at: this core's broker, the connection, the limits.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use access::Subject;
use broker::Broker;
use config::{AccessConfig, ClientTraits};
use metrics::Held;
use reactor::{Core, Socket};

use crate::access::{ANONYMOUS, Access};
use crate::counters::Counters;
use crate::listener::ServerLimits;
use crate::sessions::FetchSessions;

/// One core's part of the server, shared by its connections.
pub(crate) struct CoreServer {
    pub(crate) broker: Broker,
    pub(crate) limits: ServerLimits,
    pub(crate) counters: Counters,
    pub(crate) sessions: RefCell<FetchSessions>,
    /// The name of the listener that connections arrive on, as configured.
    pub(crate) listener_name: String,
    /// What to advertise; the address that the client dialled where it is empty.
    pub(crate) advertised: Option<(String, u16)>,
}

/// One connection, as handlers and the watch see it.
pub(crate) struct Connection {
    core: Core,
    socket: Socket,
    /// Since when part of a frame has been there without the rest.
    inside_since: Cell<Option<Duration>>,
    last_activity: Cell<Duration>,
    /// Requests that were dispatched and not answered.
    unanswered: Cell<u64>,
    /// The name and version of the client's library, once it said them (KIP-511).
    software: RefCell<(String, String)>,
    closed_because: RefCell<Option<String>>,
    /// Who the client is, where that matters.
    subject: Option<Rc<Subject>>,
    _counted: Held,
}

impl Connection {
    pub(crate) fn new(
        core: Core,
        socket: Socket,
        counted: Held,
        rules: Option<&AccessConfig>,
    ) -> Self {
        let now = core.now();
        let address = socket.peer().ip();
        let subject = rules.map(|rules| Rc::new(Subject::new(ANONYMOUS, address, rules)));
        Self {
            core,
            socket,
            inside_since: Cell::new(None),
            last_activity: Cell::new(now),
            unanswered: Cell::new(0),
            software: RefCell::default(),
            closed_because: RefCell::new(None),
            subject,
            _counted: counted,
        }
    }

    /// The address that the client dialled.
    pub(crate) fn local(&self) -> SocketAddr {
        self.socket.local()
    }

    /// The client's address.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.socket.peer()
    }

    /// Notes which library the client uses.
    pub(crate) fn note_software(&self, name: &str, version: &str) {
        *self.software.borrow_mut() = (name.to_owned(), version.to_owned());
    }

    pub(crate) fn note_waiting(&self, inside_frame: bool) {
        match (inside_frame, self.inside_since.get()) {
            (true, None) => self.inside_since.set(Some(self.core.now())),
            (false, _) => self.inside_since.set(None),
            (true, Some(_)) => {}
        }
    }

    /// Notes that a request was there whole; when that was.
    pub(crate) fn note_request(&self) -> Duration {
        let now = self.core.now();
        self.inside_since.set(None);
        self.last_activity.set(now);
        self.unanswered.set(self.unanswered.get() + 1);
        now
    }

    /// Notes that `count` responses left; when that was.
    pub(crate) fn note_responses(&self, count: u64) -> Duration {
        let now = self.core.now();
        self.last_activity.set(now);
        self.unanswered
            .set(self.unanswered.get().saturating_sub(count));
        now
    }

    /// How many requests were dispatched and not answered.
    pub(crate) fn unanswered(&self) -> u64 {
        self.unanswered.get()
    }

    /// Why our side closed it, once it did.
    pub(crate) fn closed_because(&self) -> Option<String> {
        self.closed_because.borrow().clone()
    }

    /// Closes it when it has been silent for longer than the limits allow.
    pub(crate) fn close_if_overdue(&self, limits: &ServerLimits) {
        let now = self.core.now();
        let reason = match self.inside_since.get() {
            Some(since) if now.saturating_sub(since) > limits.request_timeout => Some(format!(
                "a request was not complete {} ms after its first byte \
                 (forebay.request.header.timeout.ms)",
                limits.request_timeout.as_millis()
            )),
            Some(_) => None,
            None => {
                let idle = now.saturating_sub(self.last_activity.get());
                let overdue = idle > limits.idle_max && self.unanswered.get() == 0;
                overdue.then(|| {
                    format!(
                        "idle for {} ms (connections.max.idle.ms)",
                        limits.idle_max.as_millis()
                    )
                })
            }
        };
        if let Some(reason) = reason {
            *self.closed_because.borrow_mut() = Some(reason);
            self.socket.close();
        }
    }

    /// Closes it for a reason of ours.
    pub(crate) fn close_for(&self, reason: &str) {
        *self.closed_because.borrow_mut() = Some(reason.to_owned());
        self.socket.close();
    }

    /// Closes it because the node stops.
    pub(crate) fn close(&self) {
        self.socket.close();
    }
}

/// What a handler is given with each request.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) server: Rc<CoreServer>,
    pub(crate) connection: Rc<Connection>,
}

impl Context {
    pub(crate) fn core(&self) -> &Core {
        self.server.broker.core()
    }

    pub(crate) fn broker(&self) -> &Broker {
        &self.server.broker
    }

    pub(crate) fn limits(&self) -> &ServerLimits {
        &self.server.limits
    }

    /// What the client may do, for as long as one request is answered.
    pub(crate) fn access(&self) -> Access {
        let subject = self.connection.subject.as_ref();
        Access::new(subject.map(|subject| {
            let image = self.broker().image();
            (Arc::clone(image.acls()), Rc::clone(subject))
        }))
    }

    /// Whether versions that Kafka 4 dropped are served (KIP-896).
    pub(crate) fn serves_legacy(&self) -> bool {
        self.broker().config().network.legacy_protocol
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.server.counters
    }

    /// What is known of the client that calls itself `client_id`, for subscriptions to metrics.
    pub(crate) fn traits(&self, client_id: &str) -> ClientTraits {
        let peer = self.connection.peer();
        let (software_name, software_version) = self.connection.software.borrow().clone();
        ClientTraits {
            client_id: client_id.to_owned(),
            client_instance_id: String::new(),
            software_name,
            software_version,
            source_address: peer.ip().to_canonical().to_string(),
            source_port: peer.port().to_string(),
        }
    }

    /// The address that this client reaches this node at: what the operator advertises, or what
    /// the client itself dialled.
    pub(crate) fn advertised(&self) -> (String, i32) {
        match &self.server.advertised {
            Some((host, port)) => (host.clone(), i32::from(*port)),
            None => {
                let local = self.connection.local();
                (
                    local.ip().to_canonical().to_string(),
                    i32::from(local.port()),
                )
            }
        }
    }
}
