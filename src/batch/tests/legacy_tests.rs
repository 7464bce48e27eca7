//! Old clients must read and write what they always did: Kafka's own bytes are the measure.

use super::{NOW, Plain, golden_of, rules, view};
use crate::legacy::{LegacyFault, MessageFormat, Reader, downgrade, message_format, upgrade};
use crate::{
    BatchBuilder, BatchError, BatchOptions, Codec, CodecError, ControlRecord, RefusalReason,
    Scratch, TimestampType, compress, decompress, recompress, records, stamp, stamp_timestamps,
    validate,
};
use base::{LeaderEpoch, Offset, Random, Timestamp};

const CODECS: [Codec; 4] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4];
const FORMATS: [MessageFormat; 2] = [MessageFormat::Zero, MessageFormat::One];
const PLAIN_BYTES_MAX: usize = 1 << 20;
const APPEND_TIME: Timestamp = Timestamp(1_700_000_000_777);

/// A message set as the classes of Kafka 4.3.1 wrote it.
fn old(codec: Codec, format: MessageFormat, suffix: &str) -> Vec<u8> {
    let name = format!("{codec}-{}{suffix}", format.magic());
    golden_of(include_str!("legacy.txt"), &name)
}

/// Timestamp, key and value.
type Fields<'a> = (i64, Option<&'a [u8]>, Option<&'a [u8]>);

fn known_records(format: MessageFormat) -> Vec<Plain> {
    let big: Vec<u8> = (0..300_u32)
        .map(|index| u8::try_from(index % 7).unwrap())
        .collect();
    let fields: [Fields<'_>; 3] = [
        (1_700_000_000_000, Some(b"key"), Some(b"value")),
        (1_700_000_000_005, None, Some(&big)),
        (1_699_999_999_990, Some(b"gone"), None),
    ];
    let records = fields.into_iter().map(|(timestamp, key, value)| Plain {
        timestamp: match format {
            MessageFormat::Zero => -1,
            MessageFormat::One => timestamp,
        },
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: vec![],
    });
    records.collect()
}

fn read(batch: &[u8]) -> Vec<Plain> {
    let mut scratch = Scratch::new();
    let records = records(&view(batch), &mut scratch, 1 << 24).unwrap();
    records.map(|record| record.unwrap().into()).collect()
}

fn reader(format: MessageFormat, from: i64) -> Reader {
    Reader {
        format,
        from: Offset(from),
        bytes_max: 1 << 20,
        at_least_one: true,
    }
}

/// What is behind the wrapper's head: for comparing sets whatever the compressor's mood.
fn unwrapped(set: &[u8], codec: Codec, format: MessageFormat) -> Vec<u8> {
    let head = if format == MessageFormat::Zero {
        26
    } else {
        34
    };
    let mut frame = set[head..].to_vec();
    if codec == Codec::Lz4 && format == MessageFormat::Zero {
        // The checksum that is right for these flags, as the set of format 1 has it.
        frame[6] = 0x82;
    }
    let mut plain = Vec::new();
    decompress(codec, &frame, PLAIN_BYTES_MAX, &mut plain).unwrap();
    plain
}

/// CRC-32, bit by bit: not the library that the product uses.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// A message by hand, so that each field can be wrong.
fn message(magic: u8, attributes: u8, key: Option<&[u8]>, value: Option<&[u8]>) -> Vec<u8> {
    let mut covered = vec![magic, attributes];
    if magic == 1 {
        covered.extend(NOW.0.to_be_bytes());
    }
    for field in [key, value] {
        let length = field.map_or(-1, |field| i32::try_from(field.len()).unwrap());
        covered.extend(length.to_be_bytes());
        covered.extend(field.unwrap_or_default());
    }
    sealed(&covered)
}

fn sealed(covered: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 8];
    message.extend(i32::try_from(covered.len() + 4).unwrap().to_be_bytes());
    message.extend(crc(covered).to_be_bytes());
    message.extend(covered);
    message
}

fn wrapper(magic: u8, codec: Codec, set: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    compress(codec.into(), set, &mut value).unwrap();
    message(magic, u8::try_from(codec.id()).unwrap(), None, Some(&value))
}

