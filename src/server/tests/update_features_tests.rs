//! An update that is half made would leave brokers of two minds, so there is one answer for all.

use base::ErrorCode;
use metadata::Refusal;
use metadata::decide::UpgradeKind;
use wire::ApiKey;
use wire::update_features::FeatureUpdateKey;

use super::{feature_update, response};
use crate::handlers::sample::check_every_version;

/// Version 0 says whether the level may go down, later ones how.
#[test]
fn the_direction_is_read_by_version() {
    let asked = |allow_downgrade, upgrade_type| FeatureUpdateKey {
        feature: "f".into(),
        max_version_level: 1,
        allow_downgrade,
        upgrade_type,
    };
    let kind = |asked, version| feature_update(&asked, version).upgrade;
    assert_eq!(kind(asked(true, 1), 0), UpgradeKind::SafeDowngrade);
    assert_eq!(kind(asked(false, 3), 0), UpgradeKind::Upgrade);
    assert_eq!(kind(asked(false, 3), 1), UpgradeKind::UnsafeDowngrade);
    assert_eq!(kind(asked(false, 9), 2), UpgradeKind::Unknown);
}

#[test]
fn every_version_is_carried() {
    let names = ["f".to_owned()];
    let refusal = Refusal::new(ErrorCode::InvalidUpdateVersion, "no");
    check_every_version(ApiKey::UpdateFeatures, |version| {
        response(&names, None, version)
    });
    check_every_version(ApiKey::UpdateFeatures, |version| {
        response(&names, Some(&refusal), version)
    });
    assert_eq!(response(&names, None, 1).results.len(), 1);
    assert!(response(&names, Some(&refusal), 1).results.is_empty());
}
