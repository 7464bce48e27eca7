//! Reading a run of batches from an offset on, as a fetch wants it.
//!
//! The hot tail is handed out by reference, a sealed segment as a part of its file for the server
//! to send. Who is the first to ask for a part of a sealed segment, or for the older part of the
//! active one, gets it by direct reads ahead of him: it has to be looked at, and a file that is still
//! written with direct I/O is never read through the page cache.
//!
//! Invariants: a result begins with the whole batch that holds the offset and never reaches the
//! bound; it comes from one segment; its last batch may be cut, the first one never is.

use std::ops::Range;
use std::rc::Rc;

use base::{Offset, Timestamp, usize_from_u64};
use reactor::{Bytes, File, IoErrorKind};

use crate::error::{Fault, StorageError};
use crate::index::Indexes;
use crate::layout::FileKind;
use crate::log::Log;
use crate::planted::planted;
use crate::scan::{HeaderView, Scan, Scanned, Source, header_view};
use crate::segment::{Segment, Stage};
use crate::state::Place;
use crate::windows::{WINDOW_BYTES, Windows};

/// How much of an active segment's older part one read takes from the disk.
const DISK_READ_BYTES_MAX: u64 = 2 * WINDOW_BYTES;
/// How often a read begins again because of damage that it came upon.
const ATTEMPTS_MAX: u32 = 8;

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest {
    /// The first offset that is wanted.
    pub offset: Offset,
    /// How many bytes at most.
    pub bytes_max: usize,
    /// Whether the first batch comes whole even when it is larger than that.
    pub at_least_one: bool,
    /// Nothing at or above this is read: the high watermark or the last stable offset.
    pub upper_bound: Offset,
}

/// A part of what was read.
#[derive(Clone)]
pub enum Piece {
    /// Bytes in memory.
    Memory(Bytes),
    /// A part of a sealed segment's file, to be sent from there.
    File {
        /// The file.
        file: File,
        /// Where the part begins.
        position: u64,
        /// How many bytes it has.
        len: u64,
    },
}

/// What was read.
#[derive(Clone, Default)]
pub struct ReadResult {
    /// The bytes, in order.
    pub pieces: Vec<Piece>,
    /// How many bytes they are.
    pub len: u64,
    /// The offset of the first batch, which may lie below what was asked for.
    pub base_offset: Option<Offset>,
    /// All of it lies below this offset, which may be a little further.
    pub end_bound: Offset,
}

impl ReadResult {
    /// All of it in one piece of memory, since a batch may lie across two pieces.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn into_bytes(self) -> Result<Bytes, StorageError> {
        let mut parts = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces {
            parts.push(match piece {
                Piece::Memory(bytes) => bytes,
                Piece::File {
                    file,
                    position,
                    len,
                } => file.read_at(position, usize_from_u64(len)).await?,
            });
        }
        Ok(match <[Bytes; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => {
                let slices: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
                Bytes::from(slices.concat())
            }
        })
    }
}

/// Where a batch was found.
#[derive(Clone)]
pub(crate) struct Located {
    pub(crate) segment: Rc<Segment>,
    pub(crate) position: u64,
    pub(crate) len: usize,
    pub(crate) header: HeaderView,
}

