//! What one value tells by itself: where it is, who may see it and when.

use std::collections::{BTreeMap, BTreeSet};

use base::{Offset, TopicPartition};

use crate::anomaly::{Anomaly, Call};
use crate::history::{Fate, History};
use crate::operation::{Isolation, Outcome, Transaction, Value};
use crate::versions::{Sighting, Versions, sightings};

/// A write and a read of it, both within transactions.
pub(crate) type Link = (Transaction, Transaction);

/// What is wrong with single values. Reads of open transactions are left out where a cycle in
/// `circular` explains them better.
pub(crate) fn judge(
    history: &History,
    versions: &Versions<'_>,
    circular: &BTreeSet<Link>,
) -> Vec<Anomaly> {
    let mut anomalies = places(versions);
    for seen in versions.seen.values() {
        anomalies.extend(phantom(versions, seen.first));
        anomalies.extend(refused(versions, seen.first));
    }
    anomalies.extend(uncommitted(history, versions, circular));
    anomalies
}

/// An offset is one value's, and a value has one offset; aborted records take offsets as well, so
/// what any producer was told counts, and what any consumer saw.
fn places(versions: &Versions<'_>) -> Vec<Anomaly> {
    let mut values: BTreeMap<(&TopicPartition, Offset), BTreeSet<Value>> = BTreeMap::new();
    let mut places: BTreeMap<Value, BTreeSet<(&TopicPartition, Offset)>> = BTreeMap::new();
    let told = versions
        .writes
        .iter()
        .filter_map(|(value, write)| Some((*value, (write.key, write.told?))));
    let seen = versions
        .seen
        .iter()
        .flat_map(|(value, seen)| seen.places.iter().map(|place| (*value, *place)));
    for (value, place) in told.chain(seen) {
        values.entry(place).or_default().insert(value);
        places.entry(value).or_default().insert(place);
    }
    let inconsistent = values
        .into_iter()
        .filter(|(_, values)| values.len() > 1)
        .map(|((key, offset), values)| Anomaly::InconsistentOffsets {
            key: key.clone(),
            offset,
            values: values.into_iter().collect(),
        });
    let duplicate = places
        .into_iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(value, places)| Anomaly::Duplicate {
            value,
            places: places
                .into_iter()
                .map(|(key, offset)| (key.clone(), offset))
                .collect(),
        });
    inconsistent.chain(duplicate).collect()
}

/// `first` came back before any other poll with this value, so it speaks for all of them.
fn phantom(versions: &Versions<'_>, first: Sighting<'_>) -> Option<Anomaly> {
    let write = versions.writes.get(&first.value);
    let is_sound = write.is_some_and(|write| {
        write.key == first.key && Some(write.call.invoked) < first.poll.returned
    });
    (!is_sound).then(|| Anomaly::Phantom {
        seen: first.report(),
        sent: write.map(|write| (write.key.clone(), Call::of(write.call))),
    })
}

/// What was refused is nobody's to see, whatever the reader asked for.
fn refused(versions: &Versions<'_>, first: Sighting<'_>) -> Option<Anomaly> {
    let write = versions.writes.get(&first.value)?;
    (write.call.outcome == Outcome::Failed).then(|| Anomaly::AbortedRead {
        writer: write.writer(),
        seen: first.report(),
    })
}

/// Readers of committed records that saw what was open or aborted: once per value and fault.
fn uncommitted(
    history: &History,
    versions: &Versions<'_>,
    circular: &BTreeSet<Link>,
) -> Vec<Anomaly> {
    let mut found = BTreeMap::new();
    let committed = sightings(history).filter(|seen| seen.isolation == Isolation::ReadCommitted);
    for seen in committed {
        let Some(write) = versions.writes.get(&seen.value) else {
            continue;
        };
        let Some(transaction) = write.call.transaction else {
            continue;
        };
        let Some(life) = history.transactions().get(&transaction) else {
            continue;
        };
        let reader = seen.poll.transaction;
        let is_circular = reader.is_some_and(|reader| circular.contains(&(transaction, reader)));
        let is_early = seen.poll.returned < life.end_asked;
        let (writer, report) = (write.writer(), seen.report());
        let anomaly = if reader == Some(transaction) {
            Anomaly::OwnUncommittedRead {
                transaction,
                seen: report,
            }
        } else if life.fate == Fate::Aborted && write.call.outcome != Outcome::Failed {
            Anomaly::AbortedRead {
                writer,
                seen: report,
            }
        } else if life.fate != Fate::Aborted && is_early && !is_circular {
            Anomaly::UncommittedRead {
                transaction,
                seen: report,
            }
        } else {
            continue;
        };
        found.entry((seen.value, anomaly.name())).or_insert(anomaly);
    }
    found.into_values().collect()
}
