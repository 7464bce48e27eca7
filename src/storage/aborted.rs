//! The transactions that were aborted, for readers of committed records (KIP-98).
//!
//! All entries of a log are in memory, by the offset of their marker. Each segment has those whose
//! marker stands in it in a file of its own, as Kafka does; one without any has no file.
//!
//! Invariants: before a producer snapshot is on the device, the entries below its offset are, so
//! that what recovery has to make again is what it replays behind the snapshot; a file may have
//! entries that are not true any more only at or above the newest snapshot, where nobody believes
//! them; an entry goes when its marker does, since readers would wait for that marker.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base::{Offset, ProducerId};
use reactor::{Core, IoErrorKind};

use crate::error::StorageError;
use crate::layout::{self, ABORTED_ENTRY_BYTES, FileKind};
use crate::log::Log;

/// A transaction that was aborted in this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: ProducerId,
    /// Its first record.
    pub first_offset: Offset,
    /// Its marker.
    pub last_offset: Offset,
    /// Up to where everything was decided behind it.
    pub last_stable_offset: Offset,
}

/// All aborted transactions of one log.
#[derive(Debug, Default)]
pub(crate) struct AbortedIndex {
    by_marker: BTreeMap<Offset, AbortedTransaction>,
    /// Segments whose files are not what the entries say.
    unwritten: BTreeSet<Offset>,
}

impl AbortedIndex {
    /// Notes a transaction whose marker is in the segment that begins at `base`.
    pub(crate) fn note(&mut self, aborted: AbortedTransaction, base: Offset) {
        assert!(
            aborted.first_offset < aborted.last_offset && base <= aborted.last_offset,
            "a marker follows its records"
        );
        let known = self.by_marker.insert(aborted.last_offset, aborted);
        if known != Some(aborted) {
            self.unwritten.insert(base);
        }
    }

    /// The log ends at `end` now, in the segment that begins at `base`.
    pub(crate) fn cut(&mut self, end: Offset, base: Offset) {
        let gone = self.by_marker.split_off(&end);
        if !gone.is_empty() {
            self.unwritten.insert(base);
        }
    }

    /// The segments below `start` are gone.
    pub(crate) fn trim(&mut self, start: Offset) {
        self.by_marker = self.by_marker.split_off(&start);
    }

    /// The entries whose markers are in the range.
    fn between(&self, base: Offset, end: Offset) -> impl Iterator<Item = &AbortedTransaction> {
        self.by_marker.range(base..end).map(|(_, aborted)| aborted)
    }

    /// What readers of `from..to` have to leave out, in the order of the markers. Behind an entry
    /// that reaches `to` nothing can begin below it.
    pub(crate) fn find(&self, from: Offset, to: Offset) -> Vec<AbortedTransaction> {
        let mut found = Vec::new();
        for aborted in self.by_marker.range(from..).map(|(_, aborted)| aborted) {
            if aborted.first_offset < to {
                found.push(*aborted);
            }
            if aborted.last_stable_offset >= to {
                break;
            }
        }
        found
    }

    fn encode(&self, base: Offset, end: Offset) -> Vec<u8> {
        let entries = self.between(base, end).map(|aborted| {
            layout::aborted_entry([
                aborted.producer_id.0,
                aborted.first_offset.0,
                aborted.last_offset.0,
                aborted.last_stable_offset.0,
            ])
        });
        entries.flatten().collect()
    }
}

/// The entries of a file of the segment that begins at `base`; nothing when it is damaged.
pub(crate) fn decode(bytes: &[u8], base: Offset) -> Option<Vec<AbortedTransaction>> {
    let (entries, rest) = bytes.as_chunks::<ABORTED_ENTRY_BYTES>();
    if !rest.is_empty() {
        return None;
    }
    let mut found: Vec<AbortedTransaction> = Vec::with_capacity(entries.len());
    for entry in entries {
        let [producer_id, first, last, stable] = layout::parse_aborted_entry(*entry)?;
        let before = found
            .last()
            .map_or(base.0 - 1, |before| before.last_offset.0);
        if producer_id < 0 || first < 0 || first >= last || last <= before || stable < 0 {
            return None;
        }
        found.push(AbortedTransaction {
            producer_id: ProducerId(producer_id),
            first_offset: Offset(first),
            last_offset: Offset(last),
            last_stable_offset: Offset(stable),
        });
    }
    Some(found)
}

