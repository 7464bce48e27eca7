//! Random histories of a right log are without fault; each of them, made wrong at one place in a
//! known way, is found out.
//!
//! `SEED` replays the one seed that a failure printed; `HISTORIES` is how many there are.

use std::collections::BTreeMap;

use base::{Offset, Random, TopicPartition};

use crate::model_tests::history;
use crate::{
    Action, Fate, History, Isolation, Moment, Operation, Outcome, Polled, Process, Transaction,
    Value, check,
};

const TURNS: u64 = 900;
/// Room between two moments for calls that a mutation adds.
const SPREAD: u64 = 10;

/// Makes a history wrong at one place; nothing when it has no such place.
type Mutation = fn(&mut Broken) -> Option<()>;

/// Each mutation with the faults one of which must be named.
const MUTATIONS: &[(&str, Mutation, &[&str])] = &[
    (
        "lose a record",
        lose,
        &["lost-write", "unseen", "torn-transaction", "torn-batch"],
    ),
    ("tear a transaction", tear, &["torn-transaction"]),
    ("show a record twice", double, &["duplicate"]),
    ("show a record of nobody", invent, &["phantom"]),
    ("show what was aborted", abort, &["aborted-read"]),
    ("show its own", show_own, &["own-uncommitted-read"]),
    ("show what is open", show_open, &["uncommitted-read"]),
    ("show each the other's", circle, &["cycle"]),
    ("skip within a poll", skip_inside, &["internal-poll-skip"]),
    ("skip between polls", skip_between, &["poll-skip"]),
    (
        "go back within a poll",
        back_inside,
        &["internal-nonmonotonic-poll"],
    ),
    (
        "go back between polls",
        back_between,
        &["nonmonotonic-poll"],
    ),
    (
        "swap two sends",
        swap_sends,
        &["nonmonotonic-send", "internal-nonmonotonic-send"],
    ),
    ("answer another offset", move_send, &["duplicate"]),
    ("tell a group another offset", move_group, &["wrong-offset"]),
    ("consume twice", consume_again, &["consumed-twice"]),
    ("consume nothing", consume_never, &["consumed-never"]),
];

/// A history under change.
struct Broken {
    random: Random,
    whole: History,
    calls: Vec<Operation>,
    /// The polls of committed records that saw a value.
    seen: BTreeMap<Value, Vec<usize>>,
}

/// A record of a poll: the places of both.
type Spot = (usize, usize);

impl Broken {
    fn new(whole: &History, seed: u64) -> Self {
        let mut broken = Self {
            random: Random::salted(seed, 2),
            whole: whole.clone(),
            calls: whole.operations().to_vec(),
            seen: BTreeMap::new(),
        };
        for spot in broken.committed_spots() {
            let value = broken.record(spot).value;
            broken.seen.entry(value).or_default().push(spot.0);
        }
        broken
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let count = from.len() as u64;
        let which = (count > 0).then(|| self.random.below(count))?;
        from.get(usize::try_from(which).unwrap()).cloned()
    }

    fn records(&self, call: usize) -> &[Polled] {
        match &self.calls[call].action {
            Action::Poll { records, .. } => records,
            _ => &[],
        }
    }

    fn records_mut(&mut self, call: usize) -> &mut Vec<Polled> {
        match &mut self.calls[call].action {
            Action::Poll { records, .. } => records,
            other => panic!("no poll: {other:?}"),
        }
    }

    fn record(&self, (call, at): Spot) -> &Polled {
        &self.records(call)[at]
    }

    fn is_committed(&self, call: usize) -> bool {
        matches!(
            self.calls[call].action,
            Action::Poll {
                isolation: Isolation::ReadCommitted,
                ..
            }
        )
    }

    fn spots(&self) -> Vec<Spot> {
        (0..self.calls.len())
            .flat_map(|call| (0..self.records(call).len()).map(move |at| (call, at)))
            .collect()
    }

    fn committed_spots(&self) -> Vec<Spot> {
        let mut spots = self.spots();
        spots.retain(|(call, _)| self.is_committed(*call));
        spots
    }

    /// True when a reader of committed records saw it, in another call than this one.
    fn is_seen_elsewhere(&self, value: Value, but: usize) -> bool {
        let polls = self.seen.get(&value).map_or(&[][..], Vec::as_slice);
        polls.iter().any(|poll| *poll != but)
    }

    fn committed(&self) -> Vec<Transaction> {
        let lives = self.whole.transactions().iter();
        lives
            .filter(|(_, life)| life.fate == Fate::Committed)
            .map(|(transaction, _)| *transaction)
            .collect()
    }

    /// All that was sent with success: where the call is, and what of it.
    fn sends(&self) -> Vec<(usize, TopicPartition, Vec<Value>)> {
        let calls = self.calls.iter().enumerate();
        calls
            .filter(|(_, call)| call.is_ok())
            .filter_map(|(at, call)| match &call.action {
                Action::Send { key, values, .. } => Some((at, key.clone(), values.clone())),
                _ => None,
            })
            .collect()
    }

