//! One member of a consumer group, as the log tells of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::partitions::Held;
use crate::JoinProtocol;

/// The epoch of a member that left.
pub(crate) const EPOCH_LEAVE: i32 = -1;
/// The epoch of a static member that left and will come back.
pub(crate) const EPOCH_LEAVE_STATIC: i32 = -2;

/// What a member may say of itself, in bytes: Kafka's limit of a record.
pub(crate) const METADATA_BYTES_MAX: usize = 1 << 20;

/// How far a member is on its way to its target assignment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It holds what it shall.
    #[default]
    Stable,
    /// It must give partitions back.
    UnrevokedPartitions,
    /// It waits for partitions that others still hold.
    UnreleasedPartitions,
    /// Written by a later version; the member must begin anew.
    Unknown,
}

impl MemberState {
    /// Kafka's number in records.
    pub(crate) const fn number(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown => 127,
        }
    }

    /// The state of this number.
    pub(crate) const fn from_number(number: i8) -> Self {
        match number {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }
}

/// What a member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemberMetadata {
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) rack: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) topic_names: BTreeSet<String>,
    /// Empty for none.
    pub(crate) topic_regex: String,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) assignor: Option<String>,
    /// Of a member that still speaks the classic protocol.
    pub(crate) classic: Option<ClassicMember>,
}

/// What a member said in JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClassicMember {
    pub(crate) session_timeout_ms: i32,
    pub(crate) protocols: Vec<JoinProtocol>,
}

/// Where a member is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemberAssignment {
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    /// What it may use.
    pub(crate) assigned: Held,
    /// What it must give back, and holds until it says that it has.
    pub(crate) revoking: Held,
}

impl MemberAssignment {
    /// Moves on to another epoch.
    pub(crate) fn advance(&mut self, epoch: i32) {
        self.previous_epoch = self.epoch;
        self.epoch = epoch;
    }

    /// True when nothing is left to do until there is another target.
    pub(crate) fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) metadata: MemberMetadata,
    pub(crate) assignment: MemberAssignment,
}

impl Member {
    pub(crate) fn is_classic(&self) -> bool {
        self.metadata.classic.is_some()
    }
}
