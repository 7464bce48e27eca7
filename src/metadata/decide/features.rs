//! UpdateFeatures: which level of each feature the cluster works at (KIP-584).
//!
//! Invariant: no level is finalised that a registered broker cannot work at.

use crate::change::Change;
use crate::features::{Feature, METADATA_VERSION};
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

fn check(image: &Image, update: &FeatureUpdate) -> Result<(), Refusal> {
    let refuse = |code: ErrorCode, why: String| {
        let text = format!(
            "The update failed for all features since the following feature had an error: Invalid \
             update version {} for feature {}. {why}",
            update.level, update.name
        );
        Err(Refusal::new(code, text))
    };
    let invalid = ErrorCode::InvalidUpdateVersion;
    let Some(feature) = Feature::find(&update.name) else {
        return refuse(invalid, "This feature is not known here.".into());
    };
    if update.level < 0 {
        return refuse(invalid, "A feature version cannot be less than 0.".into());
    }
    let removes = update.level == 0 && update.name != METADATA_VERSION;
    if !removes && (update.level < feature.min || update.level > feature.max) {
        let range = format!("Versions {} to {} are supported.", feature.min, feature.max);
        return refuse(invalid, range);
    }
    for broker in image.brokers() {
        let range = broker.features.get(&update.name);
        let fits = range.is_some_and(|r| r.min <= update.level && update.level <= r.max);
        if !fits && !removes {
            let text = format!("Broker {} does not support this version.", broker.id);
            return refuse(invalid, text);
        }
    }
    if update.level < image.feature_level(&update.name) {
        match update.upgrade {
            UpgradeKind::Upgrade => {
                let text = "Can't downgrade the version of this feature without setting the \
                            upgrade type to either safe or unsafe downgrade.";
                return refuse(invalid, text.into());
            }
            UpgradeKind::SafeDowngrade | UpgradeKind::UnsafeDowngrade
                if update.name == METADATA_VERSION =>
            {
                let text = "Going back to an older metadata version is not supported.";
                return refuse(invalid, text.into());
            }
            UpgradeKind::SafeDowngrade | UpgradeKind::UnsafeDowngrade => {}
        }
    }
    Ok(())
}
