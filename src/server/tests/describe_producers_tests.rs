//! Hanging transactions are found by what is told here, so each field must be at its place.

use base::{Offset, ProducerEpoch, ProducerId, Timestamp};
use broker::ActiveProducer;
use wire::ApiKey;
use wire::describe_producers::{DescribeProducersResponse, PartitionResponse, TopicResponse};

use super::written;
use crate::handlers::sample::check_every_version;

fn producer(transaction_start: Option<Offset>) -> ActiveProducer {
    ActiveProducer {
        id: ProducerId(1000),
        epoch: ProducerEpoch(3),
        last_sequence: 41,
        last_timestamp: Timestamp(77),
        coordinator_epoch: 5,
        transaction_start,
    }
}

#[test]
fn a_producer_is_told_whole() {
    let told = written(&producer(Some(Offset(12))));
    assert_eq!((told.producer_id, told.producer_epoch), (1000, 3));
    assert_eq!((told.last_sequence, told.last_timestamp), (41, 77));
    assert_eq!(
        (told.coordinator_epoch, told.current_txn_start_offset),
        (5, 12)
    );
    assert_eq!(written(&producer(None)).current_txn_start_offset, -1);
}

#[test]
fn every_version_is_carried() {
    check_every_version(ApiKey::DescribeProducers, |_| DescribeProducersResponse {
        throttle_time_ms: 0,
        topics: vec![TopicResponse {
            name: "a".into(),
            partitions: vec![PartitionResponse {
                partition_index: 0,
                error_code: 0,
                error_message: None,
                active_producers: vec![written(&producer(None))],
            }],
        }],
    });
}
