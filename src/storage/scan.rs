//! Reading batches in their order from one segment, from memory where it is there.
//!
//! Invariants: what is handed out lies whole in one piece of memory; nothing beyond the given end
//! is looked at, and nothing is believed of a header that the bytes present do not bear out; what
//! the file does not have yet is not looked for there; a scan that waits for memory holds none.

use std::cell::RefCell;
use std::rc::Rc;

use base::{LeaderEpoch, Offset, Timestamp, usize_from_u64};
use batch::{BatchError, BatchView, HEADER_BYTES, PREFIX_BYTES, batch_bytes, next_batch};
use reactor::Bytes;

use crate::engine::Engine;
use crate::error::{Fault, StorageError};
use crate::segment::Segment;
use crate::state::LogState;
use crate::windows::{WINDOW_BYTES, Windows};

/// How much is read from the disk at a time where only headers are wanted.
const HEADER_WINDOW: usize = 16 << 10;
/// How much is read from the disk at a time where all bytes are wanted.
const BODY_WINDOW: usize = 1 << 20;

/// How much is read at a time where bytes are looked at and let go again: it fits into the
/// processor's cache.
const LOOK_WINDOW: usize = 256 << 10;

/// Where a scan gets its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// From wherever they are at hand.
    Nearest,
    /// From the page cache, which is filled where it has to be: what `sendfile` will send.
    PageCache,
    /// From windows that are read ahead past the page cache: what will be sent from memory.
    Windows,
    /// From the device, past all caches.
    Device,
}

/// Where scanned bytes come from besides the disk.
pub(crate) type Memory<'a> = Option<&'a RefCell<LogState>>;

/// Walks over one segment's batches.
pub(crate) struct Scan<'a> {
    engine: &'a Engine,
    memory: Memory<'a>,
    segment: Rc<Segment>,
    source: Source,
    /// Where the next batch begins.
    position: u64,
    end: u64,
    window: Bytes,
    window_start: u64,
}

/// What comes next in a segment.
pub(crate) enum Scanned {
    /// The scan has reached its end.
    End,
    /// There is no whole batch at the scan's position; its checksum was not looked at.
    Broken(Fault),
    /// The bytes of a batch, or of its header alone, and its whole length.
    Batch {
        /// The bytes.
        bytes: Bytes,
        /// The batch's length.
        len: usize,
    },
}

impl<'a> Scan<'a> {
    /// A scan of `segment` from `position` to `end`, both at the beginning of a batch.
    pub(crate) fn new(
        engine: &'a Engine,
        memory: Memory<'a>,
        segment: &Rc<Segment>,
        position: u64,
        end: u64,
    ) -> Self {
        assert!(position <= end, "a scan goes forwards");
        Self {
            engine,
            memory,
            segment: Rc::clone(segment),
            source: Source::Nearest,
            position,
            end,
            window: Bytes::default(),
            window_start: position,
        }
    }

    /// A scan from `position` to the end of a sealed segment's file that reads nowhere else than
    /// in `source`.
    pub(crate) fn of_source(
        engine: &'a Engine,
        segment: &Rc<Segment>,
        position: u64,
        source: Source,
    ) -> Self {
        let mut scan = Self::new(engine, None, segment, position, segment.len.get());
        scan.source = source;
        scan
    }

    /// Where the bytes come from.
    pub(crate) fn source(&self) -> Source {
        self.source
    }

