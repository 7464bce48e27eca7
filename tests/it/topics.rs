//! Topics as the other tests use them, and the requests that write into them.

use std::thread;
use std::time::{Duration, Instant};

use base::Uuid;
use wire::create_topics::CreateTopicsRequest;
use wire::delete_topics::DeleteTopicsRequest;
use wire::metadata::MetadataRequest;
use wire::produce::ProduceRequest;
use wire::{Records, create_topics, delete_topics, metadata, produce};

use crate::connection::{Answer, Connection, Sent};
use crate::log;

const TIMEOUT_MS: i32 = 30_000;
/// Kafka answers a creation before every part of it knows the topic.
const SETTLE_PATIENCE: Duration = Duration::from_secs(30);
const RETRY_EVERY: Duration = Duration::from_millis(20);

/// A topic that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
}

/// What one partition answered to a produce request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) error_code: i16,
    pub(crate) base_offset: i64,
}

/// Creates a topic whose name nobody else uses, and waits until it can be written.
pub(crate) fn create(connection: &mut Connection, stem: &str, partitions: i32) -> Topic {
    create_with(connection, stem, partitions, &[])
}

pub(crate) fn create_with(
    connection: &mut Connection,
    stem: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Topic {
    // The same broker may be tested many times, so names differ between runs.
    let name = format!("{stem}-{}-{}", std::process::id(), unique());
    create_named(connection, &name, partitions, configs)
}

/// Makes a topic of exactly this name.
pub(crate) fn create_named(
    connection: &mut Connection,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Topic {
    let configs = configs
        .iter()
        .map(|(key, value)| create_topics::CreatableTopicConfig {
            name: (*key).into(),
            value: Some((*value).into()),
        });
    let topic = create_topics::CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.collect(),
        ..Default::default()
    };
    let answer = connection.ask(&creation_of(topic));
    let created = answer.read::<CreateTopicsRequest<'_>>();
    let result = &created.topics[0];
    assert_eq!(result.error_code, 0, "{:?}", result.error_message);
    wait_for(connection, name, partitions)
}

fn creation_of(topic: create_topics::CreatableTopic<'_>) -> CreateTopicsRequest<'_> {
    CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: TIMEOUT_MS,
        ..Default::default()
    }
}

/// Asks for a topic without waiting for the answer.
pub(crate) fn begin_creation(connection: &mut Connection, name: &str, partitions: i32) -> Sent {
    let topic = create_topics::CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    let version = connection.newest::<CreateTopicsRequest<'_>>();
    connection.send(version, &creation_of(topic))
}

/// Waits until the topic's partitions have leaders.
fn wait_for(connection: &mut Connection, name: &str, partitions: i32) -> Topic {
    let begin = Instant::now();
    loop {
        if let Some((topic, count)) = find(connection, name)
            && count == partitions
            && (0..partitions).all(|partition| {
                // Metadata may know of a leader before the leader itself does.
                log::fetch_at(connection, (&topic, partition), 0).error_code == 0
            })
        {
            return topic;
        }
        assert!(
            begin.elapsed() < SETTLE_PATIENCE,
            "{name} never got its leaders"
        );
        thread::sleep(RETRY_EVERY);
    }
}

/// The topic of that name, if it exists, and how many of its partitions have a leader.
pub(crate) fn find(connection: &mut Connection, name: &str) -> Option<(Topic, i32)> {
    let version = connection.newest::<MetadataRequest<'_>>();
    let answer = connection.call(version, &metadata_of(name));
    let response = answer.read::<MetadataRequest<'_>>();
    let found = response
        .topics
        .iter()
        .find(|topic| topic.name.as_deref() == Some(name))?;
    if found.error_code != 0 {
        return None;
    }
    let led = found
        .partitions
        .iter()
        .filter(|partition| partition.leader_id >= 0);
    let topic = Topic {
        name: name.to_owned(),
        id: found.topic_id,
    };
    Some((topic, i32::try_from(led.count()).unwrap()))
}

/// Asks for one topic, without creating it.
pub(crate) fn metadata_of(name: &str) -> MetadataRequest<'_> {
    let topic = metadata::MetadataRequestTopic {
        name: Some(name.into()),
        ..Default::default()
    };
    MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: false,
        ..Default::default()
    }
}

pub(crate) fn delete(connection: &mut Connection, topic: &Topic) {
    let version = connection.newest::<DeleteTopicsRequest<'_>>();
    let state = delete_topics::DeleteTopicState {
        name: Some(topic.name.as_str().into()),
        ..Default::default()
    };
    let request = DeleteTopicsRequest {
        topics: vec![state],
        timeout_ms: TIMEOUT_MS,
        ..Default::default()
    };
    let answer = connection.call(version, &request);
    let deleted = answer.read::<DeleteTopicsRequest<'_>>();
    assert_eq!(deleted.responses[0].error_code, 0);
}

/// A produce request of one batch.
pub(crate) fn produce_request<'a>(
    topic: &'a Topic,
    partition: i32,
    acks: i16,
    version: i16,
    batch: &'a [u8],
) -> ProduceRequest<'a> {
    let data = produce::PartitionProduceData {
        index: partition,
        records: Records::Borrowed(batch),
    };
    // Since KIP-516 a topic is named by its id.
    let by_id = version >= 13;
    let topic_data = produce::TopicProduceData {
        name: if by_id {
            "".into()
        } else {
            topic.name.as_str().into()
        },
        topic_id: if by_id { topic.id } else { Uuid::ZERO },
        partition_data: vec![data],
    };
    ProduceRequest {
        acks,
        timeout_ms: TIMEOUT_MS,
        topic_data: vec![topic_data],
        ..Default::default()
    }
}

/// Sends one batch in the newest version, without waiting.
pub(crate) fn send_batch(
    connection: &mut Connection,
    (topic, partition): (&Topic, i32),
    acks: i16,
    batch: &[u8],
) -> std::io::Result<Sent> {
    let version = connection.newest::<ProduceRequest<'_>>();
    connection.try_send(
        version,
        &produce_request(topic, partition, acks, version, batch),
    )
}

/// Writes one batch with acks=all and waits.
pub(crate) fn append(
    connection: &mut Connection,
    (topic, partition): (&Topic, i32),
    batch: &[u8],
) -> Appended {
    let sent = send_batch(connection, (topic, partition), -1, batch).unwrap();
    appended(&connection.receive(sent))
}

/// What the answer to a request with one partition says.
pub(crate) fn appended(answer: &Answer) -> Appended {
    let response = answer.read::<ProduceRequest<'_>>();
    let partition = &response.responses[0].partition_responses[0];
    Appended {
        error_code: partition.error_code,
        base_offset: partition.base_offset,
    }
}

fn unique() -> u64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    now.as_nanos() as u64
}
