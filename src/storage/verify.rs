//! Looking at the bytes of complete segments: before they are sent, and when nobody asks.
//!
//! The checksum of a batch covers neither its offset nor its leader epoch. What these say is
//! compared with the batches around: offsets rise within the segment's span, epochs never fall.
//! Where a batch seems to leap ahead, the one behind it tells which of the two is wrong.
//!
//! Invariants: what is said of bytes is said of the segment that the log has at that moment: a
//! file that retention or compaction took meanwhile is nobody's any more; a walk begins where the
//! offset of the first batch is known.

use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use base::{LeaderEpoch, Offset};
use batch::BatchView;

use crate::damage::Damage;
use crate::error::{Fault, StorageError};
use crate::index::IndexEntry;
use crate::layout::FileKind;
use crate::log::Log;
use crate::recovery::load_indexes;
use crate::scan::{Scan, Scanned, Source, header_view, view};
use crate::segment::{Segment, Stage};
use crate::windows::WINDOW_BYTES;

/// One read vouches for at most this much that nobody has looked at: a consumer comes back for
/// more, and the core does other things meanwhile.
const VOUCH_BYTES_MAX: u64 = 4 << 20;
/// After so many bytes others have a turn.
const SLICE_BYTES: u64 = 256 << 10;
/// So many index entries are tried backwards for one that is right.
const ANCHORS_MAX: usize = 8;
/// So many index entries are tried forwards for an intact batch behind a damaged one.
const RESUMES_MAX: usize = 64;

/// A walk over the batches of one segment, each verified.
pub(crate) struct Walk<'a> {
    log: &'a Log,
    segment: Rc<Segment>,
    /// See [`Segment::cuts`], at the beginning of the walk.
    cuts: u32,
    scan: Scan<'a>,
    /// The next batch has at least this offset.
    expected: Offset,
    epoch: Option<LeaderEpoch>,
}

/// What a walk has come upon.
pub(crate) enum Step {
    /// The segment's end.
    End,
    /// An intact batch.
    Intact(Looked),
    /// Bytes that cannot be served; the walk goes on behind them.
    Damaged(Damage),
}

/// What an index says of a batch, to be compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looked {
    pub(crate) position: u64,
    pub(crate) len: u64,
    pub(crate) last_offset: Offset,
    pub(crate) max_timestamp: base::Timestamp,
}

impl<'a> Walk<'a> {
    /// A walk from the beginning of the segment.
    pub(crate) fn whole(log: &'a Log, segment: &Rc<Segment>, source: Source) -> Self {
        Self {
            log,
            segment: Rc::clone(segment),
            cuts: segment.cuts.get(),
            scan: Scan::of_source(log.engine(), segment, 0, source),
            expected: segment.base,
            epoch: None,
        }
    }

    /// A walk from a batch at or before `position`: the closest one that the index knows and that
    /// is as the index says, or else the first.
    async fn at_or_before(
        log: &'a Log,
        segment: &Rc<Segment>,
        position: u64,
        source: Source,
    ) -> Result<Self, StorageError> {
        let mut walk = Self::whole(log, segment, source);
        for anchor in anchors(log, segment, position).await? {
            let at = u64::from(anchor.position);
            walk.scan = Scan::of_source(log.engine(), segment, at, source);
            if let Scanned::Batch { bytes, .. } = walk.scan.header().await?
                && let Ok(header) = header_view(&bytes)
                && header.last_offset == segment.absolute(anchor.relative_offset)
                && header.base_offset >= segment.base
            {
                walk.expected = header.base_offset;
                return Ok(walk);
            }
        }
        Ok(Self::whole(log, segment, source))
    }

    /// Where the next batch begins.
    pub(crate) fn position(&self) -> u64 {
        self.scan.position()
    }

    /// Whether the log still has the segment as it was when the walk began.
    pub(crate) fn is_current(&self) -> bool {
        self.cuts == self.segment.cuts.get() && self.log.is_current(&self.segment)
    }

