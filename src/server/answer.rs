//! What a handler gives back: a response at once, one that comes later, or none.

use std::future::Future;
use std::pin::Pin;

use reactor::{Bytes, FileRange};
use wire::{ApiKey, Encoded, Message, Piece, WireError};

/// A run of a response.
pub(crate) enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A piece of a sealed segment, sent without a copy.
    File(FileRange),
}

/// A whole response frame.
#[derive(Default)]
pub(crate) struct Response {
    /// Its bytes, in order.
    pub(crate) parts: Vec<Part>,
    /// The error codes that it carries.
    pub(crate) errors: Vec<i16>,
}

/// What becomes of a request.
pub(crate) enum Answer {
    /// The response is there.
    Now(Response),
    /// The response comes when something has happened, such as a flush.
    Later(Pin<Box<dyn Future<Output = Result<Response, WireError>>>>),
    /// The client asked for none (acks=0).
    Silence,
    /// The request breaks the protocol, or acks=0 has no other way to report: the connection
    /// ends, for the reason given.
    Close(String),
}

/// Which response is being made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    /// The API asked.
    pub(crate) key: ApiKey,
    /// The version of the request, and so of the response.
    pub(crate) version: i16,
    /// What the client tells responses apart by.
    pub(crate) correlation_id: i32,
}

impl Question {
    /// The frame of `response`, which has no external pieces.
    pub(crate) fn encode(self, response: &dyn Message) -> Result<Response, WireError> {
        self.encode_with(response, Vec::new())
    }

    /// The frame of `response`; the external piece with token `i` is filled with `pieces[i]`.
    pub(crate) fn encode_with(
        self,
        response: &dyn Message,
        pieces: Vec<Vec<Part>>,
    ) -> Result<Response, WireError> {
        let encoded = wire::encode_response(self.correlation_id, self.key, self.version, response)?;
        Ok(assemble(encoded, pieces))
    }

    /// The answer that carries `response` at once; a response that its version cannot carry is a
    /// fault of ours and ends the connection instead of misleading the client.
    pub(crate) fn answer(self, response: &dyn Message) -> Answer {
        match self.encode(response) {
            Ok(response) => Answer::Now(response),
            Err(error) => Answer::Close(error.to_string()),
        }
    }
}

fn assemble(encoded: Encoded, pieces: Vec<Vec<Part>>) -> Response {
    let errors = encoded.errors().to_vec();
    let (bytes, runs) = encoded.into_parts();
    let bytes = Bytes::from(bytes);
    let mut pieces: Vec<Option<Vec<Part>>> = pieces.into_iter().map(Some).collect();
    let mut parts = Vec::with_capacity(runs.len() + pieces.len());
    for run in runs {
        match run {
            Piece::Bytes(range) => parts.push(Part::Bytes(bytes.slice(range))),
            Piece::External { token, length } => {
                let piece = pieces
                    .get_mut(base::usize_from_u32(token))
                    .and_then(Option::take);
                let piece = piece.unwrap_or_default();
                let len: u64 = piece.iter().map(Part::len).sum();
                assert_eq!(
                    len,
                    u64::from(length),
                    "a gap in a response filled with other bytes"
                );
                parts.extend(piece);
            }
        }
    }
    Response { parts, errors }
}

impl Part {
    /// How many bytes it puts on the wire.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(range) => range.len(),
        }
    }
}
