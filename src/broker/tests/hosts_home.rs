//! Tools and clients compute themselves where a group lives; one that looks elsewhere finds
//! nothing.

use base::PartitionIndex;

use super::home::partition_of;

/// As `Utils.abs("...".hashCode()) % partitions` gives in Java.
#[test]
fn groups_live_where_java_hashes_them_to() {
    let home = |group, partitions| partition_of(group, partitions).0;
    assert_eq!(home("", 50), 0);
    assert_eq!(home("a", 50), 47);
    assert_eq!(home("group", 50), 47);
    // A hash below zero, -1906497762.
    assert_eq!(home("my-group", 50), 12);
    assert_eq!(home("gr\u{fc}ppe-7", 50), 14);
    // The hash of this text is the number that has no positive twin.
    assert_eq!(home("polygenelubricants", 50), 0);
    // Outside the basic plane Java hashes both surrogates.
    assert_eq!(home("\u{1F600}", 50), 49);
}

#[test]
fn every_group_has_a_home() {
    for number in 0..10_000 {
        let group = format!("group-{number}-\u{e9}\u{1F600}");
        let index = partition_of(&group, 7);
        assert!(PartitionIndex(0) <= index && index < PartitionIndex(7));
    }
}
