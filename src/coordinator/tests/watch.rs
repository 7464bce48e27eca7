//! What the simulation looks at: owners per generation, offsets, expiry.

use std::collections::BTreeMap;
use std::fmt;

use base::ProducerId;
use wire::record::consumer_offsets_offset_commit::OffsetCommitValue;
use wire::{ConsumerOffsetsKey as Key, decode_versioned};

use super::model::Batch;
use crate::{Answer, Ask, GroupSummary, Record};

/// A partition's committed offset, when it was committed, and where in the log that stands.
type Committed = BTreeMap<i32, (i64, i64, usize)>;

/// A log: its records, and for each the kind of its batch.
type Log<'l> = (&'l [Record], &'l [Batch]);

/// The member and generation that a commit names.
type Author = (String, i32);

/// For whom an assignment is asked: a member of one generation of one life of the group.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) name: String,
    pub(super) removals: usize,
    pub(super) generation: i32,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Watch {
    owners: BTreeMap<(usize, i32, u8), String>,
    /// How often the group was removed: the generations of a group made anew begin at one again.
    pub(super) removals: usize,
    committed: Committed,
    /// What waits for the end of its producer's transaction.
    pending: BTreeMap<ProducerId, Committed>,
    /// Who made the commits, by their place in the log.
    authors: BTreeMap<usize, Author>,
    seen: usize,
    members_before: usize,
    generations: usize,
    commits: usize,
    expired: usize,
    reloads: usize,
    refused: usize,
    kept: usize,
    aborted: usize,
    pub(super) unstable: usize,
    pub(super) overtaken: usize,
}

impl Watch {
    pub(super) fn asked(&mut self, _ask: &Ask, group: Option<&GroupSummary>) {
        self.members_before = group.map_or(0, |group| group.members);
    }

