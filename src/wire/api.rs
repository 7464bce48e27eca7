//! What is known about an API as a whole; the table itself is generated.

use crate::ApiKey;

/// Versions `min..=max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The first version.
    pub min: i16,
    /// The last version.
    pub max: i16,
}

impl VersionRange {
    /// True when `version` is one of them.
    #[must_use]
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// The versions, one after the other.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = i16> {
        self.min..=self.max
    }
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Clients, on a broker's listeners.
    Broker,
    /// Brokers and administrators, on a controller's listeners.
    Controller,
}

/// One line of the table of APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiEntry {
    /// Its key.
    pub key: ApiKey,
    /// Kafka's name for it.
    pub name: &'static str,
    /// The versions that this codec reads and writes, from before KIP-896 on.
    pub versions: VersionRange,
    /// The versions that Apache Kafka serves since KIP-896.
    pub kafka: VersionRange,
    /// A last version that Kafka serves only when unstable versions are enabled.
    pub unstable: Option<i16>,
    /// The first flexible version (KIP-482), `i16::MAX` when there is none.
    pub flexible_min: i16,
    /// Where Kafka listens for it.
    pub listeners: &'static [Listener],
}

impl ApiEntry {
    /// The highest version that is meant for use, unstable ones left out.
    #[must_use]
    pub fn stable_max(&self) -> i16 {
        self.unstable.map_or(self.versions.max, |first| first - 1)
    }
}

impl std::fmt::Display for ApiKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.entry().name)
    }
}
