//! A member of a consumer group under the classic protocol, which every broker speaks.
//!
//! Lifecycle: join, and be told one's partitions; heartbeat until the coordinator says that the
//! group is being reordered; commit, and join again; leave. The member that the coordinator makes
//! leader divides the partitions among all, topic by topic in ranges, as Kafka's `range` does.
//!
//! Invariant: offsets are committed under the generation that read them, so that the coordinator
//! refuses what a member reads after its partitions went to another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::{ErrorCode, Offset, PartitionIndex, TopicPartition};
use wire::Request;
use wire::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use wire::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, JoinGroupResponseMember,
};
use wire::leave_group::{LeaveGroupRequest, MemberIdentity};
use wire::offset_commit::OffsetCommitRequest;
use wire::record::consumer_protocol_assignment::{self, ConsumerProtocolAssignment};
use wire::record::consumer_protocol_subscription::ConsumerProtocolSubscription;
use wire::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};
use wire::{Decode, Message, Reader, encode_versioned};

use crate::admin::check;
use crate::cluster::Client;
use crate::error::ClientError;
use crate::groups::read_assignment;

/// How long the coordinator waits for a heartbeat before it gives the partitions to others.
const SESSION_TIMEOUT: Duration = Duration::from_secs(45);
/// How long the coordinator waits for this member when the group is reordered.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often to heartbeat: often enough that a few may be lost.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);
/// The assignment strategy that this member offers.
const RANGE: &str = "range";
/// The version of the subscription and assignment formats that is written.
const FORMAT_VERSION: i16 = 0;
/// From here on members leave as a list (KIP-345).
const LEAVE_SEVERAL_MIN: i16 = 3;

/// A member of a group.
pub struct Membership {
    client: Client,
    group: String,
    topics: Vec<String>,
    member_id: String,
    generation: i32,
}

impl Membership {
    /// A member that has not joined yet.
    #[must_use]
    pub fn new(client: &Client, group: &str, topics: &[String]) -> Self {
        Self {
            client: client.clone(),
            group: group.to_owned(),
            topics: topics.to_vec(),
            member_id: String::new(),
            generation: -1,
        }
    }

    /// Joins, or joins again; the partitions that this member reads from now on.
    ///
    /// # Errors
    /// When the coordinator refuses for good or cannot be reached.
    pub async fn join(&mut self) -> Result<Vec<TopicPartition>, ClientError> {
        let give_up = self.client.core().now() + REBALANCE_TIMEOUT;
        loop {
            match self.try_join().await {
                Ok(partitions) => return Ok(partitions),
                Err(error) if self.client.core().now() >= give_up => return Err(error),
                Err(error) => self.digest(error)?,
            }
            let pause = self.client.options().retry_pause;
            self.client.core().sleep(pause).await;
        }
    }

