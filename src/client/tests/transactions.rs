//! Stories of transactions' coordinators: old ones, busy ones, forgetful ones.

use std::cell::Cell;
use std::rc::Rc;

use base::{ErrorCode, PartitionIndex, Timestamp, TopicPartition};
use wire::describe_transactions::{DescribeTransactionsResponse, TransactionState};
use wire::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use wire::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use wire::list_transactions::ListTransactionsResponse;
use wire::write_txn_markers::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use wire::{ApiKey, Decode, Reader};

use super::fake_broker::{Answer, Asked, against, broker_address, metadata, versions};
use crate::{Address, Client, ClientError, Options, PartitionProducer, TransactionFilter};

const SERVED: [(ApiKey, i16); 8] = [
    (ApiKey::ApiVersions, 3),
    (ApiKey::Metadata, 12),
    (ApiKey::FindCoordinator, 4),
    (ApiKey::InitProducerId, 5),
    (ApiKey::WriteTxnMarkers, 1),
    (ApiKey::DescribeProducers, 0),
    (ApiKey::DescribeTransactions, 0),
    (ApiKey::ListTransactions, 1),
];

async fn connect(core: &reactor::Core) -> Client {
    let place = broker_address();
    let bootstrap = [Address {
        host: place.ip().to_string(),
        port: place.port(),
    }];
    let connected = Client::connect(core, &bootstrap, Options::default());
    connected.await.unwrap()
}

/// What all these brokers answer alike.
fn usual(asked: &Asked) -> Answer {
    match asked.key {
        ApiKey::ApiVersions => Answer::Send(Box::new(versions(&SERVED, 0)), asked.version),
        ApiKey::Metadata => Answer::Send(Box::new(metadata("orders")), asked.version),
        ApiKey::FindCoordinator => {
            let request =
                FindCoordinatorRequest::decode(&mut Reader::new(&asked.body), asked.version);
            assert_eq!(request.unwrap().key_type, 1, "a transaction's coordinator");
            let coordinator = Coordinator {
                key: "payments".into(),
                node_id: 1,
                host: "10.0.0.1".into(),
                port: 9092,
                ..Coordinator::default()
            };
            let response = FindCoordinatorResponse {
                coordinators: vec![coordinator],
                ..FindCoordinatorResponse::default()
            };
            Answer::Send(Box::new(response), asked.version)
        }
        _ => Answer::Cut,
    }
}

/// While it aborts, the coordinator says that transactions overlap; whoever fences waits for the
/// end, and asks each time as one who knows no producer yet, as Kafka's admin does.
#[test]
fn fencing_waits_for_the_abort() {
    let calls = Rc::new(Cell::new(0));
    let broker = move |asked: &Asked| {
        if asked.key != ApiKey::InitProducerId {
            return usual(asked);
        }
        let request = InitProducerIdRequest::decode(&mut Reader::new(&asked.body), asked.version);
        let request = request.unwrap();
        assert_eq!(request.transactional_id.as_deref(), Some("payments"));
        assert_eq!((request.producer_id, request.producer_epoch), (-1, -1));
        assert_eq!(request.transaction_timeout_ms, 30_000);
        calls.set(calls.get() + 1);
        let code = match calls.get() {
            1 => ErrorCode::CoordinatorLoadInProgress,
            2 => ErrorCode::ConcurrentTransactions,
            _ => ErrorCode::None,
        };
        let response = InitProducerIdResponse {
            error_code: code.code(),
            producer_id: 7,
            producer_epoch: 3,
            ..InitProducerIdResponse::default()
        };
        Answer::Send(Box::new(response), asked.version)
    };
    let fenced = against(1, broker, |core| async move {
        connect(&core).await.fence_producer("payments").await
    });
    assert_eq!(fenced, Ok((7, 3)));
}

/// Times that are not set come as negative numbers; they must not be shown as 1969.
#[test]
fn a_description_has_a_start_only_while_something_is_open() {
    let broker = |asked: &Asked| match asked.key {
        ApiKey::DescribeTransactions => {
            let state = TransactionState {
                transactional_id: "payments".into(),
                transaction_state: "Empty".into(),
                transaction_start_time_ms: -1,
                ..TransactionState::default()
            };
            let response = DescribeTransactionsResponse {
                transaction_states: vec![state],
                ..DescribeTransactionsResponse::default()
            };
            Answer::Send(Box::new(response), asked.version)
        }
        _ => usual(asked),
    };
    let described = against(2, broker, |core| async move {
        connect(&core).await.describe_transaction("payments").await
    });
    let described = described.unwrap();
    assert_eq!(described.started, None);
    assert_eq!(described.coordinator.0, 1);
}

/// A filter that an older broker does not know would otherwise be left out, and everything listed.
#[test]
fn filters_are_not_dropped_for_old_brokers() {
    let broker = |asked: &Asked| match asked.key {
        ApiKey::ListTransactions => {
            Answer::Send(Box::new(ListTransactionsResponse::default()), asked.version)
        }
        _ => usual(asked),
    };
    let (by_time, by_pattern) = against(3, broker, |core| async move {
        let client = connect(&core).await;
        let by_time = TransactionFilter {
            started_ms_min: Some(1),
            ..TransactionFilter::default()
        };
        let by_pattern = TransactionFilter {
            pattern: Some("a.*".to_owned()),
            ..TransactionFilter::default()
        };
        (
            client.list_transactions(&by_time).await,
            client.list_transactions(&by_pattern).await,
        )
    });
    assert_eq!(by_time, Ok(Vec::new()));
    let error = by_pattern.unwrap_err();
    assert!(matches!(&error, ClientError::NoCommonVersion { ours, .. } if ours.min == 2));
}

/// A partition without a marker so far knows no coordinator; Kafka's tool writes epoch zero then,
/// and a refusal must not be taken for success.
#[test]
fn a_marker_carries_what_the_partition_knows() {
    let broker = |asked: &Asked| {
        if asked.key != ApiKey::WriteTxnMarkers {
            return usual(asked);
        }
        let request = WriteTxnMarkersRequest::decode(&mut Reader::new(&asked.body), asked.version);
        let request = request.unwrap();
        let marker = &request.markers[0];
        assert!(!marker.transaction_result, "an abort");
        assert_eq!((marker.producer_id, marker.producer_epoch), (7, 2));
        let error_code = match marker.coordinator_epoch {
            0 => 0,
            _ => ErrorCode::TransactionCoordinatorFenced.code(),
        };
        let partition = WritableTxnMarkerPartitionResult {
            partition_index: 0,
            error_code,
        };
        let topic = WritableTxnMarkerTopicResult {
            name: "orders".into(),
            partitions: vec![partition],
        };
        let marker = WritableTxnMarkerResult {
            producer_id: 7,
            topics: vec![topic],
        };
        let response = WriteTxnMarkersResponse {
            markers: vec![marker],
        };
        Answer::Send(Box::new(response), asked.version)
    };
    let (written, refused) = against(4, broker, |core| async move {
        let client = connect(&core).await;
        let place = TopicPartition {
            topic: "orders".to_owned(),
            partition: PartitionIndex(0),
        };
        let producer = |coordinator_epoch| PartitionProducer {
            producer_id: 7,
            producer_epoch: 2,
            coordinator_epoch,
            last_sequence: 0,
            last_timestamp: Timestamp(0),
            transaction_start: None,
        };
        (
            client.write_abort_marker(&place, &producer(None)).await,
            client.write_abort_marker(&place, &producer(Some(4))).await,
        )
    });
    assert_eq!(written, Ok(()));
    assert!(refused.is_err());
}
