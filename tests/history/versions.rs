//! What is in each partition, by all that producers were told and consumers saw.
//!
//! An offset is only evidence: that it is one value's and that a value has only one is checked, in
//! `values.rs`, not assumed. Two orders follow per partition: what anybody saw, and what readers
//! of committed records saw. Gaps are nothing: markers and aborted records take offsets too.
//!
//! A value is *due* when readers of committed records must see it sooner or later: its batch is in
//! the log and its transaction, if it has one, took effect. Both are known from an answer, or from
//! another part having been seen, since a batch and a transaction are all there or not at all.

use std::collections::{BTreeMap, BTreeSet};

use base::{Offset, TopicPartition};

use crate::anomaly::{self, Call, Writer};
use crate::history::{Fate, History};
use crate::operation::{Action, Isolation, Operation, Outcome, Transaction, Value};

/// One value as it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write<'history> {
    pub(crate) call: &'history Operation,
    pub(crate) key: &'history TopicPartition,
    pub(crate) told: Option<Offset>,
}

/// One value as a poll handed it out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting<'history> {
    pub(crate) poll: &'history Operation,
    pub(crate) isolation: Isolation,
    pub(crate) key: &'history TopicPartition,
    pub(crate) offset: Offset,
    pub(crate) value: Value,
}

/// All that is known of one value from those who saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'history> {
    /// The one that came back first.
    pub(crate) first: Sighting<'history>,
    /// The same among readers of committed records.
    pub(crate) first_committed: Option<Sighting<'history>>,
    pub(crate) places: BTreeSet<(&'history TopicPartition, Offset)>,
}

/// What was seen in one partition, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    pub(crate) by_anyone: BTreeMap<Offset, Value>,
    pub(crate) by_committed: BTreeMap<Offset, Value>,
}

/// Whether a value must be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Yes,
    Unknown,
    Never,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Versions<'history> {
    history: &'history History,
    pub(crate) writes: BTreeMap<Value, Write<'history>>,
    pub(crate) seen: BTreeMap<Value, Seen<'history>>,
    pub(crate) orders: BTreeMap<&'history TopicPartition, Order>,
    /// Batches of which something was seen.
    seen_batches: BTreeSet<Call>,
    /// Transactions of which a reader of committed records saw something.
    seen_transactions: BTreeSet<Transaction>,
}

impl<'history> Versions<'history> {
    pub(crate) fn new(history: &'history History) -> Self {
        let mut versions = Self {
            history,
            writes: BTreeMap::new(),
            seen: BTreeMap::new(),
            orders: BTreeMap::new(),
            seen_batches: BTreeSet::new(),
            seen_transactions: BTreeSet::new(),
        };
        for call in history.operations() {
            if let Action::Send {
                key,
                values,
                base_offset,
            } = &call.action
            {
                for (place, value) in (0..).zip(values) {
                    let told = base_offset.map(|base| base.plus(place));
                    versions.writes.insert(*value, Write { call, key, told });
                }
            }
        }
        for sighting in sightings(history) {
            versions.note(sighting);
        }
        versions
    }

    fn note(&mut self, sighting: Sighting<'history>) {
        let is_committed = sighting.isolation == Isolation::ReadCommitted;
        let place = (sighting.key, sighting.offset);
        let seen = self.seen.entry(sighting.value).or_insert_with(|| Seen {
            first: sighting,
            first_committed: None,
            places: BTreeSet::new(),
        });
        seen.places.insert(place);
        if sighting.poll.returned < seen.first.poll.returned {
            seen.first = sighting;
        }
        let before = seen.first_committed.map(|before| before.poll.returned);
        if is_committed && before.is_none_or(|before| sighting.poll.returned < before) {
            seen.first_committed = Some(sighting);
        }
        let order = self.orders.entry(sighting.key).or_default();
        order.by_anyone.insert(sighting.offset, sighting.value);
        if is_committed {
            order.by_committed.insert(sighting.offset, sighting.value);
        }
        if let Some(write) = self.writes.get(&sighting.value) {
            self.seen_batches.insert(Call::of(write.call));
            let life = write.call.transaction.and_then(|transaction| {
                Some((transaction, self.history.transactions().get(&transaction)?))
            });
            // Who saw it before its end was asked for was shown something open, which proves
            // nothing about the end.
            if let Some((transaction, life)) = life
                && is_committed
                && sighting.poll.returned > life.end_asked
            {
                self.seen_transactions.insert(transaction);
            }
        }
    }