impl Log {
    /// Reads batches from the one that holds `request.offset` on; nothing at the bound.
    ///
    /// # Errors
    /// `OutOfRange` when the log does not have the offset, and what the disk answers.
    pub async fn read(&self, request: &ReadRequest) -> Result<ReadResult, StorageError> {
        let mut attempts = 0;
        loop {
            let known = self.engine().counters().damages.get();
            let result = self.read_present(request).await;
            attempts += 1;
            match &result {
                // The segment's files went while they were being looked for.
                Err(StorageError::Io(_) | StorageError::Corrupt { .. })
                    if request.offset < self.log_start() =>
                {
                    return Err(self.out_of_range(request.offset));
                }
                // What is asked for may lie behind what was just found to be damaged.
                Err(StorageError::Corrupt { path, position, .. }) if attempts < ATTEMPTS_MAX => {
                    let is_news = known != self.engine().counters().damages.get();
                    if !is_news && !self.examine(path, *position).await? {
                        return result;
                    }
                }
                // Compaction or retention took the segment away while it was being looked at.
                Err(StorageError::Closed) if attempts < ATTEMPTS_MAX => self.check_open()?,
                Err(StorageError::Io(error))
                    if error.kind == IoErrorKind::NotFound && attempts < ATTEMPTS_MAX =>
                {
                    self.check_open()?;
                }
                // A sector that cannot be read fails whoever asks for it, and nobody else: where the
                // whole directory is gone, the next write or flush says so. Kafka takes the
                // directory offline here, and with the last one the node.
                _ => return result,
            }
        }
    }

    fn out_of_range(&self, offset: Offset) -> StorageError {
        StorageError::OutOfRange {
            offset,
            log_start: self.log_start(),
            log_end: self.log_end(),
        }
    }

    async fn read_present(&self, request: &ReadRequest) -> Result<ReadResult, StorageError> {
        let (log_start, log_end) = (self.log_start(), self.log_end());
        if request.offset < log_start || request.offset > log_end {
            return Err(self.out_of_range(request.offset));
        }
        let bound = request.upper_bound.min(log_end);
        if request.offset >= bound {
            return Ok(ReadResult::default());
        }
        let Some(first) = self.locate(request.offset).await? else {
            return Ok(ReadResult::default());
        };
        if first.header.base_offset >= bound {
            return Ok(ReadResult::default());
        }
        let limit = self.bound_position(&first.segment, bound).await?;
        if limit <= first.position {
            // Only a header that lies places the bound before a batch that is below it.
            let found = first.header.base_offset;
            return Err(corrupt(
                &first.segment,
                first.position,
                request.offset,
                Fault::Offset { found },
            ));
        }
        let first_end = first.position + first.len as u64;
        if !request.at_least_one && first.len > request.bytes_max {
            return Ok(ReadResult::default());
        }
        let wanted = first.position.saturating_add(request.bytes_max as u64);
        let end = self.whole_end(&first, wanted, limit).max(first_end);
        let (end, source) = self.vouched_end(&first, request.offset, end).await?;
        let ends = first_end.min(end)..end;
        let (pieces, len) = self.pieces(&first, ends, source).await?;
        if first.position + len == limit {
            self.remember_bound(&first.segment, bound, limit);
        }
        Ok(ReadResult {
            pieces,
            len,
            base_offset: Some(first.header.base_offset),
            end_bound: offset_bound(&first.segment, first.position + len).min(bound),
        })
    }

    fn remember_bound(&self, segment: &Rc<Segment>, bound: Offset, position: u64) {
        let mut state = self.shared.state.borrow_mut();
        // Where the bound begins another segment, the place is in that one.
        if segment.next_offset.get() > bound || state.active().base == segment.base {
            state.remember(Place {
                offset: bound,
                segment: Rc::clone(segment),
                position,
            });
        }
    }

    /// The end of what is returned: at most `wanted`, and where the index knows, at the end of a
    /// batch, since clients throw the rest away.
    fn whole_end(&self, first: &Located, wanted: u64, limit: u64) -> u64 {
        if wanted >= limit {
            return limit;
        }
        let indexes = first.segment.indexes.borrow();
        let floor = indexes
            .as_ref()
            .and_then(|indexes| indexes.floor_position(wanted));
        let floor = floor.map_or(0, |entry| u64::from(entry.position));
        // An index that is not verified may lie; a cut batch at the end is allowed anyway.
        if floor > first.position {
            floor
        } else {
            wanted
        }
    }

