//! Message sets of the formats 0 and 1, which Kafka wrote before its version 0.11: read from old
//! producers as record batches, and made of record batches for old consumers.
//!
//! Vocabulary: a *message* is an offset, a size, a checksum and one key with one value; a *set* is
//! messages one behind the other; a *wrapper* is a message whose value is a whole set, compressed;
//! to *upgrade* is to make a record batch of a set, to *downgrade* the other way round.
//!
//! Invariants: no wrapper lies inside another; memory follows the bytes that are really there and
//! stays below the caller's limit; what was stored as a batch is never changed here.
//!
//! Start reading at `message.rs`, then `upgrade.rs` and `downgrade.rs`.

mod downgrade;
mod fault;
mod layout;
mod message;
mod upgrade;

pub use downgrade::{Downgraded, Reader, downgrade};
pub use fault::LegacyFault;
pub use layout::MessageFormat;
pub use message::message_format;
pub use upgrade::upgrade;
