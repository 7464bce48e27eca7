//! Gives the segments of one log what only the journal has of them.
//!
//! Invariants: a segment's file is read from its beginning as recovery does, and only where its
//! intact batches end the journal is asked, for the very batch that belongs at that position and
//! whose offsets go on from there; segments below what the log promised to be complete are not
//! touched. So whatever else the journal has, of logs that were cut, compacted, moved or made anew,
//! changes nothing. All of it is on the device when this returns.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::{BLOCK_SIZE, Offset, TopicPartition, Uuid, usize_from_u64};
use batch::{HEADER_BYTES, batch_bytes};
use reactor::{Bytes, Core, File, IoErrorKind, OpenMode, Pool};

use super::journal_file::Batch;
use crate::error::StorageError;
use crate::layout::{self, FileKind};
use crate::log::Log;
use crate::scan::{header_view, view};
use crate::standing::read_standing;

/// How much is read at a time.
const WINDOW_BYTES: usize = 256 << 10;
/// How much is written at a time.
pub(super) const WRITE_BYTES: usize = 64 << 10;

const _: () = assert!(WRITE_BYTES.is_multiple_of(BLOCK_SIZE));

/// What the journal has of one segment: its batches by their position in the file.
pub(super) type OfSegment = BTreeMap<u64, Batch>;
/// What the journal has of one partition, by topic and segment.
pub(super) type OfLog = BTreeMap<(Uuid, Offset), OfSegment>;

/// What was given back to segments.
#[derive(Debug, Default)]
pub(super) struct Restored {
    pub(super) batches: u64,
    pub(super) bytes: u64,
    /// The logs that could not be looked at.
    pub(super) left_out: Vec<(TopicPartition, StorageError)>,
    /// The segments that end before what the journal has.
    pub(super) unplaced: Vec<PathBuf>,
}

impl Restored {
    pub(super) fn add(&mut self, other: Self) {
        self.batches += other.batches;
        self.bytes += other.bytes;
        self.left_out.extend(other.left_out);
        self.unplaced.extend(other.unplaced);
    }
}

/// One log's directory.
pub(super) struct LogDir<'a> {
    pub(super) core: &'a Core,
    pub(super) data_dir: &'a Path,
    pub(super) memory: &'a Pool,
}

impl LogDir<'_> {
    /// Gives the segments of `partition` what belongs to them.
    pub(super) async fn restore(
        &self,
        partition: &TopicPartition,
        entries: &OfLog,
    ) -> Result<Restored, StorageError> {
        let mut restored = Restored::default();
        let path = self.data_dir.join(partition.to_string());
        let found = match self.core.list(&path).await {
            // The log is gone.
            Err(error) if error.kind == IoErrorKind::NotFound => return Ok(restored),
            found => found?,
        };
        let id = Log::topic_id(self.core, self.data_dir, partition).await?;
        let has_standing = found
            .iter()
            .any(|entry| entry.name == layout::STANDING_FILE);
        let sealed = if has_standing {
            read_standing(self.core, &path).await?.sealed
        } else {
            Offset(0)
        };
        let mut lens: BTreeMap<Offset, u64> = BTreeMap::new();
        for entry in &found {
            if let Some((FileKind::Log, base)) = FileKind::parse(&entry.name) {
                lens.insert(base, entry.len);
            }
        }
        let own = entries.iter().filter(|((topic, _), _)| *topic == id);
        for ((_, base), batches) in own {
            let Some(len) = lens.get(base).filter(|_| *base >= sealed) else {
                continue;
            };
            let behind = lens.range(base.plus(1)..).next();
            let file = path.join(FileKind::Log.name(*base));
            let segment = Segment {
                path: file,
                base: *base,
                len: *len,
                end_max: behind.map(|(next, _)| *next),
            };
            restored.add(self.restore_segment(&segment, batches).await?);
        }
        Ok(restored)
    }

    async fn restore_segment(
        &self,
        segment: &Segment,
        batches: &OfSegment,
    ) -> Result<Restored, StorageError> {
        let file = self.core.open(&segment.path, OpenMode::Existing).await?;
        let (runs, restored) = find_missing(&file, segment, batches).await?;
        let mut len = segment.len;
        for (position, bytes) in runs {
            self.write(&file, position, &bytes).await?;
            len = len.max(position + bytes.len() as u64);
        }
        if len > segment.len {
            // Whole blocks were written, but where the log counts as closed in order its segment
            // ends where its file does.
            file.truncate(len).await?;
        }
        // What is there already may be in the device's cache only.
        file.flush().await?;
        Ok(restored)
    }

    /// Writes `bytes` to `position`, and leaves what is around them as it is.
    async fn write(&self, file: &File, position: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let block = BLOCK_SIZE as u64;
        let (mut at, mut rest) = (position, bytes);
        while !rest.is_empty() {
            let start = at - at % block;
            let before = usize_from_u64(at - start);
            let (now, later) = rest.split_at(rest.len().min(WRITE_BYTES - before));
            let end = at + now.len() as u64;
            let behind = usize_from_u64(end.next_multiple_of(block) - end);
            let mut buffer = self.memory.take(WRITE_BYTES).await;
            let around = file.read_at(start, before).await?;
            if around.len() != before {
                return Err(ends_early(file, start));
            }
            buffer.append(&around);
            drop(around);
            buffer.append(now);
            // Less where the file ends here; zeros follow then.
            buffer.append(&file.read_at(end, behind).await?);
            let blocks = buffer.blocks(0..buffer.len());
            file.write_blocks(blocks, start).await?;
            (at, rest) = (end, later);
        }
        Ok(())
    }
}

