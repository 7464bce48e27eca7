//! Access control lists, through real sockets: what a list denies is denied in every API, what it
//! hides is not told, and lists outlive their process.
//!
//! All clients of these tests are the same principal at the same address, so most tests leave the
//! cluster open and close single resources.

use base::Uuid;
use wire::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use wire::create_acls::{self, CreateAclsRequest};
use wire::create_partitions::{self, CreatePartitionsRequest};
use wire::create_topics::{self, CreateTopicsRequest};
use wire::delete_acls::{self, DeleteAclsRequest};
use wire::delete_groups::DeleteGroupsRequest;
use wire::delete_records::{self, DeleteRecordsRequest};
use wire::delete_topics::{self, DeleteTopicsRequest};
use wire::describe_acls::DescribeAclsRequest;
use wire::describe_cluster::DescribeClusterRequest;
use wire::describe_configs::{self, DescribeConfigsRequest};
use wire::describe_groups::DescribeGroupsRequest;
use wire::describe_log_dirs::DescribeLogDirsRequest;
use wire::describe_quorum::DescribeQuorumRequest;
use wire::describe_topic_partitions::{self, DescribeTopicPartitionsRequest};
use wire::heartbeat::HeartbeatRequest;
use wire::incremental_alter_configs::{self, IncrementalAlterConfigsRequest};
use wire::init_producer_id::InitProducerIdRequest;
use wire::list_config_resources::ListConfigResourcesRequest;
use wire::metadata::{self, MetadataRequest};
use wire::offset_fetch::{self, OffsetFetchRequest};

use crate::connection::Connection;
use crate::groups;
use crate::log;
use crate::records::Writer;
use crate::server::Server;
use crate::topics::{self, Topic};

const AUTHORIZER: &str =
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer";
const OPEN: &str = "allow.everyone.if.no.acl.found=true";
const ME: &str = "User:ANONYMOUS";

const UNKNOWN_TOPIC: i16 = 3;
const TOPIC_DENIED: i16 = 29;
const GROUP_DENIED: i16 = 30;
const CLUSTER_DENIED: i16 = 31;
const SECURITY_DISABLED: i16 = 54;
const INVALID_REQUEST: i16 = 42;

/// A list by the protocol's numbers: to me from everywhere, allowed.
fn creation(resource_type: i8, name: &str, operation: i8) -> create_acls::AclCreation<'_> {
    create_acls::AclCreation {
        resource_type,
        resource_name: name.into(),
        resource_pattern_type: 3,
        principal: ME.into(),
        host: "*".into(),
        operation,
        permission_type: 3,
    }
}

fn create(connection: &mut Connection, creations: Vec<create_acls::AclCreation<'_>>) -> Vec<i16> {
    let answer = connection.ask(&CreateAclsRequest { creations });
    let response = answer.read::<CreateAclsRequest<'_>>();
    response.results.iter().map(|one| one.error_code).collect()
}

fn everything() -> DescribeAclsRequest<'static> {
    DescribeAclsRequest {
        resource_type_filter: 1,
        resource_name_filter: None,
        pattern_type_filter: 1,
        principal_filter: None,
        host_filter: None,
        operation: 1,
        permission_type: 1,
    }
}

/// The code, and how many lists there are.
fn count(connection: &mut Connection) -> (i16, usize) {
    let answer = connection.ask(&everything());
    let response = answer.read::<DescribeAclsRequest<'_>>();
    let lists = response.resources.iter().map(|one| one.acls.len()).sum();
    (response.error_code, lists)
}

/// Kafka's tools tell people to configure an authorizer by this code.
#[test]
fn without_an_authorizer_there_are_no_lists() {
    let Some(server) = Server::own("access-none", &[]) else {
        return;
    };
    let mut connection = server.connect();
    assert_eq!(count(&mut connection), (SECURITY_DISABLED, 0));
    let codes = create(
        &mut connection,
        vec![creation(2, "t", 3), creation(2, "u", 3)],
    );
    assert_eq!(codes, [SECURITY_DISABLED, SECURITY_DISABLED]);
    let request = DeleteAclsRequest {
        filters: vec![delete_acls::DeleteAclsFilter::default()],
    };
    let answer = connection.ask(&request);
    let response = answer.read::<DeleteAclsRequest<'_>>();
    assert_eq!(response.filter_results[0].error_code, SECURITY_DISABLED);
}

