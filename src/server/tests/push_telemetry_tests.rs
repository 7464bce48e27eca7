//! A push comes in any codec that was offered, and may be a bomb.

use batch::{Codec, Compression, compress};

use super::unpack;

#[test]
fn every_codec_is_unpacked() {
    // A gauge without a name and without points: read, and nothing to keep.
    let plain = [10, 4, 18, 2, 18, 0];
    for codec in Codec::ALL {
        let mut bytes = Vec::new();
        let compression = Compression { codec, level: None };
        compress(compression, &plain, &mut bytes).unwrap();
        assert!(
            unpack(codec, &bytes).unwrap().is_empty(),
            "{}",
            codec.name()
        );
        if codec != Codec::None {
            assert!(unpack(codec, &plain).is_err(), "{}", codec.name());
        }
    }
}

#[test]
fn bombs_are_refused() {
    let mut bytes = Vec::new();
    let compression = Compression {
        codec: Codec::Zstd,
        level: None,
    };
    compress(
        compression,
        &vec![0; super::PLAIN_BYTES_MAX + 1],
        &mut bytes,
    )
    .unwrap();
    assert!(bytes.len() < 10_000);
    assert!(unpack(Codec::Zstd, &bytes).is_err());
}
