//! Later sends lie behind earlier ones: within a transaction, within a process, and between
//! processes when one was answered before the other called.
//!
//! Others may write in between, always: Kafka isolates readers, not writers.

use std::collections::BTreeMap;

use base::{Offset, TopicPartition};

use crate::anomaly::{Anomaly, Call, Scope};
use crate::history::History;
use crate::operation::{Action, Moment, Operation, Process, Value};
use crate::versions::Versions;

/// A send and where its last record is.
#[derive(Clone, Copy, Debug)]
struct Sent<'history> {
    call: &'history Operation,
    key: &'history TopicPartition,
    first: (Value, Offset),
    last: (Value, Offset),
}

pub(crate) fn judge(history: &History, versions: &Versions<'_>) -> Vec<Anomaly> {
    let sent: Vec<Sent<'_>> = history
        .operations()
        .iter()
        .filter_map(|call| sent(call, versions))
        .collect();
    let mut anomalies = per_process(&sent);
    anomalies.extend(between_processes(&sent));
    anomalies
}

/// Where a send is, when its offsets are known: told, or seen.
fn sent<'history>(
    call: &'history Operation,
    versions: &Versions<'history>,
) -> Option<Sent<'history>> {
    let Action::Send { key, values, .. } = &call.action else {
        return None;
    };
    let place = |value: &Value| Some((*value, versions.offset(*value)?));
    Some(Sent {
        call,
        key,
        first: place(values.first()?)?,
        last: place(values.last()?)?,
    })
}

/// A producer keeps the order of its calls, also of those that it does not wait for.
fn per_process(sent: &[Sent<'_>]) -> Vec<Anomaly> {
    let mut before: BTreeMap<(Process, &TopicPartition), Sent<'_>> = BTreeMap::new();
    let mut anomalies = Vec::new();
    for now in sent {
        // Within a batch values have one order too: a batch that was told one offset keeps it by
        // itself, one whose records were seen apart shows here.
        if now.last.1 < now.first.1 {
            anomalies.push(anomaly(Scope::Internal, (now, now.first), (now, now.last)));
        }
        let key = (now.call.process, now.key);
        if let Some(before) = before.insert(key, *now)
            && now.first.1 <= before.last.1
        {
            let transaction = before.call.transaction;
            let is_internal = transaction.is_some() && transaction == now.call.transaction;
            let scope = if is_internal {
                Scope::Internal
            } else {
                Scope::External
            };
            anomalies.push(anomaly(scope, (&before, before.last), (now, now.first)));
        }
    }
    anomalies
}

/// One pass over all calls and answers: whoever calls must land behind all that was answered.
fn between_processes(sent: &[Sent<'_>]) -> Vec<Anomaly> {
    let mut events: Vec<(Moment, bool, &Sent<'_>)> = Vec::new();
    for one in sent {
        events.push((one.call.invoked, false, one));
        // The effect of what never returned has no upper bound in time.
        if let (Some(returned), true) = (one.call.returned, one.call.is_ok()) {
            events.push((returned, true, one));
        }
    }
    events.sort_by_key(|(moment, ..)| *moment);
    let mut furthest: BTreeMap<&TopicPartition, &Sent<'_>> = BTreeMap::new();
    let mut anomalies = Vec::new();
    for (_, is_answer, one) in events {
        let known = furthest.get(one.key).copied();
        if is_answer {
            if known.is_none_or(|known| known.last.1 < one.last.1) {
                furthest.insert(one.key, one);
            }
        } else if let Some(known) = known
            && known.call.process != one.call.process
            && one.first.1 <= known.last.1
        {
            let scope = Scope::RealTime;
            anomalies.push(anomaly(scope, (known, known.last), (one, one.first)));
        }
    }
    anomalies
}

fn anomaly(
    scope: Scope,
    (first, first_place): (&Sent<'_>, (Value, Offset)),
    (second, second_place): (&Sent<'_>, (Value, Offset)),
) -> Anomaly {
    let place =
        |sent: &Sent<'_>, (value, offset): (Value, Offset)| (Call::of(sent.call), value, offset);
    Anomaly::NonMonotonicSend {
        scope,
        key: first.key.clone(),
        first: place(first, first_place),
        second: place(second, second_place),
    }
}