    /// Values that must be there, with their transactions.
    fn due(&self) -> Vec<(Value, Option<Transaction>)> {
        let committed = self.committed();
        let mut due = Vec::new();
        for (at, _, values) in self.sends() {
            let transaction = self.calls[at].transaction;
            if transaction.is_none_or(|of| committed.contains(&of)) {
                due.extend(values.into_iter().map(|value| (value, transaction)));
            }
        }
        due
    }

    fn forget(&mut self, value: Value) {
        for call in 0..self.calls.len() {
            if !self.records(call).is_empty() {
                self.records_mut(call)
                    .retain(|record| record.value != value);
            }
        }
    }

    /// A place where it was seen.
    fn sighting(&self, value: Value) -> Option<Polled> {
        let mut spots = self.spots().into_iter();
        let spot = spots.find(|spot| self.record(*spot).value == value)?;
        Some(self.record(spot).clone())
    }

    /// The polls of one process that follow one another with nothing of it in between.
    fn neighbours(&self) -> Vec<(usize, usize)> {
        let mut last: BTreeMap<Process, usize> = BTreeMap::new();
        let mut found = Vec::new();
        for (at, call) in self.calls.iter().enumerate() {
            let before = last.insert(call.process, at);
            if let Some(before) = before
                && !self.records(before).is_empty()
                && !self.records(at).is_empty()
                && (call.transaction.is_none()
                    || call.transaction != self.calls[before].transaction)
            {
                found.push((before, at));
            }
        }
        found
    }

    /// Adds a poll of committed records between two moments of the history.
    fn add_poll(
        &mut self,
        behind: Moment,
        process: Process,
        transaction: Option<Transaction>,
        record: Polled,
    ) {
        self.calls.push(Operation {
            process,
            invoked: Moment(behind.0 + 1),
            returned: Some(Moment(behind.0 + 2)),
            outcome: Outcome::Ok,
            transaction,
            action: Action::Poll {
                isolation: Isolation::ReadCommitted,
                records: vec![record],
                reached: Vec::new(),
            },
        });
    }

    /// A send of the transaction that was answered, and something of it that was seen.
    fn sent_and_seen(&self, transaction: Transaction) -> Option<(usize, Polled)> {
        let sends = self.sends().into_iter();
        let mut own = sends.filter(|(at, ..)| self.calls[*at].transaction == Some(transaction));
        own.find_map(|(at, _, values)| Some((at, self.sighting(*values.first()?)?)))
    }
}

fn lose(broken: &mut Broken) -> Option<()> {
    let due = broken.due();
    let (value, _) = broken.pick(&due)?;
    broken.forget(value);
    Some(())
}

fn tear(broken: &mut Broken) -> Option<()> {
    let due = broken.due();
    let has_more = |value: Value, transaction: Option<Transaction>| {
        let mut others = due.iter().filter(|(other, _)| *other != value);
        transaction.is_some() && others.any(|(_, of)| *of == transaction)
    };
    let torn: Vec<Value> = due
        .iter()
        .filter(|(value, transaction)| has_more(*value, *transaction))
        .map(|(value, _)| *value)
        .collect();
    let value = broken.pick(&torn)?;
    broken.forget(value);
    Some(())
}

fn double(broken: &mut Broken) -> Option<()> {
    let spots = broken.spots();
    let spot = broken.pick(&spots)?;
    let mut again = broken.record(spot).clone();
    again.offset = again.offset.plus(1_000);
    broken.records_mut(spot.0).push(again);
    Some(())
}

fn invent(broken: &mut Broken) -> Option<()> {
    let spots = broken.spots();
    let (call, at) = broken.pick(&spots)?;
    broken.records_mut(call)[at].value = Value(1_000_000);
    Some(())
}

fn abort(broken: &mut Broken) -> Option<()> {
    let committed = broken.committed();
    let seen: Vec<Transaction> = committed
        .into_iter()
        .filter(|transaction| broken.sent_and_seen(*transaction).is_some())
        .collect();
    let transaction = broken.pick(&seen)?;
    for call in &mut broken.calls {
        if let Action::End { commit } = &mut call.action
            && call.transaction == Some(transaction)
        {
            *commit = false;
        }
    }
    Some(())
}

fn show_own(broken: &mut Broken) -> Option<()> {
    let committed = broken.committed();
    let transaction = broken.pick(&committed)?;
    let (send, seen) = broken.sent_and_seen(transaction)?;
    let (behind, process) = (broken.calls[send].returned?, broken.calls[send].process);
    broken.add_poll(behind, process, Some(transaction), seen);
    Some(())
}

