//! How far groups are behind, in records and in time, and how they get on.
//!
//! The lag in time is the age of the batch that the group will read next, by the timestamp that
//! the log itself keeps. A history of log ends and times would need no look into the log, but it
//! would take memory for every partition, forget itself at each restart, and call the time of
//! arrival the age of a record. The look costs one batch header: in memory near the end, and
//! through the index and one small read elsewhere.
//!
//! Invariants: what is committed is asked of the core that hosts the group, what is in a log of
//! the core that owns it; one ask to each core for all that is wanted of it.

use std::collections::BTreeMap;

use base::{CoreId, Offset, PartitionIndex, Timestamp, TopicPartition};
use coordinator::{CommitPoint, GroupSummary, Groups, LogEnds, POINTS_MAX, Status};

use crate::broker::Broker;
use crate::hosted::Unavailable;
use crate::ownership::PartitionId;

/// After so many partitions the core's other tasks run.
const PARTITIONS_PER_SLICE: usize = 64;
/// The same for groups, each with its offsets.
const GROUPS_PER_SLICE: usize = 16;

/// What a log holds around a committed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that can be read.
    pub log_start: Offset,
    /// Up to where consumers read.
    pub log_end: Offset,
    /// The timestamp of the batch that is read next; nothing at the end.
    pub next_at: Option<Timestamp>,
}

/// One group and one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    /// The partition.
    pub partition: TopicPartition,
    /// The next offset that the group reads, as it committed.
    pub committed: Offset,
    /// When it did.
    pub committed_at: Timestamp,
    /// What its log holds; nothing while the partition does not serve.
    pub bounds: Option<Bounds>,
    /// The latest commits, oldest first.
    pub points: Vec<CommitPoint>,
    /// How old the batch is that is read next, in milliseconds.
    pub lag_ms: Option<u64>,
    /// How the group gets on with it.
    pub status: Status,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLag {
    /// The group in figures.
    pub summary: GroupSummary,
    /// What it has committed, by topic and partition.
    pub partitions: Vec<PartitionLag>,
}

impl PartitionLag {
    fn new(wanted: Wanted, bounds: Option<Bounds>, now: Timestamp) -> Self {
        let lag = bounds.map(|bounds| records_between(wanted.committed, bounds.log_end));
        let next_at = bounds.and_then(|bounds| bounds.next_at);
        let age = next_at.map(|at| u64::try_from(now.get().saturating_sub(at.get())).unwrap_or(0));
        Self {
            lag_ms: if lag == Some(0) { Some(0) } else { age },
            status: Status::judge(&wanted.points, lag.unwrap_or(0), now),
            partition: wanted.partition,
            committed: wanted.committed,
            committed_at: wanted.committed_at,
            points: wanted.points,
            bounds,
        }
    }

    /// How many records are left to read; nothing while the partition does not serve.
    #[must_use]
    pub fn lag(&self) -> Option<u64> {
        self.bounds
            .map(|bounds| records_between(self.committed, bounds.log_end))
    }

    /// True when all the commits are known that the status looks at.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.points.len() == POINTS_MAX
    }
}

impl GroupLag {
    /// How the group gets on.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of_group(self.partitions.iter().map(|partition| partition.status))
    }

    /// How many records are left to read in all partitions.
    #[must_use]
    pub fn total_lag(&self) -> u64 {
        self.partitions
            .iter()
            .filter_map(PartitionLag::lag)
            .fold(0, u64::saturating_add)
    }

    /// What people should know of one of its partitions beside its status.
    #[must_use]
    pub fn remark(&self, partition: &PartitionLag) -> Option<&'static str> {
        let Some(bounds) = partition.bounds else {
            return Some("the partition does not serve");
        };
        let is_behind = partition.lag().is_some_and(|lag| lag > 0);
        if partition.committed < bounds.log_start {
            Some("the committed offset is not retained any more")
        } else if partition.committed > bounds.log_end {
            Some("the committed offset lies behind the end of the log")
        } else if is_behind && self.summary.members == 0 {
            Some("the group has no members")
        } else if is_behind && partition.points.len() < 2 {
            Some("too few commits since the node started to judge by")
        } else {
            None
        }
    }
}

/// An offset ahead of the end, as after a truncation, is not behind.
fn records_between(committed: Offset, end: Offset) -> u64 {
    u64::try_from(end.get().saturating_sub(committed.get().max(0))).unwrap_or(0)
}

/// One committed offset whose lag is wanted.
#[derive(Clone, Debug)]
struct Wanted {
    partition: TopicPartition,
    committed: Offset,
    committed_at: Timestamp,
    points: Vec<CommitPoint>,
}

fn wanted(machine: &Groups, group: &str, max: usize) -> Vec<Wanted> {
    let committed = machine.committed_offsets_of(group).take(max);
    committed
        .map(|committed| Wanted {
            partition: TopicPartition {
                topic: committed.topic.to_owned(),
                partition: committed.partition,
            },
            committed: committed.offset,
            committed_at: committed.committed_at,
            points: machine.commit_points(&committed),
        })
        .collect()
}

/// A partition with the offset to look at, if any, and the caller's number for it.
type Place = (usize, PartitionId, Option<Offset>);