/// Lists are added, told, taken out; they outlive a process that is killed.
#[test]
fn lists_are_kept() {
    let Some(mut server) = Server::own("access-kept", &[AUTHORIZER, OPEN]) else {
        return;
    };
    let mut connection = server.connect();
    assert_eq!(count(&mut connection), (0, 0));
    let mut nobody = creation(2, "t", 3);
    nobody.principal = "me".into();
    let mut prefixed = creation(3, "g-", 3);
    prefixed.resource_pattern_type = 4;
    let matching = create_acls::AclCreation {
        resource_pattern_type: 2,
        ..creation(2, "t", 3)
    };
    let creations = vec![
        creation(2, "t", 3),
        creation(2, "t", 4),
        creation(2, "t", 3),
        nobody,
        prefixed,
        matching,
        creation(1, "t", 3),
        creation(4, "t", 3),
        creation(2, "", 3),
    ];
    let codes = create(&mut connection, creations);
    let bad = INVALID_REQUEST;
    assert_eq!(codes, [0, 0, 0, bad, 0, bad, bad, bad, bad]);
    assert_eq!(count(&mut connection), (0, 3));
    server.kill();
    server.start();
    let mut connection = server.connect();
    assert_eq!(count(&mut connection), (0, 3));
    let filter = delete_acls::DeleteAclsFilter {
        resource_type_filter: 1,
        pattern_type_filter: 2,
        resource_name_filter: Some("g-7".into()),
        principal_filter: None,
        host_filter: None,
        operation: 1,
        permission_type: 1,
    };
    let filters = vec![
        filter.clone(),
        delete_acls::DeleteAclsFilter::default(),
        filter,
    ];
    let answer = connection.ask(&DeleteAclsRequest { filters });
    let response = answer.read::<DeleteAclsRequest<'_>>();
    let results = response.filter_results.iter();
    let told: Vec<_> = results
        .map(|one| (one.error_code, one.matching_acls.len()))
        .collect();
    assert_eq!(told, [(0, 1), (INVALID_REQUEST, 0), (0, 1)]);
    assert_eq!(count(&mut connection), (0, 2));
}

fn named_topic(name: &str) -> create_topics::CreatableTopic<'_> {
    create_topics::CreatableTopic {
        name: name.into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    }
}

/// Codes of one topic for all that can be done to it by its name.
fn changes(connection: &mut Connection, name: &str) -> Vec<i16> {
    let mut codes = Vec::new();
    let answer = connection.ask(&CreatePartitionsRequest {
        topics: vec![create_partitions::CreatePartitionsTopic {
            name: name.into(),
            count: 9,
            assignments: None,
        }],
        timeout_ms: 10_000,
        validate_only: true,
    });
    let response = answer.read::<CreatePartitionsRequest<'_>>();
    codes.push(response.results[0].error_code);
    let answer = connection.ask(&DeleteRecordsRequest {
        topics: vec![delete_records::DeleteRecordsTopic {
            name: name.into(),
            partitions: vec![delete_records::DeleteRecordsPartition {
                partition_index: 0,
                offset: 0,
            }],
        }],
        timeout_ms: 10_000,
    });
    let response = answer.read::<DeleteRecordsRequest<'_>>();
    codes.push(response.topics[0].partitions[0].error_code);
    let answer = connection.ask(&DescribeConfigsRequest {
        resources: vec![describe_configs::DescribeConfigsResource {
            resource_type: 2,
            resource_name: name.into(),
            configuration_keys: None,
        }],
        ..Default::default()
    });
    let response = answer.read::<DescribeConfigsRequest<'_>>();
    codes.push(response.results[0].error_code);
    let answer = connection.ask(&IncrementalAlterConfigsRequest {
        resources: vec![incremental_alter_configs::AlterConfigsResource {
            resource_type: 2,
            resource_name: name.into(),
            configs: Vec::new(),
        }],
        validate_only: true,
    });
    let response = answer.read::<IncrementalAlterConfigsRequest<'_>>();
    codes.push(response.responses[0].error_code);
    let answer = connection.ask(&DescribeTopicPartitionsRequest {
        topics: vec![describe_topic_partitions::TopicRequest { name: name.into() }],
        response_partition_limit: 10,
        cursor: None,
    });
    let response = answer.read::<DescribeTopicPartitionsRequest<'_>>();
    codes.push(response.topics[0].error_code);
    codes
}

