//! Clients from before Kafka 0.11 write and read as they always did, beside the newest ones, and
//! are told so where they are not served.
//!
//! What old producers send here was written by the classes of Kafka 4.3.1.

use base::{ErrorCode, Offset};
use batch::legacy::upgrade;
use batch::{BatchBuilder, BatchOptions, Batches, Codec, Header, Scratch};
use wire::create_topics::{CreatableTopic, CreateTopicsRequest};
use wire::delete_topics::DeleteTopicsRequest;
use wire::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use wire::fetch::FetchRequest;
use wire::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use wire::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use wire::produce::ProduceRequest;

use crate::connection::Connection;
use crate::log::{self, EARLIEST, LATEST};
use crate::server::Server;
use crate::topics::{self, Topic};

const SETS: &str = include_str!("../../src/batch/tests/legacy.txt");
const CODECS: [&str; 4] = ["none", "gzip", "snappy", "lz4"];
const PLAIN_BYTES_MAX: usize = 1 << 20;
const TOPIC_RESOURCE: i8 = 2;

/// Key and value of a record.
type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The three records of every set.
fn pairs() -> Vec<Pair> {
    let big = (0..300_u32).map(|index| (index % 7) as u8).collect();
    vec![
        (Some(b"key".to_vec()), Some(b"value".to_vec())),
        (None, Some(big)),
        (Some(b"gone".to_vec()), None),
    ]
}

fn set(codec: &str, magic: i16) -> Vec<u8> {
    let name = format!("{codec}-{magic}");
    let mut sets = SETS.lines().filter_map(|line| line.split_once(' '));
    let (_, hex) = sets.find(|(known, _)| *known == name).unwrap();
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The offset in front of the first message, which in a set without wrappers is a record's.
fn first_offset(set: &[u8]) -> i64 {
    i64::from_be_bytes(set[..8].try_into().unwrap())
}

fn read_batch(bytes: &[u8]) -> Vec<Pair> {
    let mut scratch = Scratch::new();
    let mut found = Vec::new();
    for batch in Batches::new(bytes).map(Result::unwrap) {
        let records = batch::records(&batch, &mut scratch, PLAIN_BYTES_MAX).unwrap();
        for record in records {
            let record = record.unwrap();
            found.push((
                record.key.map(<[u8]>::to_vec),
                record.value.map(<[u8]>::to_vec),
            ));
        }
    }
    found
}

/// A broker that serves them, or nothing: the broker under test may be a Kafka of today.
fn serving(name: &str) -> Option<(Server, Connection)> {
    let server = Server::any(name);
    let connection = server.connect();
    if connection.versions::<FetchRequest<'_>>().min > 0 {
        println!("{name}: skipped, for the broker serves no old versions");
        return None;
    }
    Some((server, connection))
}

fn produce(connection: &mut Connection, topic: &Topic, version: i16, set: &[u8]) -> (i16, i64) {
    let request = topics::produce_request(topic, 0, -1, version, set);
    let appended = topics::appended(&connection.call(version, &request));
    (appended.error_code, appended.base_offset)
}

#[test]
fn what_old_producers_write_is_read_by_all() {
    let Some((_server, mut connection)) = serving("legacy") else {
        return;
    };
    let topic = topics::create(&mut connection, "legacy", 1);
    let mut expected = Vec::new();
    for version in 0..3 {
        for magic in 0..2 {
            for codec in CODECS {
                let offset = expected.len() as i64;
                let answer = produce(&mut connection, &topic, version, &set(codec, magic));
                assert_eq!(answer, (0, offset), "version {version}, {codec}-{magic}");
                expected.extend(pairs());
            }
        }
    }
    let fetched = log::fetch_at(&mut connection, (&topic, 0), 0);
    assert_eq!(read_batch(&fetched.records), expected);
    for version in 0..4 {
        let request = log::fetch_request(&topic, 0, 0, version);
        let fetched = log::fetched(&connection.call(version, &request));
        assert_eq!(fetched.high_watermark, expected.len() as i64);
        assert_eq!(
            fetched.records[16],
            (version / 2) as u8,
            "format of version {version}"
        );
        let batch = upgrade(&fetched.records, PLAIN_BYTES_MAX).unwrap();
        assert_eq!(read_batch(&batch), expected, "version {version}");
    }
}

