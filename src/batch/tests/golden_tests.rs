//! Kafka's own bytes must be read as Kafka reads them, and ours must be Kafka's.

use super::{Plain, golden, rules, view};
use crate::{
    BatchBuilder, BatchError, BatchOptions, Codec, ControlRecord, Scratch, TimestampType,
    first_at_or_after, max_timestamp_record, records, stamp, stamp_log_append_time, validate,
};
use base::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Timestamp};

fn golden_records() -> Vec<Plain> {
    let big: Vec<u8> = (0..300_u32)
        .map(|index| u8::try_from(index % 7).unwrap())
        .collect();
    vec![
        Plain {
            timestamp: 1_700_000_000_000,
            key: Some(b"key".to_vec()),
            value: Some(b"value".to_vec()),
            headers: vec![],
        },
        Plain {
            timestamp: 1_700_000_000_005,
            key: None,
            value: Some(big),
            headers: vec![
                (b"h".to_vec(), Some(b"1".to_vec())),
                (b"h".to_vec(), None),
                (b"".to_vec(), Some(b"x".to_vec())),
            ],
        },
        Plain {
            timestamp: 1_699_999_999_990,
            key: Some(b"gone".to_vec()),
            value: None,
            headers: vec![],
        },
    ]
}

#[test]
fn batches_of_the_java_client_validate_and_read_back_in_every_codec() {
    let mut scratch = Scratch::new();
    for codec in Codec::ALL {
        let batch = golden(codec.name());
        let validated = validate(&batch, &rules(), &mut scratch).unwrap();
        assert_eq!(validated.codec, codec);
        assert_eq!(validated.record_count, 3);
        assert_eq!(validated.max_timestamp, Timestamp(1_700_000_000_005));
        assert!(!validated.needs_timestamps);
        let read = records(&view(&batch), &mut scratch, 1 << 20).unwrap();
        let read: Vec<Plain> = read.map(|record| record.unwrap().into()).collect();
        assert_eq!(read, golden_records(), "{codec}");
    }
}

#[test]
fn our_builder_writes_the_bytes_of_the_java_client() {
    let producers = [
        (-1, -1, -1, false),
        (4711, 3, 17, false),
        (4711, 3, 17, true),
    ];
    for (name, (id, epoch, sequence, is_transactional)) in ["none", "idempotent", "transactional"]
        .into_iter()
        .zip(producers)
    {
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: ProducerId(id),
            producer_epoch: ProducerEpoch(epoch),
            base_sequence: sequence,
            is_transactional,
            ..BatchOptions::default()
        });
        golden_records()
            .iter()
            .for_each(|record| record.append_to(&mut builder));
        let mut built = Vec::new();
        builder.build(&mut built).unwrap();
        assert_eq!(built, golden(name), "{name}");
    }
}

#[test]
fn control_batches_are_those_of_kafka() {
    let (voters, granting_voters) = (vec![NodeId(1)], vec![NodeId(1)]);
    let leader = NodeId(1);
    let last_contained_log_timestamp = Timestamp(77);
    let cases = [
        (
            "commit",
            ControlRecord::Commit {
                coordinator_epoch: 9,
            },
        ),
        (
            "abort",
            ControlRecord::Abort {
                coordinator_epoch: 9,
            },
        ),
        (
            "leader-change",
            ControlRecord::LeaderChange {
                leader,
                voters,
                granting_voters,
            },
        ),
        (
            "snapshot-header",
            ControlRecord::SnapshotHeader {
                last_contained_log_timestamp,
            },
        ),
        ("snapshot-footer", ControlRecord::SnapshotFooter),
        ("kraft-version", ControlRecord::KRaftVersion { level: 1 }),
    ];
    let mut scratch = Scratch::new();
    for (name, control) in cases {
        let expected = golden(name);
        let theirs = view(&expected);
        let mut builder = BatchBuilder::new(BatchOptions {
            base_offset: theirs.base_offset(),
            leader_epoch: theirs.leader_epoch(),
            producer_id: theirs.producer_id(),
            producer_epoch: theirs.producer_epoch(),
            is_transactional: theirs.attributes().is_transactional(),
            is_control: true,
            ..BatchOptions::default()
        });
        builder.append_control(Timestamp(1_700_000_000_000), &control);
        let mut built = Vec::new();
        builder.build(&mut built).unwrap();
        assert_eq!(built, expected, "{name}");
        let record = records(&theirs, &mut scratch, 1 << 16)
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let parsed = ControlRecord::parse(record.key, record.value).unwrap();
        assert_eq!(parsed.kind(), control.kind());
        if !matches!(control, ControlRecord::LeaderChange { .. }) {
            assert_eq!(parsed, control);
        }
    }
}

#[test]
fn clients_may_send_neither_control_batches_nor_old_formats() {
    let mut scratch = Scratch::new();
    let mut commit = golden("commit");
    commit[..8].fill(0);
    let refused = validate(&commit, &rules(), &mut scratch);
    assert_eq!(refused, Err(BatchError::ControlBatch));
    for magic in [0, 1] {
        let old = golden(&format!("magic{magic}"));
        let refused = validate(&old, &rules(), &mut scratch);
        assert_eq!(refused, Err(BatchError::Magic { magic }));
    }
}

#[test]
fn stamping_leaves_the_checksum_alone_and_append_time_renews_it() {
    let mut batch = golden("lz4");
    stamp(&mut batch, Offset(1234), LeaderEpoch(7));
    let stamped = view(&batch);
    assert_eq!(
        (stamped.base_offset(), stamped.leader_epoch()),
        (Offset(1234), LeaderEpoch(7))
    );
    assert_eq!(stamped.last_offset(), Offset(1236));
    stamped.verify_checksum().unwrap();

    let mut batch = golden("none");
    let now = view(&golden("logappend")).max_timestamp();
    stamp_log_append_time(&mut batch, now);
    assert_eq!(batch, golden("logappend"));
    let mut scratch = Scratch::new();
    for record in records(&view(&batch), &mut scratch, 1 << 20).unwrap() {
        assert_eq!(record.unwrap().timestamp, now);
    }
    assert_eq!(
        view(&batch).attributes().timestamp_type(),
        TimestampType::LogAppendTime
    );
}

#[test]
fn records_are_found_by_their_time() {
    let mut scratch = Scratch::new();
    for codec in Codec::ALL {
        let mut batch = golden(codec.name());
        stamp(&mut batch, Offset(10), LeaderEpoch(0));
        let view = view(&batch);
        let mut first = |time, from| {
            let found = first_at_or_after(&view, Timestamp(time), Offset(from), &mut scratch);
            found.unwrap().map(|found| found.offset.0)
        };
        assert_eq!(first(0, 0), Some(10));
        assert_eq!(first(0, 11), Some(11));
        assert_eq!(first(1_700_000_000_001, 0), Some(11));
        assert_eq!(first(1_700_000_000_001, 12), None);
        assert_eq!(first(1_700_000_000_006, 0), None);
        let max = max_timestamp_record(&view, &mut scratch).unwrap().unwrap();
        assert_eq!(
            (max.offset, max.timestamp),
            (Offset(11), Timestamp(1_700_000_000_005))
        );
    }
}
