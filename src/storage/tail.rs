//! The hot end of a log: chunks of memory that mirror the end of its files, block by block.
//!
//! A chunk begins at a block of one segment's file and holds what is in the file from there on.
//! Batches are copied here once; the flusher writes from here, and readers view the same memory.
//!
//! Invariants: chunks follow one another without a gap within a segment; only the last one is
//! written; a chunk leaves only when all of it is on the device.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use base::{BLOCK_SIZE, usize_from_u64};
use reactor::{Blocks, Buffer, Bytes};

use crate::segment::Segment;

/// Larger parts of a chunk are written in several units side by side: the device takes them in
/// parallel, and none is so large that the kernel hands it to a worker (kernel-notes/003).
const WRITE_BYTES_MAX: usize = 256 << 10;

const _: () = assert!(WRITE_BYTES_MAX.is_multiple_of(BLOCK_SIZE));

/// One piece of memory and the part of a file that it mirrors.
struct Chunk {
    segment: Rc<Segment>,
    /// Where in the file the chunk begins, a multiple of the block size.
    start: u64,
    buffer: Buffer,
    /// How many of its bytes a flush has taken in.
    collected: usize,
    /// How many of its bytes are on the device.
    flushed: usize,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.buffer.len() as u64
    }
}

/// What a flush has to write into one segment.
pub(crate) struct PendingWrites {
    pub(crate) segment: Rc<Segment>,
    /// Whole blocks and where they go.
    pub(crate) writes: Vec<(Blocks, u64)>,
    /// Up to where the segment is on the device once these are.
    pub(crate) end: u64,
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct Tail {
    chunks: VecDeque<Chunk>,
    /// Memory that a reservation has put aside for the next batch.
    spare: VecDeque<Buffer>,
}

impl Tail {
    /// How many more bytes of `segment` fit in the memory at hand.
    pub(crate) fn room(&self, segment: &Rc<Segment>) -> usize {
        let last = self
            .chunks
            .back()
            .filter(|chunk| Rc::ptr_eq(&chunk.segment, segment));
        let begun = last.map_or(0, |chunk| chunk.buffer.spare_len());
        let spare: usize = self.spare.iter().map(Buffer::capacity).sum();
        begun + spare
    }

    /// True when the end of `segment` lies inside a block of which no chunk has the beginning.
    pub(crate) fn needs_prefix(&self, segment: &Rc<Segment>) -> bool {
        let has_chunk = self
            .chunks
            .back()
            .is_some_and(|chunk| Rc::ptr_eq(&chunk.segment, segment));
        !has_chunk && !segment.len.get().is_multiple_of(BLOCK_SIZE as u64)
    }

    /// Begins a chunk with the bytes that the file's last block holds already.
    pub(crate) fn begin_with_prefix(
        &mut self,
        segment: &Rc<Segment>,
        mut buffer: Buffer,
        prefix: &[u8],
    ) {
        let len = segment.len.get();
        assert!(self.needs_prefix(segment), "the block's beginning is known");
        assert!(prefix.len() as u64 == len % BLOCK_SIZE as u64);
        assert!(
            segment.flushed.get() == len,
            "what is not in memory is on the device"
        );
        buffer.append(prefix);
        self.chunks.push_back(Chunk {
            segment: Rc::clone(segment),
            start: len - prefix.len() as u64,
            collected: buffer.len(),
            flushed: buffer.len(),
            buffer,
        });
    }

    /// Puts memory aside for the next batch.
    pub(crate) fn put_aside(&mut self, buffer: Buffer) {
        self.spare.push_back(buffer);
    }

    /// Gives back what was put aside and not used.
    pub(crate) fn clear_spare(&mut self) {
        self.spare.clear();
    }

