//! Records that say who wrote them and which they are, so that a reader can tell a missing one,
//! a repeated one and a changed one from its value alone.
//!
//! A value is the writer's index (4 bytes), the record's number (8 bytes) and filler that follows
//! from both.

use std::time::{SystemTime, UNIX_EPOCH};

use base::{ProducerEpoch, ProducerId, Random, Timestamp};
use batch::{BatchBuilder, BatchOptions, Codec, Compression, Record};

const STAMP_BYTES: usize = 12;

/// Writes records numbered from 0 on.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) index: u32,
    pub(crate) value_bytes: usize,
    pub(crate) codec: Codec,
    /// The identity that makes it idempotent, if it is.
    pub(crate) identity: Option<(ProducerId, ProducerEpoch)>,
    /// The number of the next record; its sequence number too.
    pub(crate) next: u64,
}

/// A batch of consecutive records of one writer.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) bytes: Vec<u8>,
    pub(crate) first: u64,
    pub(crate) count: u64,
}

impl Writer {
    pub(crate) fn new(index: u32, value_bytes: usize) -> Self {
        assert!(
            value_bytes >= STAMP_BYTES,
            "a value holds at least its stamp"
        );
        Self {
            index,
            value_bytes,
            codec: Codec::None,
            identity: None,
            next: 0,
        }
    }

    /// The next `count` records as one batch.
    pub(crate) fn batch(&mut self, count: u64) -> Numbered {
        let (producer_id, producer_epoch) = self
            .identity
            .unwrap_or((ProducerId::NONE, ProducerEpoch(-1)));
        let base_sequence = match self.identity {
            Some(_) => i32::try_from(self.next).expect("tests stay below the wrap of sequences"),
            None => -1,
        };
        let mut builder = BatchBuilder::new(BatchOptions {
            compression: Compression {
                codec: self.codec,
                level: None,
            },
            producer_id,
            producer_epoch,
            base_sequence,
            ..BatchOptions::default()
        });
        let first = self.next;
        let now = wall_clock();
        for number in first..first + count {
            let value = value(self.index, number, self.value_bytes);
            builder.append(now, Some(&number.to_be_bytes()), Some(&value), &[]);
        }
        self.next += count;
        let mut bytes = Vec::new();
        builder.build(&mut bytes).unwrap();
        Numbered {
            bytes,
            first,
            count,
        }
    }
}

/// The writer and the number that a record's value says; fails when any byte of it is wrong.
pub(crate) fn read(record: &Record<'_>) -> (u32, u64) {
    let found = record.value.expect("numbered records have values");
    let index = u32::from_be_bytes(found[..4].try_into().unwrap());
    let number = u64::from_be_bytes(found[4..STAMP_BYTES].try_into().unwrap());
    assert!(
        found == value(index, number, found.len()),
        "record {number} of writer {index} came back with other bytes"
    );
    assert_eq!(record.key, Some(number.to_be_bytes().as_slice()));
    (index, number)
}

fn value(index: u32, number: u64, bytes: usize) -> Vec<u8> {
    let mut value = vec![0; bytes];
    value[..4].copy_from_slice(&index.to_be_bytes());
    value[4..STAMP_BYTES].copy_from_slice(&number.to_be_bytes());
    Random::salted(number, u64::from(index)).fill(&mut value[STAMP_BYTES..]);
    value
}

pub(crate) fn wall_clock() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(now.as_millis()).unwrap())
}
