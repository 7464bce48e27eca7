//! What should have been seen and was not: lost, unseen, or torn from the rest of its transaction.
//!
//! A value is missing when it is due and a reader went past it, or came to the end of the log
//! after it was acknowledged, and no reader of that kind ever saw it. What somebody of that kind
//! saw is there, and who went past it skipped it: that is told in `readers.rs`.

use std::collections::BTreeMap;

use crate::anomaly::{Anomaly, Call, Missing, Writer};
use crate::operation::{Isolation, Operation, Value};
use crate::readers::{End, Passage, Walk};
use crate::versions::{Due, Sighting, Versions, Write};

/// How it is known that a value is missing.
enum Evidence<'history> {
    Passed(&'history Operation),
    Ended(&'history Operation),
}

pub(crate) fn judge(versions: &Versions<'_>, walk: &Walk<'_>) -> Vec<Anomaly> {
    let mut found: BTreeMap<Value, Anomaly> = BTreeMap::new();
    let mut torn: BTreeMap<Writer, (Sighting<'_>, Vec<Missing>)> = BTreeMap::new();
    // Readers of everything come second: what readers of committed records miss is told once.
    for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
        let parts = seen_parts(versions, isolation);
        for (value, write) in &versions.writes {
            let is_told = found.contains_key(value);
            if is_told || versions.first_seen(*value, isolation).is_some() {
                continue;
            }
            let Some(evidence) = evidence(versions, walk, (*value, write), isolation) else {
                continue;
            };
            let missing = Missing {
                value: *value,
                key: write.key.clone(),
                offset: versions.offset(*value),
                writer: write.writer(),
                poll: Call::of(evidence.poll()),
            };
            let kept = match torn.get_mut(&write.writer()) {
                Some((_, all)) => Some(all),
                None => parts.get(&write.writer()).map(|seen| {
                    let entry = torn.entry(write.writer()).or_insert((*seen, Vec::new()));
                    &mut entry.1
                }),
            };
            match (kept, evidence) {
                (Some(all), _) => {
                    if !all.iter().any(|before| before.value == *value) {
                        all.push(missing);
                    }
                }
                (None, Evidence::Passed(_)) => {
                    found.insert(*value, Anomaly::LostWrite(missing));
                }
                (None, Evidence::Ended(_)) => {
                    found.insert(*value, Anomaly::Unseen(missing));
                }
            }
        }
    }
    let torn = torn
        .into_iter()
        .map(|(writer, (seen, missing))| Anomaly::Torn {
            writer,
            seen: seen.report(),
            missing,
        });
    found.into_values().chain(torn).collect()
}

/// For each writer something of it that readers of this kind saw.
fn seen_parts<'history>(
    versions: &Versions<'history>,
    isolation: Isolation,
) -> BTreeMap<Writer, Sighting<'history>> {
    let mut parts = BTreeMap::new();
    for (value, write) in &versions.writes {
        if let Some(seen) = versions.first_seen(*value, isolation) {
            parts.entry(write.writer()).or_insert(seen);
        }
    }
    parts
}

fn evidence<'history>(
    versions: &Versions<'history>,
    walk: &Walk<'history>,
    (value, write): (Value, &Write<'history>),
    isolation: Isolation,
) -> Option<Evidence<'history>> {
    if versions.due(write) != Due::Yes {
        return None;
    }
    let offset = versions.offset(value);
    let passes = |passage: &&Passage<'history>| {
        let is_within = offset.is_some_and(|offset| (passage.from..passage.to).contains(&offset));
        is_within && passage.isolation == isolation && passage.key == write.key
    };
    if let Some(passage) = walk.passages.iter().find(passes) {
        return Some(Evidence::Passed(passage.poll));
    }
    // An acknowledged batch is in the log below the high watermark, and whoever reaches that one
    // after the acknowledgement has gone past it, and past the end of its transaction.
    let ends = |end: &&End<'history>| {
        let is_later = write.call.is_ok() && write.call.returned < Some(end.poll.invoked);
        is_later && end.isolation == isolation && end.key == write.key
    };
    let end = walk.ends.iter().find(ends)?;
    Some(Evidence::Ended(end.poll))
}

impl<'history> Evidence<'history> {
    const fn poll(&self) -> &'history Operation {
        match self {
            Self::Passed(poll) | Self::Ended(poll) => poll,
        }
    }
}
