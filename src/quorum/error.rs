//! What can go wrong here, by input: recovery, a peer's message, a proposal, bytes.

use crate::entry::Index;
use base::{LeaderEpoch, NodeId};
use std::fmt;

/// Bytes that are not what this room wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The bytes end before the value does, or a count exceeds what follows.
    Short,
    /// Bytes follow the value.
    Trailing,
    /// The checksum does not match: the bytes were damaged or belong to something else.
    Checksum,
    /// A later forebay wrote this; run that one, or a later one.
    Version(u8),
    /// A field holds a value that no writer writes.
    Field(&'static str),
}

impl fmt::Display for CodecError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => formatter.write_str("the bytes end too early"),
            Self::Trailing => formatter.write_str("bytes follow the end of the value"),
            Self::Checksum => formatter.write_str("the checksum does not match the bytes"),
            Self::Version(version) => write!(
                formatter,
                "layout version {version} was written by a later release; run that release"
            ),
            Self::Field(name) => write!(formatter, "field {name} has a value nobody writes"),
        }
    }
}

impl std::error::Error for CodecError {}

/// What was read from the device cannot be a voter's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoverError {
    /// No voter is configured, or one twice, or a negative id.
    Voters,
    /// The tick counts do not allow elections: 0 < heartbeat < election is needed.
    Ticks,
    /// Entries do not follow the snapshot and each other; the first that does not.
    Gap(Index),
    /// An entry's epoch is below its predecessor's or not below the state's.
    Epoch(Index),
    /// The state says more was committed than the log holds: acknowledged metadata is missing.
    LogLost {
        /// Committed according to the state file.
        commit: Index,
        /// The last entry found.
        last: Index,
    },
    /// The Raft library refused the state.
    Library(String),
}

impl fmt::Display for RecoverError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Voters => formatter.write_str(
                "the list of voters is empty or names a node twice; mend controller.quorum.voters",
            ),
            Self::Ticks => {
                formatter.write_str("ticks must satisfy 0 < heartbeat < election; mend the options")
            }
            Self::Gap(index) => write!(
                formatter,
                "metadata log entry {index} does not follow the one before it"
            ),
            Self::Epoch(index) => {
                write!(
                    formatter,
                    "metadata log entry {index} has an impossible epoch"
                )
            }
            Self::LogLost { commit, last } => write!(
                formatter,
                "the metadata log ends at entry {last} but entry {commit} was committed: \
                 acknowledged metadata is missing from this disk; restore __cluster_metadata-0"
            ),
            Self::Library(text) => write!(formatter, "the quorum's state was refused: {text}"),
        }
    }
}

impl std::error::Error for RecoverError {}

/// A peer's message that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepError {
    /// It is addressed to another node.
    NotForUs(NodeId),
    /// The sender is no voter and the message is an answer.
    UnknownPeer(NodeId),
    /// It contradicts itself or this log in a way no honest voter's message can.
    Malformed(&'static str),
    /// The leader holds that we have entries that we lack: this voter has lost its log.
    LogLost {
        /// What the leader thinks we have.
        commit: Index,
        /// What we have.
        last: Index,
    },
}

impl fmt::Display for StepError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotForUs(node) => write!(formatter, "the message is addressed to node {node}"),
            Self::UnknownPeer(node) => write!(formatter, "node {node} is not a voter"),
            Self::Malformed(what) => write!(formatter, "no honest voter sends this: {what}"),
            Self::LogLost { commit, last } => write!(
                formatter,
                "the leader counts on entry {commit} but this voter's log ends at {last}: it lost \
                 acknowledged metadata; remove it from the voters and add it again"
            ),
        }
    }
}

impl std::error::Error for StepError {}

/// A proposal that was not taken; nothing of it will ever be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposeError {
    /// Another node leads, or none.
    NotLeader {
        /// Who leads, where known.
        leader: Option<NodeId>,
        /// The epoch this node is in.
        epoch: LeaderEpoch,
    },
    /// Too much is proposed and not yet committed; propose again once something is.
    Busy,
    /// An empty payload would look like an election.
    Empty,
    /// The payload exceeds `Options::payload_bytes_max`.
    TooLarge,
    /// An earlier change of the voters is still under way, or leadership is being transferred.
    ChangePending,
}

impl fmt::Display for ProposeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLeader {
                leader: Some(leader),
                epoch,
            } => write!(formatter, "node {leader} leads in epoch {epoch}; ask it"),
            Self::NotLeader {
                leader: None,
                epoch,
            } => write!(formatter, "nobody is known to lead in epoch {epoch}; retry"),
            Self::Busy => formatter.write_str("too many uncommitted changes; retry"),
            Self::Empty => formatter.write_str("an empty payload cannot be proposed"),
            Self::TooLarge => formatter.write_str("the payload is larger than one entry may be"),
            Self::ChangePending => {
                formatter.write_str("a change of voters or leader is under way; retry after it")
            }
        }
    }
}

impl std::error::Error for ProposeError {}
