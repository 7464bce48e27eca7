//! Feature levels: what a cluster as a whole has switched on (KIP-584, KIP-1022).
//!
//! The names and ranges are those of Kafka 4.4; levels still in development there are left out.
//! Which of them this release serves is told by the `metadata` room.

/// A feature with the levels that Kafka has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// The lowest level.
    pub level_min: i16,
    /// The highest level.
    pub level_max: i16,
}

/// A level of metadata.version and the name of the release that brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataVersion {
    /// The level.
    pub level: i16,
    /// Kafka's name for it.
    pub name: &'static str,
}

/// The name of the feature that governs the formats of metadata records.
pub const METADATA_VERSION: &str = "metadata.version";

/// Every feature, metadata.version first.
pub const FEATURES: &[Feature] = &[
    Feature {
        name: METADATA_VERSION,
        level_min: 7,
        level_max: 33,
    },
    Feature {
        name: "kraft.version",
        level_min: 0,
        level_max: 1,
    },
    Feature {
        name: "transaction.version",
        level_min: 0,
        level_max: 2,
    },
    Feature {
        name: "group.version",
        level_min: 0,
        level_max: 1,
    },
    Feature {
        name: "eligible.leader.replicas.version",
        level_min: 0,
        level_max: 1,
    },
    Feature {
        name: "share.version",
        level_min: 0,
        level_max: 2,
    },
    Feature {
        name: "streams.version",
        level_min: 0,
        level_max: 1,
    },
];

/// Every level of metadata.version with its name, lowest first.
pub const METADATA_VERSIONS: &[MetadataVersion] = &[
    MetadataVersion {
        level: 7,
        name: "3.3-IV3",
    },
    MetadataVersion {
        level: 8,
        name: "3.4-IV0",
    },
    MetadataVersion {
        level: 9,
        name: "3.5-IV0",
    },
    MetadataVersion {
        level: 10,
        name: "3.5-IV1",
    },
    MetadataVersion {
        level: 11,
        name: "3.5-IV2",
    },
    MetadataVersion {
        level: 12,
        name: "3.6-IV0",
    },
    MetadataVersion {
        level: 13,
        name: "3.6-IV1",
    },
    MetadataVersion {
        level: 14,
        name: "3.6-IV2",
    },
    MetadataVersion {
        level: 15,
        name: "3.7-IV0",
    },
    MetadataVersion {
        level: 16,
        name: "3.7-IV1",
    },
    MetadataVersion {
        level: 17,
        name: "3.7-IV2",
    },
    MetadataVersion {
        level: 18,
        name: "3.7-IV3",
    },
    MetadataVersion {
        level: 19,
        name: "3.7-IV4",
    },
    MetadataVersion {
        level: 20,
        name: "3.8-IV0",
    },
    MetadataVersion {
        level: 21,
        name: "3.9-IV0",
    },
    MetadataVersion {
        level: 22,
        name: "4.0-IV0",
    },
    MetadataVersion {
        level: 23,
        name: "4.0-IV1",
    },
    MetadataVersion {
        level: 24,
        name: "4.0-IV2",
    },
    MetadataVersion {
        level: 25,
        name: "4.0-IV3",
    },
    MetadataVersion {
        level: 26,
        name: "4.1-IV0",
    },
    MetadataVersion {
        level: 27,
        name: "4.1-IV1",
    },
    MetadataVersion {
        level: 28,
        name: "4.2-IV0",
    },
    MetadataVersion {
        level: 29,
        name: "4.2-IV1",
    },
    MetadataVersion {
        level: 30,
        name: "4.3-IV0",
    },
    MetadataVersion {
        level: 31,
        name: "4.4-IV0",
    },
    MetadataVersion {
        level: 32,
        name: "4.4-IV1",
    },
    MetadataVersion {
        level: 33,
        name: "4.4-IV2",
    },
];

/// A level chosen for a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureLevel {
    /// The feature.
    pub feature: &'static Feature,
    /// The level.
    pub level: i16,
}

/// Why a choice of feature levels is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureError {
    /// An element that is not `name=level`.
    NotAPair {
        /// The element.
        text: String,
    },
    /// No such feature.
    Unknown {
        /// The name as written.
        name: String,
        /// The feature that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A level that is no number or outside the range.
    BadLevel {
        /// The feature.
        name: &'static str,
        /// The level as written.
        text: String,
        /// The lowest level supported.
        level_min: i16,
        /// The highest level supported.
        level_max: i16,
    },
    /// A feature that occurs twice.
    Twice {
        /// The feature.
        name: &'static str,
    },
}

impl std::fmt::Display for FeatureError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAPair { text } => {
                let text = text.escape_debug();
                write!(
                    formatter,
                    "{text}: write feature levels as name=level,name=level"
                )
            }
            Self::Unknown {
                name,
                nearest: Some(nearest),
            } => {
                let name = name.escape_debug();
                write!(
                    formatter,
                    "there is no feature {name}; did you mean {nearest}?"
                )
            }
            Self::Unknown {
                name,
                nearest: None,
            } => {
                let known: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
                let name = name.escape_debug();
                write!(
                    formatter,
                    "there is no feature {name}; there are: {}",
                    known.join(", ")
                )
            }
            Self::BadLevel {
                name,
                text,
                level_min,
                level_max,
            } => {
                let text = text.escape_debug();
                write!(
                    formatter,
                    "{name} cannot be {text}; it must be from {level_min} to {level_max}"
                )
            }
            Self::Twice { name } => {
                write!(formatter, "{name} occurs twice; name each feature once")
            }
        }
    }
}

impl std::error::Error for FeatureError {}

/// The feature of this name.
#[must_use]
pub fn find_feature(name: &str) -> Option<&'static Feature> {
    FEATURES.iter().find(|feature| feature.name == name)
}

/// Kafka's name for a level of metadata.version.
#[must_use]
pub fn metadata_version_name(level: i16) -> Option<&'static str> {
    METADATA_VERSIONS
        .iter()
        .find(|version| version.level == level)
        .map(|version| version.name)
}

/// Parses `name=level,name=level`, as the variable `FOREBAY_FEATURES` holds them; metadata.version
/// may also be given by its name (`4.4-IV2`).
///
/// # Errors
/// With the first element that cannot be followed.
pub fn parse_features(text: &str) -> Result<Vec<FeatureLevel>, FeatureError> {
    let mut levels: Vec<FeatureLevel> = Vec::new();
    for element in text
        .split(',')
        .map(str::trim)
        .filter(|element| !element.is_empty())
    {
        let (name, level_text) = element
            .split_once('=')
            .map(|(name, level)| (name.trim(), level.trim()))
            .ok_or_else(|| FeatureError::NotAPair {
                text: element.to_owned(),
            })?;
        let feature = find_feature(name).ok_or_else(|| FeatureError::Unknown {
            name: name.to_owned(),
            nearest: crate::nearest(name, FEATURES.iter().map(|feature| feature.name)),
        })?;
        if levels.iter().any(|known| known.feature == feature) {
            return Err(FeatureError::Twice { name: feature.name });
        }
        let by_name = METADATA_VERSIONS
            .iter()
            .find(|version| feature.name == METADATA_VERSION && version.name == level_text)
            .map(|version| version.level);
        let level = by_name
            .or_else(|| level_text.parse().ok())
            .filter(|level| (feature.level_min..=feature.level_max).contains(level))
            .ok_or_else(|| FeatureError::BadLevel {
                name: feature.name,
                text: level_text.to_owned(),
                level_min: feature.level_min,
                level_max: feature.level_max,
            })?;
        levels.push(FeatureLevel { feature, level });
    }
    Ok(levels)
}