fn show_open(broken: &mut Broken) -> Option<()> {
    let committed = broken.committed();
    let transaction = broken.pick(&committed)?;
    let (send, seen) = broken.sent_and_seen(transaction)?;
    let behind = broken.calls[send].returned?;
    broken.add_poll(behind, Process(1_000), None, seen);
    Some(())
}

/// Both see the other's write right behind their own; of time the circle says nothing.
fn circle(broken: &mut Broken) -> Option<()> {
    let committed = broken.committed();
    let (first, second) = (broken.pick(&committed)?, broken.pick(&committed)?);
    if first == second {
        return None;
    }
    let (first_send, first_seen) = broken.sent_and_seen(first)?;
    let (second_send, second_seen) = broken.sent_and_seen(second)?;
    for (send, transaction, seen) in [
        (first_send, first, second_seen),
        (second_send, second, first_seen),
    ] {
        let (behind, process) = (broken.calls[send].returned?, broken.calls[send].process);
        broken.add_poll(behind, process, Some(transaction), seen);
    }
    Some(())
}

/// Records with one of the same partition before and one behind them in the same poll, that
/// readers of committed records saw elsewhere.
fn inner(broken: &Broken) -> Vec<Spot> {
    let mut spots = broken.committed_spots();
    spots.retain(|(call, at)| {
        let records = broken.records(*call);
        let key = &records[*at].key;
        let is_same = |other: Option<&Polled>| other.is_some_and(|other| other.key == *key);
        *at > 0
            && is_same(records.get(at - 1))
            && is_same(records.get(at + 1))
            && broken.is_seen_elsewhere(records[*at].value, *call)
    });
    spots
}

fn skip_inside(broken: &mut Broken) -> Option<()> {
    let inner = inner(broken);
    let (call, at) = broken.pick(&inner)?;
    broken.records_mut(call).remove(at);
    Some(())
}

/// Neighbours of one partition, the second with at least two records of it.
fn same_key(broken: &Broken) -> Vec<(usize, usize)> {
    let mut found = broken.neighbours();
    found.retain(|(before, after)| {
        let (last, records) = (broken.records(*before).last(), broken.records(*after));
        let key = last.map(|last| &last.key);
        records.len() > 1
            && records
                .iter()
                .take(2)
                .all(|record| Some(&record.key) == key)
            && broken.is_seen_elsewhere(records[0].value, *after)
    });
    found
}

fn skip_between(broken: &mut Broken) -> Option<()> {
    let pairs = same_key(broken);
    let (_, after) = broken.pick(&pairs)?;
    broken.records_mut(after).remove(0);
    Some(())
}

fn back_between(broken: &mut Broken) -> Option<()> {
    let pairs = same_key(broken);
    let (before, after) = broken.pick(&pairs)?;
    let again = broken.records(before).last()?.clone();
    broken.records_mut(after).insert(0, again);
    Some(())
}

fn back_inside(broken: &mut Broken) -> Option<()> {
    let spots = broken.spots();
    let spot = broken.pick(&spots)?;
    let again = broken.record(spot).clone();
    broken.records_mut(spot.0).insert(spot.1, again);
    Some(())
}

fn told_mut(call: &mut Operation) -> Option<&mut Offset> {
    match &mut call.action {
        Action::Send { base_offset, .. } => base_offset.as_mut(),
        _ => None,
    }
}

fn swap_sends(broken: &mut Broken) -> Option<()> {
    let sends = broken.sends();
    let mut pairs = Vec::new();
    for (at, key, _) in &sends {
        for (other, other_key, _) in &sends {
            let is_pair = at < other && key == other_key;
            if is_pair && broken.calls[*at].process == broken.calls[*other].process {
                pairs.push((*at, *other));
            }
        }
    }
    let (first, second) = broken.pick(&pairs)?;
    let low = *told_mut(&mut broken.calls[first])?;
    let high = *told_mut(&mut broken.calls[second])?;
    *told_mut(&mut broken.calls[first])? = high;
    *told_mut(&mut broken.calls[second])? = low;
    Some(())
}

fn move_send(broken: &mut Broken) -> Option<()> {
    let mut sends = broken.sends();
    sends.retain(|(_, _, values)| broken.sighting(values[0]).is_some());
    let (at, ..) = broken.pick(&sends)?;
    let told = told_mut(&mut broken.calls[at])?;
    *told = told.plus(1);
    Some(())
}

fn move_group(broken: &mut Broken) -> Option<()> {
    let calls: Vec<usize> = (0..broken.calls.len())
        .filter(|at| matches!(&broken.calls[*at].action, Action::Resume { .. }))
        .filter(|at| broken.calls[*at].is_ok())
        .collect();
    let call = broken.pick(&calls)?;
    let Action::Resume { offset, .. } = &mut broken.calls[call].action else {
        return None;
    };
    *offset = Some(offset.map_or(Offset(1_000), |offset| offset.plus(1_000)));
    Some(())
}