    /// Takes in a failure after which joining again may help.
    fn digest(&mut self, error: ClientError) -> Result<(), ClientError> {
        match &error {
            ClientError::Refused { code, .. } => match code {
                ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                    self.member_id.clear();
                    self.generation = -1;
                    Ok(())
                }
                ErrorCode::RebalanceInProgress | ErrorCode::MemberIdRequired => Ok(()),
                _ if error.is_retriable() => Ok(()),
                _ => Err(error),
            },
            _ if error.is_retriable() => Ok(()),
            _ => Err(error),
        }
    }

    async fn try_join(&mut self) -> Result<Vec<TopicPartition>, ClientError> {
        let connection = self.client.coordinator(&self.group).await?;
        let request = self.join_request()?;
        let allowed = REBALANCE_TIMEOUT + self.client.options().request_timeout;
        let answer = connection.call(&request, allowed).await?;
        let joined: JoinGroupResponse<'_> = answer.decode()?;
        if ErrorCode::from_code(joined.error_code) == ErrorCode::MemberIdRequired {
            // The coordinator has given an id to come back with (KIP-394).
            joined.member_id.as_ref().clone_into(&mut self.member_id);
        }
        check(&self.subject(), joined.error_code, None)?;
        joined.member_id.as_ref().clone_into(&mut self.member_id);
        self.generation = joined.generation_id;
        let assignments = if joined.leader == joined.member_id {
            self.divide(&joined.members).await?
        } else {
            Vec::new()
        };
        let request = SyncGroupRequest {
            group_id: self.group.as_str().into(),
            generation_id: self.generation,
            member_id: self.member_id.as_str().into(),
            protocol_type: Some("consumer".into()),
            protocol_name: Some(RANGE.into()),
            assignments: assignments
                .into_iter()
                .map(|(member, bytes)| SyncGroupRequestAssignment {
                    member_id: member.into(),
                    assignment: bytes.into(),
                })
                .collect(),
            ..SyncGroupRequest::default()
        };
        let answer = connection.call(&request, allowed).await?;
        let synced: SyncGroupResponse<'_> = answer.decode()?;
        check(&self.subject(), synced.error_code, None)?;
        Ok(read_assignment(&synced.assignment).unwrap_or_default())
    }

    fn join_request(&self) -> Result<JoinGroupRequest<'static>, ClientError> {
        let millis = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let subscription = ConsumerProtocolSubscription {
            topics: self
                .topics
                .iter()
                .map(|topic| topic.clone().into())
                .collect(),
            ..ConsumerProtocolSubscription::default()
        };
        Ok(JoinGroupRequest {
            group_id: self.group.clone().into(),
            session_timeout_ms: millis(SESSION_TIMEOUT),
            rebalance_timeout_ms: millis(REBALANCE_TIMEOUT),
            member_id: self.member_id.clone().into(),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: RANGE.into(),
                metadata: written(&subscription)?.into(),
            }],
            ..JoinGroupRequest::default()
        })
    }

    /// Divides the partitions of each topic among the members that subscribe to it.
    async fn divide(
        &self,
        members: &[JoinGroupResponseMember<'_>],
    ) -> Result<Vec<(String, Vec<u8>)>, ClientError> {
        let mut subscribers: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for member in members {
            for topic in read_subscription(&member.metadata) {
                let of_topic = subscribers.entry(topic).or_default();
                of_topic.insert(member.member_id.as_ref());
            }
        }
        let mut shares: BTreeMap<&str, BTreeMap<String, Vec<i32>>> = BTreeMap::new();
        for member in members {
            shares.insert(member.member_id.as_ref(), BTreeMap::new());
        }
        for (topic, members) in &subscribers {
            let partitions: Vec<PartitionIndex> = match self.client.topic(topic, false).await {
                Ok(topic) => topic.partitions.keys().copied().collect(),
                // A topic that does not exist yet has nothing to divide.
                Err(ClientError::NotFound { .. }) => Vec::new(),
                Err(error) => return Err(error),
            };
            for (member, range) in ranges(partitions.len(), members) {
                let taken = partitions.get(range).unwrap_or(&[]);
                let share = shares.entry(member).or_default();
                share.insert(topic.clone(), taken.iter().map(|index| index.0).collect());
            }
        }
        let written_share = |(member, share): (&str, BTreeMap<String, Vec<i32>>)| {
            let assignment = ConsumerProtocolAssignment {
                assigned_partitions: share
                    .into_iter()
                    .map(
                        |(topic, partitions)| consumer_protocol_assignment::TopicPartition {
                            topic: topic.into(),
                            partitions,
                        },
                    )
                    .collect(),
                ..ConsumerProtocolAssignment::default()
            };
            Ok((member.to_owned(), written(&assignment)?))
        };
        shares.into_iter().map(written_share).collect()
    }

    /// Tells the coordinator that this member lives; false when it must join again.
    ///
    /// # Errors
    /// When the coordinator refuses for good or cannot be reached.
    pub async fn heartbeat(&mut self) -> Result<bool, ClientError> {
        let connection = self.client.coordinator(&self.group).await?;
        let request = HeartbeatRequest {
            group_id: self.group.as_str().into(),
            generation_id: self.generation,
            member_id: self.member_id.as_str().into(),
            ..HeartbeatRequest::default()
        };
        let answer = connection.call(&request, self.client.options().request_timeout);
        let beaten: Result<(), ClientError> = match answer.await {
            Ok(answer) => {
                let response: HeartbeatResponse = answer.decode()?;
                check(&self.subject(), response.error_code, None)
            }
            Err(error) => Err(error),
        };
        match beaten {
            Ok(()) => Ok(true),
            Err(error) => self.digest(error).map(|()| false),
        }
    }

    /// Commits how far this member has read.
    ///
    /// # Errors
    /// `Refused` when the partitions have gone to others meanwhile.
    pub async fn commit(
        &self,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<(), ClientError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let request = OffsetCommitRequest {
            generation_id_or_member_epoch: self.generation,
            member_id: self.member_id.as_str().into(),
            ..OffsetCommitRequest::default()
        };
        self.client.commit_as(&self.group, request, offsets).await
    }

    /// Leaves, so that others take over at once.
    ///
    /// # Errors
    /// When the coordinator cannot be reached; it finds out by itself then, later.
    pub async fn leave(self) -> Result<(), ClientError> {
        let connection = self.client.coordinator(&self.group).await?;
        let several = connection.version(LeaveGroupRequest::KEY)? >= LEAVE_SEVERAL_MIN;
        let member_id = self.member_id.as_str();
        let request = LeaveGroupRequest {
            group_id: self.group.as_str().into(),
            member_id: if several { "".into() } else { member_id.into() },
            members: if several {
                vec![MemberIdentity {
                    member_id: member_id.into(),
                    ..MemberIdentity::default()
                }]
            } else {
                Vec::new()
            },
        };
        let answer = connection.call(&request, self.client.options().request_timeout);
        answer.await.map(|_| ())
    }

    fn subject(&self) -> String {
        format!("group {}", self.group)
    }
}

