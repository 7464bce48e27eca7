//! Which leader wrote from which offset on: the basis of every truncation (KIP-101, KIP-279).
//!
//! Invariants: epochs and start offsets both rise from entry to entry; an epoch never changes its
//! start upwards; the cache is authoritative, nothing is guessed where it says nothing.

use base::{LeaderEpoch, Offset};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The start offset of each leader epoch that the log has records of, or whose leader began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    starts: BTreeMap<LeaderEpoch, Offset>,
}

/// One epoch and where it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader's epoch.
    pub epoch: LeaderEpoch,
    /// The offset of the first record that it could have written.
    pub start: Offset,
}

/// Where an epoch ended, as OffsetForLeaderEpoch answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The greatest known epoch that is not above the requested one.
    pub epoch: LeaderEpoch,
    /// The offset after its last record.
    pub end: Offset,
}

/// Why a checkpoint file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochsError {
    /// The first line is not the known version.
    Version,
    /// A line is missing, superfluous or not two numbers.
    Line {
        /// The line, counted from one.
        line: usize,
    },
    /// Epochs or offsets do not rise.
    Order {
        /// The line, counted from one.
        line: usize,
    },
}

const CHECKPOINT_VERSION: &str = "0";

impl LeaderEpochs {
    /// No epoch yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            starts: BTreeMap::new(),
        }
    }

    /// Notes that `epoch` begins at `start`; true when that was new and has to be persisted before
    /// the epoch's first record.
    ///
    /// Entries that contradict it are forgotten: the newest word comes from the actual leader.
    ///
    /// # Panics
    /// When the numbers are negative, which no leader's are.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        assert!(epoch >= LeaderEpoch(0), "a leader has an epoch");
        assert!(start >= Offset(0), "a log's offsets begin at zero");
        if let Some(latest) = self.latest()
            && latest.epoch == epoch
            && latest.start <= start
        {
            return false;
        }
        while let Some(latest) = self.latest()
            && (latest.epoch >= epoch || latest.start >= start)
        {
            self.starts.pop_last();
        }
        self.starts.insert(epoch, start);
        assert!(self.latest() == Some(EpochEntry { epoch, start }));
        true
    }

    /// The newest epoch.
    #[must_use]
    pub fn latest(&self) -> Option<EpochEntry> {
        let (epoch, start) = self.starts.last_key_value()?;
        Some(EpochEntry {
            epoch: *epoch,
            start: *start,
        })
    }

    /// The entries, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = EpochEntry> {
        let entries = self.starts.iter();
        entries.map(|(epoch, start)| EpochEntry {
            epoch: *epoch,
            start: *start,
        })
    }

    /// The end of `requested`, or of the epoch before it where the log has nothing of it.
    /// Nothing, when the log knows no later epoch that would tell.
    #[must_use]
    pub fn end_offset_for(&self, requested: LeaderEpoch, log_end: Offset) -> Option<EpochEnd> {
        if requested == LeaderEpoch::UNKNOWN {
            return None;
        }
        if self
            .latest()
            .is_some_and(|latest| latest.epoch == requested)
        {
            return Some(EpochEnd {
                epoch: requested,
                end: log_end,
            });
        }
        let above = (
            std::ops::Bound::Excluded(requested),
            std::ops::Bound::Unbounded,
        );
        let (_, end) = self.starts.range(above).next()?;
        // Below the oldest known epoch there is nothing left; its start is where to go on.
        let floor = self.starts.range(..=requested).next_back();
        let epoch = floor.map_or(requested, |(epoch, _)| *epoch);
        assert!(epoch <= requested, "the answer is never a later epoch");
        Some(EpochEnd { epoch, end: *end })
    }

    /// The epoch that wrote `offset`, as far as is known.
    #[must_use]
    pub fn epoch_for(&self, offset: Offset) -> Option<LeaderEpoch> {
        let mut entries = self.starts.iter().rev();
        entries
            .find(|(_, start)| **start <= offset)
            .map(|(epoch, _)| *epoch)
    }

    /// Forgets what began at `end` or later; true when something did.
    ///
    /// Also due when nothing is cut off the log itself: epochs without records may have left
    /// entries at the log's very end (KAFKA-10706).
    pub fn truncate_from_end(&mut self, end: Offset) -> bool {
        let before = self.starts.len();
        while self.latest().is_some_and(|latest| latest.start >= end) {
            self.starts.pop_last();
        }
        assert!(self.latest().is_none_or(|latest| latest.start < end));
        self.starts.len() < before
    }

    /// Forgets what ended before `start`, and moves the epoch that contains it up to there; true
    /// when something changed.
    pub fn truncate_from_start(&mut self, start: Offset) -> bool {
        let mut first = None;
        while let Some(entry) = self.starts.first_entry()
            && *entry.get() <= start
        {
            first = Some(entry.remove_entry());
        }
        let Some((epoch, was)) = first else {
            return false;
        };
        self.starts.insert(epoch, start);
        assert!(self.starts.values().all(|begin| *begin >= start));
        was != start
    }

    /// The file `leader-epoch-checkpoint`: a version, a count, and a line per epoch.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = format!("{CHECKPOINT_VERSION}\n{}\n", self.starts.len());
        for entry in self.iter() {
            // Writing to a string cannot fail.
            let written = writeln!(text, "{} {}", entry.epoch, entry.start);
            assert!(written.is_ok(), "a string takes every text");
        }
        text
    }

    /// Reads what [`Self::encode`] or Kafka wrote.
    ///
    /// # Errors
    /// Names the first line that is wrong.
    pub fn decode(text: &str) -> Result<Self, EpochsError> {
        let mut lines = text.lines();
        if lines.next() != Some(CHECKPOINT_VERSION) {
            return Err(EpochsError::Version);
        }
        let count = lines.next().and_then(|line| line.parse::<usize>().ok());
        let count = count.ok_or(EpochsError::Line { line: 2 })?;
        let mut epochs = Self::new();
        let mut line = 2;
        for text in lines {
            line += 1;
            let (epoch, start) = parse_line(text).ok_or(EpochsError::Line { line })?;
            let rises = epochs
                .latest()
                .is_none_or(|latest| latest.epoch < epoch && latest.start < start);
            if !rises {
                return Err(EpochsError::Order { line });
            }
            epochs.starts.insert(epoch, start);
        }
        if epochs.starts.len() == count {
            Ok(epochs)
        } else {
            Err(EpochsError::Line { line: line + 1 })
        }
    }
}

fn parse_line(text: &str) -> Option<(LeaderEpoch, Offset)> {
    let (epoch, start) = text.split_once(' ')?;
    let epoch = epoch.parse().ok().filter(|epoch| *epoch >= 0)?;
    let start = start.parse().ok().filter(|start| *start >= 0)?;
    Some((LeaderEpoch(epoch), Offset(start)))
}

impl std::error::Error for EpochsError {}

impl std::fmt::Display for EpochsError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version => out.write_str("the leader epoch checkpoint is not of version 0"),
            Self::Line { line } => write!(
                out,
                "line {line} of the leader epoch checkpoint is missing, superfluous or not a pair \
                 of numbers"
            ),
            Self::Order { line } => write!(
                out,
                "line {line} of the leader epoch checkpoint does not rise above the one before"
            ),
        }
    }
}
