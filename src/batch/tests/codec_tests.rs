//! The codecs must read what every client library writes, and survive what nobody should.

use crate::{Codec, CodecError, compress, decompress};
use base::Random;

const LIMIT: usize = 1 << 20;

fn inflate(codec: Codec, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut plain = Vec::new();
    decompress(codec, bytes, LIMIT, &mut plain).map(|()| plain)
}

fn deflate(codec: Codec, plain: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    compress(codec.into(), plain, &mut bytes).unwrap();
    bytes
}

#[test]
fn everything_comes_back_and_damage_never_panics() {
    let seed = 0xC0DE_C001;
    println!("seed {seed:#x}");
    let mut random = Random::salted(seed, 1);
    for round in 0..40 {
        let mut plain = vec![0; usize::try_from(random.below(200_000)).unwrap()];
        let noisy = usize::try_from(random.below(plain.len() as u64 + 1)).unwrap();
        random.fill(&mut plain[..noisy]);
        for codec in Codec::ALL {
            let mut bytes = deflate(codec, &plain);
            assert_eq!(
                inflate(codec, &bytes).unwrap(),
                plain,
                "{codec} round {round}"
            );
            if bytes.is_empty() {
                continue;
            }
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            bytes[at] ^= 1 << random.below(8);
            // An undamaged result is fine, since not every bit of a frame matters.
            let _ = inflate(codec, &bytes);
            let _ = inflate(codec, &bytes[..at]);
        }
    }
}

#[test]
fn limits_hold_to_the_byte() {
    let plain = vec![7; 100_000];
    for codec in Codec::ALL {
        let bytes = deflate(codec, &plain);
        let mut target = b"before".to_vec();
        decompress(codec, &bytes, 100_000, &mut target).unwrap();
        assert_eq!(target.len(), 100_006);
        let refused = decompress(codec, &bytes, 99_999, &mut Vec::new());
        assert!(
            matches!(refused, Err(CodecError::TooLarge { .. })),
            "{codec}"
        );
    }
}

#[test]
fn snappy_is_read_with_and_without_framing() {
    let plain = b"the same words, the same words, the same words".repeat(50);
    let bare = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
    assert_eq!(inflate(Codec::Snappy, &bare).unwrap(), plain);
    // Appended streams, as the Java library reads them.
    let framed = deflate(Codec::Snappy, &plain);
    let twice = [framed.clone(), framed.clone()].concat();
    assert_eq!(inflate(Codec::Snappy, &twice).unwrap(), plain.repeat(2));
    for cut in 1..framed.len() {
        // Only a cut right behind the header leaves a whole stream, an empty one.
        assert_eq!(
            inflate(Codec::Snappy, &framed[..cut]).is_ok(),
            cut == 16,
            "{cut}"
        );
    }
}

#[test]
fn a_snappy_block_gets_no_memory_for_a_mere_claim() {
    // A block of four bytes that claims 900,000, and a stream that claims a negative length.
    let claim = [0xA0, 0xF7, 0x36, 0x00];
    assert!(matches!(
        inflate(Codec::Snappy, &claim),
        Err(CodecError::Malformed { .. })
    ));
    let mut stream = deflate(Codec::Snappy, b"x");
    stream[16] = 0xFF;
    assert!(matches!(
        inflate(Codec::Snappy, &stream),
        Err(CodecError::Malformed { .. })
    ));
}

#[test]
fn lz4_frames_that_java_cannot_read_are_refused() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write;
    let frame = |info: FrameInfo| {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&[5; 300_000]).unwrap();
        encoder.finish().unwrap()
    };
    let base = FrameInfo::new().block_size(BlockSize::Max64KB);
    let independent = base.clone().block_mode(BlockMode::Independent);
    assert!(inflate(Codec::Lz4, &frame(independent.clone())).is_ok());
    assert!(
        inflate(
            Codec::Lz4,
            &frame(independent.clone().content_checksum(true))
        )
        .is_ok()
    );
    assert!(
        inflate(
            Codec::Lz4,
            &frame(independent.clone().block_checksums(true))
        )
        .is_ok()
    );
    assert!(inflate(Codec::Lz4, &frame(independent.content_size(Some(300_000)))).is_ok());
    assert!(inflate(Codec::Lz4, &frame(base.block_mode(BlockMode::Linked))).is_err());
}

#[test]
fn gzip_members_and_zstd_frames_may_be_appended() {
    for codec in [Codec::Gzip, Codec::Zstd] {
        let twice = [deflate(codec, b"one "), deflate(codec, b"two")].concat();
        assert_eq!(inflate(codec, &twice).unwrap(), b"one two", "{codec}");
    }
}

#[test]
fn names_and_numbers_are_kafkas() {
    let names = ["none", "gzip", "snappy", "lz4", "zstd"];
    for (id, name) in (0..).zip(names) {
        let codec = Codec::from_id(id).unwrap();
        assert_eq!((codec.name(), codec.id()), (name, id));
        assert_eq!(Codec::from_name(name), Some(codec));
    }
    assert_eq!(Codec::from_id(5), None);
    assert_eq!(Codec::from_name("brotli"), None);
}
