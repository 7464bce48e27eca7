//! Records as Apache Kafka wrote them to its logs.
//!
//! Story: tools read internal topics, and a migration reads another broker's logs; both must find
//! Kafka's own bytes, envelopes included.

use super::captures::unhex;
use super::golden::folder;
use super::round_trip::encoded;
use super::samples::RECORDS;
use crate::record::consumer_offsets_offset_commit::OffsetCommitValue;
use crate::{
    ConsumerOffsetsKey, Fault, MetadataRecord, TransactionStateKey, decode_versioned,
    encode_versioned,
};
use std::collections::BTreeSet;

/// A value that begins with its version, decoded by the name of its schema and encoded again.
fn check_value(key_name: &str, value: &[u8]) {
    let name = key_name.replace("Key", "Value");
    let record = RECORDS.iter().find(|record| record.name == name).unwrap();
    let (version, body) = value.split_first_chunk::<2>().unwrap();
    let version = i16::from_be_bytes(*version);
    let message = (record.decode)(body, version).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(encoded(&*message, version), body, "{message:?}");
    assert_eq!(encode_versioned(&*message, version).unwrap(), value);
}

#[test]
fn what_kafka_wrote_to_its_logs_is_read_and_written_alike() {
    let text = std::fs::read_to_string(folder().join("captures/records.txt")).unwrap();
    let mut kinds = BTreeSet::new();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for capture in lines.chunks(3) {
        let [log, key, value] = capture else {
            panic!("a capture has three lines: {capture:?}");
        };
        let (key, value) = (unhex(key), unhex(value));
        let kind = match *log {
            "== cluster_metadata" => {
                let (version, record) = MetadataRecord::decode(&value).unwrap();
                assert_eq!(record.encode(version).unwrap(), value, "{record:?}");
                record.message().schema().name
            }
            "== consumer_offsets" => {
                let decoded = ConsumerOffsetsKey::decode(&key).unwrap();
                assert_eq!(decoded.encode().unwrap(), key, "{decoded:?}");
                decoded.message().schema().name
            }
            "== transaction_state" => {
                let decoded = TransactionStateKey::decode(&key).unwrap();
                assert_eq!(decoded.encode().unwrap(), key, "{decoded:?}");
                decoded.message().schema().name
            }
            other => panic!("{other} is not a log"),
        };
        if !key.is_empty() && !value.is_empty() {
            check_value(kind, &value);
        }
        kinds.insert(kind);
    }
    assert!(kinds.len() >= 15, "{kinds:?}");
}

#[test]
fn an_envelope_of_the_future_is_refused_by_name() {
    let fault = |bytes: &[u8]| MetadataRecord::decode(bytes).unwrap_err().fault;
    assert_eq!(fault(&[2, 20, 0, 0]), Fault::VersionUnknown { version: 2 });
    assert_eq!(fault(&[1, 99, 0, 0]), Fault::RecordUnknown { key: 99 });
    assert_eq!(fault(&[1, 20, 1, 0]), Fault::VersionUnknown { version: 1 });
    assert_eq!(fault(&[1, 20, 0, 0, 0]), Fault::TrailingBytes { left: 1 });
    MetadataRecord::decode(&[1, 20, 0, 0]).unwrap();
}

#[test]
fn an_offset_commit_can_be_written_as_monitors_read_it() {
    // Version 3 is the last that Burrow and KMinion read; it has no tagged fields.
    let value = OffsetCommitValue {
        offset: 7,
        leader_epoch: 2,
        metadata: "m".into(),
        commit_timestamp: 9,
        ..OffsetCommitValue::default()
    };
    let bytes = encode_versioned(&value, 3).unwrap();
    let expected = [
        &[0, 3][..],
        &7_i64.to_be_bytes(),
        &2_i32.to_be_bytes(),
        &[0, 1, b'm'],
        &9_i64.to_be_bytes(),
    ];
    assert_eq!(bytes, expected.concat());
    assert_eq!(decode_versioned(&bytes), Ok((3, value)));
}