impl Broker {
    /// How far a group is behind; nothing where there is no such group.
    ///
    /// # Errors
    /// While the group's coordinator cannot be asked.
    pub async fn group_lag(&self, group: &str) -> Result<Option<GroupLag>, Unavailable> {
        let Some(home) = self.group_home(group) else {
            return Ok(None);
        };
        let group = group.to_owned();
        let asked = self.on_core(home.owner(self.cores()), move |broker| {
            let broker = broker.clone();
            async move {
                let known = broker.look_at_host(home, |machine| {
                    let summary = machine.group_summary(&group)?;
                    Some((summary, wanted(machine, &group, usize::MAX)))
                });
                match known {
                    Some(Some((summary, wanted))) => Ok(Some(broker.behind(summary, wanted).await)),
                    Some(None) => Ok(None),
                    None => Err(Unavailable::Opening),
                }
            }
        });
        asked.await?
    }

    /// How far the groups of this core are behind, for `max` groups and `max` committed offsets at
    /// most. Others have a turn after each few of them.
    pub(crate) async fn group_lags_here(&self, max: usize) -> Vec<GroupLag> {
        let (mut left, mut groups) = (max, Vec::new());
        for host in self.shared.groups.all() {
            let mut after: Option<String> = None;
            loop {
                let count = GROUPS_PER_SLICE.min(max - groups.len());
                if left == 0 || count == 0 {
                    return groups;
                }
                let slice = host.look(|machine| {
                    let summaries = machine.group_summaries_behind(after.as_deref(), count);
                    let with_offsets = summaries.into_iter().map(|summary| {
                        let wanted = wanted(machine, &summary.group, left);
                        left -= wanted.len();
                        (summary, wanted)
                    });
                    with_offsets.collect::<Vec<_>>()
                });
                let slice = slice.unwrap_or_default();
                let Some((last, _)) = slice.last() else {
                    break;
                };
                after = Some(last.group.clone());
                for (summary, wanted) in slice {
                    groups.push(self.behind(summary, wanted).await);
                }
                self.core().yield_now().await;
            }
        }
        groups
    }

    async fn behind(&self, summary: GroupSummary, wanted: Vec<Wanted>) -> GroupLag {
        let image = self.image();
        let places = wanted.iter().enumerate().filter_map(|(number, wanted)| {
            let topic = image.topic(&wanted.partition.topic)?.id;
            let index = wanted.partition.partition;
            Some((number, PartitionId { topic, index }, Some(wanted.committed)))
        });
        let bounds = self.bounds(places.collect()).await;
        let now = self.core().wall();
        let partitions = wanted.into_iter().enumerate();
        GroupLag {
            summary,
            partitions: partitions
                .map(|(number, wanted)| {
                    PartitionLag::new(wanted, bounds.get(&number).copied(), now)
                })
                .collect(),
        }
    }

    /// Asks the owners of partitions, each core once.
    async fn bounds(&self, places: Vec<Place>) -> BTreeMap<usize, Bounds> {
        let mut by_core: BTreeMap<CoreId, Vec<Place>> = BTreeMap::new();
        for place in places {
            let owner = place.1.owner(self.cores());
            by_core.entry(owner).or_default().push(place);
        }
        let asked: Vec<_> = by_core
            .into_iter()
            .map(|(core, places)| {
                self.on_core(core, move |broker| {
                    let broker = broker.clone();
                    async move { broker.bounds_here(places).await }
                })
            })
            .collect();
        let mut bounds = BTreeMap::new();
        for asked in asked {
            // A core that is gone serves no partition.
            bounds.extend(asked.await.unwrap_or_default());
        }
        bounds
    }

    async fn bounds_here(&self, places: Vec<Place>) -> Vec<(usize, Bounds)> {
        let mut found = Vec::with_capacity(places.len());
        for (count, (number, id, offset)) in places.into_iter().enumerate() {
            if count % PARTITIONS_PER_SLICE == PARTITIONS_PER_SLICE - 1 {
                self.core().yield_now().await;
            }
            let Some(partition) = self.own_partition(id) else {
                continue;
            };
            let (log_start, log_end) = (partition.log_start_offset(), partition.high_watermark());
            let next_at = match offset.filter(|offset| *offset < log_end) {
                // A log that cannot be read is told of elsewhere.
                Some(offset) => partition.log().timestamp_at(offset).await.ok().flatten(),
                None => None,
            };
            let bounds = Bounds {
                log_start,
                log_end,
                next_at: next_at.filter(|at| *at >= Timestamp(0)),
            };
            found.push((number, bounds));
        }
        found
    }

    /// Up to where logs reach that groups of this core read.
    pub(crate) async fn log_ends(&self, wanted: Vec<(String, PartitionIndex)>) -> LogEnds {
        let image = self.image();
        let places = wanted
            .iter()
            .enumerate()
            .filter_map(|(number, (topic, index))| {
                let (topic, index) = (image.topic(topic)?.id, *index);
                Some((number, PartitionId { topic, index }, None))
            });
        let bounds = self.bounds(places.collect()).await;
        let mut ends = LogEnds::default();
        for (number, (topic, index)) in wanted.iter().enumerate() {
            if let Some(bounds) = bounds.get(&number) {
                ends.set(topic, index.get(), bounds.log_end);
            }
        }
        ends
    }
}
