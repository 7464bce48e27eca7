//! Frames off a socket: a length of four bytes, then that many bytes.
//!
//! Memory is taken as bytes arrive, never for what a length claims: a connection waits for its
//! next frame with one block, and a buffer grows to twice what has arrived, or at once to the
//! size of a frame that this connection has sent whole before.

use std::fmt;

use base::BLOCK_SIZE;
use reactor::{Buffer, Bytes, Core, IoError, Socket};

/// The length before each frame.
const LENGTH_SIZE: usize = 4;
/// A buffer begins with at most this much for a frame that is not yet there.
const FIRST_CAPACITY: usize = 16 << 10;
/// A frame larger than this is received alone, in reads as large as it is (kernel-note 009), so that nothing behind it must be copied out.
const SHARED_FRAME_LEN_MAX: usize = 64 << 10;

/// Why no further frame can be read from a connection.
#[derive(Debug)]
pub(crate) enum FrameError {
    /// The peer ended in the middle of a frame.
    Truncated { received: usize },
    /// The length is negative or above the limit.
    Length { claimed: i32, limit: usize },
    /// The connection failed.
    Io(IoError),
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { received } => {
                write!(formatter, "it ended {received} bytes into a request")
            }
            Self::Length { claimed, limit } => write!(
                formatter,
                "it announced a request of {claimed} bytes, where socket.request.max.bytes \
                 allows 0 to {limit}; a client that does not speak the Kafka protocol (TLS or \
                 HTTP on this port, for instance) looks like this too"
            ),
            Self::Io(error) => error.fmt(formatter),
        }
    }
}

/// Cuts one connection's bytes into frames.
pub(crate) struct FrameReader {
    core: Core,
    socket: Socket,
    len_max: usize,
    buffer: Option<Buffer>,
    /// Bytes of the buffer that belong to frames already handed out.
    consumed: usize,
    /// The largest frame that arrived whole, length included.
    proven_len: usize,
}

impl FrameReader {
    /// A reader of frames of at most `len_max` bytes.
    pub(crate) fn new(core: Core, socket: Socket, len_max: usize) -> Self {
        Self {
            core,
            socket,
            len_max,
            buffer: None,
            consumed: 0,
            proven_len: 0,
        }
    }

    /// True while part of a frame has arrived and the rest has not.
    pub(crate) fn is_inside_frame(&self) -> bool {
        self.available() > 0
    }

    fn available(&self) -> usize {
        self.buffer
            .as_ref()
            .map_or(0, |buffer| buffer.len() - self.consumed)
    }

    /// The next frame without its length; nothing once the peer ended between two frames.
    pub(crate) async fn next(
        &mut self,
        inside: impl Fn(bool),
    ) -> Result<Option<Bytes>, FrameError> {
        loop {
            let needed = self.needed()?;
            if let Some(frame) = self.take_frame(needed) {
                return Ok(Some(frame));
            }
            inside(self.is_inside_frame());
            let mut buffer = self.room_for(needed).await;
            let missing = needed.saturating_sub(buffer.len() - self.consumed);
            let alone = needed > SHARED_FRAME_LEN_MAX;
            let len_max = if alone {
                missing.min(buffer.spare_len())
            } else {
                buffer.spare_len()
            };
            let read = self.socket.read(&mut buffer, len_max).await;
            self.buffer = Some(buffer);
            match read {
                Ok(0) if self.available() == 0 => return Ok(None),
                Ok(0) => {
                    return Err(FrameError::Truncated {
                        received: self.available(),
                    });
                }
                Ok(_) => {}
                Err(error) => return Err(FrameError::Io(error)),
            }
        }
    }

    /// How many bytes the frame at the front has with its length, as far as is known.
    fn needed(&self) -> Result<usize, FrameError> {
        let arrived = self
            .buffer
            .as_ref()
            .and_then(|buffer| buffer.as_slice().get(self.consumed..))
            .unwrap_or(&[]);
        let Some(length) = arrived.first_chunk::<LENGTH_SIZE>() else {
            return Ok(LENGTH_SIZE);
        };
        let claimed = i32::from_be_bytes(*length);
        match base::usize_from_i32(claimed) {
            Some(len) if len <= self.len_max => Ok(LENGTH_SIZE + len),
            _ => Err(FrameError::Length {
                claimed,
                limit: self.len_max,
            }),
        }
    }

    fn take_frame(&mut self, needed: usize) -> Option<Bytes> {
        if self.available() < needed {
            return None;
        }
        let buffer = self.buffer.as_ref()?;
        let frame = buffer.share(self.consumed + LENGTH_SIZE..self.consumed + needed);
        self.consumed += needed;
        self.proven_len = self.proven_len.max(needed);
        if self.consumed == buffer.len() {
            // The frame keeps the memory alive as long as it needs it.
            self.buffer = None;
            self.consumed = 0;
        }
        Some(frame)
    }

    /// The buffer, with room for at least one more byte of a frame of `needed` bytes.
    async fn room_for(&mut self, needed: usize) -> Buffer {
        let capacity = if self.available() == 0 {
            BLOCK_SIZE
        } else {
            needed.min(
                FIRST_CAPACITY
                    .max(2 * self.available())
                    .max(self.proven_len),
            )
        };
        match self.buffer.take() {
            Some(buffer)
                if buffer.capacity() - self.consumed >= needed
                    || (buffer.spare_len() > 0 && needed > self.proven_len) =>
            {
                buffer
            }
            old => {
                let mut buffer = self
                    .core
                    .frames()
                    .take(capacity.max(self.available_in(&old) + 1))
                    .await;
                if let Some(old) = old {
                    buffer.append(old.as_slice().get(self.consumed..).unwrap_or(&[]));
                }
                self.consumed = 0;
                buffer
            }
        }
    }

    fn available_in(&self, buffer: &Option<Buffer>) -> usize {
        buffer
            .as_ref()
            .map_or(0, |buffer| buffer.len() - self.consumed)
    }
}
