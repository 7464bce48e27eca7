//! A reader of committed records is given those of aborted transactions too, with a list of these. Kafka's
//! consumers leave them out by the list; one that forgets to end a transaction at its marker would leave out the same
//! producer's next one.

use base::{Offset, ProducerEpoch, ProducerId, Timestamp};
use batch::{BatchBuilder, BatchOptions, Batches, EndMarker};

use crate::committed::{AbortedTransaction, CommittedFilter};

const TIME: Timestamp = Timestamp(1_000);

/// Batches of a log, each at the offset behind the one before.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    end: i64,
}

impl Log {
    fn add(&mut self, mut bytes: Vec<u8>) -> i64 {
        let begin = self.end;
        bytes[..8].copy_from_slice(&begin.to_be_bytes());
        let batch = Batches::new(&bytes).next().unwrap().unwrap();
        self.end = batch.next_offset().0;
        self.bytes.extend(&bytes);
        begin
    }

    fn write(&mut self, producer: i64, is_transactional: bool) -> i64 {
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: ProducerId(producer),
            producer_epoch: ProducerEpoch(0),
            base_sequence: 0,
            is_transactional,
            ..BatchOptions::default()
        });
        for _ in 0..3 {
            builder.append(TIME, None, Some(b"value"), &[]);
        }
        let mut bytes = Vec::new();
        builder.build(&mut bytes).unwrap();
        self.add(bytes)
    }

    fn end(&mut self, producer: i64, is_abort: bool) {
        let marker = EndMarker {
            producer_id: ProducerId(producer),
            producer_epoch: ProducerEpoch(0),
            coordinator_epoch: 0,
            is_abort,
            timestamp: TIME,
        };
        self.add(marker.batch());
    }

    /// The base offsets of what is left in.
    fn read(&self, aborted: &[(i64, i64)]) -> Vec<i64> {
        let aborted: Vec<AbortedTransaction> = aborted
            .iter()
            .map(|(producer, first)| AbortedTransaction {
                producer_id: ProducerId(*producer),
                first_offset: Offset(*first),
            })
            .collect();
        let mut filter = CommittedFilter::new(&aborted);
        Batches::new(&self.bytes)
            .map(Result::unwrap)
            .filter(|batch| filter.admits(batch))
            .map(|batch| batch.base_offset().0)
            .collect()
    }
}

#[test]
fn only_the_aborted_transaction_of_a_producer_is_left_out() {
    let mut log = Log::default();
    let kept = log.write(1, true);
    log.end(1, false);
    let aborted = log.write(1, true);
    log.write(1, true);
    log.end(1, true);
    let next = log.write(1, true);
    log.end(1, false);
    assert_eq!(log.read(&[(1, aborted)]), [kept, next]);
}

#[test]
fn producers_in_between_are_not_touched() {
    let mut log = Log::default();
    let first = log.write(1, true);
    let second = log.write(2, true);
    let plain = log.write(1, false);
    let other = log.write(3, true);
    log.end(3, false);
    log.end(1, true);
    log.end(2, true);
    let again = log.write(2, true);
    // In whatever order they are named.
    assert_eq!(log.read(&[(2, second), (1, first)]), [plain, other, again]);
    assert_eq!(log.read(&[(1, first), (2, second)]), [plain, other, again]);
}

#[test]
fn a_fetch_may_begin_inside_a_transaction() {
    let mut log = Log {
        bytes: Vec::new(),
        end: 100,
    };
    log.write(1, true);
    log.end(1, true);
    let next = log.write(1, true);
    assert_eq!(log.read(&[(1, 40)]), [next]);
}
