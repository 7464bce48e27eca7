//! What transactional clients and readers were told, and what must follow for the log.
//!
//! A transaction is *wished* once its client has asked for the commit, *kept* when the client was
//! told that it is committed, *gone* when it was told that it is not. Of one that was wished and is
//! neither nobody knows the outcome: it is there whole or not at all. One that was never wished is
//! never there.
//!
//! The same is taken down once more as a `history`, which has a judge of its own, for the partitions
//! that keep all their records.
//!
//! Transactions have numbers that rise; a record is named by its transaction and its place therein.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use base::{Offset, PartitionIndex, ProducerEpoch, ProducerId, TopicPartition};
use history::{Action, Isolation, Outcome, Polled, Process, Reached, Recorder, Ticket, Value};

use crate::history::Name;
use crate::transactor::PLACES;

const KEYS: u32 = 11;

/// A partition, by its place among those of the run.
pub(crate) type Place = usize;
/// A client's life: which client, and its how many-th.
pub(crate) type Life = (usize, u32);
/// A producer's name in one epoch.
pub(crate) type Who = (ProducerId, ProducerEpoch);
/// What a poll gave: records, where the reader is then, and whether that is the end.
pub(crate) type Given<'p> = (&'p [(Offset, Name)], Offset, bool);

/// What a client was told of a transaction's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Kept,
    Gone,
}

#[derive(Debug)]
struct Transaction {
    life: Life,
    process: Process,
    recorded: history::Transaction,
    /// Its end, once somebody asked for that.
    end: Option<Ticket>,
    is_wished: bool,
    told: Told,
    /// Each record's partition, and its offset once that was acknowledged.
    records: Vec<(Place, Option<Offset>)>,
    /// Whether its number was committed as its client's group's offset.
    has_offset: bool,
}

/// What a reader saw of a partition without a gap.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(crate) place: Place,
    pub(crate) is_committed: bool,
    pub(crate) from: Offset,
    pub(crate) to: Offset,
    pub(crate) seen: BTreeMap<Offset, Name>,
}

/// The log of one partition in the end.
#[derive(Debug, Default)]
pub(crate) struct Final {
    /// Whether only the last record of a key has to be there.
    pub(crate) is_compacted: bool,
    /// What all readers see.
    pub(crate) all: BTreeMap<Offset, Name>,
    /// What readers of committed records see.
    pub(crate) committed: BTreeMap<Offset, Name>,
}

/// The key of a record with this name, in a partition that is compacted.
pub(crate) fn key_of(name: Name) -> Vec<u8> {
    let number = (name.producer.wrapping_mul(7) + name.place.wrapping_mul(3)) % KEYS;
    format!("key-{number}").into_bytes()
}

/// How much happened in a run: transactions by what their clients were told, records sent and read,
/// copies that came late, clients that hung for longer than their transactions may, lives that were
/// taken over, and clients that had used up their epochs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) kept: u64,
    pub(crate) gone: u64,
    pub(crate) unknown: u64,
    pub(crate) records: u64,
    pub(crate) read: u64,
    pub(crate) late: u64,
    pub(crate) overdue: u64,
    pub(crate) fenced: u64,
    pub(crate) renewed: u64,
}

impl Figures {
    pub(crate) fn plus(self, other: &Self) -> Self {
        Self {
            kept: self.kept + other.kept,
            gone: self.gone + other.gone,
            unknown: self.unknown + other.unknown,
            records: self.records + other.records,
            read: self.read + other.read,
            late: self.late + other.late,
            overdue: self.overdue + other.overdue,
            fenced: self.fenced + other.fenced,
            renewed: self.renewed + other.renewed,
        }
    }

    /// A run in which nothing happens proves nothing.
    pub(crate) const fn is_lively(&self) -> bool {
        let is_told = self.kept > 0 && self.gone > 0 && self.read > 0;
        is_told && self.late > 0 && self.overdue > 0 && self.fenced > 0 && self.renewed > 0
    }
}