#[test]
fn sets_of_the_java_client_become_batches_that_the_broker_takes() {
    for (format, codec) in FORMATS.into_iter().flat_map(|f| CODECS.map(|c| (f, c))) {
        for suffix in ["", "-gaps"] {
            let set = old(codec, format, suffix);
            assert_eq!(message_format(&set), Some(format));
            let batch = upgrade(&set, PLAIN_BYTES_MAX).unwrap();
            let validated = validate(&batch, &rules(), &mut Scratch::new()).unwrap();
            assert_eq!((validated.codec, validated.record_count), (codec, 3));
            assert_eq!(validated.producer, None);
            assert_eq!(read(&batch), known_records(format), "{codec} {format:?}");
        }
    }
}

#[test]
fn a_batch_is_not_taken_for_a_message_set() {
    assert_eq!(message_format(&super::golden("none")), None);
    assert_eq!(message_format(&[0; 16]), None);
    assert_eq!(message_format(&[]), None);
}

/// As Kafka: only brokers choose append times.
#[test]
fn an_append_time_from_a_producer_is_refused_record_by_record() {
    for codec in CODECS {
        let error = upgrade(&old(codec, MessageFormat::One, "-append"), PLAIN_BYTES_MAX);
        let Err(BatchError::Refused(refusals)) = error else {
            panic!("{codec}: {error:?}");
        };
        assert_eq!((refusals.total, refusals.has_timestamp), (3, true));
        let reasons = refusals.records.iter().map(|refusal| refusal.reason);
        assert!(reasons.eq([RefusalReason::LogAppendTimeFromProducer; 3]));
    }
}

#[test]
fn several_messages_and_wrappers_become_one_batch() {
    let plain = message(1, 0, Some(b"a"), None);
    let inner = [
        message(1, 0, None, Some(b"b")),
        message(1, 0, None, Some(b"c")),
    ]
    .concat();
    let torn = &plain[..plain.len() - 1];
    let gzip = wrapper(1, Codec::Gzip, &inner);
    let set = [
        plain.as_slice(),
        &gzip,
        &message(0, 0, None, Some(b"d")),
        torn,
    ]
    .concat();
    let batch = upgrade(&set, PLAIN_BYTES_MAX).unwrap();
    assert_eq!(view(&batch).codec(), Ok(Codec::Gzip));
    let values: Vec<_> = read(&batch)
        .into_iter()
        .map(|record| record.value)
        .collect();
    let expected = [
        None,
        Some(b"b".to_vec()),
        Some(b"c".to_vec()),
        Some(b"d".to_vec()),
    ];
    assert_eq!(values, expected);
}

/// librdkafka before 0.9 wrote snappy blocks without the Java library's framing.
#[test]
fn a_bare_snappy_block_is_read() {
    let inner = message(0, 0, None, Some(b"bare"));
    let block = snap::raw::Encoder::new().compress_vec(&inner).unwrap();
    let set = message(0, 2, None, Some(&block));
    let batch = upgrade(&set, PLAIN_BYTES_MAX).unwrap();
    assert_eq!(read(&batch)[0].value, Some(b"bare".to_vec()));
}

