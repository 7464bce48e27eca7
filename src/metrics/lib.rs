//! What is counted, and how counting stays cheap.
//!
//! A [`Counter`] belongs to one core and is a plain cell. A [`Gauge`] is shared by all cores, for
//! the few limits that hold for the whole process; it is touched when a connection comes or
//! goes, never per request.
//!
//! Invariant: counting never fails, waits or allocates.

mod counter;
mod gauge;

pub use counter::Counter;
pub use gauge::{Gauge, Held};
