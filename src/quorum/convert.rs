//! Between this room's types and the Raft library's.
//!
//! Invariants: node ids are shifted by one, since the library's zero means nobody while Kafka's
//! node 0 is somebody. Where the library leaves the entry of an election blank, the leader's id
//! stands in its `context`, which the library carries and never reads; a change of voters stands
//! there too, so that its protobuf form never has to travel.

use crate::entry::{Entry, EntryKind, HardState, Index, SnapshotMark, VoterChange};
use crate::layout;
use crate::message::{Message, MessageKind};
use base::{LeaderEpoch, NodeId, Offset};
use raft::eraftpb;

/// The mark in a vote request of a campaign that the old leader asked for.
const TRANSFER_MARK: &[u8] = b"CampaignTransfer";

/// The library's id of a node.
pub(crate) fn id(node: NodeId) -> u64 {
    u64::try_from(node.get()).map_or(0, |value| value + 1)
}

/// The node with the library's id, nobody for zero.
pub(crate) fn node(id: u64) -> Option<NodeId> {
    let shifted = id.checked_sub(1)?;
    i32::try_from(shifted).ok().map(NodeId)
}

/// The library's term for an epoch; epochs begin at one, so an unknown one becomes zero.
pub(crate) fn term(epoch: LeaderEpoch) -> u64 {
    u64::try_from(epoch.get()).unwrap_or(0)
}

/// The epoch for a term.
pub(crate) fn epoch(term: u64) -> LeaderEpoch {
    let value = i32::try_from(term);
    assert!(value.is_ok(), "two thousand million elections were held");
    LeaderEpoch(value.unwrap_or(i32::MAX))
}

/// The library's hard state as ours.
pub(crate) fn hard_state(state: &eraftpb::HardState) -> HardState {
    HardState {
        epoch: epoch(state.term),
        voted_for: node(state.vote),
        commit: Index(state.commit),
    }
}

/// An entry for the library.
pub(crate) fn entry_to_library(entry: &Entry) -> eraftpb::Entry {
    let mut library = eraftpb::Entry {
        index: entry.index.get(),
        term: term(entry.epoch),
        ..Default::default()
    };
    match entry.kind {
        EntryKind::Payload => library.data = entry.payload.clone().into(),
        EntryKind::Election { leader } => library.context = layout::encode_leader(leader).into(),
        EntryKind::Voters(change) => {
            library.set_entry_type(eraftpb::EntryType::EntryConfChange);
            library.context = layout::encode_change(change, &entry.payload).into();
        }
    }
    library
}

/// The library's entry as ours; `own` is this node, which wrote every entry that is still blank.
pub(crate) fn entry_from_library(library: &eraftpb::Entry, own: NodeId) -> Entry {
    let (kind, payload) = match library.get_entry_type() {
        eraftpb::EntryType::EntryNormal if !library.data.is_empty() => {
            (EntryKind::Payload, library.data.to_vec())
        }
        eraftpb::EntryType::EntryNormal => {
            let leader = layout::decode_leader(&library.context).unwrap_or(own);
            (EntryKind::Election { leader }, Vec::new())
        }
        eraftpb::EntryType::EntryConfChange | eraftpb::EntryType::EntryConfChangeV2 => {
            let decoded = layout::decode_change(&library.context);
            assert!(decoded.is_ok(), "only this room's changes enter the log");
            let (change, payload) = decoded.unwrap_or_else(|_| (VoterChange::Add(own), Vec::new()));
            (EntryKind::Voters(change), payload)
        }
    };
    Entry {
        index: Index(library.index),
        epoch: epoch(library.term),
        kind,
        payload,
    }
}

/// Writes the leader into a blank election entry, so that it stays known wherever it travels.
pub(crate) fn name_leader(library: &mut eraftpb::Entry, own: NodeId) {
    let blank = library.data.is_empty() && library.context.is_empty();
    if blank && library.get_entry_type() == eraftpb::EntryType::EntryNormal {
        library.context = layout::encode_leader(own).into();
    }
}

/// A snapshot's point for the library.
pub(crate) fn snapshot_to_library(mark: &SnapshotMark) -> eraftpb::Snapshot {
    let mut snapshot = eraftpb::Snapshot {
        // The library carries these bytes unread.
        data: mark.end_offset.get().to_be_bytes().to_vec().into(),
        ..Default::default()
    };
    let metadata = snapshot.mut_metadata();
    metadata.index = mark.index.get();
    metadata.term = term(mark.epoch);
    metadata.mut_conf_state().voters = mark.voters.iter().map(|node| id(*node)).collect();
    snapshot
}

/// The library's snapshot as ours.
pub(crate) fn snapshot_from_library(snapshot: &eraftpb::Snapshot) -> SnapshotMark {
    let metadata = snapshot.get_metadata();
    let end_offset = snapshot
        .data
        .first_chunk::<8>()
        .map_or(0, |bytes| i64::from_be_bytes(*bytes));
    SnapshotMark {
        index: Index(metadata.index),
        epoch: epoch(metadata.term),
        end_offset: Offset(end_offset),
        voters: metadata
            .get_conf_state()
            .voters
            .iter()
            .filter_map(|id| node(*id))
            .collect(),
    }
}

/// A message for the library.
pub(crate) fn message_to_library(message: &Message) -> eraftpb::Message {
    let mut library = eraftpb::Message::default();
    library.set_msg_type(message.kind.to_library());
    library.from = id(message.from);
    library.to = id(message.to);
    library.term = term(message.epoch);
    library.index = message.index.get();
    library.log_term = term(message.index_epoch);
    library.commit = message.commit.get();
    library.commit_term = term(message.commit_epoch);
    library.reject = message.reject;
    library.reject_hint = message.reject_hint.get();
    if message.transfer {
        library.context = TRANSFER_MARK.to_vec().into();
    }
    let entries: Vec<_> = message.entries.iter().map(entry_to_library).collect();
    library.set_entries(entries.into());
    if let Some(mark) = &message.snapshot {
        library.set_snapshot(snapshot_to_library(mark));
    }
    library
}

/// The library's message as ours; nothing for kinds that never leave a node.
pub(crate) fn message_from_library(library: &eraftpb::Message, own: NodeId) -> Option<Message> {
    let kind = MessageKind::from_library(library.get_msg_type())?;
    let entries = library.get_entries();
    Some(Message {
        kind,
        from: node(library.from)?,
        to: node(library.to)?,
        epoch: epoch(library.term),
        index: Index(library.index),
        index_epoch: epoch(library.log_term),
        commit: Index(library.commit),
        commit_epoch: epoch(library.commit_term),
        reject: library.reject,
        reject_hint: Index(library.reject_hint),
        transfer: library.context.as_ref() == TRANSFER_MARK,
        entries: entries
            .iter()
            .map(|entry| entry_from_library(entry, own))
            .collect(),
        snapshot: library
            .has_snapshot()
            .then(|| snapshot_from_library(library.get_snapshot())),
    })
}
