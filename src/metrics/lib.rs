//! What is counted, and how counting stays cheap.
//!
//! A [`Counter`] or [`Histogram`] belongs to one core and is made of plain cells, so counting
//! touches no memory that another core looks at. A [`Gauge`] is shared by all cores, for the few
//! limits that hold for the whole process; it is touched when a connection comes or goes, never
//! per request.
//!
//! Vocabulary: a [`Source`] is a part of a core that counts; when somebody looks, the sources of
//! each core write their *series* on a [`Page`], pages are merged, and the page is written as
//! Prometheus' text. A [`Family`] is all series of one name.
//!
//! Invariant: counting never fails, waits or allocates.
//!
//! Start reading at `names.rs`, which is everything that is shown, then `page.rs`.

mod counter;
mod foreign;
mod gauge;
mod histogram;
pub mod names;
mod page;
mod source;

pub use counter::Counter;
pub use foreign::{ForeignLabels, ForeignPage};
pub use gauge::{Gauge, Held};
pub use histogram::{BOUNDS_US, Histogram, HistogramReading};
pub use page::{Family, Kind, Labels, Page};
pub use source::{Source, Sources};

#[cfg(test)]
mod tests;
