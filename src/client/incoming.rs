//! From a stream of bytes to frames.
//!
//! Invariants: a frame is contiguous; memory is taken for a frame only after its length was
//! compared with the limit; bytes are copied only when a frame does not fit the current buffer.

use base::usize_from_i32;
use reactor::{Buffer, Bytes, Core};

/// What is read at once where no single frame asks for more.
const BUFFER_BYTES: usize = 256 << 10;
/// With less room than this behind what was read, a new buffer is taken.
const SPARE_BYTES_MIN: usize = 16 << 10;
const LENGTH_BYTES: usize = 4;

/// Collects what arrives on one socket.
pub(crate) struct Incoming {
    buffer: Buffer,
    /// Where the first frame begins that was not given out.
    start: usize,
    frame_bytes_max: usize,
}

/// A frame's length that cannot be right, or is more than this client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadLength(pub(crate) i32);

impl Incoming {
    pub(crate) async fn new(core: &Core, frame_bytes_max: usize) -> Self {
        let buffer = core.frames().take(BUFFER_BYTES).await;
        Self {
            buffer,
            start: 0,
            frame_bytes_max,
        }
    }

    /// The next whole frame without its length, if it has arrived.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Bytes>, BadLength> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        let body = self.start + LENGTH_BYTES;
        if self.buffer.len() < body + length {
            return Ok(None);
        }
        self.start = body + length;
        Ok(Some(self.buffer.share(body..body + length)))
    }

    /// A place for what arrives next, and how much of it may be filled.
    pub(crate) async fn space(&mut self, core: &Core) -> Result<(&mut Buffer, usize), BadLength> {
        let needed = self
            .length()?
            .map_or(LENGTH_BYTES, |length| LENGTH_BYTES + length);
        let spare = self.buffer.capacity() - self.start;
        if spare < needed.max(SPARE_BYTES_MIN) {
            let mut larger = core.frames().take(needed.max(BUFFER_BYTES)).await;
            let unread = self.buffer.as_slice().get(self.start..).unwrap_or_default();
            larger.append(unread);
            self.buffer = larger;
            self.start = 0;
        }
        let spare = self.buffer.spare_len();
        assert!(spare > 0, "an incomplete frame has room for its rest");
        Ok((&mut self.buffer, spare))
    }

    /// The length of the frame that begins at `start`, as soon as it has arrived.
    fn length(&self) -> Result<Option<usize>, BadLength> {
        let unread = self.buffer.as_slice().get(self.start..).unwrap_or_default();
        let Some(prefix) = unread.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let claimed = i32::from_be_bytes(*prefix);
        match usize_from_i32(claimed) {
            Some(length) if length <= self.frame_bytes_max => Ok(Some(length)),
            _ => Err(BadLength(claimed)),
        }
    }
}
