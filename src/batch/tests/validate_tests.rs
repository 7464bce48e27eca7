//! Every way in which a producer's batch may be wrong must be refused, and for the right reason.

use super::{NOW, batch_of, golden, rules};
use crate::layout::{self, HEADER_BYTES};
use crate::stamp::stamp_checksum;
use crate::{
    BatchBuilder, BatchError, BatchOptions, Codec, CodecError, RecordFault, RefusalReason, Rules,
    Scratch, TimestampType, Validated, stamp_timestamps, validate,
};
use base::{Offset, ProducerEpoch, ProducerId, Timestamp};

fn check(batch: &[u8], rules: &Rules) -> Result<Validated, BatchError> {
    validate(batch, rules, &mut Scratch::new())
}

/// The batch with `bytes` written at `at` and the checksum made right again: a lying producer.
fn forged(mut batch: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    stamp_checksum(&mut batch);
    batch
}

/// A header in front of `body`, claiming `count` records.
fn around(body: &[u8], count: i32, codec: Codec) -> Vec<u8> {
    let mut batch = batch_of(Codec::None, 1);
    batch.truncate(HEADER_BYTES);
    batch.extend_from_slice(body);
    let length = i32::try_from(batch.len() - 12).unwrap();
    batch[layout::LENGTH_AT..][..4].copy_from_slice(&length.to_be_bytes());
    batch[layout::ATTRIBUTES_AT..][..2].copy_from_slice(&codec.id().to_be_bytes());
    batch[layout::LAST_OFFSET_DELTA_AT..][..4].copy_from_slice(&(count - 1).to_be_bytes());
    forged(batch, layout::RECORD_COUNT_AT, &count.to_be_bytes())
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    for name in ["none", "zstd"] {
        let batch = golden(name);
        for bit in 0..batch.len() * 8 {
            let byte = bit / 8;
            if (layout::LEADER_EPOCH_AT..layout::MAGIC_AT).contains(&byte) {
                continue; // The broker overwrites the epoch, whatever a producer sends.
            }
            let mut flipped = batch.clone();
            flipped[byte] ^= 1 << (bit % 8);
            let error = check(&flipped, &rules()).unwrap_err();
            if byte >= layout::CRC_AT {
                assert!(
                    matches!(error, BatchError::Checksum { .. }),
                    "bit {bit}: {error}"
                );
            }
        }
    }
}

#[test]
fn there_must_be_exactly_one_batch_and_a_torn_second_one_is_passed_over() {
    let batch = batch_of(Codec::None, 2);
    assert_eq!(check(&[], &rules()), Err(BatchError::NoBatch));
    for cut in 1..batch.len() {
        assert_eq!(check(&batch[..cut], &rules()), Err(BatchError::NoBatch));
    }
    let twice = [batch.clone(), batch.clone()].concat();
    assert_eq!(check(&twice, &rules()), Err(BatchError::SeveralBatches));
    let torn = &twice[..twice.len() - 1];
    assert_eq!(check(torn, &rules()).unwrap().len, batch.len());
    let moved = forged(batch, 0, &5_i64.to_be_bytes());
    let base_offset = Offset(5);
    assert_eq!(
        check(&moved, &rules()),
        Err(BatchError::BaseOffset { base_offset })
    );
}

#[test]
fn lies_about_counts_are_found() {
    for codec in Codec::ALL {
        let batch = batch_of(codec, 3);
        assert_eq!(check(&batch, &rules()).unwrap().record_count, 3);
        for (count, last) in [
            (0, -1),
            (0, 2),
            (-1, -2),
            (3, 1),
            (2, 2),
            (3, i32::MAX),
            (i32::MIN, 2),
        ] {
            let lying = forged(
                batch.clone(),
                layout::RECORD_COUNT_AT,
                &i32::to_be_bytes(count),
            );
            let lying = forged(lying, layout::LAST_OFFSET_DELTA_AT, &i32::to_be_bytes(last));
            let error = check(&lying, &rules()).unwrap_err();
            assert!(
                matches!(error, BatchError::Count { .. }),
                "{count} {last}: {error}"
            );
        }
        let fewer = forged(batch.clone(), layout::RECORD_COUNT_AT, &2_i32.to_be_bytes());
        let fewer = forged(fewer, layout::LAST_OFFSET_DELTA_AT, &1_i32.to_be_bytes());
        assert_eq!(check(&fewer, &rules()), Err(BatchError::TrailingBytes));
        let more = forged(batch, layout::RECORD_COUNT_AT, &4_i32.to_be_bytes());
        let more = forged(more, layout::LAST_OFFSET_DELTA_AT, &3_i32.to_be_bytes());
        let fault = RecordFault::Truncated;
        assert_eq!(
            check(&more, &rules()),
            Err(BatchError::Record { index: 3, fault })
        );
    }
}

