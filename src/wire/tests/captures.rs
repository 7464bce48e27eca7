//! Frames that real clients and Apache Kafka exchanged.
//!
//! Story: schemas say what should be on the wire, captures what is. Each frame must decode with
//! nothing left over and encode to the very same bytes, header included.

use super::golden::folder;
use super::round_trip::Side;
use crate::{
    ApiKey, Decode, Message, Reader, ResponseHeader, Writer, decode_request_header,
    decode_response_header, request_header_version, response_header_version,
};

/// One captured frame.
struct Capture {
    side: Side,
    key: ApiKey,
    version: i16,
    bytes: Vec<u8>,
}

/// The bytes of a line of hexadecimal text; none for a dash.
pub(super) fn unhex(text: &str) -> Vec<u8> {
    let text = text.strip_prefix("-").unwrap_or(text);
    let digit = |letter: u8| u8::try_from(char::from(letter).to_digit(16).unwrap()).unwrap();
    text.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

fn captures(client: &str) -> Vec<Capture> {
    let path = folder().join("captures").join(format!("{client}.txt"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut captures: Vec<Capture> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix("== ") {
            let words: Vec<&str> = title.split(' ').collect();
            captures.push(Capture {
                side: match words[0] {
                    "request" => Side::Request,
                    _ => Side::Response,
                },
                key: ApiKey::from_code(words[1].parse().unwrap()).unwrap(),
                version: words[2].parse().unwrap(),
                bytes: Vec::new(),
            });
        } else if let Some(capture) = captures.last_mut() {
            capture.bytes.extend(unhex(line));
        }
    }
    captures
}

/// Decodes header and message, and encodes both again.
fn reencoded(capture: &Capture) -> Vec<u8> {
    let Capture { key, version, .. } = *capture;
    let mut reader = Reader::new(&capture.bytes);
    let mut writer = Writer::new();
    if capture.side == Side::Request {
        let (header_key, header) = decode_request_header(&mut reader).unwrap();
        assert_eq!((header_key, header.request_api_version), (key, version));
        let header_version = request_header_version(key, version);
        header.encode(&mut writer, header_version).unwrap();
    } else {
        let header = decode_response_header(&mut reader, key, version).unwrap();
        let again = ResponseHeader::decode_all(
            &capture.bytes[..reader.position()],
            response_header_version(key, version),
        );
        assert_eq!(again, Ok(header));
        let header_version = response_header_version(key, version);
        header.encode(&mut writer, header_version).unwrap();
    }
    let message = capture
        .side
        .decode(key, version, reader.rest())
        .unwrap_or_else(|error| panic!("{error}, {key} {version}: {:02x?}", capture.bytes));
    message.encode(&mut writer, version).unwrap();
    writer.finish().into_bytes().unwrap()
}

fn check(client: &str, frames_min: usize) {
    let captures = captures(client);
    assert!(captures.len() >= frames_min, "{} frames", captures.len());
    for capture in &captures {
        let again = reencoded(capture);
        assert_eq!(
            again, capture.bytes,
            "{client}: {:?} {} {}",
            capture.side, capture.key, capture.version
        );
    }
}

#[test]
fn the_java_client_is_understood() {
    check("java", 83);
}

#[test]
fn librdkafka_is_understood() {
    check("librdkafka", 75);
}

#[test]
fn kcat_is_understood() {
    check("kcat", 37);
}