#[derive(Debug, Default)]
struct State {
    transactions: BTreeMap<u32, Transaction>,
    names: BTreeMap<Who, Life>,
    /// What anybody was told to stand at an offset.
    known: BTreeMap<(Place, Offset), Name>,
    passes: Vec<Pass>,
    stable: BTreeMap<Place, Offset>,
    offsets: BTreeMap<usize, i64>,
    figures: Figures,
    processes: BTreeMap<Life, Process>,
    recorder: Recorder,
}

/// A partition by its name, where a history may judge it: not where compaction takes records.
fn recorded(place: Place) -> Option<TopicPartition> {
    let (topic, index, is_compacted) = PLACES[place];
    (!is_compacted).then(|| TopicPartition {
        topic: topic.to_owned(),
        partition: PartitionIndex(index),
    })
}

fn value_of(name: Name) -> Value {
    Value(u64::from(name.producer) << 32 | u64::from(name.place))
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    state: RefCell<State>,
}

impl Outcomes {
    /// A client was told who it is: nobody else is or was, whatever the coordinator went through.
    pub(crate) fn named(&self, who: Who, life: Life) {
        assert!(who.1.0 < i16::MAX, "the last epoch is not for clients");
        let mut state = self.state.borrow_mut();
        let names = state.names.iter();
        let mut ids = names.filter(|(_, known)| known.0 == life.0);
        let is_first = ids.clone().next().is_none();
        let is_renewed = !is_first && !ids.any(|(known, _)| known.0 == who.0);
        state.figures.renewed += u64::from(is_renewed);
        let known = *state.names.entry(who).or_insert(life);
        assert_eq!(known, life, "{who:?} is two clients");
    }

    /// A transaction begins; its number.
    pub(crate) fn begin(&self, life: Life) -> u32 {
        let mut state = self.state.borrow_mut();
        let number = u32::try_from(state.transactions.len()).unwrap() + 1;
        let State {
            processes,
            recorder,
            ..
        } = &mut *state;
        let process = processes.entry(life);
        let process = *process.or_insert_with(|| recorder.new_process());
        let transaction = Transaction {
            life,
            process,
            recorded: recorder.new_transaction(),
            end: None,
            is_wished: false,
            told: Told::Nothing,
            records: Vec::new(),
            has_offset: false,
        };
        state.transactions.insert(number, transaction);
        number
    }

    /// The next record of a transaction goes to `place`; its name.
    pub(crate) fn send(&self, number: u32, place: Place) -> Name {
        let mut state = self.state.borrow_mut();
        state.figures.records += 1;
        let transaction = state.transactions.get_mut(&number).unwrap();
        assert!(!transaction.is_wished, "records come before the end");
        transaction.records.push((place, None));
        Name {
            producer: number,
            place: u32::try_from(transaction.records.len()).unwrap() - 1,
        }
    }

    /// These records go as one batch.
    pub(crate) fn send_batch(&self, number: u32, place: Place, names: &[Name]) -> Option<Ticket> {
        let mut state = self.state.borrow_mut();
        let transaction = &state.transactions[&number];
        let (process, recorded_as) = (transaction.process, transaction.recorded);
        let action = Action::Send {
            key: recorded(place)?,
            values: names.iter().copied().map(value_of).collect(),
            base_offset: None,
        };
        Some(state.recorder.invoke(process, Some(recorded_as), action))
    }

    /// The batch is there, from this offset on.
    pub(crate) fn batch_acked(&self, ticket: Ticket, offset: Offset) {
        let mut state = self.state.borrow_mut();
        state.recorder.answer_send(ticket, Some(offset));
    }

