//! A consumer group lives through its members, through restarts and through crashes: who is told
//! that an offset is committed finds it again, and nobody owns what another one owns.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use base::ErrorCode;
use wire::delete_groups::DeleteGroupsRequest;
use wire::describe_groups::DescribeGroupsRequest;
use wire::find_coordinator::FindCoordinatorRequest;
use wire::heartbeat::HeartbeatRequest;
use wire::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use wire::leave_group::{LeaveGroupRequest, MemberIdentity};
use wire::list_groups::ListGroupsRequest;
use wire::metadata::MetadataRequest;
use wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use wire::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use wire::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};

use crate::connection::{Connection, Sent};
use crate::records::Writer;
use crate::server::{self, Server};
use crate::topics::{self, Topic};

/// A version that names topics by their names, in both commits and fetches.
pub(crate) const BY_NAME_VERSION: i16 = 9;
const SESSION_TIMEOUT_MS: i32 = 10_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// A member in a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) group: String,
    pub(crate) id: String,
    pub(crate) generation: i32,
    pub(crate) leader: String,
    /// For the leader: everybody.
    pub(crate) members: Vec<String>,
}

/// A group's name that no other run uses.
pub(crate) fn group(stem: &str) -> String {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{stem}-{}-{}", std::process::id(), since.as_nanos())
}

/// Waits until the group has a coordinator; its node.
pub(crate) fn find_coordinator(connection: &mut Connection, group: &str) -> i32 {
    let begin = Instant::now();
    loop {
        let answer = connection.ask(&FindCoordinatorRequest {
            coordinator_keys: vec![group.into()],
            ..Default::default()
        });
        let response = answer.read::<FindCoordinatorRequest<'_>>();
        let found = &response.coordinators[0];
        if found.error_code == 0 {
            assert!(found.port > 0 && !found.host.is_empty());
            return found.node_id;
        }
        let code = ErrorCode::from_code(found.error_code);
        assert_eq!(code, ErrorCode::CoordinatorNotAvailable);
        assert!(begin.elapsed() < PATIENCE, "no coordinator");
        thread::sleep(Duration::from_millis(50));
    }
}

fn send_join(connection: &mut Connection, group: &str, member: &str) -> Sent {
    let version = connection.newest::<JoinGroupRequest<'_>>();
    let protocol = JoinGroupRequestProtocol {
        name: "range".into(),
        metadata: b"what I want".as_slice().into(),
    };
    let request = JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: SESSION_TIMEOUT_MS,
        rebalance_timeout_ms: SESSION_TIMEOUT_MS,
        member_id: member.into(),
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    };
    connection.send(version, &request)
}

/// The member in its generation, or the code and the id to come back with.
fn receive_join(
    connection: &mut Connection,
    group: &str,
    sent: Sent,
) -> Result<Member, (ErrorCode, String)> {
    let answer = connection.receive(sent);
    let response = answer.read::<JoinGroupRequest<'_>>();
    let id = response.member_id.to_string();
    if response.error_code != 0 {
        return Err((ErrorCode::from_code(response.error_code), id));
    }
    assert_eq!(response.protocol_name.as_deref(), Some("range"));
    let members = response.members.iter();
    Ok(Member {
        group: group.to_owned(),
        id,
        generation: response.generation_id,
        leader: response.leader.to_string(),
        members: members.map(|member| member.member_id.to_string()).collect(),
    })
}

/// Joins as the only member and stays so.
pub(crate) fn join_alone(connection: &mut Connection, group: &str) {
    let id = new_member(connection, group);
    let sent = send_join(connection, group, &id);
    let member = receive_join(connection, group, sent).unwrap();
    assert_eq!(member.members, [id]);
}

/// A new member's id.
pub(crate) fn new_member(connection: &mut Connection, group: &str) -> String {
    let sent = send_join(connection, group, "");
    let (code, id) = receive_join(connection, group, sent).unwrap_err();
    assert_eq!(code, ErrorCode::MemberIdRequired);
    assert!(id.starts_with("it-"), "{id}");
    id
}

pub(crate) fn join(connection: &mut Connection, group: &str, id: &str) -> Member {
    let sent = send_join(connection, group, id);
    receive_join(connection, group, sent).unwrap()
}

/// Brings everybody's assignment: each member's own id.
pub(crate) fn send_sync(connection: &mut Connection, member: &Member) -> Sent {
    let version = connection.newest::<SyncGroupRequest<'_>>();
    let assignments = member.members.iter();
    let assignments = assignments.map(|id| SyncGroupRequestAssignment {
        member_id: id.as_str().into(),
        assignment: id.as_bytes().into(),
    });
    let request = SyncGroupRequest {
        group_id: member.group.as_str().into(),
        generation_id: member.generation,
        member_id: member.id.as_str().into(),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: assignments.collect(),
        ..Default::default()
    };
    connection.send(version, &request)
}