fn ends_early(file: &File, position: u64) -> StorageError {
    StorageError::Metadata {
        path: file.path().to_path_buf(),
        reason: format!("it has become shorter than {position} bytes while it was read"),
    }
}

/// A segment that is not known to be complete.
struct Segment {
    path: PathBuf,
    base: Offset,
    len: u64,
    /// Where the next segment begins, where there is one.
    end_max: Option<Offset>,
}

/// Bytes and where they belong.
type Run = (u64, Vec<u8>);

/// The batches that belong where the intact batches of the file end, and where others go on behind
/// them, where those end, and so on.
async fn find_missing(
    file: &File,
    segment: &Segment,
    batches: &OfSegment,
) -> Result<(Vec<Run>, Restored), StorageError> {
    let (mut runs, mut restored) = (Vec::<Run>::new(), Restored::default());
    let (Some((first, _)), Some((last, _))) = (batches.first_key_value(), batches.last_key_value())
    else {
        return Ok((runs, restored));
    };
    let mut walk = Walk {
        file: file.clone(),
        len: segment.len,
        window: Bytes::default(),
        window_start: 0,
    };
    let (mut at, mut next) = (0, segment.base);
    while at <= *last {
        // In front of all that the journal has, lengths are enough to come by: recovery reads it in
        // full.
        if let Some((len, end)) = walk.batch(at, next, at >= *first).await? {
            at += len;
            next = end;
            continue;
        }
        let is_due = |batch: &&Batch| {
            batch.base_offset >= next && segment.end_max.is_none_or(|max| batch.next_offset <= max)
        };
        let Some(batch) = batches.get(&at).filter(is_due) else {
            break;
        };
        match runs.last_mut() {
            Some((start, bytes)) if *start + bytes.len() as u64 == at => {
                bytes.extend_from_slice(&batch.bytes);
            }
            _ => runs.push((at, batch.bytes.clone())),
        }
        restored.batches += 1;
        restored.bytes += batch.bytes.len() as u64;
        at += batch.bytes.len() as u64;
        next = batch.next_offset;
    }
    if at < *first {
        restored.unplaced.push(segment.path.clone());
    }
    Ok((runs, restored))
}

/// Reads a segment's file batch by batch.
struct Walk {
    file: File,
    len: u64,
    window: Bytes,
    window_start: u64,
}

impl Walk {
    /// The length of the batch at `at` and the offset behind it, if one is there whose offsets do
    /// not lie below `next`; intact, where it is looked at `closely`.
    async fn batch(
        &mut self,
        at: u64,
        next: Offset,
        closely: bool,
    ) -> Result<Option<(u64, Offset)>, StorageError> {
        // A copy: nobody keeps memory that others need while he waits for more of it.
        let header = self.bytes(at, HEADER_BYTES).await?.to_vec();
        let Ok(len) = batch_bytes(&header) else {
            return Ok(None);
        };
        if header.len() < HEADER_BYTES || len as u64 > self.len.saturating_sub(at) {
            return Ok(None);
        }
        if closely {
            let bytes = self.bytes(at, len).await?;
            let intact = view(&bytes).is_ok_and(|view| view.verify_checksum().is_ok());
            if !intact {
                return Ok(None);
            }
        }
        let Ok(header) = header_view(&header) else {
            return Ok(None);
        };
        let goes_on = header.base_offset >= next && header.next_offset > header.base_offset;
        Ok(goes_on.then_some((len as u64, header.next_offset)))
    }

    /// `len` bytes from `at` on, fewer at the end.
    async fn bytes(&mut self, at: u64, len: usize) -> Result<Bytes, StorageError> {
        let left = usize_from_u64(self.len.saturating_sub(at));
        let len = len.min(left);
        let skipped = at.checked_sub(self.window_start).map(usize_from_u64);
        if let Some(skipped) = skipped.filter(|skipped| skipped + len <= self.window.len()) {
            return Ok(self.window.slice(skipped..skipped + len));
        }
        let wanted = len.max(WINDOW_BYTES).min(left);
        self.window = Bytes::default();
        self.window = self.file.read_at(at, wanted).await?;
        self.window_start = at;
        let have = self.window.len().min(len);
        Ok(self.window.slice(0..have))
    }
}
