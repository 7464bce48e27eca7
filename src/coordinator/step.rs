//! What goes into a step besides the ask, and what comes out of it.

use std::time::Duration;

use base::{ProducerEpoch, ProducerId, Timestamp};

use crate::Answer;

/// The time, as the host sees it when the input arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Never goes back; sessions and rebalances are timed by it.
    pub since_start: Duration,
    /// The wall clock, which may jump; commits and expiry are dated by it.
    pub wall: Timestamp,
}

/// The host's name for a request that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller(pub u64);

/// One record for the group's partition of `__consumer_offsets`, in Kafka's format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Kind and identity of what it is about.
    pub key: Vec<u8>,
    /// What is so from now on; nothing for "it is gone".
    pub value: Option<Vec<u8>>,
}

/// In whose transaction records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// The producer's id.
    pub id: ProducerId,
    /// Which incarnation of it.
    pub epoch: ProducerEpoch,
}

/// What one input led to.
#[must_use = "records must be appended and answers released"]
#[derive(Debug, Default)]
pub struct Step {
    /// To be appended in this order; already applied to the machine.
    pub records: Vec<Record>,
    /// When there is one, all records of this step belong into a transactional batch of this
    /// producer (KIP-98), and no others; without, into one that is not transactional.
    pub producer: Option<Producer>,
    /// To be released when all records so far are durable.
    pub answers: Vec<(Caller, Answer)>,
}
