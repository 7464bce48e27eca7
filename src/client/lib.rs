//! A Kafka client: for the command line, the load generator, the tests, and later for replication.
//!
//! Vocabulary: a [`Connection`] is one socket with answers in the order of requests; a [`Client`]
//! knows a cluster and has a connection per broker; a [`Producer`] sends batches, each partition's
//! through a *lane* that keeps their order; a [`Consumer`] reads partitions onwards.
//!
//! Invariants: everything runs on the caller's core and its clock, so that the same client runs in
//! a simulation; what waits is bounded by [`Options`] and [`ProducerOptions`]; versions are agreed
//! with each broker (KIP-35), old or new; every failure is a [`ClientError`], which can say what
//! happened, why, and how to mend it. The client never decides alone to try for ever.
//!
//! Start reading at `connection.rs`, then `cluster.rs`, then `lane.rs`.

mod acls;
mod address;
mod admin;
mod cluster;
mod committed;
mod connection;
mod consumer;
mod error;
mod fetch;
mod groups;
mod image;
mod incoming;
mod lane;
mod membership;
mod offsets;
mod operate;
mod options;
mod partitioner;
mod produce;
mod producer;
mod timeout;
mod transactions;
mod versions;

pub use acls::{AclEntry, AclQuery};
pub use address::{Address, ParseAddressError};
pub use admin::{ConfigEntry, CreatedTopic, NewTopic, Resource};
pub use cluster::Client;
pub use committed::{AbortedTransaction, CommittedFilter};
pub use connection::{Answer, Connection, Pending};
pub use consumer::{Consumer, is_out_of_range};
pub use error::{ClientError, is_retriable};
pub use fetch::{FetchFrom, FetchOptions, FetchResults, Fetched, fetch};
pub use groups::{Committed, GroupDescription, GroupMember, ListedGroupInfo};
pub use image::{Broker, Image, Leader, Partition, Topic};
pub use membership::{HEARTBEAT_INTERVAL, Membership};
pub use offsets::OffsetSpec;
pub use operate::{
    ClusterInfo, ClusterNode, ConfigChange, Feature, FeatureWay, LogDir, QuorumInfo, QuorumReplica,
};
pub use options::Options;
pub use partitioner::partition_of;
pub use produce::{Acks, Produced};
pub use producer::{Delivery, Producer, ProducerOptions};
pub use transactions::{
    DescribedProducers, ListedTransaction, OPEN_STATES, PartitionProducer, TransactionDescription,
    TransactionFilter,
};

#[cfg(test)]
mod tests;
