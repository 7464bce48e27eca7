//! The transactions that were aborted, for readers of committed records (KIP-98).
//!
//! Each segment has those whose marker stands in it in a file of its own, as Kafka does; one without
//! any has no file. In memory are only those that no file has yet; of the files, what readers ask
//! for is read a piece at a time. A segment ends when it has [`ENTRIES_MAX`], and its file is
//! written then, so neither files nor memory grow with the number of transactions of a log.
//!
//! Invariants: before a producer snapshot is on the device, the entries below its offset are, so
//! that what recovery has to make again is what it replays behind the snapshot; a file may have
//! entries that are not true any more only at or above the newest snapshot, where nobody believes
//! them; an entry goes when its marker does, since readers would wait for that marker; an entry is
//! in memory or in a file that is believed, and in one segment all of the file come first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base::{Offset, ProducerId};
use reactor::{Core, IoErrorKind};

use crate::aborted_file::{self, PIECE_ENTRIES, Written};
use crate::error::StorageError;
use crate::layout::{self, FileKind};
use crate::log::Log;

/// With so many entries a segment ends.
pub(crate) const ENTRIES_MAX: u64 = 16_384;

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

/// Where the aborted transactions of one log are.
#[derive(Debug, Default)]
pub(crate) struct AbortedIndex {
    /// Those that no file has, by their markers.
    recent: BTreeMap<Offset, AbortedTransaction>,
    /// The files that are believed, by the first offsets of their segments.
    files: BTreeMap<Offset, Written>,
    /// Segments whose files are not what they should be, and how many entries they lack.
    unwritten: BTreeMap<Offset, u64>,
    /// How often entries went from one place to another: who looked meanwhile looks again.
    changes: u64,
}

/// Where the next entries are.
enum Page {
    Recent(Vec<AbortedTransaction>),
    File(Offset, Written),
}

impl AbortedIndex {
    /// Notes a transaction whose marker is in the segment that begins at `base`.
    pub(crate) fn note(&mut self, aborted: AbortedTransaction, base: Offset) {
        assert!(
            aborted.first_offset < aborted.last_offset && base <= aborted.last_offset,
            "a marker follows its records"
        );
        let known = self.recent.insert(aborted.last_offset, aborted);
        if known != Some(aborted) {
            *self.unwritten.entry(base).or_default() += 1;
        }
    }

    /// Whether the segment that begins at `base` takes no more.
    pub(crate) fn is_full(&self, base: Offset) -> bool {
        self.count(base) >= ENTRIES_MAX
    }

    /// How many the segment that begins at `base` has.
    fn count(&self, base: Offset) -> u64 {
        let written = self.files.get(&base).map_or(0, |written| written.count);
        written + self.unwritten.get(&base).copied().unwrap_or(0)
    }

    /// Segments behind the one that begins at `base` are being removed from the log.
    pub(crate) fn cut_files(&mut self, base: Offset) {
        let behind = self.files.split_off(&base.plus(1));
        self.changes += u64::from(!behind.is_empty());
    }

    /// The log ends at `end` now, in the segment that begins at `base`, whose file had `kept`.
    pub(crate) fn cut(&mut self, end: Offset, base: Offset, kept: Vec<AbortedTransaction>) {
        let had_file = self.files.remove(&base).is_some();
        assert!(had_file || kept.is_empty(), "entries come from a file");
        let kept = kept.into_iter();
        self.recent
            .extend(kept.map(|aborted| (aborted.last_offset, aborted)));
        let gone = self.recent.split_off(&end);
        if !gone.is_empty() || had_file {
            self.unwritten.entry(base).or_default();
        }
        self.changes += 1;
    }

    /// The segments below `start` are gone.
    pub(crate) fn trim(&mut self, start: Offset) {
        self.recent = self.recent.split_off(&start);
        self.files = self.files.split_off(&start);
        self.changes += 1;
    }

    /// Those in memory whose markers are in the range.
    fn between(&self, base: Offset, end: Offset) -> impl Iterator<Item = &AbortedTransaction> {
        self.recent.range(base..end).map(|(_, aborted)| aborted)
    }

    /// Where the entries are whose markers come next from `from` on.
    fn page(&self, from: Offset) -> Option<Page> {
        let before = self.files.range(..=from).next_back();
        let reaching = before.filter(|(_, written)| written.last >= from);
        let file = reaching.or_else(|| self.files.range(from..).next());
        let recent = self.recent.range(from..).next();
        match (recent, file) {
            (None, None) => None,
            (Some((marker, _)), file) if file.is_none_or(|(base, _)| marker < base) => {
                let until = file.map_or(Offset(i64::MAX), |(base, _)| *base);
                let page = self.between(from, until).take(PIECE_ENTRIES).copied();
                Some(Page::Recent(page.collect()))
            }
            (_, file) => file.map(|(base, written)| Page::File(*base, *written)),
        }
    }

