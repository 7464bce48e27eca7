//! Every version that is served is spoken: what one client writes in its version, every other
//! client reads in its own.

use batch::{Batches, Codec};
use wire::api_versions::ApiVersionsRequest;
use wire::fetch::FetchRequest;
use wire::list_offsets::ListOffsetsRequest;
use wire::metadata::MetadataRequest;
use wire::produce::ProduceRequest;

use crate::connection::Connection;
use crate::log::{self, EARLIEST, LATEST};
use crate::records::Writer;
use crate::server::Server;
use crate::topics;

/// The first version that carries batches of format 2; older ones would need a conversion.
const PRODUCE_BATCHES_MIN: i16 = 3;
const FETCH_BATCHES_MIN: i16 = 4;
/// The first version with topic ids.
const METADATA_IDS_MIN: i16 = 10;
const UNSUPPORTED_VERSION: i16 = 35;

/// A topic written by a mix of old and new producers must read the same for all consumers.
#[test]
fn every_version_of_produce_is_read_by_every_version_of_fetch() {
    let server = Server::any("versions");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "versions", 1);
    let mut writer = Writer::new(7, 100);
    let mut expected = 0;
    let produce = connection.versions::<ProduceRequest<'_>>();
    for version in produce
        .iter()
        .filter(|version| *version >= PRODUCE_BATCHES_MIN)
    {
        for codec in Codec::ALL {
            // KIP-110: zstd came with version 7, older clients could not read it.
            if codec == Codec::Zstd && version < 7 {
                continue;
            }
            writer.codec = codec;
            let batch = writer.batch(10);
            let request = topics::produce_request(&topic, 0, -1, version, &batch.bytes);
            let appended = topics::appended(&connection.call(version, &request));
            assert_eq!(
                appended.error_code,
                0,
                "version {version}, {}",
                codec.name()
            );
            assert_eq!(appended.base_offset, expected, "version {version}");
            expected += 10;
        }
    }
    let fetch = connection.versions::<FetchRequest<'_>>();
    for version in fetch.iter().filter(|version| *version >= FETCH_BATCHES_MIN) {
        let request = log::fetch_request(&topic, 0, 0, version);
        let fetched = log::fetched(&connection.call(version, &request));
        // KIP-110: consumers below version 10 cannot read zstd and are told so.
        if version < 10 && fetched.error_code != 0 {
            assert_eq!(fetched.error_code, 76, "version {version}");
            continue;
        }
        assert_eq!(fetched.error_code, 0, "version {version}");
        assert_eq!(fetched.high_watermark, expected);
        let batches = Batches::new(&fetched.records).map(Result::unwrap);
        let found: Vec<_> = batches.flat_map(|batch| log::records_of(&batch)).collect();
        assert_eq!(found.len() as i64, expected, "version {version}");
        for (index, record) in found.iter().enumerate() {
            let index = index as u64;
            assert_eq!(
                (record.offset as u64, record.number),
                (index, index),
                "version {version}"
            );
        }
    }
}

/// Consumers begin where ListOffsets sends them, whatever their age.
#[test]
fn every_version_lists_the_same_offsets() {
    let server = Server::any("offsets");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "offsets", 1);
    let mut writer = Writer::new(0, 64);
    for _ in 0..3 {
        let batch = writer.batch(5);
        assert_eq!(
            topics::append(&mut connection, (&topic, 0), &batch.bytes).error_code,
            0
        );
    }
    for version in connection.versions::<ListOffsetsRequest<'_>>().iter() {
        for (timestamp, expected) in [(EARLIEST, 0), (LATEST, 15)] {
            let offset = log::list_offset(&mut connection, (&topic, 0), timestamp, version);
            assert_eq!(offset, expected, "version {version}, timestamp {timestamp}");
        }
    }
}

#[test]
fn every_version_of_metadata_names_the_topic() {
    let server = Server::any("metadata");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "metadata", 3);
    for version in connection.versions::<MetadataRequest<'_>>().iter() {
        let mut request = topics::metadata_of(&topic.name);
        // Only clients since version 4 can say whether they want it created.
        request.allow_auto_topic_creation = version < 4;
        let answer = connection.call(version, &request);
        let response = answer.read::<MetadataRequest<'_>>();
        let found = &response.topics[0];
        assert_eq!(
            found.name.as_deref(),
            Some(topic.name.as_str()),
            "version {version}"
        );
        assert_eq!(
            (found.error_code, found.partitions.len()),
            (0, 3),
            "version {version}"
        );
        assert!(version < METADATA_IDS_MIN || found.topic_id == topic.id);
        assert!(!response.brokers.is_empty());
        let ports = response.brokers.iter().map(|broker| broker.port);
        assert!(
            ports
                .into_iter()
                .any(|port| port == i32::from(server.address().port()))
        );
    }
}

#[test]
fn every_version_of_api_versions_lists_the_same() {
    let server = Server::any("apis");
    let mut connection = server.connect();
    let mut lists = Vec::new();
    for version in connection.versions::<ApiVersionsRequest<'_>>().iter() {
        let request = ApiVersionsRequest {
            client_software_name: "forebay-it".into(),
            client_software_version: "1".into(),
            node_id: -1,
            ..Default::default()
        };
        let answer = connection.call(version, &request);
        let response = answer.read::<ApiVersionsRequest<'_>>();
        assert_eq!(response.error_code, 0, "version {version}");
        let list = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, api.max_version));
        lists.push(list.collect::<Vec<_>>());
    }
    assert!(lists.windows(2).all(|pair| pair[0] == pair[1]), "{lists:?}");
}

/// A client from the future is told what is served, in the oldest layout, and may go on (KIP-511).
#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let server = Server::any("future");
    let mut connection = server.connect();
    // Key 18, version 99, correlation id 77, no client id, no tags, and an unknown body.
    let mut frame = vec![0, 18, 0, 99, 0, 0, 0, 77, 0xFF, 0xFF, 0, 1, 2, 3, 4];
    let length = i32::try_from(frame.len()).unwrap().to_be_bytes();
    frame.splice(0..0, length);
    connection.send_bytes(&frame).unwrap();
    let answer = connection.receive_frame().unwrap();
    assert_eq!(answer[..4], 77_i32.to_be_bytes());
    assert_eq!(answer[4..6], UNSUPPORTED_VERSION.to_be_bytes());
    let count = i32::from_be_bytes(answer[6..10].try_into().unwrap());
    assert!(count > 0, "it lists what is served");
    still_answers(&mut connection);
}

fn still_answers(connection: &mut Connection) {
    let answer = connection.call(0, &ApiVersionsRequest::default());
    assert_eq!(answer.read::<ApiVersionsRequest<'_>>().error_code, 0);
}
