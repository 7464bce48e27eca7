//! Control records: what the log says to its readers rather than to the applications.
//!
//! The key is a version and a type; the value is one of Kafka's small messages. They are few and
//! old, so they are written here by hand instead of making this room depend on `wire`.
//!
//! Invariants: keys and values are Kafka's, byte for byte; unknown types are readable as such.

use base::{NodeId, Timestamp};

/// A control record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// The producer's transaction was aborted (KIP-98).
    Abort {
        /// The epoch of the coordinator that decided it.
        coordinator_epoch: i32,
    },
    /// The producer's transaction was committed (KIP-98).
    Commit {
        /// The epoch of the coordinator that decided it.
        coordinator_epoch: i32,
    },
    /// A leader of the metadata quorum began its reign (KIP-595).
    LeaderChange {
        /// The new leader.
        leader: NodeId,
        /// Every voter.
        voters: Vec<NodeId>,
        /// The voters that voted for it.
        granting_voters: Vec<NodeId>,
    },
    /// The first record of a snapshot (KIP-630).
    SnapshotHeader {
        /// The time of the newest record that the snapshot stands for.
        last_contained_log_timestamp: Timestamp,
    },
    /// The last record of a snapshot (KIP-630).
    SnapshotFooter,
    /// The finalised level of `kraft.version` (KIP-853).
    KRaftVersion {
        /// The level.
        level: i16,
    },
    /// A type that this version does not read, or reads no further than its type.
    Other {
        /// Its number.
        kind: i16,
    },
}

const KEY_VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;
const LEADER_CHANGE: i16 = 2;
const SNAPSHOT_HEADER: i16 = 3;
const SNAPSHOT_FOOTER: i16 = 4;
const KRAFT_VERSION: i16 = 5;

const MARKER_VERSION: i16 = 0;
const LEADER_CHANGE_VERSION: i16 = 0;
const SNAPSHOT_VERSION: i16 = 0;
const KRAFT_VERSION_VERSION: i16 = 0;
const NO_TAGGED_FIELDS: u8 = 0;

impl ControlRecord {
    /// The type's number in the key.
    #[must_use]
    pub const fn kind(&self) -> i16 {
        match self {
            Self::Abort { .. } => ABORT,
            Self::Commit { .. } => COMMIT,
            Self::LeaderChange { .. } => LEADER_CHANGE,
            Self::SnapshotHeader { .. } => SNAPSHOT_HEADER,
            Self::SnapshotFooter => SNAPSHOT_FOOTER,
            Self::KRaftVersion { .. } => KRAFT_VERSION,
            Self::Other { kind } => *kind,
        }
    }

    /// The record's key.
    #[must_use]
    pub fn key(&self) -> [u8; 4] {
        let [a, b] = KEY_VERSION.to_be_bytes();
        let [c, d] = self.kind().to_be_bytes();
        [a, b, c, d]
    }

    /// The record's value.
    ///
    /// # Panics
    /// For [`ControlRecord::Other`], of which only the type is known.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        let mut value = Vec::new();
        match self {
            Self::Abort { coordinator_epoch } | Self::Commit { coordinator_epoch } => {
                value.extend_from_slice(&MARKER_VERSION.to_be_bytes());
                value.extend_from_slice(&coordinator_epoch.to_be_bytes());
            }
            Self::LeaderChange {
                leader,
                voters,
                granting_voters,
            } => {
                value.extend_from_slice(&LEADER_CHANGE_VERSION.to_be_bytes());
                value.extend_from_slice(&leader.0.to_be_bytes());
                put_voters(&mut value, voters);
                put_voters(&mut value, granting_voters);
                value.push(NO_TAGGED_FIELDS);
            }
            Self::SnapshotHeader {
                last_contained_log_timestamp,
            } => {
                value.extend_from_slice(&SNAPSHOT_VERSION.to_be_bytes());
                value.extend_from_slice(&last_contained_log_timestamp.0.to_be_bytes());
                value.push(NO_TAGGED_FIELDS);
            }
            Self::SnapshotFooter => {
                value.extend_from_slice(&SNAPSHOT_VERSION.to_be_bytes());
                value.push(NO_TAGGED_FIELDS);
            }
            Self::KRaftVersion { level } => {
                value.extend_from_slice(&KRAFT_VERSION_VERSION.to_be_bytes());
                value.extend_from_slice(&level.to_be_bytes());
                value.push(NO_TAGGED_FIELDS);
            }
            Self::Other { .. } => assert!(self.kind() < 0, "an unknown record cannot be written"),
        }
        assert!(!value.is_empty(), "every known type has a value");
        value
    }

    /// The control record with this key and value; nothing when they are malformed. Leader
    /// changes and types of later versions come back as [`ControlRecord::Other`].
    #[must_use]
    pub fn parse(key: Option<&[u8]>, value: Option<&[u8]>) -> Option<Self> {
        let [_, _, c, d] = *key?.first_chunk::<4>()?;
        let kind = i16::from_be_bytes([c, d]);
        let (_, fields) = value?.split_first_chunk::<2>()?;
        Some(match kind {
            ABORT => Self::Abort {
                coordinator_epoch: i32::from_be_bytes(*fields.first_chunk()?),
            },
            COMMIT => Self::Commit {
                coordinator_epoch: i32::from_be_bytes(*fields.first_chunk()?),
            },
            SNAPSHOT_HEADER => Self::SnapshotHeader {
                last_contained_log_timestamp: Timestamp(i64::from_be_bytes(*fields.first_chunk()?)),
            },
            SNAPSHOT_FOOTER => Self::SnapshotFooter,
            KRAFT_VERSION => Self::KRaftVersion {
                level: i16::from_be_bytes(*fields.first_chunk()?),
            },
            kind => Self::Other { kind },
        })
    }
}

/// A compact array of voters. Its length, plus one, is a variable-length number; a quorum is far
/// smaller than the 126 voters that fit one byte of it.
fn put_voters(target: &mut Vec<u8>, voters: &[NodeId]) {
    assert!(voters.len() < 127, "a quorum has few voters");
    target.push(u8::try_from(voters.len() + 1).unwrap_or(0));
    for voter in voters {
        target.extend_from_slice(&voter.0.to_be_bytes());
        target.push(NO_TAGGED_FIELDS);
    }
}
