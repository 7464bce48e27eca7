//! Which partition a record goes to: by its key as Kafka's Java client decides, so that all
//! producers of a topic agree; without a key, the partitions take turns batch by batch (KIP-480).

use base::PartitionIndex;

/// The partition for `key` of a topic with `count` partitions.
///
/// # Panics
/// When there is no partition.
#[must_use]
pub fn partition_of(key: &[u8], count: u32) -> PartitionIndex {
    assert!(count > 0, "a topic without partitions");
    let positive = murmur2(key) & 0x7FFF_FFFF;
    PartitionIndex(i32::try_from(positive % count).unwrap_or(0))
}

/// The 32-bit MurmurHash2 with the seed that Kafka's clients share.
const fn murmur2(mut bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_B28C;
    const MULTIPLIER: u32 = 0x5BD1_E995;
    // Lengths above 4 GiB cannot occur; the mask says so to the compiler.
    let length = (bytes.len() & 0xFFFF_FFFF) as u64;
    let (low, _) = split(length);
    let mut hash = SEED ^ low;
    while let Some((word, rest)) = bytes.split_first_chunk::<4>() {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        mixed ^= mixed >> 24;
        hash = hash.wrapping_mul(MULTIPLIER) ^ mixed.wrapping_mul(MULTIPLIER);
        bytes = rest;
    }
    let tail = match *bytes {
        [a, b, c] => u32::from_le_bytes([a, b, c, 0]),
        [a, b] => u32::from_le_bytes([a, b, 0, 0]),
        [a] => u32::from_le_bytes([a, 0, 0, 0]),
        _ => 0,
    };
    if !bytes.is_empty() {
        hash = (hash ^ tail).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

/// The low and the high half of 64 bits.
const fn split(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    )
}

#[cfg(test)]
mod tests {
    use super::{murmur2, partition_of};

    /// Records of one key must meet in one partition, whichever client wrote them. The expected
    /// numbers are those that Kafka's Java client computes.
    #[test]
    fn keys_hash_as_in_the_java_client() {
        let known: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
        ];
        for (key, expected) in known {
            assert_eq!(
                murmur2(key).cast_signed(),
                expected,
                "{}",
                key.escape_ascii()
            );
        }
        assert!(partition_of(b"21", 6).0 < 6);
    }
}