    /// Where the next batch begins.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next batch's header; the position stays.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub(crate) async fn header(&mut self) -> Result<Scanned, StorageError> {
        if self.position == self.end {
            return Ok(Scanned::End);
        }
        let header = self.bytes(HEADER_BYTES, HEADER_WINDOW).await?;
        Ok(match self.measure(&header) {
            Err(fault) => Scanned::Broken(fault),
            Ok(_) if header.len() < HEADER_BYTES => Scanned::Broken(Fault::Missing),
            Ok(len) => Scanned::Batch { bytes: header, len },
        })
    }

    /// The next whole batch, and moves on behind it.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub(crate) async fn batch(&mut self) -> Result<Scanned, StorageError> {
        if self.position == self.end {
            return Ok(Scanned::End);
        }
        let prefix = self.bytes(PREFIX_BYTES, BODY_WINDOW).await?;
        let len = match self.measure(&prefix) {
            Err(fault) => return Ok(Scanned::Broken(fault)),
            Ok(len) => len,
        };
        drop(prefix);
        let bytes = self.bytes(len, BODY_WINDOW).await?;
        if bytes.len() < len {
            return Ok(Scanned::Broken(Fault::Missing));
        }
        self.skip(len);
        Ok(Scanned::Batch { bytes, len })
    }

    /// Moves on behind a batch of `len` bytes.
    pub(crate) fn skip(&mut self, len: usize) {
        self.position += len as u64;
        assert!(self.position <= self.end, "a scan stays within its range");
    }

    /// Goes on at `position`, behind what cannot be read.
    pub(crate) fn jump(&mut self, position: u64) {
        assert!(
            (self.position..=self.end).contains(&position),
            "a scan goes forwards within its range"
        );
        self.position = position;
    }

    fn measure(&self, prefix: &[u8]) -> Result<usize, Fault> {
        let len = match batch_bytes(prefix) {
            Ok(len) => len,
            Err(BatchError::Truncated { .. } | BatchError::Length { length: 0 }) => {
                return Err(Fault::Missing);
            }
            Err(error) => return Err(Fault::Batch(error)),
        };
        if len as u64 > self.end - self.position {
            return Err(Fault::Missing);
        }
        Ok(len)
    }

    /// `len` bytes from the position on, fewer at the end.
    async fn bytes(&mut self, len: usize, window: usize) -> Result<Bytes, StorageError> {
        let left = usize_from_u64(self.end - self.position);
        let len = len.min(left);
        if let Some(found) = self.in_window(len) {
            return Ok(found);
        }
        if self.source != Source::Nearest {
            return self.look_in_source(len).await;
        }
        if let Some(found) = self.in_memory(len) {
            return Ok(found);
        }
        if let Some(found) = self
            .engine
            .windows()
            .peek(&self.segment, self.position, len)
        {
            return Ok(found);
        }
        // Many scans wait for the same memory: none keeps its own meanwhile.
        self.window = Bytes::default();
        let file = self.segment.file(self.engine.core()).await?;
        let wanted = len.max(window).min(self.readable(left));
        if self.segment.is_sealed()
            && let Some(found) = file.read_cached(self.position, wanted)
        {
            self.window = found;
            self.window_start = self.position;
            return Ok(self.window.slice(0..len));
        }
        self.window = file.read_at(self.position, wanted).await?;
        self.window_start = self.position;
        let have = self.window.len().min(len);
        Ok(self.window.slice(0..have))
    }

    /// How many of the `left` bytes the file itself has. What only memory and the journal have is
    /// zeros there; a flush ends where a batch does.
    fn readable(&self, left: usize) -> usize {
        let flushed = self.segment.flushed.get().checked_sub(self.position);
        let flushed = flushed.filter(|flushed| *flushed > 0 && self.memory.is_some());
        flushed.map_or(left, |flushed| left.min(usize_from_u64(flushed)))
    }

    async fn look_in_source(&mut self, len: usize) -> Result<Bytes, StorageError> {
        self.window = Bytes::default();
        if self.source == Source::Windows
            && let Some(found) = self.look_in_windows(len).await
        {
            return Ok(found);
        }
        let file = self.segment.file(self.engine.core()).await?;
        let left = usize_from_u64(self.end - self.position);
        let wanted = len.max(LOOK_WINDOW).min(left);
        self.window = match self.source {
            Source::PageCache => file.read_shared(self.position, wanted).await?,
            Source::Nearest | Source::Windows | Source::Device => {
                file.read_at(self.position, wanted).await?
            }
        };
        self.window_start = self.position;
        let have = self.window.len().min(len);
        Ok(self.window.slice(0..have))
    }

    /// Nothing where windows are too small, or do not reach.
    async fn look_in_windows(&mut self, len: usize) -> Option<Bytes> {
        let end = self.position + len as u64;
        // As much as one window has, since the next batches are in it too.
        let until = (self.position + 1).next_multiple_of(WINDOW_BYTES).max(end);
        let range = self.position..until.min(self.end);
        if len > BODY_WINDOW || !Windows::reach(&self.segment, &range) {
            return None;
        }
        let (windows, core) = (self.engine.windows(), self.engine.core());
        let mut parts = windows.read(core, &self.segment, range).await?;
        self.window = match parts.len() {
            1 => parts.pop()?,
            _ => {
                let parts: Vec<&[u8]> = parts.iter().map(AsRef::as_ref).collect();
                Bytes::from(parts.concat())
            }
        };
        self.window_start = self.position;
        assert!(self.window.len() >= len, "what was asked for is there");
        Some(self.window.slice(0..len))
    }

    fn in_window(&self, len: usize) -> Option<Bytes> {
        let skipped = self.position.checked_sub(self.window_start)?;
        let skipped = usize_from_u64(skipped);
        (skipped + len <= self.window.len()).then(|| self.window.slice(skipped..skipped + len))
    }

    fn in_memory(&self, len: usize) -> Option<Bytes> {
        let state = self.memory?.borrow();
        let hot_start = state.tail.hot_start(&self.segment)?;
        if self.position < hot_start {
            return None;
        }
        let range = self.position..self.position + len as u64;
        let mut pieces = state.tail.share(&self.segment, range);
        if pieces.len() == 1 {
            return pieces.pop();
        }
        Some(Bytes::from(
            pieces
                .iter()
                .flat_map(|piece| piece.iter().copied())
                .collect::<Vec<u8>>(),
        ))
    }
}

/// The view of bytes that a scan has handed out as a whole batch.
pub(crate) fn view(bytes: &[u8]) -> Result<BatchView<'_>, BatchError> {
    match next_batch(bytes)? {
        Some((view, _)) => Ok(view),
        None => Err(BatchError::NoBatch),
    }
}

/// The view of a header that a scan has handed out; its records are not there.
pub(crate) fn header_view(header: &[u8]) -> Result<HeaderView, BatchError> {
    let source = header.first_chunk::<HEADER_BYTES>();
    let mut alone = *source.ok_or(BatchError::NoBatch)?;
    crate::layout::empty_batch(&mut alone);
    let view = view(&alone)?;
    Ok(HeaderView {
        base_offset: view.base_offset(),
        last_offset: view.last_offset(),
        next_offset: view.next_offset(),
        leader_epoch: view.leader_epoch(),
        max_timestamp: view.max_timestamp(),
    })
}

/// What a reader wants of a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderView {
    pub(crate) base_offset: Offset,
    pub(crate) last_offset: Offset,
    pub(crate) next_offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) max_timestamp: Timestamp,
}