/// What becomes of the topic of this name.
fn delete(connection: &mut Connection, name: &str) -> i16 {
    let answer = connection.ask(&DeleteTopicsRequest {
        topics: vec![delete_topics::DeleteTopicState {
            name: Some(name.into()),
            ..Default::default()
        }],
        timeout_ms: 10_000,
        ..Default::default()
    });
    let response = answer.read::<DeleteTopicsRequest<'_>>();
    response.responses[0].error_code
}

/// Name and code of each topic that Metadata tells of.
fn told(connection: &mut Connection, wanted: Option<(Option<&str>, Uuid)>) -> Vec<(String, i16)> {
    let topics = wanted.map(|(name, topic_id)| {
        vec![metadata::MetadataRequestTopic {
            topic_id,
            name: name.map(Into::into),
        }]
    });
    let answer = connection.ask(&MetadataRequest {
        topics,
        allow_auto_topic_creation: true,
        ..Default::default()
    });
    let response = answer.read::<MetadataRequest<'_>>();
    let topics = response.topics.iter();
    topics
        .map(|topic| {
            let name = topic.name.as_deref().unwrap_or_default();
            (name.to_owned(), topic.error_code)
        })
        .collect()
}

/// Who may not even look at a topic must not learn whether it exists.
#[test]
fn a_denied_topic_is_neither_served_nor_told_of() {
    let Some(server) = Server::own("access-topics", &[AUTHORIZER, OPEN]) else {
        return;
    };
    let mut connection = server.connect();
    let open = topics::create(&mut connection, "open", 1);
    let closed = topics::create(&mut connection, "closed", 1);
    let batch = Writer::new(0, 100).batch(1);
    let append = |connection: &mut Connection, topic: &Topic| {
        topics::append(connection, (topic, 0), &batch.bytes).error_code
    };
    assert_eq!(append(&mut connection, &closed), 0);
    server.run(&[
        "acl",
        "add",
        "--topic",
        "closed-",
        "--prefixed",
        "--principal",
        ME,
        "--operation",
        "all",
        "--deny",
    ]);
    assert_eq!(append(&mut connection, &closed), TOPIC_DENIED);
    assert_eq!(append(&mut connection, &open), 0);
    let fetched = log::fetch_at(&mut connection, (&closed, 0), 0).error_code;
    assert_eq!(fetched, TOPIC_DENIED);
    assert_eq!(log::fetch_at(&mut connection, (&open, 0), 0).error_code, 0);
    // Whether it is there or not, it is told the same way, and not created.
    for name in [closed.name.as_str(), "closed-never-there"] {
        let by_name = told(&mut connection, Some((Some(name), Uuid::ZERO)));
        assert_eq!(by_name, [(name.to_owned(), TOPIC_DENIED)]);
        assert_eq!(changes(&mut connection, name), [TOPIC_DENIED; 5], "{name}");
    }
    let by_id = told(&mut connection, Some((None, closed.id)));
    assert_eq!(by_id, [(String::new(), TOPIC_DENIED)]);
    let all = told(&mut connection, None);
    assert!(all.contains(&(open.name.clone(), 0)), "{all:?}");
    assert!(
        !all.iter().any(|(name, _)| name.starts_with("closed-")),
        "{all:?}"
    );
    server.run(&[
        "acl",
        "remove",
        "--topic",
        "closed-",
        "--pattern",
        "prefixed",
    ]);
    assert_eq!(append(&mut connection, &closed), 0);
}