#[test]
fn malformed_records_are_found_in_every_codec() {
    let long = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
    let cases: [(&[u8], RecordFault); 9] = [
        (&[0x01], RecordFault::NegativeLength),
        (&long, RecordFault::VarintTooLong),
        (&[0x0C, 0, 0, 0, 1, 1], RecordFault::Truncated),
        (
            &[0x0C, 0, 0, 2, 1, 1, 0],
            RecordFault::OffsetDelta { found: 1 },
        ),
        (&[0x0C, 0, 0, 0, 1, 1, 1], RecordFault::NegativeHeaderCount),
        (&[0x10, 0, 0, 0, 1, 1, 2, 1, 1], RecordFault::NullHeaderKey),
        (&[0x0A, 0, 0, 0, 1, 1, 0], RecordFault::LengthMismatch),
        (&[0x0E, 0, 0, 0, 1, 1, 0, 0], RecordFault::LengthMismatch),
        (&[0x0C, 0, 0, 0, 0x7E, 1, 0], RecordFault::Truncated),
    ];
    for codec in Codec::ALL {
        for (plain, fault) in &cases {
            let mut body = Vec::new();
            crate::compress(codec.into(), plain, &mut body).unwrap();
            let error = check(&around(&body, 1, codec), &rules());
            let (index, fault) = (0, *fault);
            assert_eq!(
                error,
                Err(BatchError::Record { index, fault }),
                "{codec} {plain:?}"
            );
        }
        // The smallest record there is: everything null or zero.
        let mut body = Vec::new();
        crate::compress(codec.into(), &[0x0C, 0, 0, 0, 1, 1, 0], &mut body).unwrap();
        assert!(check(&around(&body, 1, codec), &rules()).is_ok(), "{codec}");
    }
}

/// What is read back from a disk was not validated there: a record must not claim an offset of
/// another batch, nor one twice. Compaction leaves gaps.
#[test]
fn offsets_that_are_read_back_rise_within_their_batch() {
    let record = |delta: u8| [0x0C, 0, 0, delta, 1, 1, 0];
    // As zigzag varints: 0, 1 and so on, and -1 for 0x01.
    for (deltas, found) in [
        ([0, 2, 2], Some(1)),
        ([2, 0, 4], Some(0)),
        ([0, 1, 2], Some(-1)),
    ] {
        let body: Vec<u8> = deltas.iter().flat_map(|delta| record(*delta)).collect();
        let batch = around(&body, 3, Codec::None);
        let mut scratch = Scratch::new();
        let view = super::view(&batch);
        let read: Result<Vec<_>, _> = crate::records(&view, &mut scratch, 1 << 20)
            .unwrap()
            .collect();
        let fault = match read {
            Err(BatchError::Record {
                fault: RecordFault::OffsetDelta { found },
                ..
            }) => Some(found),
            _ => None,
        };
        assert_eq!(fault, found, "{deltas:?}");
        assert!(crate::max_timestamp_record(&view, &mut scratch).is_err());
    }
    let body: Vec<u8> = [0, 4].iter().flat_map(|delta| record(*delta)).collect();
    let mut gap = around(&body, 2, Codec::None);
    gap[23..27].copy_from_slice(&2_i32.to_be_bytes());
    let mut scratch = Scratch::new();
    let view = super::view(&gap);
    let read = crate::records(&view, &mut scratch, 1 << 20).unwrap();
    let offsets: Vec<_> = read.map(|record| record.unwrap().offset.0).collect();
    assert_eq!(offsets, [0, 2]);
}

#[test]
fn a_compacted_topic_names_every_record_without_key() {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for index in 0..6_u8 {
        let key = (index % 2 == 0).then_some(b"k".as_slice());
        builder.append(NOW, key, Some(b"v"), &[]);
    }
    let mut batch = Vec::new();
    builder.build(&mut batch).unwrap();
    let compacted = Rules {
        compacted: true,
        ..rules()
    };
    assert!(check(&batch, &rules()).is_ok());
    let Err(BatchError::Refused(refusals)) = check(&batch, &compacted) else {
        panic!("records without key were taken");
    };
    let indexes: Vec<u32> = refusals
        .records
        .iter()
        .map(|refusal| refusal.index)
        .collect();
    assert_eq!(indexes, [1, 3, 5]);
    assert!(!refusals.has_timestamp && refusals.total == 3);
}

