//! What everybody was told of a log that lets go of records on purpose, held against what it has.
//!
//! A record may be gone only for a reason that its topic's configuration gives: it lies below the
//! log's start, and that rose by DeleteRecords or past the limits of retention; or a later record
//! of its key was there to replace it; or it deletes its key and its time is over. All bounds are
//! one-sided: where the ledger cannot know better, it believes the log.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use base::{Offset, Timestamp};

use crate::history::Name;
use crate::keyed::{Page, Seen};

/// What the topic's configuration lets go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// How many keys there are.
    pub(crate) keys: u64,
    pub(crate) compacts: bool,
    pub(crate) deletes: bool,
    pub(crate) retention_ms: u64,
    pub(crate) retention_bytes: u64,
    pub(crate) delete_retention_ms: u64,
}

/// A record that was sent at least once.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// When it was sent first.
    at: Timestamp,
    timestamp: Timestamp,
    /// Where it is, once anybody was told.
    offset: Option<Offset>,
}

/// See the head of this file.
pub(crate) struct Ledger {
    rules: Rules,
    told: RefCell<Told>,
}

/// How much was promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Promised {
    pub(crate) acked: u64,
    pub(crate) fetched: u64,
    /// Records below the log's start.
    pub(crate) deleted: u64,
    /// Records that compaction took.
    pub(crate) compacted: u64,
}

#[derive(Default)]
struct Told {
    sent: BTreeMap<Name, Sent>,
    /// Those nobody was told about.
    unplaced: BTreeSet<Name>,
    known: BTreeMap<Offset, (Name, &'static str)>,
    /// Where the known records of each key are.
    of_key: BTreeMap<u64, BTreeSet<Offset>>,
    /// The sizes of batches: by base offset, or by first name where that is not known.
    batches: BTreeMap<Offset, u64>,
    batches_unplaced: BTreeMap<Name, u64>,
    /// The greatest start of the log that anybody was told.
    start: Offset,
    /// Up to where somebody asked to delete.
    asked: Offset,
    /// Up to where compaction may have taken something.
    cleaned: Offset,
    promised: Promised,
}

impl Ledger {
    pub(crate) fn new(rules: Rules) -> Self {
        let told = RefCell::default();
        Self { rules, told }
    }

    /// A producer is about to send a batch of these records for the first time.
    pub(crate) fn note_sent(&self, names: &[(Name, Timestamp)], len: usize, at: Timestamp) {
        let mut told = self.told.borrow_mut();
        for (name, timestamp) in names {
            let sent = Sent {
                at,
                timestamp: *timestamp,
                offset: None,
            };
            assert!(
                told.sent.insert(*name, sent).is_none(),
                "names are used once"
            );
            told.unplaced.insert(*name);
        }
        told.batches_unplaced.insert(names[0].0, len as u64);
    }

    /// A producer was told that its batch begins at `base`.
    pub(crate) fn note_acked(&self, base: Offset, first: Name, count: u32) {
        let mut told = self.told.borrow_mut();
        let len = told.batches_unplaced.remove(&first);
        let len = len.expect("a batch is acknowledged once");
        told.batches.insert(base, len);
        for index in 0..count {
            let name = Name {
                place: first.place + index,
                ..first
            };
            told.note(
                base.plus(index.into()),
                name,
                self.rules.keys,
                "acknowledged",
            );
        }
        told.promised.acked += u64::from(count);
    }

    /// The greatest start of the log that anybody was told.
    pub(crate) fn start(&self) -> Offset {
        self.told.borrow().start
    }

    /// Somebody asks to delete what is below `to`.
    pub(crate) fn note_asked(&self, to: Offset) {
        let mut told = self.told.borrow_mut();
        told.asked = told.asked.max(to);
    }

    /// From now on compaction may take records below `end`.
    pub(crate) fn note_cleaning(&self, end: Offset) {
        let mut told = self.told.borrow_mut();
        told.cleaned = told.cleaned.max(end);
    }

