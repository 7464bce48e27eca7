//! UpdateFeatures: which level of each feature the cluster works at (KIP-584).
//!
//! Invariant: no level is finalised that a registered broker cannot work at, nor one above what
//! this release serves.

use crate::change::Change;
use crate::features::{Feature, KRAFT_VERSION, METADATA_VERSION};
use crate::image::Image;
use crate::refusal::Refusal;
use base::ErrorCode;

/// Which direction an update may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeKind {
    /// Only up.
    Upgrade,
    /// Down too, where nothing is lost.
    SafeDowngrade,
    /// Down too, whatever is lost.
    UnsafeDowngrade,
    /// One that this release does not know; such updates are refused.
    Unknown,
}

/// One update that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// The feature's name.
    pub name: String,
    /// The level; zero removes it.
    pub level: i16,
    /// The direction allowed.
    pub upgrade: UpgradeKind,
}

/// Decides updates: all of them or, when one is refused, none (Kafka's behaviour since 4.0).
///
/// # Errors
/// The refusal of the first update that cannot be.
pub fn update_features(image: &Image, updates: &[FeatureUpdate]) -> Result<Vec<Change>, Refusal> {
    let mut changes = Vec::new();
    for update in updates {
        check(image, update)?;
        if image.feature_level(&update.name) != update.level {
            changes.push(Change::FeatureLevel {
                name: update.name.clone(),
                level: update.level,
            });
        }
    }
    Ok(changes)
}

/// Decides that every feature that is finalised above what this release serves comes down to that,
/// or goes. Nothing was ever stored by the level that goes, since nothing served it. The version of
/// the metadata stays: records of a later one would not have been read.
#[must_use]
pub fn lower_unserved(image: &Image) -> Vec<Change> {
    let finalised = image.features().iter();
    let unserved = finalised.filter_map(|(name, level)| {
        let served = Feature::find(name).map_or(0, |feature| feature.max);
        (name != METADATA_VERSION && *level > served).then(|| Change::FeatureLevel {
            name: name.clone(),
            level: served,
        })
    });
    unserved.collect()
}

/// What every refusal begins with, since one refusal stops all updates.
const PREFIX: &str =
    "The update failed for all features since the following feature had an error: ";

fn check(image: &Image, update: &FeatureUpdate) -> Result<(), Refusal> {
    let (name, level) = (&update.name, update.level);
    let refuse = |why: &str| {
        let text = format!("{PREFIX}Invalid update version {level} for feature {name}. {why}");
        Err(Refusal::new(ErrorCode::InvalidUpdateVersion, text))
    };
    if level < 0 {
        return refuse("A feature version cannot be less than 0.");
    }
    if update.upgrade == UpgradeKind::Unknown {
        return refuse("The controller does not support the given upgrade type.");
    }
    let removes = level == 0 && name != METADATA_VERSION;
    match Feature::find(name) {
        Some(feature) if !removes && (level < feature.min || level > feature.max) => {
            let (min, max) = (feature.min, feature.max);
            return refuse(&format!("Only versions {min}-{max} are supported here."));
        }
        Some(_) => {}
        // One that is only not served here is off already.
        None if removes && config::find_feature(name).is_some() => return Ok(()),
        None if removes => return refuse(&format!("Feature {name} not found.")),
        None => return refuse("This release does not support this feature."),
    }
    let current = image.feature_level(name);
    if name == KRAFT_VERSION && level != current {
        return refuse("The voters of this release's quorum are fixed, so it stays as it is.");
    }
    for broker in image.brokers() {
        let range = broker.features.get(name);
        let fits = range.is_some_and(|range| range.min <= level && level <= range.max);
        if !fits && !removes {
            return refuse(&format!(
                "Broker {} does not support this version.",
                broker.id
            ));
        }
    }
    if level >= current {
        return Ok(());
    }
    match update.upgrade {
        UpgradeKind::Upgrade => refuse(
            "Can't downgrade the version of this feature without setting the upgrade type to \
             either safe or unsafe downgrade.",
        ),
        // Records are written in the newest form, which an older version could not read.
        _ if name == METADATA_VERSION => {
            let why = if update.upgrade == UpgradeKind::SafeDowngrade {
                "Refusing to perform the requested downgrade because it might delete metadata \
                 information."
            } else {
                "Unsafe metadata downgrade is not supported in this version."
            };
            let text = format!(
                "{PREFIX}Unsupported metadata.version downgrade from {current} to {level}. {why}"
            );
            Err(Refusal::new(ErrorCode::InvalidUpdateVersion, text))
        }
        _ => Ok(()),
    }
}