#[test]
fn timestamps_must_lie_within_the_topics_bounds() {
    let bounds = Rules {
        timestamp_before_max_ms: 1000,
        timestamp_after_max_ms: 500,
        ..rules()
    };
    for (delta, taken) in [(-1001, false), (-1000, true), (500, true), (501, false)] {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(NOW, None, None, &[]);
        builder.append(Timestamp(NOW.0 + delta), None, None, &[]);
        let mut batch = Vec::new();
        builder.build(&mut batch).unwrap();
        match check(&batch, &bounds) {
            Ok(_) => assert!(taken, "{delta}"),
            Err(BatchError::Refused(refusals)) => {
                assert!(!taken && refusals.has_timestamp && refusals.records[0].index == 1);
            }
            Err(error) => panic!("{error}"),
        }
        let append_time = Rules {
            timestamp_type: TimestampType::LogAppendTime,
            ..bounds
        };
        let validated = check(&batch, &append_time).unwrap();
        assert!(validated.needs_timestamps && validated.max_timestamp == NOW);
    }
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(Timestamp::NONE, None, None, &[]);
    let mut batch = Vec::new();
    builder.build(&mut batch).unwrap();
    assert_eq!(
        check(&batch, &bounds).unwrap().max_timestamp,
        Timestamp::NONE
    );
}

#[test]
fn claims_about_timestamps_are_corrected_or_refused_as_kafka_does() {
    let lying = forged(
        batch_of(Codec::None, 2),
        layout::MAX_TIMESTAMP_AT,
        &9_i64.to_be_bytes(),
    );
    let validated = check(&lying, &rules()).unwrap();
    assert!(validated.needs_timestamps && validated.max_timestamp == NOW);
    let mut corrected = lying;
    stamp_timestamps(
        &mut corrected,
        TimestampType::CreateTime,
        validated.max_timestamp,
    );
    assert_eq!(corrected, batch_of(Codec::None, 2));

    let mut claimed = batch_of(Codec::Gzip, 2);
    stamp_timestamps(&mut claimed, TimestampType::LogAppendTime, NOW);
    assert!(check(&claimed, &rules()).unwrap().needs_timestamps);
    let append_time = Rules {
        timestamp_type: TimestampType::LogAppendTime,
        ..rules()
    };
    let Err(BatchError::Refused(refusals)) = check(&claimed, &append_time) else {
        panic!("a producer stamped for the broker");
    };
    assert_eq!(
        refusals.records[0].reason,
        RefusalReason::LogAppendTimeFromProducer
    );
}

#[test]
fn size_producer_and_codec_are_checked() {
    let batch = batch_of(Codec::None, 3);
    let small = Rules {
        batch_bytes_max: batch.len() - 1,
        ..rules()
    };
    assert!(matches!(
        check(&batch, &small),
        Err(BatchError::TooLarge { .. })
    ));
    let exact = Rules {
        batch_bytes_max: batch.len(),
        ..rules()
    };
    assert!(check(&batch, &exact).is_ok());
    let numbered = forged(batch.clone(), layout::PRODUCER_ID_AT, &7_i64.to_be_bytes());
    assert!(matches!(
        check(&numbered, &rules()),
        Err(BatchError::Sequence { .. })
    ));
    let numbered = forged(numbered, layout::BASE_SEQUENCE_AT, &i32::MAX.to_be_bytes());
    let producer = check(&numbered, &rules()).unwrap().producer.unwrap();
    assert_eq!(
        (producer.id, producer.epoch),
        (ProducerId(7), ProducerEpoch(-1))
    );
    assert_eq!(
        (producer.first_sequence, producer.last_sequence),
        (i32::MAX, 1)
    );
    for id in 5..8_i16 {
        let unknown = forged(batch.clone(), layout::ATTRIBUTES_AT, &id.to_be_bytes());
        assert_eq!(
            check(&unknown, &rules()),
            Err(BatchError::UnknownCodec { id })
        );
    }
}

#[test]
fn bombs_go_off_in_one_window() {
    // One record with 64 MiB of zeros, compressed to next to nothing.
    let zeros = vec![0; 64 << 20];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut builder = BatchBuilder::new(BatchOptions {
            compression: codec.into(),
            ..BatchOptions::default()
        });
        builder.append(NOW, None, Some(&zeros), &[]);
        let mut batch = Vec::new();
        builder.build(&mut batch).unwrap();
        let limits = Rules {
            batch_bytes_max: usize::MAX,
            ..rules()
        };
        assert!(check(&batch, &limits).is_ok(), "{codec}");
        let per_record = Rules {
            record_bytes_max: 1 << 20,
            ..limits
        };
        let error = check(&batch, &per_record).unwrap_err();
        let too_large = |error: &BatchError| {
            matches!(
                error,
                BatchError::Record {
                    fault: RecordFault::TooLarge { .. },
                    ..
                }
            )
        };
        assert!(too_large(&error), "{codec}: {error}");
        let in_all = Rules {
            decompressed_bytes_max: 1 << 20,
            ..limits
        };
        let error = check(&batch, &in_all).unwrap_err();
        let capped =
            |error: &BatchError| matches!(error, BatchError::Codec(CodecError::TooLarge { .. }));
        assert!(capped(&error), "{codec}: {error}");
    }
}
