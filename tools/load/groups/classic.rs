//! A member under the classic protocol, which gives up all its partitions at each rebalance
//! (eager). The leader deals partitions out one by one.

use std::collections::BTreeMap;

use base::ErrorCode;
use client::ClientError;
use wire::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use wire::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, JoinGroupResponseMember,
};
use wire::leave_group::{LeaveGroupRequest, MemberIdentity};
use wire::record::consumer_protocol_assignment::{ConsumerProtocolAssignment, TopicPartition};
use wire::record::consumer_protocol_subscription::ConsumerProtocolSubscription;
use wire::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};
use wire::{Decode, Message, Reader, Request, encode_versioned};

use super::member::{REBALANCE_TIMEOUT_MS, SESSION_TIMEOUT_MS, Seat};

/// What the members call their way of dealing.
const PROTOCOL: &str = "roundrobin";
/// From here on members leave as a list (KIP-345).
const LEAVE_SEVERAL_MIN: i16 = 3;
/// The version of the subscription and assignment formats.
const FORMAT_VERSION: i16 = 0;

struct Member {
    seat: Seat,
    id: String,
    generation: i32,
}

/// Joins, heartbeats, joins again when told to, and leaves when asked to.
///
/// # Errors
/// When the coordinator refuses for good.
pub(crate) async fn run(seat: Seat) -> Result<(), ClientError> {
    let mut member = Member {
        seat,
        id: String::new(),
        generation: -1,
    };
    loop {
        if let Err(code) = member.join().await? {
            member.digest(code).await?;
            continue;
        }
        if member.stay().await? {
            member.seat.board.remove(member.seat.index);
            return member.leave().await;
        }
    }
}

impl Member {
    /// Takes in a refusal after which joining again may help.
    async fn digest(&mut self, code: ErrorCode) -> Result<(), ClientError> {
        match code {
            ErrorCode::MemberIdRequired
            | ErrorCode::RebalanceInProgress
            | ErrorCode::IllegalGeneration => Ok(()),
            ErrorCode::UnknownMemberId => {
                self.id.clear();
                Ok(())
            }
            code => self.seat.bear(code).await,
        }
    }

    async fn join(&mut self) -> Result<Result<(), ErrorCode>, ClientError> {
        let subscription = ConsumerProtocolSubscription {
            topics: vec![self.seat.subject.name.clone().into()],
            ..ConsumerProtocolSubscription::default()
        };
        let request = JoinGroupRequest {
            group_id: self.seat.group.as_str().into(),
            session_timeout_ms: SESSION_TIMEOUT_MS,
            rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
            member_id: self.id.as_str().into(),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: PROTOCOL.into(),
                metadata: written(&subscription)?.into(),
            }],
            ..JoinGroupRequest::default()
        };
        let answer = self.seat.ask(&request).await?;
        let joined: JoinGroupResponse<'_> = answer.decode()?;
        let code = ErrorCode::from_code(joined.error_code);
        if code == ErrorCode::None || code == ErrorCode::MemberIdRequired {
            joined.member_id.as_ref().clone_into(&mut self.id);
        }
        if code != ErrorCode::None {
            return Ok(Err(code));
        }
        self.generation = joined.generation_id;
        let assignments = if joined.leader == joined.member_id {
            self.deal(&joined.members)?
        } else {
            Vec::new()
        };
        self.sync(assignments).await
    }

    async fn sync(
        &self,
        assignments: Vec<SyncGroupRequestAssignment<'_>>,
    ) -> Result<Result<(), ErrorCode>, ClientError> {
        let request = SyncGroupRequest {
            group_id: self.seat.group.as_str().into(),
            generation_id: self.generation,
            member_id: self.id.as_str().into(),
            protocol_type: Some("consumer".into()),
            protocol_name: Some(PROTOCOL.into()),
            assignments,
            ..SyncGroupRequest::default()
        };
        let answer = self.seat.ask(&request).await?;
        let synced: SyncGroupResponse<'_> = answer.decode()?;
        let code = ErrorCode::from_code(synced.error_code);
        if code != ErrorCode::None {
            return Ok(Err(code));
        }
        self.seat.stand(self.generation, count(&synced.assignment));
        Ok(Ok(()))
    }

    /// Partition by partition to member after member.
    fn deal<'m>(
        &self,
        members: &[JoinGroupResponseMember<'m>],
    ) -> Result<Vec<SyncGroupRequestAssignment<'m>>, ClientError> {
        let mut shares: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
        for (turn, partition) in self.seat.subject.partitions.iter().enumerate() {
            let member = turn.checked_rem(members.len()).unwrap_or(0);
            shares.entry(member).or_default().push(partition.0);
        }
        let share = |(index, member): (usize, &JoinGroupResponseMember<'m>)| {
            let assignment = ConsumerProtocolAssignment {
                assigned_partitions: vec![TopicPartition {
                    topic: self.seat.subject.name.clone().into(),
                    partitions: shares.remove(&index).unwrap_or_default(),
                }],
                ..ConsumerProtocolAssignment::default()
            };
            Ok(SyncGroupRequestAssignment {
                member_id: member.member_id.clone(),
                assignment: written(&assignment)?.into(),
            })
        };
        members.iter().enumerate().map(share).collect()
    }

    /// Heartbeats until the group is reordered, or this member is asked to leave: true then.
    async fn stay(&mut self) -> Result<bool, ClientError> {
        loop {
            self.seat.pause().await;
            if self.seat.leaves.get() {
                return Ok(true);
            }
            let request = HeartbeatRequest {
                group_id: self.seat.group.as_str().into(),
                generation_id: self.generation,
                member_id: self.id.as_str().into(),
                ..HeartbeatRequest::default()
            };
            let answer = self.seat.ask(&request).await?;
            let beaten: HeartbeatResponse = answer.decode()?;
            match ErrorCode::from_code(beaten.error_code) {
                ErrorCode::None => {}
                code => return self.digest(code).await.map(|()| false),
            }
        }
    }

    async fn leave(&self) -> Result<(), ClientError> {
        let version = self.seat.connection.version(LeaveGroupRequest::KEY)?;
        let member_id = self.id.as_str();
        let mut request = LeaveGroupRequest {
            group_id: self.seat.group.as_str().into(),
            ..LeaveGroupRequest::default()
        };
        if version >= LEAVE_SEVERAL_MIN {
            request.members.push(MemberIdentity {
                member_id: member_id.into(),
                ..MemberIdentity::default()
            });
        } else {
            request.member_id = member_id.into();
        }
        self.seat.ask(&request).await.map(|_| ())
    }
}

/// How many partitions an assignment holds.
fn count(bytes: &[u8]) -> usize {
    let Some((_, fields)) = bytes.split_first_chunk::<2>() else {
        return 0;
    };
    let mut reader = Reader::new(fields);
    let read = ConsumerProtocolAssignment::decode(&mut reader, FORMAT_VERSION);
    read.map_or(0, |read| {
        let topics = read.assigned_partitions.iter();
        topics.map(|topic| topic.partitions.len()).sum()
    })
}

fn written(message: &dyn Message) -> Result<Vec<u8>, ClientError> {
    encode_versioned(message, FORMAT_VERSION).map_err(|source| ClientError::Garbled {
        peer: "this member".to_owned(),
        source,
    })
}
