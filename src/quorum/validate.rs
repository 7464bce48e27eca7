//! Whether a peer's message may be shown to the Raft library.
//!
//! The library ends the process on messages that contradict the protocol. Bytes from the network
//! must never do that, so what it asserts is checked here first.
//! Invariant: a message that passes cannot make `RawNode::step` panic.

use crate::entry::Index;
use crate::error::StepError;
use crate::message::{Message, MessageKind};
use base::{LeaderEpoch, NodeId};

/// What must be known of this voter to judge a message.
pub(crate) struct View {
    pub(crate) own: NodeId,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) last: Index,
    pub(crate) leads: bool,
}

/// The highest epoch taken from a peer: a million elections below the end of the number range.
const EPOCH_MAX: i32 = i32::MAX - 1_000_000;
/// The highest index taken from a peer, far above any log and far below overflow.
const INDEX_MAX: u64 = 1 << 62;

/// Refuses what no honest voter would send.
pub(crate) fn check(message: &Message, view: &View) -> Result<(), StepError> {
    if message.to != view.own || message.from == view.own {
        return Err(StepError::NotForUs(message.to));
    }
    check_ranges(message)?;
    match message.kind {
        MessageKind::Append => check_entries(message),
        MessageKind::Snapshot => match &message.snapshot {
            Some(mark)
                if mark.index.get() > 0 && mark.epoch.get() > 0 && !mark.voters.is_empty() =>
            {
                Ok(())
            }
            _ => Err(StepError::Malformed("a snapshot message without its point")),
        },
        MessageKind::Heartbeat if message.epoch >= view.epoch && message.commit > view.last => {
            Err(StepError::LogLost {
                commit: message.commit,
                last: view.last,
            })
        }
        MessageKind::AppendResponse
            if view.leads
                && message.epoch == view.epoch
                && !message.reject
                && message.index > view.last =>
        {
            Err(StepError::Malformed("it has entries that we never sent"))
        }
        _ => Ok(()),
    }
}

fn check_ranges(message: &Message) -> Result<(), StepError> {
    let epochs = [message.epoch, message.index_epoch, message.commit_epoch];
    if message.from.get() < 0 || epochs.iter().any(|e| e.get() < 0 || e.get() > EPOCH_MAX) {
        return Err(StepError::Malformed("an id or epoch out of range"));
    }
    // An epoch of zero marks the library's local commands.
    if message.epoch.get() < 1 {
        return Err(StepError::Malformed("a message without an epoch"));
    }
    let indexes = [message.index, message.commit, message.reject_hint];
    if indexes.iter().any(|index| index.get() > INDEX_MAX) {
        return Err(StepError::Malformed("an index out of range"));
    }
    if message.snapshot.is_some() != (message.kind == MessageKind::Snapshot) {
        return Err(StepError::Malformed("a snapshot where none belongs"));
    }
    if !message.entries.is_empty() && message.kind != MessageKind::Append {
        return Err(StepError::Malformed("entries where none belong"));
    }
    Ok(())
}

fn check_entries(message: &Message) -> Result<(), StepError> {
    if (message.index.get() > 0) != (message.index_epoch.get() > 0) {
        return Err(StepError::Malformed("a predecessor without its epoch"));
    }
    let mut index = message.index;
    let mut epoch = message.index_epoch;
    for entry in &message.entries {
        index = index.plus(1);
        if entry.index != index {
            return Err(StepError::Malformed("entries with a gap"));
        }
        if entry.epoch < epoch || entry.epoch > message.epoch || entry.epoch.get() < 1 {
            return Err(StepError::Malformed("entries with falling epochs"));
        }
        epoch = entry.epoch;
    }
    Ok(())
}
