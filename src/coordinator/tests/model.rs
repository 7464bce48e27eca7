//! What is committed and what waits, told from the log as Kafka tells it: by the places of records.
//!
//! Story: the machine keeps no places of records, only an order of those that wait; this fold of the
//! same log does, and both must come to the same.

use std::collections::BTreeMap;

use base::{ErrorCode, PartitionIndex, ProducerId};
use wire::record::consumer_offsets_offset_commit::OffsetCommitValue;
use wire::{ConsumerOffsetsKey as Key, decode_versioned};

use crate::{Answer, Groups, OffsetFetchAsk, Record};

/// What kind of batch an entry of the log stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    /// One in no transaction.
    Ordinary,
    /// One in a producer's transaction.
    Transactional(ProducerId),
    /// The end of a producer's transaction; there is no record.
    End(ProducerId, bool),
}

type Place = (String, String, i32);

fn place(group: &str, topic: &str, partition: PartitionIndex) -> Place {
    (group.to_owned(), topic.to_owned(), partition.get())
}

/// An offset and where in the log it stands.
type Written = (i64, usize);

/// The fold of the log.
#[derive(Debug, Default)]
pub(super) struct Model {
    committed: BTreeMap<Place, Written>,
    pub(super) pending: BTreeMap<ProducerId, BTreeMap<Place, Written>>,
    /// How many offsets a transaction's end left as they were, since later ones were there.
    pub(super) overtaken: usize,
}

impl Model {
    pub(super) fn apply(&mut self, at: usize, record: &Record, batch: Batch) {
        if let Batch::End(producer, is_commit) = batch {
            return self.end(producer, is_commit);
        }
        let Ok(Key::OffsetCommit(key)) = Key::decode(&record.key) else {
            return;
        };
        let place = (key.group.to_string(), key.topic.to_string(), key.partition);
        let Some(value) = &record.value else {
            self.committed.remove(&place);
            for offsets in self.pending.values_mut() {
                offsets.remove(&place);
            }
            return;
        };
        let (_, value): (_, OffsetCommitValue<'_>) = decode_versioned(value).unwrap();
        let offsets = match batch {
            Batch::Transactional(producer) => self.pending.entry(producer).or_default(),
            _ => &mut self.committed,
        };
        offsets.insert(place, (value.offset, at));
    }

    fn end(&mut self, producer: ProducerId, is_commit: bool) {
        let offsets = self.pending.remove(&producer).unwrap_or_default();
        for (place, written) in offsets.into_iter().filter(|_| is_commit) {
            let before = self.committed.get(&place);
            if before.is_none_or(|before| before.1 < written.1) {
                self.committed.insert(place, written);
            } else {
                self.overtaken += 1;
            }
        }
    }

    fn is_pending(&self, place: &Place) -> bool {
        self.pending
            .values()
            .any(|offsets| offsets.contains_key(place))
    }

    /// The machine must say the same is committed.
    pub(super) fn check(&self, groups: &Groups) {
        let said: Vec<(Place, i64)> = groups
            .committed_offsets()
            .map(|one| (place(one.group, one.topic, one.partition), one.offset.get()))
            .collect();
        let told = self.committed.iter();
        let told: Vec<(Place, i64)> = told
            .map(|(place, (offset, _))| (place.clone(), *offset))
            .collect();
        assert_eq!(said, told, "what is committed, and what the log says");
    }

    /// Whoever asked must hear what the log says, and nothing of what transactions may change.
    pub(super) fn check_fetch(&self, ask: &OffsetFetchAsk, answer: &Answer) -> usize {
        let Answer::OffsetFetch(Ok(topics)) = answer else {
            return 0;
        };
        let mut unstable = 0;
        for topic in topics {
            for one in &topic.partitions {
                let place = place(&ask.group, &topic.name, one.partition);
                let is_unstable = ask.require_stable && self.is_pending(&place);
                let offset = match self.committed.get(&place) {
                    Some((offset, _)) if !is_unstable => *offset,
                    _ => -1,
                };
                let is_told_so = one.error == ErrorCode::UnstableOffsetCommit;
                assert_eq!(
                    (one.offset.get(), is_told_so),
                    (offset, is_unstable),
                    "{ask:?} hears {one:?} of {place:?}"
                );
                unstable += usize::from(is_unstable);
            }
        }
        unstable
    }
}