#[test]
fn what_no_old_client_writes_is_refused() {
    let inner = message(1, 0, None, Some(b"v"));
    let nested = wrapper(1, Codec::Gzip, &wrapper(1, Codec::Gzip, &inner));
    let torn = wrapper(1, Codec::Snappy, &inner[..inner.len() - 1]);
    let mut damaged = inner.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let cases = [
        (nested, LegacyFault::WrapperNested),
        (torn, LegacyFault::WrapperTorn),
        (wrapper(0, Codec::Gzip, &inner), LegacyFault::WrapperMixed),
        (wrapper(1, Codec::Gzip, &[]), LegacyFault::WrapperEmpty),
        (message(1, 1, None, None), LegacyFault::WrapperWithoutValue),
        (wrapper(1, Codec::Zstd, &inner), LegacyFault::CodecTooNew),
        (sealed(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), LegacyFault::Fields),
        (sealed(&[0, 0, 0, 0, 0, 9, 0, 0, 0, 0]), LegacyFault::Fields),
        (
            sealed(&[0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]),
            LegacyFault::Fields,
        ),
        (
            sealed(&[0, 0, 0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0, 0]),
            LegacyFault::Fields,
        ),
        (
            sealed(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            LegacyFault::Fields,
        ),
    ];
    for (set, fault) in cases {
        let expected = Err(BatchError::Legacy(fault));
        assert_eq!(upgrade(&set, PLAIN_BYTES_MAX), expected, "{fault:?}");
    }
    let checksum = |set: &[u8]| {
        let error = upgrade(set, PLAIN_BYTES_MAX);
        assert!(
            matches!(error, Err(BatchError::Checksum { .. })),
            "{error:?}"
        );
    };
    checksum(&damaged);
    checksum(&wrapper(1, Codec::Lz4, &damaged));
    let unknown = message(1, 5, None, Some(b"v"));
    assert_eq!(
        upgrade(&unknown, PLAIN_BYTES_MAX),
        Err(BatchError::UnknownCodec { id: 5 })
    );
    let behind = [inner.as_slice(), &super::golden("none")].concat();
    assert_eq!(
        upgrade(&behind, PLAIN_BYTES_MAX),
        Err(BatchError::Magic { magic: 2 })
    );
    assert_eq!(
        upgrade(&inner[..20], PLAIN_BYTES_MAX),
        Err(BatchError::NoBatch)
    );
    let short = [&[0; 8][..], &13_i32.to_be_bytes(), &[0; 13]].concat();
    assert_eq!(
        upgrade(&short, PLAIN_BYTES_MAX),
        Err(BatchError::Length { length: 13 })
    );
}

/// A few kilobytes must not become gigabytes in the broker's memory.
#[test]
fn a_bomb_is_refused_at_the_limit() {
    let set = message(1, 0, None, Some(&vec![0; 8 << 20]));
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        let bomb = wrapper(1, codec, &set);
        let error = upgrade(&bomb, PLAIN_BYTES_MAX);
        assert!(
            matches!(error, Err(BatchError::Codec(CodecError::TooLarge { .. }))),
            "{codec}: {error:?}"
        );
    }
    let many = wrapper(
        1,
        Codec::Gzip,
        &message(1, 0, None, Some(&vec![0; 1 << 19])),
    )
    .repeat(9);
    let error = upgrade(&many, PLAIN_BYTES_MAX);
    assert!(
        matches!(error, Err(BatchError::TooLarge { .. })),
        "{error:?}"
    );
}

/// The known records at the offsets 100, 103 and 104, as compaction would leave them.
fn gapped(codec: Codec, appended: bool) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for record in known_records(MessageFormat::One) {
        record.append_to(&mut builder);
    }
    let mut batch = Vec::new();
    builder.build(&mut batch).unwrap();
    // Behind each length of one or two bytes: attributes, the time in one byte, the offset delta.
    let mut position = 61;
    for delta in [0, 3, 4] {
        let low = usize::from(batch[position]);
        let (length, bytes) = if low < 0x80 {
            (low / 2, 1)
        } else {
            ((low & 0x7F | usize::from(batch[position + 1]) << 7) / 2, 2)
        };
        batch[position + bytes + 2] = delta * 2;
        position += bytes + length;
    }
    assert_eq!(position, batch.len());
    batch[23..27].copy_from_slice(&4_i32.to_be_bytes());
    let (kind, max) = if appended {
        (TimestampType::LogAppendTime, APPEND_TIME)
    } else {
        (TimestampType::CreateTime, Timestamp(1_700_000_000_005))
    };
    stamp(&mut batch, Offset(100), LeaderEpoch(3));
    stamp_timestamps(&mut batch, kind, max);
    let mut compressed = Vec::new();
    recompress(
        &view(&batch),
        codec.into(),
        PLAIN_BYTES_MAX,
        &mut compressed,
    )
    .unwrap();
    compressed
}

#[test]
fn batches_become_the_sets_of_the_java_client() {
    for (format, codec) in FORMATS.into_iter().flat_map(|f| CODECS.map(|c| (f, c))) {
        for appended in [false, true] {
            let suffix = if appended && format == MessageFormat::One {
                "-gaps-append"
            } else {
                "-gaps"
            };
            let expected = old(codec, format, suffix);
            let mut set = Vec::new();
            let batch = gapped(codec, appended);
            let done = downgrade(&batch, &reader(format, 0), &mut set).unwrap();
            assert_eq!((done.next_offset, done.is_full), (Offset(105), false));
            if codec == Codec::None {
                assert_eq!(set, expected, "{format:?}");
                continue;
            }
            let heads = |set: &[u8]| {
                let time = if format == MessageFormat::One { 26 } else { 18 };
                (set[..8].to_vec(), set[16..time].to_vec())
            };
            assert_eq!(heads(&set), heads(&expected), "{codec} {format:?}");
            assert_eq!(crc(&set[16..]).to_be_bytes(), set[12..16]);
            let plain = unwrapped(&set, codec, format);
            assert_eq!(
                plain,
                unwrapped(&expected, codec, format),
                "{codec} {format:?}"
            );
            if codec == Codec::Lz4 {
                let head = if format == MessageFormat::Zero {
                    26
                } else {
                    34
                };
                assert_eq!(set[head..head + 7], expected[head..head + 7], "{format:?}");
            }
        }
    }
}

