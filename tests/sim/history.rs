//! What producers and consumers of one partition were told, held against what its log holds after
//! a crash.
//!
//! Every record has a name, its producer and its place in the order in which that producer sent,
//! and bytes that follow from the name. So a record that is lost, doubled, moved, reordered or
//! changed is seen, whoever was told what about it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use base::{Offset, Random};

/// A record's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// Who sent it.
    pub(crate) producer: u32,
    /// Its place among what that producer sent, from zero.
    pub(crate) place: u32,
}

impl Name {
    /// The bytes of the record with this name.
    pub(crate) fn value(self) -> Vec<u8> {
        let mut random = Random::salted(u64::from(self.producer), u64::from(self.place));
        // Mostly small, sometimes more than a few blocks.
        let bound = if random.chance(1, 20) { 4_000 } else { 300 };
        let len = 8 + usize::try_from(random.below(bound)).unwrap();
        let mut value = vec![0; len];
        random.fill(&mut value[8..]);
        value[..4].copy_from_slice(&self.producer.to_be_bytes());
        value[4..8].copy_from_slice(&self.place.to_be_bytes());
        value
    }

    /// The name of the record with these bytes.
    pub(crate) fn of(value: &[u8]) -> Self {
        let word = |at: usize| u32::from_be_bytes(value[at..at + 4].try_into().unwrap());
        let name = Self {
            producer: word(0),
            place: word(4),
        };
        assert!(name.value() == value, "the bytes of {name:?} were changed");
        name
    }
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct History {
    told: RefCell<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// How many records each producer has sent at least once.
    sent: BTreeMap<u32, u32>,
    /// What acknowledgements or fetches showed, and who showed it.
    known: BTreeMap<Offset, (Name, &'static str)>,
    /// How many of each producer's records must be there, wherever: a prefix of what it sent.
    kept: BTreeMap<u32, u32>,
    acked_count: u64,
    fetched_count: u64,
}

impl History {
    /// A producer is about to send its records below `places`.
    pub(crate) fn note_sent(&self, producer: u32, places: u32) {
        let mut told = self.told.borrow_mut();
        let sent = told.sent.entry(producer).or_default();
        *sent = (*sent).max(places);
    }

    /// A producer was told that a record is at `offset`, for good.
    pub(crate) fn note_acked(&self, offset: Offset, name: Name) {
        self.told.borrow_mut().acked_count += 1;
        self.note(offset, name, "acknowledged");
    }

    /// A producer was told that a record is there, but not where.
    pub(crate) fn note_kept(&self, name: Name) {
        let mut told = self.told.borrow_mut();
        told.acked_count += 1;
        let kept = told.kept.entry(name.producer).or_default();
        *kept = (*kept).max(name.place + 1);
    }

    /// A consumer was shown a record at `offset`.
    pub(crate) fn note_fetched(&self, offset: Offset, name: Name) {
        self.told.borrow_mut().fetched_count += 1;
        self.note(offset, name, "fetched");
    }

    fn note(&self, offset: Offset, name: Name, how: &'static str) {
        let mut told = self.told.borrow_mut();
        let sent = told.sent.get(&name.producer).copied().unwrap_or(0);
        assert!(name.place < sent, "{name:?} was {how} but never sent");
        if let Some((before, told_how)) = told.known.insert(offset, (name, how)) {
            assert_eq!(
                before, name,
                "{how} at {offset} where another was {told_how}"
            );
        }
    }

    /// How many records were acknowledged and how many fetched so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let told = self.told.borrow();
        (told.acked_count, told.fetched_count)
    }

    /// Holds what was told against the whole log: everything told is there, nothing is doubled,
    /// each producer's records stand in the order of sending and without a gap.
    pub(crate) fn check(&self, log: &[(Offset, Name)]) {
        let told = self.told.borrow();
        let mut found = BTreeMap::new();
        let mut next_offset = log.first().map_or(Offset(0), |(offset, _)| *offset);
        let mut next_places: BTreeMap<u32, u32> = BTreeMap::new();
        for (offset, name) in log {
            assert_eq!(
                *offset, next_offset,
                "offsets have neither gaps nor steps back"
            );
            next_offset = offset.plus(1);
            let next_place = next_places.entry(name.producer).or_default();
            assert_eq!(
                name.place, *next_place,
                "at {offset}: producer {} is doubled, reordered or has a gap",
                name.producer
            );
            *next_place += 1;
            let sent = told.sent.get(&name.producer).copied().unwrap_or(0);
            assert!(name.place < sent, "at {offset}: {name:?} was never sent");
            found.insert(*offset, *name);
        }
        for (producer, kept) in &told.kept {
            let there = next_places.get(producer).copied().unwrap_or(0);
            assert!(
                there >= *kept,
                "producer {producer} was told that its first {kept} records are there; the log \
                 has {there}"
            );
        }
        for (offset, (name, how)) in &told.known {
            let there = found.get(offset);
            assert!(
                there == Some(name),
                "{name:?} was {how} at {offset}, where now is {there:?}; the log ends at \
                 {next_offset}"
            );
        }
    }
}
