//! What does the protocol itself cost: to decode a request and to encode its answer, per API?
//!
//! The data path is Produce and Fetch; what they cost per partition must stay far below the cost
//! of their records, which are borrowed and never copied here. Metadata is the largest answer that
//! clients ask for again and again. Compare decoding with encoding: where one is much dearer, it
//! allocates more than the message holds.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench: a panic is its failure, and criterion generates what has no documents"
)]

#[path = "support/batches.rs"]
mod batches;

use std::hint::black_box;

use base::Uuid;
use batch::Codec;
use criterion::{Criterion, criterion_group, criterion_main};
use wire::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use wire::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData,
};
use wire::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic, ListOffsetsTopicResponse,
};
use wire::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use wire::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceData, TopicProduceResponse,
};
use wire::{ApiKey, Message, Records, Request};

/// Partitions per message: what a client of a middling cluster asks for at once.
const PARTITIONS: i32 = 50;
const TOPICS: i32 = 100;
const TOPIC_PARTITIONS: i32 = 10;

fn apis(criterion: &mut Criterion) {
    let records = batches::batch(Codec::None, 1024, 16);
    produce(criterion, &records);
    fetch(criterion);
    list_offsets(criterion);
    metadata(criterion);
    api_versions(criterion);
}

/// Benches one API: the request that a broker decodes, the answer that it encodes, and what a
/// client does with both.
fn pair<R: Request>(criterion: &mut Criterion, request: &R, response: &dyn Message) {
    let entry = R::KEY.entry();
    let version = entry.stable_max();
    let frame = |message: &dyn Message| {
        let mut writer = wire::Writer::new();
        message
            .encode(&mut writer, version)
            .expect("the newest version carries it");
        writer.finish()
    };
    let mut group = criterion.benchmark_group(entry.name);
    let request_bytes = frame(request).bytes().to_vec();
    group.bench_function("decode-request", |bench| {
        bench.iter(|| decode_request(R::KEY, version, black_box(&request_bytes)));
    });
    group.bench_function("encode-request", |bench| {
        bench.iter(|| frame(black_box(request)).len())
    });
    group.bench_function("encode-response", |bench| {
        bench.iter(|| frame(black_box(response)).len());
    });
    let encoded = frame(response);
    // A message with gaps cannot be decoded without what fills them.
    if let Some(bytes) = encoded.into_bytes() {
        group.bench_function("decode-response", |bench| {
            bench.iter(|| decode_response::<R>(version, black_box(&bytes)));
        });
    }
    group.finish();
}

fn decode_request(key: ApiKey, version: i16, bytes: &[u8]) {
    black_box(wire::decode_any_request(key, version, bytes).expect("it was encoded so"));
}

fn decode_response<R: Request>(version: i16, bytes: &[u8]) {
    use wire::Decode;
    black_box(R::Response::decode_all(bytes, version).expect("it was encoded so"));
}

fn produce(criterion: &mut Criterion, records: &[u8]) {
    let partitions = (0..PARTITIONS).map(|index| PartitionProduceData {
        index,
        records: Records::Borrowed(records),
    });
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            topic_id: Uuid(7),
            partition_data: partitions.collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let answers = (0..PARTITIONS).map(|index| PartitionProduceResponse {
        index,
        base_offset: 1 << 40,
        ..Default::default()
    });
    let response = ProduceResponse {
        responses: vec![TopicProduceResponse {
            topic_id: Uuid(7),
            partition_responses: answers.collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    pair(criterion, &request, &response);
}

fn fetch(criterion: &mut Criterion) {
    let partitions = (0..PARTITIONS).map(|partition| FetchPartition {
        partition,
        fetch_offset: 1 << 40,
        partition_max_bytes: 1 << 20,
        high_watermark: i64::MAX,
        ..Default::default()
    });
    let request = FetchRequest {
        topics: vec![FetchTopic {
            topic_id: Uuid(7),
            partitions: partitions.collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let answers = (0..PARTITIONS).map(|partition_index| PartitionData {
        partition_index,
        high_watermark: 1 << 40,
        records: Records::External {
            token: 0,
            length: 1 << 20,
        },
        ..Default::default()
    });
    let response = FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic_id: Uuid(7),
            partitions: answers.collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    pair(criterion, &request, &response);
}

fn list_offsets(criterion: &mut Criterion) {
    let partitions = (0..PARTITIONS).map(|partition_index| ListOffsetsPartition {
        partition_index,
        timestamp: -1,
        ..Default::default()
    });
    let request = ListOffsetsRequest {
        topics: vec![ListOffsetsTopic {
            name: "a-topic-of-usual-length".into(),
            partitions: partitions.collect(),
        }],
        ..Default::default()
    };
    let answers = (0..PARTITIONS).map(|partition_index| ListOffsetsPartitionResponse {
        partition_index,
        offset: 1 << 40,
        ..Default::default()
    });
    let response = ListOffsetsResponse {
        topics: vec![ListOffsetsTopicResponse {
            name: "a-topic-of-usual-length".into(),
            partitions: answers.collect(),
        }],
        ..Default::default()
    };
    pair(criterion, &request, &response);
}

fn metadata(criterion: &mut Criterion) {
    let partitions = (0..TOPIC_PARTITIONS).map(|partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        replica_nodes: vec![1, 2, 3],
        isr_nodes: vec![1, 2, 3],
        ..Default::default()
    });
    let partitions: Vec<_> = partitions.collect();
    let topics = (0..TOPICS).map(|number| MetadataResponseTopic {
        name: Some(format!("a-topic-of-usual-length-{number}").into()),
        topic_id: Uuid(7),
        partitions: partitions.clone(),
        ..Default::default()
    });
    let response = MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: 1,
            host: "broker-1.example.org".into(),
            port: 9092,
            ..Default::default()
        }],
        topics: topics.collect(),
        ..Default::default()
    };
    let request = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    pair(criterion, &request, &response);
}

fn api_versions(criterion: &mut Criterion) {
    let request = ApiVersionsRequest {
        client_software_name: "a-client".into(),
        client_software_version: "1.0".into(),
        ..Default::default()
    };
    let api_keys = wire::APIS.iter().map(|entry| ApiVersion {
        api_key: entry.key.code(),
        min_version: entry.versions.min,
        max_version: entry.stable_max(),
    });
    let response = ApiVersionsResponse {
        api_keys: api_keys.collect(),
        ..Default::default()
    };
    pair(criterion, &request, &response);
}

criterion_group!(benches, apis);
criterion_main!(benches);
