//! What is told of all groups: lists for administrators, summaries for metrics and the console.

use base::{Offset, PartitionIndex, Timestamp};

use crate::group::{Group, Kind};
use crate::{Groups, ListGroupsAsk, ListedGroup, TimelineEvent, consumer};

/// One group in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// The group.
    pub group: String,
    /// `classic` or `consumer`.
    pub kind: &'static str,
    /// What it is for; empty for a simple group.
    pub protocol_type: String,
    /// Kafka's name of its state.
    pub state: &'static str,
    /// Its generation or group epoch.
    pub generation: i32,
    /// How many members it has.
    pub members: usize,
}

/// One committed offset, for lag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommittedOffset<'g> {
    /// The group.
    pub group: &'g str,
    /// The topic.
    pub topic: &'g str,
    /// The partition.
    pub partition: PartitionIndex,
    /// The next offset to read.
    pub offset: Offset,
    /// When it was committed.
    pub committed_at: Timestamp,
}

impl Groups {
    pub(crate) fn list(&self, ask: &ListGroupsAsk) -> Vec<ListedGroup> {
        let is_wanted = |filter: &[String], name: &str| {
            filter.is_empty()
                || filter
                    .iter()
                    .any(|wanted| wanted.eq_ignore_ascii_case(name))
        };
        let mut listed = Vec::new();
        for group in self.groups.values() {
            let (kind, state) = group.names();
            if is_wanted(&ask.types, kind) && is_wanted(&ask.states, state) {
                listed.push(ListedGroup {
                    group: group.id.to_string(),
                    protocol_type: group.protocol_type().to_owned(),
                    state,
                    kind,
                });
            }
        }
        listed
    }

    /// Every group in figures.
    pub fn group_summaries(&self) -> impl Iterator<Item = GroupSummary> {
        self.groups.values().map(summary)
    }

    /// Every committed offset, by group, topic and partition.
    pub fn committed_offsets(&self) -> impl Iterator<Item = CommittedOffset<'_>> {
        self.groups.values().flat_map(|group| {
            group
                .offsets
                .iter()
                .map(|(topic, partition, committed)| CommittedOffset {
                    group: &group.id,
                    topic,
                    partition: PartitionIndex(partition),
                    offset: Offset(committed.offset),
                    committed_at: Timestamp(committed.committed_at),
                })
        })
    }

    /// What happened in a group lately, oldest first; nothing for a group that is not here.
    #[must_use]
    pub fn timeline(&self, group: &str) -> Option<Vec<TimelineEvent>> {
        let group = self.groups.get(group)?;
        Some(group.timeline.events().cloned().collect())
    }
}

fn summary(group: &Group) -> GroupSummary {
    let (kind, state) = group.names();
    let (generation, members) = match &group.kind {
        Kind::Classic(classic) => (classic.generation, classic.members().len()),
        Kind::Consumer(consumer) => consumer::figures(consumer),
    };
    GroupSummary {
        group: group.id.to_string(),
        kind,
        protocol_type: group.protocol_type().to_owned(),
        state,
        generation,
        members,
    }
}