    /// Looks at the next batch.
    ///
    /// # Errors
    /// When the disk cannot be read, or the segment is not the log's any more.
    pub(crate) async fn step(&mut self) -> Result<Step, StorageError> {
        let position = self.scan.position();
        if self.scan.source() != Source::Device
            && let Some(known) = self.pass_known(position)
        {
            return Ok(Step::Damaged(known));
        }
        let looked = match self.scan.batch().await? {
            Scanned::End => return Ok(Step::End),
            Scanned::Broken(fault) => Err((fault, None)),
            Scanned::Batch { bytes, len } => {
                let next = Some(position + len as u64);
                match view(&bytes) {
                    Err(error) => Err((Fault::Batch(error), next)),
                    Ok(batch) => match self.judge(&batch).await? {
                        Some(fault) => Err((fault, next)),
                        None => {
                            self.expected = batch.next_offset();
                            self.epoch = Some(batch.leader_epoch());
                            Ok(Looked {
                                position,
                                len: len as u64,
                                last_offset: batch.last_offset(),
                                max_timestamp: batch.max_timestamp(),
                            })
                        }
                    },
                }
            }
        };
        match looked {
            Ok(looked) => Ok(Step::Intact(looked)),
            Err((fault, next)) => {
                let damage = self.damage(position, next, fault).await?;
                Ok(Step::Damaged(damage))
            }
        }
    }

    /// Passes over damage that is known, so that it is not looked into at each request.
    fn pass_known(&mut self, position: u64) -> Option<Damage> {
        let known = self.segment.damages.borrow().at(position).cloned()?;
        self.scan.jump(known.resume_position);
        self.expected = known.resume_offset;
        self.epoch = None;
        Some(known)
    }

    /// What is wrong with a batch that the scan has just passed.
    async fn judge(&mut self, batch: &BatchView<'_>) -> Result<Option<Fault>, StorageError> {
        if let Err(error) = batch.verify_checksum() {
            return Ok(Some(Fault::Batch(error)));
        }
        let (found, epoch) = (batch.base_offset(), batch.leader_epoch());
        let end = self.segment.next_offset.get();
        if found < self.expected || batch.last_offset_delta() < 0 || batch.next_offset() > end {
            return Ok(Some(Fault::Offset { found }));
        }
        if self.epoch.is_some_and(|before| epoch < before) {
            return Ok(Some(Fault::Epoch { found: epoch }));
        }
        if found == self.expected && self.epoch == Some(epoch) {
            return Ok(None);
        }
        // Compaction leaves gaps and leaders change, but then the next batch is behind this one.
        let Scanned::Batch { bytes, .. } = self.scan.header().await? else {
            return Ok(None);
        };
        let Ok(next) = header_view(&bytes) else {
            return Ok(None);
        };
        let follows = |offset: Offset| offset >= self.expected && next.last_offset < end;
        Ok(if !follows(next.base_offset) {
            // The next one is out of its place itself.
            None
        } else if next.base_offset < batch.next_offset() {
            Some(Fault::Offset { found })
        } else if next.leader_epoch < epoch {
            Some(Fault::Epoch { found: epoch })
        } else {
            None
        })
    }

    /// Notes that the bytes at `position` are damaged and moves on to the next intact batch.
    async fn damage(
        &mut self,
        position: u64,
        next: Option<u64>,
        fault: Fault,
    ) -> Result<Damage, StorageError> {
        let (segment, log) = (Rc::clone(&self.segment), self.log);
        let (resume_position, resume_offset) = self.resume(position, next).await?;
        if !self.is_current() {
            return Err(StorageError::Closed);
        }
        let damage = Damage {
            path: segment.path(FileKind::Log),
            position,
            offset: self.expected,
            resume_position,
            resume_offset,
            fault,
        };
        assert!(damage.offset < resume_offset, "something is lost");
        self.scan = Scan::of_source(log.engine(), &segment, position, self.scan.source());
        self.scan.jump(resume_position);
        self.expected = resume_offset;
        self.epoch = None;
        if segment.damages.borrow_mut().note(damage.clone()) {
            segment.verified.borrow_mut().clear();
            log.shared.state.borrow_mut().forget_places();
            log.engine().note_damage(&damage);
        }
        Ok(damage)
    }

