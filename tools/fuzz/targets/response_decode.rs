//! Whatever a broker answers: our client and, later, replication read it without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((head, body)) = bytes.split_first_chunk::<2>() else { return };
    let [key, version] = head.map(i16::from);
    let Some(key) = wire::ApiKey::from_code(key) else { return };
    if let Ok(message) = wire::decode_any_response(key, version, body) {
        let mut writer = wire::Writer::new();
        message.encode(&mut writer, version).expect("what decodes at a version encodes at it");
    }
});
