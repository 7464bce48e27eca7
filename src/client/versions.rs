//! Which version of each API a connection uses (KIP-35, KIP-511).
//!
//! Invariant: a version that was picked is known to both sides.

use std::collections::BTreeMap;

use wire::{ApiKey, VersionRange};

/// What one broker serves, as it said when the connection was opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    served: BTreeMap<i16, VersionRange>,
}

/// Why no version could be picked: what the broker serves, and what this client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoneInCommon {
    pub(crate) theirs: Option<VersionRange>,
    pub(crate) ours: VersionRange,
}

impl Versions {
    /// Notes what the broker serves of one API.
    pub(crate) fn insert(&mut self, key: i16, range: VersionRange) {
        self.served.insert(key, range);
    }

    /// The highest version that both sides know.
    pub(crate) fn pick(&self, key: ApiKey) -> Result<i16, NoneInCommon> {
        let entry = key.entry();
        let ours = VersionRange {
            min: entry.versions.min,
            max: entry.stable_max(),
        };
        let theirs = self.served.get(&key.code()).copied();
        let highest = theirs.map(|theirs| theirs.max.min(ours.max));
        match highest {
            Some(version)
                if ours.contains(version)
                    && theirs.is_some_and(|range| range.contains(version)) =>
            {
                Ok(version)
            }
            _ => Err(NoneInCommon { theirs, ours }),
        }
    }
}
