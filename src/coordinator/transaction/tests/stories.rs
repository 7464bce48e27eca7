//! What transcripts cannot say: fresh ids that run out, transactions that grow, many at once.

use std::sync::Arc;
use std::time::Duration;

use base::{ErrorCode, PartitionIndex, ProducerEpoch, ProducerId, Timestamp, TopicPartition};

use super::world::{EPOCH, World, config};
use crate::transaction::{
    AddPartitionsAsk, Answer, Ask, EndAsk, InitAsk, MarkerOutcome, MarkerReport, Planted,
    TransactionLevel, Transactions,
};
use crate::{Caller, Now};

fn init(id: &str) -> Ask {
    Ask::Init(InitAsk {
        transactional_id: id.to_owned(),
        timeout_ms: 60_000,
        expected: None,
        is_legacy: false,
    })
}

fn add(id: &str, producer_id: i64, topic: &str, count: i32) -> Ask {
    let partitions = (0..count).map(|index| TopicPartition {
        topic: topic.to_owned(),
        partition: PartitionIndex(index),
    });
    Ask::AddPartitions(AddPartitionsAsk {
        transactional_id: id.to_owned(),
        producer_id: ProducerId(producer_id),
        producer_epoch: ProducerEpoch(0),
        partitions: partitions.collect(),
        level: TransactionLevel::Two,
        wait: Duration::ZERO,
        is_legacy: false,
    })
}

fn commit(id: &str, producer_id: i64) -> Ask {
    Ask::End(EndAsk {
        transactional_id: id.to_owned(),
        producer_id: ProducerId(producer_id),
        producer_epoch: ProducerEpoch(0),
        is_commit: true,
        level: TransactionLevel::Two,
        is_legacy: false,
    })
}

fn code(answer: &Answer) -> ErrorCode {
    match answer {
        Answer::Init(Err(refusal))
        | Answer::AddPartitions(Err(refusal))
        | Answer::End(Err(refusal)) => refusal.code,
        _ => ErrorCode::None,
    }
}

/// Ids come in blocks from the controller; until the next one is there, new producers wait, while
/// known ones go on.
#[test]
fn producers_wait_when_ids_run_out() {
    let world = World::new(config(), Planted::default());
    let mut machine = Transactions::new(config(), EPOCH);
    let say = |machine: &mut Transactions, ask: Ask| {
        let step = machine.handle(world.now, Caller(1), ask);
        assert_eq!(step.answers.len(), 1);
        (code(&step.answers[0].1), step.records.len())
    };
    assert!(machine.is_short_of_ids());
    let wait = (ErrorCode::CoordinatorLoadInProgress, 0);
    assert_eq!(say(&mut machine, init("a")), wait);
    machine.supply(5..7);
    machine.supply(9..9);
    machine.supply(20..40);
    assert!(!machine.is_short_of_ids());
    for id in ["a", "b", "c"] {
        assert_eq!(say(&mut machine, init(id)), (ErrorCode::None, 1));
    }
    let none = (ErrorCode::None, 1);
    assert_eq!(say(&mut machine, add("a", 5, "t", 1)), none);
    assert_eq!(say(&mut machine, add("b", 6, "t", 1)), none);
    assert_eq!(say(&mut machine, add("c", 20, "t", 1)), none);
}

/// Its record must fit a batch of the log; what does not fit is refused and changes nothing.
#[test]
fn a_transaction_has_room_for_many_partitions_but_not_for_any_number() {
    let mut world = World::new(config(), Planted::default());
    world.ask(init("x"));
    let (_, output) = world.ask(add("x", 1000, &"t".repeat(249), 3000));
    assert_eq!(code(&output.answers[0].1), ErrorCode::None);
    let length = world.log.last().unwrap().value.as_ref().unwrap().len();
    assert!(length < 1 << 20);
    let logged = world.log.len();
    let (_, output) = world.ask(add("x", 1000, &"u".repeat(249), 3000));
    assert_eq!(code(&output.answers[0].1), ErrorCode::RecordListTooLarge);
    assert_eq!(world.log.len(), logged);
    let (_, output) = world.ask(commit("x", 1000));
    assert_eq!(output.markers[0].partitions.len(), 3000);
    assert_eq!(output.markers[0].coordinator_epoch, EPOCH);
    world.mark_all(&output.markers[0], MarkerOutcome::Written);
    assert_eq!(world.log.len(), logged + 2);
}

