//! How a group gets on with a partition, judged by its latest commits alone, without thresholds:
//! the rules of Burrow, so that people who come from there see the same words for the same thing.
//!
//! Pure arithmetic over at most [`POINTS_MAX`] commits; nothing here waits or remembers.

use base::{Offset, Timestamp};

/// How many commits are looked at: Burrow's `intervals`.
pub const POINTS_MAX: usize = 10;

/// One commit, as it was when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitPoint {
    /// The next offset to read.
    pub offset: Offset,
    /// When it came.
    pub at: Timestamp,
    /// How many records were left then; nothing where the log's end was not known yet.
    pub lag: Option<u64>,
}

/// Burrow's words, the worse the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It keeps up.
    Ok,
    /// It reads, but never gets nearer to the end.
    Warn,
    /// The worst that is said of a whole group: some partition is stopped, stalls or went back.
    Err,
    /// No commit for longer than all its commits took.
    Stop,
    /// It commits, but always the same offset.
    Stall,
    /// It committed an offset lower than the one before.
    Rewind,
}

impl Status {
    /// Burrow's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Err => "ERR",
            Self::Stop => "STOP",
            Self::Stall => "STALL",
            Self::Rewind => "REWIND",
        }
    }

    /// Burrow's order as a number, for metrics.
    #[must_use]
    pub const fn severity(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warn => 1,
            Self::Err => 2,
            Self::Stop => 3,
            Self::Stall => 4,
            Self::Rewind => 5,
        }
    }

    /// What is said of a group whose partitions are in these states: the worst, but `Err` at most.
    #[must_use]
    pub fn of_group(partitions: impl IntoIterator<Item = Self>) -> Self {
        let worst = partitions.into_iter().max().unwrap_or(Self::Ok);
        worst.min(Self::Err)
    }

    /// Judges one partition: its commits, oldest first, and how many records are left now.
    ///
    /// A single commit spans no time that another one could be measured by, so it says nothing yet.
    #[must_use]
    pub fn judge(points: &[CommitPoint], lag: u64, now: Timestamp) -> Self {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Self::Ok;
        };
        let had_none_left = points.iter().any(|point| point.lag == Some(0));
        if lag == 0 || had_none_left || points.len() < 2 {
            return Self::Ok;
        }
        if pairs(points).any(|(before, after)| after.offset < before.offset) {
            return Self::Rewind;
        }
        let silent = now.get().saturating_sub(last.at.get());
        if silent > last.at.get().saturating_sub(first.at.get()) {
            return Self::Stop;
        }
        if first.offset == last.offset {
            // They never go back, so all between are the same too.
            return Self::Stall;
        }
        // What is not known did not fall as far as anyone can tell, but proves nothing either.
        let never_falls = pairs(points).all(|(before, after)| match (before.lag, after.lag) {
            (Some(before), Some(after)) => after >= before,
            _ => false,
        });
        if never_falls { Self::Warn } else { Self::Ok }
    }
}

fn pairs(points: &[CommitPoint]) -> impl Iterator<Item = (&CommitPoint, &CommitPoint)> {
    points.iter().zip(points.iter().skip(1))
}

/// Which share of the commits that are looked at is there already.
#[must_use]
pub fn complete(points: &[CommitPoint]) -> f64 {
    let whole = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    (whole(points.len()) / whole(POINTS_MAX)).min(1.0)
}
