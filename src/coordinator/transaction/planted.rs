//! Bugs planted on purpose, one at a time, so that the simulation can show that it would catch them.
//!
//! Without the `planted` feature the type has no values, so nothing of this is in the product.

/// Which bug is planted, if any. The default, and the only value without the feature, is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planted(#[cfg(any(test, feature = "planted"))] pub Option<PlantedBug>);

/// A way in which transaction coordinators have been wrong before.
#[cfg(any(test, feature = "planted"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedBug {
    /// An EndTxn of an earlier epoch ends the transaction that is open now.
    LateEndAccepted,
    /// A report about markers counts for whatever transaction is ending now.
    LateReportCounted,
    /// Markers that were on their way are not written again after a reload.
    MarkersForgotten,
    /// A transaction that took too long is aborted, but its producer is not fenced.
    TimeoutWithoutFence,
    /// A transaction counts as complete when the first of its partitions has its marker.
    CompleteTooEarly,
    /// A partition may join while the transaction is ending.
    AddedWhileEnding,
    /// The epoch starts anew without a new producer id.
    EpochWrapped,
    /// A transactional id expires although its transaction is open.
    ExpiredWhileOpen,
}

/// Whether `$planted` holds the bug `$bug`; false, at no cost, without the feature.
macro_rules! planted {
    ($planted:expr, $bug:ident) => {{
        #[cfg(any(test, feature = "planted"))]
        let is_on = $planted.0 == Some($crate::transaction::planted::PlantedBug::$bug);
        #[cfg(not(any(test, feature = "planted")))]
        let is_on = {
            let _ = $planted;
            false
        };
        is_on
    }};
}
pub(crate) use planted;
