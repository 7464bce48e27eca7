//! No transaction begins unless the coordinator was asked since the last one ended (KIP-890).
//!
//! Story: a request that came late opened a transaction that nobody ended, and readers of
//! committed records waited for ever.

use super::producers_tests::batch;
use super::replica_tests::{start, validated};
use crate::{Admission, AppendError, Marker, ProducerError, ProducerStates, Replica};
use base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use batch::ProducerBatch;

const NOW: Timestamp = Timestamp(1000);

fn leader() -> Replica {
    let mut replica = Replica::new(start(0));
    replica.handle_lead(LeaderEpoch(0), &[], 1);
    replica
}

fn marker(epoch: i16) -> Marker {
    Marker {
        producer_id: ProducerId(7),
        producer_epoch: ProducerEpoch(epoch),
        coordinator_epoch: 0,
        is_abort: true,
        timestamp: NOW,
    }
}

fn send(
    replica: &mut Replica,
    batch: ProducerBatch,
    guard: Option<crate::VerificationGuard>,
) -> Result<bool, ProducerError> {
    let sent = validated(1, Some(batch), true);
    match replica.handle_verified_append(&sent, true, guard) {
        Ok(admission) => Ok(matches!(admission, Admission::Append { .. })),
        Err(AppendError::Producer(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_first_batch_needs_a_guard_and_the_next_ones_do_not() {
    let mut replica = leader();
    let unverified = Err(ProducerError::Unverified);
    assert_eq!(send(&mut replica, batch(7, 0, 0, 0), None), unverified);
    let guard = replica.handle_verification(&batch(7, 0, 0, 0), false, NOW);
    assert!(guard.is_some());
    assert_eq!(send(&mut replica, batch(7, 0, 0, 0), None), unverified);
    assert_eq!(send(&mut replica, batch(7, 0, 0, 0), guard), Ok(true));
    assert_eq!(
        replica.handle_verification(&batch(7, 0, 1, 1), false, NOW),
        None
    );
    assert_eq!(send(&mut replica, batch(7, 0, 1, 1), None), Ok(true));
    // What is in the log already need not be verified, whatever became of its transaction.
    let (_, ended) = replica.handle_marker(&marker(0), 0).unwrap();
    assert!(ended.is_some());
    assert_eq!(
        replica.handle_verification(&batch(7, 0, 1, 1), false, NOW),
        None
    );
    assert_eq!(send(&mut replica, batch(7, 0, 1, 1), None), Ok(false));
    assert_eq!(send(&mut replica, batch(7, 0, 2, 2), None), unverified);
    // Without transactions nobody is asked.
    let plain = validated(1, Some(batch(8, 0, 0, 0)), false);
    assert!(replica.handle_verified_append(&plain, true, None).is_ok());
}

#[test]
fn a_guard_is_worth_nothing_once_a_marker_was_written() {
    let mut replica = leader();
    let late = replica.handle_verification(&batch(7, 0, 0, 0), false, NOW);
    // The coordinator has said yes, but before the batch comes the transaction is aborted.
    replica.handle_marker(&marker(0), 0).unwrap();
    let unverified = Err(ProducerError::Unverified);
    assert_eq!(send(&mut replica, batch(7, 0, 0, 0), late), unverified);
    assert_eq!(replica.producers().transactions().open_count(), 0);
    let again = replica.handle_verification(&batch(7, 0, 0, 0), false, NOW);
    assert_ne!(again, late);
    assert_eq!(send(&mut replica, batch(7, 0, 0, 0), late), unverified);
    assert_eq!(send(&mut replica, batch(7, 0, 0, 0), again), Ok(true));
    // In level two the marker's epoch fences what is late, too.
    let mut replica = leader();
    let late = replica.handle_verification(&batch(7, 0, 0, 0), false, NOW);
    replica.handle_marker(&marker(1), 2).unwrap();
    let (found, current) = (ProducerEpoch(0), ProducerEpoch(1));
    let fenced = Err(ProducerError::InvalidEpoch { found, current });
    assert_eq!(send(&mut replica, batch(7, 0, 0, 0), late), fenced);
}

#[test]
fn batches_under_one_guard_come_in_their_order() {
    let mut replica = leader();
    let first = replica.handle_verification(&batch(7, 0, 5, 5), false, NOW);
    let second = replica.handle_verification(&batch(7, 0, 4, 4), false, NOW);
    assert_eq!(first, second, "the producer has one");
    let overtaken = ProducerError::OutOfOrderSequence { found: 5, last: 3 };
    let sent = send(&mut replica, batch(7, 0, 5, 5), first);
    assert_eq!(sent, Err(overtaken));
    assert_eq!(send(&mut replica, batch(7, 0, 4, 4), second), Ok(true));
    assert_eq!(send(&mut replica, batch(7, 0, 5, 5), None), Ok(true));
    // A later epoch begins anew, and the one before is not asked for any more.
    let raised = replica.handle_verification(&batch(7, 1, 0, 0), false, NOW);
    assert!(raised.is_some(), "what is open is the epoch before's");
    assert_eq!(send(&mut replica, batch(7, 1, 0, 0), raised), Ok(true));
}

#[test]
fn whose_epoch_rises_with_each_transaction_begins_each_at_zero() {
    let mut replica = leader();
    let guard = replica.handle_verification(&batch(7, 0, 5, 5), true, NOW);
    let middle = Err(ProducerError::OutOfOrderSequence { found: 5, last: -1 });
    assert_eq!(send(&mut replica, batch(7, 0, 5, 5), guard), middle);
    assert_eq!(send(&mut replica, batch(7, 0, 0, 4), guard), Ok(true));
    assert_eq!(send(&mut replica, batch(7, 0, 5, 5), None), Ok(true));
    // The marker has the next epoch, of which no batch is remembered then.
    replica.handle_marker(&marker(1), 2).unwrap();
    let guard = replica.handle_verification(&batch(7, 1, 5, 5), true, NOW);
    assert_eq!(send(&mut replica, batch(7, 1, 5, 5), guard), middle);
    // An older client's count goes on over its transactions: a stranger may be anywhere in it.
    let guard = replica.handle_verification(&batch(8, 0, 5, 5), false, NOW);
    assert_eq!(send(&mut replica, batch(8, 0, 5, 5), guard), Ok(true));
    // A coordinator's batch has no sequence number.
    let guard = replica.handle_verification(&batch(9, 0, -1, -1), true, NOW);
    assert_eq!(send(&mut replica, batch(9, 0, -1, -1), guard), Ok(true));
}

#[test]
fn guards_end_with_the_reign_and_with_time_and_are_bounded() {
    let mut replica = leader();
    let unverified = Err(ProducerError::Unverified);
    let guard = replica.handle_verification(&batch(7, 0, 0, 0), false, NOW);
    replica.handle_follow(LeaderEpoch(1));
    let refused = replica.handle_verified_append(&validated(1, None, true), true, guard);
    assert_eq!(refused, Err(AppendError::NotLeader));
    replica.handle_truncate(Offset(0), ProducerStates::new(100));
    replica.handle_lead(LeaderEpoch(2), &[], 1);
    assert_eq!(send(&mut replica, batch(7, 0, 0, 0), guard), unverified);
    let guard = replica.handle_verification(&batch(7, 0, 0, 0), false, NOW);
    replica.handle_expiry(Timestamp(NOW.0 + 499), 500);
    assert_eq!(
        replica.handle_verification(&batch(7, 0, 0, 0), false, NOW),
        guard,
        "not yet"
    );
    replica.handle_expiry(Timestamp(NOW.0 + 500), 500);
    assert_eq!(send(&mut replica, batch(7, 0, 0, 0), guard), unverified);
    let guards = (0..101).map(|id| {
        let now = Timestamp(NOW.0 + id);
        replica.handle_verification(&batch(id, 0, 0, 0), false, now)
    });
    let guards: Vec<_> = guards.collect();
    assert_eq!(
        send(&mut replica, batch(0, 0, 0, 0), guards[0]),
        unverified,
        "the oldest made room"
    );
    assert_eq!(send(&mut replica, batch(1, 0, 0, 0), guards[1]), Ok(true));
}
