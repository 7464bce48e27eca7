//! The features that this release serves, with the levels it can work at (KIP-584).
//!
//! Clients act on what is finalised: with `transaction.version` 2 they end transactions in another
//! way, with `share.version` they join share groups. So a feature that is not served is left out,
//! as Kafka leaves out those that it has at level zero alone, and none is ever finalised above what
//! stands here. Levels mean what they mean in Kafka 4.4.

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

/// Every feature that is served, by name.
pub const FEATURES: &[Feature] = &[
    feature("eligible.leader.replicas.version", 0, 1, 1),
    feature("group.version", 0, 1, 1),
    // The voters are fixed, which is what level zero says (KIP-853).
    feature(KRAFT_VERSION, 0, 0, 0),
    feature(METADATA_VERSION, 7, 33, 33),
    feature("transaction.version", 0, 2, 2),
];

impl Feature {
    /// The feature with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        FEATURES.iter().find(|feature| feature.name == name)
    }
}

/// The first changes of a new cluster.
#[must_use]
pub fn bootstrap_changes() -> Vec<Change> {
    // The metadata version comes first, as Kafka's own tools expect it.
    let first = FEATURES.iter().filter(|f| f.name == METADATA_VERSION);
    let rest = FEATURES.iter().filter(|f| f.name != METADATA_VERSION);
    first
        .chain(rest)
        .filter(|feature| feature.bootstrap > 0)
        .map(|feature| Change::FeatureLevel {
            name: feature.name.to_owned(),
            level: feature.bootstrap,
        })
        .collect()
}