    /// The bytes of the entries in memory with markers in the range, and the last marker.
    fn encode(&self, base: Offset, end: Offset) -> (Vec<u8>, Option<Offset>) {
        let mut bytes = Vec::new();
        let mut last = None;
        for aborted in self.between(base, end) {
            bytes.extend(layout::aborted_entry([
                aborted.producer_id.0,
                aborted.first_offset.0,
                aborted.last_offset.0,
                aborted.last_stable_offset.0,
            ]));
            last = Some(aborted.last_offset);
        }
        (bytes, last)
    }

    /// The entries of `base..=written.last` are in that segment's file now.
    fn settle(&mut self, base: Offset, written: Option<Written>) {
        self.files.remove(&base);
        if let Some(written) = written {
            let mut behind = self.recent.split_off(&base);
            let behind = behind.split_off(&written.last.plus(1));
            self.recent.extend(behind);
            self.files.insert(base, written);
        }
        self.changes += 1;
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

/// A segment's file before it is written anew.
struct Unwritten {
    base: Offset,
    lacking: u64,
    /// What it has that stays.
    written: Option<Written>,
    /// What is added.
    bytes: Vec<u8>,
    last: Option<Offset>,
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

    /// The aborted transactions of which something lies in `from..to`, in the order of their
    /// markers; readers of committed records leave it out. `to` is no further than the last stable
    /// offset.
    ///
    /// # Errors
    /// When a file cannot be read, or is damaged.
    pub async fn aborted_in(
        &self,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        loop {
            let changes = self.shared.state.borrow().aborted.changes;
            let found = self.find_aborted(from, to).await;
            // Entries may have gone from memory into a file, or a file with its segment.
            if self.shared.state.borrow().aborted.changes == changes {
                return found;
            }
        }
    }

    async fn find_aborted(
        &self,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        let (mut found, mut next) = (Vec::new(), from);
        loop {
            let page = self.aborted_from(next).await?;
            let Some(last) = page.last() else {
                return Ok(found);
            };
            next = last.last_offset.plus(1);
            for aborted in page {
                if aborted.first_offset < to {
                    found.push(aborted);
                }
                // Behind an entry that reaches `to` nothing can begin below it.
                if aborted.last_stable_offset >= to {
                    return Ok(found);
                }
            }
        }
    }

    /// Some of the aborted transactions with markers from `from` on, the first ones; none when
    /// there are no more.
    pub(crate) async fn aborted_from(
        &self,
        from: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        let page = self.shared.state.borrow().aborted.page(from);
        match page {
            None => Ok(Vec::new()),
            Some(Page::Recent(page)) => Ok(page),
            Some(Page::File(base, written)) => aborted_file::find(self, base, written, from).await,
        }
    }

    /// How many entries are in memory alone.
    pub(crate) fn recent_aborted(&self) -> u64 {
        self.shared.state.borrow().aborted.recent.len() as u64
    }

    /// How many aborted transactions the segment that begins at `base` has.
    pub(crate) fn aborted_count(&self, base: Offset) -> u64 {
        self.shared.state.borrow().aborted.count(base)
    }

    /// The entries of a segment's file, where it has one that is believed.
    pub(crate) async fn load_aborted(
        &self,
        base: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        let written = self.shared.state.borrow().aborted.files.get(&base).copied();
        let Some(written) = written else {
            return Ok(Vec::new());
        };
        let path = self.dir().join(FileKind::Aborted.name(base));
        aborted_file::read(self.engine().core(), &path, base, 0..written.count).await
    }

    /// Writes the files that are not what the entries say: due before a producer snapshot.
    pub(crate) async fn write_aborted(&self) -> Result<(), StorageError> {
        // Also when nothing is left to write: somebody else may still be at it.
        let _structure = self.structure_gate().enter().await;
        while let Some(unwritten) = self.next_unwritten() {
            let (base, lacking) = (unwritten.base, unwritten.lacking);
            let written = self.write_one(unwritten).await;
            let mut state = self.shared.state.borrow_mut();
            match written {
                Ok(written) => {
                    state.aborted.settle(base, written);
                    if let Some(segment) = state.segments.get(&base) {
                        self.engine().aborted_pieces().forget(segment);
                    }
                }
                Err(error) => {
                    *state.aborted.unwritten.entry(base).or_default() += lacking;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Writes a file with what it had and what is new.
    async fn write_one(&self, unwritten: Unwritten) -> Result<Option<Written>, StorageError> {
        let core = self.engine().core();
        let path = self.dir().join(FileKind::Aborted.name(unwritten.base));
        let before = unwritten.written;
        let mut bytes = match before {
            Some(before) => aborted_file::read_bytes(core, &path, 0..before.count).await?,
            None => Vec::new(),
        };
        bytes.extend(unwritten.bytes);
        write(core, &self.dir(), unwritten.base, &bytes).await?;
        let last = unwritten.last.or(before.map(|before| before.last));
        Ok(last.map(|last| Written {
            count: aborted_file::entries_in(&bytes),
            last,
        }))
    }

    fn next_unwritten(&self) -> Option<Unwritten> {
        let mut state = self.shared.state.borrow_mut();
        while let Some((base, lacking)) = state.aborted.unwritten.pop_first() {
            let Some(segment) = state.segments.get(&base) else {
                // Its entries went elsewhere, or with it.
                continue;
            };
            // The active segment grows while the file is written, but not below here.
            let end = segment.next_offset.get();
            let (bytes, last) = state.aborted.encode(base, end);
            let written = state.aborted.files.get(&base).copied();
            return Some(Unwritten {
                base,
                lacking,
                written,
                bytes,
                last,
            });
        }
        None
    }

    /// Writes the file of the segment that takes the place of those in `base..end`, without the
    /// entries of markers that are `gone`. To be done before the segments are replaced: what is
    /// left out there has no records in the old ones either. Until [`Log::settle_merged`] the
    /// entries are in memory.
    pub(crate) async fn merge_aborted(
        &self,
        (base, end): (Offset, Offset),
        gone: &BTreeSet<Offset>,
    ) -> Result<Option<Written>, StorageError> {
        let files: Vec<Offset> = {
            let state = self.shared.state.borrow();
            let files = state.aborted.files.range(base..end);
            let files: Vec<Offset> = files.map(|(base, _)| *base).collect();
            if files.is_empty() && state.aborted.between(base, end).next().is_none() {
                return Ok(None);
            }
            files
        };
        let mut loaded = Vec::new();
        for file in &files {
            loaded.extend(self.load_aborted(*file).await?);
        }
        let (bytes, last) = {
            let mut state = self.shared.state.borrow_mut();
            let index = &mut state.aborted;
            for file in files {
                index.files.remove(&file);
                // Should the segments stay as they are after all.
                index.unwritten.entry(file).or_default();
            }
            let loaded = loaded.into_iter();
            index
                .recent
                .extend(loaded.map(|aborted| (aborted.last_offset, aborted)));
            index.recent.retain(|marker, _| !gone.contains(marker));
            index.changes += 1;
            index.encode(base, end)
        };
        write(self.engine().core(), &self.dir(), base, &bytes).await?;
        Ok(last.map(|last| Written {
            count: aborted_file::entries_in(&bytes),
            last,
        }))
    }

    /// The segments of `base..end` are one now, with the file that was written for it.
    pub(crate) fn settle_merged(&self, (base, end): (Offset, Offset), written: Option<Written>) {
        let mut state = self.shared.state.borrow_mut();
        let index = &mut state.aborted;
        if written.is_some() {
            let written_now = base..end;
            index
                .unwritten
                .retain(|base, _| !written_now.contains(base));
        }
        assert!(
            written.is_some() || index.between(base, end).next().is_none(),
            "what is in memory alone is to be written"
        );
        index.settle(base, written);
    }
}

impl AbortedIndex {
    /// Believes the file of a segment that lies below the newest snapshot, during recovery.
    pub(crate) fn believe(&mut self, base: Offset, written: Written) {
        self.files.insert(base, written);
    }

    /// Takes the entries of a segment's file that is not to be believed: some are made again by
    /// whoever replays the log, others stand there since the segment was about to be replaced.
    pub(crate) fn take(&mut self, base: Offset, found: impl Iterator<Item = AbortedTransaction>) {
        self.unwritten.entry(base).or_default();
        for aborted in found {
            self.recent.insert(aborted.last_offset, aborted);
        }
    }

    /// A damaged file is written anew.
    pub(crate) fn note_damaged(&mut self, base: Offset) {
        self.unwritten.entry(base).or_default();
    }
}
