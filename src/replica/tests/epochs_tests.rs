//! Truncation by epochs must find the exact point where two histories part (KIP-101, KIP-279).

use crate::{EpochEnd, EpochsError, LeaderEpochs};
use base::{LeaderEpoch, Offset, Random};

fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
    let mut epochs = LeaderEpochs::new();
    for (epoch, start) in entries {
        epochs.assign(LeaderEpoch(*epoch), Offset(*start));
    }
    epochs
}

fn list(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
    epochs
        .iter()
        .map(|entry| (entry.epoch.0, entry.start.0))
        .collect()
}

#[test]
fn the_end_of_an_epoch_is_the_start_of_the_next() {
    let epochs = epochs(&[(2, 10), (4, 20), (5, 30)]);
    let end = |epoch| {
        let end = epochs.end_offset_for(LeaderEpoch(epoch), Offset(42));
        end.map(|EpochEnd { epoch, end }| (epoch.0, end.0))
    };
    assert_eq!(end(-1), None);
    assert_eq!(
        end(1),
        Some((1, 10)),
        "older than all: go on at the first start"
    );
    assert_eq!(end(2), Some((2, 20)));
    assert_eq!(
        end(3),
        Some((2, 20)),
        "a gap is answered by the epoch below"
    );
    assert_eq!(end(4), Some((4, 30)));
    assert_eq!(end(5), Some((5, 42)), "the newest ends where the log does");
    assert_eq!(end(6), None);
    assert_eq!(
        LeaderEpochs::new().end_offset_for(LeaderEpoch(0), Offset(0)),
        None
    );
    let owner = |offset| epochs.epoch_for(Offset(offset)).map(|epoch| epoch.0);
    assert_eq!(
        [9, 10, 19, 20, 99].map(owner),
        [None, Some(2), Some(2), Some(4), Some(5)]
    );
}

#[test]
fn a_new_epoch_displaces_what_contradicts_it() {
    let mut cache = epochs(&[(1, 0), (2, 10), (3, 10)]);
    assert_eq!(list(&cache), [(1, 0), (3, 10)], "epoch 2 wrote nothing");
    assert!(
        !cache.assign(LeaderEpoch(3), Offset(12)),
        "an epoch begins once"
    );
    assert!(cache.assign(LeaderEpoch(3), Offset(8)));
    assert_eq!(list(&cache), [(1, 0), (3, 8)]);
    assert!(cache.assign(LeaderEpoch(2), Offset(20)));
    assert_eq!(list(&cache), [(1, 0), (2, 20)]);
}

#[test]
fn truncation_trims_both_ends() {
    let mut cache = epochs(&[(1, 0), (2, 10), (3, 20)]);
    assert!(!cache.truncate_from_end(Offset(21)));
    assert!(
        cache.truncate_from_end(Offset(20)),
        "an epoch without records goes too"
    );
    assert_eq!(list(&cache), [(1, 0), (2, 10)]);
    assert!(cache.truncate_from_start(Offset(5)));
    assert_eq!(list(&cache), [(1, 5), (2, 10)]);
    assert!(!cache.truncate_from_start(Offset(5)));
    assert!(cache.truncate_from_start(Offset(12)));
    assert_eq!(list(&cache), [(2, 12)]);
}

#[test]
fn the_checkpoint_is_kafkas_text() {
    let cache = epochs(&[(1, 0), (3, 17)]);
    assert_eq!(cache.encode(), "0\n2\n1 0\n3 17\n");
    assert_eq!(LeaderEpochs::decode(&cache.encode()), Ok(cache));
    assert_eq!(LeaderEpochs::decode("0\n0\n"), Ok(LeaderEpochs::new()));
    let wrong = [
        ("", EpochsError::Version),
        ("1\n0\n", EpochsError::Version),
        ("0\n", EpochsError::Line { line: 2 }),
        ("0\n2\n1 0\n", EpochsError::Line { line: 4 }),
        ("0\n1\n1 0\n2 5\n", EpochsError::Line { line: 5 }),
        ("0\n1\n1 x\n", EpochsError::Line { line: 3 }),
        ("0\n1\n-1 0\n", EpochsError::Line { line: 3 }),
        ("0\n2\n1 5\n2 5\n", EpochsError::Order { line: 4 }),
    ];
    for (text, error) in wrong {
        assert_eq!(LeaderEpochs::decode(text), Err(error), "{text:?}");
    }
}

/// A naive log that remembers the epoch of every single record.
#[test]
fn random_histories_agree_with_a_log_of_epochs() {
    let seed = 0xE90C_0001;
    println!("seed {seed:#x}");
    let mut random = Random::salted(seed, 1);
    for _ in 0..300 {
        let mut log: Vec<i32> = Vec::new();
        let mut cache = LeaderEpochs::new();
        let mut epoch = 0;
        for _ in 0..20 {
            epoch += 1 + i32::try_from(random.below(2)).unwrap();
            cache.assign(
                LeaderEpoch(epoch),
                Offset(i64::try_from(log.len()).unwrap()),
            );
            let count = random.below(4);
            log.extend((0..count).map(|_| epoch));
            if random.chance(1, 5) && !log.is_empty() {
                log.truncate(usize::try_from(random.below(log.len() as u64)).unwrap());
                cache.truncate_from_end(Offset(i64::try_from(log.len()).unwrap()));
            }
            for (offset, wrote) in (0..).zip(&log) {
                let known = cache.epoch_for(Offset(offset));
                assert_eq!(known, Some(LeaderEpoch(*wrote)));
            }
            let log_end = Offset(i64::try_from(log.len()).unwrap());
            for asked in 0..=epoch {
                let end = log.iter().filter(|wrote| **wrote <= asked).count();
                if let Some(answer) = cache.end_offset_for(LeaderEpoch(asked), log_end) {
                    assert_eq!(answer.end.0, i64::try_from(end).unwrap());
                }
            }
            assert_eq!(LeaderEpochs::decode(&cache.encode()).as_ref(), Ok(&cache));
        }
    }
}