/// Old consumers go through a log of today batch by batch, however small the bites.
#[test]
fn old_consumers_read_what_new_producers_write() {
    let Some((_server, mut connection)) = serving("bites") else {
        return;
    };
    let topic = topics::create(&mut connection, "bites", 1);
    let mut expected = Vec::new();
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::new(BatchOptions {
            compression: codec.into(),
            ..BatchOptions::default()
        });
        for index in 0..20 {
            let pair = (
                None,
                Some(format!("{codec} {index}").repeat(40).into_bytes()),
            );
            let header = Header {
                key: b"h",
                value: None,
            };
            builder.append(
                base::Timestamp(1_700_000_000_000),
                None,
                pair.1.as_deref(),
                &[header],
            );
            expected.push(pair);
        }
        let mut batch = Vec::new();
        builder.build(&mut batch).unwrap();
        assert_eq!(
            topics::append(&mut connection, (&topic, 0), &batch).error_code,
            0
        );
    }
    for version in 0..4 {
        let mut next = Offset(0);
        let mut found = Vec::new();
        while found.len() < expected.len() {
            let mut request = log::fetch_request(&topic, 0, next.0, version);
            request.topics[0].partitions[0].partition_max_bytes = 700;
            let fetched = log::fetched(&connection.call(version, &request));
            assert_eq!(fetched.error_code, 0);
            assert!(
                !fetched.records.is_empty(),
                "version {version} stopped at {next}"
            );
            if fetched.records[17] & 7 == 0 {
                assert_eq!(first_offset(&fetched.records), next.0, "version {version}");
            }
            let batch = upgrade(&fetched.records, PLAIN_BYTES_MAX).unwrap();
            let read = read_batch(&batch);
            next = Offset(next.0 + read.len() as i64);
            found.extend(read);
        }
        assert_eq!(found, expected, "version {version}");
    }
}

#[test]
fn damaged_sets_are_refused_and_the_connection_goes_on() {
    let Some((_server, mut connection)) = serving("damaged") else {
        return;
    };
    let topic = topics::create(&mut connection, "damaged", 1);
    let mut damaged = set("gzip", 1);
    *damaged.last_mut().unwrap() ^= 1;
    let corrupt = ErrorCode::CorruptMessage.code();
    assert_eq!(produce(&mut connection, &topic, 2, &damaged), (corrupt, -1));
    // What claims to be from version 3 on brings batches, and nothing else.
    let invalid = ErrorCode::InvalidRecord.code();
    assert_eq!(
        produce(&mut connection, &topic, 3, &set("none", 1)),
        (invalid, -1)
    );
    assert_eq!(produce(&mut connection, &topic, 2, &set("none", 1)), (0, 0));
}

#[test]
fn segments_are_listed_for_version_0() {
    let Some((_server, mut connection)) = serving("lists") else {
        return;
    };
    let topic = topics::create(&mut connection, "lists", 1);
    let list = |connection: &mut Connection, timestamp, count| {
        let partition = ListOffsetsPartition {
            timestamp,
            max_num_offsets: count,
            current_leader_epoch: -1,
            ..Default::default()
        };
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic {
                name: topic.name.as_str().into(),
                partitions: vec![partition],
            }],
            ..Default::default()
        };
        let answer = connection.call(0, &request);
        let response = answer.read::<ListOffsetsRequest<'_>>();
        let partition = &response.topics[0].partitions[0];
        assert_eq!(partition.error_code, 0);
        partition.old_style_offsets.clone()
    };
    assert_eq!(list(&mut connection, LATEST, 5), [0]);
    assert_eq!(produce(&mut connection, &topic, 0, &set("none", 0)), (0, 0));
    assert_eq!(list(&mut connection, LATEST, 5), [3, 0]);
    assert_eq!(list(&mut connection, LATEST, 1), [3]);
    assert_eq!(list(&mut connection, EARLIEST, 5), [0]);
    assert_eq!(list(&mut connection, i64::MAX, 5), [3, 0]);
    assert_eq!(list(&mut connection, 5, 5), [0_i64; 0]);
}

