//! From the files of a log to a log that can be appended to.
//!
//! What was on the device at the last checkpoint is trusted where its segment is complete; all
//! else is read batch by batch with its checksum. Where the batches end, the log ends: what is
//! behind was never acknowledged and is cut off. A fault below the recovery point cannot be a
//! torn tail, so it is reported and nothing is cut.
//!
//! Invariants: a crash during recovery leaves files from which recovery finds the same log; what
//! recovery hands out is on the device.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use base::{Offset, TopicPartition, Uuid};
use batch::BatchView;
use reactor::{Core, Entry, OpenMode};

use crate::aborted;
use crate::aborted_file::{self, Written};
use crate::creation::begin_empty;
use crate::engine::Engine;
use crate::error::{Fault, StorageError};
use crate::index::{IndexedBatch, Indexes};
use crate::layout::{self, FileKind};
use crate::log::Log;
use crate::options::LogConfig;
use crate::planted::planted;
use crate::scan::{Scan, Scanned, view};
use crate::segment::{Segment, Stage};
use crate::standing::{Standing, read_standing};
use crate::state::LogState;

/// Progress is told this often, and not at all by a recovery that takes less.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// What is known of a log before its files are looked at.
#[derive(Clone, Debug)]
pub struct OpenLog {
    /// Which partition's log it is.
    pub partition: TopicPartition,
    /// What the log is told about itself.
    pub config: LogConfig,
    /// Everything below was on the device at the last checkpoint.
    pub recovery_point: Offset,
    /// The first offset that can be read, as last written down.
    pub log_start: Offset,
    /// Whether the node stopped in order, so that the files are as they should be.
    pub clean: bool,
}

/// Who rebuilds what a log's batches say about its producers and epochs.
pub trait RecoveryVisitor {
    /// Offers a producer snapshot as of `offset`, newest first; false when it is not intact.
    fn load_snapshot(&mut self, offset: Offset, bytes: &[u8]) -> bool;
    /// Shows each batch behind the loaded snapshot, or all where none is intact.
    fn replay(&mut self, batch: &BatchView<'_>);
    /// Tells how far a long recovery is.
    fn progress(&mut self, done_bytes: u64, all_bytes: u64);
}

/// What recovery found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The segments that were read in full.
    pub segments_scanned: usize,
    /// How many bytes that was.
    pub bytes_scanned: u64,
    /// The bytes of a torn tail that were cut off; zeros behind the end do not count.
    pub torn_tail: Option<TornTail>,
    /// Segments behind a torn tail that were removed.
    pub segments_dropped: usize,
    /// The offset of the snapshot that producers were loaded from.
    pub snapshot: Option<Offset>,
    /// The batches that were replayed behind it.
    pub batches_replayed: u64,
}

/// Where a log was cut after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment's file.
    pub path: PathBuf,
    /// The first byte that was cut off.
    pub position: u64,
    /// The offset that the next record gets.
    pub offset: Offset,
    /// Why the log ends there.
    pub fault: Fault,
}

/// The files of a log's directory.
#[derive(Default)]
struct Found {
    /// The directory's checkpoints may speak of an earlier log.
    is_fresh: bool,
    /// Base offset to size.
    logs: BTreeMap<Offset, u64>,
    snapshots: Vec<Offset>,
    /// Index files whose segment is gone, and what compaction has not finished.
    strays: Vec<String>,
    /// Files that belong to no log any more.
    discarded: Vec<String>,
    /// Finished files that should take the place of segments.
    swaps: Vec<Offset>,
    /// Segments with a file of aborted transactions.
    with_aborted: BTreeSet<Offset>,
    /// Segments with an index file.
    with_indexes: BTreeSet<Offset>,
    /// The log has promised something.
    has_standing: bool,
}

