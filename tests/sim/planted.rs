//! Bugs on purpose: a test that cannot fail proves nothing, so each of these must be caught.

use storage::{Planted, PlantedBug};

use crate::partition;
use crate::seeds::first_failure;

const SEEDS_MAX: u64 = 1_000;

#[test]
fn planted_bugs_are_caught() {
    let bugs = [
        PlantedBug::AckBeforeFlush,
        PlantedBug::TrustIndexOverLog,
        PlantedBug::SkipDirectorySync,
        PlantedBug::KeepTornTail,
    ];
    for bug in bugs {
        let caught = first_failure(SEEDS_MAX, |seed| {
            partition::run(seed, Planted(Some(bug)));
        });
        println!("{bug:?}: caught by seed {caught:?}");
        assert!(
            caught.is_some(),
            "{bug:?} goes unnoticed for {SEEDS_MAX} seeds"
        );
    }
}
