//! The frames that one file of a journal has.
//!
//! A file that was begun anew has the frames of its turn in front and those of turns before behind
//! them. A frame that was being written when the power went may be there in part; nothing in it was
//! acknowledged, and nothing follows it.
//!
//! Invariant: a frame that is missing between two others of its turn is reported.

use std::path::Path;

use base::{BLOCK_SIZE, Offset, TopicPartition, usize_from_u64};
use reactor::{Bytes, Core, File, OpenMode};

use super::frame::{
    Content, Entry, FRAME_BYTES_MAX, FRAMES_FROM, FrameFault, Salt, Target, decode,
};
use crate::error::StorageError;

/// How much is read at a time.
const WINDOW_BYTES: usize = 1 << 20;

const _: () = assert!(WINDOW_BYTES >= 2 * FRAME_BYTES_MAX);

/// The last turn of one file.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Zero where there is no frame.
    pub(super) generation: u64,
    /// In their order.
    pub(super) frames: Vec<Vec<Found>>,
    /// The place of the first one; another than zero where what is in front cannot be read.
    pub(super) first: u64,
    /// Whether one is missing between two others, or all of them.
    pub(super) has_gap: bool,
}

/// One entry that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) partition: TopicPartition,
    /// Where its batches belong, and they; nothing for a void.
    pub(super) batches: Option<(Target, Vec<u8>)>,
}

impl From<Entry<'_>> for Found {
    fn from(entry: Entry<'_>) -> Self {
        let batches = match entry.content {
            Content::Void => None,
            Content::Batches { target, bytes } => Some((target, bytes.to_vec())),
        };
        Self {
            partition: entry.partition,
            batches,
        }
    }
}

/// What of the file is in memory.
struct Window {
    file: File,
    len: u64,
    start: u64,
    bytes: Bytes,
}

impl Window {
    /// Enough bytes from `at` on for any frame, as far as there are.
    async fn at(&mut self, at: u64) -> Result<&[u8], StorageError> {
        let wanted = (FRAME_BYTES_MAX as u64).min(self.len - at);
        let reach = self.start + self.bytes.len() as u64;
        if at < self.start || at + wanted > reach {
            let left = usize_from_u64(self.len - at);
            self.bytes = Bytes::default();
            self.bytes = self.file.read_at(at, WINDOW_BYTES.min(left)).await?;
            self.start = at;
        }
        let skipped = usize_from_u64(at - self.start);
        Ok(self.bytes.get(skipped..).unwrap_or_default())
    }
}

/// Reads the last turn of the file at `path`.
///
/// # Errors
/// When it cannot be read, or another program wrote frames that make no sense here.
pub(super) async fn read_turn(core: &Core, path: &Path) -> Result<Turn, StorageError> {
    let file = core.open(path, OpenMode::ReadOnly).await?;
    let len = file.len().await?;
    let mut window = Window {
        file,
        len,
        start: 0,
        bytes: Bytes::default(),
    };
    let mut turn = Turn::default();
    if len < FRAMES_FROM {
        return Ok(turn);
    }
    let Some(salt) = Salt::of_head(window.at(0).await?) else {
        // A file whose head never became durable has nothing behind it.
        let first = window.at(FRAMES_FROM).await?;
        turn.has_gap = decode(first, Salt(0)) != Err(FrameFault::Magic);
        return Ok(turn);
    };
    let (mut at, mut next) = (FRAMES_FROM, None);
    // A frame that cannot be read is no longer than this, so one behind it is not missed.
    let mut bound = at + FRAME_BYTES_MAX as u64;
    while at < len && at <= bound {
        let frame = match decode(window.at(at).await?, salt) {
            Ok(frame) => frame,
            Err(FrameFault::Entry) => return Err(incomprehensible(path, at)),
            Err(
                FrameFault::Magic | FrameFault::Length | FrameFault::Checksum | FrameFault::Salt,
            ) => {
                at += BLOCK_SIZE as u64;
                continue;
            }
        };
        at += frame.len.next_multiple_of(BLOCK_SIZE) as u64;
        if next.is_some() && frame.generation != turn.generation {
            // What an earlier turn left.
            break;
        }
        turn.generation = frame.generation;
        match next {
            None => turn.first = frame.place,
            Some(next) => turn.has_gap |= frame.place != next,
        }
        next = Some(frame.place + 1);
        bound = at + FRAME_BYTES_MAX as u64;
        let entries = frame.entries.into_iter();
        turn.frames.push(entries.map(Found::from).collect());
    }
    Ok(turn)
}

fn incomprehensible(path: &Path, position: u64) -> StorageError {
    StorageError::Metadata {
        path: path.to_path_buf(),
        reason: format!(
            "what stands at byte {position} is intact, but not as this release writes it; start \
             the release that wrote it once more and stop it in order, or, giving up what was \
             acknowledged last, delete the file"
        ),
    }
}

/// A batch that the journal has.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) base_offset: Offset,
    pub(super) next_offset: Offset,
}
