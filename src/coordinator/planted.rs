//! Bugs planted on purpose, one at a time, so that the simulation can show that it would catch them.
//!
//! Without the `planted` feature the type has no values, so nothing of this is in the product.

/// Which bug is planted, if any. The default, and the only value without the feature, is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planted(#[cfg(any(test, feature = "planted"))] pub Option<PlantedBug>);

/// A way in which group coordinators have been wrong before.
#[cfg(any(test, feature = "planted"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedBug {
    /// A member of an earlier generation may commit.
    StaleGenerationAccepted,
    /// Offsets expire although members of the group use them.
    ExpiredInUse,
    /// Offsets of transactions that were aborted are committed.
    AbortedKept,
    /// An offset is told as stable although a transaction may still change it.
    UnstableTold,
    /// A consumer group's member gets partitions that another member still holds.
    UnreleasedAssigned,
}

/// Whether `$planted` holds the bug `$bug`; false, at no cost, without the feature.
macro_rules! planted {
    ($planted:expr, $bug:ident) => {{
        #[cfg(any(test, feature = "planted"))]
        let is_on = $planted.0 == Some($crate::planted::PlantedBug::$bug);
        #[cfg(not(any(test, feature = "planted")))]
        let is_on = {
            let _ = $planted;
            false
        };
        is_on
    }};
}
pub(crate) use planted;