impl Found {
    fn new(entries: Vec<Entry>) -> Self {
        let mut found = Self::default();
        let mut others = Vec::new();
        for entry in entries {
            match FileKind::parse(&entry.name) {
                Some((FileKind::Log, base)) => drop(found.logs.insert(base, entry.len)),
                Some((FileKind::Snapshot, offset)) => found.snapshots.push(offset),
                Some((kind, base)) => {
                    match kind {
                        FileKind::Aborted => drop(found.with_aborted.insert(base)),
                        _ => drop(found.with_indexes.insert(base)),
                    }
                    others.push((base, entry.name));
                }
                None => found.note_other(entry.name),
            }
        }
        // A finished file has the entries of all that it replaces beside it already.
        others.retain(|(base, _)| !found.logs.contains_key(base) && !found.swaps.contains(base));
        found
            .strays
            .extend(others.into_iter().map(|(_, name)| name));
        found.snapshots.sort_unstable();
        found
    }

    /// Whether files go from a log that starts at `log_start`.
    fn is_taken_from(&self, log_start: Offset) -> bool {
        let second = self.logs.keys().nth(1);
        let is_below = second.is_some_and(|second| *second <= log_start);
        is_below || !self.strays.is_empty() || !self.swaps.is_empty()
    }

    fn note_other(&mut self, name: String) {
        if name == layout::FRESH_FILE {
            self.is_fresh = true;
        } else if name == layout::STANDING_FILE {
            self.has_standing = true;
        } else if name.ends_with(".tmp") || name.ends_with(layout::CLEANED_SUFFIX) {
            self.strays.push(name);
        } else if name.ends_with(layout::DISCARDED_SUFFIX) {
            self.discarded.push(name);
        } else if let Some(of) = name.strip_suffix(layout::SWAP_SUFFIX) {
            match FileKind::parse(of) {
                Some((FileKind::Log, base)) => self.swaps.push(base),
                _ => self.strays.push(name),
            }
        }
    }
}

/// One recovery under way.
struct Recovery<'a> {
    engine: &'a Engine,
    dir: PathBuf,
    open: &'a OpenLog,
    visitor: &'a mut dyn RecoveryVisitor,
    standing: Standing,
    recovery_point: Offset,
    log_start: Offset,
    clean: bool,
    /// Segments with a file of aborted transactions.
    with_aborted: BTreeSet<Offset>,
    report: RecoveryReport,
    all_bytes: u64,
    told: Duration,
}

impl Log {
    /// Opens a log that is on the disk.
    ///
    /// # Errors
    /// `Corrupt` when bytes below the recovery point are damaged: the files are left as they are.
    pub async fn open(
        engine: &Engine,
        open: &OpenLog,
        visitor: &mut dyn RecoveryVisitor,
    ) -> Result<(Self, RecoveryReport), StorageError> {
        engine.check_online()?;
        let dir = engine.dir().join(open.partition.to_string());
        let mut recovery = Recovery {
            engine,
            dir,
            open,
            visitor,
            standing: Standing::default(),
            recovery_point: open.recovery_point,
            log_start: open.log_start,
            clean: open.clean,
            with_aborted: BTreeSet::new(),
            report: RecoveryReport::default(),
            all_bytes: 0,
            told: engine.core().now(),
        };
        let state = recovery.run().await?;
        // After a start most logs are idle.
        state.active().close();
        let (dir, report) = (recovery.dir, recovery.report);
        let log = Self::new(engine, open.partition.clone(), dir, state);
        Ok((log, report))
    }

    /// The topic id in the log's directory; zero where the process died before it was written,
    /// and so before anything was appended.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else.
    pub async fn topic_id(
        core: &Core,
        data_dir: &Path,
        partition: &TopicPartition,
    ) -> Result<Uuid, StorageError> {
        let path = data_dir
            .join(partition.to_string())
            .join(layout::PARTITION_FILE);
        let bytes = match core.read_small(&path).await {
            Err(error) if error.kind == reactor::IoErrorKind::NotFound => return Ok(Uuid::ZERO),
            read => read?,
        };
        let text = std::str::from_utf8(&bytes).ok();
        text.and_then(layout::decode_topic_id)
            .ok_or_else(|| StorageError::Metadata {
                path,
                reason: "not a topic id of version 0; restore the file from a replica's copy \
                         (all replicas have the same)"
                    .to_owned(),
            })
    }
}