    /// Somebody is told at `now` that the log starts at `start`, who began to ask when others
    /// had been told of `before`.
    pub(crate) fn note_start(&self, start: Offset, before: Offset, now: Timestamp) {
        let mut told = self.told.borrow_mut();
        assert!(
            start >= before,
            "the log starts at {start}, and somebody was told {before}"
        );
        if start <= told.start {
            return;
        }
        for (offset, (name, how)) in told.known.range(told.start..start) {
            // What compaction took no longer keeps its segment from being past its time.
            let is_compacted = self.rules.compacts
                && *offset < told.cleaned
                && told.may_compact(*offset, *name, &self.rules, now, false);
            assert!(
                is_compacted || told.may_delete(*offset, *name, &self.rules, now),
                "{name:?}, {how} at {offset}, was deleted: the log starts at {start}, {now:?}"
            );
        }
        told.promised.deleted += start.0.abs_diff(told.start.0);
        told.start = start;
    }

    /// A consumer that stood at `from` was shown `page`.
    pub(crate) fn note_page(&self, from: Offset, page: &Page, now: Timestamp) {
        let mut told = self.told.borrow_mut();
        let Some(next) = page.next else {
            return;
        };
        let fresh = page.records.iter().filter(|seen| seen.offset >= from);
        let before = told.known.len();
        for seen in fresh {
            told.note_seen(seen, self.rules.keys, "fetched");
        }
        told.promised.fetched += (told.known.len() - before) as u64;
        let there = offsets(page);
        let gone = told.known.range(from..next.max(from));
        for (offset, _) in gone.filter(|(offset, _)| !there.contains(offset)) {
            told.expect_rightly_gone(*offset, &self.rules, now, false);
        }
    }

    /// Somebody was told that the first record not older than `timestamp` is at `found`, or that
    /// there is none below it.
    pub(crate) fn note_looked_up(&self, timestamp: Timestamp, found: Offset, now: Timestamp) {
        let told = self.told.borrow();
        for (offset, (name, _)) in told.known.range(..found) {
            if told.sent[name].timestamp >= timestamp {
                told.expect_rightly_gone(*offset, &self.rules, now, false);
            }
        }
    }

    /// Holds what was told against the whole log, which nobody writes to.
    pub(crate) fn check(&self, page: &Page, (start, end): (Offset, Offset), now: Timestamp) {
        let mut told = self.told.borrow_mut();
        for seen in page.records.iter().filter(|seen| seen.offset >= start) {
            told.note_seen(seen, self.rules.keys, "recovered");
        }
        if let Some((offset, (name, how))) = told.known.last_key_value() {
            assert!(
                *offset < end,
                "{name:?} was {how} at {offset}, the log ends at {end}"
            );
        }
        let there = offsets(page);
        let mut compacted = 0;
        for (offset, _) in told.known.range(start..) {
            if !there.contains(offset) {
                told.expect_rightly_gone(*offset, &self.rules, now, true);
                compacted += 1;
            }
        }
        told.promised.compacted = compacted;
        told.expect_deleted_keys(start, &there);
        self.expect_order(page, start, end);
    }

    fn expect_order(&self, page: &Page, start: Offset, end: Offset) {
        let mut next = start;
        let mut places: BTreeMap<u32, u32> = BTreeMap::new();
        for seen in page.records.iter().filter(|seen| seen.offset >= start) {
            let Seen { offset, name, .. } = *seen;
            assert!(offset >= next && offset < end, "{offset} comes late");
            let is_next = offset == next || self.rules.compacts;
            assert!(is_next, "nothing is at {next}, and {name:?} at {offset}");
            next = offset.plus(1);
            let before = places.insert(name.producer, name.place);
            assert!(
                before.is_none_or(|before| before < name.place),
                "{name:?} at {offset} comes after {before:?}"
            );
        }
        let is_whole = next == end || self.rules.compacts;
        assert!(is_whole, "nothing is from {next} to the end, {end}");
    }

