//! Groups and their offsets: who asks where a group is must be told its last commit, and what
//! transactions consume for a group is consumed once.
//!
//! A group's offset in a partition is a register. Of two commits the one that was called after the
//! other had taken effect wins; of commits that overlap either may, and a commit of unknown
//! outcome may take effect at any later time. Questions are asked as consumers ask them, waiting
//! for open transactions (KIP-447), so a commit takes effect when the end of its transaction is
//! answered.
//!
//! Consumption is judged for groups all of whose commits are made by transactions, by the polls
//! that carry a transaction's number. Whoever wants to read something again for other reasons does
//! it under another group.

use std::collections::{BTreeMap, BTreeSet};

use base::{Offset, TopicPartition};

use crate::anomaly::{Anomaly, Call};
use crate::history::{Fate, History};
use crate::operation::{Action, Isolation, Moment, Operation, Outcome, Transaction, Value};
use crate::versions::{Sighting, Versions, sightings};

/// One commit of one offset.
#[derive(Clone, Copy, Debug)]
struct Commit {
    offset: Offset,
    transaction: Option<Transaction>,
    invoked: Moment,
    /// Before this it cannot have taken effect.
    asked: Moment,
    /// From then on it has taken effect, if it is known to have done so.
    settled: Option<Moment>,
}

type Key<'history> = (&'history str, &'history TopicPartition);
type Commits<'history> = BTreeMap<Key<'history>, Vec<Commit>>;

pub(crate) fn judge(history: &History, versions: &Versions<'_>) -> Vec<Anomaly> {
    let mut commits = Commits::new();
    for call in history.operations() {
        if let Action::CommitOffsets { group, offsets } = &call.action {
            for (key, offset) in offsets {
                let commit = commit(history, versions, call, *offset);
                let all = commits.entry((group, key)).or_default();
                all.extend(commit);
            }
        }
    }
    let mut anomalies = told(history, &commits);
    let consumed = consumed(history);
    for (key, commits) in &commits {
        if commits.iter().all(|commit| commit.transaction.is_some()) {
            anomalies.extend(consumption(versions, *key, commits, &consumed));
        }
    }
    anomalies
}

/// What a call that commits does, unless it is known to have no effect.
fn commit(
    history: &History,
    versions: &Versions<'_>,
    call: &Operation,
    offset: Offset,
) -> Option<Commit> {
    let known = |outcome: Outcome| (outcome == Outcome::Ok).then_some(());
    if call.outcome == Outcome::Failed {
        return None;
    }
    let (asked, settled) = match call.transaction {
        None => (call.invoked, known(call.outcome).and(call.returned)),
        Some(transaction) => {
            let life = history.transactions().get(&transaction)?;
            if versions.fate(transaction) == Fate::Aborted {
                return None;
            }
            let is_known = life.fate == Fate::Committed && call.is_ok();
            (life.end_asked?, life.returned.filter(|_| is_known))
        }
    };
    Some(Commit {
        offset,
        transaction: call.transaction,
        invoked: call.invoked,
        asked,
        settled,
    })
}

/// Every answer to a group's question is one that a register could give.
fn told(history: &History, commits: &Commits<'_>) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    for call in history.operations() {
        let Action::Resume { group, key, offset } = &call.action else {
            continue;
        };
        let Some(returned) = call.returned.filter(|_| call.is_ok()) else {
            continue;
        };
        let commits = commits
            .get(&(group.as_str(), key))
            .map_or(&[][..], Vec::as_slice);
        let possible = possible(commits, call.invoked, returned);
        if !possible.contains(offset) {
            anomalies.push(Anomaly::WrongOffset {
                group: group.clone(),
                key: key.clone(),
                told: *offset,
                possible: possible.into_iter().collect(),
                call: Call::of(call),
            });
        }
    }
    anomalies
}

/// What may be told between two moments: of all commits that may have taken effect those that no
/// later one has surely replaced, and no offset as long as none surely has.
fn possible(commits: &[Commit], invoked: Moment, returned: Moment) -> BTreeSet<Option<Offset>> {
    let settled = |commit: &&Commit| commit.settled.is_some_and(|settled| settled < invoked);
    // Whatever was settled before the last of those calls began is replaced.
    let last_call = commits
        .iter()
        .filter(settled)
        .map(|commit| commit.invoked)
        .max();
    let mut possible: BTreeSet<Option<Offset>> = commits
        .iter()
        .filter(|commit| commit.asked < returned)
        .filter(|commit| {
            let replaced = |last_call| commit.settled.is_some_and(|settled| settled < last_call);
            !last_call.is_some_and(replaced)
        })
        .map(|commit| Some(commit.offset))
        .collect();
    if last_call.is_none() {
        possible.insert(None);
    }
    possible
}

/// What each transaction's own polls saw, per partition.
type Consumed<'history> =
    BTreeMap<&'history TopicPartition, BTreeMap<Transaction, Vec<Sighting<'history>>>>;

fn consumed(history: &History) -> Consumed<'_> {
    let mut consumed = Consumed::new();
    for seen in sightings(history) {
        if let Some(transaction) = seen.poll.transaction {
            let partition = consumed.entry(seen.key).or_default();
            partition.entry(transaction).or_default().push(seen);
        }
    }
    consumed
}

/// Each record between the first one consumed and the furthest offset committed is consumed by
/// exactly one transaction that took effect.
fn consumption(
    versions: &Versions<'_>,
    (group, key): Key<'_>,
    commits: &[Commit],
    consumed: &Consumed<'_>,
) -> Vec<Anomaly> {
    let Some(consumed) = consumed.get(key) else {
        return Vec::new();
    };
    let mut anomalies = Vec::new();
    let mut by_whom: BTreeMap<Value, Transaction> = BTreeMap::new();
    let mut maybe: BTreeSet<Value> = BTreeSet::new();
    let mut first: Option<Offset> = None;
    let mut furthest: Option<(Offset, Transaction)> = None;
    for commit in commits {
        let Some(transaction) = commit.transaction else {
            continue;
        };
        let seen = consumed.get(&transaction).into_iter().flatten();
        let seen = seen.filter(|seen| seen.offset < commit.offset);
        if versions.fate(transaction) != Fate::Committed {
            maybe.extend(seen.map(|seen| seen.value));
            continue;
        }
        furthest = furthest.max(Some((commit.offset, transaction)));
        for seen in seen {
            first = Some(first.map_or(seen.offset, |first| first.min(seen.offset)));
            let before = by_whom.insert(seen.value, transaction);
            if let Some(before) = before.filter(|before| *before != transaction) {
                anomalies.push(Anomaly::ConsumedTwice {
                    group: group.to_owned(),
                    seen: seen.report(),
                    transactions: (before, transaction),
                });
            }
        }
    }
    let order = versions.order(key, Isolation::ReadCommitted);
    if let (Some(order), Some(first), Some((end, passed_by))) = (order, first, furthest) {
        let never = order
            .range(first..end.max(first))
            .filter(|(_, value)| !by_whom.contains_key(value) && !maybe.contains(value));
        anomalies.extend(never.map(|(offset, value)| Anomaly::ConsumedNever {
            group: group.to_owned(),
            key: key.clone(),
            offset: *offset,
            value: *value,
            passed_by,
        }));
    }
    anomalies
}