    /// Looks at the records that are new in the log.
    pub(super) fn logged(
        &mut self,
        (log, batches): Log<'_>,
        wall: i64,
        ask: Option<&Ask>,
        members: usize,
    ) {
        let entries = log.iter().zip(batches).enumerate();
        for (at, (record, batch)) in entries.skip(self.seen) {
            if let Batch::End(producer, is_commit) = *batch {
                self.ended(producer, is_commit);
                continue;
            }
            let Ok(Key::OffsetCommit(key)) = Key::decode(&record.key) else {
                self.generations += usize::from(record.value.is_some());
                self.removals += usize::from(record.value.is_none());
                continue;
            };
            let partition = key.partition;
            let Some(value) = &record.value else {
                let before = self.committed.get(&partition).copied();
                self.committed.remove(&partition);
                let waiting = self.pending.values_mut();
                let waiting = waiting.filter_map(|offsets| offsets.remove(&partition));
                let waiting = waiting.count();
                if ask.is_none() {
                    self.expired += 1;
                    assert_eq!(
                        waiting, 0,
                        "an offset expired that a transaction may change"
                    );
                    assert_eq!(
                        (self.members_before, members),
                        (0, 0),
                        "an offset expired while members use it"
                    );
                    let (_, committed_at, _) = before.expect("what expires was committed");
                    assert!(
                        wall - committed_at >= 7 * 86_400_000,
                        "an offset expired {} ms after its commit",
                        wall - committed_at
                    );
                }
                continue;
            };
            let (_, value): (_, OffsetCommitValue<'_>) = decode_versioned(value).unwrap();
            let author = match ask {
                Some(Ask::OffsetCommit(ask)) => (ask.member.clone(), ask.generation_or_epoch),
                Some(Ask::TxnOffsetCommit(ask)) => (ask.member.clone(), ask.generation_or_epoch),
                _ => panic!("{ask:?} committed an offset"),
            };
            self.authors.insert(at, author);
            let committed = (value.offset, value.commit_timestamp, at);
            match batch {
                Batch::Transactional(producer) => {
                    let waiting = self.pending.entry(*producer).or_default();
                    waiting.insert(partition, committed);
                }
                _ => self.commit(partition, committed),
            }
        }
        self.seen = log.len();
        self.members_before = members;
    }

    /// What a transaction left becomes the committed offsets, or is dropped.
    fn ended(&mut self, producer: ProducerId, is_commit: bool) {
        let waiting = self.pending.remove(&producer).unwrap_or_default();
        for (partition, committed) in waiting {
            let before = self.committed.get(&partition);
            if !is_commit {
                self.aborted += 1;
            } else if before.is_none_or(|before| before.2 < committed.2) {
                self.kept += 1;
                self.commit(partition, committed);
            }
        }
    }

    fn commit(&mut self, partition: i32, committed: (i64, i64, usize)) {
        let before = self.committed.insert(partition, committed);
        let author = self.authors.get(&committed.2).expect("somebody wrote it");
        // After a restart a generation that was not durable is followed by the one before it: a
        // member that was in it begins again at what is committed, and may hear later that its
        // own commit from before was still on the way.
        let is_own = before.is_some_and(|(.., at)| self.authors.get(&at) == Some(author));
        let is_reset = author.0.is_empty();
        assert!(
            is_reset || is_own || before.is_none_or(|(before, ..)| committed.0 >= before),
            "the offset of {partition} went back from {before:?} to {committed:?} by {author:?}"
        );
        self.commits += 1;
    }

    /// The log was cut: what stands behind is as if it had never been.
    pub(super) fn reloaded(&mut self, (log, batches): Log<'_>, kept: usize) {
        self.reloads += 1;
        self.seen = kept;
        self.members_before = 0;
        self.committed.clear();
        self.pending.clear();
        self.removals = 0;
        self.authors.split_off(&kept);
        let entries = log.iter().zip(batches).enumerate();
        for (at, (record, batch)) in entries.take(kept) {
            if let Batch::End(producer, is_commit) = *batch {
                let waiting = self.pending.remove(&producer).unwrap_or_default();
                for (partition, committed) in waiting.into_iter().filter(|_| is_commit) {
                    let before = self.committed.get(&partition);
                    if before.is_none_or(|before| before.2 < committed.2) {
                        self.committed.insert(partition, committed);
                    }
                }
                continue;
            }
            let Ok(Key::OffsetCommit(key)) = Key::decode(&record.key) else {
                self.removals += usize::from(record.value.is_none());
                continue;
            };
            match &record.value {
                Some(value) => {
                    let (_, value): (_, OffsetCommitValue<'_>) = decode_versioned(value).unwrap();
                    let committed = (value.offset, value.commit_timestamp, at);
                    let offsets = match batch {
                        Batch::Transactional(producer) => {
                            self.pending.entry(*producer).or_default()
                        }
                        _ => &mut self.committed,
                    };
                    offsets.insert(key.partition, committed);
                }
                None => {
                    self.committed.remove(&key.partition);
                    for waiting in self.pending.values_mut() {
                        waiting.remove(&key.partition);
                    }
                }
            }
        }
    }

    /// An assignment was handed out: nobody else has any of it in this generation. A static member
    /// that came back owns what it owned; its former self is fenced, so its name is the owner's.
    pub(super) fn released(&mut self, owner: Option<Owner>, answer: &Answer) {
        self.refused += usize::from(matches!(answer, Answer::OffsetCommit(Err(_))));
        let (Some(owner), Answer::Sync(Ok(sync))) = (owner, answer) else {
            return;
        };
        let Owner { name, .. } = owner;
        for partition in sync.assignment.iter() {
            let place = (owner.removals, owner.generation, *partition);
            let known = self.owners.entry(place).or_insert_with(|| name.clone());
            assert_eq!(*known, name, "two owners of {place:?}");
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.generations += other.generations;
        self.commits += other.commits;
        self.expired += other.expired;
        self.reloads += other.reloads;
        self.refused += other.refused;
        self.kept += other.kept;
        self.aborted += other.aborted;
        self.unstable += other.unstable;
        self.overtaken += other.overtaken;
    }

    /// A run in which nothing happens proves nothing.
    pub(super) fn assert_lively(&self) {
        let figures = [
            self.generations,
            self.commits,
            self.expired,
            self.reloads,
            self.refused,
            self.kept,
            self.aborted,
            self.unstable,
            self.overtaken,
        ];
        assert!(figures.iter().all(|figure| *figure >= 20), "{self}");
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} group records, {} commits, {} refused, {} offsets expired, {} reloads; in \
             transactions {} offsets kept, {} dropped, {} overtaken, {} told to be unstable",
            self.generations,
            self.commits,
            self.refused,
            self.expired,
            self.reloads,
            self.kept,
            self.aborted,
            self.overtaken,
            self.unstable
        )
    }
}