pub(crate) fn receive_sync(connection: &mut Connection, sent: Sent) -> Result<Vec<u8>, ErrorCode> {
    let answer = connection.receive(sent);
    let response = answer.read::<SyncGroupRequest<'_>>();
    match ErrorCode::from_code(response.error_code) {
        ErrorCode::None => Ok(response.assignment.to_vec()),
        code => Err(code),
    }
}

pub(crate) fn sync(connection: &mut Connection, member: &Member) -> Vec<u8> {
    let sent = send_sync(connection, member);
    receive_sync(connection, sent).unwrap()
}

pub(crate) fn heartbeat(connection: &mut Connection, member: &Member) -> ErrorCode {
    let answer = connection.ask(&HeartbeatRequest {
        group_id: member.group.as_str().into(),
        generation_id: member.generation,
        member_id: member.id.as_str().into(),
        ..Default::default()
    });
    ErrorCode::from_code(answer.read::<HeartbeatRequest<'_>>().error_code)
}

fn leave(connection: &mut Connection, member: &Member) -> ErrorCode {
    let identity = MemberIdentity {
        member_id: member.id.as_str().into(),
        ..Default::default()
    };
    let answer = connection.ask(&LeaveGroupRequest {
        group_id: member.group.as_str().into(),
        members: vec![identity],
        ..Default::default()
    });
    let response = answer.read::<LeaveGroupRequest<'_>>();
    assert_eq!(response.error_code, 0);
    ErrorCode::from_code(response.members[0].error_code)
}

pub(crate) fn commit_request<'a>(
    group: &'a str,
    member: Option<&'a Member>,
    topic: &'a Topic,
    offsets: &[(i32, i64)],
) -> OffsetCommitRequest<'a> {
    let partitions = offsets.iter();
    let partitions = partitions.map(|(index, offset)| OffsetCommitRequestPartition {
        partition_index: *index,
        committed_offset: *offset,
        committed_metadata: Some("as far as I got".into()),
        ..Default::default()
    });
    OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: member.map_or(-1, |member| member.generation),
        member_id: member.map_or("", |member| &member.id).into(),
        topics: vec![OffsetCommitRequestTopic {
            name: topic.name.as_str().into(),
            partitions: partitions.collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub(crate) fn codes(answer: &crate::connection::Answer) -> Vec<ErrorCode> {
    let response = answer.read::<OffsetCommitRequest<'_>>();
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    partitions
        .map(|one| ErrorCode::from_code(one.error_code))
        .collect()
}

pub(crate) fn commit(
    connection: &mut Connection,
    group: &str,
    member: Option<&Member>,
    topic: &Topic,
    offsets: &[(i32, i64)],
) -> Vec<ErrorCode> {
    let request = commit_request(group, member, topic, offsets);
    codes(&connection.call(BY_NAME_VERSION, &request))
}

/// The committed offsets of partitions `0..count`; waits while the groups are being loaded.
pub(crate) fn fetch(
    connection: &mut Connection,
    group: &str,
    topic: &Topic,
    count: i32,
) -> Vec<i64> {
    let begin = Instant::now();
    loop {
        let wanted = OffsetFetchRequestTopics {
            name: topic.name.as_str().into(),
            partition_indexes: (0..count).collect(),
            ..Default::default()
        };
        let request = OffsetFetchRequest {
            groups: vec![OffsetFetchRequestGroup {
                group_id: group.into(),
                topics: Some(vec![wanted]),
                ..Default::default()
            }],
            require_stable: true,
            ..Default::default()
        };
        let answer = connection.call(BY_NAME_VERSION, &request);
        let response = answer.read::<OffsetFetchRequest<'_>>();
        let fetched = &response.groups[0];
        match ErrorCode::from_code(fetched.error_code) {
            ErrorCode::None => {
                let partitions = &fetched.topics[0].partitions;
                return partitions.iter().map(|one| one.committed_offset).collect();
            }
            ErrorCode::CoordinatorLoadInProgress | ErrorCode::NotCoordinator => {
                assert!(begin.elapsed() < PATIENCE, "the groups are never loaded");
                thread::sleep(Duration::from_millis(10));
            }
            other => panic!("{}", other.name()),
        }
    }
}

/// The state of the group and how many members it has.
fn describe(connection: &mut Connection, group: &str) -> (String, usize) {
    let answer = connection.call(
        5,
        &DescribeGroupsRequest {
            groups: vec![group.into()],
            ..Default::default()
        },
    );
    let response = answer.read::<DescribeGroupsRequest<'_>>();
    let described = &response.groups[0];
    assert_eq!(described.error_code, 0);
    (described.group_state.to_string(), described.members.len())
}

pub(crate) fn list(connection: &mut Connection) -> Vec<String> {
    let answer = connection.ask(&ListGroupsRequest::default());
    let response = answer.read::<ListGroupsRequest<'_>>();
    assert_eq!(response.error_code, 0);
    let groups = response.groups.iter();
    groups.map(|one| one.group_id.to_string()).collect()
}

#[test]
fn two_members_share_a_group_and_part() {
    let server = Server::any("groups");
    let (mut one, mut two) = (server.connect(), server.connect());
    let group = group("shared");
    let topic = topics::create(&mut one, "shared", 2);
    find_coordinator(&mut one, &group);

    let first = new_member(&mut one, &group);
    let alone = join(&mut one, &group, &first);
    assert_eq!(alone.leader, first);
    assert_eq!(sync(&mut one, &alone), first.as_bytes());
    assert_eq!(heartbeat(&mut one, &alone), ErrorCode::None);
    assert_eq!(describe(&mut one, &group), ("Stable".to_owned(), 1));

    // The second member's join waits until the first one has heard of it and joined again.
    let second = new_member(&mut two, &group);
    let waiting = send_join(&mut two, &group, &second);
    while heartbeat(&mut one, &alone) == ErrorCode::None {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(heartbeat(&mut one, &alone), ErrorCode::RebalanceInProgress);
    let led = join(&mut one, &group, &first);
    let followed = receive_join(&mut two, &group, waiting).unwrap();
    assert_eq!(led.generation, alone.generation + 1);
    assert_eq!(followed.generation, led.generation);
    assert_eq!(led.members.len(), 2);
    let waiting = send_sync(&mut two, &followed);
    assert_eq!(sync(&mut one, &led), first.as_bytes());
    assert_eq!(receive_sync(&mut two, waiting).unwrap(), second.as_bytes());

    let offsets = [(0, 7), (1, 9)];
    let fine = vec![ErrorCode::None; 2];
    assert_eq!(
        commit(&mut two, &group, Some(&followed), &topic, &offsets),
        fine
    );
    // A member of the generation before has lost its partitions to others.
    let stale = commit(&mut one, &group, Some(&alone), &topic, &[(0, 1)]);
    assert_eq!(stale, [ErrorCode::IllegalGeneration]);
    let stranger = commit(&mut one, &group, None, &topic, &[(0, 1)]);
    assert_eq!(stranger, [ErrorCode::UnknownMemberId]);
    let missing = commit(&mut two, &group, Some(&followed), &topic, &[(5, 1), (0, 8)]);
    assert_eq!(
        missing,
        [ErrorCode::UnknownTopicOrPartition, ErrorCode::None]
    );
    assert_eq!(fetch(&mut one, &group, &topic, 3), [8, 9, -1]);

    assert_eq!(leave(&mut two, &followed), ErrorCode::None);
    assert_eq!(heartbeat(&mut one, &led), ErrorCode::RebalanceInProgress);
    let again = join(&mut one, &group, &first);
    assert_eq!(again.members, [first]);
    assert_eq!(leave(&mut one, &again), ErrorCode::None);
    assert_eq!(describe(&mut one, &group), ("Empty".to_owned(), 0));
    assert!(list(&mut one).contains(&group));
    let answer = one.ask(&DeleteGroupsRequest {
        groups_names: vec![group.as_str().into()],
    });
    let deleted = answer.read::<DeleteGroupsRequest<'_>>();
    assert_eq!(deleted.results[0].error_code, 0);
    assert!(!list(&mut one).contains(&group));
    assert_eq!(fetch(&mut one, &group, &topic, 2), [-1, -1]);
}

/// What consumers do not write themselves they must not be able to destroy.
#[test]
fn the_topic_of_offsets_is_internal() {
    let server = Server::any("internal");
    let mut connection = server.connect();
    find_coordinator(&mut connection, &group("internal"));
    let answer = connection.ask(&topics::metadata_of("__consumer_offsets"));
    let response = answer.read::<MetadataRequest<'_>>();
    let topic = &response.topics[0];
    assert!(topic.is_internal && topic.error_code == 0);
    let offsets = Topic {
        name: "__consumer_offsets".to_owned(),
        id: topic.topic_id,
    };
    let batch = Writer::new(0, 100).batch(1);
    let sent = topics::send_batch(&mut connection, (&offsets, 0), -1, &batch.bytes).unwrap();
    let answer = connection.receive(sent);
    let appended = topics::appended(&answer);
    let code = ErrorCode::from_code(appended.error_code);
    assert_eq!(code, ErrorCode::InvalidTopicException);
}

/// A member that is given up on must not hold its connection's memory, nor keep the others waiting
/// for longer than it said.
#[test]
fn a_connection_that_closes_leaves_nothing_behind() {
    let Some(server) = Server::own("gone", &[]) else {
        return;
    };
    let mut stays = server.connect();
    let group = group("gone");
    find_coordinator(&mut stays, &group);
    let first = new_member(&mut stays, &group);
    let alone = join(&mut stays, &group, &first);
    sync(&mut stays, &alone);
    for _ in 0..50 {
        let mut goes = server.connect();
        let id = new_member(&mut goes, &group);
        send_join(&mut goes, &group, &id);
    }
    // Requests of other connections are answered while joins wait; the last join may be on its way.
    let begun = Instant::now();
    while describe(&mut stays, &group).1 < 51 && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(describe(&mut stays, &group).1, 51);
    assert_eq!(
        heartbeat(&mut stays, &alone),
        ErrorCode::RebalanceInProgress
    );
}

#[test]
fn groups_and_offsets_survive_restarts_and_crashes() {
    let Some(mut server) = Server::own("group-restart", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let group = group("kept");
    let topic = topics::create(&mut connection, "kept", 10);
    find_coordinator(&mut connection, &group);
    let id = new_member(&mut connection, &group);
    let member = join(&mut connection, &group, &id);
    sync(&mut connection, &member);
    for round in 0..4_i64 {
        let offsets: Vec<(i32, i64)> = (0..10).map(|index| (index, round * 100)).collect();
        let codes = commit(&mut connection, &group, Some(&member), &topic, &offsets);
        assert_eq!(codes, vec![ErrorCode::None; 10], "round {round}");
        if round % 2 == 0 {
            server.ask_to_end();
            assert_eq!(server.wait().0.code(), Some(0), "{}", server.log());
        } else {
            server.kill();
        }
        server.start();
        connection = server.connect();
        let kept = fetch(&mut connection, &group, &topic, 10);
        assert_eq!(kept, vec![round * 100; 10], "round {round}");
        // The member goes on where it was: its generation is in the log.
        assert_eq!(heartbeat(&mut connection, &member), ErrorCode::None);
        assert_eq!(describe(&mut connection, &group), ("Stable".to_owned(), 1));
    }
}

/// Commits as fast as it can until the connection breaks; the last one that was acknowledged and
/// the last one that was sent.
fn commit_until_the_end(address: SocketAddr, group: &str, topic: &Topic, from: i64) -> (i64, i64) {
    let mut acknowledged = from;
    let mut sent = from;
    let mut run = || -> io::Result<()> {
        let mut connection = Connection::try_open(address)?;
        loop {
            let offset = sent + 1;
            let request = commit_request(group, None, topic, &[(0, offset)]);
            let asked = connection.try_send(BY_NAME_VERSION, &request)?;
            sent = offset;
            let answer = connection.try_receive(asked)?;
            match codes(&answer).as_slice() {
                [ErrorCode::None] => acknowledged = offset,
                [ErrorCode::CoordinatorLoadInProgress | ErrorCode::NotCoordinator] => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let end = run().unwrap_err();
    assert_ne!(end.kind(), io::ErrorKind::WouldBlock, "never answered");
    (acknowledged, sent)
}

#[test]
fn no_acknowledged_commit_is_lost_to_kill_9() {
    let _turn = server::turn();
    let Some(mut server) = Server::own("group-kill", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "committed", 1);
    let groups: Vec<String> = (0..8).map(|index| group(&format!("kill{index}"))).collect();
    find_coordinator(&mut connection, &groups[0]);
    let mut reached = vec![0_i64; groups.len()];
    for round in 0..4 {
        let address = server.address();
        let ends: Vec<(i64, i64)> = thread::scope(|scope| {
            let committing: Vec<_> = groups
                .iter()
                .zip(&reached)
                .map(|(group, from)| {
                    let topic = &topic;
                    scope.spawn(move || commit_until_the_end(address, group, topic, *from))
                })
                .collect();
            thread::sleep(Duration::from_millis(300));
            server.kill();
            let ends = committing.into_iter();
            ends.map(|one| one.join().unwrap()).collect()
        });
        server.start();
        let mut connection = server.connect();
        for (index, (acknowledged, sent)) in ends.into_iter().enumerate() {
            let kept = fetch(&mut connection, &groups[index], &topic, 1)[0].max(0);
            assert!(
                (acknowledged..=sent).contains(&kept),
                "round {round}: {acknowledged} was acknowledged, {sent} sent, {kept} is there"
            );
            assert!(sent > reached[index], "round {round}: nothing was tried");
            reached[index] = sent;
        }
    }
}