    /// `end`, or less where that much of a sealed segment was not looked at lately, and from where
    /// it is to be sent. What is in memory was looked at when it was appended.
    async fn vouched_end(
        &self,
        first: &Located,
        asked: Offset,
        end: u64,
    ) -> Result<(u64, Source), StorageError> {
        let (segment, start) = (&first.segment, first.position);
        let hot_start = self.shared.state.borrow().tail.hot_start(segment);
        let is_hot = hot_start.is_some_and(|hot| hot <= start);
        if segment.stage.get() != Stage::Sealed
            || is_hot
            || planted!(self.engine().planted(), ServeUnverified)
        {
            return Ok((end, Source::PageCache));
        }
        let follows_gap = first.header.base_offset > asked;
        self.vouch(segment, start..end, follows_gap).await
    }

    /// The bytes from the first batch to the last of `ends`, or fewer where the disk is slow to read,
    /// but at least to the first of them.
    async fn pieces(
        &self,
        first: &Located,
        ends: Range<u64>,
        source: Source,
    ) -> Result<(Vec<Piece>, u64), StorageError> {
        let (segment, start) = (&first.segment, first.position);
        let (first_end, end) = (ends.start, ends.end);
        let hot_start = {
            let state = self.shared.state.borrow();
            let hot = state.tail.hot_start(segment);
            let hot = hot.unwrap_or(u64::MAX);
            if hot <= start {
                let shared = state.tail.share(segment, start..end);
                let pieces = shared.into_iter().map(Piece::Memory).collect();
                return Ok((pieces, end - start));
            }
            hot
        };
        if segment.stage.get() == Stage::Sealed && source != Source::Windows {
            let file = segment.file(self.engine().core()).await?;
            let len = end - start;
            let piece = Piece::File {
                file,
                position: start,
                len,
            };
            return Ok((vec![piece], len));
        }
        let cold_end = end
            .min(start + DISK_READ_BYTES_MAX)
            .min(hot_start)
            .max(first_end);
        let cold_end = cold_end.min(end);
        let range = start..cold_end;
        // A batch larger than all windows together is read at once, as what is not flushed.
        if cold_end - start <= DISK_READ_BYTES_MAX && Windows::reach(segment, &range) {
            let windows = self.engine().windows();
            if let Some(parts) = windows.read(self.engine().core(), segment, range).await {
                let pieces = parts.into_iter().map(Piece::Memory).collect();
                return Ok((pieces, cold_end - start));
            }
        }
        let file = segment.file(self.engine().core()).await?;
        let len = usize_from_u64(cold_end - start);
        let bytes = self.read_cold(&file, segment, start, len).await?;
        let read = bytes.len() as u64;
        Ok((vec![Piece::Memory(bytes)], read))
    }

    async fn read_cold(
        &self,
        file: &File,
        segment: &Rc<Segment>,
        start: u64,
        len: usize,
    ) -> Result<Bytes, StorageError> {
        // The first batch may reach from the disk into memory; both have the flushed part.
        loop {
            let flushed = segment.flushed.get();
            let cold = len.min(usize_from_u64(flushed.saturating_sub(start)));
            let bytes = file.read_at(start, cold).await?;
            if bytes.len() == len {
                return Ok(bytes);
            }
            let reached = start + bytes.len() as u64;
            {
                let state = self.shared.state.borrow();
                let hot_start = state.tail.hot_start(segment);
                if hot_start.is_some_and(|hot| hot <= reached) {
                    let rest = state.tail.share(segment, reached..start + len as u64);
                    let pieces = std::iter::once(&bytes).chain(&rest);
                    let pieces: Vec<&[u8]> = pieces.map(AsRef::as_ref).collect();
                    return Ok(Bytes::from(pieces.concat()));
                }
            }
            // Memory is given back while the disk is read, but only what the file has by then.
            if segment.flushed.get() == flushed {
                return Err(short_read(segment, reached));
            }
        }
    }

