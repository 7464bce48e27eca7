//! One file's bytes: what is on the device for good, and what was written since.
//!
//! `durable` is what every power cut leaves. `pending` holds, oldest first, every write and every
//! change of length that no flush has covered. Readers see both; a flush moves a prefix of the
//! pending changes over; a power cut decides for each sector of each pending write whether it
//! reached the device, did not, or was torn, and separately how many of the changes of length did.
//!
//! Invariant: `durable` holds only zeros at and beyond `durable_len`.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use base::{BLOCK_SIZE, Random, usize_from_u64};

/// What a device writes at once, and what a power cut can tear.
pub(in crate::sim) const SECTOR_SIZE: u64 = 512;
/// A file with more unflushed changes than this has its oldest written back unasked, as a kernel
/// and a device with full caches would do.
const PENDING_MAX: usize = 4096;
/// The grain in which sparse content is kept in memory.
const CHUNK_SIZE: u64 = 16 << 10;

/// Bytes that are zero where nobody wrote.
#[derive(Debug, Default)]
struct Sparse {
    chunks: BTreeMap<u64, Box<[u8]>>,
}

impl Sparse {
    fn write(&mut self, position: u64, bytes: &[u8]) {
        let mut position = position;
        let mut rest = bytes;
        while !rest.is_empty() {
            let within = position % CHUNK_SIZE;
            let len = usize_from_u64(CHUNK_SIZE - within).min(rest.len());
            let (now, later) = rest.split_at(len);
            let chunk = self
                .chunks
                .entry(position / CHUNK_SIZE)
                .or_insert_with(|| vec![0; usize_from_u64(CHUNK_SIZE)].into_boxed_slice());
            overlay(chunk, 0, within, now);
            position += now.len() as u64;
            rest = later;
        }
    }

    fn read(&self, position: u64, target: &mut [u8]) {
        let end = position + target.len() as u64;
        for (index, chunk) in self
            .chunks
            .range(position / CHUNK_SIZE..end.div_ceil(CHUNK_SIZE))
        {
            overlay(target, position, index * CHUNK_SIZE, chunk);
        }
    }

    fn zero_from(&mut self, len: u64) {
        drop(self.chunks.split_off(&len.div_ceil(CHUNK_SIZE)));
        if let Some(chunk) = self.chunks.get_mut(&(len / CHUNK_SIZE))
            && let Some(tail) = chunk.get_mut(usize_from_u64(len % CHUNK_SIZE)..)
        {
            tail.fill(0);
        }
    }
}

/// Copies the part of `bytes`, which lie at `position`, that falls into `target`, which lies at
/// `start`.
fn overlay(target: &mut [u8], start: u64, position: u64, bytes: &[u8]) {
    let from = start.max(position);
    let to = (start + target.len() as u64).min(position + bytes.len() as u64);
    if from >= to {
        return;
    }
    let target = target.get_mut(usize_from_u64(from - start)..usize_from_u64(to - start));
    let bytes = bytes.get(usize_from_u64(from - position)..usize_from_u64(to - position));
    if let (Some(target), Some(bytes)) = (target, bytes) {
        target.copy_from_slice(bytes);
    }
}

/// A change that no flush has covered yet.
#[derive(Clone, Debug)]
enum Change {
    Write { position: u64, bytes: Rc<[u8]> },
    SetLen(u64),
}

/// How one power cut treats sectors in doubt; drawn anew per file, since devices differ in what
/// they lose: everything, nothing, the newest, or a bit of each.
#[derive(Clone, Copy, Debug)]
enum Mood {
    LosesAll,
    KeepsAll,
    KeepsOldest { changes: usize },
    Mixed { keeps_in_eight: u64, tears: bool },
}

impl Mood {
    fn draw(random: &mut Random, pending: usize) -> Self {
        match random.below(8) {
            0 => Self::LosesAll,
            1 => Self::KeepsAll,
            2 => {
                let changes = usize_from_u64(random.below(pending as u64 + 1));
                Self::KeepsOldest { changes }
            }
            _ => Self::Mixed {
                keeps_in_eight: 1 + random.below(7),
                tears: random.chance(3, 4),
            },
        }
    }

    /// The mood towards the pending change with this place in their order.
    const fn at(self, index: usize) -> Self {
        match self {
            Self::KeepsOldest { changes } if index < changes => Self::KeepsAll,
            mood => mood,
        }
    }
}

/// What became of one sector in a power cut.
enum Fate {
    Old,
    New,
    /// The first bytes are new, the rest old, or the other way round.
    Torn {
        at: usize,
        new_first: bool,
    },
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Content {
    durable: Sparse,
    durable_len: u64,
    len: u64,
    pending: VecDeque<Change>,
    /// How many changes were ever made durable or given up; `pending` starts with the next one.
    settled: u64,
}

impl Content {
    /// The length that readers see.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Writes `bytes`; the file grows to hold them.
    pub(super) fn write(&mut self, position: u64, bytes: Rc<[u8]>) {
        assert!(
            position.is_multiple_of(SECTOR_SIZE),
            "writes are whole sectors"
        );
        assert!(
            (bytes.len() as u64).is_multiple_of(SECTOR_SIZE),
            "writes are whole sectors"
        );
        let end = position + bytes.len() as u64;
        if end > self.len {
            self.set_len(end);
        }
        self.pending.push_back(Change::Write { position, bytes });
        if self.pending.len() > PENDING_MAX {
            self.flush_up_to(self.mark() - PENDING_MAX as u64 / 2);
        }
    }

    /// Writes some of the sectors only, as a write does that fails or is cut off half way.
    pub(super) fn write_in_part(&mut self, position: u64, bytes: &[u8], random: &mut Random) {
        let sector_size = usize_from_u64(SECTOR_SIZE);
        let mut position = position;
        for sector in bytes.chunks(sector_size) {
            if random.chance(1, 2) {
                self.write(position, Rc::from(sector));
            }
            position += SECTOR_SIZE;
        }
    }