    pub(crate) fn promised(&self) -> Promised {
        self.told.borrow().promised
    }
}

fn offsets(page: &Page) -> BTreeSet<Offset> {
    page.records.iter().map(|seen| seen.offset).collect()
}

impl Told {
    fn note_seen(&mut self, seen: &Seen, keys: u64, how: &'static str) {
        let sent = self.sent.get(&seen.name);
        let sent = sent.unwrap_or_else(|| panic!("{:?} was {how} but never sent", seen.name));
        assert_eq!(
            sent.timestamp, seen.timestamp,
            "the time of {:?}",
            seen.name
        );
        self.note(seen.offset, seen.name, keys, how);
    }

    fn note(&mut self, offset: Offset, name: Name, keys: u64, how: &'static str) {
        if let Some((before, told_how)) = self.known.insert(offset, (name, how)) {
            assert_eq!(
                before, name,
                "{how} at {offset} where another was {told_how}"
            );
        }
        let sent = self.sent.get_mut(&name).expect("it was sent");
        if let Some(before) = sent.offset.replace(offset) {
            assert_eq!(before, offset, "{name:?} is in two places");
        }
        self.unplaced.remove(&name);
        self.of_key
            .entry(name.key(keys))
            .or_default()
            .insert(offset);
    }

    /// Whether retention or a caller may have taken this record off the log's beginning.
    fn may_delete(&self, offset: Offset, name: Name, rules: &Rules, now: Timestamp) -> bool {
        if offset < self.asked {
            return true;
        }
        let age = now.0 - self.sent[&name].timestamp.0;
        let is_old = u64::try_from(age).is_ok_and(|age| age > rules.retention_ms);
        // Whole segments go, so at least this much was in the log behind the record.
        let behind: u64 = self
            .batches
            .range(offset.plus(1)..)
            .map(|(_, len)| len)
            .sum();
        let unplaced: u64 = self.batches_unplaced.values().sum();
        rules.deletes && (is_old || behind + unplaced >= rules.retention_bytes)
    }

    /// Fails unless compaction had a reason to take this record. On a still log nothing is known
    /// later than now.
    fn expect_rightly_gone(&self, offset: Offset, rules: &Rules, now: Timestamp, is_still: bool) {
        if offset < self.start {
            return;
        }
        let (name, how) = self.known[&offset];
        let key = name.key(rules.keys);
        let what = format!("{name:?} of key {key}, {how} at {offset},");
        assert!(rules.compacts, "{what} is missing");
        let cleaned = self.cleaned;
        assert!(
            offset < cleaned,
            "{what} is missing, and {cleaned} was never passed"
        );
        let is_tombstone = name.is_tombstone();
        assert!(
            self.may_compact(offset, name, rules, now, is_still),
            "{what} is missing, the last of its key (deletes it: {is_tombstone})"
        );
    }

    /// Whether compaction had a reason to take this record from below where it came.
    fn may_compact(
        &self,
        offset: Offset,
        name: Name,
        rules: &Rules,
        now: Timestamp,
        is_still: bool,
    ) -> bool {
        let key = name.key(rules.keys);
        let is_over = |name: &Name| {
            let over = self.sent[name].at.0 + i64::try_from(rules.delete_retention_ms).unwrap();
            name.is_tombstone() && over <= now.0
        };
        let known = &self.of_key[&key];
        let is_replaced = known.range(offset.plus(1)..self.cleaned).next().is_some();
        let unplaced = self.unplaced.iter();
        let mut others = unplaced.filter(|one| one.key(rules.keys) == key);
        is_replaced || others.any(|one| !is_still || is_over(one)) || is_over(&name)
    }

    /// A key whose deletion is gone has nothing older either.
    fn expect_deleted_keys(&self, start: Offset, there: &BTreeSet<Offset>) {
        for (key, known) in &self.of_key {
            let Some(last) = known.last().filter(|last| **last >= start) else {
                continue;
            };
            if there.contains(last) {
                continue;
            }
            let older = known.range(start..*last).find(|one| there.contains(one));
            assert!(
                older.is_none(),
                "key {key} was deleted at {last}; its record at {older:?} is back"
            );
        }
    }
}
