//! One run of compaction, from reading the dirty part to the last replaced segment.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use base::{BLOCK_SIZE, Offset, ProducerEpoch, ProducerId, Timestamp};
use batch::{BatchError, BatchView, Scratch, records};

use super::cleaned_file::CleanedFile;
use super::judge::{Judge, Verdict};
use super::keys::KeyMap;
use super::need::CompactionNeed;
use super::outcomes::Outcomes;
use super::pace::Pace;
use super::swap::Cleaned;
use crate::aborted::ENTRIES_MAX;
use crate::error::{Fault, StorageError};
use crate::index::{IndexedBatch, Indexes};
use crate::layout::{self, FileKind};
use crate::log::Log;
use crate::planted::planted;
use crate::reader::corrupt;
use crate::scan::{Scan, Scanned, view};
use crate::segment::Segment;
use crate::standing::Standing;

/// What a log is compacted by.
#[derive(Clone, Debug)]
pub struct CompactionRules {
    /// The wall clock.
    pub now: Timestamp,
    /// Nothing at or above is touched: the last stable offset.
    pub bound: Offset,
    /// `min.compaction.lag.ms`.
    pub min_lag_ms: u64,
    /// `max.compaction.lag.ms`.
    pub max_lag_ms: u64,
    /// `min.cleanable.dirty.ratio`.
    pub min_dirty_ratio: f64,
    /// `delete.retention.ms`.
    pub delete_retention_ms: u64,
    /// The last batch of each producer.
    pub producers: BTreeMap<ProducerId, LastOfProducer>,
    /// What compaction may use.
    pub limits: CompactionLimits,
}

/// The last that is known of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastOfProducer {
    /// The last offset of its last batch of data, where one is remembered.
    pub offset: Option<Offset>,
    /// Its epoch.
    pub epoch: ProducerEpoch,
}

