//! Offsets that are committed inside transactions, one story at a time (KIP-98, KIP-447).
//!
//! Story: a stream processor's output and the offsets it read up to are one; nobody may begin to read
//! from an offset that a transaction is about to change, and nothing of an aborted one may remain.

use base::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Uuid};

use super::bounds::commit;
use super::model::Batch;
use super::world::{World, config};
use crate::{
    Answer, Ask, Census, CommitPartition, CommitTopic, FetchTopic, Groups, LogEnds, OffsetFetchAsk,
    Planted, Producer, TxnOffsetCommitAsk,
};

const DAY_MS: i64 = 86_400_000;

fn txn(producer: i64, epoch: i16, group: &str, partitions: &[(i32, i64)]) -> Ask {
    let partitions = partitions
        .iter()
        .map(|(partition, offset)| CommitPartition {
            partition: PartitionIndex(*partition),
            offset: Offset(*offset),
            leader_epoch: LeaderEpoch(3),
            metadata: Some("note".to_owned()),
        });
    Ask::TxnOffsetCommit(TxnOffsetCommitAsk {
        transactional_id: "t".to_owned(),
        producer: Producer {
            id: ProducerId(producer),
            epoch: ProducerEpoch(epoch),
        },
        group: group.to_owned(),
        member: String::new(),
        instance: None,
        generation_or_epoch: -1,
        topics: vec![CommitTopic {
            name: "orders".to_owned(),
            id: Uuid::ZERO,
            partitions: partitions.collect(),
        }],
    })
}

/// The offset of one partition as a consumer that needs stable ones hears it.
fn stable(world: &mut World, partition: i32) -> Result<i64, ErrorCode> {
    let (_, answers) = world.ask(Ask::OffsetFetch(OffsetFetchAsk {
        group: "g".to_owned(),
        member: None,
        member_epoch: -1,
        topics: Some(vec![FetchTopic {
            name: "orders".to_owned(),
            id: Uuid::ZERO,
            partitions: vec![PartitionIndex(partition)],
        }]),
        require_stable: true,
    }));
    let [(_, Answer::OffsetFetch(Ok(topics)))] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    let one = &topics[0].partitions[0];
    match one.error {
        ErrorCode::None => Ok(one.offset.get()),
        code => Err(code),
    }
}

fn bytes(world: &World) -> usize {
    let mut census = Census::default();
    assert!(!world.groups.census(&mut census, 100), "all of it at once");
    census.bytes
}

#[test]
fn a_step_names_the_producer_whose_batch_it_is() {
    let mut world = World::new(config(), Planted::default());
    let mut groups = Groups::new(config());
    let step = groups.handle(
        world.now,
        crate::Caller(1),
        txn(7, 2, "g", &[(0, 5), (1, 6)]),
    );
    let producer = Producer {
        id: ProducerId(7),
        epoch: ProducerEpoch(2),
    };
    assert_eq!((step.records.len(), step.producer), (2, Some(producer)));
    let step = groups.handle(world.now, crate::Caller(2), commit("g", "orders", 0, 1));
    assert_eq!((step.records.len(), step.producer), (1, None));
    let Ask::TxnOffsetCommit(mut ask) = txn(7, 2, "g", &[(0, 5)]) else {
        unreachable!();
    };
    ask.topics[0].partitions[0].metadata = Some("x".repeat(5000));
    let step = groups.handle(world.now, crate::Caller(3), Ask::TxnOffsetCommit(ask));
    assert_eq!(
        (step.records.len(), step.producer),
        (0, None),
        "nothing to write"
    );
    world.ask(txn(7, 2, "g", &[(0, 5)]));
    assert_eq!(world.batches, [Batch::Transactional(ProducerId(7))]);
}

#[test]
fn an_empty_group_name_is_refused() {
    let mut world = World::new(config(), Planted::default());
    let (_, answers) = world.ask(txn(1, 0, "", &[(0, 5)]));
    let [(_, Answer::TxnOffsetCommit(Err(refusal)))] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    assert_eq!(refusal.code, ErrorCode::InvalidGroupId);
}

/// A producer that was fenced has its transaction ended under the next epoch, which then begins its
/// own: the end of the first must take the first's offsets along, and leave the second's alone.
#[test]
fn a_later_epoch_ends_the_transaction_of_an_earlier_one() {
    let mut world = World::new(config(), Planted::default());
    world.ask(txn(1, 0, "g", &[(0, 5)]));
    assert_eq!(stable(&mut world, 0), Err(ErrorCode::UnstableOffsetCommit));
    world.end(ProducerId(1), false);
    assert_eq!(stable(&mut world, 0), Ok(-1));
    world.ask(txn(1, 1, "g", &[(0, 7)]));
    world.end(ProducerId(1), true);
    world.end(ProducerId(1), false);
    assert_eq!(stable(&mut world, 0), Ok(7), "the second end finds nothing");
}

