//! A restart must neither forget a batch that a retry could repeat, nor trust a damaged file.

use super::producers_tests::{Log, batch};
use crate::{Marker, ProducerStates, SnapshotError, Verdict};
use base::{ProducerEpoch, ProducerId, Random, Timestamp};

fn sample() -> ProducerStates {
    let mut log = Log::new();
    for index in 0..7 {
        log.send(batch(4711, 3, index * 2, index * 2 + 1), false)
            .unwrap();
    }
    log.send(batch(4712, 0, i32::MAX, 1), true).unwrap();
    let marker = Marker {
        producer_id: ProducerId(4713),
        producer_epoch: ProducerEpoch(2),
        coordinator_epoch: 9,
        is_abort: true,
        timestamp: Timestamp(77),
    };
    log.mark(marker, 0).unwrap();
    log.states
}

#[test]
fn states_come_back_whole_with_the_window_of_five() {
    let states = sample();
    let file = states.encode();
    assert_eq!(ProducerStates::decode(&file, 1000), Ok(states.clone()));
    let restored = ProducerStates::decode(&file, 1000).unwrap();
    let retried = restored.check(&batch(4711, 3, 4, 5), false);
    assert!(matches!(retried, Ok(Verdict::Duplicate(_))));
    let empty = ProducerStates::new(1);
    assert_eq!(ProducerStates::decode(&empty.encode(), 1), Ok(empty));
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let file = sample().encode();
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(ProducerStates::decode(&flipped, 1000).is_err(), "bit {bit}");
    }
    for cut in 0..file.len() {
        assert!(
            ProducerStates::decode(&file[..cut], 1000).is_err(),
            "cut at {cut}"
        );
    }
}

#[test]
fn impossible_numbers_under_a_right_checksum_never_panic() {
    let seed = 0x50AB_0001;
    println!("seed {seed:#x}");
    let mut random = Random::salted(seed, 1);
    let original = sample().encode();
    for _ in 0..20_000 {
        let mut file = original.clone();
        for _ in 0..=random.below(3) {
            let at = 6 + usize::try_from(random.below(file.len() as u64 - 6)).unwrap();
            file[at] = [0, 0xFF, 0x7F, 0x80][usize::try_from(random.below(4)).unwrap()];
        }
        let checksum = crc32c::crc32c(&file[6..]).to_be_bytes();
        file[2..6].copy_from_slice(&checksum);
        if let Ok(states) = ProducerStates::decode(&file, 1000) {
            let _ = states.encode();
        }
    }
    let mut other = original;
    other[1] = 9;
    let version = SnapshotError::Version { version: 9 };
    assert_eq!(ProducerStates::decode(&other, 1000), Err(version));
}