/// Creating takes a right to the cluster or to the name, whichever way a topic is created.
#[test]
fn creation_takes_a_right() {
    let Some(server) = Server::own("access-creation", &[AUTHORIZER, OPEN]) else {
        return;
    };
    let mut connection = server.connect();
    let mut deny = creation(4, "kafka-cluster", 5);
    deny.permission_type = 2;
    let lists = vec![
        deny,
        creation(4, "kafka-cluster", 7),
        creation(2, "mine", 5),
    ];
    assert_eq!(create(&mut connection, lists), [0; 3]);
    let mut other = creation(2, "theirs", 5);
    other.principal = "User:somebody".into();
    let looking = creation(2, "theirs", 8);
    assert_eq!(create(&mut connection, vec![other, looking]), [0; 2]);
    let answer = connection.ask(&CreateTopicsRequest {
        topics: vec![named_topic("mine"), named_topic("theirs")],
        timeout_ms: 10_000,
        ..Default::default()
    });
    let response = answer.read::<CreateTopicsRequest<'_>>();
    let mut codes: Vec<_> = response
        .topics
        .iter()
        .map(|topic| {
            (
                topic.name.as_ref(),
                topic.error_code,
                topic.topic_config_error_code,
            )
        })
        .collect();
    codes.sort_unstable();
    // Only creating was allowed, so the configuration is not shown.
    assert_eq!(
        codes,
        [("mine", 0, TOPIC_DENIED), ("theirs", TOPIC_DENIED, 0)]
    );
    let by_itself = told(&mut connection, Some((Some("theirs"), Uuid::ZERO)));
    assert_eq!(by_itself, [("theirs".to_owned(), TOPIC_DENIED)]);
    assert_eq!(delete(&mut connection, "mine"), TOPIC_DENIED);
    assert_eq!(delete(&mut connection, "theirs"), TOPIC_DENIED);
    assert_eq!(delete(&mut connection, "of-nobody"), UNKNOWN_TOPIC);
    let answer = connection.ask(&InitProducerIdRequest {
        transactional_id: None,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    });
    let response = answer.read::<InitProducerIdRequest<'_>>();
    assert_eq!(response.error_code, 0, "there are topics it may write");
}

/// A group is closed by its name, whatever is asked of it.
#[test]
fn a_denied_group_is_closed() {
    let Some(server) = Server::own("access-groups", &[AUTHORIZER, OPEN]) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "access-groups", 1);
    groups::find_coordinator(&mut connection, "mine");
    let committed = groups::commit(&mut connection, "mine", None, &topic, &[(0, 1)]);
    assert_eq!(committed, [base::ErrorCode::None]);
    let mut deny = creation(3, "mine", 2);
    deny.permission_type = 2;
    assert_eq!(create(&mut connection, vec![deny]), [0]);
    let committed = groups::commit(&mut connection, "mine", None, &topic, &[(0, 2)]);
    assert_eq!(committed, [base::ErrorCode::GroupAuthorizationFailed]);
    let answer = connection.ask(&OffsetFetchRequest {
        groups: vec![offset_fetch::OffsetFetchRequestGroup {
            group_id: "mine".into(),
            ..Default::default()
        }],
        ..Default::default()
    });
    let response = answer.read::<OffsetFetchRequest<'_>>();
    assert_eq!(response.groups[0].error_code, GROUP_DENIED);
    let answer = connection.ask(&HeartbeatRequest {
        group_id: "mine".into(),
        ..Default::default()
    });
    assert_eq!(
        answer.read::<HeartbeatRequest<'_>>().error_code,
        GROUP_DENIED
    );
    let answer = connection.ask(&DescribeGroupsRequest {
        groups: vec!["mine".into()],
        ..Default::default()
    });
    let response = answer.read::<DescribeGroupsRequest<'_>>();
    assert_eq!(response.groups[0].error_code, GROUP_DENIED);
    let answer = connection.ask(&DeleteGroupsRequest {
        groups_names: vec!["mine".into()],
    });
    let response = answer.read::<DeleteGroupsRequest<'_>>();
    assert_eq!(response.results[0].error_code, GROUP_DENIED);
    let answer = connection.ask(&ConsumerGroupHeartbeatRequest {
        group_id: "mine".into(),
        member_id: "m".into(),
        subscribed_topic_names: Some(vec![topic.name.as_str().into()]),
        topic_partitions: Some(Vec::new()),
        rebalance_timeout_ms: 10_000,
        ..Default::default()
    });
    let response = answer.read::<ConsumerGroupHeartbeatRequest<'_>>();
    assert_eq!(response.error_code, GROUP_DENIED);
    // Who may look at the cluster sees which groups there are, as in Kafka.
    assert!(groups::list(&mut connection).contains(&"mine".to_owned()));
    let mut deny = creation(4, "kafka-cluster", 8);
    deny.permission_type = 2;
    assert_eq!(create(&mut connection, vec![deny]), [0]);
    assert!(!groups::list(&mut connection).contains(&"mine".to_owned()));
}