/// A tick does a bounded amount of work, and the next one follows at once.
#[test]
fn thousands_of_timeouts_and_ids_pass_in_bounded_ticks() {
    let mut now = World::new(config(), Planted::default()).now;
    let mut machine = Transactions::new(config(), EPOCH);
    let _ = machine.loaded(now);
    machine.supply(0..2500);
    for number in 0..2500 {
        let id = format!("x{number}");
        let _ = machine.handle(now, Caller(1), init(&id));
        let _ = machine.handle(now, Caller(1), add(&id, number, "t", 1));
    }
    assert!(machine.is_short_of_ids());
    now.since_start += Duration::from_secs(70);
    let mut markers = Vec::new();
    for count in [1000, 1000, 500, 0] {
        assert_eq!(machine.deadline().unwrap() <= now.since_start, count > 0);
        let step = machine.tick(now);
        assert_eq!(step.markers.len(), count);
        markers.extend(step.markers);
    }
    for markers in markers {
        assert!(!markers.is_commit);
        assert_eq!(markers.producer_epoch, ProducerEpoch(1));
        let step = machine.marked(
            now,
            MarkerReport {
                ticket: markers.ticket,
                transactional_id: markers.transactional_id,
                partition: markers.partitions[0].clone(),
                outcome: MarkerOutcome::Gone,
            },
        );
        assert_eq!(step.records.len(), 1);
    }
    now.since_start += Duration::from_secs(3600);
    now.wall.0 += 604_800_000;
    for count in [1000, 1000, 500, 0] {
        assert_eq!(machine.tick(now).records.len(), count);
    }
    assert_eq!(machine.counts().map(|(_, count)| count).sum::<usize>(), 0);
}

/// The next transaction begins while the markers of the last one are on their way: whoever may wait
/// is answered with the end, in the same step, and not a pause later.
#[test]
fn the_next_transaction_waits_for_the_end_of_the_last() {
    let early = |wait| {
        let Ask::AddPartitions(ask) = add("a", 0, "t", 1) else {
            unreachable!("it adds");
        };
        let producer_epoch = ProducerEpoch(1);
        Ask::AddPartitions(AddPartitionsAsk {
            producer_epoch,
            wait,
            ..ask
        })
    };
    let now = |milliseconds| Now {
        since_start: Duration::from_millis(milliseconds),
        wall: Timestamp(1_000_000),
    };
    let mut machine = Transactions::new(config(), EPOCH);
    machine.supply(0..100);
    let _ = machine.handle(now(0), Caller(0), init("a"));
    let _ = machine.handle(now(0), Caller(1), add("a", 0, "t", 1));
    let ended = machine.handle(now(0), Caller(2), commit("a", 0));
    let [markers] = &ended.markers[..] else {
        panic!("one sending of markers");
    };
    // Who does not wait hears at once, who waits too long hears then.
    let refused = machine.handle(now(1), Caller(3), early(Duration::ZERO));
    assert_eq!(
        code(&refused.answers[0].1),
        ErrorCode::ConcurrentTransactions
    );
    let hundred = Duration::from_millis(100);
    let waiting = machine.handle(now(2), Caller(4), early(hundred));
    assert!(waiting.answers.is_empty() && waiting.records.is_empty());
    assert_eq!(machine.deadline(), Some(Duration::from_millis(102)));
    let late = machine.tick(now(102));
    assert_eq!(late.answers[0].0, Caller(4));
    assert_eq!(code(&late.answers[0].1), ErrorCode::ConcurrentTransactions);
    // Who waits in time goes on with the end.
    let waiting = machine.handle(now(103), Caller(5), early(hundred));
    assert!(waiting.answers.is_empty());
    let report = MarkerReport {
        ticket: markers.ticket,
        transactional_id: Arc::clone(&markers.transactional_id),
        partition: markers.partitions[0].clone(),
        outcome: MarkerOutcome::Written,
    };
    let complete = machine.marked(now(104), report);
    assert_eq!(complete.records.len(), 2, "the end, and the next beginning");
    assert_eq!(
        complete.answers,
        [(Caller(5), Answer::AddPartitions(Ok(())))]
    );
}
