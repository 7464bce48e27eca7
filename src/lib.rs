//! What other programs may build on: the log engine, without the Kafka server.

/// Partitions in a directory: append, wait until it is on the device, read, follow.
pub mod log {
    pub use embed::*;
}
