//! One member of a classic group.

use std::sync::Arc;
use std::time::Duration;

use crate::{Caller, JoinProtocol, Opaque};

/// One member, with what it waits for.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: Arc<str>,
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    /// Best first.
    pub(crate) protocols: Vec<JoinProtocol>,
    pub(crate) assignment: Opaque,
    /// True until its first generation is made: it may not know its own id yet.
    pub(crate) is_new: bool,
    pub(crate) session: Session,
    pub(super) awaiting_join: Option<Caller>,
    pub(super) awaiting_sync: Option<Caller>,
}

/// When a member counts as dead, and when its timer looks next. The timer is not moved by every
/// heartbeat: it fires at the end that it was set for and looks whether the session goes on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Session {
    pub(crate) until: Duration,
    pub(crate) timer_at: Option<Duration>,
}

impl Member {
    pub(crate) fn is_awaiting_join(&self) -> bool {
        self.awaiting_join.is_some()
    }

    /// A member that waits for the coordinator cannot be asked for signs of life, unless it is new:
    /// a client that gave up its first join leaves nothing else behind.
    pub(crate) fn is_excused(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    pub(crate) fn session_timeout(&self) -> Duration {
        milliseconds(self.session_timeout_ms)
    }

    pub(crate) fn rebalance_timeout(&self) -> Duration {
        milliseconds(self.rebalance_timeout_ms)
    }

    /// What the member said under a protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Option<&Opaque> {
        let known = self.protocols.iter().find(|known| known.name == protocol)?;
        Some(&known.metadata)
    }

    /// How much memory its clients' bytes take.
    pub(crate) fn bytes(&self) -> usize {
        protocol_bytes(&self.protocols)
    }
}

pub(crate) fn protocol_bytes(protocols: &[JoinProtocol]) -> usize {
    let bytes = |protocol: &JoinProtocol| protocol.name.len() + protocol.metadata.len();
    protocols.iter().map(bytes).sum()
}

/// Milliseconds of a client; absurd ones count as none.
pub(crate) fn milliseconds(timeout_ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0))
}
