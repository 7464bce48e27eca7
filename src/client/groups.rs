//! What administrators ask of groups: list, describe, read and set offsets, delete.
//!
//! Each group has one coordinator, found by asking any broker; what a coordinator no longer knows
//! is asked of the next one while the caller's patience lasts.

use std::collections::BTreeMap;

use base::{ErrorCode, NodeId, Offset, PartitionIndex, TopicPartition, Uuid};
use wire::Request;
use wire::consumer_group_describe::{
    self, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
};
use wire::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use wire::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use wire::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse,
};
use wire::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
};
use wire::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse};
use wire::record::consumer_protocol_assignment::ConsumerProtocolAssignment;
use wire::{Decode, Reader};

use crate::admin::check;
use crate::cluster::Client;
use crate::connection::Answer;
use crate::error::ClientError;
use crate::image::Broker;

/// From here on several coordinators are asked for at once (KIP-699).
const FIND_SEVERAL_MIN: i16 = 4;
/// From here on offsets of several groups are asked for at once (KIP-709).
const FETCH_SEVERAL_MIN: i16 = 8;
/// From here on topics are known by id (KIP-848).
const BY_TOPIC_ID_MIN: i16 = 10;
/// The protocol type of consumers, as opposed to Connect's and others'.
const CONSUMER: &str = "consumer";

/// What a coordinator looks after; Kafka's numbers of the kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coordinated {
    /// A group.
    Group = 0,
    /// A transactional id (KIP-98).
    Transaction = 1,
}

impl Coordinated {
    fn named(self, key: &str) -> String {
        match self {
            Self::Group => named(key),
            Self::Transaction => format!("transactional id {key}"),
        }
    }
}

/// A group in a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedGroupInfo {
    /// Its id.
    pub group: String,
    /// What kind of members it has: `consumer`, `connect`, or empty.
    pub protocol_type: String,
    /// Kafka's word for its state; empty where the broker is too old to say (KIP-518).
    pub state: String,
    /// `classic`, `consumer` and so on; empty where the broker is too old to say (KIP-848).
    pub kind: String,
    /// The node that coordinates it.
    pub coordinator: NodeId,
}

/// A group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Kafka's word for its state.
    pub state: String,
    /// `classic` or `consumer`, by the protocol that its coordinator describes it in.
    pub kind: &'static str,
    /// What kind of members it has.
    pub protocol_type: String,
    /// The assignor or the protocol that the members agreed on.
    pub assignor: String,
    /// The group's epoch; none for classic groups, whose generation nobody is told.
    pub epoch: Option<i32>,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that it has in the group.
    pub id: String,
    /// Its own lasting name, if it has one (KIP-345).
    pub instance: Option<String>,
    /// What it calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// Its partitions.
    pub assignment: Vec<TopicPartition>,
}

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset that it will read next.
    pub offset: Offset,
    /// The group's own note.
    pub metadata: String,
}

impl Client {
    /// Every group of every broker, in the order of their names.
    ///
    /// # Errors
    /// When a broker cannot be asked, since a listing with holes would mislead.
    pub async fn list_groups(&self) -> Result<Vec<ListedGroupInfo>, ClientError> {
        self.refresh(Some(&[]), false).await?;
        let nodes: Vec<NodeId> = self.image().brokers.keys().copied().collect();
        let mut all = Vec::new();
        for node in nodes {
            let connection = self.broker(node).await?;
            let request = ListGroupsRequest::default();
            let answer = connection.call(&request, self.options().request_timeout);
            let answer = answer.await?;
            let response: ListGroupsResponse<'_> = answer.decode()?;
            check(&format!("groups of node {node}"), response.error_code, None)?;
            let groups = response.groups.iter();
            all.extend(groups.map(|group| ListedGroupInfo::read(group, node)));
        }
        all.sort();
        Ok(all)
    }

