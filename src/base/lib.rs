//! The words that every room shares.
//!
//! Vocabulary: an [`Offset`] counts records of one partition; a [`Position`] counts bytes of one
//! segment file; a [`LeaderEpoch`] numbers the reigns of one partition's leaders. They are
//! distinct types because most mistakes in a log are one of them used as another.
//!
//! Invariants: nothing here allocates more than its argument, waits, reads a clock or knows a file.
//!
//! Start reading at `ids.rs`.

mod casts;
mod error_code;
mod ids;
mod random;
mod uuid;

pub use casts::{usize_from_i32, usize_from_u32, usize_from_u64};
pub use error_code::ErrorCode;
pub use ids::{
    CoreId, LeaderEpoch, NodeId, Offset, PartitionIndex, Position, ProducerEpoch, ProducerId,
    Timestamp, TopicPartition,
};
pub use random::Random;
pub use uuid::{ParseUuidError, Uuid};

/// The size of one direct-I/O block: positions and lengths of direct writes are multiples of it.
pub const BLOCK_SIZE: usize = 4096;
