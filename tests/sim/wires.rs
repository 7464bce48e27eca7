//! Requests as they travel: over connections that break, again over others, late, and twice.
//!
//! Invariant: what is known of a request whose answer did not come is whether it can have left;
//! nobody claims more.

use std::cell::RefCell;
use std::time::Duration;

use base::{ErrorCode, Random};
use client::{Answer, Connection, Options, Pending};
use reactor::{Bytes, Core};
use wire::Request;

use crate::node::PORT;

const PAUSE: Duration = Duration::from_millis(20);
/// Copies come so much later than what they repeat.
const LATE_US_MAX: u64 = 4_000_000;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// There was no connection to send on.
    Unsent,
    /// It may have arrived, or arrive yet.
    Unknown,
}

/// A way to the node: one connection, made anew when it has failed.
pub(crate) struct Wire {
    core: Core,
    options: Options,
    open: RefCell<Option<Connection>>,
}

impl Wire {
    pub(crate) fn new(core: &Core) -> Self {
        Self::named(core, "forebay")
    }

    /// As a client that calls itself `name`.
    pub(crate) fn named(core: &Core, name: &str) -> Self {
        let options = Options {
            client_id: name.to_owned(),
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(3),
            ..Options::default()
        };
        Self {
            core: core.clone(),
            options,
            open: RefCell::default(),
        }
    }

    /// The connection, or a new one; nothing after a pause where there is none now.
    pub(crate) async fn connection(&self) -> Option<Connection> {
        let open = self.open.borrow().clone();
        if let Some(open) = open.filter(|open| !open.is_closed()) {
            return Some(open);
        }
        let places = self.core.resolve("node-1", PORT).await;
        let places = places.expect("the node has a name");
        let place = *places.first().expect("the node has an address");
        match Connection::open(&self.core, place, "node-1", &self.options).await {
            Ok(connection) => {
                *self.open.borrow_mut() = Some(connection.clone());
                Some(connection)
            }
            Err(_) => {
                self.core.sleep(PAUSE).await;
                None
            }
        }
    }

    /// Asks once.
    pub(crate) async fn ask<R: Request>(&self, request: &R, version: i16) -> Result<Answer, Lost> {
        let connection = self.connection().await.ok_or(Lost::Unsent)?;
        let pending = self.start(&connection, request, version, &[]);
        pending?.await.map_err(|_| Lost::Unknown)
    }

    /// Sends without waiting, so that several are under way.
    pub(crate) fn start<R: Request>(
        &self,
        connection: &Connection,
        request: &R,
        version: i16,
        externals: &[Bytes],
    ) -> Result<Pending, Lost> {
        let started = connection.start(request, version, externals, self.options.request_timeout);
        started.map_err(|_| Lost::Unsent)
    }

    /// Breaks the connection off, with whatever is under way on it.
    pub(crate) fn hang_up(&self) {
        self.open.borrow_mut().take();
    }
}

/// Sends the same over a connection of its own, sooner or later; nobody cares for the answer.
pub(crate) fn send_late<R: Request + 'static>(
    core: &Core,
    request: R,
    version: i16,
    externals: Vec<Bytes>,
) {
    let courier = core.clone();
    core.spawn(async move {
        let mut random = Random::new(courier.entropy());
        let late = Duration::from_micros(random.below(LATE_US_MAX));
        courier.sleep(late).await;
        let wire = Wire::new(&courier);
        if let Some(connection) = wire.connection().await
            && let Ok(pending) = wire.start(&connection, &request, version, &externals)
        {
            // It is a copy: what comes of it shows in the log.
            drop(pending.await);
        }
    });
}

/// Whether the same request may do better soon.
pub(crate) fn passes(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ConcurrentTransactions
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
            | ErrorCode::NotEnoughReplicas
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::RequestTimedOut
            | ErrorCode::KafkaStorageError
    )
}
