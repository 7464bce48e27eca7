//! Records that Kafka 4.3.1 wrote with `transaction.version` 2: read, understood, written alike.
//!
//! Story: the log of transactions must be readable by Kafka's tools and come back from Kafka. A
//! producer committed twice partitions' worth, aborted once, and was replaced by another instance
//! while a transaction was open.

use crate::transaction::{TransactionReplayError, Transactions, records};

use super::render;
use super::world::{EPOCH, config};

const KEY: &str = "0000000178";
/// In the order of the log, with what they say.
const VALUES: [(&str, &str); 9] = [
    (
        "00010000000000000000000000004e200000000001a1ffc68de4ffffffffffffffff0100080000000000000000",
        "x Empty 0/0 before 0 timeout 20000 level 0 []",
    ),
    (
        "00010000000000000000000000004e2001020274020000000000000001a1ffc691fe000001a1ffc691fe\
         020008000000000000000002020002",
        "x Ongoing 0/0 before 0 timeout 20000 level 2 [t:0]",
    ),
    (
        "00010000000000000000000100004e200401000001a1ffc693db000001a1ffc691fe\
         020008000000000000000002020002",
        "x CompleteCommit 0/1 before 0 timeout 20000 level 2 []",
    ),
    (
        "00010000000000000000000100004e2001020274020000000000000001a1ffc696e5000001a1ffc696e5\
         020008000000000000000002020002",
        "x Ongoing 0/1 before 0 timeout 20000 level 2 [t:0]",
    ),
    (
        "00010000000000000000000200004e2003020274020000000000000001a1ffc69729000001a1ffc696e5\
         020008000000000000000002020002",
        "x PrepareAbort 0/2 before 0 timeout 20000 level 2 [t:0]",
    ),
    (
        "00010000000000000000000200004e200501000001a1ffc6972a000001a1ffc696e5\
         020008000000000000000002020002",
        "x CompleteAbort 0/2 before 0 timeout 20000 level 2 []",
    ),
    (
        "00010000000000000000000300004e2003020274020000000000000001a1ffc69a57000001a1ffc6978e\
         020008000000000000000002020002",
        "x PrepareAbort 0/3 before 0 timeout 20000 level 2 [t:0]",
    ),
    (
        "00010000000000000000000300004e200501000001a1ffc69a6a000001a1ffc6978e\
         020008000000000000000002020002",
        "x CompleteAbort 0/3 before 0 timeout 20000 level 2 []",
    ),
    (
        "00010000000000000000000400004e200000000001a1ffc69ae1ffffffffffffffff\
         020008000000000000000002020002",
        "x Empty 0/4 before 0 timeout 20000 level 2 []",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|digit| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[test]
fn what_kafka_wrote_is_read_and_written_alike() {
    let mut machine = Transactions::new(config(), EPOCH);
    for (hex, meaning) in VALUES {
        let (key, value) = (bytes(KEY), bytes(hex));
        let durable = records::decode_value(&value).unwrap();
        let record = records::encode("x", Some(&durable), 2);
        assert_eq!(render::record(&record), meaning);
        assert_eq!(record.key, key);
        assert_eq!(record.value, Some(value), "{meaning}");
        machine
            .replay(&record.key, record.value.as_deref())
            .unwrap();
    }
    assert_eq!(machine.counts().map(|(_, count)| count).sum::<usize>(), 1);
    let gone = records::encode("x", None, 2);
    machine.replay(&gone.key, gone.value.as_deref()).unwrap();
    assert_eq!(machine.counts().map(|(_, count)| count).sum::<usize>(), 0);
}

/// Without the feature, values are of version 0, which lacks the second level's fields.
#[test]
fn the_feature_decides_the_version() {
    let durable = records::decode_value(&bytes(VALUES[4].0)).unwrap();
    let old = records::encode("x", Some(&durable), 0);
    let value = old.value.unwrap();
    assert_eq!(value[..2], [0, 0]);
    let read = records::decode_value(&value).unwrap();
    assert_eq!(read.partitions, durable.partitions);
    assert_eq!(read.level.number(), 0);
    assert_eq!(read.previous_id.0, -1);
    assert_eq!(records::value_version(1), 1);
}

#[test]
fn what_makes_no_sense_is_refused_and_what_is_unknown_passed_over() {
    let mut machine = Transactions::new(config(), EPOCH);
    let key = bytes(KEY);
    let mut value = bytes(VALUES[0].0);
    value[16] = 6;
    assert_eq!(
        machine.replay(&key, Some(&value)),
        Err(TransactionReplayError::Status(6))
    );
    for length in 0..value.len() {
        let torn = machine.replay(&key, Some(&value[..length]));
        let text = torn.unwrap_err().to_string();
        assert!(text.contains("__transaction_state"), "{text}");
    }
    machine.replay(&[0, 9, 1, 2, 3], Some(&[1])).unwrap();
    assert_eq!(machine.counts().map(|(_, count)| count).sum::<usize>(), 0);
    // Hostile bytes make no panic.
    let mut random = base::Random::salted(1, 61);
    for _ in 0..2000 {
        let length = usize::try_from(random.below(60)).unwrap();
        let noise: Vec<u8> = (0..length)
            .map(|_| u8::try_from(random.below(256)).unwrap())
            .collect();
        let _ = machine.replay(&noise, Some(&noise));
        let _ = machine.replay(&key, Some(&noise));
    }
}
