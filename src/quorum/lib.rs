//! Orders the cluster's metadata: the Raft library, driven as a step function.
//!
//! Vocabulary: a *voter* is a controller that takes part in elections; an *epoch* is what Raft
//! papers call a term and Kafka calls the leader epoch of `__cluster_metadata-0`; an *entry* is one
//! payload with its [`Index`]; a *ready* is everything the machine wants done since it was last
//! asked. Payloads are opaque here: the caller proposes the bytes of one record batch per entry.
//!
//! The caller's loop, once per input (`tick`, `step`, `propose`):
//! ```text
//! while let Some(ready) = quorum.poll_ready() {
//!     send ready.messages                           (a leader's: need not wait for the device)
//!     install ready.snapshot; cut the log at ready.truncate_from; append ready.entries; flush
//!     replace the state file when ready.hard_state is there     (after the entries, never before)
//!     quorum.persisted(ready.number)
//!     send ready.messages_after_persist             (votes and acknowledgements)
//!     apply ready.committed
//! }
//! ```
//!
//! How entries lie in Kafka's metadata log: each entry is one record batch whose leader epoch is
//! the entry's epoch. A payload entry is the proposed batch, stamped with its base offset; an
//! election entry is a `LeaderChange` control batch; a voters entry is a `KRaftVoters` control
//! batch. The index is the ordinal of the batch counted from the snapshot; [`OffsetMap`] holds the
//! correspondence, so that truncation and snapshots can be said in either tongue.
//!
//! Invariants: nothing is promised to a peer before it was handed out to be persisted; a committed
//! entry never changes; the same inputs with the same seed give the same outputs; no protobuf is
//! ever parsed from outside bytes: messages and the hard state have their own layout.
//!
//! Start reading at `quorum.rs`.

mod cache;
mod convert;
mod election;
mod entry;
mod error;
mod layout;
mod message;
mod offset_map;
mod quorum;
mod ready;
mod recovered;
mod validate;

pub use entry::{Entry, EntryKind, HardState, Index, SnapshotMark, VoterChange};
pub use error::{CodecError, ProposeError, RecoverError, StepError};
pub use message::{Message, MessageKind};
pub use offset_map::OffsetMap;
pub use quorum::{Options, Proposal, Quorum};
pub use ready::{Ready, Role};
pub use recovered::{PersistentState, Recovered};

#[cfg(test)]
mod tests;
