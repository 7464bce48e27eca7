//! A retry must be harmless, a gap must be noticed, and a stranger must be let in (KIP-98, 360).

use crate::{Marker, ProducerError, ProducerStates, Verdict};
use base::{Offset, ProducerEpoch, ProducerId, Random, Timestamp};
use batch::ProducerBatch;
use std::collections::BTreeMap;

pub(crate) fn batch(id: i64, epoch: i16, first: i32, last: i32) -> ProducerBatch {
    ProducerBatch {
        id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
        first_sequence: first,
        last_sequence: last,
    }
}

/// A partition that appends whatever is admitted.
pub(crate) struct Log {
    pub(crate) states: ProducerStates,
    pub(crate) end: i64,
}

impl Log {
    pub(crate) fn new() -> Self {
        let states = ProducerStates::new(1000);
        Self { states, end: 0 }
    }

    pub(crate) fn send(
        &mut self,
        batch: ProducerBatch,
        is_transactional: bool,
    ) -> Result<Verdict, ProducerError> {
        let verdict = self.states.check(&batch, is_transactional)?;
        if verdict == Verdict::Append {
            let count =
                i64::from(batch.last_sequence.wrapping_sub(batch.first_sequence) & i32::MAX);
            let offsets = Offset(self.end)..=Offset(self.end + count);
            let timestamp = Timestamp(1000 + self.end);
            self.states
                .append(&batch, offsets, timestamp, is_transactional);
            self.end += count + 1;
        }
        Ok(verdict)
    }

    pub(crate) fn mark(
        &mut self,
        marker: Marker,
        version: i16,
    ) -> Result<Option<bool>, ProducerError> {
        self.states.check_marker(&marker, version)?;
        let completed = self.states.append_marker(&marker, Offset(self.end));
        self.end += 1;
        Ok(completed.map(|completed| completed.is_aborted))
    }
}

fn out_of_order(found: i32, last: i32) -> Result<Verdict, ProducerError> {
    Err(ProducerError::OutOfOrderSequence { found, last })
}

#[test]
fn a_stranger_may_begin_anywhere_and_then_has_to_count() {
    let mut log = Log::new();
    assert_eq!(log.send(batch(1, 0, 77, 79), false), Ok(Verdict::Append));
    assert_eq!(log.send(batch(1, 0, 81, 81), false), out_of_order(81, 79));
    assert_eq!(log.send(batch(1, 0, 80, 81), false), Ok(Verdict::Append));
    assert_eq!(log.send(batch(2, 5, 0, 0), false), Ok(Verdict::Append));
}

#[test]
fn five_batches_are_recognised_and_the_sixth_is_out_of_order() {
    let mut log = Log::new();
    for index in 0..6 {
        let sent = batch(1, 0, index * 10, index * 10 + 9);
        assert_eq!(log.send(sent, false), Ok(Verdict::Append));
    }
    for index in 1..6 {
        let Ok(Verdict::Duplicate(known)) =
            log.send(batch(1, 0, index * 10, index * 10 + 9), false)
        else {
            panic!("batch {index} was not recognised");
        };
        assert_eq!(known.first_offset, Offset(i64::from(index) * 10));
        assert_eq!(known.last_offset, Offset(i64::from(index) * 10 + 9));
    }
    assert_eq!(log.send(batch(1, 0, 0, 9), false), out_of_order(0, 59));
    assert_eq!(log.send(batch(1, 0, 50, 58), false), out_of_order(50, 59));
}

#[test]
fn sequence_numbers_wrap_to_zero() {
    let mut log = Log::new();
    assert_eq!(
        log.send(batch(1, 0, i32::MAX - 1, i32::MAX), false),
        Ok(Verdict::Append)
    );
    assert_eq!(
        log.send(batch(1, 0, 1, 1), false),
        out_of_order(1, i32::MAX)
    );
    assert_eq!(log.send(batch(1, 0, 0, 0), false), Ok(Verdict::Append));
    let mut log = Log::new();
    assert_eq!(
        log.send(batch(1, 0, i32::MAX, 1), false),
        Ok(Verdict::Append)
    );
    assert_eq!(log.send(batch(1, 0, 2, 2), false), Ok(Verdict::Append));
}

#[test]
fn a_new_epoch_counts_from_zero_and_fences_the_old_one() {
    let mut log = Log::new();
    assert_eq!(log.send(batch(1, 3, 0, 4), false), Ok(Verdict::Append));
    assert_eq!(log.send(batch(1, 4, 5, 5), false), out_of_order(5, 4));
    assert_eq!(log.send(batch(1, 4, 0, 4), false), Ok(Verdict::Append));
    let (found, current) = (ProducerEpoch(3), ProducerEpoch(4));
    let fenced = Err(ProducerError::InvalidEpoch { found, current });
    assert_eq!(log.send(batch(1, 3, 5, 5), false), fenced);
    assert_eq!(
        log.send(batch(1, 3, 0, 4), false),
        fenced,
        "not even a duplicate is answered"
    );
}

#[test]
fn a_coordinators_batches_are_judged_by_epoch_alone() {
    let mut log = Log::new();
    for _ in 0..3 {
        assert_eq!(log.send(batch(1, 0, -1, -1), true), Ok(Verdict::Append));
    }
    assert_eq!(log.send(batch(1, 1, -1, -1), true), Ok(Verdict::Append));
    assert!(log.send(batch(1, 0, -1, -1), true).is_err());
}

