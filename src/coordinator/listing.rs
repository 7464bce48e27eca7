//! What is told of all groups: lists for administrators, summaries for metrics and the console.

use std::collections::BTreeMap;
use std::ops::Bound;

use base::{Offset, PartitionIndex, Timestamp};

use crate::group::{Group, Kind};
use crate::{CommitPoint, Groups, ListGroupsAsk, ListedGroup, TimelineEvent, consumer};

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

/// What some of the groups come to, counted a part at a time: see [`Groups::census`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// How many groups there are, by kind and state.
    pub states: BTreeMap<(&'static str, &'static str), u64>,
    /// How many committed offsets they have.
    pub offsets: usize,
    /// About how many bytes of memory they take.
    pub bytes: usize,
    /// The last group that was counted, where there are more behind it.
    pub last: Option<String>,
}

impl Groups {
    /// Adds groups behind the census's last one, until about `work_max` groups and offsets were
    /// looked at; true when there are more. Groups that come or go between two calls may be
    /// missing.
    pub fn census(&self, census: &mut Census, work_max: usize) -> bool {
        let from = census.last.take();
        if from.is_none() {
            census.bytes += self.windows.bytes();
        }
        let mut work = 0;
        for group in self.behind(from.as_deref()) {
            let offsets = group.offsets.iter();
            let (waiting, waiting_bytes) = group.pending.size();
            let (mut count, mut bytes) = (0, size_of_val(group) + group.id.len() + waiting_bytes);
            for (_, _, committed) in offsets {
                count += 1;
                bytes += size_of_val(committed) + committed.metadata.len();
            }
            *census.states.entry(group.names()).or_default() += 1;
            census.offsets += count;
            census.bytes += bytes;
            work += 1 + count + waiting;
            if work >= work_max {
                census.last = Some(group.id.to_string());
                return true;
            }
        }
        false
    }

    /// At most `count` groups behind `after` in figures, from the first one where that is none.
    #[must_use]
    pub fn group_summaries_behind(&self, after: Option<&str>, count: usize) -> Vec<GroupSummary> {
        self.behind(after).take(count).map(summary).collect()
    }

    fn behind(&self, after: Option<&str>) -> impl Iterator<Item = &Group> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let groups = self.groups.range::<str, _>((from, Bound::Unbounded));
        groups.map(|(_, group)| group)
    }

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
        self.groups.values().flat_map(committed)
    }

    /// One group in figures; nothing for a group that is not here.
    #[must_use]
    pub fn group_summary(&self, group: &str) -> Option<GroupSummary> {
        self.groups.get(group).map(summary)
    }

    /// Every committed offset of one group, by topic and partition.
    pub fn committed_offsets_of(&self, group: &str) -> impl Iterator<Item = CommittedOffset<'_>> {
        self.groups.get(group).into_iter().flat_map(committed)
    }

    /// The latest commits of a group to one partition, oldest first; see [`crate::Status`].
    #[must_use]
    pub fn commit_points(&self, committed: &CommittedOffset<'_>) -> Vec<CommitPoint> {
        let partition = committed.partition.get();
        self.windows
            .points(committed.group, committed.topic, partition)
    }

    /// The partitions that groups committed to since `since`; some may come several times.
    pub fn committed_since(
        &self,
        since: Timestamp,
    ) -> impl Iterator<Item = (&str, PartitionIndex)> {
        let recent = self.windows.recent(since);
        recent.map(|(topic, partition)| (topic, PartitionIndex(partition)))
    }

    /// What happened in a group lately, oldest first; nothing for a group that is not here.
    #[must_use]
    pub fn timeline(&self, group: &str) -> Option<Vec<TimelineEvent>> {
        let group = self.groups.get(group)?;
        Some(group.timeline.events().cloned().collect())
    }
}

fn committed(group: &Group) -> impl Iterator<Item = CommittedOffset<'_>> {
    let offsets = group.offsets.iter();
    offsets.map(|(topic, partition, committed)| CommittedOffset {
        group: &group.id,
        topic,
        partition: PartitionIndex(partition),
        offset: Offset(committed.offset),
        committed_at: Timestamp(committed.committed_at),
    })
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