/// What compaction may use on one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactionLimits {
    /// `log.cleaner.dedupe.buffer.size`: memory for keys.
    pub keys_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`, in percent.
    pub keys_load_percent: u64,
    /// `log.cleaner.io.buffer.size`: memory for writing.
    pub buffer_bytes: usize,
    /// `log.cleaner.io.max.bytes.per.second`, read and written together.
    pub bytes_per_second: u64,
    /// The most that a batch may unpack to.
    pub batch_bytes_max: usize,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactionReport {
    /// Up to where the log is compacted now.
    pub end: Offset,
    /// How many keys the dirty part had.
    pub keys: usize,
    /// Bytes read, the dirty part twice.
    pub bytes_read: u64,
    /// Bytes of the files that took the place of others.
    pub bytes_written: u64,
    /// Records left out.
    pub records_dropped: u64,
    /// Segments replaced, and by how many.
    pub segments_before: usize,
    /// See `segments_before`.
    pub segments_after: usize,
    /// Whether the keys did not fit, so that another run is due at once.
    pub is_partial: bool,
}

/// One run under way.
pub(crate) struct Run<'a> {
    pub(crate) log: &'a Log,
    rules: &'a CompactionRules,
    pace: Pace,
    pub(crate) report: CompactionReport,
    /// Whether a group was left as it was, so that the log is not compacted as far as was meant.
    pub(crate) left_out: bool,
}

impl Log {
    /// Compacts what `need` says. Others append and read meanwhile; when the log is closed, or a
    /// copy of it begins in another directory, the run ends early.
    ///
    /// # Errors
    /// `Closed` when it ended early.
    /// `Corrupt` where a batch cannot be read: nothing of its segments was touched. Otherwise as
    /// the device answers.
    pub async fn compact(
        &self,
        rules: &CompactionRules,
        need: &CompactionNeed,
    ) -> Result<CompactionReport, StorageError> {
        let mut run = Run {
            log: self,
            rules,
            pace: Pace::new(self.engine().core(), rules.limits.bytes_per_second),
            report: CompactionReport::default(),
            left_out: false,
        };
        if let Err(error) = run.all(need).await {
            if let StorageError::Corrupt { path, position, .. } = &error {
                // So that it is told of, and not served. What goes wrong meanwhile changes nothing.
                drop(self.examine(path, *position).await);
            }
            return Err(error);
        }
        let (counters, report) = (self.engine().counters(), run.report);
        counters.compactions.increment();
        counters
            .compaction_records_dropped
            .add(report.records_dropped);
        Ok(report)
    }
}

impl Run<'_> {
    async fn all(&mut self, need: &CompactionNeed) -> Result<(), StorageError> {
        let all = self.log.segments().into_iter();
        let sources: Vec<Rc<Segment>> = all
            .take_while(|segment| segment.is_sealed() && segment.next_offset.get() <= need.end)
            .collect();
        let outcomes = self.decide(&sources, need).await?;
        let undecided = outcomes.undecided().unwrap_or(need.end);
        let keys = self.read_keys(&sources, need, undecided, &outcomes).await?;
        let Some(latest) = keys.latest else {
            return Ok(());
        };
        let end = latest.plus(1);
        self.report.end = end;
        self.report.keys = keys.len();
        self.report.is_partial = end < need.end;
        let mut judge = Judge {
            rules: self.rules,
            keys: &keys,
            outcomes,
            end,
            planted: self.log.engine().planted(),
            scratch: Scratch::new(),
            keep: Vec::new(),
            dropped: 0,
            markers_gone: BTreeSet::new(),
        };
        let covered = sources.into_iter().filter(|segment| segment.base < end);
        for group in self.groups(covered.collect()) {
            self.clean_group(&group, &mut judge).await?;
        }
        self.report.records_dropped = judge.dropped;
        if self.left_out {
            // What is left in that group must be found dirty by the next run: records that these
            // keys replace, and would come back once their tombstones go.
            self.report.is_partial = true;
            return Ok(());
        }
        let _alone = self.log.structure_gate().enter().await;
        let standing = Standing {
            cleaned: end,
            ..self.log.standing()
        };
        self.log.write_standing(standing).await
    }

    /// # Errors
    /// When the log is being closed or copied to another directory.
    pub(crate) fn check_going_on(&self) -> Result<(), StorageError> {
        self.log.check_open()?;
        if self.log.shared.closing.get() || self.log.is_being_copied() {
            return Err(StorageError::Closed);
        }
        Ok(())
    }

    /// Reads which transactions of the dirty part were aborted. Where there are none, this costs
    /// a look at each header.
    async fn decide(
        &mut self,
        sources: &[Rc<Segment>],
        need: &CompactionNeed,
    ) -> Result<Outcomes, StorageError> {
        let mut outcomes = Outcomes::default();
        let mut scratch = Scratch::new();
        for segment in sources
            .iter()
            .filter(|one| one.next_offset.get() > need.first_dirty)
        {
            let mut scan = scan_all(self.log, segment);
            while let Some(bytes) = self.next(&mut scan, segment).await? {
                let noted = view(&bytes).and_then(|view| {
                    if view.last_offset() < need.first_dirty {
                        return Ok(());
                    }
                    outcomes.note(&view, &mut scratch)
                });
                noted.map_err(|error| broken(segment, scan.position(), error))?;
            }
        }
        Ok(outcomes)
    }

    /// Remembers the last offset of each key of the dirty part, or of as much as fits.
    async fn read_keys(
        &mut self,
        sources: &[Rc<Segment>],
        need: &CompactionNeed,
        undecided: Offset,
        outcomes: &Outcomes,
    ) -> Result<KeyMap, StorageError> {
        let limits = self.rules.limits;
        let span = u64::try_from(need.end.0 - need.first_dirty.0).unwrap_or(0);
        let secret = self.log.engine().core().entropy();
        let mut keys = KeyMap::new(limits.keys_bytes, span, limits.keys_load_percent, secret);
        let mut scratch = Scratch::new();
        for segment in sources
            .iter()
            .filter(|one| one.next_offset.get() > need.first_dirty)
        {
            let mut scan = scan_all(self.log, segment);
            while let Some(bytes) = self.next(&mut scan, segment).await? {
                let noted = (|| {
                    let view = view(&bytes)?;
                    if view.base_offset() >= undecided {
                        return Ok(false);
                    }
                    if view.last_offset() < need.first_dirty {
                        return Ok(true);
                    }
                    let counts = !view.attributes().is_control() && !outcomes.is_aborted(&view);
                    let fits = !counts
                        || note_keys(&view, &mut keys, &mut scratch, limits.batch_bytes_max)?;
                    if fits {
                        keys.latest = Some(view.last_offset());
                    }
                    Ok(fits)
                })();
                let goes_on = noted.map_err(|error| broken(segment, scan.position(), error))?;
                if !goes_on {
                    return Ok(keys);
                }
            }
            // Compaction before may have left a gap at the segment's end.
            keys.latest = Some(segment.next_offset.get().plus(-1));
        }
        Ok(keys)
    }

    /// Neighbours that fit into one segment together, by size, by span of offsets and by how many
    /// aborted transactions they have.
    fn groups(&self, sources: Vec<Rc<Segment>>) -> Vec<Vec<Rc<Segment>>> {
        let config = self.log.shared.state.borrow().config;
        let mut groups: Vec<Vec<Rc<Segment>>> = Vec::new();
        let (mut bytes, mut aborted) = (0, 0);
        for segment in sources {
            let len = segment.len.get();
            let more = self.log.aborted_count(segment.base);
            let fits = groups
                .last()
                .and_then(|group| group.first())
                .is_some_and(|first| {
                    let last = segment.next_offset.get();
                    bytes + len <= u64::from(config.segment_bytes)
                        && aborted + more <= ENTRIES_MAX
                        && first.relative(last).is_some()
                });
            match groups.last_mut().filter(|_| fits) {
                Some(group) => {
                    group.push(segment);
                    bytes += len;
                    aborted += more;
                }
                None => {
                    groups.push(vec![segment]);
                    (bytes, aborted) = (len, more);
                }
            }
        }
        groups
    }

    /// Writes a group again and puts the new file in its place, unless nothing changed.
    async fn clean_group(
        &mut self,
        group: &[Rc<Segment>],
        judge: &mut Judge<'_>,
    ) -> Result<(), StorageError> {
        let [first, ..] = group else {
            return Ok(());
        };
        let engine = self.log.engine().clone();
        let path = first.path(FileKind::Log);
        let cleaned_path = layout::with_suffix(&path, layout::CLEANED_SUFFIX);
        let buffer_bytes = buffer_bytes(self.rules.limits.buffer_bytes, engine.chunks().limit());
        judge.markers_gone.clear();
        let mut file = CleanedFile::create(&engine, &cleaned_path, buffer_bytes).await?;
        let written = self.write_group(group, judge, &mut file).await;
        let (indexes, is_same) = match written {
            Ok(written) => written,
            Err(error) => {
                file.abandon().await;
                return Err(error);
            }
        };
        if is_same && group.len() == 1 {
            file.abandon().await;
            return Ok(());
        }
        let flush = !planted!(engine.planted(), SwapWithoutFlush);
        let len = file.finish(flush).await?;
        engine.counters().compaction_bytes_written.add(len);
        self.report.bytes_written += len;
        self.report.segments_before += group.len();
        self.report.segments_after += 1;
        let cleaned = Cleaned {
            path: cleaned_path,
            len,
            indexes,
            markers_gone: std::mem::take(&mut judge.markers_gone),
        };
        self.swap(group, cleaned).await
    }

    /// Writes what stays of a group; the new file's indexes, and whether nothing changed.
    async fn write_group(
        &mut self,
        group: &[Rc<Segment>],
        judge: &mut Judge<'_>,
        file: &mut CleanedFile,
    ) -> Result<(Indexes, bool), StorageError> {
        let interval = self.log.shared.state.borrow().config.index_interval_bytes;
        let (mut indexes, mut is_same) = (Indexes::default(), true);
        let mut rewritten = Vec::new();
        let Some(first) = group.first() else {
            return Ok((indexes, is_same));
        };
        for segment in group {
            // Whoever reads the segment now goes on reading the old file by this handle.
            segment.file(self.log.engine().core()).await?;
            self.log.ensure_indexes(segment).await?;
            let mut scan = scan_all(self.log, segment);
            while let Some(bytes) = self.next(&mut scan, segment).await? {
                rewritten.clear();
                let position_read = scan.position();
                let broken = |error| broken(segment, position_read, error);
                let source = view(&bytes).map_err(broken)?;
                let batch = match judge.judge(&source, &mut rewritten).map_err(broken)? {
                    Verdict::Same => source,
                    Verdict::Rewritten => view(&rewritten).map_err(broken)?,
                    Verdict::Gone => {
                        is_same = false;
                        continue;
                    }
                };
                is_same &= batch.len() == source.len() && batch.bytes() == source.bytes();
                let position = file.len();
                if position + batch.len() as u64 > i32::MAX.unsigned_abs().into() {
                    return Err(StorageError::Closed);
                }
                note_in_index(&mut indexes, first, &batch, position, interval);
                file.append(batch.bytes()).await?;
                self.pace.spend(batch.len() as u64).await;
            }
        }
        indexes.note_time();
        Ok((indexes, is_same))
    }

    /// The next batch of a sealed segment, its checksum verified.
    async fn next(
        &mut self,
        scan: &mut Scan<'_>,
        segment: &Rc<Segment>,
    ) -> Result<Option<reactor::Bytes>, StorageError> {
        self.check_going_on()?;
        let position = scan.position();
        let bytes = match scan.batch().await? {
            Scanned::End => return Ok(None),
            Scanned::Broken(fault) => return Err(corrupt(segment, position, segment.base, fault)),
            Scanned::Batch { bytes, .. } => bytes,
        };
        let checked = view(&bytes).and_then(|view| view.verify_checksum());
        checked.map_err(|error| broken(segment, position, error))?;
        let len = bytes.len() as u64;
        self.report.bytes_read += len;
        self.log.engine().counters().compaction_bytes_read.add(len);
        self.pace.spend(len).await;
        Ok(Some(bytes))
    }
}

fn scan_all<'a>(log: &'a Log, segment: &Rc<Segment>) -> Scan<'a> {
    let memory = Some(&log.shared.state);
    Scan::new(log.engine(), memory, segment, 0, segment.len.get())
}

/// Memory for writing: as configured, but a small part of what all logs have.
fn buffer_bytes(configured: usize, budget: usize) -> usize {
    let bytes = configured.min(budget / 16).max(BLOCK_SIZE);
    bytes - bytes % BLOCK_SIZE
}

/// Notes the keys of a batch; false when they do not all fit.
fn note_keys(
    view: &BatchView<'_>,
    keys: &mut KeyMap,
    scratch: &mut Scratch,
    bytes_max: usize,
) -> Result<bool, BatchError> {
    for record in records(view, scratch, bytes_max)? {
        let record = record?;
        if let Some(key) = record.key
            && !keys.put(key, record.offset)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn note_in_index(
    indexes: &mut Indexes,
    first: &Segment,
    batch: &BatchView<'_>,
    position: u64,
    interval: u32,
) {
    let relative = first.relative(batch.last_offset());
    assert!(
        relative.is_some(),
        "a group spans no more than a segment may"
    );
    let batch = IndexedBatch {
        relative_last_offset: relative.unwrap_or(0),
        position: u32::try_from(position).unwrap_or(u32::MAX),
        len: batch.len(),
        max_timestamp: batch.max_timestamp(),
    };
    indexes.append(&batch, interval);
}

fn broken(segment: &Segment, position: u64, error: BatchError) -> StorageError {
    corrupt(segment, position, segment.base, Fault::Batch(error))
}