/// One transaction may commit for several groups of a partition; its end ends it in all of them.
#[test]
fn a_transaction_over_several_groups_ends_in_all_of_them() {
    let mut world = World::new(config(), Planted::default());
    for group in ["g", "h", "i"] {
        world.ask(txn(1, 0, group, &[(0, 5), (1, 6)]));
        world.ask(txn(2, 0, group, &[(1, 8)]));
    }
    assert_eq!(world.groups.committed_offsets().count(), 0);
    assert_eq!(world.groups.group_summaries().count(), 3);
    world.end(ProducerId(1), true);
    assert_eq!(world.groups.committed_offsets().count(), 6);
    world.restart(world.log.len());
    world.end(ProducerId(2), false);
    assert_eq!(world.groups.committed_offsets().count(), 6);
    assert_eq!(stable(&mut world, 1), Ok(6));
}

/// Lag and status are about what is committed; what a transaction leaves counts from its end on.
#[test]
fn only_what_is_committed_counts_for_lag_and_status() {
    let mut world = World::new(config(), Planted::default());
    let mut ends = LogEnds::default();
    ends.set("orders", 0, Offset(100));
    world.groups.ends_changed(ends.into());
    let empty = bytes(&world);
    world.ask(txn(1, 0, "g", &[(0, 40)]));
    assert!(bytes(&world) > empty + 4, "what waits takes memory");
    assert_eq!(world.groups.committed_offsets().count(), 0);
    let recent = world.groups.committed_since(base::Timestamp(0)).count();
    assert_eq!(recent, 0, "nobody looks up ends for it yet");
    world.now.wall.0 += 5000;
    world.end(ProducerId(1), true);
    let committed: Vec<_> = world.groups.committed_offsets().collect();
    assert_eq!(committed[0].offset, Offset(40));
    assert_eq!(committed[0].committed_at.get(), world.now.wall.get() - 5000);
    let points = world.groups.commit_points(&committed[0]);
    assert_eq!((points.len(), points[0].lag), (1, Some(60)));
    assert_eq!(points[0].at, world.now.wall);
}

/// An offset counts from when it was written. A transaction that ends much later must neither keep it
/// longer nor let the group be forgotten by the checks.
#[test]
fn an_offset_expires_by_when_it_was_written_not_by_when_its_transaction_ended() {
    let mut world = World::new(config(), Planted::default());
    world.ask(txn(1, 0, "g", &[(0, 5)]));
    world.now.wall.0 += 5 * DAY_MS;
    world.ask(commit("g", "orders", 1, 1));
    world.now.wall.0 += DAY_MS;
    world.end(ProducerId(1), true);
    world.now.wall.0 += DAY_MS + 1;
    world.pass(config().retention_check_interval * 2);
    assert_eq!(stable(&mut world, 0), Ok(-1), "seven days are over");
    assert_eq!(stable(&mut world, 1), Ok(1));
    world.now.wall.0 += 6 * DAY_MS;
    world.pass(config().retention_check_interval * 2);
    assert_eq!(world.groups.group_summaries().count(), 0);
}

/// An open transaction keeps the offset that it is about to replace, and its group.
#[test]
fn what_a_transaction_may_change_does_not_expire() {
    let mut world = World::new(config(), Planted::default());
    world.ask(commit("g", "orders", 0, 1));
    world.ask(commit("g", "orders", 1, 2));
    world.ask(txn(1, 0, "g", &[(0, 5), (2, 6)]));
    world.now.wall.0 += 20 * DAY_MS;
    world.pass(config().retention_check_interval * 2);
    let left = world
        .groups
        .committed_offsets()
        .map(|one| one.partition.get());
    assert_eq!(left.collect::<Vec<_>>(), [0]);
    world.end(ProducerId(1), false);
    world.pass(config().retention_check_interval * 3);
    assert_eq!(
        world.groups.group_summaries().count(),
        0,
        "then it goes as any other"
    );
}

/// Another program may have written tombstones into transactions; Kafka takes them in at once.
#[test]
fn a_tombstone_inside_a_transaction_counts_at_once() {
    let mut world = World::new(config(), Planted::default());
    world.ask(commit("g", "orders", 0, 1));
    world.ask(txn(1, 0, "g", &[(0, 5)]));
    let mut record = world.log[0].clone();
    record.value = None;
    world.log.push(record);
    world.batches.push(Batch::Transactional(ProducerId(2)));
    world.restart(3);
    assert_eq!(world.groups.group_summaries().count(), 0);
    world.end(ProducerId(1), true);
    world.end(ProducerId(2), true);
    assert_eq!(world.groups.group_summaries().count(), 0);
}
