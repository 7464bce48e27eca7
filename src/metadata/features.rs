//! The features this release knows, with the levels it can work at (KIP-584).
//!
//! Levels and defaults are those of Kafka 4.4, so that clients see what they see there.

use crate::change::Change;

/// One feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// The lowest level supported.
    pub min: i16,
    /// The highest level supported.
    pub max: i16,
    /// The level a new cluster begins with; zero is off.
    pub bootstrap: i16,
}

const fn feature(name: &'static str, min: i16, max: i16, bootstrap: i16) -> Feature {
    assert!(min <= max && bootstrap <= max);
    Feature {
        name,
        min,
        max,
        bootstrap,
    }
}

/// The feature that says how records are written.
pub(crate) const METADATA_VERSION: &str = "metadata.version";
/// The feature that says how the quorum's voters change (KIP-853).
pub(crate) const KRAFT_VERSION: &str = "kraft.version";

/// Every feature, by name.
pub const FEATURES: &[Feature] = &[
    feature("eligible.leader.replicas.version", 0, 1, 1),
    feature("group.version", 0, 1, 1),
    feature(KRAFT_VERSION, 0, 1, 1),
    feature(METADATA_VERSION, 7, 33, 33),
    feature("share.version", 0, 2, 2),
    feature("streams.version", 0, 1, 1),
    feature("transaction.version", 0, 2, 2),
];

impl Feature {
    /// The feature with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        FEATURES.iter().find(|feature| feature.name == name)
    }
}

/// The first changes of a new cluster. `kraft.version` is left out: it is a control record of the
/// quorum's log, not a metadata record (KIP-853).
#[must_use]
pub fn bootstrap_changes() -> Vec<Change> {
    // The metadata version comes first, as Kafka's own tools expect it.
    let first = FEATURES.iter().filter(|f| f.name == METADATA_VERSION);
    let rest = FEATURES
        .iter()
        .filter(|f| f.name != METADATA_VERSION && f.name != KRAFT_VERSION);
    first
        .chain(rest)
        .filter(|feature| feature.bootstrap > 0)
        .map(|feature| Change::FeatureLevel {
            name: feature.name.to_owned(),
            level: feature.bootstrap,
        })
        .collect()
}