    /// Lets `fill` write `len` bytes at the end of `segment`, if they fit into its chunk; nothing
    /// is done where they do not.
    pub(crate) fn append_whole(
        &mut self,
        segment: &Rc<Segment>,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> bool {
        self.begin_if_full(segment);
        let Some(chunk) = self.chunks.back_mut() else {
            return false;
        };
        assert!(Rc::ptr_eq(&chunk.segment, segment), "a chunk was begun");
        assert!(chunk.end() == segment.len.get(), "chunks have no gap");
        if chunk.buffer.spare_len() < len {
            return false;
        }
        chunk.buffer.append_with(len, fill);
        true
    }

    /// Copies `bytes` to position `at` of `segment`, over several chunks if need be.
    pub(crate) fn append_across(&mut self, segment: &Rc<Segment>, at: u64, bytes: &[u8]) {
        let (mut rest, mut at) = (bytes, at);
        while !rest.is_empty() {
            self.begin_at(segment, at);
            let chunk = self.chunks.back_mut();
            #[expect(clippy::expect_used, reason = "begin_at leaves a chunk with room")]
            let chunk = chunk.expect("a chunk was begun");
            assert!(chunk.end() == at, "chunks have no gap");
            let fits = chunk.buffer.spare_len().min(rest.len());
            assert!(fits > 0, "room for the batch was reserved");
            let (now, later) = rest.split_at(fits);
            chunk.buffer.append(now);
            at += fits as u64;
            rest = later;
        }
    }

    fn begin_if_full(&mut self, segment: &Rc<Segment>) {
        self.begin_at(segment, segment.len.get());
    }

    fn begin_at(&mut self, segment: &Rc<Segment>, at: u64) {
        let has_room = self.chunks.back().is_some_and(|chunk| {
            Rc::ptr_eq(&chunk.segment, segment) && chunk.buffer.spare_len() > 0
        });
        if has_room {
            return;
        }
        assert!(
            at.is_multiple_of(BLOCK_SIZE as u64),
            "a chunk begins at a block"
        );
        if let Some(buffer) = self.spare.pop_front() {
            assert!(buffer.is_empty(), "memory put aside is unused");
            self.chunks.push_back(Chunk {
                segment: Rc::clone(segment),
                start: at,
                buffer,
                collected: 0,
                flushed: 0,
            });
        }
    }

    /// Everything that no flush has taken in yet, by segment, oldest first.
    pub(crate) fn pending(&mut self) -> Vec<PendingWrites> {
        let mut pending: Vec<PendingWrites> = Vec::new();
        for chunk in &mut self.chunks {
            let len = chunk.buffer.len();
            assert!(chunk.flushed <= chunk.collected && chunk.collected <= len);
            if chunk.collected == len {
                continue;
            }
            let mut writes = Vec::new();
            while chunk.collected < len {
                // Units end at blocks, so that no unit's padding is another's bytes.
                let next = (chunk.collected + 1)
                    .next_multiple_of(WRITE_BYTES_MAX)
                    .min(len);
                let first_block = chunk.collected - chunk.collected % BLOCK_SIZE;
                let at = chunk.start + first_block as u64;
                writes.push((chunk.buffer.blocks(chunk.collected..next), at));
                chunk.collected = next;
            }
            let end = chunk.end();
            match pending.last_mut() {
                Some(last) if Rc::ptr_eq(&last.segment, &chunk.segment) => {
                    last.writes.append(&mut writes);
                    last.end = end;
                }
                _ => pending.push(PendingWrites {
                    segment: Rc::clone(&chunk.segment),
                    writes,
                    end,
                }),
            }
        }
        pending
    }

    /// From where on no flush has taken `segment` in; nothing while one has to take an earlier
    /// segment in.
    pub(crate) fn untaken(&self, segment: &Rc<Segment>) -> Option<u64> {
        let mut untaken = self.chunks.iter();
        let first = untaken.find(|chunk| chunk.collected < chunk.buffer.len());
        match first {
            None => Some(segment.len.get()),
            Some(chunk) if Rc::ptr_eq(&chunk.segment, segment) => {
                Some(chunk.start + chunk.collected as u64)
            }
            Some(_) => None,
        }
    }

    /// Notes that `segment` is on the device up to `end`.
    pub(crate) fn note_flushed(&mut self, segment: &Rc<Segment>, end: u64) {
        for chunk in &mut self.chunks {
            if Rc::ptr_eq(&chunk.segment, segment) && chunk.start < end {
                let flushed = usize_from_u64(end - chunk.start).min(chunk.buffer.len());
                chunk.flushed = chunk.flushed.max(flushed);
            }
        }
    }

    /// How many chunks there are once what was put aside is used.
    pub(crate) fn chunk_count(&self) -> usize {
        self.chunks.len() + self.spare.len()
    }

    /// Bytes of memory that could be given back now.
    pub(crate) fn evictable(&self) -> usize {
        let count = self.chunks.len().saturating_sub(1);
        let old = self.chunks.iter().take(count);
        let flushed = old.take_while(|chunk| chunk.flushed == chunk.buffer.len());
        flushed.map(|chunk| chunk.buffer.capacity()).sum()
    }

    /// Gives back the oldest chunk if it is flushed and not the last; true when one went.
    pub(crate) fn evict_oldest(&mut self) -> bool {
        let is_old = self.chunks.len() > 1;
        let oldest = self.chunks.front().filter(|_| is_old);
        let flushed = oldest.is_some_and(|chunk| chunk.flushed == chunk.buffer.len());
        if flushed {
            self.chunks.pop_front();
        }
        flushed
    }

    /// Gives all memory back, if all of it is flushed; true when nothing is left.
    pub(crate) fn evict_all(&mut self) -> bool {
        let all = self
            .chunks
            .iter()
            .all(|chunk| chunk.flushed == chunk.buffer.len());
        if all {
            self.chunks.clear();
            self.spare.clear();
        }
        all
    }

    /// Forgets everything, flushed or not: the files are about to be cut.
    pub(crate) fn forget(&mut self) {
        self.chunks.clear();
        self.spare.clear();
    }

    /// Where the memory of `segment` begins in its file, if there is any.
    pub(crate) fn hot_start(&self, segment: &Rc<Segment>) -> Option<u64> {
        let first = self
            .chunks
            .iter()
            .find(|chunk| Rc::ptr_eq(&chunk.segment, segment))?;
        Some(first.start)
    }

    /// Views of `range` of the segment's file, all of which must be in memory.
    pub(crate) fn share(&self, segment: &Rc<Segment>, range: Range<u64>) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        let mut at = range.start;
        let first = self.first_chunk(segment, range.start);
        for chunk in self.chunks.iter().skip(first) {
            if at >= range.end {
                break;
            }
            assert!(Rc::ptr_eq(&chunk.segment, segment) && chunk.start <= at);
            let from = usize_from_u64(at - chunk.start);
            let to = usize_from_u64(range.end.min(chunk.end()) - chunk.start);
            pieces.push(chunk.buffer.share(from..to));
            at = chunk.start + to as u64;
        }
        assert!(at == range.end, "the range is in memory");
        pieces
    }

    /// The index of the chunk that holds `position` of `segment`.
    fn first_chunk(&self, segment: &Rc<Segment>, position: u64) -> usize {
        self.chunks.partition_point(|chunk| {
            chunk.segment.base < segment.base
                || (chunk.segment.base == segment.base && chunk.end() <= position)
        })
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        let chunks = self.chunks.iter().map(|chunk| chunk.buffer.capacity());
        let spare = self.spare.iter().map(Buffer::capacity);
        chunks.chain(spare).sum()
    }
}