    /// A group and its members; a group that nobody knows is `Dead` and empty, as in Kafka.
    ///
    /// # Errors
    /// When its coordinator cannot be found or asked.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription, ClientError> {
        let connection = self.coordinator(group).await?;
        if connection
            .version(ConsumerGroupDescribeRequest::KEY)
            .is_ok()
        {
            let request = ConsumerGroupDescribeRequest {
                group_ids: vec![group.into()],
                include_authorized_operations: false,
            };
            let answer = self.ask_coordinator(group, &request).await?;
            let response: ConsumerGroupDescribeResponse<'_> = answer.decode()?;
            let described = response.groups.first().ok_or_else(|| missing(group))?;
            // Classic groups are described the classic way, as Kafka's own tools find out.
            let is_other = [ErrorCode::GroupIdNotFound, ErrorCode::UnsupportedVersion];
            if !is_other.contains(&ErrorCode::from_code(described.error_code)) {
                let message = described.error_message.as_deref();
                check(&named(group), described.error_code, message)?;
                return Ok(GroupDescription::read_consumer(described));
            }
        }
        let request = DescribeGroupsRequest {
            groups: vec![group.into()],
            include_authorized_operations: false,
        };
        let answer = self.ask_coordinator(group, &request).await?;
        let response: DescribeGroupsResponse<'_> = answer.decode()?;
        let described = response.groups.first().ok_or_else(|| missing(group))?;
        if ErrorCode::from_code(described.error_code) != ErrorCode::GroupIdNotFound {
            let message = described.error_message.as_deref();
            check(&named(group), described.error_code, message)?;
        }
        Ok(GroupDescription::read_classic(described))
    }

    /// Everything that a group has committed.
    ///
    /// # Errors
    /// As [`Client::describe_group`].
    pub async fn committed(
        &self,
        group: &str,
    ) -> Result<BTreeMap<TopicPartition, Committed>, ClientError> {
        let connection = self.coordinator(group).await?;
        let version = connection.version(OffsetFetchRequest::KEY)?;
        let request = if version >= FETCH_SEVERAL_MIN {
            OffsetFetchRequest {
                groups: vec![OffsetFetchRequestGroup {
                    group_id: group.into(),
                    member_epoch: -1,
                    topics: None,
                    ..OffsetFetchRequestGroup::default()
                }],
                ..OffsetFetchRequest::default()
            }
        } else {
            OffsetFetchRequest {
                group_id: group.into(),
                topics: None,
                ..OffsetFetchRequest::default()
            }
        };
        if version >= BY_TOPIC_ID_MIN {
            self.refresh(None, false).await?;
        }
        let answer = self.ask_coordinator(group, &request).await?;
        let response: OffsetFetchResponse<'_> = answer.decode()?;
        check(&named(group), response.error_code, None)?;
        let mut found = BTreeMap::new();
        for topic in &response.topics {
            for part in &topic.partitions {
                let key = (topic.name.as_ref(), part.partition_index);
                let value = (part.committed_offset, part.metadata.as_deref());
                note_committed(&mut found, key, value, part.error_code)?;
            }
        }
        for answered in &response.groups {
            check(&named(group), answered.error_code, None)?;
            for topic in &answered.topics {
                // A topic that is gone meanwhile has no name any more, and nothing to read.
                let Some(name) = self.name_of(&topic.name, topic.topic_id) else {
                    continue;
                };
                for part in &topic.partitions {
                    let key = (name.as_str(), part.partition_index);
                    let value = (part.committed_offset, part.metadata.as_deref());
                    note_committed(&mut found, key, value, part.error_code)?;
                }
            }
        }
        Ok(found)
    }

    fn name_of(&self, name: &str, id: Uuid) -> Option<String> {
        if !name.is_empty() {
            return Some(name.to_owned());
        }
        let image = self.image();
        let mut topics = image.topics.values();
        let topic = topics.find(|topic| topic.id == id)?;
        Some(topic.name.clone())
    }

    /// Commits offsets in the name of a group that has no members now.
    ///
    /// # Errors
    /// `Refused` when the group has members or a partition is unknown; otherwise as
    /// [`Client::describe_group`].
    pub async fn commit_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<(), ClientError> {
        let request = OffsetCommitRequest {
            generation_id_or_member_epoch: -1,
            ..OffsetCommitRequest::default()
        };
        self.commit_as(group, request, offsets).await
    }

    /// Commits offsets for whom `request` names.
    pub(crate) async fn commit_as(
        &self,
        group: &str,
        mut request: OffsetCommitRequest<'_>,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<(), ClientError> {
        let connection = self.coordinator(group).await?;
        let by_id = connection.version(OffsetCommitRequest::KEY)? >= BY_TOPIC_ID_MIN;
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition<'_>>> = BTreeMap::new();
        for (partition, offset) in offsets {
            let part = OffsetCommitRequestPartition {
                partition_index: partition.partition.0,
                committed_offset: offset.0,
                committed_leader_epoch: -1,
                committed_metadata: Some("".into()),
                ..OffsetCommitRequestPartition::default()
            };
            topics.entry(&partition.topic).or_default().push(part);
        }
        request.group_id = group.to_owned().into();
        request.retention_time_ms = -1;
        for (name, partitions) in topics {
            let id = if by_id {
                self.topic(name, false).await?.id
            } else {
                Uuid::ZERO
            };
            request.topics.push(OffsetCommitRequestTopic {
                name: if by_id {
                    "".into()
                } else {
                    name.to_owned().into()
                },
                topic_id: id,
                partitions,
            });
        }
        let answer = self.ask_coordinator(group, &request).await?;
        let response: OffsetCommitResponse<'_> = answer.decode()?;
        for topic in &response.topics {
            let name = self.name_of(&topic.name, topic.topic_id);
            for part in &topic.partitions {
                let name = name.as_deref().unwrap_or("a topic");
                let subject = format!("offset of {name}-{}", part.partition_index);
                check(&subject, part.error_code, None)?;
            }
        }
        Ok(())
    }

    /// Deletes a group's offsets of some partitions.
    ///
    /// # Errors
    /// `Refused` when members subscribe to one of the topics; otherwise as
    /// [`Client::describe_group`].
    pub async fn delete_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<(), ClientError> {
        let mut topics: BTreeMap<&str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
        for partition in partitions {
            let partition_index = partition.partition.0;
            let part = OffsetDeleteRequestPartition { partition_index };
            topics.entry(&partition.topic).or_default().push(part);
        }
        let topic = |(name, partitions): (&str, _)| OffsetDeleteRequestTopic {
            name: name.to_owned().into(),
            partitions,
        };
        let request = OffsetDeleteRequest {
            group_id: group.into(),
            topics: topics.into_iter().map(topic).collect(),
        };
        let answer = self.ask_coordinator(group, &request).await?;
        let response: OffsetDeleteResponse<'_> = answer.decode()?;
        check(&named(group), response.error_code, None)?;
        for topic in &response.topics {
            for part in &topic.partitions {
                let subject = format!("offset of {}-{}", topic.name, part.partition_index);
                check(&subject, part.error_code, None)?;
            }
        }
        Ok(())
    }

    /// Deletes a group that has no members, with its offsets.
    ///
    /// # Errors
    /// `Refused` when it has members or does not exist; otherwise as [`Client::describe_group`].
    pub async fn delete_group(&self, group: &str) -> Result<(), ClientError> {
        let request = DeleteGroupsRequest {
            groups_names: vec![group.into()],
        };
        let answer = self.ask_coordinator(group, &request).await?;
        let response: DeleteGroupsResponse<'_> = answer.decode()?;
        let deleted = response.results.first().ok_or_else(|| missing(group))?;
        let message = deleted.error_message.as_deref();
        check(&named(group), deleted.error_code, message)
    }

    /// Asks a group's coordinator, and finds it anew while its failures may pass.
    async fn ask_coordinator<R: Request>(
        &self,
        group: &str,
        request: &R,
    ) -> Result<Answer, ClientError> {
        let give_up = self.core().now() + self.options().retry_time_max;
        loop {
            let asked = async {
                let connection = self.coordinator(group).await?;
                connection
                    .call(request, self.options().request_timeout)
                    .await
            };
            match asked.await {
                Err(error) if error.is_unreachable() && self.core().now() < give_up => {
                    self.core().sleep(self.options().retry_pause).await;
                }
                done => return done,
            }
        }
    }

    /// A connection to the broker that coordinates `group`.
    ///
    /// # Errors
    /// When no broker names one within the time that retries may take.
    pub async fn coordinator(&self, group: &str) -> Result<crate::Connection, ClientError> {
        let (_, connection) = self.coordinator_of(Coordinated::Group, group).await?;
        Ok(connection)
    }

    /// A connection to the broker that coordinates the transactions of a transactional id (KIP-98).
    ///
    /// # Errors
    /// As [`Client::coordinator`].
    pub async fn transaction_coordinator(
        &self,
        transactional_id: &str,
    ) -> Result<crate::Connection, ClientError> {
        let kind = Coordinated::Transaction;
        let (_, connection) = self.coordinator_of(kind, transactional_id).await?;
        Ok(connection)
    }

    /// The broker that coordinates what `key` names, and a connection to it.
    ///
    /// # Errors
    /// As [`Client::coordinator`].
    pub(crate) async fn coordinator_of(
        &self,
        kind: Coordinated,
        key: &str,
    ) -> Result<(NodeId, crate::Connection), ClientError> {
        let give_up = self.core().now() + self.options().retry_time_max;
        loop {
            match self.try_coordinator(kind, key).await {
                Err(error) if error.is_retriable() && self.core().now() < give_up => {
                    self.core().sleep(self.options().retry_pause).await;
                }
                done => return done,
            }
        }
    }

    async fn try_coordinator(
        &self,
        kind: Coordinated,
        key: &str,
    ) -> Result<(NodeId, crate::Connection), ClientError> {
        let connection = self.any().await?;
        let several = connection.version(FindCoordinatorRequest::KEY)? >= FIND_SEVERAL_MIN;
        let request = FindCoordinatorRequest {
            key: if several { "".into() } else { key.into() },
            key_type: kind as i8,
            coordinator_keys: if several {
                vec![key.into()]
            } else {
                Vec::new()
            },
        };
        let answer = connection.call(&request, self.options().request_timeout);
        let answer = answer.await?;
        let response: FindCoordinatorResponse<'_> = answer.decode()?;
        let (node, host, port) = match response.coordinators.first() {
            Some(found) => {
                let message = found.error_message.as_deref();
                check(&kind.named(key), found.error_code, message)?;
                (found.node_id, &found.host, found.port)
            }
            None => {
                let message = response.error_message.as_deref();
                check(&kind.named(key), response.error_code, message)?;
                (response.node_id, &response.host, response.port)
            }
        };
        let broker = Broker {
            node: NodeId(node),
            host: host.clone().into_owned(),
            port: u16::try_from(port).unwrap_or(0),
            rack: None,
        };
        Ok((NodeId(node), self.broker_at(broker).await?))
    }
}

