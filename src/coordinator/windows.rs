//! The latest commits of every group and partition, for judging how they get on.
//!
//! They live in memory only: after a restart they begin anew, as the timeline does. Invariant: no
//! more than [`WINDOWS_MAX`] partitions of groups are watched; when so many are, those that have
//! been silent for long make room, and where none has, new ones are not watched.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Offset, Timestamp};

use crate::status::{CommitPoint, POINTS_MAX};

/// How many pairs of a group and a partition one machine watches.
pub(crate) const WINDOWS_MAX: usize = 4096;
/// Commits that follow each other more quickly are one point, so that the points of a group that
/// commits after each record still span some time.
const DISTANCE_MS_MIN: i64 = 1_000;
/// Silent for longer, a window makes room for another.
const SILENCE_MS_MAX: i64 = 600_000;
/// How often room is looked for: it costs a look at all windows.
const SWEEP_INTERVAL_MS: u64 = 60_000;

/// Up to where logs reach, as far as this core knows; from moment to moment it is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEnds {
    ends: BTreeMap<String, BTreeMap<i32, Offset>>,
}

impl LogEnds {
    /// Notes the end of one partition's log.
    pub fn set(&mut self, topic: &str, partition: i32, end: Offset) {
        if let Some(partitions) = self.ends.get_mut(topic) {
            partitions.insert(partition, end);
        } else {
            let partitions = BTreeMap::from([(partition, end)]);
            self.ends.insert(topic.to_owned(), partitions);
        }
    }

    /// The end of one partition's log.
    #[must_use]
    pub fn get(&self, topic: &str, partition: i32) -> Option<Offset> {
        self.ends.get(topic)?.get(&partition).copied()
    }
}

/// A point in 24 bytes; a lag below zero is not known.
#[derive(Clone, Copy, Debug)]
struct Point {
    offset: i64,
    at: i64,
    lag: i64,
}

impl Point {
    fn open(self) -> CommitPoint {
        CommitPoint {
            offset: Offset(self.offset),
            at: Timestamp(self.at),
            lag: u64::try_from(self.lag).ok(),
        }
    }
}

#[derive(Debug, Default)]
struct Window {
    /// Oldest first.
    points: Vec<Point>,
}

impl Window {
    fn note(&mut self, point: Point) {
        if let Some(last) = self.points.last_mut() {
            let apart = point.at.saturating_sub(last.at);
            if apart < DISTANCE_MS_MIN && point.offset >= last.offset {
                // The earlier time stands, else a quick committer's window would never fill.
                last.offset = point.offset;
                last.lag = point.lag;
                return;
            }
        }
        if self.points.len() == POINTS_MAX {
            self.points.remove(0);
        }
        self.points.push(point);
        assert!(self.points.len() <= POINTS_MAX, "a window is bounded");
    }

    fn last_at(&self) -> i64 {
        self.points.last().map_or(i64::MIN, |point| point.at)
    }
}

type ByTopic = BTreeMap<Box<str>, BTreeMap<i32, Window>>;

/// All windows of one machine.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    groups: BTreeMap<Arc<str>, ByTopic>,
    count: usize,
    swept: Option<i64>,
}

impl Windows {
    /// Notes a commit.
    pub(crate) fn note(
        &mut self,
        group: &Arc<str>,
        (topic, partition): (&str, i32),
        offset: i64,
        now: Timestamp,
        end: Option<Offset>,
    ) {
        let lag = end.map_or(-1, |end| end.get().saturating_sub(offset).max(0));
        let at = now.get();
        let point = Point { offset, at, lag };
        if let Some(window) = self.find_mut(group, topic, partition) {
            return window.note(point);
        }
        if self.count >= WINDOWS_MAX {
            self.sweep(at);
        }
        if self.count >= WINDOWS_MAX {
            return;
        }
        let topics = self.groups.entry(Arc::clone(group)).or_default();
        let partitions = topics.entry(topic.into()).or_default();
        partitions.entry(partition).or_default().note(point);
        self.count += 1;
    }

    fn find_mut(&mut self, group: &str, topic: &str, partition: i32) -> Option<&mut Window> {
        let topics = self.groups.get_mut(group)?;
        topics.get_mut(topic)?.get_mut(&partition)
    }

    /// The commits that are known of one partition, oldest first.
    pub(crate) fn points(&self, group: &str, topic: &str, partition: i32) -> Vec<CommitPoint> {
        let topics = self.groups.get(group);
        let partitions = topics.and_then(|topics| topics.get(topic));
        let window = partitions.and_then(|partitions| partitions.get(&partition));
        window.map_or_else(Vec::new, |window| {
            window.points.iter().map(|point| point.open()).collect()
        })
    }

    /// The partitions that somebody committed to since `since`, each once for each group.
    pub(crate) fn recent(&self, since: Timestamp) -> impl Iterator<Item = (&str, i32)> {
        let topics = self.groups.values().flatten();
        topics.flat_map(move |(topic, partitions)| {
            let recent = partitions
                .iter()
                .filter(move |(_, window)| window.last_at() >= since.get());
            recent.map(|(partition, _)| (&**topic, *partition))
        })
    }

    /// Forgets one partition of a group, whose offset is no more.
    pub(crate) fn forget(&mut self, group: &str, topic: &str, partition: i32) {
        let Some(topics) = self.groups.get_mut(group) else {
            return;
        };
        if let Some(partitions) = topics.get_mut(topic)
            && partitions.remove(&partition).is_some()
        {
            self.count -= 1;
            if partitions.is_empty() {
                topics.remove(topic);
            }
        }
        if topics.is_empty() {
            self.groups.remove(group);
        }
    }

    /// Makes room, unless that was tried a moment ago.
    fn sweep(&mut self, now: i64) {
        let is_due = self
            .swept
            .is_none_or(|swept| now.saturating_sub(swept).unsigned_abs() >= SWEEP_INTERVAL_MS);
        if !is_due {
            return;
        }
        self.swept = Some(now);
        let mut count = 0;
        for topics in self.groups.values_mut() {
            for partitions in topics.values_mut() {
                partitions
                    .retain(|_, window| now.saturating_sub(window.last_at()) <= SILENCE_MS_MAX);
                count += partitions.len();
            }
            topics.retain(|_, partitions| !partitions.is_empty());
        }
        self.groups.retain(|_, topics| !topics.is_empty());
        self.count = count;
    }

    /// About how many bytes of memory this takes.
    pub(crate) fn bytes(&self) -> usize {
        self.count * (size_of::<Window>() + POINTS_MAX * size_of::<Point>())
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}