/// Polls of committed transactions whose group's offset counts, with that partition and offset.
fn consuming(broken: &Broken) -> Vec<(usize, TopicPartition, Offset)> {
    let committed = broken.committed();
    let mut found = Vec::new();
    for commit in broken.calls.iter().filter(|call| call.is_ok()) {
        let Action::CommitOffsets { offsets, .. } = &commit.action else {
            continue;
        };
        if !commit.transaction.is_some_and(|of| committed.contains(&of)) {
            continue;
        }
        for (at, call) in broken.calls.iter().enumerate() {
            if call.transaction == commit.transaction && !broken.records(at).is_empty() {
                let offsets = offsets.iter().cloned();
                found.extend(offsets.map(|(key, offset)| (at, key, offset)));
            }
        }
    }
    found
}

fn consume_again(broken: &mut Broken) -> Option<()> {
    let consuming = consuming(broken);
    let mut pairs = Vec::new();
    for (from, first_key, bound) in &consuming {
        let records = broken.records(*from).iter();
        let own = records.filter(|record| record.key == *first_key && record.offset < *bound);
        for again in own {
            let others = consuming.iter().filter(|(at, key, offset)| {
                let is_other = broken.calls[*at].transaction != broken.calls[*from].transaction;
                is_other && key == first_key && again.offset < *offset
            });
            pairs.extend(others.map(|(at, ..)| (*at, again.clone())));
        }
    }
    let (at, again) = broken.pick(&pairs)?;
    broken.records_mut(at).insert(0, again);
    Some(())
}

fn consume_never(broken: &mut Broken) -> Option<()> {
    let consuming = consuming(broken);
    let spots: Vec<Spot> = inner(broken)
        .into_iter()
        .filter(|spot| {
            let record = broken.record(*spot);
            consuming.iter().any(|(at, key, bound)| {
                *at == spot.0 && *key == record.key && record.offset < *bound
            })
        })
        .collect();
    let (call, at) = broken.pick(&spots)?;
    broken.records_mut(call).remove(at);
    Some(())
}

fn seeds() -> Vec<u64> {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse().expect("a number"))
    };
    match number("SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("HISTORIES").unwrap_or(24)).collect(),
    }
}

/// The history with room between its moments.
fn spread(seed: u64) -> History {
    let mut calls = history(seed, TURNS).operations().to_vec();
    for call in &mut calls {
        call.invoked.0 *= SPREAD;
        if let Some(returned) = &mut call.returned {
            returned.0 *= SPREAD;
        }
    }
    History::new(calls).unwrap()
}

/// The story: whatever a right log may do, clients' crashes and lost answers included, is never
/// called a fault, and there is enough of everything to be wrong about.
#[test]
fn a_right_log_is_without_fault() {
    let mut all = [0; 4];
    for seed in seeds() {
        let verdict = check(&spread(seed));
        assert!(verdict.anomalies.is_empty(), "SEED={seed}\n{verdict}");
        let counts = verdict.counts;
        let some = [
            counts.committed,
            counts.aborted,
            counts.undecided,
            counts.seen_committed,
        ];
        all = [0, 1, 2, 3].map(|at| all[at] + some[at]);
    }
    println!("committed, aborted, undecided, seen: {all:?}");
    assert!(std::env::var_os("SEED").is_some() || all.iter().all(|count| *count > 10));
}

/// The story: a checker that finds nothing proves nothing.
#[test]
fn each_fault_is_found_in_random_histories() {
    let seeds = seeds();
    let mut tried = vec![0_usize; MUTATIONS.len()];
    for seed in &seeds {
        let whole = spread(*seed);
        for (which, (name, mutation, faults)) in MUTATIONS.iter().enumerate() {
            let mut broken = Broken::new(&whole, *seed);
            if mutation(&mut broken).is_none() {
                continue;
            }
            tried[which] += 1;
            let verdict = check(&History::new(broken.calls).unwrap());
            let is_found = verdict
                .anomalies
                .iter()
                .any(|anomaly| faults.contains(&anomaly.name()));
            assert!(
                is_found,
                "SEED={seed} {name}: none of {faults:?}\n{verdict}"
            );
        }
    }
    println!("tried: {tried:?} of {}", seeds.len());
    // A mutation that hardly ever finds its place would prove nothing either.
    let least = seeds.len() / 4;
    assert!(std::env::var_os("SEED").is_some() || tried.iter().all(|count| *count >= least));
}

/// A seed is a whole run: the same one gives the same history.
#[test]
fn a_seed_replays_its_history() {
    let (first, again) = (history(7, TURNS), history(7, TURNS));
    assert_eq!(first.operations(), again.operations());
    assert_ne!(first.operations(), history(8, TURNS).operations());
}
