//! What operators do to one node, through real sockets: whatever is changed counts at once, is told
//! truly, and outlives a restart.

use std::path::Path;

use base::Uuid;
use wire::alter_client_quotas::{self, AlterClientQuotasRequest};
use wire::alter_configs::{self, AlterConfigsRequest};
use wire::alter_partition_reassignments::AlterPartitionReassignmentsRequest;
use wire::alter_replica_log_dirs::AlterReplicaLogDirsRequest;
use wire::api_versions::ApiVersionsRequest;
use wire::delete_records::{self, DeleteRecordsRequest};
use wire::describe_client_quotas::DescribeClientQuotasRequest;
use wire::describe_configs::{self, DescribeConfigsRequest};
use wire::describe_log_dirs::DescribeLogDirsRequest;
use wire::describe_producers::{self, DescribeProducersRequest};
use wire::describe_quorum::{self, DescribeQuorumRequest};
use wire::elect_leaders::ElectLeadersRequest;
use wire::get_telemetry_subscriptions::GetTelemetrySubscriptionsRequest;
use wire::incremental_alter_configs::{self, IncrementalAlterConfigsRequest};
use wire::list_config_resources::ListConfigResourcesRequest;
use wire::list_partition_reassignments::ListPartitionReassignmentsRequest;
use wire::push_telemetry::PushTelemetryRequest;
use wire::update_features::{self, UpdateFeaturesRequest};

use crate::connection::Connection;
use crate::exposition::Page;
use crate::log::{EARLIEST, list_offset};
use crate::records::Writer;
use crate::server::Server;
use crate::{admin_port, topics};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const CLIENT_METRICS: i8 = 16;
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Sends one operation on one key; the error code.
fn alter(
    connection: &mut Connection,
    (kind, name): (i8, &str),
    (key, operation, value): (&str, i8, Option<&str>),
) -> i16 {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![incremental_alter_configs::AlterConfigsResource {
            resource_type: kind,
            resource_name: name.into(),
            configs: vec![incremental_alter_configs::AlterableConfig {
                name: key.into(),
                config_operation: operation,
                value: value.map(Into::into),
            }],
        }],
        validate_only: false,
    };
    let answer = connection.ask(&request);
    let response = answer.read::<IncrementalAlterConfigsRequest<'_>>();
    response.responses[0].error_code
}

/// The value that counts and the code of where it comes from.
fn described(
    connection: &mut Connection,
    (kind, name): (i8, &str),
    key: &str,
) -> (Option<String>, i8) {
    let request = DescribeConfigsRequest {
        resources: vec![describe_configs::DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.into(),
            configuration_keys: Some(vec![key.into()]),
        }],
        ..Default::default()
    };
    let answer = connection.ask(&request);
    let response = answer.read::<DescribeConfigsRequest<'_>>();
    let config = &response.results[0].configs[0];
    (
        config.value.as_deref().map(str::to_owned),
        config.config_source,
    )
}

/// A limit must hold from the answer on, for the topic itself and for all that inherit it.
#[test]
fn configurations_count_at_once() {
    let server = Server::any("admin-configs");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "admin-configs", 1);
    let mut writer = Writer::new(0, 2000);
    let mut append = |connection: &mut Connection| {
        let batch = writer.batch(2);
        topics::append(connection, (&topic, 0), &batch.bytes).error_code
    };
    assert_eq!(append(&mut connection), 0);
    let of_topic = (TOPIC, topic.name.as_str());
    let small = ("max.message.bytes", SET, Some("100"));
    assert_eq!(alter(&mut connection, of_topic, small), 0);
    assert_eq!(append(&mut connection), 10, "MESSAGE_TOO_LARGE");
    let shown = described(&mut connection, of_topic, "max.message.bytes");
    assert_eq!(shown, (Some("100".to_owned()), 1));
    let back = ("max.message.bytes", DELETE, None);
    assert_eq!(alter(&mut connection, of_topic, back), 0);
    assert_eq!(append(&mut connection), 0);
}