impl ListedGroupInfo {
    fn read(group: &ListedGroup<'_>, coordinator: NodeId) -> Self {
        Self {
            group: group.group_id.clone().into_owned(),
            protocol_type: group.protocol_type.clone().into_owned(),
            state: group.group_state.clone().into_owned(),
            kind: group.group_type.clone().into_owned(),
            coordinator,
        }
    }
}

impl GroupDescription {
    fn read_consumer(group: &consumer_group_describe::DescribedGroup<'_>) -> Self {
        let partitions = |topic: &consumer_group_describe::TopicPartitions<'_>| {
            let name = topic.topic_name.clone().into_owned();
            let indexes = topic.partitions.clone();
            indexes.into_iter().map(move |index| TopicPartition {
                topic: name.clone(),
                partition: PartitionIndex(index),
            })
        };
        let member = |member: &consumer_group_describe::Member<'_>| GroupMember {
            id: member.member_id.clone().into_owned(),
            instance: member.instance_id.as_deref().map(ToOwned::to_owned),
            client_id: member.client_id.clone().into_owned(),
            host: member.client_host.clone().into_owned(),
            assignment: member
                .assignment
                .topic_partitions
                .iter()
                .flat_map(partitions)
                .collect(),
        };
        Self {
            state: group.group_state.clone().into_owned(),
            kind: "consumer",
            protocol_type: CONSUMER.to_owned(),
            assignor: group.assignor_name.clone().into_owned(),
            epoch: Some(group.group_epoch),
            members: group.members.iter().map(member).collect(),
        }
    }

    fn read_classic(group: &DescribedGroup<'_>) -> Self {
        let is_consumers = group.protocol_type == CONSUMER;
        let member = |member: &DescribedGroupMember<'_>| GroupMember {
            id: member.member_id.clone().into_owned(),
            instance: member.group_instance_id.as_deref().map(ToOwned::to_owned),
            client_id: member.client_id.clone().into_owned(),
            host: member.client_host.clone().into_owned(),
            assignment: if is_consumers {
                read_assignment(&member.member_assignment).unwrap_or_default()
            } else {
                Vec::new()
            },
        };
        Self {
            state: group.group_state.clone().into_owned(),
            kind: "classic",
            protocol_type: group.protocol_type.clone().into_owned(),
            assignor: group.protocol_data.clone().into_owned(),
            epoch: None,
            members: group.members.iter().map(member).collect(),
        }
    }
}