/// The entries in the segment's file; none where there is no file, nothing when it is damaged.
pub(crate) async fn load(
    core: &Core,
    dir: &Path,
    base: Offset,
) -> Result<Option<Vec<AbortedTransaction>>, StorageError> {
    match core
        .read_small(&dir.join(FileKind::Aborted.name(base)))
        .await
    {
        Ok(bytes) => Ok(decode(&bytes, base)),
        Err(error) if error.kind == IoErrorKind::NotFound => Ok(Some(Vec::new())),
        Err(error) => Err(error.into()),
    }
}

/// Removes the file of a segment that is gone, where it has one.
pub(crate) async fn remove(core: &Core, dir: &Path, base: Offset) -> Result<(), StorageError> {
    match core
        .remove_file(&dir.join(FileKind::Aborted.name(base)))
        .await
    {
        Err(error) if error.kind != IoErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Replaces or removes a segment's file.
async fn write(core: &Core, dir: &Path, base: Offset, bytes: &[u8]) -> Result<(), StorageError> {
    if bytes.is_empty() {
        remove(core, dir, base).await?;
        return Ok(core.sync_dir(dir).await?);
    }
    let path = dir.join(FileKind::Aborted.name(base));
    Ok(core.replace(&path, bytes).await?)
}

impl Log {
    /// Notes a transaction whose abort marker has been appended.
    ///
    /// # Panics
    /// When the marker is not in the log.
    pub fn note_aborted(&self, aborted: AbortedTransaction) {
        let mut state = self.shared.state.borrow_mut();
        assert!(aborted.last_offset < state.end, "the marker was appended");
        let segment = state.segment_for(aborted.last_offset);
        let base = segment.map_or(state.log_start, |segment| segment.base);
        state.aborted.note(aborted, base);
    }

    /// The aborted transactions of which something lies in `from..to`; readers of committed
    /// records leave it out. `to` is no further than the last stable offset.
    #[must_use]
    pub fn aborted_in(&self, from: Offset, to: Offset) -> Vec<AbortedTransaction> {
        self.shared.state.borrow().aborted.find(from, to)
    }

    /// Writes the files that are not what the entries say: due before a producer snapshot.
    pub(crate) async fn write_aborted(&self) -> Result<(), StorageError> {
        if self.shared.state.borrow().aborted.unwritten.is_empty() {
            return Ok(());
        }
        let _structure = self.structure_gate().enter().await;
        while let Some((base, bytes)) = self.next_unwritten() {
            let written = write(self.engine().core(), &self.dir(), base, &bytes).await;
            if let Err(error) = written {
                let mut state = self.shared.state.borrow_mut();
                state.aborted.unwritten.insert(base);
                return Err(error);
            }
        }
        Ok(())
    }

    fn next_unwritten(&self) -> Option<(Offset, Vec<u8>)> {
        let mut state = self.shared.state.borrow_mut();
        while let Some(base) = state.aborted.unwritten.pop_first() {
            let Some(segment) = state.segments.get(&base) else {
                // Its entries went elsewhere, or with it.
                continue;
            };
            // The active segment grows while the file is written, but not below here.
            let end = segment.next_offset.get();
            return Some((base, state.aborted.encode(base, end)));
        }
        None
    }

    /// Writes the file of the segment that takes the place of those in `base..end`, without the
    /// entries of markers that are `gone`. To be done before the segments are replaced: what is
    /// left out there has no records in the old ones either.
    pub(crate) async fn merge_aborted(
        &self,
        base: Offset,
        end: Offset,
        gone: &BTreeSet<Offset>,
    ) -> Result<(), StorageError> {
        let (bytes, was_empty) = {
            let mut state = self.shared.state.borrow_mut();
            let was_empty = state.aborted.between(base, end).next().is_none();
            for marker in gone {
                state.aborted.by_marker.remove(marker);
            }
            (state.aborted.encode(base, end), was_empty)
        };
        if was_empty {
            return Ok(());
        }
        write(self.engine().core(), &self.dir(), base, &bytes).await
    }
}

impl AbortedIndex {
    /// Takes the entries of the file of the segment `base..end` during recovery. Those at or above
    /// `bound` are made again by whoever replays the log behind it. Those of other segments stand
    /// there when these were about to be replaced: they are true, but have a file of their own.
    pub(crate) fn load(
        &mut self,
        found: Vec<AbortedTransaction>,
        (base, end): (Offset, Offset),
        bound: Offset,
    ) {
        for aborted in found {
            if aborted.last_offset >= bound.min(end) {
                self.unwritten.insert(base);
            }
            if aborted.last_offset < bound {
                self.by_marker.insert(aborted.last_offset, aborted);
            }
        }
    }

    /// A damaged file is written anew.
    pub(crate) fn note_damaged(&mut self, base: Offset) {
        self.unwritten.insert(base);
    }
}
