//! A client that was told of a commit before it was durable would skip what it never processed
//! after a crash.

use base::{ProducerEpoch, ProducerId, Timestamp};
use batch::{Compression, Scratch, next_batch, records};
use coordinator::Record;

use super::marker::MarkerRequest;
use super::outbox::{BatchNumber, Outbox, Sending};

const NOW: Timestamp = Timestamp(1_000);

fn outbox(batch_bytes_max: usize) -> Outbox<u64> {
    Outbox::new(BatchNumber(1), Compression::default(), batch_bytes_max)
}

fn records_of(keys: &[&str]) -> Vec<Record> {
    let record = |key: &&str| Record {
        key: key.as_bytes().to_vec(),
        value: None,
    };
    keys.iter().map(record).collect()
}

fn hold(outbox: &mut Outbox<u64>, thing: u64) -> bool {
    outbox.hold(thing).is_none()
}

fn keys(sending: &Sending) -> Vec<String> {
    let Sending::Batch(batch) = sending else {
        panic!("a marker has no keys");
    };
    let (view, rest) = next_batch(batch).unwrap().unwrap();
    assert!(rest.is_empty());
    view.verify_checksum().unwrap();
    let mut scratch = Scratch::new();
    let keys = records(&view, &mut scratch, 1 << 20).unwrap();
    keys.map(|record| String::from_utf8(record.unwrap().key.unwrap().to_vec()).unwrap())
        .collect()
}

#[test]
fn answers_leave_in_order_when_all_before_them_is_durable() {
    let mut outbox = outbox(1 << 20);
    assert!(!hold(&mut outbox, 0), "nothing was said yet");
    outbox.put(NOW, &records_of(&["a"]), None);
    assert!(hold(&mut outbox, 1));
    let (first, bytes) = outbox.next_batch().unwrap();
    assert_eq!(keys(&bytes), ["a"]);
    // Rests on the batch that is on its way, though it says nothing itself.
    assert!(hold(&mut outbox, 2));
    outbox.put(NOW, &records_of(&["b", "c"]), None);
    assert!(hold(&mut outbox, 3));
    let (second, bytes) = outbox.next_batch().unwrap();
    assert_eq!(keys(&bytes), ["b", "c"]);
    outbox.put(NOW, &records_of(&["d"]), None);
    assert!(hold(&mut outbox, 4));
    outbox.put(NOW, &records_of(&["e"]), None);
    assert!(hold(&mut outbox, 5));
    assert!(outbox.next_batch().is_none(), "two are on their way");
    // The second one is heard of first.
    assert_eq!(outbox.durable(second), Vec::<u64>::new());
    let (third, bytes) = outbox.next_batch().unwrap();
    assert_eq!(keys(&bytes), ["d", "e"], "what gathered goes together");
    assert_eq!(outbox.durable(first), [1, 2, 3]);
    assert!(!outbox.is_empty());
    assert_eq!(outbox.durable(third), [4, 5]);
    assert!(outbox.is_empty());
    assert!(!hold(&mut outbox, 6));
}

/// A crash between two batches must not keep half of a step.
#[test]
fn a_step_is_never_cut() {
    let mut outbox = outbox(150);
    let long = "k".repeat(100);
    outbox.put(NOW, &records_of(&[&long, "1"]), None);
    outbox.put(NOW, &records_of(&[&long, "2"]), None);
    outbox.put(NOW, &records_of(&[&long, &long, &long, "3"]), None);
    outbox.put(NOW, &records_of(&["4"]), None);
    let mut batches = Vec::new();
    while let Some((number, bytes)) = outbox.next_batch() {
        batches.push(keys(&bytes));
        let _ = outbox.durable(number);
    }
    let tails: Vec<&str> = batches
        .iter()
        .map(|batch| batch.last().unwrap().as_str())
        .collect();
    assert_eq!(tails, ["1", "2", "3", "4"]);
    assert_eq!(batches[2].len(), 4);
    assert_eq!(outbox.number(), BatchNumber(5));
}

/// A commit that came late was put behind the end of its transaction, the log refused it, and all
/// groups of the partition were loaded anew.
#[test]
fn an_end_on_its_way_is_known_until_it_is_in_the_log() {
    let mut outbox = outbox(1 << 20);
    let end = |epoch| MarkerRequest {
        producer_id: ProducerId(7),
        producer_epoch: ProducerEpoch(epoch),
        coordinator_epoch: 0,
        is_commit: true,
        transaction_version: 2,
    };
    outbox.put(NOW, &records_of(&["a"]), None);
    assert_eq!(outbox.end_of(ProducerId(7)), None);
    outbox.put_marker(end(3));
    outbox.put_marker(end(4));
    let (first, _) = outbox.next_batch().unwrap();
    let (second, _) = outbox.next_batch().unwrap();
    assert_eq!(outbox.end_of(ProducerId(7)), Some(end(4)));
    assert_eq!(outbox.end_of(ProducerId(8)), None);
    outbox.durable(first);
    outbox.durable(second);
    assert_eq!(outbox.end_of(ProducerId(7)), Some(end(4)));
    let (third, _) = outbox.next_batch().unwrap();
    outbox.durable(third);
    assert_eq!(outbox.end_of(ProducerId(7)), None);
}