    /// What became of a transaction, as far as anybody could see.
    pub(crate) fn fate(&self, transaction: Transaction) -> Fate {
        let life = self.history.transactions().get(&transaction);
        let fate = life.map_or(Fate::Aborted, |life| life.fate);
        match fate {
            Fate::Indefinite if self.seen_transactions.contains(&transaction) => Fate::Committed,
            fate => fate,
        }
    }

    /// Whether readers of committed records must see what this call wrote.
    pub(crate) fn due(&self, write: &Write<'_>) -> Due {
        let is_there = match write.call.outcome {
            Outcome::Failed => return Due::Never,
            Outcome::Ok => true,
            Outcome::Indefinite => self.seen_batches.contains(&Call::of(write.call)),
        };
        let fate = write
            .call
            .transaction
            .map_or(Fate::Committed, |transaction| self.fate(transaction));
        match fate {
            Fate::Aborted => Due::Never,
            Fate::Committed if is_there => Due::Yes,
            Fate::Committed | Fate::Indefinite => Due::Unknown,
        }
    }

    /// What a reader of this kind has seen of a value before anybody else of its kind.
    pub(crate) fn first_seen(
        &self,
        value: Value,
        isolation: Isolation,
    ) -> Option<Sighting<'history>> {
        let seen = self.seen.get(&value)?;
        match isolation {
            Isolation::ReadCommitted => seen.first_committed,
            Isolation::ReadUncommitted => Some(seen.first),
        }
    }

    /// Where a value is, as far as anybody was told or saw.
    pub(crate) fn offset(&self, value: Value) -> Option<Offset> {
        let write = self.writes.get(&value)?;
        let seen = || {
            let seen = self.seen.get(&value)?;
            let own = seen.places.iter().find(|(key, _)| *key == write.key);
            own.map(|(_, offset)| *offset)
        };
        write.told.or_else(seen)
    }

    /// What readers of this kind saw in a partition.
    pub(crate) fn order(
        &self,
        key: &TopicPartition,
        isolation: Isolation,
    ) -> Option<&BTreeMap<Offset, Value>> {
        let order = self.orders.get(key)?;
        Some(match isolation {
            Isolation::ReadCommitted => &order.by_committed,
            Isolation::ReadUncommitted => &order.by_anyone,
        })
    }
}

impl Write<'_> {
    pub(crate) fn writer(&self) -> Writer {
        self.call
            .transaction
            .map_or(Writer::Batch(Call::of(self.call)), Writer::Transaction)
    }
}

impl Sighting<'_> {
    /// The same for a report.
    pub(crate) fn report(&self) -> anomaly::Sighting {
        anomaly::Sighting {
            value: self.value,
            key: self.key.clone(),
            offset: self.offset,
            poll: Call::of(self.poll),
        }
    }
}

/// Every record that every poll handed out.
pub(crate) fn sightings(history: &History) -> impl Iterator<Item = Sighting<'_>> {
    history.operations().iter().flat_map(|poll| {
        let (isolation, records) = match &poll.action {
            Action::Poll {
                isolation, records, ..
            } => (*isolation, records.as_slice()),
            _ => (Isolation::ReadUncommitted, &[][..]),
        };
        records.iter().map(move |record| Sighting {
            poll,
            isolation,
            key: &record.key,
            offset: record.offset,
            value: record.value,
        })
    })
}