    /// A record is acknowledged.
    pub(crate) fn acked(&self, place: Place, offset: Offset, name: Name) {
        let mut state = self.state.borrow_mut();
        state.know(place, offset, name);
        let transaction = state.transactions.get_mut(&name.producer).unwrap();
        let record = &mut transaction.records[name.place as usize];
        assert!(
            record.1.is_none_or(|known| known == offset),
            "{name:?} was acknowledged at {record:?}, now at {offset}"
        );
        record.1 = Some(offset);
    }

    /// The transaction's number is committed with it, as the group's offset.
    pub(crate) fn offset_sent(&self, number: u32) {
        let mut state = self.state.borrow_mut();
        state.transactions.get_mut(&number).unwrap().has_offset = true;
    }

    /// The client asks for the commit, or for the abort.
    pub(crate) fn ending(&self, number: u32, is_commit: bool) {
        let mut state = self.state.borrow_mut();
        let State {
            transactions,
            recorder,
            ..
        } = &mut *state;
        let transaction = transactions.get_mut(&number).unwrap();
        let all_are_there = transaction.records.iter().all(|record| record.1.is_some());
        assert!(
            all_are_there || !is_commit,
            "nobody commits what was not acknowledged"
        );
        transaction.is_wished = is_commit;
        let action = Action::End { commit: is_commit };
        let ticket = recorder.invoke(transaction.process, Some(transaction.recorded), action);
        transaction.end = Some(ticket);
    }

    /// The client was told the outcome, for good.
    pub(crate) fn ended(&self, number: u32, is_commit: bool) {
        let mut state = self.state.borrow_mut();
        let State {
            transactions,
            recorder,
            ..
        } = &mut *state;
        let transaction = transactions.get_mut(&number).unwrap();
        assert_eq!(transaction.told, Told::Nothing, "one end");
        transaction.told = if is_commit { Told::Kept } else { Told::Gone };
        let ticket = transaction.end.take().expect("it was asked for");
        let outcome = if is_commit == transaction.is_wished {
            Outcome::Ok
        } else {
            Outcome::Failed
        };
        recorder.answer(ticket, outcome);
    }

    /// Whether a life was promised a commit.
    pub(crate) fn has_kept(&self, life: Life) -> bool {
        let state = self.state.borrow();
        let mut transactions = state.transactions.values();
        transactions.any(|one| one.life == life && one.told == Told::Kept)
    }

    pub(crate) fn note_late(&self) {
        self.state.borrow_mut().figures.late += 1;
    }

    pub(crate) fn note_overdue(&self) {
        self.state.borrow_mut().figures.overdue += 1;
    }

    pub(crate) fn note_fenced(&self) {
        self.state.borrow_mut().figures.fenced += 1;
    }

    /// Somebody who reads.
    pub(crate) fn reader(&self) -> Process {
        self.state.borrow_mut().recorder.new_process()
    }

    /// A reader goes somewhere by itself.
    pub(crate) fn seek(&self, reader: Process, place: Place, offset: Offset) {
        if let Some(key) = recorded(place) {
            let action = Action::Seek { key, offset };
            self.state.borrow_mut().recorder.note(reader, action);
        }
    }

    /// A reader asks for what is next in a partition.
    pub(crate) fn poll(&self, reader: Process, place: Place, is_committed: bool) -> Option<Ticket> {
        recorded(place)?;
        let isolation = if is_committed {
            Isolation::ReadCommitted
        } else {
            Isolation::ReadUncommitted
        };
        let action = Action::Poll {
            isolation,
            records: Vec::new(),
            reached: Vec::new(),
        };
        let mut state = self.state.borrow_mut();
        Some(state.recorder.invoke(reader, None, action))
    }

    /// It was given these, and is at `next` then; or nothing at all.
    pub(crate) fn polled(&self, ticket: Ticket, place: Place, given: Option<Given<'_>>) {
        let mut state = self.state.borrow_mut();
        let (Some((records, next, is_end)), Some(key)) = (given, recorded(place)) else {
            state.recorder.answer(ticket, Outcome::Failed);
            return;
        };
        let polled = records.iter().map(|(offset, name)| Polled {
            key: key.clone(),
            offset: *offset,
            value: value_of(*name),
        });
        let polled = polled.collect();
        let reached = vec![Reached { key, next, is_end }];
        state.recorder.answer_poll(ticket, polled, reached);
    }