#[test]
fn old_administrators_are_served() {
    let Some((_server, mut connection)) = serving("administrators") else {
        return;
    };
    for version in 0..2 {
        let name = format!("old-admin-{version}-{}", std::process::id());
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: name.as_str().into(),
                num_partitions: 1,
                replication_factor: 1,
                ..Default::default()
            }],
            timeout_ms: 30_000,
            ..Default::default()
        };
        let answer = connection.call(version, &request);
        let created = answer.read::<CreateTopicsRequest<'_>>();
        assert_eq!(created.topics[0].error_code, 0, "version {version}");
        let resource = DescribeConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: name.as_str().into(),
            configuration_keys: None,
        };
        let request = DescribeConfigsRequest {
            resources: vec![resource],
            ..Default::default()
        };
        let answer = connection.call(0, &request);
        let described = answer.read::<DescribeConfigsRequest<'_>>();
        let configs = &described.results[0].configs;
        let retention = configs.iter().find(|entry| entry.name == "retention.ms");
        assert!(retention.unwrap().is_default);
        let request = OffsetForLeaderEpochRequest {
            topics: vec![OffsetForLeaderTopic {
                topic: name.as_str().into(),
                partitions: vec![OffsetForLeaderPartition {
                    current_leader_epoch: -1,
                    ..Default::default()
                }],
            }],
            ..Default::default()
        };
        let answer = connection.call(version, &request);
        let ends = answer.read::<OffsetForLeaderEpochRequest<'_>>();
        let end = &ends.topics[0].partitions[0];
        assert_eq!(
            (end.error_code, end.end_offset),
            (0, 0),
            "version {version}"
        );
        let request = DeleteTopicsRequest {
            topic_names: vec![name.as_str().into()],
            timeout_ms: 30_000,
            ..Default::default()
        };
        let answer = connection.call(0, &request);
        let deleted = answer.read::<DeleteTopicsRequest<'_>>();
        assert_eq!(deleted.responses[0].error_code, 0);
    }
}

/// The operator's switch: what Kafka 4 refuses is refused, and listed as Kafka 4 lists it.
#[test]
fn without_the_switch_old_versions_are_not_served() {
    let settings = ["forebay.legacy.protocol.enable=false"];
    let Some(server) = Server::own("switch", &settings) else {
        return;
    };
    let mut connection = server.connect();
    assert_eq!(connection.versions::<FetchRequest<'_>>().min, 4);
    assert_eq!(connection.versions::<ListOffsetsRequest<'_>>().min, 1);
    // librdkafka before 2.11 must go on believing that it can produce.
    assert_eq!(connection.versions::<ProduceRequest<'_>>().min, 0);
    let topic = topics::create(&mut connection, "switch", 1);
    let refused = ErrorCode::UnsupportedVersion.code().to_be_bytes();
    for version in 0..3 {
        let request = topics::produce_request(&topic, 0, -1, version, &[]);
        let (_, frame) = connection.prepare(version, &request);
        connection.send_bytes(&frame).unwrap();
        let answer = connection.receive_frame().unwrap();
        assert_eq!(answer[4..], refused, "Produce {version}");
        let request = log::fetch_request(&topic, 0, 0, version);
        let (_, frame) = connection.prepare(version, &request);
        connection.send_bytes(&frame).unwrap();
        let answer = connection.receive_frame().unwrap();
        assert_eq!(answer[4..], refused, "Fetch {version}");
    }
    let batch = crate::records::Writer::new(1, 100).batch(1);
    assert_eq!(
        topics::append(&mut connection, (&topic, 0), &batch.bytes).error_code,
        0
    );
}
