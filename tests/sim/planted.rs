//! Bugs on purpose: a test that cannot fail proves nothing, so each of these must be caught.

use storage::{Planted, PlantedBug};

use crate::seeds::first_failure;
use crate::{broker, duties, partition, transactions};

const SEEDS_MAX: u64 = 1_000;

/// Runs seeds until one fails, which must be soon.
fn expect_caught(what: &str, property: impl Fn(u64)) {
    let caught = first_failure(SEEDS_MAX, property);
    let Some((seed, said)) = caught else {
        panic!("{what} goes unnoticed for {SEEDS_MAX} seeds");
    };
    let said: String = said.chars().take(200).collect();
    println!("{what}: caught by seed {seed}: {said}");
}

#[test]
fn planted_bugs_are_caught_in_a_node() {
    // What acknowledges too early is seen through all the layers above the log.
    let bug = PlantedBug::AckBeforeFlush;
    expect_caught(&format!("{bug:?} in a node"), |seed| {
        broker::run(seed, Planted(Some(bug)));
    });
}

/// A segment's name that was not made durable shows where the engine is alone, in the tests of
/// `storage` under power cuts. Above it a roll also writes a producer snapshot beside the segment,
/// which makes the same directory durable: neither here nor in the duties do a thousand seeds show it.
#[test]
fn planted_bugs_are_caught() {
    let bugs = [
        PlantedBug::AckBeforeFlush,
        PlantedBug::TrustIndexOverLog,
        PlantedBug::KeepTornTail,
        PlantedBug::JournalAckEarly,
        PlantedBug::JournalFreedEarly,
    ];
    for bug in bugs {
        expect_caught(&format!("{bug:?}"), |seed| {
            partition::run(seed, Planted(Some(bug)));
        });
    }
}

/// The story: somebody plants a bug into the cleaner, the roll, retention or the move to another
/// directory.
#[test]
fn planted_bugs_are_caught_in_the_duties() {
    let bugs = [
        PlantedBug::SwapWithoutFlush,
        PlantedBug::SwapWithoutMark,
        PlantedBug::DropNewest,
        PlantedBug::DropUnknown,
        PlantedBug::DropTombstones,
        PlantedBug::CompactWhileCopied,
        PlantedBug::SealWithoutFlush,
        PlantedBug::ForgetLogStart,
        PlantedBug::MoveWithoutSync,
    ];
    for bug in bugs {
        expect_caught(&format!("{bug:?} in the duties"), |seed| {
            duties::run(seed, Planted(Some(bug)));
        });
    }
}

#[test]
fn planted_bugs_of_transactions_are_caught() {
    let bugs = [
        PlantedBug::LateEndAccepted,
        PlantedBug::DropMarkers,
        PlantedBug::StableTooFar,
        PlantedBug::WindowOfFour,
    ];
    for bug in bugs {
        expect_caught(&format!("{bug:?}"), |seed| {
            transactions::run(seed, Planted(Some(bug)));
        });
    }
}