/// What counts for all brokers reaches topics that say nothing, and stays over a restart.
#[test]
fn defaults_of_brokers_reach_topics_and_stay() {
    let Some(mut server) = Server::own("admin-defaults", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "admin-defaults", 1);
    let of_topic = (TOPIC, topic.name.as_str());
    let small = ("message.max.bytes", SET, Some("100"));
    assert_eq!(alter(&mut connection, (BROKER, ""), small), 0);
    let shown = described(&mut connection, of_topic, "max.message.bytes");
    assert_eq!(shown, (Some("100".to_owned()), 3));
    let batch = Writer::new(0, 2000).batch(1);
    let appended = topics::append(&mut connection, (&topic, 0), &batch.bytes);
    assert_eq!(appended.error_code, 10);
    server.kill();
    server.start();
    let mut connection = server.connect();
    let shown = described(&mut connection, of_topic, "max.message.bytes");
    assert_eq!(shown, (Some("100".to_owned()), 3));
    let appended = topics::append(&mut connection, (&topic, 0), &batch.bytes);
    assert_eq!(appended.error_code, 10);
    // What cannot be followed while it runs is refused.
    let fixed = ("process.roles", SET, Some("broker"));
    assert_eq!(alter(&mut connection, (BROKER, ""), fixed), 42);
    // Connections are counted by the newest number.
    let few = ("max.connections", SET, Some("1"));
    assert_eq!(alter(&mut connection, (BROKER, ""), few), 0);
    assert!(Connection::try_open(server.address()).is_err());
    let many = ("max.connections", DELETE, None);
    assert_eq!(alter(&mut connection, (BROKER, ""), many), 0);
    assert!(Connection::try_open(server.address()).is_ok());
}

/// The sizes are those of the bytes that were written, and deleted records are gone.
#[test]
fn directories_tell_sizes_and_records_can_be_deleted() {
    let server = Server::any("admin-dirs");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "admin-dirs", 2);
    let mut writer = Writer::new(0, 500);
    let mut bytes = 0;
    for _ in 0..5 {
        let batch = writer.batch(3);
        bytes += batch.bytes.len() as i64;
        assert_eq!(
            topics::append(&mut connection, (&topic, 0), &batch.bytes).error_code,
            0
        );
    }
    let answer = connection.ask(&DescribeLogDirsRequest { topics: None });
    let response = answer.read::<DescribeLogDirsRequest<'_>>();
    let dir = &response.results[0];
    assert!(dir.total_bytes > 0 && (0..=dir.total_bytes).contains(&dir.usable_bytes));
    let mine = dir
        .topics
        .iter()
        .find(|one| one.name == topic.name)
        .unwrap();
    let size = |index| {
        let mut partitions = mine.partitions.iter();
        partitions
            .find(|one| one.partition_index == index)
            .unwrap()
            .partition_size
    };
    assert_eq!((size(0), size(1)), (bytes, 0));
    let delete = |connection: &mut Connection, offset| {
        let request = DeleteRecordsRequest {
            topics: vec![delete_records::DeleteRecordsTopic {
                name: topic.name.as_str().into(),
                partitions: vec![delete_records::DeleteRecordsPartition {
                    partition_index: 0,
                    offset,
                }],
            }],
            timeout_ms: 30_000,
        };
        let answer = connection.ask(&request);
        let response = answer.read::<DeleteRecordsRequest<'_>>();
        let partition = &response.topics[0].partitions[0];
        (partition.error_code, partition.low_watermark)
    };
    assert_eq!(delete(&mut connection, 7), (0, 7));
    assert_eq!(delete(&mut connection, 16), (1, -1));
    let version = connection.newest::<wire::list_offsets::ListOffsetsRequest<'_>>();
    assert_eq!(
        list_offset(&mut connection, (&topic, 0), EARLIEST, version),
        7
    );
    assert_eq!(delete(&mut connection, -1), (0, 15));
}

fn quorum(connection: &mut Connection) -> (i32, i64, i64) {
    let request = DescribeQuorumRequest {
        topics: vec![describe_quorum::RequestTopicData {
            topic_name: "__cluster_metadata".into(),
            partitions: vec![describe_quorum::RequestPartitionData { partition_index: 0 }],
        }],
    };
    let answer = connection.ask(&request);
    let response = answer.read::<DescribeQuorumRequest<'_>>();
    assert_eq!(response.error_code, 0);
    let partition = &response.topics[0].partitions[0];
    let end = partition.current_voters[0].log_end_offset;
    (partition.leader_id, partition.high_watermark, end)
}

/// The high watermark is that of the real log: a topic moves it.
#[test]
fn the_quorum_tells_what_it_committed() {
    let server = Server::any("admin-quorum");
    let mut connection = server.connect();
    let (leader, before, end) = quorum(&mut connection);
    assert!(leader >= 0 && before > 0 && end >= before);
    topics::create(&mut connection, "admin-quorum", 3);
    let (_, after, end) = quorum(&mut connection);
    assert!(
        after >= before + 4 && end >= after,
        "{before} {after} {end}"
    );
}

