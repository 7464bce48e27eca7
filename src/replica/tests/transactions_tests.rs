//! The last stable offset lies below everything undecided, whatever order transactions end in.

use super::producers_tests::{Log, batch};
use super::replica_tests::{start, validated};
use crate::{CompletedTransaction, Marker, ProducerStates, Replica};
use base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Random, Timestamp};
use std::collections::BTreeMap;

fn marker(id: i64, epoch: i16, is_abort: bool) -> Marker {
    Marker {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(epoch),
        coordinator_epoch: 0,
        is_abort,
        timestamp: Timestamp(5),
    }
}

/// Several producers of both levels, a device that is behind, snapshots and restarts, against a
/// model that remembers every transaction.
#[test]
fn many_producers_hold_the_stable_offset_as_long_as_they_must() {
    for seed in 0..200_u64 {
        println!("seed {seed}");
        let mut random = Random::salted(seed, 2);
        let mut replica = Replica::new(start(0));
        replica.handle_lead(LeaderEpoch(0), &[], 1);
        // Per producer: its epoch, its next sequence number, where its transaction began.
        let mut producers: BTreeMap<i64, (i16, i32, Option<i64>)> = BTreeMap::new();
        let mut ended: Vec<CompletedTransaction> = Vec::new();
        for _ in 0..200 {
            let id = i64::try_from(random.below(4)).unwrap();
            let log_end = replica.log_end().0;
            let (epoch, next, open) = producers.entry(id).or_insert((0, 0, None));
            match random.below(5) {
                0 | 1 => {
                    let sent = validated(1, Some(batch(id, *epoch, *next, *next)), true);
                    replica.handle_append(&sent, true).unwrap();
                    *next += 1;
                    open.get_or_insert(log_end);
                }
                2 => {
                    // Even ids speak level two, in which each end raises the epoch.
                    let version = if id % 2 == 0 { 2 } else { 0 };
                    if version == 2 {
                        (*epoch, *next) = (*epoch + 1, 0);
                    }
                    let is_abort = random.chance(1, 2);
                    let marker = marker(id, *epoch, is_abort);
                    let (offset, completed) = replica.handle_marker(&marker, version).unwrap();
                    let first = completed.map(|completed| completed.first_offset.0);
                    assert_eq!((offset.0, first), (log_end, open.take()));
                    ended.extend(completed);
                }
                3 => {
                    let behind = i64::try_from(random.below(4)).unwrap();
                    let durable = (log_end - behind).max(replica.durable_end().0);
                    replica.handle_durable(Offset(durable));
                }
                _ => {
                    let snapshot = replica.producers().encode();
                    let restored = ProducerStates::decode(&snapshot, 100).unwrap();
                    assert_eq!(restored.len(), replica.producers().len());
                    let open = |states: &ProducerStates| states.transactions().oldest_open();
                    assert_eq!(open(&restored), open(replica.producers()));
                }
            }
            check(&replica, &producers, &ended);
        }
        assert!(ended.len() > 5);
    }
}

fn check(
    replica: &Replica,
    producers: &BTreeMap<i64, (i16, i32, Option<i64>)>,
    ended: &[CompletedTransaction],
) {
    let high_watermark = replica.high_watermark();
    let open = producers
        .values()
        .filter_map(|(.., open)| *open)
        .map(Offset);
    // One whose marker may still get lost is as good as open.
    let unsafe_yet = ended.iter().filter(|one| one.last_offset >= high_watermark);
    let unstable = open.chain(unsafe_yet.map(|one| one.first_offset)).min();
    let expected = unstable.unwrap_or(high_watermark).min(high_watermark);
    assert_eq!(replica.last_stable_offset(), expected);
    // For each offset, those aborted above it that begin below the stable end are all in the
    // list that a reader gets who stops at the first entry that reaches the end.
    for from in 0..replica.log_end().0 {
        let mut listed = Vec::new();
        for one in ended.iter().filter(|one| one.is_aborted) {
            if one.last_offset.0 >= from && one.first_offset < expected {
                listed.push(*one);
            }
            if one.last_stable_offset >= expected {
                break;
            }
        }
        let all = ended.iter().filter(|one| {
            one.is_aborted && one.last_offset.0 >= from && one.first_offset < expected
        });
        let missing = all.filter(|one| !listed.contains(one));
        assert_eq!(missing.count(), 0, "a reader from {from} lacks some");
    }
}

/// Retention may take the beginning of an open transaction; what is left stays hidden.
#[test]
fn a_log_that_loses_the_beginning_of_a_transaction_stays_unstable_until_it_ends() {
    let mut replica = Replica::new(start(0));
    replica.handle_lead(LeaderEpoch(0), &[], 1);
    for sequence in 0..5 {
        let sent = validated(2, Some(batch(7, 0, sequence * 2, sequence * 2 + 1)), true);
        replica.handle_append(&sent, true).unwrap();
    }
    replica.handle_durable(Offset(10));
    assert_eq!(replica.last_stable_offset(), Offset(0));
    replica.handle_log_start(Offset(6));
    assert_eq!(
        replica.last_stable_offset(),
        Offset(6),
        "not below the start"
    );
    replica.handle_expiry(Timestamp(i64::MAX), 1);
    let (_, ended) = replica.handle_marker(&marker(7, 1, true), 2).unwrap();
    assert_eq!(ended.map(|one| one.first_offset), Some(Offset(0)));
    assert_eq!(
        replica.last_stable_offset(),
        Offset(6),
        "the marker may get lost"
    );
    replica.handle_durable(Offset(11));
    assert_eq!(replica.last_stable_offset(), Offset(11));
}

/// A coordinator that was replaced writes nothing any more; one that repeats itself harms nobody.
#[test]
fn markers_of_old_coordinators_are_refused_and_repeated_ones_end_nothing() {
    let mut log = Log::new();
    log.send(batch(1, 0, 0, 0), true).unwrap();
    let by = |coordinator_epoch, epoch| Marker {
        coordinator_epoch,
        ..marker(1, epoch, false)
    };
    assert_eq!(log.mark(by(3, 1), 2), Ok(Some(false)));
    assert_eq!(log.mark(by(3, 1), 2), Ok(None));
    assert_eq!(log.mark(by(4, 1), 2), Ok(None), "a successor repeats it");
    assert!(log.mark(by(3, 1), 2).is_err());
    assert!(log.mark(by(4, 0), 2).is_err(), "that end is long over");
    log.send(batch(1, 1, 0, 0), true).unwrap();
    assert!(
        log.mark(by(4, 1), 2).is_err(),
        "a late one of the end before"
    );
    assert_eq!(log.states.transactions().open_count(), 1);
    assert_eq!(log.mark(by(4, 2), 2), Ok(Some(false)));
    // A producer of which nothing was written here: its marker still fences.
    assert_eq!(log.mark(by(4, 9), 2), Ok(None));
    assert!(log.send(batch(1, 8, 0, 0), true).is_err());
}