/// A consumer's partitions as its group's leader wrote them down; nothing where the bytes are in
/// no format that is known.
pub(crate) fn read_assignment(bytes: &[u8]) -> Option<Vec<TopicPartition>> {
    let (version, fields) = bytes.split_first_chunk::<2>()?;
    let known = ConsumerProtocolAssignment::SCHEMA.versions;
    let version = i16::from_be_bytes(*version).min(known.max);
    let mut reader = Reader::new(fields);
    let assignment = ConsumerProtocolAssignment::decode(&mut reader, version).ok()?;
    let mut partitions = Vec::new();
    for topic in &assignment.assigned_partitions {
        for index in &topic.partitions {
            partitions.push(TopicPartition {
                topic: topic.topic.clone().into_owned(),
                partition: PartitionIndex(*index),
            });
        }
    }
    Some(partitions)
}

fn note_committed(
    found: &mut BTreeMap<TopicPartition, Committed>,
    (topic, index): (&str, i32),
    (offset, metadata): (i64, Option<&str>),
    code: i16,
) -> Result<(), ClientError> {
    check(&format!("offset of {topic}-{index}"), code, None)?;
    if offset < 0 {
        return Ok(());
    }
    let key = TopicPartition {
        topic: topic.to_owned(),
        partition: PartitionIndex(index),
    };
    let committed = Committed {
        offset: Offset(offset),
        metadata: metadata.unwrap_or_default().to_owned(),
    };
    found.insert(key, committed);
    Ok(())
}

fn named(group: &str) -> String {
    format!("group {group}")
}

fn missing(group: &str) -> ClientError {
    ClientError::Unexpected {
        peer: format!("the coordinator of {group}"),
        detail: "an answer without the group asked for".to_owned(),
    }
}
