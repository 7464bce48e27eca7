//! What was acknowledged, and whether a broker still has it.
//!
//! Invariants checked, per partition: offsets have no gaps; each writer's records are numbered
//! without gap, repetition or disorder; every acknowledged batch is at its acknowledged offset;
//! a record that was never acknowledged may be there or not, but only as the continuation.

use std::collections::BTreeMap;

use crate::connection::Connection;
use crate::log;
use crate::topics::Topic;

/// One acknowledged batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) partition: i32,
    pub(crate) base_offset: i64,
    pub(crate) writer: u32,
    pub(crate) first: u64,
    pub(crate) count: u64,
}

/// All that was acknowledged on one topic.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<(i32, i64), Acknowledged>,
}

/// How far one check has read, so that the next one can go on there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Read {
    next_offset: BTreeMap<i32, i64>,
    next_number: BTreeMap<(i32, u32), u64>,
}

impl Ledger {
    pub(crate) fn extend(&mut self, news: impl IntoIterator<Item = Acknowledged>) {
        for entry in news {
            let before = self
                .entries
                .insert((entry.partition, entry.base_offset), entry);
            assert!(
                before.is_none(),
                "two batches were given one offset: {before:?}, {entry:?}"
            );
        }
    }

    pub(crate) fn records(&self) -> u64 {
        self.entries.values().map(|entry| entry.count).sum()
    }

    /// Compares the topic from where `read` ended with all that was acknowledged since.
    pub(crate) fn check(
        &self,
        connection: &mut Connection,
        topic: &Topic,
        partitions: i32,
        read: &mut Read,
    ) {
        for partition in 0..partitions {
            let from = read.next_offset.get(&partition).copied().unwrap_or(0);
            let mut starts = BTreeMap::new();
            let end = log::each_batch(connection, (topic, partition), from, |batch| {
                let found = log::records_of(batch);
                let first = found[0];
                starts.insert(
                    first.offset,
                    (first.writer, first.number, found.len() as u64),
                );
                for record in found {
                    let expected = read
                        .next_number
                        .entry((partition, record.writer))
                        .or_default();
                    assert_eq!(
                        record.number, *expected,
                        "writer {} at offset {} of partition {partition}",
                        record.writer, record.offset
                    );
                    *expected += 1;
                }
            });
            let due = self.entries.range((partition, from)..(partition + 1, 0));
            for ((_, offset), entry) in due {
                assert_eq!(
                    starts.get(offset),
                    Some(&(entry.writer, entry.first, entry.count)),
                    "acknowledged and lost or moved (the log ends at {end}): {entry:?}"
                );
            }
            read.next_offset.insert(partition, end);
        }
    }
}
