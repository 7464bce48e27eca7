//! Feature levels.

use crate::{find_feature, metadata_version_name, parse_features};

/// Levels are told by their numbers, versions of the metadata by their names too.
#[test]
fn levels_have_names() {
    let level = |choice: &str, name: &str| {
        let levels = parse_features(choice).unwrap();
        let mut levels = levels.iter().filter(|level| level.feature.name == name);
        levels.next().unwrap().level
    };
    assert_eq!(level("metadata.version=4.3-IV0", "metadata.version"), 30);
    assert_eq!(level("group.version=0", "group.version"), 0);
    assert_eq!(level(" share.version = 2 ,", "share.version"), 2);
    assert_eq!(metadata_version_name(25), Some("4.0-IV3"));
    let dense = crate::METADATA_VERSIONS
        .iter()
        .zip(7..)
        .all(|(version, level)| version.level == level);
    assert!(dense, "levels without a gap");
    assert!(find_feature("kraft.version").is_some());
}

/// A level that nobody knows would make a cluster that nobody can join.
#[test]
fn unknown_features_and_levels_are_refused() {
    let text = |choice: &str| parse_features(choice).unwrap_err().to_string();
    assert_eq!(
        text("groop.version=1"),
        "there is no feature groop.version; did you mean group.version?"
    );
    assert_eq!(
        text("group.version=2"),
        "group.version cannot be 2; it must be from 0 to 1"
    );
    assert_eq!(
        text("metadata.version=34"),
        "metadata.version cannot be 34; it must be from 7 to 33"
    );
    assert_eq!(
        text("group.version"),
        "group.version: write feature levels as name=level,name=level"
    );
    assert!(text("group.version=1,group.version=0").contains("twice"));
}