    /// Where `bound`, which begins a batch, lies in `segment`; its end where it lies behind.
    async fn bound_position(
        &self,
        segment: &Rc<Segment>,
        bound: Offset,
    ) -> Result<u64, StorageError> {
        if bound >= segment.next_offset.get() {
            return Ok(segment.len.get());
        }
        let known = self.shared.state.borrow().recall(bound);
        if let Some(place) = known.filter(|place| Rc::ptr_eq(&place.segment, segment)) {
            return Ok(place.position);
        }
        let found = self.locate_in(segment, bound).await?;
        let position = found.map_or(segment.len.get(), |found| found.position);
        let mut state = self.shared.state.borrow_mut();
        if state.segments.contains_key(&segment.base) {
            state.remember(Place {
                offset: bound,
                segment: Rc::clone(segment),
                position,
            });
        }
        Ok(position)
    }

    /// The greatest timestamp of the batch that holds `offset`, or of the first one behind it;
    /// nothing at the end. Only its header is read.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn timestamp_at(&self, offset: Offset) -> Result<Option<Timestamp>, StorageError> {
        let from = offset.max(self.log_start());
        let found = self.locate(from).await?;
        Ok(found.map(|found| found.header.max_timestamp))
    }

    /// The batch that holds `offset`, or the first one behind it.
    pub(crate) async fn locate(&self, offset: Offset) -> Result<Option<Located>, StorageError> {
        let (known, segment) = {
            let state = self.shared.state.borrow();
            (state.recall(offset), state.segment_for(offset))
        };
        if let Some(place) = known
            && place.position < place.segment.len.get()
        {
            let found = self.header_at(&place.segment, place.position).await?;
            if let Some(found) = found.filter(|found| found.header.base_offset == offset) {
                return Ok(Some(found));
            }
        }
        let mut next = segment;
        while let Some(segment) = next {
            let behind = segment.next_offset.get();
            if let Some(found) = self.locate_in(&segment, offset).await? {
                return Ok(Some(found));
            }
            next = self.shared.state.borrow().segment_ending_behind(behind);
        }
        Ok(None)
    }

    async fn header_at(
        &self,
        segment: &Rc<Segment>,
        position: u64,
    ) -> Result<Option<Located>, StorageError> {
        let engine = self.engine();
        let memory = Some(&self.shared.state);
        let mut scan = Scan::new(engine, memory, segment, position, segment.len.get());
        match scan.header().await? {
            Scanned::Batch { bytes, len } => {
                let header = header_view(&bytes).ok();
                Ok(header.map(|header| Located {
                    segment: Rc::clone(segment),
                    position,
                    len,
                    header,
                }))
            }
            Scanned::End | Scanned::Broken(_) => Ok(None),
        }
    }

    /// The first batch of `segment` that ends at or behind `offset`.
    pub(crate) async fn locate_in(
        &self,
        segment: &Rc<Segment>,
        offset: Offset,
    ) -> Result<Option<Located>, StorageError> {
        if let Some(damage) = segment.damages.borrow().of(offset) {
            return Err(damage.error());
        }
        self.ensure_indexes(segment).await?;
        let relative = segment.relative(offset).unwrap_or(0);
        let entry = {
            let indexes = segment.indexes.borrow();
            indexes.as_ref().and_then(|indexes| indexes.floor(relative))
        };
        let start = match entry {
            None => 0,
            Some(entry) => {
                let at = u64::from(entry.position);
                let damage = segment.damages.borrow().at(at).cloned();
                let found = self.header_at(segment, at).await?;
                let last = segment.absolute(entry.relative_offset);
                if let Some(damage) = damage {
                    damage.resume_position
                } else if found.is_some_and(|found| found.header.last_offset == last) {
                    at
                } else {
                    // The index lies; the log is right, so begin at its beginning.
                    self.rebuild_indexes(segment).await?;
                    0
                }
            }
        };
        let memory = Some(&self.shared.state);
        let end = segment.len.get();
        let mut scan = Scan::new(self.engine(), memory, segment, start, end);
        loop {
            pass_damage(segment, &mut scan);
            let position = scan.position();
            match scan.header().await? {
                Scanned::End => return Ok(None),
                Scanned::Broken(fault) => return Err(corrupt(segment, position, offset, fault)),
                Scanned::Batch { bytes, len } => {
                    let header = header_view(&bytes)
                        .map_err(|error| corrupt(segment, position, offset, Fault::Batch(error)))?;
                    if header.last_offset >= offset {
                        return Ok(Some(Located {
                            segment: Rc::clone(segment),
                            position,
                            len,
                            header,
                        }));
                    }
                    scan.skip(len);
                }
            }
        }
    }

    /// Loads the indexes of a sealed segment, or makes them again where the files cannot be
    /// right.
    pub(crate) async fn ensure_indexes(&self, segment: &Rc<Segment>) -> Result<(), StorageError> {
        if segment.indexes.borrow().is_some() {
            return Ok(());
        }
        let core = self.engine().core();
        let loaded = crate::recovery::load_indexes(core, segment, segment.len.get()).await?;
        match loaded {
            Some(indexes) => {
                segment.indexes.borrow_mut().get_or_insert(indexes);
                Ok(())
            }
            None => self.rebuild_indexes(segment).await,
        }
    }

    /// Makes a segment's indexes again from its batches.
    pub(crate) async fn rebuild_indexes(&self, segment: &Rc<Segment>) -> Result<(), StorageError> {
        let interval = self.shared.state.borrow().config.index_interval_bytes;
        let memory = Some(&self.shared.state);
        let end = segment.len.get();
        let mut scan = Scan::new(self.engine(), memory, segment, 0, end);
        let mut indexes = Indexes::default();
        let mut expected = segment.base;
        loop {
            pass_damage(segment, &mut scan);
            let position = scan.position();
            match scan.header().await? {
                Scanned::End => break,
                Scanned::Broken(fault) => {
                    return Err(corrupt(segment, position, segment.base, fault));
                }
                Scanned::Batch { bytes, len } => {
                    let header = header_view(&bytes).map_err(|error| {
                        corrupt(segment, position, segment.base, Fault::Batch(error))
                    })?;
                    let found = header.base_offset;
                    if found < expected || header.next_offset > segment.next_offset.get() {
                        let fault = Fault::Offset { found };
                        return Err(corrupt(segment, position, expected, fault));
                    }
                    expected = header.next_offset.max(found.plus(1));
                    indexes.append_found(segment, &header, position, len, interval);
                    scan.skip(len);
                }
            }
        }
        if segment.stage.get() == Stage::Sealed {
            if segment.retired.get() {
                indexes.note_time();
                *segment.indexes.borrow_mut() = Some(indexes);
                return Ok(());
            }
            indexes.note_time();
            *segment.indexes.borrow_mut() = Some(indexes);
            self.write_indexes(segment).await?;
        } else if segment.len.get() == end {
            *segment.indexes.borrow_mut() = Some(indexes);
        }
        Ok(())
    }
}

/// Passes over bytes that are known to be damaged, and whatever follows them at once.
fn pass_damage(segment: &Segment, scan: &mut Scan<'_>) {
    let damages = segment.damages.borrow();
    while let Some(damage) = damages.at(scan.position()) {
        scan.jump(damage.resume_position);
    }
}

pub(crate) fn corrupt(
    segment: &Segment,
    position: u64,
    offset: Offset,
    fault: Fault,
) -> StorageError {
    StorageError::Corrupt {
        path: segment.path(FileKind::Log),
        position,
        offset,
        fault,
    }
}

fn short_read(segment: &Segment, position: u64) -> StorageError {
    corrupt(segment, position, segment.base, Fault::Missing)
}

/// An offset that everything before `position` lies below, by the index.
fn offset_bound(segment: &Segment, position: u64) -> Offset {
    let indexes = segment.indexes.borrow();
    let behind = indexes
        .as_ref()
        .and_then(|indexes| indexes.ceiling_position(position));
    behind.map_or(segment.next_offset.get(), |entry| {
        segment.absolute(entry.relative_offset)
    })
}
