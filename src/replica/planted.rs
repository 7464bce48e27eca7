//! Bugs planted on purpose, one at a time, so that the simulation can show that it would catch them.
//!
//! Without the `planted` feature the type has no values, so nothing of this is in the product.

/// Which bug is planted, if any. The default, and the only value without the feature, is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planted(#[cfg(feature = "planted")] pub Option<PlantedBug>);

/// A way in which partitions have been wrong before.
#[cfg(feature = "planted")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedBug {
    /// Readers of committed records see one offset too far.
    StableTooFar,
    /// Four batches of a producer are remembered, not five.
    WindowOfFour,
}

/// Whether `$planted` holds the bug `$bug`; false, at no cost, without the feature.
macro_rules! planted {
    ($planted:expr, $bug:ident) => {{
        #[cfg(feature = "planted")]
        let is_on = $planted.0 == Some($crate::planted::PlantedBug::$bug);
        #[cfg(not(feature = "planted"))]
        let is_on = {
            let _ = $planted;
            false
        };
        is_on
    }};
}
pub(crate) use planted;
