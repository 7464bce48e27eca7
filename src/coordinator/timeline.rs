//! Why each rebalance of a group happened.
//!
//! Operators ask this first and logs answer it last. The list is bounded and lives in memory only:
//! after a restart it begins anew with the restart itself.

use std::collections::VecDeque;

use base::Timestamp;

/// How many events are kept per group.
const EVENTS_MAX: usize = 32;
/// Texts of clients are cut to this many bytes.
const REASON_BYTES_MAX: usize = 128;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimelineCause {
    /// A member that was not there joined.
    Joined,
    /// A member joined again and changed what it wants, or asked for a rebalance.
    Rejoined,
    /// A static member came back under a new id (KIP-345).
    Replaced,
    /// A member left, or was made to leave.
    Left,
    /// Nothing was heard of a member within its session timeout.
    SessionExpired,
    /// A member did not join again within the rebalance timeout.
    RebalanceExpired,
    /// A member joined and did not sync within the rebalance timeout.
    SyncExpired,
    /// A subscribed topic appeared, vanished or changed its number of partitions.
    TopicsChanged,
    /// A new generation, or target assignment, was made.
    Completed,
    /// The group was loaded from its log.
    Loaded,
    /// The group moved between the classic and the consumer protocol.
    Converted,
}

impl TimelineCause {
    /// In words, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Rejoined => "rejoined",
            Self::Replaced => "replaced",
            Self::Left => "left",
            Self::SessionExpired => "session expired",
            Self::RebalanceExpired => "rebalance expired",
            Self::SyncExpired => "sync expired",
            Self::TopicsChanged => "topics changed",
            Self::Completed => "completed",
            Self::Loaded => "loaded",
            Self::Converted => "converted",
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEvent {
    /// When, by the wall clock.
    pub at: Timestamp,
    /// The generation or group epoch at that time.
    pub generation: i32,
    /// What.
    pub cause: TimelineCause,
    /// Who or which topic; empty when nobody in particular.
    pub subject: String,
    /// The client's own reason, if it gave one (KIP-800).
    pub reason: String,
}

/// The latest events of one group, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    events: VecDeque<TimelineEvent>,
}

impl Timeline {
    pub(crate) fn note(&mut self, mut event: TimelineEvent) {
        truncate(&mut event.subject);
        truncate(&mut event.reason);
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
        assert!(self.events.len() <= EVENTS_MAX, "the timeline is bounded");
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &TimelineEvent> {
        self.events.iter()
    }
}

fn truncate(text: &mut String) {
    let mut end = REASON_BYTES_MAX.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}