    /// Makes the file longer, with zeros, or shorter.
    pub(super) fn set_len(&mut self, len: u64) {
        self.len = len;
        self.pending.push_back(Change::SetLen(len));
    }

    /// Overwrites durable and pending bytes alike, as decay on the device would.
    pub(super) fn decay(&mut self, position: u64, bytes: &[u8]) {
        let all = self.mark();
        self.flush_up_to(all);
        self.durable.write(position, bytes);
    }

    /// What `flush_up_to` must cover to make everything durable that was written so far.
    pub(super) fn mark(&self) -> u64 {
        self.settled + self.pending.len() as u64
    }

    /// The bytes at `position`, fewer than `len` only at the end of the file.
    pub(super) fn read(&self, position: u64, len: usize) -> Vec<u8> {
        let len = usize_from_u64(self.len.saturating_sub(position)).min(len);
        let mut target = vec![0; len];
        self.durable.read(position, &mut target);
        for change in &self.pending {
            match change {
                Change::Write {
                    position: at,
                    bytes,
                } => {
                    overlay(&mut target, position, *at, bytes);
                }
                Change::SetLen(len) => {
                    let kept = usize_from_u64(len.saturating_sub(position));
                    if let Some(beyond) = target.get_mut(kept..) {
                        beyond.fill(0);
                    }
                }
            }
        }
        target
    }

    /// Makes every change before `mark` durable.
    pub(super) fn flush_up_to(&mut self, mark: u64) {
        while self.settled < mark {
            let Some(change) = self.pending.pop_front() else {
                break;
            };
            self.settled += 1;
            match change {
                Change::Write { position, bytes } => self.durable.write(position, &bytes),
                Change::SetLen(len) => self.set_durable_len(len),
            }
        }
    }

    /// A flush failed. The kernel reports that once and then holds the data clean: what was
    /// covered has reached the device in part, readers no longer see the rest, and no later flush
    /// brings it back.
    pub(super) fn lose_up_to(&mut self, mark: u64, random: &mut Random) {
        let count = usize_from_u64(mark.saturating_sub(self.settled)).min(self.pending.len());
        let later = self.pending.split_off(count);
        self.settle_at_random(u64::MAX, random);
        self.pending = later;
    }

    /// Power is lost: only the device remains, and the fate of what was pending is drawn.
    pub(super) fn power_cut(&mut self, random: &mut Random) {
        if !self.pending.is_empty() {
            let lengths = self
                .pending
                .iter()
                .filter(|change| matches!(change, Change::SetLen(_)));
            let lengths_kept = random.below(lengths.count() as u64 + 1);
            self.settle_at_random(lengths_kept, random);
        }
        self.len = self.durable_len;
    }

    /// Draws the fate of all pending changes. Changes of length go through the file system's
    /// journal, so of them a prefix survives; data does not wait for them.
    fn settle_at_random(&mut self, lengths_kept: u64, random: &mut Random) {
        let pending = std::mem::take(&mut self.pending);
        let mood = Mood::draw(random, pending.len());
        let mut lengths_kept = lengths_kept;
        let mut seen_len = self.durable_len;
        // A truncation frees blocks. Where it does not survive, what was written there later lies
        // in other blocks, which no surviving state of the file reaches.
        let mut unreachable_from = u64::MAX;
        for (index, change) in pending.into_iter().enumerate() {
            self.settled += 1;
            match change {
                Change::SetLen(len) => {
                    if lengths_kept > 0 {
                        lengths_kept -= 1;
                        self.set_durable_len(len);
                    } else if len < seen_len {
                        let freed_from = len.next_multiple_of(BLOCK_SIZE as u64);
                        unreachable_from = unreachable_from.min(freed_from);
                    }
                    seen_len = len;
                }
                Change::Write { position, bytes } => {
                    let limit = usize_from_u64(unreachable_from.saturating_sub(position));
                    let reachable = bytes.get(..limit).unwrap_or(&bytes);
                    self.settle_write(position, reachable, mood.at(index), random);
                }
            }
        }
        self.durable.zero_from(self.durable_len);
    }

    fn settle_write(&mut self, position: u64, bytes: &[u8], mood: Mood, random: &mut Random) {
        let mut position = position;
        for sector in bytes.chunks(usize_from_u64(SECTOR_SIZE)) {
            match fate(mood, random) {
                Fate::Old => {}
                Fate::New => self.durable.write(position, sector),
                Fate::Torn { at, new_first } => {
                    let (first, rest) = sector.split_at(at.min(sector.len()));
                    if new_first {
                        self.durable.write(position, first);
                    } else {
                        self.durable.write(position + first.len() as u64, rest);
                    }
                }
            }
            position += SECTOR_SIZE;
        }
    }

    fn set_durable_len(&mut self, len: u64) {
        if len < self.durable_len {
            self.durable.zero_from(len);
        }
        self.durable_len = len;
    }
}

fn fate(mood: Mood, random: &mut Random) -> Fate {
    match mood {
        Mood::LosesAll => Fate::Old,
        Mood::KeepsAll => Fate::New,
        Mood::Mixed { tears: true, .. } if random.chance(1, 16) => {
            let at = 1 + usize_from_u64(random.below(SECTOR_SIZE - 1));
            Fate::Torn {
                at,
                new_first: random.chance(1, 2),
            }
        }
        Mood::Mixed { keeps_in_eight, .. } if random.chance(keeps_in_eight, 8) => Fate::New,
        Mood::KeepsOldest { .. } | Mood::Mixed { .. } => Fate::Old,
    }
}
