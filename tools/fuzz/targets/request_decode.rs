//! Whatever a client sends: decoding a request ends in a message or an error, never in a panic,
//! and what decodes at a version encodes at it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((head, body)) = bytes.split_first_chunk::<2>() else { return };
    let [key, version] = head.map(i16::from);
    let Some(key) = wire::ApiKey::from_code(key) else { return };
    let mut reader = wire::Reader::new(bytes);
    let _ = wire::decode_request_header(&mut reader);
    if let Ok(message) = wire::decode_any_request(key, version, body) {
        let mut writer = wire::Writer::new();
        message.encode(&mut writer, version).expect("what decodes at a version encodes at it");
    }
});
