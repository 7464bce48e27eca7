//! The frames that one file of a journal has.
//!
//! A file that was begun anew has the frames of its turn in front and those of turns before behind
//! them. A frame that was being written when the power went may be there in part; nothing in it was
//! acknowledged, and nothing follows it.
//!
//! Invariant: a frame that is missing between two others of its turn is reported.

use std::path::Path;

use base::{BLOCK_SIZE, Offset, TopicPartition, usize_from_u64};
use reactor::{Bytes, Core, File, IoErrorKind, OpenMode};

use super::frame::{
    Content, Entry, FRAME_BYTES_MAX, FRAMES_FROM, FrameFault, Salt, Target, decode,
};
use crate::error::StorageError;

/// How much is read at a time.
const WINDOW_BYTES: usize = 1 << 20;

const _: () = assert!(WINDOW_BYTES >= 2 * FRAME_BYTES_MAX);

/// The last turn of one file.
#[derive(Debug, Default)]
pub(super) struct LastTurn {
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
    /// Blocks that the device does not give back.
    unreadable: Vec<u64>,
}

impl Window {
    /// Enough bytes from `at` on for any frame, as far as there are.
    async fn at(&mut self, at: u64) -> Result<&[u8], StorageError> {
        let wanted = (FRAME_BYTES_MAX as u64).min(self.len - at);
        let reach = self.start + self.bytes.len() as u64;
        if at < self.start || at + wanted > reach {
            let left = usize_from_u64(self.len - at);
            self.bytes = Bytes::default();
            let len = WINDOW_BYTES.min(left);
            self.bytes = match self.file.read_at(at, len).await {
                Err(error) if error.kind == IoErrorKind::Device => self.by_block(at, len).await?,
                read => read?,
            };
            self.start = at;
        }
        let skipped = usize_from_u64(at - self.start);
        Ok(self.bytes.get(skipped..).unwrap_or_default())
    }

    /// What can be read, and zeros for the blocks that cannot.
    async fn by_block(&mut self, at: u64, len: usize) -> Result<Bytes, StorageError> {
        let mut bytes: Vec<u8> = Vec::with_capacity(len);
        while bytes.len() < len {
            let position = at + bytes.len() as u64;
            let part = BLOCK_SIZE.min(len - bytes.len());
            match self.file.read_at(position, part).await {
                Ok(block) if block.len() == part => bytes.extend_from_slice(&block),
                // Shorter than it was.
                Ok(_) => break,
                Err(error) if error.kind == IoErrorKind::Device => {
                    self.unreadable.push(position);
                    bytes.resize(bytes.len() + part, 0);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Bytes::from(bytes))
    }
}

/// Reads the last turn of the file at `path`.
///
/// # Errors
/// When it cannot be read, or another program wrote frames that make no sense here.
pub(super) async fn read_turn(core: &Core, path: &Path) -> Result<LastTurn, StorageError> {
    let file = core.open(path, OpenMode::ReadOnly).await?;
    let len = file.len().await?;
    let mut window = Window {
        file,
        len,
        start: 0,
        bytes: Bytes::default(),
        unreadable: Vec::new(),
    };
    let mut turn = LastTurn::default();
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
    // Unlike a frame that was being written, one that cannot be read may have been acknowledged.
    let mut unreadable = window.unreadable.iter();
    turn.has_gap |= unreadable.any(|block| (FRAMES_FROM..at).contains(block));
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
