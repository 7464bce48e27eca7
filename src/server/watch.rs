//! Once a second: which connections have been silent for too long?
//!
//! One task per core looks at all of its connections, so that no read needs a timer of its own.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crate::context::{Connection, CoreServer};

const INTERVAL: Duration = Duration::from_secs(1);

/// The connections of one core.
#[derive(Default)]
pub(crate) struct Connections {
    open: RefCell<Vec<Weak<Connection>>>,
}

impl Connections {
    pub(crate) fn add(&self, connection: &Rc<Connection>) {
        self.open.borrow_mut().push(Rc::downgrade(connection));
    }

    /// How many from this address are open.
    pub(crate) fn count_from(&self, address: std::net::IpAddr) -> usize {
        let open = self.open.borrow();
        open.iter()
            .filter_map(Weak::upgrade)
            .filter(|one| one.peer().ip() == address)
            .count()
    }

    /// Closes all of them, since the node stops.
    pub(crate) fn close_all(&self) {
        for connection in self.open.borrow().iter().filter_map(Weak::upgrade) {
            connection.close();
        }
    }

    /// True while a request of any of them was not answered.
    pub(crate) fn any_unanswered(&self) -> bool {
        let open = self.open.borrow();
        open.iter()
            .filter_map(Weak::upgrade)
            .any(|connection| connection.unanswered() > 0)
    }

    /// How many requests were not answered yet.
    pub(crate) fn unanswered(&self) -> u64 {
        let open = self.open.borrow();
        let open = open.iter().filter_map(Weak::upgrade);
        open.map(|connection| connection.unanswered()).sum()
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.open
            .borrow()
            .iter()
            .filter(|connection| connection.strong_count() > 0)
            .count()
    }
}

/// Watches until the server is gone.
pub(crate) async fn watch(server: Weak<CoreServer>, connections: Rc<Connections>) {
    while let Some(strong) = server.upgrade() {
        {
            let mut open = connections.open.borrow_mut();
            open.retain(|connection| connection.strong_count() > 0);
            for connection in open.iter().filter_map(Weak::upgrade) {
                connection.close_if_overdue(&strong.limits);
            }
        }
        let core = strong.broker.core().clone();
        drop(strong);
        core.sleep(INTERVAL).await;
    }
}
