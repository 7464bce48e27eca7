//! The story: a frame comes back as it was written, and of bytes that are no frame, or only a part
//! of one, nothing is believed.

use base::{Offset, PartitionIndex, Random, TopicPartition, Uuid};

use super::seeds;
use crate::journal::frame::{
    Content, Entry, FRAME_BYTES_MAX, FrameBuilder, FrameFault, HEADER_BYTES, Salt, Target, decode,
};

const SALT: Salt = Salt(0x5EED_0F5A_170F_1234);

fn random_partition(random: &mut Random) -> TopicPartition {
    let len = 1 + usize::try_from(random.below(249)).unwrap();
    TopicPartition {
        topic: "t".repeat(len),
        partition: PartitionIndex(i32::try_from(random.below(1 << 31)).unwrap()),
    }
}

/// What a random frame should be read as.
type Expected = Vec<(TopicPartition, Option<(Target, Vec<u8>)>)>;

fn random_frame(random: &mut Random, (generation, place): (u64, u64)) -> (Vec<u8>, Expected) {
    let mut builder = FrameBuilder::default();
    let mut expected = Expected::new();
    for _ in 0..1 + random.below(20) {
        let partition = random_partition(random);
        if random.chance(1, 6) {
            builder.push_void(&partition);
            expected.push((partition, None));
            continue;
        }
        let mut bytes = vec![0; usize::try_from(random.below(3_000)).unwrap()];
        random.fill(&mut bytes);
        let target = Target {
            topic_id: Uuid::random(random),
            base: Offset(i64::try_from(random.below(1 << 62)).unwrap()),
            position: random.next_u64(),
        };
        let cut = usize::try_from(random.below(bytes.len() as u64 + 1)).unwrap();
        let before = builder.len();
        let (front, back) = bytes.split_at(cut);
        builder.push_batches(&partition, target, &[front, back]);
        let grown = FrameBuilder::entry_bytes(partition.topic.len(), bytes.len());
        assert_eq!(builder.len() - before, grown);
        expected.push((partition, Some((target, bytes))));
    }
    (builder.finish(SALT, (generation, place)), expected)
}

fn told(entries: &[Entry<'_>]) -> Expected {
    let entries = entries.iter().map(|entry| {
        let content = match entry.content {
            Content::Void => None,
            Content::Batches { target, bytes } => Some((target, bytes.to_vec())),
        };
        (entry.partition.clone(), content)
    });
    entries.collect()
}

#[test]
fn a_frame_comes_back_whatever_follows_it() {
    for seed in seeds(1..=200) {
        let random = &mut Random::new(seed);
        let turn = (random.next_u64(), random.next_u64());
        let (mut bytes, expected) = random_frame(random, turn);
        let len = bytes.len();
        bytes.resize(len + usize::try_from(random.below(5_000)).unwrap(), 0xA5);
        let frame = decode(&bytes, SALT).unwrap_or_else(|fault| panic!("seed {seed}: {fault:?}"));
        assert_eq!((frame.generation, frame.place), turn, "seed {seed}");
        assert_eq!(frame.len, len, "seed {seed}");
        assert_eq!(told(&frame.entries), expected, "seed {seed}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    for seed in seeds(1..=300) {
        let random = &mut Random::new(seed);
        let (mut bytes, _) = random_frame(random, (1, 0));
        let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        bytes[at] ^= 1 << random.below(8);
        assert!(decode(&bytes, SALT).is_err(), "seed {seed}: byte {at}");
    }
}

#[test]
fn a_torn_frame_is_none() {
    for seed in seeds(1..=300) {
        let random = &mut Random::new(seed);
        let (bytes, _) = random_frame(random, (1, 0));
        let cut = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        let fault = decode(&bytes[..cut], SALT).expect_err("it is not whole");
        let expected = if cut < 4 {
            FrameFault::Magic
        } else {
            FrameFault::Length
        };
        assert_eq!(fault, expected, "seed {seed}: cut at {cut}");
        // Zeros, or what was there before, in place of the end.
        let mut torn = bytes.clone();
        torn[cut..].fill(0);
        assert!(torn == bytes || decode(&torn, SALT).is_err(), "seed {seed}");
    }
}

/// `bytes` with the checksum that belongs to them.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = crc32c::crc32c(&bytes[8..]).to_be_bytes();
    bytes[4..8].copy_from_slice(&checksum);
    bytes
}

#[test]
fn lengths_that_the_bytes_do_not_bear_out_are_refused() {
    let random = &mut Random::new(1);
    let (bytes, _) = random_frame(random, (1, 0));
    for len in [
        0,
        1,
        u32::try_from(HEADER_BYTES).unwrap() - 1,
        u32::try_from(FRAME_BYTES_MAX).unwrap() + 1,
        u32::MAX,
    ] {
        let mut lying = bytes.clone();
        lying[8..12].copy_from_slice(&len.to_be_bytes());
        assert_eq!(
            decode(&sealed(lying), SALT),
            Err(FrameFault::Length),
            "{len}"
        );
    }
    for count in [0, 1_000_000, u32::MAX] {
        let mut lying = bytes.clone();
        lying[12..16].copy_from_slice(&count.to_be_bytes());
        assert_eq!(
            decode(&sealed(lying), SALT),
            Err(FrameFault::Entry),
            "{count}"
        );
    }
}

#[test]
fn random_changes_with_a_right_checksum_never_panic() {
    for seed in seeds(1..=2_000) {
        let random = &mut Random::new(seed);
        let (mut bytes, _) = random_frame(random, (1, 0));
        for _ in 0..1 + random.below(4) {
            let at = 12 + usize::try_from(random.below(bytes.len() as u64 - 12)).unwrap();
            bytes[at] = u8::try_from(random.below(256)).unwrap();
        }
        // It may be a frame by chance; then it is one of the same length.
        if let Ok(frame) = decode(&sealed(bytes.clone()), SALT) {
            assert_eq!(frame.len, bytes.len(), "seed {seed}");
        }
    }
}