/// Levels go up and down, unless that is only tried; nobody is promised what is not there.
#[test]
fn features_change_their_levels() {
    let Some(server) = Server::own("admin-features", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let mut update = |level, upgrade_type, validate_only| {
        let request = UpdateFeaturesRequest {
            timeout_ms: 30_000,
            feature_updates: vec![update_features::FeatureUpdateKey {
                feature: "group.version".into(),
                max_version_level: level,
                allow_downgrade: false,
                upgrade_type,
            }],
            validate_only,
        };
        let answer = connection.ask(&request);
        answer.read::<UpdateFeaturesRequest<'_>>().error_code
    };
    assert_eq!(update(0, 1, false), 95, "down needs permission");
    assert_eq!(update(0, 2, true), 0);
    assert_eq!(update(9, 1, false), 95);
    assert_eq!(update(0, 2, false), 0);
    assert_eq!(update(0, 1, false), 0, "it is there already");
    assert_eq!(update(1, 1, false), 0);
}

/// A data directory may promise what this release does not serve, say share groups; clients that go
/// by the promise would ask for it in vain.
#[test]
fn promises_of_older_directories_are_taken_back() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join(format!("it-{}-promises", std::process::id()));
    let Some(mut server) = Server::without_start("admin-promises", &folder, &[]) else {
        return;
    };
    let levels = "metadata.version=30,group.version=1,share.version=1,streams.version=1";
    server.set_variable("FOREBAY_FEATURES", levels);
    server.start();
    let expected = [
        ("group.version".to_owned(), 1),
        ("metadata.version".to_owned(), 30),
    ];
    assert_eq!(finalised(&mut server.connect()), expected);
    assert_eq!(server.log().matches("lowered").count(), 2);
    server.kill();
    server.start();
    assert_eq!(finalised(&mut server.connect()), expected);
    assert_eq!(server.log().matches("lowered").count(), 2, "once is enough");
}

fn finalised(connection: &mut Connection) -> Vec<(String, i16)> {
    let request = ApiVersionsRequest {
        client_software_name: "it".into(),
        client_software_version: "1".into(),
        cluster_id: None,
        node_id: -1,
    };
    let answer = connection.ask(&request);
    let response = answer.read::<ApiVersionsRequest<'_>>();
    let features = response.finalized_features.iter();
    features
        .map(|feature| (feature.name.to_string(), feature.max_version_level))
        .collect()
}

/// Limits are kept in the metadata log, so they outlive the process.
#[test]
fn quotas_outlive_a_crash() {
    let Some(mut server) = Server::own("admin-quotas", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let request = AlterClientQuotasRequest {
        entries: vec![alter_client_quotas::RequestEntryData {
            entity: vec![alter_client_quotas::RequestEntityData {
                entity_type: "user".into(),
                entity_name: None,
            }],
            ops: vec![alter_client_quotas::OpData {
                key: "producer_byte_rate".into(),
                value: 1024.0,
                remove: false,
            }],
        }],
        validate_only: false,
    };
    let answer = connection.ask(&request);
    let response = answer.read::<AlterClientQuotasRequest<'_>>();
    assert_eq!(response.entries[0].error_code, 0);
    server.kill();
    server.start();
    let mut connection = server.connect();
    let answer = connection.ask(&DescribeClientQuotasRequest::default());
    let response = answer.read::<DescribeClientQuotasRequest<'_>>();
    let entries = response.entries.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].entity[0].entity_name, None);
    let value = &entries[0].values[0];
    assert_eq!(
        (value.key.as_ref(), value.value),
        ("producer_byte_rate", 1024.0)
    );
}

/// One gauge as OpenTelemetry writes it.
fn gauge(name: &str, value: i64) -> Vec<u8> {
    let within = |field: u8, bytes: &[u8]| {
        let len = u8::try_from(bytes.len()).unwrap();
        [&[(field << 3) | 2, len], bytes].concat()
    };
    // The point's value is field 6, eight bytes.
    let point = [&[(6 << 3) | 1][..], &value.to_le_bytes()].concat();
    let points = within(5, &within(1, &point));
    let metric = [within(1, name.as_bytes()), points].concat();
    within(1, &within(2, &within(2, &metric)))
}