fn marker(epoch: i16, coordinator_epoch: i32, is_abort: bool) -> Marker {
    Marker {
        producer_id: ProducerId(1),
        producer_epoch: ProducerEpoch(epoch),
        coordinator_epoch,
        is_abort,
        timestamp: Timestamp(5000),
    }
}

#[test]
fn markers_end_transactions_and_hold_the_stable_offset_until_replicated() {
    let mut log = Log::new();
    log.send(batch(9, 0, 0, 9), false).unwrap();
    log.send(batch(1, 0, 0, 4), true).unwrap();
    let transaction_start = Offset(10);
    let wrong = Err(ProducerError::InvalidTransactionState { transaction_start });
    assert_eq!(log.send(batch(1, 0, 5, 5), false), wrong);
    let first_unstable = |log: &Log, high_watermark| {
        let transactions = log.states.transactions();
        transactions.first_unstable_offset(Offset(high_watermark))
    };
    assert_eq!(first_unstable(&log, 15), Some(Offset(10)));
    assert_eq!(log.mark(marker(0, 7, true), 0), Ok(Some(true)));
    assert_eq!(
        first_unstable(&log, 15),
        Some(Offset(10)),
        "the marker is not replicated"
    );
    assert_eq!(first_unstable(&log, 16), None);
    assert_eq!(log.mark(marker(0, 7, true), 0), Ok(None), "nothing is open");
    let (found, current) = (6, 7);
    let fenced = Err(ProducerError::CoordinatorFenced { found, current });
    assert_eq!(log.mark(marker(0, 6, true), 0), fenced);
}

#[test]
fn under_transaction_version_2_only_a_repeated_marker_may_have_the_old_epoch() {
    let mut log = Log::new();
    log.send(batch(1, 3, 0, 0), true).unwrap();
    assert!(
        log.mark(marker(3, 0, false), 2).is_err(),
        "the epoch must rise"
    );
    assert_eq!(log.mark(marker(4, 0, false), 2), Ok(Some(false)));
    assert_eq!(log.mark(marker(4, 0, false), 2), Ok(None), "KAFKA-19999");
    log.send(batch(1, 4, 0, 0), true).unwrap();
    assert!(
        log.mark(marker(4, 0, false), 2).is_err(),
        "a late marker ends no new transaction"
    );
}

#[test]
fn idle_producers_expire_and_a_flood_evicts_the_idlest() {
    let mut log = Log::new();
    log.send(batch(1, 0, 0, 0), true).unwrap();
    log.send(batch(2, 0, 0, 0), false).unwrap();
    log.send(batch(3, 0, 0, 0), false).unwrap();
    assert_eq!(
        log.states.expire(Timestamp(1101), 100),
        1,
        "the open transaction stays"
    );
    assert!(log.states.get(ProducerId(2)).is_none() && log.states.get(ProducerId(3)).is_some());
    log.states = ProducerStates::new(100);
    for id in 0..10_000 {
        log.send(batch(id, 0, 0, 0), id == 5).unwrap();
        assert!(log.states.len() <= 100);
        assert!(log.states.get(ProducerId(id)).is_some());
    }
    assert!(
        log.states.get(ProducerId(5)).is_some(),
        "its transaction is open"
    );
}

/// A producer that retries, skips and restarts, against a model that keeps every batch for ever.
#[test]
fn random_producers_never_append_twice_or_with_a_gap() {
    let seed = 0x1DE0_0001;
    println!("seed {seed:#x}");
    let mut random = Random::salted(seed, 1);
    let mut log = Log::new();
    let mut model: BTreeMap<(i64, i16), Vec<(i32, i32)>> = BTreeMap::new();
    let mut newest: BTreeMap<i64, i16> = BTreeMap::new();
    for _ in 0..50_000 {
        let id = i64::try_from(random.below(5)).unwrap();
        let current = newest.get(&id).copied();
        let epoch = current.unwrap_or(0) + i16::from(random.chance(1, 200))
            - i16::from(random.chance(1, 200));
        let epoch = epoch.max(0);
        let known = model.get(&(id, epoch)).cloned().unwrap_or_default();
        let next = known.last().map_or(0, |(_, last)| last + 1);
        let sent = match random.below(4) {
            0 if !known.is_empty() => {
                known[usize::try_from(random.below(known.len() as u64)).unwrap()]
            }
            1 if next > 3 => (next + 1, next + 2),
            _ => (next, next + i32::try_from(random.below(5)).unwrap()),
        };
        let verdict = log.send(batch(id, epoch, sent.0, sent.1), false);
        let window = known.len().saturating_sub(5);
        let expected_duplicate = current == Some(epoch) && known[window..].contains(&sent);
        let fits = sent.0 == next;
        match verdict {
            Err(ProducerError::InvalidEpoch { .. }) => assert!(Some(epoch) < current),
            Ok(Verdict::Duplicate(_)) => assert!(expected_duplicate),
            Ok(Verdict::Append) => {
                assert!(fits && !expected_duplicate);
                model.entry((id, epoch)).or_default().push(sent);
                newest.insert(id, epoch);
            }
            Err(_) => assert!(!fits && !expected_duplicate),
        }
    }
    assert!(
        model.values().map(Vec::len).sum::<usize>() > 10_000,
        "the test did append"
    );
}
