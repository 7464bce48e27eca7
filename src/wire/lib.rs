//! Kafka's protocol: bytes to requests, responses and persisted records, and back.
//!
//! Vocabulary: a *frame* is what stands behind one 4-byte length on a connection; a *message* is
//! a request, a response, a header or a persisted record; a version is *flexible* when its lengths
//! are varints and its structs end in tagged fields (KIP-482). An *external* piece stands for
//! record bytes that the encoder does not copy: whoever sends the frame puts them there.
//!
//! Invariants: decoding borrows from the frame, allocates in proportion to the bytes that arrived
//! and answers every malformed input with a [`WireError`]; it never panics. The depth of nesting
//! is given by the schemas. What is encoded is decodable. Nothing here waits or does I/O.
//!
//! The modules per API and per record are generated from `definitions/` by `tools/wiregen`
//! (`make wire`) and never edited.
//!
//! Start reading at `message.rs`, then `frame.rs`, then any file in `definitions/`.

mod api;
mod error;
mod frame;
mod generated;
mod message;
mod persisted;
mod reader;
mod records;
mod writer;

pub use api::{ApiEntry, Listener, VersionRange};
pub use error::{Fault, WireError};
pub use frame::{
    decode_request_header, decode_response_header, encode_request, encode_response,
    request_header_version, response_header_version,
};
pub use generated::apis::*;
pub use generated::records as record;
pub use generated::{
    APIS, ApiKey, decode_any_request, decode_any_response, families::*, header::*,
};
pub use message::{Decode, Message, Request, Schema};
pub use persisted::{decode_versioned, encode_versioned};
pub use reader::Reader;
pub use records::Records;
pub use writer::{Encoded, Piece, Writer};

#[cfg(test)]
mod tests;