impl Recovery<'_> {
    async fn run(&mut self) -> Result<LogState, StorageError> {
        let core = self.engine.core().clone();
        let found = Found::new(core.list(&self.dir).await?);
        if found.has_standing {
            self.standing = read_standing(&core, &self.dir).await?;
        }
        if found.is_fresh {
            // What the checkpoints say is of an earlier log of this name.
            self.engine.fresh().note_marked(&self.open.partition);
            (self.recovery_point, self.log_start) = (Offset(0), Offset(0));
            self.clean = false;
        }
        self.log_start = self.log_start.max(self.standing.log_start);
        if found.is_taken_from(self.log_start) {
            // The names and promises for whose sake something goes must not be undone after it went.
            core.sync_dir(&self.dir).await?;
        }
        for stray in &found.strays {
            core.remove_file(&self.dir.join(stray)).await?;
        }
        for discarded in &found.discarded {
            self.engine
                .discard(self.dir.join(discarded), self.open.config.file_delete_delay);
        }
        let mut found = self.finish_replacing(found).await?;
        self.with_aborted = std::mem::take(&mut found.with_aborted);
        self.discard_below_start(&mut found).await?;
        let segments = self.segments(&found).await?;
        let Some((first, active)) = ends(&segments) else {
            return Err(self.missing(self.dir.clone(), 0, self.log_start));
        };
        let end = active.next_offset.get();
        let log_start = self.log_start.clamp(first, end.max(first));
        let mut state = LogState::new(self.open.config, segments, log_start, &active);
        state.standing = self.standing;
        self.replay(&mut state, &found.snapshots).await?;
        Ok(state)
    }

    /// Takes away the segments that lie wholly below the log's start. Some of them may have been
    /// removed already, in any order, so what is between them proves nothing.
    async fn discard_below_start(&mut self, found: &mut Found) -> Result<(), StorageError> {
        loop {
            let mut bases = found.logs.keys().copied();
            let (Some(first), Some(second)) = (bases.next(), bases.next()) else {
                return Ok(());
            };
            if second > self.log_start {
                return Ok(());
            }
            found.logs.remove(&first);
            self.discard_found(first).await?;
        }
    }

    /// Takes the files of a segment that was found away from the log.
    async fn discard_found(&self, base: Offset) -> Result<(), StorageError> {
        let core = self.engine.core();
        let path = self.dir.join(FileKind::Log.name(base));
        let to = layout::with_suffix(&path, layout::DISCARDED_SUFFIX);
        core.rename(&path, &to).await?;
        self.engine.discard(to, self.open.config.file_delete_delay);
        for kind in [FileKind::Index, FileKind::TimeIndex, FileKind::Aborted] {
            remove_if_there(core, &self.dir.join(kind.name(base))).await?;
        }
        Ok(())
    }

    /// Finishes the replacement that was under way when the process died. Where the new file had
    /// its name, it was whole; where not, the old segments are all still there.
    async fn finish_replacing(&mut self, mut found: Found) -> Result<Found, StorageError> {
        let core = self.engine.core().clone();
        for base in std::mem::take(&mut found.swaps) {
            let path = self.dir.join(FileKind::Log.name(base));
            let swap = layout::with_suffix(&path, layout::SWAP_SUFFIX);
            let Some((_, end)) = self.standing.replacing.filter(|(from, _)| *from == base) else {
                return Err(StorageError::Metadata {
                    path: swap,
                    reason: "compaction by another program was interrupted; let that program \
                             finish it, or remove the file if its segments are all there"
                        .to_owned(),
                });
            };
            let replaced: Vec<Offset> = found.logs.range(base..end).map(|(at, _)| *at).collect();
            for old in replaced.into_iter().filter(|old| *old > base) {
                self.discard_found(old).await?;
                found.logs.remove(&old);
            }
            for kind in [FileKind::Index, FileKind::TimeIndex] {
                // They describe what is replaced.
                remove_if_there(&core, &self.dir.join(kind.name(base))).await?;
            }
            core.sync_dir(&self.dir).await?;
            core.rename(&swap, &path).await?;
            core.sync_dir(&self.dir).await?;
            let len = core.open(&path, OpenMode::ReadOnly).await?.len().await?;
            found.logs.insert(base, len);
        }
        Ok(found)
    }

    /// The log's segments; the last one is active, and all is on the device.
    async fn segments(
        &mut self,
        found: &Found,
    ) -> Result<BTreeMap<Offset, Rc<Segment>>, StorageError> {
        if found.logs.is_empty() {
            if self.recovery_point > self.log_start {
                return Err(self.missing(self.dir.clone(), 0, self.log_start));
            }
            let base = self.log_start;
            let segment = Rc::new(begin_empty(self.engine, &self.dir, base).await?);
            return Ok(BTreeMap::from([(base, segment)]));
        }
        let bases: Vec<(Offset, u64)> =
            found.logs.iter().map(|(base, len)| (*base, *len)).collect();
        let nexts = bases.iter().skip(1).map(|(base, _)| Some(*base));
        let nexts: Vec<Option<Offset>> = nexts.chain([None]).collect();
        // Where the recovery point is the very end of a segment, the next one may have been begun
        // later, and the segment not yet cut to size.
        let (clean, point, sealed) = (self.clean, self.recovery_point, self.standing.sealed);
        let is_trusted =
            |next: Option<Offset>| next.is_some_and(|next| clean || next < point || next <= sealed);
        let unread = bases
            .iter()
            .zip(&nexts)
            .filter(|(_, next)| !is_trusted(**next));
        self.all_bytes = unread.map(|((_, len), _)| *len).sum();
        let mut segments = BTreeMap::new();
        for ((base, len), next) in bases.iter().zip(nexts) {
            let segment = Rc::new(Segment::found(&self.dir, *base));
            segments.insert(*base, Rc::clone(&segment));
            let trusted = next.filter(|next| is_trusted(Some(*next)));
            if let Some(next) = trusted {
                segment.len.set(*len);
                segment.flushed.set(*len);
                segment.allocated.set(*len);
                segment.next_offset.set(next);
                continue;
            }
            segment.stage.set(Stage::Active);
            let ends_here = self.read_segment(&segment, *len, next).await?;
            if ends_here && next.is_some() {
                self.drop_behind(&bases, *base).await?;
                break;
            }
        }
        self.finish_active(found, &segments).await?;
        Ok(segments)
    }

    /// Reads one segment in full; true when the log ends in it.
    async fn read_segment(
        &mut self,
        segment: &Rc<Segment>,
        file_len: u64,
        next: Option<Offset>,
    ) -> Result<bool, StorageError> {
        let is_last = next.is_none();
        if self.clean && is_last && file_len > 0 && self.read_clean(segment, file_len).await? {
            return Ok(true);
        }
        self.report.segments_scanned += 1;
        *segment.indexes.borrow_mut() = Some(Indexes::default());
        let fault = self.scan(segment, 0, file_len).await?;
        let (end, position) = (segment.next_offset.get(), segment.len.get());
        if end < self.recovery_point && next.is_none_or(|next| end < next) {
            return Err(StorageError::Corrupt {
                path: segment.path(FileKind::Log),
                position,
                offset: end,
                fault,
            });
        }
        if next.is_some_and(|next| end > next) {
            let fault = Fault::Offset { found: end };
            return Err(StorageError::Corrupt {
                path: segment.path(FileKind::Log),
                position,
                offset: next.unwrap_or(end),
                fault,
            });
        }
        let is_whole = next == Some(end);
        if fault != Fault::Missing || (next.is_some() && !is_whole) {
            self.report.torn_tail = Some(TornTail {
                path: segment.path(FileKind::Log),
                position,
                offset: end,
                fault,
            });
        }
        if file_len > 0 {
            let file = segment.file(self.engine.core()).await?;
            if file_len > position && !planted!(self.engine.planted(), KeepTornTail) {
                // Cut even where only zeros follow: half a batch may be behind them.
                file.truncate(position).await?;
            }
            // What was read may be in the device's cache only.
            file.flush().await?;
        }
        segment.flushed.set(position);
        segment.allocated.set(position);
        if is_whole {
            self.seal(segment).await?;
        }
        Ok(!is_whole)
    }

    /// Takes the active segment of a log that was closed in order: its indexes and the batches
    /// behind the last entry. False when that does not fit together.
    async fn read_clean(
        &mut self,
        segment: &Rc<Segment>,
        file_len: u64,
    ) -> Result<bool, StorageError> {
        let Some(indexes) = load_indexes(self.engine.core(), segment, file_len).await? else {
            return Ok(false);
        };
        let last = indexes.last();
        *segment.indexes.borrow_mut() = Some(indexes);
        let start = last.map_or(0, |last| u64::from(last.position));
        segment.len.set(start);
        if let Some(last) = last {
            // The scan begins with the entry's own batch and finds its offsets itself.
            segment.next_offset.set(segment.base);
            assert!(last.position > 0);
        }
        self.scan(segment, start, file_len).await?;
        let is_whole = segment.len.get() == file_len;
        if !is_whole {
            segment.len.set(0);
            segment.next_offset.set(segment.base);
            return Ok(false);
        }
        segment.flushed.set(file_len);
        segment.allocated.set(file_len);
        Ok(true)
    }

    /// Reads batches from `start` to the first fault and notes them in the segment.
    async fn scan(
        &mut self,
        segment: &Rc<Segment>,
        start: u64,
        file_len: u64,
    ) -> Result<Fault, StorageError> {
        let engine = self.engine.clone();
        let mut scan = Scan::new(&engine, None, segment, start, file_len);
        let trusts = planted!(engine.planted(), TrustIndexOverLog);
        loop {
            let position = scan.position();
            let bytes = match scan.batch().await? {
                Scanned::End => return Ok(Fault::Missing),
                Scanned::Broken(fault) => return Ok(fault),
                Scanned::Batch { bytes, .. } => bytes,
            };
            let view = match view(&bytes) {
                Ok(view) => view,
                Err(error) => return Ok(Fault::Batch(error)),
            };
            if !trusts && let Err(error) = view.verify_checksum() {
                return Ok(Fault::Batch(error));
            }
            let found = view.base_offset();
            if found < segment.next_offset.get() || view.last_offset_delta() < 0 {
                return Ok(Fault::Offset { found });
            }
            let last = segment.relative(view.last_offset());
            let Some(relative_last_offset) = last else {
                return Ok(Fault::Offset { found });
            };
            note(
                segment,
                &view,
                position,
                relative_last_offset,
                self.open.config,
            );
            self.report.bytes_scanned += view.len() as u64;
            self.tell();
        }
    }

    /// Cuts a complete segment to size and writes its indexes.
    async fn seal(&mut self, segment: &Rc<Segment>) -> Result<(), StorageError> {
        let core = self.engine.core();
        let encoded = segment.indexes.borrow_mut().as_mut().map(|indexes| {
            indexes.note_time();
            (indexes.encode_offsets(), indexes.encode_times())
        });
        if let Some((offsets, times)) = encoded {
            core.replace(&segment.path(FileKind::Index), &offsets)
                .await?;
            core.replace(&segment.path(FileKind::TimeIndex), &times)
                .await?;
        }
        segment.stage.set(Stage::Sealed);
        segment.close();
        *segment.indexes.borrow_mut() = None;
        Ok(())
    }

    /// Removes the segments behind the one in which the log ends: nothing in them was
    /// acknowledged, since that waits for everything before.
    async fn drop_behind(
        &mut self,
        bases: &[(Offset, u64)],
        last: Offset,
    ) -> Result<(), StorageError> {
        let core = self.engine.core();
        // Backwards, so that a crash in between leaves a log without a hole.
        for (base, _) in bases.iter().rev().filter(|(base, _)| *base > last) {
            assert!(
                *base >= self.recovery_point,
                "only what was never acknowledged goes"
            );
            aborted::remove(core, &self.dir, *base).await?;
            core.remove_file(&self.dir.join(FileKind::Log.name(*base)))
                .await?;
            core.sync_dir(&self.dir).await?;
            self.report.segments_dropped += 1;
        }
        Ok(())
    }

    /// Sees to it that the last segment can be appended to.
    async fn finish_active(
        &mut self,
        found: &Found,
        segments: &BTreeMap<Offset, Rc<Segment>>,
    ) -> Result<(), StorageError> {
        let core = self.engine.core();
        let Some((_, active)) = segments.last_key_value() else {
            return Ok(());
        };
        assert!(
            active.indexes.borrow().is_some(),
            "the active segment was read"
        );
        active.stage.set(Stage::Active);
        let has_indexes = found.with_indexes.contains(&active.base);
        for kind in [FileKind::Index, FileKind::TimeIndex] {
            // They come again when the segment is sealed; until then nobody believes them.
            if has_indexes {
                remove_if_there(core, &active.path(kind)).await?;
            }
        }
        if has_indexes || !self.clean {
            core.sync_dir(&self.dir).await?;
        }
        Ok(())
    }

    /// Loads the newest intact snapshot and shows the batches behind it.
    async fn replay(
        &mut self,
        state: &mut LogState,
        snapshots: &[Offset],
    ) -> Result<(), StorageError> {
        let core = self.engine.core().clone();
        // Also what lies below the log's start tells of producers, for as long as it is there.
        let first = state.segments.first_key_value().map(|(base, _)| *base);
        let mut from = first.unwrap_or(state.log_start);
        let aborted = self.survey_aborted(state).await?;
        for offset in snapshots.iter().rev() {
            let path = self.dir.join(FileKind::Snapshot.name(*offset));
            if *offset > state.end {
                // For good: the log will grow beyond it, with other batches.
                core.remove_file(&path).await?;
                core.sync_dir(&self.dir).await?;
                continue;
            }
            if aborted.is_some() && self.report.snapshot.is_none() && *offset >= from {
                let bytes = core.read_small(&path).await?;
                if !self.visitor.load_snapshot(*offset, &bytes) {
                    // Nobody would ever look at it again.
                    core.remove_file(&path).await?;
                    continue;
                }
                self.report.snapshot = Some(*offset);
                from = *offset;
            }
            state.snapshots.insert(0, *offset);
        }
        for (base, written) in aborted.into_iter().flatten() {
            let end = state.segments.get(&base);
            let end = end.map_or(base, |segment| segment.next_offset.get());
            let bound = end.min(from);
            if written.last < bound {
                state.aborted.believe(base, written);
                continue;
            }
            let path = self.dir.join(FileKind::Aborted.name(base));
            let found = aborted_file::read(&core, &path, base, 0..written.count).await?;
            let found = found.into_iter();
            let below = found.filter(|aborted| aborted.last_offset < bound);
            state.aborted.take(base, below);
        }
        let first = state.segment_for(from).map_or(from, |segment| segment.base);
        for segment in state.segments.range(first..).map(|(_, segment)| segment) {
            self.replay_segment(segment, from).await?;
        }
        Ok(())
    }

    /// What each segment's file of aborted transactions has. Where one is damaged, no snapshot
    /// helps: all is made again from the log.
    async fn survey_aborted(
        &self,
        state: &mut LogState,
    ) -> Result<Option<Vec<(Offset, Written)>>, StorageError> {
        let (mut all, mut is_intact) = (Vec::new(), true);
        let bases: Vec<Offset> = state.segments.keys().copied().collect();
        for base in bases
            .into_iter()
            .filter(|base| self.with_aborted.contains(base))
        {
            let path = self.dir.join(FileKind::Aborted.name(base));
            match aborted_file::survey(self.engine.core(), &path, base).await? {
                Some(found) => all.extend(found.map(|written| (base, written))),
                None => {
                    state.aborted.note_damaged(base);
                    is_intact = false;
                }
            }
        }
        Ok(is_intact.then_some(all))
    }

    async fn replay_segment(
        &mut self,
        segment: &Rc<Segment>,
        from: Offset,
    ) -> Result<(), StorageError> {
        if segment.next_offset.get() <= from {
            return Ok(());
        }
        let engine = self.engine.clone();
        let end = segment.len.get();
        let mut scan = Scan::new(&engine, None, segment, 0, end);
        loop {
            let position = scan.position();
            let fault = match scan.batch().await? {
                Scanned::End => return Ok(()),
                Scanned::Broken(fault) => fault,
                Scanned::Batch { bytes, .. } => match view(&bytes) {
                    Ok(view) => {
                        if view.last_offset() >= from {
                            self.visitor.replay(&view);
                            self.report.batches_replayed += 1;
                        }
                        self.tell();
                        continue;
                    }
                    Err(error) => Fault::Batch(error),
                },
            };
            let path = segment.path(FileKind::Log);
            return Err(StorageError::Corrupt {
                path,
                position,
                offset: segment.base,
                fault,
            });
        }
    }

    fn tell(&mut self) {
        let now = self.engine.core().now();
        if now.saturating_sub(self.told) >= PROGRESS_INTERVAL {
            self.told = now;
            self.visitor
                .progress(self.report.bytes_scanned, self.all_bytes);
        }
    }

    fn missing(&self, path: PathBuf, position: u64, offset: Offset) -> StorageError {
        StorageError::Corrupt {
            path,
            position,
            offset,
            fault: Fault::Missing,
        }
    }
}