/// Nothing of an old format can carry what zstd makes, so its records travel plain.
#[test]
fn zstd_batches_become_plain_messages() {
    let mut set = Vec::new();
    let batch = gapped(Codec::Zstd, false);
    downgrade(&batch, &reader(MessageFormat::One, 0), &mut set).unwrap();
    assert_eq!(set, old(Codec::None, MessageFormat::One, "-gaps"));
}

#[test]
fn reading_begins_at_the_wanted_offset_inside_a_batch() {
    for codec in Codec::ALL {
        let batch = gapped(codec, false);
        for (from, expected) in [(100, 3), (101, 2), (103, 2), (104, 1), (105, 0)] {
            let mut set = Vec::new();
            downgrade(&batch, &reader(MessageFormat::One, from), &mut set).unwrap();
            let count = if set.is_empty() {
                0
            } else {
                read(&upgrade(&set, PLAIN_BYTES_MAX).unwrap()).len()
            };
            assert_eq!(count, expected, "{codec} from {from}");
        }
    }
}

/// Markers of transactions and of the log itself would look like records to an old client.
#[test]
fn control_batches_are_passed_over() {
    let mut builder = BatchBuilder::new(BatchOptions {
        is_control: true,
        is_transactional: true,
        base_offset: Offset(105),
        ..BatchOptions::default()
    });
    let marker = ControlRecord::Commit {
        coordinator_epoch: 1,
    };
    builder.append_control(NOW, &marker);
    let mut batches = gapped(Codec::None, false);
    builder.build(&mut batches).unwrap();
    let mut set = Vec::new();
    let done = downgrade(&batches, &reader(MessageFormat::One, 0), &mut set).unwrap();
    assert_eq!(set, old(Codec::None, MessageFormat::One, "-gaps"));
    assert_eq!(done.next_offset, Offset(106));
    set.clear();
    let done = downgrade(&batches, &reader(MessageFormat::Zero, 105), &mut set).unwrap();
    assert!(set.is_empty() && done.next_offset == Offset(106) && !done.is_full);
}

/// A log of random batches, read by old clients with little room.
struct Log {
    bytes: Vec<u8>,
    records: Vec<(i64, Plain)>,
}

fn random_log(random: &mut Random) -> Log {
    let mut log = Log {
        bytes: Vec::new(),
        records: Vec::new(),
    };
    let mut offset = 7;
    for _ in 0..12 {
        let codec = Codec::ALL[usize::try_from(random.below(5)).unwrap()];
        let mut builder = BatchBuilder::new(BatchOptions {
            compression: codec.into(),
            base_offset: Offset(offset),
            ..BatchOptions::default()
        });
        for _ in 0..=random.below(9) {
            let mut record = Plain::random(random);
            record.append_to(&mut builder);
            record.headers.clear();
            log.records.push((offset, record));
            offset += 1;
        }
        builder.build(&mut log.bytes).unwrap();
        offset += i64::try_from(random.below(3)).unwrap();
    }
    log
}

