//! What the simulation looks at: owners per generation, offsets, expiry.

use std::collections::BTreeMap;
use std::fmt;

use wire::record::consumer_offsets_offset_commit::OffsetCommitValue;
use wire::{ConsumerOffsetsKey as Key, decode_versioned};

use crate::{Answer, Ask, GroupSummary, Record};

/// A partition's committed offset, when it was committed, and where in the log that stands.
type Committed = BTreeMap<i32, (i64, i64, usize)>;

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
    /// Who made the commits, by their place in the log.
    authors: BTreeMap<usize, Author>,
    seen: usize,
    members_before: usize,
    generations: usize,
    commits: usize,
    expired: usize,
    reloads: usize,
    refused: usize,
}

impl Watch {
    pub(super) fn asked(&mut self, _ask: &Ask, group: Option<&GroupSummary>) {
        self.members_before = group.map_or(0, |group| group.members);
    }

    /// Looks at the records that are new in the log.
    pub(super) fn logged(&mut self, log: &[Record], wall: i64, ask: Option<&Ask>, members: usize) {
        for (at, record) in log.iter().enumerate().skip(self.seen) {
            let Ok(Key::OffsetCommit(key)) = Key::decode(&record.key) else {
                self.generations += usize::from(record.value.is_some());
                self.removals += usize::from(record.value.is_none());
                continue;
            };
            let partition = key.partition;
            let before = self.committed.get(&partition).copied();
            let Some(value) = &record.value else {
                self.committed.remove(&partition);
                if ask.is_none() {
                    self.expired += 1;
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
                _ => panic!("{ask:?} committed an offset"),
            };
            // After a restart a generation that was not durable is followed by the one before it: a
            // member that was in it begins again at what is committed, and may hear later that its
            // own commit from before was still on the way.
            let is_own = before.is_some_and(|(.., at)| self.authors.get(&at) == Some(&author));
            let is_reset = author.0.is_empty();
            assert!(
                is_reset || is_own || before.is_none_or(|(before, ..)| value.offset >= before),
                "the offset of {partition} went back from {before:?} to {} by {ask:?}",
                value.offset
            );
            self.commits += 1;
            self.authors.insert(at, author);
            let committed = (value.offset, value.commit_timestamp, at);
            self.committed.insert(partition, committed);
        }
        self.seen = log.len();
        self.members_before = members;
    }

    /// The log was cut: what stands behind is as if it had never been.
    pub(super) fn reloaded(&mut self, log: &[Record], kept: usize) {
        self.reloads += 1;
        self.seen = kept;
        self.members_before = 0;
        self.committed.clear();
        self.removals = 0;
        self.authors.split_off(&kept);
        for (at, record) in log.iter().enumerate().take(kept) {
            let Ok(Key::OffsetCommit(key)) = Key::decode(&record.key) else {
                self.removals += usize::from(record.value.is_none());
                continue;
            };
            match &record.value {
                Some(value) => {
                    let (_, value): (_, OffsetCommitValue<'_>) = decode_versioned(value).unwrap();
                    let committed = (value.offset, value.commit_timestamp, at);
                    self.committed.insert(key.partition, committed);
                }
                None => {
                    self.committed.remove(&key.partition);
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
    }

    /// A run in which nothing happens proves nothing.
    pub(super) fn assert_lively(&self) {
        let figures = [
            self.generations,
            self.commits,
            self.expired,
            self.reloads,
            self.refused,
        ];
        assert!(figures.iter().all(|figure| *figure >= 20), "{self}");
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} group records, {} commits, {} refused, {} offsets expired, {} reloads",
            self.generations, self.commits, self.refused, self.expired, self.reloads
        )
    }
}
