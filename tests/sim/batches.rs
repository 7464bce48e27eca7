//! Batches of named records, written and read.

use base::{Offset, ProducerEpoch, ProducerId, Random, Timestamp};
use batch::{BatchBuilder, BatchOptions, Batches, Codec, Compression, Scratch, records};

use crate::history::Name;

/// More than any batch here unpacks to.
const PLAIN_BYTES_MAX: usize = 64 << 20;

/// The options of a producer's batch that begins at `place`; `id` is negative without idempotence.
pub(crate) fn options(id: i64, place: u32, random: &mut Random) -> BatchOptions {
    let codecs = [
        Codec::None,
        Codec::None,
        Codec::Lz4,
        Codec::Zstd,
        Codec::Snappy,
        Codec::Gzip,
    ];
    let codec = codecs[usize::try_from(random.below(codecs.len() as u64)).unwrap()];
    let is_idempotent = id >= 0;
    BatchOptions {
        compression: Compression {
            codec,
            ..Compression::default()
        },
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(if is_idempotent { 0 } else { -1 }),
        base_sequence: if is_idempotent {
            i32::try_from(place).unwrap()
        } else {
            -1
        },
        ..BatchOptions::default()
    }
}

/// Appends `count` records of `producer` from `place` on.
pub(crate) fn fill(
    builder: &mut BatchBuilder,
    producer: u32,
    place: u32,
    count: u32,
    now: Timestamp,
) {
    for place in place..place + count {
        let name = Name { producer, place };
        builder.append(now, None, Some(&name.value()), &[]);
    }
}

/// The records of some batches, with their offsets; a torn batch at the end is left out.
pub(crate) fn read(bytes: &[u8]) -> Vec<(Offset, Name)> {
    let mut found = Vec::new();
    let mut scratch = Scratch::new();
    for view in Batches::new(bytes) {
        let view = view.expect("what was read consists of batches");
        view.verify_checksum().expect("what was read is intact");
        for record in records(&view, &mut scratch, PLAIN_BYTES_MAX).expect("readable records") {
            let record = record.expect("a readable record");
            found.push((
                record.offset,
                Name::of(record.value.expect("records have values")),
            ));
        }
    }
    found
}
