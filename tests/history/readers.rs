//! Follows every reader through its partitions: it must not go back and must not leave out what
//! others saw, unless it left its place by seek, assignment or rebalance.
//!
//! A reader's place is the next offset that it wants. It is unknown until the reader was told or
//! showed it; what lies before that is not held against it.

use std::collections::BTreeMap;

use base::{Offset, TopicPartition};

use crate::anomaly::{Anomaly, Call, Scope, Sighting};
use crate::history::History;
use crate::operation::{Action, Isolation, Operation, Polled, Process};
use crate::versions::Versions;

/// A stretch of a partition that a reader has behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage<'history> {
    pub(crate) poll: &'history Operation,
    pub(crate) isolation: Isolation,
    pub(crate) key: &'history TopicPartition,
    pub(crate) from: Offset,
    /// Not part of it any more.
    pub(crate) to: Offset,
}

/// A reader that came to the end of a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'history> {
    pub(crate) poll: &'history Operation,
    pub(crate) isolation: Isolation,
    pub(crate) key: &'history TopicPartition,
}

/// What following all readers found.
#[derive(Debug, Default)]
pub(crate) struct Walk<'history> {
    pub(crate) anomalies: Vec<Anomaly>,
    pub(crate) passages: Vec<Passage<'history>>,
    pub(crate) ends: Vec<End<'history>>,
}

/// Where a reader is in one partition.
#[derive(Clone, Copy, Debug)]
struct Place<'history> {
    next: Offset,
    /// The poll that brought it there; nothing when it went there by itself.
    poll: Option<&'history Operation>,
}

type Places<'history> = BTreeMap<(Process, &'history TopicPartition), Place<'history>>;

pub(crate) fn walk<'history>(
    history: &'history History,
    versions: &Versions<'history>,
) -> Walk<'history> {
    let mut walk = Walk::default();
    let mut places = Places::new();
    for call in history.operations() {
        if let Action::Poll { .. } = call.action {
            walk.follow(call, versions, &mut places);
        } else {
            go(call, &mut places);
        }
    }
    walk
}

/// What moves a reader without showing it anything.
fn go<'history>(call: &'history Operation, places: &mut Places<'history>) {
    let own = call.process;
    match &call.action {
        Action::Assign { keys } => {
            places.retain(|(process, key), _| *process != own || keys.contains(key));
        }
        Action::Subscribe { .. } => places.retain(|(process, _), _| *process != own),
        Action::Rebalanced { keys } => {
            places.retain(|(process, key), _| *process != own || !keys.contains(key));
        }
        Action::Seek { key, offset }
        | Action::Resume {
            key,
            offset: Some(offset),
            ..
        } => {
            let place = Place {
                next: *offset,
                poll: None,
            };
            places.insert((own, key), place);
        }
        Action::Resume {
            key, offset: None, ..
        } => {
            if call.is_ok() {
                places.remove(&(own, key));
            }
        }
        Action::Send { .. }
        | Action::Poll { .. }
        | Action::CommitOffsets { .. }
        | Action::End { .. } => {}
    }
}

impl<'history> Walk<'history> {
    fn follow(
        &mut self,
        poll: &'history Operation,
        versions: &Versions<'history>,
        places: &mut Places<'history>,
    ) {
        let Action::Poll {
            isolation,
            records,
            reached,
        } = &poll.action
        else {
            return;
        };
        for record in records {
            let place = places.get(&(poll.process, &record.key)).copied();
            let went_back = place.filter(|place| record.offset < place.next);
            if let Some(place) = went_back {
                self.went_back(poll, place, record);
            } else {
                let passage = Passage {
                    poll,
                    isolation: *isolation,
                    key: &record.key,
                    from: place.map_or(record.offset, |place| place.next),
                    to: record.offset,
                };
                self.pass(passage, place, versions);
            }
            let place = Place {
                next: record.offset.plus(1),
                poll: Some(poll),
            };
            places.insert((poll.process, &record.key), place);
        }
        for reached in reached {
            let key = &reached.key;
            let place = places.get(&(poll.process, key)).copied();
            let from = place.map_or(reached.next, |place| place.next);
            let passage = Passage {
                poll,
                isolation: *isolation,
                key,
                from,
                to: reached.next,
            };
            self.pass(passage, place, versions);
            let place = Place {
                // Who claims to be further back is caught when it is shown something again.
                next: from.max(reached.next),
                poll: Some(poll),
            };
            places.insert((poll.process, key), place);
            if reached.is_end {
                self.ends.push(End {
                    poll,
                    isolation: *isolation,
                    key,
                });
            }
        }
    }

    fn went_back(&mut self, poll: &Operation, place: Place<'_>, record: &Polled) {
        self.anomalies.push(Anomaly::NonMonotonicPoll {
            scope: scope(place, poll),
            place: place.next,
            seen: Sighting {
                value: record.value,
                key: record.key.clone(),
                offset: record.offset,
                poll: Call::of(poll),
            },
        });
    }

    /// What others of its kind saw there the reader should have been shown.
    fn pass(
        &mut self,
        passage: Passage<'history>,
        place: Option<Place<'history>>,
        versions: &Versions<'history>,
    ) {
        if passage.from >= passage.to {
            return;
        }
        self.passages.push(passage);
        let order = versions.order(passage.key, passage.isolation);
        let missed = order.and_then(|order| order.range(passage.from..passage.to).next());
        if let (Some((_, missed)), Some(place)) = (missed, place) {
            self.anomalies.push(Anomaly::PollSkip {
                scope: scope(place, passage.poll),
                key: passage.key.clone(),
                place: passage.from,
                next: passage.to,
                missed: *missed,
                poll: Call::of(passage.poll),
            });
        }
    }
}

/// A jump is internal when one poll or one transaction saw both sides of it.
fn scope(place: Place<'_>, poll: &Operation) -> Scope {
    let is_internal = place.poll.is_some_and(|before| {
        let same_poll = before.invoked == poll.invoked;
        same_poll || before.transaction.is_some() && before.transaction == poll.transaction
    });
    if is_internal {
        Scope::Internal
    } else {
        Scope::External
    }
}
