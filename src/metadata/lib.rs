//! The cluster's image, and what the controller decides by it.
//!
//! Vocabulary: a *change* is one metadata record as this node thinks of it ([`Change`]); the
//! *image* is the fold of all changes so far ([`Image`]); a *decision* is a pure function from an
//! image and a request to changes or a [`Refusal`]; *fenced* brokers are registered but get no
//! leadership; a *reign* is the time under one leader epoch.
//!
//! The way of a decision: `decide::…(&image, request)` gives changes; the caller encodes them
//! (`Change::encode`, one Kafka record value each), proposes them as one batch, and applies them
//! (`Image::apply`) when the quorum has committed them; then it publishes an `Arc<Image>`.
//!
//! Invariants: the image is a function of the log alone: no clock, no randomness, no order of
//! arrival; a shared image never changes, since applying copies what it touches; decisions never
//! change the image; `to_changes` of an image folds to an equal image. Records of kinds that this
//! release does not interpret (tokens) are kept byte for byte in arrival order and go into snapshots;
//! kinds that no Kafka up to 4.4 knows are an error.
//!
//! Start reading at `image.rs`, then `change.rs`, then any file in `decide/`.

mod apply;
mod broker;
mod change;
pub mod decide;
mod features;
mod image;
mod quota;
mod records;
mod refusal;
mod resource;
mod scram;
mod snapshot;
mod topic;

pub use apply::ApplyError;
pub use broker::{Broker, Controller, Endpoint, FeatureRange};
pub use change::{BrokerChange, Change, PartitionChange};
pub use features::{FEATURES, Feature, bootstrap_changes};
pub use image::Image;
pub use quota::{QuotaEntity, QuotaValue, QuotaValues};
pub use records::RecordError;
pub use refusal::Refusal;
pub use resource::{Resource, ResourceKind};
pub use scram::{ScramChange, ScramCredentials};
pub use topic::{Partition, Topic, Topics};

#[cfg(test)]
mod tests;
