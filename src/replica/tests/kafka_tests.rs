//! A partition that Kafka 4.3.1 wrote: what we make of its batches is what Kafka made of them.
//!
//! Story: a producer committed, aborted, was replaced while its transaction was open, and took too
//! long; another aborted in between. Aborted transactions and producers' states are Kafka's.

use crate::{CompletedTransaction, ProducerStates};
use base::{Offset, ProducerId};
use batch::{Scratch, next_batch};

/// The log of one partition.
const LOG: &str = "00000000000000000000003a000000000230e1bb3b001000000000000001a1ffc69024000001a1ffc69024000000 \
    00000000000000000000000000000110000000026b02610000000000000000010000004200000000027d55910500 \
    3000000000000001a1ffc6952b000001a1ffc6952b00000000000000000001ffffffff0000000120000000080000 \
    00010c0000000000000000000000000000020000003a0000000002ded437e3001000000000000001a1ffc6940c00 \
    0001a1ffc6940c00000000000000000001000000000000000110000000026b026200000000000000000300000042 \
    00000000029fbb41ed003000000000000001a1ffc6974c000001a1ffc6974c00000000000000000002ffffffff00 \
    0000012000000008000000000c0000000000000000000000000000040000003a00000000022bac1b020010000000 \
    00000001a1ffc6973f000001a1ffc6973f00000000000000000002000000000000000110000000026b0263000000 \
    0000000000050000003a000000000276a710c4001000000000000001a1ffc698ed000001a1ffc698ed0000000000 \
    0000010000000000000000000110000000026b0264000000000000000006000000420000000002c1a15ca4003000 \
    000000000001a1ffc69981000001a1ffc6998100000000000000010001ffffffff00000001200000000800000000 \
    0c000000000000000000000000000007000000420000000002ec88e735003000000000000001a1ffc69a8a000001 \
    a1ffc69a8a00000000000000000003ffffffff000000012000000008000000000c00000000000000000000000000 \
    00080000003a000000000260828410001000000000000001a1ffc69b16000001a1ffc69b16000000000000000000 \
    04000000000000000110000000026b0265000000000000000009000000420000000002675df7c900300000000000 \
    0001a1ffc6f459000001a1ffc6f45900000000000000000005ffffffff000000012000000008000000000c000000 \
    00000000";
/// Its producers' states at its end.
const SNAPSHOT: &str = "0001a14eb17a0000000200000000000000000005ffffffffffffffffffffffff00000000000001a1ffc6f4590000 \
    0000ffffffffffffffff00000000000000010001ffffffffffffffffffffffff00000000000001a1ffc699810000 \
    0000ffffffffffffffff";
/// Its aborted transactions.
const ABORTED: &str = "00000000000000000000000000000000000200000000000000030000000000000004000000000000000000010000 \
    00000000000500000000000000060000000000000004000000000000000000000000000000000004000000000000 \
    000700000000000000080000000000000000000000000000000000080000000000000009000000000000000a";

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

/// An entry of the aborted index.
fn entry(bytes: &[u8]) -> CompletedTransaction {
    let number = |at: usize| i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
    CompletedTransaction {
        producer_id: ProducerId(number(2)),
        first_offset: Offset(number(10)),
        last_offset: Offset(number(18)),
        is_aborted: true,
        last_stable_offset: Offset(number(26)),
    }
}

#[test]
fn replaying_its_batches_gives_its_states_and_its_aborted_transactions() {
    let log = bytes(LOG);
    let mut states = ProducerStates::new(100);
    let mut scratch = Scratch::new();
    let (mut ended, mut rest) = (Vec::new(), log.as_slice());
    while let Some((view, behind)) = next_batch(rest).unwrap() {
        view.verify_checksum().unwrap();
        ended.extend(states.replay(&view, &mut scratch).unwrap());
        rest = behind;
    }
    let aborted: Vec<_> = ended.iter().filter(|one| one.is_aborted).copied().collect();
    let index = bytes(ABORTED);
    let expected: Vec<_> = index.chunks(34).map(entry).collect();
    assert_eq!(aborted, expected);
    assert_eq!(ended.len(), aborted.len() + 1, "one was committed");
    // All of it is agreed upon.
    states.handle_high_watermark(Offset(10));
    let snapshot = bytes(SNAPSHOT);
    assert_eq!(ProducerStates::decode(&snapshot, 100), Ok(states.clone()));
    // Behind the checksum ours is the same, up to the window that Kafka does not look at.
    let ours = states.encode();
    assert_eq!(ours[6..snapshot.len()], snapshot[6..]);
}
