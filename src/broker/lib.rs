//! This node's duties: the controller, the partitions on their cores, and the way between cores.
//!
//! Vocabulary: a [`Broker`] is one core's part of the node; an *errand* is work sent to another
//! core as a closure, its result sent back; the *controller* decides on metadata, on core 0; an
//! *image* is published when every core has it and its partitions serve accordingly; a
//! *host* coordinates the groups of one partition of `__consumer_offsets`.
//!
//! Invariants:
//! - A partition lives on exactly one core, which every core can name without asking.
//! - Errands of one core to another begin in the order they were sent.
//! - Nobody is told of a decision that is not on the device.
//! - Only after an orderly stop are the data directories marked clean.
//! - What fails with a log directory is what lies in it (`dirs.rs`); a partition that moves to
//!   another one is served from one of the two, as the metadata says (`moves.rs`).
//!
//! Start reading at `node.rs`, then `broker.rs`, `errand.rs` and `controller.rs`.

mod access;
mod administration;
mod append;
mod broker;
mod client_metrics;
mod configs;
mod controller;
mod coordinators;
mod data_dirs;
mod dirs;
mod duties;
mod errand;
mod groups;
mod hosted;
mod hosting;
mod hosts;
mod lag;
mod log_dirs;
mod metadata_log;
mod moves;
mod node;
mod opening;
mod otlp;
mod ownership;
mod producer_ids;
mod progress;
mod quorum_view;
mod report;
mod scrub;
mod topics;
mod transactions;
mod watch;

pub use administration::NamedPartition;
pub use broker::Broker;
pub use client_metrics::{ClientValue, ClientValues, Demand, TelemetryRefusal};
pub use configs::Altered;
pub use controller::ControllerError;
pub use coordinator;
pub use errand::Errand;
pub use hosted::Unavailable;
pub use hosts::MarkerRequest;
pub use lag::{Bounds, GroupLag, PartitionLag};
pub use log_dirs::{LogDir, StoredLog};
pub use moves::MoveRefusal;
pub use node::{Node, NodeError, NodePlan};
pub use otlp::{Malformed, Point, PointKind, Pushed, read_metrics};
pub use ownership::PartitionId;
pub use partition::{
    ActiveProducer, AppendError, AppendOutcome, AppendRequest, Appender, DeleteRecordsError,
    FetchError, FetchRequest, Fetched, Isolation, ListTarget, Listed, Partition, Portion,
};
pub use quorum_view::{QuorumView, Voter};
pub use replica::{AppendError as ReplicaRefusal, ProducerError};
pub use storage::StorageError;
pub use topics::Outcome;
pub use transactions::{Custom, InTransaction, MarkerFailure};