    /// A reader was shown a record.
    pub(crate) fn read(&self, place: Place, offset: Offset, name: Name, is_committed: bool) {
        let mut state = self.state.borrow_mut();
        state.figures.read += 1;
        state.know(place, offset, name);
        let transaction = &state.transactions[&name.producer];
        assert!(
            !is_committed || (transaction.is_wished && transaction.told != Told::Gone),
            "{name:?} was read as committed at {offset}, but its transaction is {transaction:?}"
        );
    }

    /// A reader was told how far everything is decided, which never goes back.
    pub(crate) fn stable(&self, place: Place, stable: Offset, high_watermark: Offset) {
        assert!(stable <= high_watermark, "stable beyond the high watermark");
        let mut state = self.state.borrow_mut();
        let known = state.stable.entry(place).or_insert(stable);
        assert!(
            *known <= stable,
            "stable up to {known}, then up to {stable}"
        );
        *known = stable;
    }

    /// A reader has seen this of a partition.
    pub(crate) fn passed(&self, pass: Pass) {
        if pass.from < pass.to {
            self.state.borrow_mut().passes.push(pass);
        }
    }

    /// The offset that a client's group was said to have for good.
    pub(crate) fn offset_read(&self, client: usize, offset: i64) {
        let mut state = self.state.borrow_mut();
        if let Ok(number) = u32::try_from(offset) {
            let transaction = &state.transactions[&number];
            assert!(
                transaction.is_wished && transaction.has_offset && transaction.told != Told::Gone,
                "the group's offset is {number}, whose transaction is {transaction:?}"
            );
            assert_eq!(transaction.life.0, client, "another client's offset");
        }
        let known = state.offsets.entry(client).or_insert(offset);
        assert!(
            *known <= offset,
            "the group's offset was {known}, then {offset}"
        );
        *known = offset;
    }

    pub(crate) fn figures(&self) -> Figures {
        let state = self.state.borrow();
        let mut figures = state.figures;
        for transaction in state.transactions.values() {
            match transaction.told {
                Told::Kept => figures.kept += 1,
                Told::Nothing if transaction.is_wished => figures.unknown += 1,
                Told::Gone | Told::Nothing => figures.gone += 1,
            }
        }
        figures
    }

    /// Holds everything against the partitions as they are in the end, and the groups' offsets.
    pub(crate) fn check(&self, finals: &[Final], offsets: &[i64]) {
        let recorder = std::mem::take(&mut self.state.borrow_mut().recorder);
        let history = recorder.finish().expect("it was taken down well");
        let verdict = history::check(&history);
        assert!(verdict.anomalies.is_empty(), "{verdict}");
        let state = self.state.borrow();
        let mut seen: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (place, partition) in finals.iter().enumerate() {
            state.check_order(place, partition);
            for name in partition.committed.values() {
                seen.entry(name.producer).or_default().insert(name.place);
            }
        }
        for (number, transaction) in &state.transactions {
            let found = seen.get(number).cloned().unwrap_or_default();
            let mut names = (0_u32..).zip(&transaction.records);
            let is_whole = names.all(|(index, (place, offset))| {
                let name = Name {
                    producer: *number,
                    place: index,
                };
                let partition = &finals[*place];
                found.contains(&index)
                    || offset.is_some_and(|offset| partition.is_covered(offset, name))
            });
            let may_be_there = transaction.is_wished && transaction.told != Told::Gone;
            let must_be_there = transaction.told == Told::Kept || !found.is_empty();
            assert!(
                found.is_empty() || may_be_there,
                "transaction {number} is there: {transaction:?}"
            );
            assert!(
                is_whole || !must_be_there,
                "of transaction {number} only {found:?} are there: {transaction:?}"
            );
        }
        for (client, offset) in offsets.iter().enumerate() {
            state.check_offset(client, *offset, &seen);
        }
        for pass in &state.passes {
            check_pass(pass, &finals[pass.place]);
        }
    }
}