/// The offsets of a set as an old client takes them: from wrappers too.
fn offsets(set: &[u8], codec_of_inner: &mut Vec<i64>) {
    let mut rest = set;
    while !rest.is_empty() {
        let size = usize::try_from(i32::from_be_bytes(rest[8..12].try_into().unwrap())).unwrap();
        let offset = i64::from_be_bytes(rest[..8].try_into().unwrap());
        let (message, behind) = rest.split_at(12 + size);
        let (magic, attributes) = (message[16], message[17]);
        let format = MessageFormat::from_magic(magic).unwrap();
        match Codec::from_id(i16::from(attributes & 7)).unwrap() {
            Codec::None => codec_of_inner.push(offset),
            codec => {
                let mut frame = message.to_vec();
                if codec == Codec::Lz4 && magic == 0 {
                    assert_eq!(frame[32], 0x1A, "the checksum that old readers expect");
                }
                let inner = unwrapped(&frame, codec, format);
                frame.clear();
                let mut relative = Vec::new();
                offsets(&inner, &mut relative);
                let base = match format {
                    MessageFormat::Zero => 0,
                    MessageFormat::One => offset - relative.last().unwrap(),
                };
                codec_of_inner.extend(relative.iter().map(|relative| base + relative));
            }
        }
        rest = behind;
    }
}

/// Fetch by fetch an old consumer must see every record once and in order, however little it asks
/// for, and an old producer's copy of what it saw must hold the same records.
#[test]
fn old_consumers_see_every_record_once() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let log = random_log(&mut random);
        let format = FORMATS[usize::from(random.chance(1, 2))];
        let mut from = Offset(0);
        let mut seen = Vec::new();
        loop {
            let bytes_max = usize::try_from(random.below(9000)).unwrap();
            let reader = Reader {
                from,
                bytes_max,
                ..reader(format, 0)
            };
            let mut set = vec![0xAA];
            let done = downgrade(&log.bytes, &reader, &mut set).unwrap();
            let set = &set[1..];
            if set.is_empty() {
                assert!(!done.is_full, "seed {seed}: one message fits always");
                break;
            }
            let mut told = Vec::new();
            offsets(set, &mut told);
            assert!(
                set.len() <= bytes_max || told.len() == 1 || set[17] & 7 != 0,
                "seed {seed}: {} bytes for {bytes_max}",
                set.len()
            );
            let batch = upgrade(set, 1 << 24).unwrap();
            seen.extend(told.iter().copied().zip(read(&batch)));
            let last = Offset(*told.last().unwrap());
            assert!(done.next_offset > last, "seed {seed}");
            from = last.plus(1);
        }
        let mut expected = log.records;
        if format == MessageFormat::Zero {
            expected
                .iter_mut()
                .for_each(|(_, record)| record.timestamp = -1);
        }
        assert_eq!(seen, expected, "seed {seed}");
    }
}

/// With no room at all and nothing due, nothing is written.
#[test]
fn a_reader_without_room_gets_nothing() {
    for codec in Codec::ALL {
        let reader = Reader {
            bytes_max: 10,
            at_least_one: false,
            ..reader(MessageFormat::One, 0)
        };
        let mut set = Vec::new();
        let done = downgrade(&gapped(codec, false), &reader, &mut set).unwrap();
        assert!(set.is_empty() && done.is_full, "{codec}");
        assert_eq!(done.next_offset, Offset(100), "{codec}");
    }
}

/// Whatever arrives is refused or taken, and never harms: a changed byte is noticed unless it is
/// one that is not read.
#[test]
fn spoilt_sets_are_refused() {
    for seed in 0..800 {
        let mut random = Random::new(seed);
        let format = FORMATS[usize::from(random.chance(1, 2))];
        let codec = CODECS[usize::try_from(random.below(4)).unwrap()];
        let mut set = old(codec, format, "");
        let at = usize::try_from(random.below(set.len() as u64)).unwrap();
        let bit = 1 << random.below(8);
        set[at] ^= bit;
        if random.chance(1, 4) {
            let len = usize::try_from(random.below(set.len() as u64)).unwrap();
            set.truncate(len);
        }
        if let Ok(batch) = upgrade(&set, PLAIN_BYTES_MAX) {
            validate(&batch, &rules(), &mut Scratch::new()).unwrap();
            let expected = known_records(format);
            assert!(expected.starts_with(&read(&batch)), "seed {seed}");
        }
        // The same noise as stored batches: an error or a set, never a panic.
        let mut target = Vec::new();
        let mut batch = gapped(codec, false);
        let at = usize::try_from(random.below(batch.len() as u64)).unwrap();
        batch[at] ^= bit;
        if let Ok(done) = downgrade(&batch, &reader(format, 0), &mut target) {
            assert!(!done.is_full, "seed {seed}: there was room");
        }
        assert!(target.len() < 4096, "seed {seed}: {} bytes", target.len());
    }
}