    /// Where the next intact batch begins, and its offset: where the damaged one seems to end, or
    /// else at an entry of the index.
    async fn resume(
        &self,
        position: u64,
        next: Option<u64>,
    ) -> Result<(u64, Offset), StorageError> {
        let (segment, len) = (&self.segment, self.segment.len.get());
        let nothing = (len, segment.next_offset.get());
        if next == Some(len) {
            return Ok(nothing);
        }
        if let Some(next) = next
            && let Some(offset) = self.intact_at(next, None).await?
        {
            return Ok((next, offset));
        }
        let entries = entries_behind(self.log, segment, position).await?;
        for entry in entries {
            let last = segment.absolute(entry.relative_offset);
            let at = u64::from(entry.position);
            if let Some(offset) = self.intact_at(at, Some(last)).await? {
                return Ok((at, offset));
            }
        }
        Ok(nothing)
    }

    /// The offset of the batch at `position`, when there is an intact one that may be there.
    async fn intact_at(
        &self,
        position: u64,
        last: Option<Offset>,
    ) -> Result<Option<Offset>, StorageError> {
        let source = self.scan.source();
        let mut scan = Scan::of_source(self.log.engine(), &self.segment, position, source);
        let Scanned::Batch { bytes, .. } = scan.batch().await? else {
            return Ok(None);
        };
        let Ok(batch) = view(&bytes) else {
            return Ok(None);
        };
        let is_intact = batch.verify_checksum().is_ok()
            && batch.base_offset() > self.expected
            && batch.next_offset() <= self.segment.next_offset.get()
            && last.is_none_or(|last| batch.last_offset() == last);
        Ok(is_intact.then(|| batch.base_offset()))
    }
}

/// Index entries at or before `position`, the closest first.
async fn anchors(
    log: &Log,
    segment: &Rc<Segment>,
    position: u64,
) -> Result<Vec<IndexEntry>, StorageError> {
    let pick = |indexes: &crate::index::Indexes| indexes.before(position, ANCHORS_MAX);
    with_indexes(log, segment, pick).await
}

/// Index entries behind `position`, the closest first.
async fn entries_behind(
    log: &Log,
    segment: &Rc<Segment>,
    position: u64,
) -> Result<Vec<IndexEntry>, StorageError> {
    with_indexes(log, segment, |indexes| {
        indexes.behind(position, RESUMES_MAX)
    })
    .await
}

/// Asks the indexes, be they loaded or not; nothing where there are none.
async fn with_indexes(
    log: &Log,
    segment: &Rc<Segment>,
    pick: impl Fn(&crate::index::Indexes) -> Vec<IndexEntry>,
) -> Result<Vec<IndexEntry>, StorageError> {
    if let Some(indexes) = segment.indexes.borrow().as_ref() {
        return Ok(pick(indexes));
    }
    let loaded = load_indexes(log.engine().core(), segment, segment.len.get()).await?;
    Ok(loaded.map(|indexes| pick(&indexes)).unwrap_or_default())
}

impl Log {
    /// Whether the log still has this very segment, complete and with its files.
    pub(crate) fn is_current(&self, segment: &Rc<Segment>) -> bool {
        let state = self.shared.state.borrow();
        let known = state.segments.get(&segment.base);
        known.is_some_and(|known| Rc::ptr_eq(known, segment))
            && segment.stage.get() == Stage::Sealed
            && !segment.retired.get()
            && !state.closed
    }

