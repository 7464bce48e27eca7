//! What is known to be damaged in a segment, and what was looked at and found intact.
//!
//! Bits flip on devices, and neither the device nor the file system tells. A sealed segment goes
//! from its file to the socket without anybody looking at it, so each stretch of it is verified
//! before it is sent for the first time, and remembered.
//!
//! Invariants: a damaged batch is never handed out and never cut away: only its bytes are passed
//! over, and those behind it are served; what was verified counts for a limited time, since the
//! page cache may have to ask the device again.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use base::Offset;

use crate::error::{Fault, StorageError};

/// How many separate stretches are remembered for a segment: sequential readers make one each.
const STRETCHES_MAX: usize = 64;
/// After this time a stretch is verified again before it is sent; the first time costs as much CPU
/// as the sending, the others nothing (kernel-note 016).
const VERIFIED_FOR: Duration = Duration::from_secs(3600);
/// How many damages wait for somebody to tell of them; beyond, they are only counted.
const UNTOLD_MAX: usize = 256;

/// Bytes of a segment that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file.
    pub path: PathBuf,
    /// Where the damaged batch begins.
    pub position: u64,
    /// The first offset that is lost.
    pub offset: Offset,
    /// Where the next intact batch begins; the file's end where none was found.
    pub resume_position: u64,
    /// The offset at which consumers can go on.
    pub resume_offset: Offset,
    /// What is wrong.
    pub fault: Fault,
}

impl Damage {
    /// What who asks for these records is told.
    pub(crate) fn error(&self) -> StorageError {
        StorageError::Corrupt {
            path: self.path.clone(),
            position: self.position,
            offset: self.offset,
            fault: self.fault.clone(),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} is damaged from byte {} to {}, which held the offsets from {} to {}: {}; these \
             records are not served and nothing was cut away. Restore the file from a replica or \
             a backup while the node is down; until then consumers can go on at offset {}",
            self.path.display(),
            self.position,
            self.resume_position,
            self.offset,
            self.resume_offset.plus(-1),
            self.fault,
            self.resume_offset
        )
    }
}

/// The stretches of one segment that were found intact, between the beginnings of batches.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    /// In order, neither overlapping nor touching.
    stretches: Vec<Range<u64>>,
    /// When the first of them was verified.
    since: Duration,
}

impl Verified {
    /// Forgets everything that is too old.
    pub(crate) fn expire(&mut self, now: Duration) {
        if now.saturating_sub(self.since) >= VERIFIED_FOR {
            self.stretches.clear();
        }
    }

    /// The end of the stretch that `position` lies in, or `position`.
    pub(crate) fn reach(&self, position: u64) -> u64 {
        let behind = self
            .stretches
            .partition_point(|stretch| stretch.start <= position);
        let last = behind.checked_sub(1).and_then(|at| self.stretches.get(at));
        last.map_or(position, |last| last.end.max(position))
    }

    /// Notes a stretch that was found intact at `now`.
    pub(crate) fn add(&mut self, stretch: Range<u64>, now: Duration) {
        if stretch.is_empty() {
            return;
        }
        if self.stretches.is_empty() {
            self.since = now;
        }
        let mut joined = stretch;
        self.stretches.retain(|known| {
            let apart = known.end < joined.start || joined.end < known.start;
            if !apart {
                joined = joined.start.min(known.start)..joined.end.max(known.end);
            }
            apart
        });
        if self.stretches.len() == STRETCHES_MAX {
            let lens = self.stretches.iter().enumerate();
            let shortest = lens.min_by_key(|(_, known)| known.end - known.start);
            if let Some((at, _)) = shortest {
                self.stretches.remove(at);
            }
        }
        let at = self
            .stretches
            .partition_point(|known| known.start < joined.start);
        self.stretches.insert(at, joined);
        assert!(self.stretches.len() <= STRETCHES_MAX);
    }

    /// Forgets everything: the file is another one, or damage was found in it.
    pub(crate) fn clear(&mut self) {
        self.stretches.clear();
    }
}

/// The damages of one segment.
#[derive(Debug, Default)]
pub(crate) struct Damages {
    /// In the order of their positions, not overlapping.
    known: Vec<Damage>,
}

impl Damages {
    /// The damage whose bytes hold `position`.
    pub(crate) fn at(&self, position: u64) -> Option<&Damage> {
        self.known
            .iter()
            .find(|one| (one.position..one.resume_position).contains(&position))
    }

    /// The damage that took `offset`.
    pub(crate) fn of(&self, offset: Offset) -> Option<&Damage> {
        self.known
            .iter()
            .find(|one| (one.offset..one.resume_offset).contains(&offset))
    }

    /// Notes what was found; true when it was not known.
    pub(crate) fn note(&mut self, damage: Damage) -> bool {
        assert!(
            damage.position < damage.resume_position,
            "bytes are damaged"
        );
        if self.known.contains(&damage) {
            return false;
        }
        self.known.retain(|known| {
            known.resume_position <= damage.position || damage.resume_position <= known.position
        });
        let at = self
            .known
            .partition_point(|known| known.position < damage.position);
        self.known.insert(at, damage);
        true
    }

    /// Forgets everything: the bytes are others.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }
}

/// Damages that were found and that nobody has told of yet.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    found: VecDeque<Damage>,
    omitted: u64,
}

impl Untold {
    pub(crate) fn note(&mut self, damage: Damage) {
        if self.found.len() == UNTOLD_MAX {
            self.omitted += 1;
        } else {
            self.found.push_back(damage);
        }
    }

    /// All there are, and how many more there were.
    pub(crate) fn take(&mut self) -> (Vec<Damage>, u64) {
        let found = std::mem::take(&mut self.found);
        (found.into(), std::mem::take(&mut self.omitted))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}