async fn remove_if_there(core: &Core, path: &Path) -> Result<(), StorageError> {
    match core.remove_file(path).await {
        Err(error) if error.kind != reactor::IoErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn ends(segments: &BTreeMap<Offset, Rc<Segment>>) -> Option<(Offset, Rc<Segment>)> {
    let (first, _) = segments.first_key_value()?;
    let (_, last) = segments.last_key_value()?;
    Some((*first, Rc::clone(last)))
}

/// Notes one scanned batch in its segment.
fn note(
    segment: &Segment,
    view: &BatchView<'_>,
    position: u64,
    relative_last_offset: u32,
    config: LogConfig,
) {
    segment.len.set(position + view.len() as u64);
    segment.next_offset.set(view.next_offset());
    if segment.roll_from.get().is_none() {
        segment.roll_from.set(Some(view.max_timestamp()));
    }
    let batch = IndexedBatch {
        relative_last_offset,
        position: u32::try_from(position).unwrap_or(u32::MAX),
        len: view.len(),
        max_timestamp: view.max_timestamp(),
    };
    if let Some(indexes) = segment.indexes.borrow_mut().as_mut() {
        indexes.append_if_new(&batch, config.index_interval_bytes);
    }
}

/// The indexes of a segment as its files have them, if these can be right.
pub(crate) async fn load_indexes(
    core: &Core,
    segment: &Segment,
    len: u64,
) -> Result<Option<Indexes>, StorageError> {
    let mut files = Vec::new();
    for kind in [FileKind::Index, FileKind::TimeIndex] {
        match core.read_small(&segment.path(kind)).await {
            Ok(bytes) => files.push(bytes),
            Err(error) if error.kind == reactor::IoErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    let relative_end = match segment.stage.get() {
        Stage::Sealed => u64::try_from(segment.next_offset.get().0 - segment.base.0).unwrap_or(0),
        Stage::Active | Stage::Sealing => u64::from(u32::MAX),
    };
    let [offsets, times] = files.as_slice() else {
        return Ok(None);
    };
    Ok(Indexes::decode(offsets, times, len, relative_end))
}