/// Which of `count` partitions each member gets: ranges of equal length, the first ones longer by
/// one where they cannot be equal.
fn ranges<'m>(count: usize, members: &BTreeSet<&'m str>) -> Vec<(&'m str, std::ops::Range<usize>)> {
    let (each, longer) = match members.len() {
        0 => (0, 0),
        len => (count / len, count % len),
    };
    let mut start = 0;
    let mut all = Vec::new();
    for (number, member) in members.iter().enumerate() {
        let end = start + each + usize::from(number < longer);
        all.push((*member, start..end));
        start = end;
    }
    assert!(members.is_empty() || start == count, "nothing is left over");
    all
}

/// The topics of a subscription; none where the bytes are in no format that is known.
fn read_subscription(bytes: &[u8]) -> Vec<String> {
    let Some((version, fields)) = bytes.split_first_chunk::<2>() else {
        return Vec::new();
    };
    let known = ConsumerProtocolSubscription::SCHEMA.versions;
    let version = i16::from_be_bytes(*version).min(known.max);
    let mut reader = Reader::new(fields);
    match ConsumerProtocolSubscription::decode(&mut reader, version) {
        Ok(read) => read
            .topics
            .into_iter()
            .map(|topic| topic.into_owned())
            .collect(),
        Err(_) => Vec::new(),
    }
}

/// The bytes that members pass to each other through the coordinator.
fn written(message: &dyn Message) -> Result<Vec<u8>, ClientError> {
    encode_versioned(message, FORMAT_VERSION).map_err(|source| ClientError::Garbled {
        peer: "this member".to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::ranges;

    /// Three members share five partitions: nobody gets more than one more than another.
    #[test]
    fn ranges_are_even_and_whole() {
        let members = ["a", "b", "c"].into();
        assert_eq!(ranges(5, &members), [("a", 0..2), ("b", 2..4), ("c", 4..5)]);
        assert_eq!(ranges(1, &members), [("a", 0..1), ("b", 1..1), ("c", 1..1)]);
        assert!(ranges(3, &[].into()).is_empty());
    }
}
