//! Batches as benches use them: values that compress about as well as real records do.

#![allow(dead_code, reason = "each bench takes what it needs")]

use base::{Random, Timestamp};
use batch::{BatchBuilder, BatchOptions, Codec, Compression};

/// Any time; benches do not depend on it.
pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// One batch of `count` records with values of `value_bytes`.
pub(crate) fn batch(codec: Codec, value_bytes: usize, count: usize) -> Vec<u8> {
    let mut random = Random::new(1);
    let mut builder = BatchBuilder::new(BatchOptions {
        compression: Compression { codec, level: None },
        ..BatchOptions::default()
    });
    for _ in 0..count {
        // Sixteen letters: four bits of news in each byte.
        let value: Vec<u8> = std::iter::repeat_with(|| b'a' + random.below(16) as u8)
            .take(value_bytes)
            .collect();
        builder.append(NOW, None, Some(&value), &[]);
    }
    let mut bytes = Vec::new();
    builder
        .build(&mut bytes)
        .expect("every codec can be written");
    bytes
}
