//! The file of a segment's aborted transactions, and the pieces of such files that readers asked
//! for lately.
//!
//! Invariants: a file is believed only as far as its entries are in the order of their markers and
//! belong to its segment; the pieces of one directory on one core are bounded, whoever reads.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use base::{Offset, ProducerId};
use reactor::{Core, IoErrorKind, OpenMode};

use crate::aborted::AbortedTransaction;
use crate::error::StorageError;
use crate::layout::{self, ABORTED_ENTRY_BYTES, FileKind};
use crate::log::Log;
use crate::segment::Segment;

/// How many entries are read at a time: 34 KiB.
pub(crate) const PIECE_ENTRIES: usize = 1024;
/// So many pieces are kept, of all logs of a directory on a core: 4 MiB.
const PIECES_MAX: usize = 128;

/// What a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// How many entries.
    pub(crate) count: u64,
    /// The last marker.
    pub(crate) last: Offset,
}

/// Entries that were read, in the order of their markers.
type Entries = Rc<[AbortedTransaction]>;

struct Piece {
    segment: Rc<Segment>,
    number: u64,
    entries: Entries,
}

/// The pieces that were read last, the latest at the end.
#[derive(Default)]
pub(crate) struct AbortedPieces {
    kept: RefCell<VecDeque<Piece>>,
}

impl AbortedPieces {
    /// A piece that has `count` entries, if it is here.
    fn recall(&self, segment: &Rc<Segment>, number: u64, count: usize) -> Option<Entries> {
        let mut kept = self.kept.borrow_mut();
        let is_it = |piece: &Piece| piece.number == number && Rc::ptr_eq(&piece.segment, segment);
        let place = kept.iter().position(is_it)?;
        let piece = kept.remove(place)?;
        let entries = Rc::clone(&piece.entries);
        kept.push_back(piece);
        // It may have been read before entries were added behind it.
        (entries.len() == count).then_some(entries)
    }

    fn keep(&self, segment: &Rc<Segment>, number: u64, entries: &Entries) {
        let mut kept = self.kept.borrow_mut();
        kept.retain(|piece| piece.number != number || !Rc::ptr_eq(&piece.segment, segment));
        if kept.len() >= PIECES_MAX {
            kept.pop_front();
        }
        kept.push_back(Piece {
            segment: Rc::clone(segment),
            number,
            entries: Rc::clone(entries),
        });
        assert!(kept.len() <= PIECES_MAX, "pieces are bounded");
    }

    /// Forgets what is known of a segment whose file is another one now.
    pub(crate) fn forget(&self, segment: &Rc<Segment>) {
        let mut kept = self.kept.borrow_mut();
        kept.retain(|piece| !Rc::ptr_eq(&piece.segment, segment));
    }
}

/// How many entries `bytes` are.
pub(crate) fn entries_in(bytes: &[u8]) -> u64 {
    let entries = bytes.len() / ABORTED_ENTRY_BYTES;
    u64::try_from(entries).unwrap_or(u64::MAX)
}

/// Some entries of the segment's file whose markers are `from` or behind; some there are.
pub(crate) async fn find(
    log: &Log,
    base: Offset,
    written: Written,
    from: Offset,
) -> Result<Vec<AbortedTransaction>, StorageError> {
    assert!(written.last >= from, "some of the file are asked for");
    let size = PIECE_ENTRIES as u64;
    // The last piece that begins at or before what is asked for; the first one may begin behind.
    let (mut piece, mut end) = (0, written.count.div_ceil(size));
    while piece + 1 < end {
        let middle = piece.midpoint(end);
        let entries = piece_of(log, base, written, middle).await?;
        if entries
            .first()
            .is_some_and(|first| first.last_offset <= from)
        {
            piece = middle;
        } else {
            end = middle;
        }
    }
    loop {
        let entries = piece_of(log, base, written, piece).await?;
        let behind = entries.iter().filter(|entry| entry.last_offset >= from);
        let behind: Vec<_> = behind.copied().collect();
        if !behind.is_empty() || (piece + 1) * size >= written.count {
            return Ok(behind);
        }
        piece += 1;
    }
}

async fn piece_of(
    log: &Log,
    base: Offset,
    written: Written,
    number: u64,
) -> Result<Entries, StorageError> {
    let size = PIECE_ENTRIES as u64;
    let range = number * size..written.count.min((number + 1) * size);
    let count = base::usize_from_u64(range.end - range.start);
    let pieces = log.engine().aborted_pieces();
    let segment = log.shared.state.borrow().segments.get(&base).cloned();
    let known = segment.as_ref();
    if let Some(entries) = known.and_then(|segment| pieces.recall(segment, number, count)) {
        return Ok(entries);
    }
    let path = log.dir().join(FileKind::Aborted.name(base));
    let entries = read(log.engine().core(), &path, base, range).await?;
    let entries = Entries::from(entries);
    if let Some(segment) = &segment {
        pieces.keep(segment, number, &entries);
    }
    Ok(entries)
}

/// The entries of a file with these numbers.
pub(crate) async fn read(
    core: &Core,
    path: &Path,
    base: Offset,
    range: Range<u64>,
) -> Result<Vec<AbortedTransaction>, StorageError> {
    let bytes = read_bytes(core, path, range.clone()).await?;
    let entries = decode(&bytes, base);
    let whole = entries.filter(|entries| entries.len() as u64 == range.end - range.start);
    whole.ok_or_else(|| StorageError::Metadata {
        path: path.to_path_buf(),
        reason: "the aborted transactions there are damaged; restart the node, which makes them \
                 again from the log"
            .to_owned(),
    })
}

/// The bytes of the entries of a file with these numbers; fewer where it ends before.
pub(crate) async fn read_bytes(
    core: &Core,
    path: &Path,
    range: Range<u64>,
) -> Result<Vec<u8>, StorageError> {
    let size = ABORTED_ENTRY_BYTES as u64;
    let len = base::usize_from_u64((range.end - range.start) * size);
    let file = core.open(path, OpenMode::ReadOnly).await?;
    let bytes = file.read_at(range.start * size, len).await?;
    Ok(bytes.to_vec())
}

/// What the file of a segment has, read from its beginning to its end; none where there is no file,
/// nothing when it is damaged.
pub(crate) async fn survey(
    core: &Core,
    path: &Path,
    base: Offset,
) -> Result<Option<Option<Written>>, StorageError> {
    let file = match core.open(path, OpenMode::ReadOnly).await {
        Ok(file) => file,
        Err(error) if error.kind == IoErrorKind::NotFound => return Ok(Some(None)),
        Err(error) => return Err(error.into()),
    };
    let piece_bytes = PIECE_ENTRIES * ABORTED_ENTRY_BYTES;
    let (mut written, mut floor, mut position) = (None, base, 0);
    loop {
        let bytes = file.read_at(position, piece_bytes).await?;
        let Some(entries) = decode(&bytes, floor) else {
            return Ok(None);
        };
        position += bytes.len() as u64;
        if let Some(last) = entries.last() {
            let count = position / ABORTED_ENTRY_BYTES as u64;
            let last = last.last_offset;
            written = Some(Written { count, last });
            floor = last.plus(1);
        }
        if bytes.len() < piece_bytes {
            return Ok(Some(written));
        }
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