/// Without any right to the cluster an administrator is refused everywhere, and a list that shuts
/// everybody out cannot be taken back through the door that it closed.
#[test]
fn a_closed_cluster_is_closed_to_its_administrators() {
    let Some(server) = Server::own("access-cluster", &[AUTHORIZER]) else {
        return;
    };
    let mut connection = server.connect();
    assert_eq!(count(&mut connection), (CLUSTER_DENIED, 0));
    let codes = create(&mut connection, vec![creation(2, "t", 3)]);
    assert_eq!(codes, [CLUSTER_DENIED]);
    let answer = connection.ask(&DescribeQuorumRequest::default());
    let response = answer.read::<DescribeQuorumRequest<'_>>();
    assert_eq!(response.error_code, CLUSTER_DENIED);
    let answer = connection.ask(&DescribeLogDirsRequest::default());
    let response = answer.read::<DescribeLogDirsRequest<'_>>();
    assert_eq!(
        (response.error_code, response.results.len()),
        (CLUSTER_DENIED, 0)
    );
    let answer = connection.ask(&ListConfigResourcesRequest::default());
    let response = answer.read::<ListConfigResourcesRequest>();
    assert_eq!(response.error_code, CLUSTER_DENIED);
    let answer = connection.ask(&InitProducerIdRequest {
        transactional_id: None,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    });
    let response = answer.read::<InitProducerIdRequest<'_>>();
    assert_eq!(response.error_code, CLUSTER_DENIED);
    let answer = connection.ask(&DescribeClusterRequest {
        include_cluster_authorized_operations: true,
        endpoint_type: 1,
        ..Default::default()
    });
    let response = answer.read::<DescribeClusterRequest>();
    assert_eq!(
        (response.error_code, response.cluster_authorized_operations),
        (0, 0)
    );
}

/// Super users are never shut out.
#[test]
fn super_users_may_do_everything() {
    let super_user = format!("super.users=User:root;{ME}");
    let Some(server) = Server::own("access-super", &[AUTHORIZER, &super_user]) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "access-super", 1);
    let mut deny = creation(2, "*", 2);
    deny.permission_type = 2;
    assert_eq!(create(&mut connection, vec![deny]), [0]);
    let batch = Writer::new(0, 100).batch(1);
    let appended = topics::append(&mut connection, (&topic, 0), &batch.bytes);
    assert_eq!(appended.error_code, 0);
    let answer = connection.ask(&DescribeClusterRequest {
        include_cluster_authorized_operations: true,
        endpoint_type: 1,
        ..Default::default()
    });
    let response = answer.read::<DescribeClusterRequest>();
    assert_eq!(response.cluster_authorized_operations, 8096);
}

/// The command line says what it added and finds it again.
#[test]
fn the_command_line_shows_adds_and_removes() {
    let Some(server) = Server::own("access-cli", &[AUTHORIZER, OPEN]) else {
        return;
    };
    let added = server.run(&[
        "acl",
        "add",
        "--group",
        "g",
        "--principal",
        "User:a",
        "--principal",
        "User:b",
        "--operation",
        "read,describe",
        "--host",
        "10.0.0.1",
    ]);
    assert_eq!(added.lines().count(), 5, "{added}");
    let listed = server.run(&["acl", "list", "--principal", "User:b", "--json"]);
    let line = "{\"host\":\"10.0.0.1\",\"name\":\"g\",\"operation\":\"READ\",\
                \"pattern_type\":\"LITERAL\",\"permission\":\"ALLOW\",\
                \"principal\":\"User:b\",\"resource_type\":\"GROUP\"}";
    assert!(listed.lines().any(|found| found == line), "{listed}");
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let dry = server.run(&[
        "acl",
        "remove",
        "--operation",
        "read",
        "--dry-run",
        "--json",
    ]);
    assert_eq!(dry.lines().count(), 2, "{dry}");
    let removed = server.run(&["acl", "remove", "--operation", "read", "--json"]);
    assert_eq!(removed, dry);
    assert_eq!(
        server
            .run(&["acl", "remove", "--all", "--json"])
            .lines()
            .count(),
        2
    );
    assert_eq!(server.run(&["acl", "list", "--json"]), "");
}