    /// The end of what may be sent of `range` of a sealed segment, which begins with a batch, and
    /// from where: up to there it was verified, now or lately. `follows_gap` tells that the batch before does
    /// not reach up to what was asked for, so that the gap is to be confirmed too.
    ///
    /// # Errors
    /// `Corrupt` when the first batch is damaged.
    pub(crate) async fn vouch(
        &self,
        segment: &Rc<Segment>,
        range: Range<u64>,
        follows_gap: bool,
    ) -> Result<(u64, Source), StorageError> {
        assert!(range.start < range.end, "something is sent");
        let core = self.engine().core();
        let before = u64::from(follows_gap && range.start > 0);
        let begin = {
            let mut verified = segment.verified.borrow_mut();
            verified.expire(core.now());
            verified.reach(range.start - before)
        };
        if begin >= range.end {
            return Ok((range.end, self.source_again(segment, range.start)));
        }
        let source = self.source_first(segment, &range).await?;
        let most = match source {
            Source::Windows => WINDOW_BYTES,
            _ => VOUCH_BYTES_MAX,
        };
        let stop = range.end.min(begin.max(range.start) + most);
        let mut walk = Walk::at_or_before(self, segment, begin, source).await?;
        let mut intact = walk.position()..walk.position();
        let mut yielded = intact.end;
        while intact.end < stop {
            match walk.step().await? {
                Step::End => break,
                Step::Intact(_) => intact.end = walk.position(),
                Step::Damaged(damage) => {
                    self.note_verified(&walk, &intact);
                    if damage.position > range.start {
                        return Ok((damage.position.min(range.end), source));
                    }
                    if damage.resume_position > range.start {
                        return Err(damage.error());
                    }
                    intact = walk.position()..walk.position();
                }
            }
            if walk.position() - yielded >= SLICE_BYTES {
                yielded = walk.position();
                core.yield_now().await;
            }
        }
        if !self.note_verified(&walk, &intact) {
            return Err(StorageError::Closed);
        }
        assert!(intact.end > range.start, "the first batch is verified");
        Ok((intact.end.min(range.end), source))
    }

    /// Where to look at bytes that nobody looked at lately. Who goes through history alone takes
    /// them from the disk himself: by way of the page cache each byte would be copied twice
    /// (kernel-note 016).
    async fn source_first(
        &self,
        segment: &Rc<Segment>,
        range: &Range<u64>,
    ) -> Result<Source, StorageError> {
        let core = self.engine().core();
        let file = segment.file(core).await?;
        let last = range.end.min(range.start + WINDOW_BYTES) - 1;
        // Asking for every page would cost as much as a fifth of copying them (kernel-note 012).
        let is_cached = file.is_cached(range.start, 1) && file.is_cached(last, 1);
        let windows = self.engine().windows();
        if !is_cached && windows.admits(core, segment, range.start) {
            Ok(Source::Windows)
        } else {
            Ok(Source::PageCache)
        }
    }

    /// From where to send what somebody looked at lately: others may follow, and share the page
    /// cache.
    fn source_again(&self, segment: &Rc<Segment>, position: u64) -> Source {
        match self.engine().windows().peek(segment, position, 1) {
            Some(_) => Source::Windows,
            None => Source::PageCache,
        }
    }

    /// Remembers what a walk found intact, unless the segment is another one by now.
    fn note_verified(&self, walk: &Walk<'_>, intact: &Range<u64>) -> bool {
        let now = self.engine().core().now();
        let bytes = intact.end - intact.start;
        self.engine().counters().fetch_bytes_verified.add(bytes);
        let is_current = walk.is_current();
        if is_current {
            walk.segment.verified.borrow_mut().add(intact.clone(), now);
        }
        is_current
    }

    /// Looks closely at the place where a reader found something wrong: true when it may try
    /// again, since the damage is known now or the segment is another one.
    pub(crate) async fn examine(&self, path: &Path, position: u64) -> Result<bool, StorageError> {
        let segments = self.segments().into_iter();
        let mut named = segments.filter(|segment| segment.path(FileKind::Log) == path);
        let Some(segment) = named.next() else {
            return Ok(true);
        };
        if segment.stage.get() != Stage::Sealed || segment.damages.borrow().at(position).is_some() {
            return Ok(false);
        }
        let mut walk = Walk::at_or_before(self, &segment, position, Source::PageCache).await?;
        let mut yielded = walk.position();
        while walk.position() <= position {
            match walk.step().await? {
                Step::End => break,
                Step::Intact(_) => {}
                Step::Damaged(_) => return Ok(true),
            }
            if walk.position() - yielded >= SLICE_BYTES {
                yielded = walk.position();
                self.engine().core().yield_now().await;
            }
        }
        Ok(!walk.is_current())
    }
}