/// A client learns what is wanted, pushes it, and is held to its pace and its subscription.
#[test]
fn clients_push_what_is_asked() {
    let Some(server) = Server::own("admin-telemetry", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let of = (CLIENT_METRICS, "it");
    let metrics = ("metrics", SET, Some("org.apache.kafka."));
    assert_eq!(alter(&mut connection, of, metrics), 0);
    let slow = ("interval.ms", SET, Some("60000"));
    assert_eq!(alter(&mut connection, of, slow), 0);
    let fast = ("interval.ms", SET, Some("5"));
    assert_eq!(alter(&mut connection, of, fast), 42);
    let question = GetTelemetrySubscriptionsRequest {
        client_instance_id: Uuid::ZERO,
    };
    let answer = connection.ask(&question);
    let demand = answer.read::<GetTelemetrySubscriptionsRequest>();
    assert_eq!((demand.error_code, demand.push_interval_ms), (0, 60_000));
    assert_eq!(demand.requested_metrics, ["org.apache.kafka."]);
    assert!(!demand.client_instance_id.is_zero() && demand.delta_temporality);
    let id = demand.client_instance_id;
    let mut push = |subscription_id, terminating, bytes: &[u8]| {
        let request = PushTelemetryRequest {
            client_instance_id: id,
            subscription_id,
            terminating,
            compression_type: 0,
            metrics: bytes.into(),
        };
        let answer = connection.ask(&request);
        answer.read::<PushTelemetryRequest<'_>>().error_code
    };
    let named = demand.subscription_id;
    assert_eq!(push(named, false, &gauge("org.apache.kafka.it", 17)), 0);
    let (code, shown) = admin_port::ask(server.admin(), "GET", "/metrics/clients");
    let shown = Page::read(&shown);
    let of = id.to_string();
    let client = [("client_instance_id", of.as_str())];
    assert_eq!(
        (code, shown.find("org_apache_kafka_it", &client)),
        (200, vec![17.0])
    );
    assert_eq!(
        push(named, false, &[10, 0]),
        89,
        "THROTTLING_QUOTA_EXCEEDED"
    );
    assert_eq!(
        push(named + 1, true, &[10, 0]),
        117,
        "UNKNOWN_SUBSCRIPTION_ID"
    );
    assert_eq!(push(named, true, &[0xFF; 9]), 87, "INVALID_RECORD");
    assert_eq!(push(named, false, &[10, 0]), 42, "it said that it ends");
}

/// Every version that is served is answered in its own layout, also where there is nothing to say.
#[test]
fn every_version_of_every_administrators_api_is_answered() {
    let server = Server::any("admin-versions");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "admin-versions", 1);
    let empty = AlterConfigsRequest {
        resources: vec![alter_configs::AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: topic.name.as_str().into(),
            configs: Vec::new(),
        }],
        validate_only: true,
    };
    let named = DescribeProducersRequest {
        topics: vec![describe_producers::TopicRequest {
            name: topic.name.as_str().into(),
            partition_indexes: vec![0],
        }],
    };
    macro_rules! each {
        ($request:ty, $value:expr) => {
            for version in connection.versions::<$request>().iter() {
                let answer = connection.call(version, &$value);
                let _ = answer.read::<$request>();
            }
        };
    }
    each!(AlterConfigsRequest<'_>, empty);
    each!(DescribeProducersRequest<'_>, named);
    each!(
        IncrementalAlterConfigsRequest<'_>,
        IncrementalAlterConfigsRequest::default()
    );
    each!(
        AlterReplicaLogDirsRequest<'_>,
        AlterReplicaLogDirsRequest::default()
    );
    each!(
        DescribeLogDirsRequest<'_>,
        DescribeLogDirsRequest { topics: None }
    );
    each!(
        ElectLeadersRequest<'_>,
        ElectLeadersRequest {
            topic_partitions: None,
            timeout_ms: 1000,
            ..Default::default()
        }
    );
    each!(
        AlterPartitionReassignmentsRequest<'_>,
        AlterPartitionReassignmentsRequest::default()
    );
    each!(
        ListPartitionReassignmentsRequest<'_>,
        ListPartitionReassignmentsRequest::default()
    );
    each!(
        ListConfigResourcesRequest,
        ListConfigResourcesRequest::default()
    );
    each!(
        DescribeClientQuotasRequest<'_>,
        DescribeClientQuotasRequest::default()
    );
    each!(
        AlterClientQuotasRequest<'_>,
        AlterClientQuotasRequest::default()
    );
    each!(UpdateFeaturesRequest<'_>, UpdateFeaturesRequest::default());
    each!(DescribeQuorumRequest<'_>, DescribeQuorumRequest::default());
}