impl State {
    fn know(&mut self, place: Place, offset: Offset, name: Name) {
        let sent = self.transactions.get(&name.producer);
        let sent = sent.and_then(|sent| sent.records.get(name.place as usize));
        assert_eq!(
            sent.map(|sent| sent.0),
            Some(place),
            "{name:?} was not sent to {place}"
        );
        let known = *self.known.entry((place, offset)).or_insert(name);
        assert_eq!(known, name, "two records at {offset} of {place}");
    }

    /// Each record once and where it was told to be; each client's in the order of sending.
    fn check_order(&self, place: Place, partition: &Final) {
        let mut last: BTreeMap<usize, Name> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for (offset, name) in &partition.all {
            assert!(names.insert(*name), "{name:?} is there twice");
            let known = self.known.get(&(place, *offset));
            assert!(
                known.is_none_or(|known| known == name),
                "{name:?} is at {offset} of {place}, where {known:?} was"
            );
        }
        for (offset, name) in &partition.committed {
            assert_eq!(
                partition.all.get(offset),
                Some(name),
                "all see what is committed"
            );
            let client = self.transactions[&name.producer].life.0;
            let before = last.insert(client, *name);
            assert!(
                before.is_none_or(|before| before < *name),
                "{name:?} stands behind {before:?}"
            );
        }
        if !partition.is_compacted {
            for ((_, offset), name) in self.known.range((place, Offset(0))..(place + 1, Offset(0)))
            {
                assert_eq!(
                    partition.all.get(offset),
                    Some(name),
                    "what was told to be at {offset} of {place}"
                );
            }
        }
    }

    /// The group's offset is that of its client's last transaction that is there and had one.
    fn check_offset(&self, client: usize, offset: i64, seen: &BTreeMap<u32, BTreeSet<u32>>) {
        let mut candidates = BTreeSet::from([-1]);
        for (number, transaction) in &self.transactions {
            if transaction.life.0 != client || !transaction.has_offset {
                continue;
            }
            let is_seen = seen.contains_key(number);
            // All its records may be covered by later ones, or it had none.
            let is_unknown = transaction.is_wished && transaction.told == Told::Nothing;
            if is_seen || transaction.told == Told::Kept {
                candidates.clear();
            }
            if is_seen || transaction.told == Told::Kept || is_unknown {
                candidates.insert(i64::from(*number));
            }
        }
        assert!(
            candidates.contains(&offset),
            "the group of client {client} has offset {offset}, not one of {candidates:?}"
        );
        let read = self.offsets.get(&client).copied().unwrap_or(-1);
        assert!(read <= offset, "the group's offset was {read} before");
    }
}

impl Final {
    /// Whether a record may be missing: a later one that counts has its key.
    fn is_covered(&self, offset: Offset, name: Name) -> bool {
        let mut later = self.committed.range(offset.plus(1)..);
        self.is_compacted && later.any(|(_, later)| key_of(*later) == key_of(name))
    }
}

/// What a reader saw between two offsets is what is there, less what compaction took since.
fn check_pass(pass: &Pass, partition: &Final) {
    let log = if pass.is_committed {
        &partition.committed
    } else {
        &partition.all
    };
    for (offset, name) in log.range(pass.from..pass.to) {
        assert_eq!(
            pass.seen.get(offset),
            Some(name),
            "a reader passed over {offset} of {}",
            pass.place
        );
    }
    if !partition.is_compacted {
        for (offset, name) in &pass.seen {
            assert_eq!(
                log.get(offset),
                Some(name),
                "a reader saw what is not at {offset} of {}",
                pass.place
            );
        }
    }
}
