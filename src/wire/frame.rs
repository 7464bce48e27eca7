//! Frames: the 4-byte length, the header of the right version, the message.
//!
//! Invariant: the header's version follows from the API's key and version alone, also for a
//! version that nobody knows yet; otherwise an ApiVersions request from the future could not be
//! answered with what is known (KIP-511).

use crate::{
    ApiKey, Decode, Encoded, Fault, Message, Reader, Request, RequestHeader, ResponseHeader,
    WireError, Writer,
};

/// Enough for most answers without record bytes.
const FRAME_CAPACITY: usize = 256;

/// The version of the header before a request: 2 for flexible versions, else 1 (KIP-482).
#[must_use]
pub fn request_header_version(key: ApiKey, version: i16) -> i16 {
    if version >= key.entry().flexible_min {
        2
    } else {
        1
    }
}

/// The version of the header before a response: 1 for flexible versions, else 0 (KIP-482). An
/// ApiVersions response has version 0 always, for the client does not know yet what it can read.
#[must_use]
pub fn response_header_version(key: ApiKey, version: i16) -> i16 {
    i16::from(key != ApiKey::ApiVersions && version >= key.entry().flexible_min)
}

/// Reads the header of a request and leaves the reader at the request itself.
///
/// # Errors
/// When the bytes are not a header, or belong to an API that is not known.
pub fn decode_request_header<'a>(
    reader: &mut Reader<'a>,
) -> Result<(ApiKey, RequestHeader<'a>), WireError> {
    let mut ahead = reader.clone();
    let code = ahead.int16("request_api_key")?;
    let version = ahead.int16("request_api_version")?;
    let Some(key) = ApiKey::from_code(code) else {
        return Err(reader.fail("request_api_key", Fault::ApiUnknown { key: code }));
    };
    let header = RequestHeader::decode(reader, request_header_version(key, version))?;
    Ok((key, header))
}

/// Reads the header of the response to a request of `key` and `version`.
///
/// # Errors
/// When the bytes are not a header.
pub fn decode_response_header(
    reader: &mut Reader<'_>,
    key: ApiKey,
    version: i16,
) -> Result<ResponseHeader, WireError> {
    ResponseHeader::decode(reader, response_header_version(key, version))
}

/// A whole request frame.
///
/// # Errors
/// When `version` cannot carry the request.
pub fn encode_request<R: Request>(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    request: &R,
) -> Result<Encoded, WireError> {
    let header = RequestHeader {
        request_api_key: R::KEY.code(),
        request_api_version: version,
        correlation_id,
        client_id: client_id.map(Into::into),
    };
    let mut writer = Writer::frame(FRAME_CAPACITY);
    header.encode(&mut writer, request_header_version(R::KEY, version))?;
    request.encode(&mut writer, version)?;
    writer.finish_frame()
}

/// A whole response frame.
///
/// # Errors
/// When `version` cannot carry the response.
pub fn encode_response(
    correlation_id: i32,
    key: ApiKey,
    version: i16,
    response: &dyn Message,
) -> Result<Encoded, WireError> {
    let mut writer = Writer::frame(FRAME_CAPACITY);
    let header = ResponseHeader { correlation_id };
    header.encode(&mut writer, response_header_version(key, version))?;
    response.encode(&mut writer, version)?;
    writer.finish_frame()
}
