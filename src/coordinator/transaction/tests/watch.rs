//! What the simulation looks at: the order of states, who got which epoch, what was promised.

use std::collections::BTreeMap;
use std::fmt;

use base::{ProducerEpoch, ProducerId};

use super::client::Promises;
use super::partitions::{Number, Partitions};
use crate::Record;
use crate::transaction::TransactionStatus as Status;
use crate::transaction::records;
use crate::transaction::state::Durable;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Watch {
    states: BTreeMap<String, Durable>,
    /// Who was told to be whom: the client and its life.
    names: BTreeMap<(ProducerId, ProducerEpoch), (usize, u64)>,
    seen: usize,
    commits: usize,
    aborts: usize,
    pub(super) reloads: usize,
    forgotten: usize,
    pub(super) refused: usize,
    pub(super) late: usize,
    renewed: usize,
}

impl Watch {
    /// Looks at the records that are new in the log.
    pub(super) fn logged(&mut self, log: &[Record], partitions: &Partitions, wall_ms: i64) {
        for record in log.iter().skip(self.seen) {
            let id = records::decode_key(&record.key).unwrap().unwrap();
            let before = self.states.remove(&id);
            let Some(value) = &record.value else {
                let before = before.expect("what is forgotten was known");
                assert!(before.status.is_idle(), "{id} is forgotten as {before:?}");
                assert!(wall_ms - before.updated_at >= 604_800_000);
                self.forgotten += 1;
                continue;
            };
            let now = records::decode_value(value).unwrap();
            if let Some(before) = before {
                self.follows(&id, &before, &now, partitions);
            } else {
                assert_eq!((now.status, now.epoch.0), (Status::Empty, 0));
            }
            self.states.insert(id, now);
        }
        self.seen = log.len();
    }

    fn follows(&mut self, id: &str, before: &Durable, now: &Durable, partitions: &Partitions) {
        let may = match before.status {
            Status::Empty => vec![Status::Empty, Status::Ongoing, Status::PrepareAbort],
            Status::Ongoing => vec![Status::Ongoing, Status::PrepareCommit, Status::PrepareAbort],
            Status::PrepareCommit => vec![Status::CompleteCommit],
            Status::PrepareAbort => vec![Status::CompleteAbort],
            Status::CompleteCommit | Status::CompleteAbort => {
                vec![Status::Empty, Status::Ongoing, Status::PrepareAbort]
            }
        };
        assert!(may.contains(&now.status), "{id}: {before:?}, then {now:?}");
        let is_same = now.producer_id == before.producer_id;
        let rise = i32::from(now.epoch.0) - i32::from(before.epoch.0);
        assert!(
            if is_same {
                rise == 0 || rise == 1
            } else {
                now.epoch.0 == 0
            },
            "{id}: {before:?}, then {now:?}"
        );
        self.renewed += usize::from(!is_same);
        if let Some(is_commit) = before.status.ending() {
            let marker = (before.epoch.0, is_commit);
            for partition in &before.partitions {
                assert!(
                    partitions.is_marked(partition, before.producer_id, marker),
                    "{id} is complete, but {partition} has no marker"
                );
            }
            self.commits += usize::from(is_commit);
            self.aborts += usize::from(!is_commit);
        }
    }

    /// A client was told who it is: nobody else is, or was.
    pub(super) fn named(&mut self, name: (ProducerId, ProducerEpoch), client: (usize, u64)) {
        assert!(name.1.0 < i16::MAX, "the last epoch is not for clients");
        let known = self.names.entry(name).or_insert(client);
        assert_eq!(*known, client, "{name:?} is two");
    }

    /// The log was cut: what stands behind is as if it had never been.
    pub(super) fn reloaded(&mut self, log: &[Record], kept: usize) {
        self.reloads += 1;
        self.seen = kept;
        self.states.clear();
        for record in log.iter().take(kept) {
            let id = records::decode_key(&record.key).unwrap().unwrap();
            match &record.value {
                Some(value) => {
                    let durable = records::decode_value(value).unwrap();
                    self.states.insert(id, durable);
                }
                None => {
                    self.states.remove(&id);
                }
            }
        }
    }

    /// The end: each transaction has one outcome, and it is the one that its client was told.
    pub(super) fn assert_kept(&self, partitions: &Partitions, promises: &Promises) {
        for (number, outcomes) in &partitions.outcomes {
            let first = outcomes.first().copied();
            assert!(
                outcomes.iter().all(|outcome| Some(*outcome) == first),
                "transaction {number} is torn"
            );
        }
        for (number, is_commit) in promises {
            let outcomes: Option<&Vec<bool>> = partitions.outcomes.get(number as &Number);
            let kept = outcomes.is_none_or(|all| all.iter().all(|one| one == is_commit));
            assert!(kept, "transaction {number} is not what its client was told");
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.commits += other.commits;
        self.aborts += other.aborts;
        self.reloads += other.reloads;
        self.forgotten += other.forgotten;
        self.refused += other.refused;
        self.late += other.late;
        self.renewed += other.renewed;
    }

    /// A run in which nothing happens proves nothing.
    pub(super) fn assert_lively(&self) {
        let figures = [
            self.commits,
            self.aborts,
            self.reloads,
            self.forgotten,
            self.refused,
            self.late,
            self.renewed,
        ];
        assert!(figures.iter().all(|figure| *figure >= 20), "{self}");
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} commits, {} aborts, {} refused, {} late requests, {} new ids, {} forgotten, {} \
             reloads",
            self.commits,
            self.aborts,
            self.refused,
            self.late,
            self.renewed,
            self.forgotten,
            self.reloads
        )
    }
}
